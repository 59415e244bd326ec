"""Which rows are training, validation and test rows, and by which order of labels they are counted."""

from __future__ import annotations

import json

import pytest

import byeori
from byeori.errors import DataError


def test_rows_of_training_are_never_scored_as_others(train, demo_rows):
    """A source of several splits has one of the name, or is refused; --split is of the training source."""
    import datasets

    parts = datasets.DatasetDict(
        {name: datasets.Dataset.from_list(demo_rows[a:b]) for name, a, b in (("train", 0, 60), ("validation", 60, 96))}
    )
    with pytest.raises(DataError, match="DatasetDict: it has the splits train, validation and none called test"):
        train(train=parts, test=parts)
    run = train(train=parts, validation=parts, test_size=0)
    facts = json.loads(run.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 60, "validation": 36}
    named = train("named", train=parts, split="validation", validation=demo_rows[:20], test_size=0)
    facts = json.loads(named.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 36, "validation": 20}


def test_baselines_and_weights_go_by_the_order_of_a_head_that_is_kept(train, demo_rows, tiny):
    """Not by the order that the labels had before the model was loaded."""
    names = sorted({row["label"] for row in demo_rows})
    turned = str(tiny("bert", labels=tuple(reversed(names))))
    values = {"train": demo_rows, "baselines": True, "class_weights": f"{names[0]}=9", "epochs": 1}
    found = [
        train(name, model=model, **values)
        for name, model in (("kept", turned), ("new", str(tiny("bert", auto="AutoModel"))))
    ]
    assert found[0].task.labels == list(reversed(names)) and found[1].task.labels == names
    assert found[0].task.weights == found[1].task.weights[::-1]
    assert found[0].task.weights[-1] == max(found[0].task.weights)
    for kind in ("trivial", "linear"):
        scores = [run.metrics["baseline"][kind]["accuracy"]["value"] for run in found]
        assert scores[0] == pytest.approx(scores[1])


def table(rows, labelled=True) -> str:
    return "text\tlabel\n" + "".join(f"{row['text']}\t{row['label'] if labelled else ''}\n" for row in rows)


@pytest.fixture
def secret(demo_rows, tmp_path):
    """A folder as GLUE has it: nobody tells the labels of its test rows."""
    folder = tmp_path / "glue"
    folder.mkdir()
    (folder / "train.tsv").write_text(table(demo_rows[:60]), encoding="utf-8")
    (folder / "validation.tsv").write_text(table(demo_rows[60:80]), encoding="utf-8")
    (folder / "test.tsv").write_text(table(demo_rows[80:], labelled=False), encoding="utf-8")
    return folder


@pytest.mark.parametrize("more", [{}, {"drop_empty_labels": True}], ids=["", "drop-empty-labels"])
def test_test_rows_without_answers_are_left_out_of_a_training_source(train, secret, more):
    run = train(train=str(secret), **more)
    facts = json.loads(run.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 54, "validation": 20, "test": 6}
    assert any("16 test rows have no answers" in note for part in facts.values() for note in part["notes"])


def test_elsewhere_they_are_an_error(train, secret, demo_rows, tmp_path):
    """Other rows must not take their place."""
    run = train(train=demo_rows)
    for work in (
        lambda: train("other", train=demo_rows, test=str(secret)),
        lambda: run.evaluate(str(secret)),
    ):
        with pytest.raises(DataError, match="label"):
            work()
    (secret / "test.tsv").rename(secret / "test_a.tsv")
    (secret / "test_b.tsv").write_text(table(demo_rows[80:]), encoding="utf-8")
    with pytest.raises(DataError, match="test_a.tsv"):
        train("third", train=str(secret))


def test_labels_by_their_place_keep_their_meaning(train, demo_rows, tiny):
    """0 and 1 stand for the names given, whatever the order of a head of the same names."""
    names = sorted({row["label"] for row in demo_rows})[:2]
    rows = [{"text": row["text"], "label": names.index(row["label"])} for row in demo_rows if row["label"] in names]
    turned = str(tiny("bert", labels=tuple(reversed(names))))
    task = byeori.tasks.TextClassification(labels=list(names))
    run = train(task=task, model=turned, train=rows, test_size=0, max_steps=1)
    assert run.task.labels == names and run.model.config.id2label == dict(enumerate(names))
    assert run.task.named(run.task.references(byeori.read(rows))[0]) == names[rows[0]["label"]]
