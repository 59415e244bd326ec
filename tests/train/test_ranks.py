"""A training of two or three processes is that of one: rows, losses, weights, scores, also resumed on another number of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from byeori.errors import SettingError
from byeori.models.world import World
from byeori.run import RunFolder
from byeori.settings import Train
from byeori.train import partial
from drill import LONG
from families import texts
from labelled import CASES as LABELLED
from together import ranks
from trained_together import WAYS, train

SCRIPT = Path(__file__).parents[1] / "trained_together.py"
# Each case by one of the ways at least, each family by both.
TRIED = {
    "ddp": ("labels", "tags", "masked", "causal", "written", "few", "frozen"),
    "fsdp": ("labels", "causal", "written", "lora", "again"),
}
if not LONG:
    TRIED = {"ddp": ("labels", "written", "few"), "fsdp": ("causal", "lora")}


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> Path:
    """Models and rows by task, and the runs of one process."""
    made = tmp_path_factory.mktemp("ranks")
    families = {
        "text-classification": ("bert", {"auto": "AutoModel"}), "token-classification": ("roberta", {"auto": "AutoModel"}),
        "fill-mask": ("distilbert", {"auto": "AutoModelForMaskedLM"}), "text-generation": ("llama", {"auto": "AutoModelForCausalLM"}),
        "summarization": ("t5", {"auto": "AutoModelForSeq2SeqLM"}),
    }  # fmt: skip
    said = (texts() * 3)[:60]
    for task, (family, values) in families.items():
        rows = LABELLED[task][2] if task in LABELLED else [{"text": one} for one in said]
        rows = [{**row} for row in (rows * 5)[:60]]
        for number, row in enumerate(rows):  # none twice, else a split keeps them together
            for name in ("text", "source"):
                if name in row:
                    row[name] = f"{row[name]} {number}"
        (made / task).symlink_to(tiny(family, **values))
        (made / f"{task}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    for case in {"labels", *(case for way in WAYS for case in TRIED[way])}:
        train(made, case, f"one-{case}")
    return made


def assert_same(folder: Path, found: str, alone: str) -> None:
    ours, theirs = RunFolder(folder / found), RunFolder(folder / alone)
    lines = [[line for line in one.lines(one.history)] for one in (ours, theirs)]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]]
    for one, other in zip(*lines, strict=True):
        if "loss" in one:
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-6, abs=1e-6), (found, one["step"])
            assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5), (found, one["step"])
    weights = [load_file(one.model / "model.safetensors") for one in (ours, theirs)]
    assert weights[0].keys() == weights[1].keys()
    farthest = {name: float((value - weights[1][name]).abs().max()) for name, value in weights[0].items()}
    assert max(farthest.values()) <= 3e-6, (found, max(farthest.items(), key=lambda one: one[1]))
    tests = [json.loads(one.metrics.read_text())["test"] for one in (ours, theirs)]
    for name, score in tests[1].items():
        if score["value"] is not None:
            assert tests[0][name]["value"] == pytest.approx(score["value"], rel=1e-5, abs=1e-5), (found, name)


def training(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name / "metrics.json").read_text())["training"]


def test_two_are_one_and_go_on_as_one_or_three(folder):
    names = [f"{way}-{case}" for way in WAYS for case in (*TRIED[way], "cut")]
    done = ranks(2, SCRIPT, folder, *names, "fsdp-cut_lora")
    assert done.stdout.count("stopped") == 1 + len(WAYS)
    for way in WAYS:
        for case in TRIED[way]:
            assert_same(folder, f"{way}-{case}", f"one-{case}")
            tokens = [
                one["tokens_per_second"] * one["seconds"]
                for one in (training(folder, f"{n}-{case}") for n in (way, "one"))
            ]
            assert tokens[0] == pytest.approx(tokens[1]), "every token was computed once"
            assert training(folder, f"{way}-{case}")["ranks"] == 2
        place = folder / f"{way}-cut" / "checkpoints" / "step-00000004"
        files = {path.name for path in place.iterdir()}
        assert ("model-00002-of-00002.safetensors" in files) == (way == "fsdp") and "manifest.json" in files
        shutil.copytree(folder / f"{way}-cut", folder / f"{way}-kept")
        train(folder, "labels", f"{way}-cut", resume=True)
        assert_same(folder, f"{way}-cut", "one-labels")
        shutil.rmtree(folder / f"{way}-cut")
        shutil.copytree(folder / f"{way}-kept", folder / f"{way}-cut")
    again = ["ddp-resumed", "fsdp-resumed", "fsdp-resumed_lora"]
    ranks(3, SCRIPT, folder, *again, "ddp-scored", "ddp-single", "ddp-short", "fsdp-judged")
    for way in WAYS:
        assert_same(folder, f"{way}-cut", "one-labels")
    assert_same(folder, "fsdp-cut_lora", "one-lora")
    assert_same(folder, "ddp-short", "one-labels")
    assert_same(folder, "ddp-single", "one-labels")
    assert_same(folder, "fsdp-judged", "one-labels")
    judged = RunFolder(folder / "fsdp-judged")
    assert [line["validation"]["held"] > 30 for line in judged.lines(judged.history) if "validation" in line][0]
    assert json.loads(judged.metrics.read_text())["test"]["held"]["value"] == 0, (
        "shares go before the model is read whole"
    )
    scored = training(folder, "ddp-scored")
    assert scored["steps"] == 3 and scored["stopped"] == "scored"
    assert [path.name for path in (folder / "ddp-scored" / "checkpoints").iterdir()] == ["step-00000003"]


def test_an_error_of_data_is_said_and_ends_all(folder):
    (folder / "text-classification.json").rename(folder / "away.json")
    (folder / "text-classification.json").write_text('[{"text": "a", "label": "b"}]', encoding="utf-8")
    try:
        done = ranks(2, SCRIPT, folder, "ddp-labels", fails=True)
    finally:
        (folder / "away.json").replace(folder / "text-classification.json")
    assert "Error" in done.stderr


def test_shares_that_find_no_memory_leave_a_checkpoint_to_go_on_from(folder):
    done = ranks(2, SCRIPT, folder, "fsdp-full", fails=True)
    assert "there is no memory left on cpu" in done.stderr and "--pack-tokens" in done.stderr
    train(folder, "labels", "fsdp-full", resume=True, checkpoint_every=1)
    assert_same(folder, "fsdp-full", "one-labels")


def test_what_shares_can_not_do_is_said(folder, monkeypatch):
    if LONG:
        done = ranks(2, SCRIPT, folder, "fsdp-asked", fails=True)
        assert "Take --previews" in done.stderr
        assert not (folder / "fsdp-asked" / "metrics.json").exists()
    monkeypatch.setattr(World, "here", classmethod(lambda cls: cls(0, 2)))
    with pytest.raises(SettingError, match="Leave --no-merge-adapter out"):
        partial.check(Train(model="any", adapter="lora", merge_adapter=False, fsdp=True))
