"""Multiple choice: one text, a list of choices, the index of the right one, however they are written."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from byeori.data.choices import check_labels
from byeori.data.read import read_rows
from byeori.errors import DataError

CHOICE = {"roles": ("text", "choices", "label"), "forms": (("text", "choices"),)}
OPTIONS = ["서울", "부산", "대구", "광주"]


def values(rows):
    return rows.table["text"][:], rows.table["choices"][:], rows.table["label"][:]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "수도는?", "choices": OPTIONS, "label": 0},
        {"question": "수도는?", "options": OPTIONS, "answer": "A"},
        {"질문": "수도는?", "보기": OPTIONS, "정답": "서울"},
        {"question": "수도는?", "choices": {"label": list("ABCD"), "text": OPTIONS}, "answerKey": "A"},
        {"question": {"stem": "수도는?", "choices": [{"label": c, "text": o} for c, o in zip("ABCD", OPTIONS, strict=True)]},
         "answerKey": "A"},
        {"question": "수도는?", **{f"choice{i}": o for i, o in enumerate(OPTIONS, 1)}, "label": "①"},
        {"question": "수도는?", **dict(zip("ABCD", OPTIONS, strict=True)), "answer": "(A)"},
        {"question": "수도는?", **{f"ans{i}": o for i, o in enumerate(OPTIONS)}, "label": 0.0},
        {"question": "수도는?", "choices": '["서울", "부산", "대구", "광주"]', "label": "0"},
        {"문제": "수도는?", **{f"보기{i}": o for i, o in enumerate(OPTIONS, 1)}, "정답": "서울"},
    ],
)  # fmt: skip
def test_shapes(row):
    assert values(read_rows([row, row], **CHOICE)) == (["수도는?"] * 2, [OPTIONS] * 2, [0, 0])


def test_swag():
    row = {"sent1": "She opens a box.", "sent2": "She", **{f"ending{i}": f"does {i}." for i in range(4)}, "label": "2"}
    other = {**row, "label": "0"}
    text, choices, label = values(read_rows([row, other], **CHOICE))
    assert text[0] == "She opens a box." and choices[0] == [f"She does {i}." for i in range(4)] and label == [2, 0]


def test_race():
    row = {"article": "긴 글.", "question": "무엇?", "options": ["a", "b", "c", "d"], "answer": "D", "example_id": "x"}
    rows = read_rows([row], **CHOICE)
    assert values(rows) == (["긴 글.\n무엇?"], [["a", "b", "c", "d"]], [3])
    assert rows.facts["label_base"] == "letter" and any("read as a letter" in note for note in rows.notes)


@pytest.mark.parametrize(
    ("labels", "expected", "how"),
    [
        ([0, 1, 3], [0, 1, 3], "0"),
        ([1, 4, 2], [0, 3, 1], "1"),
        (["1", "4"], [0, 3], "1"),
        ([1, 2], [1, 2], "0"),
        (["b", "D"], [1, 3], "letter"),
        (["부산", "서울"], [1, 0], "text"),
    ],
)
def test_labels(labels, expected, how):
    rows = read_rows([{"text": "?", "choices": OPTIONS, "label": label} for label in labels], **CHOICE)
    assert (rows.table["label"][:], rows.facts["label_base"]) == (expected, how)
    assert rows.columns["label"] == "label"


def test_choices_that_are_numbers():
    four = ["3", "4", "5", "6"]
    checked, how = check_labels(["5", "6", "3"], [four] * 3)
    assert (checked.values.to_pylist(), how) == ([2, 3, 0], "text")
    checked, how = check_labels([2, 0, 3], [four] * 3)
    assert (checked.values.to_pylist(), how) == ([2, 0, 3], "0")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"text": "?", "choices": OPTIONS, "label": 7}, 'row 3: the label "7" is none of the 4 choices, read as an index from 0'),
        ({"text": "?", "choices": OPTIONS, "label": None}, "row 3: the label column.*--drop-empty-labels"),
        ({"text": "?", "choices": ["a"], "label": 0}, "row 3: there is one choice only"),
        ({"text": "?", "choices": ["a", " "], "label": 0}, "row 3: choice 2 of 2"),
        ({"text": "?", "choices": [], "label": 0}, 'row 3: the column "choices" is empty'),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used(row, what):
    good = {"text": "?", "choices": OPTIONS, "label": 0}
    with pytest.raises(DataError, match=what):
        read_rows([good, good, row], **CHOICE)


def test_fewer_choices_in_some_rows():
    rows = [
        {"question": "?", "A": "a", "B": "b", "C": "c", "answer": "C"},
        {"question": "?", "A": "a", "B": "b", "C": "", "answer": "B"},
    ]
    found = read_rows(rows, **CHOICE)
    assert [len(c) for c in found.table["choices"]] == [3, 2] and found.table["label"][:] == [2, 1]
    with pytest.raises(DataError, match="row 2: choice 1 of 2"):
        read_rows([rows[0], {**rows[1], "A": ""}], **CHOICE)
    unlabelled = read_rows([{"question": "?", "options": OPTIONS}], **CHOICE)
    assert unlabelled.table.column_names == ["text", "choices"]
    with pytest.raises(DataError, match='"text" and "choices" .not found: "choices".'):
        read_rows([{"question": "?", "x": "y"}], **CHOICE)


# several files of one set ---------------------------------------------------------------------------------------------
def quiz(path, labels):
    path.write_text("".join(
        json.dumps({"text": f"{i}?", "choices": OPTIONS, "label": label}, ensure_ascii=False) + "\n" for i, label in enumerate(labels)
    ), encoding="utf-8")  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("sure", "expected", "base"),
    [((1, 2, 4), [0, 1, 3, 0, 1], "1"), ((0, 2, 3), [0, 2, 3, 1, 2], "0"), (("서울", "대구"), [0, 2, 1, 2], "text")],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_leaves_open_what_it_counts_from_counts_as_the_others(tmp_path, sure, expected, base, first):
    """1 and 2 of four choices fit from 0 and from 1."""
    files = [quiz(tmp_path / "sure.jsonl", sure), quiz(tmp_path / "open.jsonl", (1, 2))]
    rows = read_rows(files if first else files[::-1], **CHOICE)
    assert rows.table["label"][:] == (expected if first else [*expected[len(sure) :], *expected[: len(sure)]])
    if base != "text":
        assert rows.facts["label_base"] == base


def test_files_that_count_from_different_numbers(tmp_path):
    files = [quiz(tmp_path / "a.jsonl", (0, 1, 3)), quiz(tmp_path / "b.jsonl", (1, 2, 4))]
    for skip in (False, True):
        with pytest.raises(DataError, match="a.jsonl counts the right choice from 0, b.jsonl from 1. Count alike"):
            read_rows(files, SimpleNamespace(skip_bad_rows=skip), **CHOICE)
    letters = read_rows([quiz(tmp_path / "a.jsonl", ("A", "D")), quiz(tmp_path / "b.jsonl", (1, 4))], **CHOICE)
    assert letters.table["label"][:] == [0, 3, 0, 3], "what says itself how it is read may differ from file to file"
