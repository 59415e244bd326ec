"""Question answering in every shape: each answer stands at its offset, or the row is named and the nearest match told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byeori.data.answers import check, occurrences
from byeori.data.read import read, read_rows
from byeori.errors import DataError

FIXTURES = Path(__file__).parent / "fixtures"
QA = {
    "roles": ("question", "context", "answers", "id", "title"),
    "forms": (("question", "context", "answers"),),
}
CONTEXT = "세종은 1443년에 훈민정음을 만들었다. 훈민정음은 28자이다."


def stand(rows):
    return all(
        row["context"][start : start + len(text)] == text
        for row in rows.table
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    )


def test_klue_mrc():
    rows = read_rows(FIXTURES / "klue_mrc.json", **QA)
    assert len(rows) == rows.origin.files[0].rows == 5
    assert rows.table["id"][:] == [f"klue-mrc-fixture_0000{i}" for i in range(5)]
    assert [a["text"] for a in rows.table["answers"]] == [["한 달가량", "한 달"], ["48개"], [], ["섬진강"], []]
    assert rows.table["title"][3] == "남부 지방 집중호우"
    assert stand(rows)
    assert any("2 questions without an answer" in note for note in rows.notes)
    assert any("answers of 1 question set aside, for is_impossible is true" in note for note in rows.notes)
    features = rows.table.features["answers"]
    assert features["text"].feature.dtype == "string" and features["answer_start"].feature.dtype == "int64"
    kept = read(FIXTURES / "klue_mrc.json", question="question", context="context")
    assert set(kept.column_names) >= {"news_category", "source", "question_type", "is_impossible"}


def test_korquad():
    rows = read_rows(FIXTURES / "korquad.json", **QA)
    assert rows.table["question"][:][2] == "첨성대가 있는 도시는?"
    assert rows.table["answers"][2]["text"] == ["경주", "경주"]
    assert stand(rows) and rows.origin.where(2) == "korquad.json, row 3"
    assert any("2 articles, 3 paragraphs, 3 questions" in note for note in rows.notes)
    loaded = json.loads((FIXTURES / "korquad.json").read_text(encoding="utf-8"))
    for source in (loaded, loaded["data"], datasets.Dataset.from_list(loaded["data"])):
        assert read_rows(source, **QA).table["answers"][:] == rows.table["answers"][:]


def test_answers_beside_their_offset():
    with pytest.raises(DataError) as caught:
        read_rows(FIXTURES / "korquad_wrong.json", **QA)
    assert str(caught.value) == (
        'korquad_wrong.json, row 2: the answer "한글" does not stand at its offset 69 ("에는" stands there); the nearest match '
        "is at 72. 2 of 3 rows are like this (also row 3). Fix the data, or leave such rows out with --skip-bad-rows."
    )
    rows = read_rows(FIXTURES / "korquad_wrong.json", SimpleNamespace(skip_bad_rows=True), **QA)
    assert (len(rows), rows.origin.files[0].rows, rows.table["id"][:]) == (1, 3, ["6548850-0-0"])
    note = next(note for note in rows.notes if "left out" in note)
    assert "2 rows" in note and 'row 3: the answer "평양"' in note and "it occurs nowhere" in note
    kept = read_rows(FIXTURES / "korquad_wrong.json", on_bad="keep", **QA)
    assert len(kept) == 3 and not kept.errors  # a prediction needs no answer


@pytest.mark.parametrize(
    "more",
    [
        {"answers": {"text": ["훈민정음"], "answer_start": [11]}},
        {"answers": [{"text": "훈민정음", "answer_start": 11}]},
        {"answers": {"text": "훈민정음", "answer_start": 11}},
        {"answers": '{"text": ["훈민정음"], "answer_start": [11]}'},
        {"answers": "{'text': ['훈민정음'], 'answer_start': [11]}"},
        {"answer": "훈민정음", "answer_start": "11"},
        {"answer_text": "훈민정음", "start": 11.0},
        {"답변": ["훈민정음"], "answer_start": [11]},
    ],
)
def test_flat_rows(more):
    row = {"question": "세종이 만든 것은?", "context": CONTEXT, **more}
    rows = read_rows([row, row], **QA)
    assert rows.table["answers"][1] == {"text": ["훈민정음"], "answer_start": [11]}
    assert rows.table["id"][:] == ["1", "2"]


def test_a_bare_text_is_found_where_it_occurs_once():
    def answers(text):
        return read_rows([{"질문": "?", "지문": CONTEXT, "답": text}], **QA).table["answers"][0]

    assert answers("28자") == {"text": ["28자"], "answer_start": [CONTEXT.index("28자")]}
    with pytest.raises(
        DataError, match=r'rows, row 1: the answer "훈민정음" occurs 2 times in the context \(at 11, 23\)'
    ):
        answers("훈민정음")
    with pytest.raises(DataError, match='"한글" does not occur in the context'):
        answers("한글")
    with pytest.raises(DataError, match="composed, NFC"):
        import unicodedata

        answers(unicodedata.normalize("NFD", "훈민정음은"))


def test_no_answer():
    context = {"question": "?", "context": CONTEXT}
    none = {"text": [], "answer_start": []}
    for value in (none, [], None, "", {"text": [""], "answer_start": [-1]}, "[]"):
        assert (
            read_rows([{**context, "answers": value}, {**context, "answers": "28자"}], **QA).table["answers"][0] == none
        )
    flagged = [
        {**context, "answers": none, "is_impossible": False},
        {**context, "answers": "28자", "is_impossible": "false"},
    ]
    with pytest.raises(DataError, match="row 1: there is no answer, and is_impossible is false"):
        read_rows(flagged, **QA)
    flagged[0]["is_impossible"] = "maybe"
    with pytest.raises(DataError, match='is_impossible is "maybe"'):
        read_rows(flagged, **QA)


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"text": ["28자"], "answer_start": [1, 2]}, "1 answer text and 2 offsets"),
        ({"text": [28], "answer_start": [1]}, "an answer is 28, not text"),
        ({"text": ["28자"], "answer_start": ["x"]}, 'offset is "x", not a whole number'),
        ({"text": ["28자"], "answer_start": [900]}, "the text has 35 characters.; the nearest match is at 29"),
        ({"start": 3}, 'an object without "text"'),
    ],
)
def test_answers_that_cannot_be_used(answers, what):
    with pytest.raises(DataError, match=f"rows, row 1: .*{what}"):
        read_rows([{"question": "?", "context": CONTEXT, "answers": answers}], **QA)


@given(st.text("ab ", min_size=1, max_size=12), st.data())
def test_any_substring_is_found_again(context, data):
    start = data.draw(st.integers(0, len(context) - 1))
    text = context[start : data.draw(st.integers(start + 1, len(context)))]
    if not text.strip():
        return
    hits = [i for i in range(len(context)) if context[i : i + len(text)] == text]
    assert occurrences(text, context) == hits
    assert not check([{"text": [text], "answer_start": [start]}], [context]).problems
    found = check([text], [context])
    assert bool(found.problems) == (len(hits) != 1)


def test_a_row_left_out_for_one_thing_is_not_refused_for_another():
    rows = [{"question": "?", "context": "", "answers": {"text": ["28자"], "answer_start": [30]}},
            {"question": "?", "context": CONTEXT, "answers": "28자"}]  # fmt: skip
    with pytest.raises(DataError, match='row 1: the column "context" is empty'):
        read_rows(rows, **QA)
    assert len(read_rows(rows, SimpleNamespace(drop_empty=True), **QA)) == 1


def test_missing_columns_and_doubled_ids():
    with pytest.raises(
        DataError, match='"question", "context" and "answers" .not found: "context" and "answers".. The columns'
    ):
        read_rows([{"question": "?", "kind": "x"}], **QA)
    rows = [{"id": "a", "question": "?", "context": CONTEXT, "answers": "28자"}] * 2
    read_twice = read_rows(rows, **QA)
    assert read_twice.table["id"][:] == ["1", "2"] and any("1 id of the rows" in note for note in read_twice.notes)
    asked = read_rows([{"question": "?", "context": CONTEXT}], roles=QA["roles"], forms=(("question", "context"),))
    assert asked.table.column_names == ["question", "context", "id"]


@pytest.mark.parametrize(
    ("article", "what"),
    [
        ({"paragraphs": [{"qas": []}]}, 'article 1, paragraph 1: it has no "context"'),
        ({"paragraphs": [{"context": "c", "qas": [{"id": 1}]}]}, 'paragraph 1, question 1: it has no "question"'),
        ({"paragraphs": ["c"]}, "paragraph 1: a str stands where an object is wanted"),
        ({"paragraphs": [{"context": "c", "qas": []}]}, "there is no question in its 1 article"),
    ],
)
def test_damaged_nesting(article, what, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"version": "x", "data": [article]}))
    with pytest.raises(DataError, match=f"a.json.*{what}"):
        read_rows(tmp_path / "a.json", **QA)
