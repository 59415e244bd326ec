"""Memory that runs out while a model predicts: the answers and losses are those of one that had enough, each counted once."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import byeori
from byeori.generate.continuous import Continuous
from byeori.models.shortage import OutOfMemory, halves
from byeori.predict import run as run_module
from byeori.predict.evaluate import Losses
from byeori.predict.files import predict_file
from labelled import CASES, close

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB."
CPU = (
    "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes."
)
USING: dict[str, Any] = {"device": "cpu", "precision": "float32", "threads": 1, "max_length": 48}


@pytest.fixture
def run_of(tiny) -> Callable[[str], Any]:
    def make(task: str) -> Any:
        family, values, _ = CASES[task]
        run = byeori.load_run(str(tiny(family, **values)), task=task, **USING)
        run.engine.pack_tokens = 400
        return run

    return make


class Failing:
    """A model that finds no memory at random calls, before or behind its layers or in its loss, but never for one row alone."""

    def __init__(self, run: Any, monkeypatch: Any, error: Callable[[], Exception], share: float = 0.4):
        self.random, self.error, self.share = random.Random(7), error, share
        self.times, self.several, self.held = 0, False, list[Any]()
        outputs, loss, step = type(run.task).outputs, type(run.task).loss, Continuous._join

        def of_pack(task: Any, model: Any, pack: Any) -> Any:
            assert all(one() is None for one in self.held), "what failed is still there"
            self.several = len(set(pack.rows.tolist())) > 1
            return outputs(task, model, pack)

        def of_loss(task: Any, found: Any, pack: Any) -> Any:
            self([getattr(found, "logits", None)])
            return loss(task, found, pack)

        def of_strands(engine: Any) -> None:
            step(engine)
            self.several = len(engine.trying) > 1
            self(None)

        monkeypatch.setattr(type(run.task), "outputs", of_pack)
        monkeypatch.setattr(type(run.task), "loss", of_loss)
        monkeypatch.setattr(Continuous, "_join", of_strands)
        self.hooks = [
            run.model.register_forward_pre_hook(lambda *_: self(None)),
            run.model.register_forward_hook(lambda model, given, made: self(made)),
        ]

    def __call__(self, made: Any) -> None:
        if self.several and self.random.random() < self.share:
            self.times += 1
            if made is not None and made[0] is not None:
                self.held.append(weakref.ref(made[0]))
            raise self.error()


@pytest.mark.parametrize(
    ("task", "error"),
    [
        *[("text-classification", one) for one in (RuntimeError(CPU), MemoryError())],
        *[(task, torch.OutOfMemoryError(CUDA)) for task in CASES],
    ],
)
def test_nothing_changes(run_of, monkeypatch, capsys, task, error):
    rows = CASES[task][2]
    call = {"max_new_tokens": 6} if task == "summarization" else {}
    plain, short = run_of(task), run_of(task)
    judged, said = plain.evaluate(rows, resamples=100, **call), plain.predict(rows, **call)
    store = plain.encode(plain.read(rows), labels=True)
    losses = [Losses(one.task, len(store)) for one in (plain, short)]
    before = plain.engine.run(store, losses[0])
    short.predict(rows[:1], **call)  # a model is tried at its first call
    gc.disable()
    try:
        with monkeypatch.context() as patch:
            failing = Failing(short, patch, lambda: type(error)(*error.args))
            after = short.engine.run(store, losses[1])
            assert failing.times > 1
            again, told = short.evaluate(rows, resamples=100, **call), short.predict(rows, **call)
            for hook in failing.hooks:
                hook.remove()
    finally:
        gc.enable()
    assert np.allclose(before.values, after.values, atol=1e-5)
    assert np.array_equal(losses[0].labels, losses[1].labels) and np.allclose(losses[0].sums, losses[1].sums, atol=1e-5)
    assert again.keys() == judged.keys()
    assert [one["value"] for one in again.values()] == pytest.approx(
        [one["value"] for one in judged.values()], abs=1e-5
    )
    for one, other in zip(told, said, strict=True):
        assert close(one, other), (one, other)
    assert short.engine.pack_tokens < 400 == plain.engine.pack_tokens
    assert short.engine.spent.rows == plain.engine.spent.rows + 1
    assert capsys.readouterr().err.count("There is no memory for") == 1


def test_one_that_cannot_be_halved_is_named(run_of, monkeypatch, tmp_path):
    """The fifth row alone is too long; the file names it by its line."""
    run = run_of("text-classification")
    data, output = tmp_path / "a.tsv", tmp_path / "out.jsonl"
    lines = ["text", *["가 나", "다"] * 2, " ".join(["서울에"] * 20), "라", "마"]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run.predict(["가"])

    def full(model: Any, given: Any, named: Any) -> None:
        if named["input_ids"].numel() > 20:
            raise torch.OutOfMemoryError(CUDA)

    hook = run.model.register_forward_pre_hook(full, with_kwargs=True)
    advice = r"tokens alone find no memory on cpu \(CUDA out of memory.*\)\. Cut texts shorter \(--max-length\)"
    with pytest.raises(OutOfMemory, match=rf"^a\.tsv, row 5: its \d+ {advice}") as caught:
        predict_file(run, str(data), output, call={}, read={})
    assert caught.value.exit_code == 1 and not output.exists()
    monkeypatch.setattr(run_module, "WINDOW", 2)
    with pytest.raises(OutOfMemory, match=rf"^row 5: its \d+ {advice}"):
        run.predict(lines[1:])
    assert len(run.cut_to(16).predict(lines[1:])) == 7
    hook.remove()


def test_halves():
    tokens, rows = np.array([1, 1, 2, 8, 4]), np.array([0, 0, 1, 2, 1])
    for units in (rows, np.arange(5)):
        one, other = halves(tokens, units)
        assert sorted([*one, *other]) == list(range(5)) and tokens[one].sum() == tokens[other].sum() == 8
        assert not {*units[one]} & {*units[other]}
    assert halves(tokens, np.zeros(5)) is None
    one, other = halves(np.array([0, 0]), np.arange(2))
    assert len(one) == len(other) == 1
