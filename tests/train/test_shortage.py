"""Memory that runs out in the middle of an update: done again in smaller packs, to the weights of a run that never failed."""

from __future__ import annotations

import importlib
import json
import random

import pytest
import torch
from safetensors.torch import load_file

from byeori.errors import TrainingError
from byeori.tasks import TextClassification
from byeori.train import kept_costs
from drill import LONG
from gradients import Full

ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"
    ),
    MemoryError("Unable to allocate 4 bytes"),
)


@pytest.fixture
def shortage(monkeypatch):
    """`shortage(seed)`: from then on about one in three packs of more than one row fails, forward or backward."""

    def start(seed: int):
        drawn, loss, found = random.Random(seed), TextClassification.loss, []

        def failing(self, outputs, pack):
            if outputs.logits.requires_grad and len(pack) > 1 and drawn.random() < 1 / 3:
                error = drawn.choice(ERRORS)
                found.append(len(pack))
                if drawn.random() < 0.5:
                    raise error
                outputs.logits = Full.apply(outputs.logits, error)
            return loss(self, outputs, pack)

        monkeypatch.setattr(TextClassification, "loss", failing)
        return found

    return start


def weights(run):
    return load_file(run.folder.model / "model.safetensors")


@pytest.mark.parametrize("seed", range(4 if LONG else 2))
def test_an_update_without_memory_is_done_again(train, still_bert, shortage, notes, seed):
    # Of gradients that are nothing but rounding (keys' biases add the same to all scores of a query) a smaller epsilon makes whole steps.
    values = {"model": still_bert, "log_every": 1, "pack_tokens": 300, "cache": False, "adam_epsilon": 1e-5}
    clean = train("clean", **values)
    failed = shortage(seed)
    run = train("run", progress=notes, **values)
    assert len(failed) >= 2 and run.metrics["training"]["steps"] == clean.metrics["training"]["steps"]
    said = [note for note in notes.notes if "there is no memory left" in note]
    assert len(said) == len(failed) and "it is done again in packs of" in said[0]
    ours, theirs = weights(run), weights(clean)
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) <= 1e-6
    losses = [[line["loss"] for line in one.folder.lines(one.folder.history) if "loss" in line] for one in (run, clean)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for name in ("examples_per_second", "tokens_per_second"):  # an attempt that failed is no work done
        seconds = [one.metrics["training"]["seconds"] * one.metrics["training"][name] for one in (run, clean)]
        assert seconds[0] == pytest.approx(seconds[1])


def test_what_is_done_again_draws_what_it_drew_before(train, monkeypatch):
    """With dropout, and packs that are left as they are."""
    values = {"log_every": 1, "pack_tokens": 100, "cache": False, "max_steps": 3}
    clean = train("clean", **values)
    loss, failed = TextClassification.loss, []

    def once(self, outputs, pack):
        if outputs.logits.requires_grad and not failed and len(pack) > 1:
            failed.append(1)
            raise ERRORS[0]
        return loss(self, outputs, pack)

    monkeypatch.setattr(TextClassification, "loss", once)
    monkeypatch.setattr(importlib.import_module("byeori.train.loop").Loop, "shorten", lambda self, tokens: None)
    run = train("run", **values)
    ours, theirs = weights(run), weights(clean)
    assert failed and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_row_that_does_not_fit_alone_is_named(train, monkeypatch):
    def never(self, outputs, pack):
        raise ERRORS[1]

    monkeypatch.setattr(TextClassification, "loss", never)
    said = r"there is no memory left on cpu \(.*\) for one row alone, requests.tsv, row \d+: \d+ tokens\. Give a smaller --max-length"
    with pytest.raises(TrainingError, match=said):
        train(cache=False)


def test_what_memory_sufficed_for_is_remembered_and_resumed(train, shortage, notes, monkeypatch, tmp_path):
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_costs, "OWN", (*kept_costs.OWN, "tests", "test_shortage"))
    shortage(0)
    first = train("one", progress=notes)
    (kept,) = (tmp_path / "cache").rglob("*.limit.json")
    limit = json.loads(kept.read_text())["tokens"]
    assert limit == min(
        int(n.split("packs of ")[1].split()[0].replace(",", "")) for n in notes.notes if "done again" in n
    )
    notes.notes.clear()
    train("two", progress=notes, max_steps=1)
    assert any(f"Packs of {limit:,} tokens, as memory did not suffice" in note for note in notes.notes)
    settings = (tmp_path / "two" / "settings.yaml").read_text()
    assert (
        f"pack_tokens: {limit}" in settings
        and f"pack_tokens: {limit}" not in (first.path / "settings.yaml").read_text()
    )
