"""What question answering is given: inputs in every shape, answers that don't stand at their offset."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import byeori
from byeori.data.read import read_rows
from byeori.errors import DataError
from byeori.tasks.question_answering import QuestionAnswering
from byeori.text.encode import Encoder
from families import Family

DATA = Path(__file__).parent / "data"


def rows_of(name: str) -> Any:
    return read_rows(DATA / f"{name}.json", roles=QuestionAnswering.roles, forms=QuestionAnswering.forms)


def test_inputs_of_all_shapes():
    take = QuestionAnswering().inputs
    one = {"question": "누가?", "context": "철수가 왔다."}
    squad = {**one, "id": "7", "answers": {"text": [], "answer_start": []}, "is_impossible": True}
    old = SimpleNamespace(question_text=one["question"], context_text=one["context"])
    for given in (one, ("누가?", "철수가 왔다."), old):
        assert take(given) == ([one], True)
        assert take([given, given]) == ([one, one], False)
    assert take(squad)[0] == [{**one, "id": "7", "answers": squad["answers"]}]
    two = [one, {"question": "언제?", "context": one["context"]}]
    assert take({"question": ["누가?", "언제?"], "context": one["context"]}) == (two, False)
    assert take({"question": ["누가?", "언제?"], "context": [one["context"]] * 2}) == (two, False)
    for wrong, message in (
        ("누가?", "input 1 is str"), ([one, {"question": "?"}], "input 2 is dict"),
        ([one, {**one, "context": " "}], "input 2: the context is empty"), ({**one, "question": None}, "the question is NoneType"),
        ({"question": ["?"], "context": ["a", "b"]}, "1 questions with 2 contexts"),
        ({"question": "?", "context": ["a"]}, "the context is list"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            take(wrong)


def test_answers_are_checked_again_in_python():
    task, encoder = QuestionAnswering(), Encoder(Family("bert").tokenizer(), 64)
    wrong = {
        "question": ["누가?"],
        "context": ["철수가 왔다. 철수다."],
        "answers": [{"text": ["철수"], "answer_start": [2]}],
    }
    with pytest.raises(DataError, match=r'"누가\?".*offset 2 \("가 " stands there\); the nearest match is at 0'):
        task.encode(wrong, encoder)
    rows = rows_of("korquad_1")
    broken = [
        dict(one, answers={"text": ["없는 말"], "answer_start": [0]}) if n == 4 else one
        for n, one in enumerate(rows.table)
    ]
    with pytest.raises(DataError, match="row 5: the answer .* occurs nowhere"):
        byeori.read(broken, question="question", context="context", answers="answers")
    rows.table = type(rows.table).from_list(broken)
    for learn in (task.prepare, task.check):
        with pytest.raises(DataError, match="korquad_1.json, row 5: .*없는 말"):
            learn(rows)
    rows.table = rows.table.remove_columns("answers")
    with pytest.raises(DataError, match="no column of answers"):
        task.prepare(rows)
    with pytest.raises(DataError, match="makes nothing of its answer"):
        task.encode({**wrong, "answers": [{"text": [" "], "answer_start": [3]}]}, encoder)


def test_a_split_keeps_articles_together():
    task, rows = QuestionAnswering(), rows_of("korquad_1")
    assert task.groups(rows).tolist() == [0] * 4 + [1] * 2 + [2] * 4 + [3] * 2  # few articles: paragraphs
    rows.table = rows.table.remove_columns("title").add_column("title", [f"t{n % 10}" for n in range(12)])
    assert task.groups(rows).tolist() == [*range(10), 0, 1]


def test_answers_too_long_to_be_found_are_told():
    rows = rows_of("korquad_2")
    QuestionAnswering(max_answer_length=20).prepare(rows)
    assert "1 answer of 12 have more than 20 words" in rows.notes[-1]
