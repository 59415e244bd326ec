"""What a training writes for its report: scores of slices, the same rows at each evaluation, the texts of the worst mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import byeori
from byeori.predict.occlusion import pieces, without
from byeori.report.facts import read_facts
from byeori.report.keep import ROWS
from byeori.train import slices
from byeori.train.slices import fifths

WORDS = ["sent", "parcel", "old", "book", "green", "paid", "twice", "card", "late", "gone"]


def rows(count: int, seed: int = 0) -> list[dict]:
    draw = np.random.default_rng(seed)
    return [
        {
            "text": " ".join(draw.choice(WORDS, int(draw.integers(2, 12)))),
            "label": str(draw.choice(["a", "b", "c"])),
            "domain": ("shop", "mail")[at % 3 == 0],
        }
        for at in range(count)
    ]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    def make(name: str = "run", **values):
        output = values.pop("output", None) or str(tmp_path_factory.mktemp("kept") / name)
        given = {"train": rows(60), "validation": rows(40, 1), "test": rows(90, 2), "max_steps": 6, "evaluate_every": 2,
                 "learning_rate": 1e-3, "precision": "float32", "threads": 1, "baselines": False, "batch_size": 8}  # fmt: skip
        model = str(tiny("bert", auto="AutoModel"))
        return byeori.train("text-classification", model, output=output, **{**given, **values})

    return make


@pytest.fixture(scope="module")
def run(trained):
    return trained()


def read(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_slice_has_the_score_of_its_rows_alone(run):
    found = read(run.folder.slices)
    test = rows(90, 2)
    assert found["part"] == "test" and found["source"]["column"] == "domain" and "file" not in found
    named = {one["name"]: one for one in found["source"]["slices"]}
    assert {name: one["rows"] for name, one in named.items()} == {"shop": 60, "mail": 30}
    alone = run.evaluate([one for one in test if one["domain"] == "mail"], resamples=slices.RESAMPLES)
    for name, score in named["mail"]["scores"].items():
        assert score == pytest.approx(alone[name])
    lengths = [len(one) - 2 for one in run.tokenizer([row["text"] for row in test])["input_ids"]]
    by_length = found["length"]["slices"]
    assert sum(one["rows"] for one in by_length) == 90 and len(by_length) >= 3
    for one in by_length:
        assert one["rows"] == sum(one["low"] <= length + 2 <= one["high"] for length in lengths) >= 20


def test_equal_lengths_stand_together():
    assert fifths(np.full(100, 7)).tolist() == [] == fifths(np.arange(30)).tolist()
    assert fifths(np.arange(100)).tolist() == [20, 40, 60, 80]
    assert fifths(np.repeat([1, 2, 9], [70, 10, 20])).tolist() == [9]


def test_the_same_rows_at_each_evaluation(run, trained):
    lines = run.folder.lines(run.folder.watched)
    assert [one["step"] for one in lines] == [2] * 5 + [4] * 5 + [6] * 5
    assert {one["row"] for one in lines} == {1, 11, 21, 30, 40}
    validation = rows(40, 1)
    for one in lines:
        assert one["inputs"]["text"] == validation[one["row"] - 1]["text"]
        assert one["reference"] == validation[one["row"] - 1]["label"]
    if run.metrics["training"]["best"]["step"] == 6:
        given = run.predict([one["inputs"]["text"] for one in lines[-5:]])
        assert [one["prediction"] for one in lines[-5:]] == [one["label"] for one in given]
        assert [one["score"] for one in lines[-5:]] == pytest.approx([one["score"] for one in given], abs=1e-4)


class Stops(byeori.Hook):
    def step_end(self, run, pack, outputs):
        if run.step == 5:
            raise KeyboardInterrupt


def test_a_resumed_training_writes_the_same_rows_once(run, trained, tmp_path):
    values = {"output": str(tmp_path / "run"), "checkpoint_every": 3}
    with pytest.raises(KeyboardInterrupt):
        trained(hooks=[Stops()], **values)
    resumed = trained(resume=True, **values)
    assert resumed.folder.lines(resumed.folder.watched) == run.folder.lines(run.folder.watched)
    assert resumed.metrics["training"]["resumed"] == [3]
    assert "went on from update 3" in resumed.folder.report.read_text(encoding="utf-8")
    assert read(resumed.folder.slices) == read(run.folder.slices)


def test_the_worst_rows_are_those_of_the_table_and_their_words_are_true(run):
    from byeori.report.predicted import mislabelled

    kept, test = read(run.folder.mistakes), rows(90, 2)
    assert kept["part"] == "test"
    table = mislabelled(read_facts(run.folder), "test").worst
    assert [one["row"] for one in kept["rows"]] == [cells[0] for cells in table[:ROWS]] and len(kept["rows"]) == ROWS
    for one in kept["rows"]:
        text = one["inputs"]["text"]
        assert text == test[one["row"] - 1]["text"] and one["where"].endswith(f"row {one['row']}")
        spans = one["words"]["text"]
        assert [text[a:b] for a, b, _ in spans] == text.split()
        holes = [" ".join(text.split()[:at] + text.split()[at + 1 :]) for at in range(len(spans))]
        every = run.predict([text, *holes], top_k=None)
        whole, *others = [next(each["score"] for each in given if each["label"] == one["of"]) for given in every]
        assert one["score"] == pytest.approx(whole, abs=1e-4)
        assert [change for _, _, change in spans] == pytest.approx([other - whole for other in others], abs=1e-4)


def test_pieces_and_holes():
    assert pieces("one") == [] and pieces("") == [] and pieces(" 정말  재미없다 ") == [(1, 3), (5, 9)]
    assert without("정말 재미없다", 0, 2) == "재미없다" and without("정말 재미없다", 3, 7) == "정말 "
    assert len(pieces("a " * 200, 80)) == 67 and pieces("a " * 200, 80)[-1][1] == 399


def test_pairs_numbers_and_several_labels_have_theirs(tiny, tmp_path):
    model = str(tiny("bert", auto="AutoModel"))
    given = {"max_steps": 1, "precision": "float32", "threads": 1, "baselines": False, "batch_size": 8}
    pairs = [{"text": one["text"], "text_pair": "old book", "label": at / 9} for at, one in enumerate(rows(30))]
    many = [{"text": one["text"], "label": [one["label"]]} for one in rows(30)]
    for name, data, roles in (("pairs", pairs, {"text", "text_pair"}), ("many", many, {"text"})):
        run = byeori.train("text-classification", model, train=data, test=data, output=str(tmp_path / name), **given)
        kept = read(run.folder.mistakes)["rows"]
        assert kept and all(set(one["words"]) == roles for one in kept if "words" in one)
        assert (kept[0].get("of") is None) == (name == "pairs")


def test_without_previews_no_texts_are_kept(trained):
    run = trained("bare", previews=0, max_steps=1)
    assert not run.folder.mistakes.exists() and not run.folder.watched.exists() and run.folder.slices.exists()
    byeori_report = run.folder.report.read_text(encoding="utf-8")
    assert "it was trained with --previews 0" in byeori_report
    assert not any(row["text"] in byeori_report for row in rows(90, 2) if len(row["text"]) > 20)
