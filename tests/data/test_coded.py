"""Columns of few values: the same labels, classes and splits as from every row's own value."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa
import pytest

from byeori.data import coded as module
from byeori.data.coded import coded, from_few
from byeori.data.columns import _distinct, labels
from byeori.data.read import read_rows
from byeori.data.split import split_indices
from byeori.errors import DataError
from byeori.tasks.text_classification import TextClassification

rng = np.random.default_rng(0)
COLUMNS = {
    "words": [("부정", "긍정", "none", "a b")[i] for i in rng.integers(0, 4, 200)],
    "numbers as text": [str(i) for i in rng.integers(0, 12, 200)],
    "numbers": rng.integers(-1, 11, 200).tolist(),
    "truth": (rng.integers(0, 2, 200) == 1).tolist(),
    "spellings": [("1", "1.0", "2")[i] for i in rng.integers(0, 3, 200)],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_values_and_codes(name):
    table = datasets.Dataset.from_dict({"label": COLUMNS[name], "text": ["x"] * 200})
    for rows in (table, table.select(range(199, 20, -1)), datasets.concatenate_datasets([table, table])):
        found = coded(rows, "label")
        assert [found.values[code] for code in found.codes.tolist()] == rows["label"][:] and len(found) == len(rows)
        assert found.values == list(dict.fromkeys(rows["label"][:]))


@pytest.mark.parametrize("column", [[None, "a"] * 9, ["a", "b"], [0.5, 1.0] * 9, [["a"]] * 9, []])
def test_other_columns(column):
    assert coded(datasets.Dataset.from_dict({"label": column}), "label") is None


@pytest.mark.parametrize("name", COLUMNS)
def test_a_task_learns_the_same(name, monkeypatch):
    rows = read_rows({"text": [f"글 {i}" for i in range(200)], "label": COLUMNS[name]})
    seen = []
    for few in (True, False):
        if not few:
            monkeypatch.setattr(module, "coded", lambda table, name: None)
            monkeypatch.setattr("byeori.tasks.text_classification.coded", lambda table, name: None)
        task = TextClassification(class_weights="balanced")
        task.prepare(rows)
        cut = split_indices(task.strata(rows), 0.2, 0.1, seed=3, groups=task.groups(rows))
        seen.append(
            (task.state(), task.by_place, task.references(rows.table).tolist(), {k: v.tolist() for k, v in cut.items()})
        )
    assert seen[0] == seen[1]


@pytest.mark.parametrize("column", [["a"] * 20, ["a", "b"] * 9 + ["c"] * 2, ["a", ""] * 10])
def test_errors_name_the_row(column, monkeypatch):
    """One class only, and a label that training lacks: told as where every row is looked at."""
    table = datasets.Dataset.from_dict({"text": list(map(str, range(20))), "label": column})
    rows = read_rows({"text": ["x", "y"] * 4, "label": ["a", "b"] * 4})
    rows.table, rows.origin = table, rows.origin.of("a.csv", 20)
    said = []
    for few in (True, False):
        if not few:
            monkeypatch.setattr(module, "coded", lambda table, name: None)
        for task in (TextClassification(), TextClassification(labels=["a", "b"])):
            for call in (task.prepare, task.check):
                try:
                    call(rows)
                    said.append(None)
                except Exception as error:
                    said.append(f"{type(error).__name__} {error}")
    assert said[:4] == said[4:] and any("DataError" in (one or "") for one in said)


def test_from_few_asks_all_rows_on_an_error():
    table = datasets.Dataset.from_dict({"label": ["a", "b"] * 5})

    def refuse(found):
        raise DataError("no row")

    assert from_few(table, "label", refuse, len) == 10
    assert from_few(table, "label", lambda found: found.values, len) == ["a", "b"]


@pytest.mark.parametrize(
    "chunks", [[["1", "0"], ["0", "2", "1"]], [["1"], [], ["a", "가"]], [[], ["0"]], [["10", "1"]], []]
)
def test_labels_of_one_letter(chunks):
    column = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
    assert _distinct(column).to_pylist() == column.unique().to_pylist()
    cut = column.slice(1)
    assert _distinct(cut).to_pylist() == cut.unique().to_pylist()


def test_blank_labels_of_one_letter():
    column = pa.chunked_array([pa.array(["1", " ", "0"])])
    assert labels(column).empty.tolist() == [1]


def test_the_linear_baseline_draws_from_some(monkeypatch):
    monkeypatch.setattr("byeori.tasks.text_classification._MOST_ROWS", 60)
    words = (("나빠", "최악"), ("좋아", "최고"))
    given = rng.integers(0, 2, 400)
    rows = read_rows({"text": [f"{words[y][i % 2]} {i}" for i, y in enumerate(given)], "label": given.tolist()})
    task = TextClassification()
    task.prepare(rows)
    train, asked = rows.select(range(300)), rows.select(range(300, 400))
    found = task.baseline("linear", train, asked, 0)
    assert (found == task.references(asked.table)).mean() > 0.9
    assert (found == task.baseline("linear", train, asked, 0)).all()
