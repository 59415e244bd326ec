"""The tables of wrong rows: just the wrong ones, told as their task has them; lines that can't be read are counted."""

from __future__ import annotations

import pytest
from report_page import Page

from byeori import tasks
from byeori.report.about import TASKS
from byeori.report.facts import Facts
from byeori.report.html import page, predictions

ENTITIES = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def facts(task: str, predicted: list, **state) -> Facts:
    """A run of that task; `predicted`: (prediction, reference) a row."""
    lines = [{"row": row, "prediction": said, "reference": right} for row, (said, right) in enumerate(predicted, 1)]
    return Facts("run", metrics={"task": task}, saved={"task": task, "state": state}, predictions={"test": lines})


def listed(run: Facts, lines: int = 0) -> tuple[str, list[list[str]]]:
    """The text and the rows of the one table there is; so many lines could not be read."""
    parsed = Page(predictions(run))
    told = f"predictions/test.jsonl: {lines} lines have no usable prediction and reference; they are left out."
    assert run.missing == ([told] if lines else [])
    assert "Scores of each label" not in parsed.text and "Confusion matrix" not in parsed.text
    (table,) = parsed.tables
    return parsed.text, table


def found(kind: str, word: str, score: float = 0.9) -> dict:
    return {"entity_group": kind, "word": word, "score": score, "start": 0, "end": len(word)}


def test_entities_are_counted_by_type():
    text, table = listed(facts("token-classification", [
        ([], ["O", "O"]),
        ([found("LOC", "서울")], ["B-LOC", "O"]),
        ([found("LOC", "부산")], ["B-PER", "I-PER", "B-LOC", "B-LOC"]),
        ([found("PER", "김민수")], ["O"]),
        ([], ["B-LOC", "I-LOC"]),
    ], labels=ENTITIES))  # fmt: skip
    assert "Entities missed and added (3 of 3)" in text and "a wrong border alone does not show here" in text
    assert table == [
        ["row", "prediction", "reference", "missed", "added"],
        ["3", "부산:LOC", "LOC × 2, PER", "LOC, PER", "none"],
        ["4", "김민수:PER", "none", "none", "PER"],
        ["5", "none", "LOC", "LOC", "none"],
    ]


def test_sentences_without_entities_are_no_mistakes():
    run = facts("token-classification", [([], ["O", "O", "O"])] * 3, labels=ENTITIES)
    text = Page(page(run)).text
    assert "Entities missed and added: none." in text
    for false in ("Most confident mistakes", "Scores of each label", "no usable prediction", "Missing in this run"):
        assert false not in text


def test_bare_tags_are_compared_by_word():
    def tags(*kinds):
        return [{"entity": kind, "word": word, "score": 0.5} for kind, word in zip(kinds, "abc", strict=False)]

    text, table = listed(facts("token-classification", [
        (tags("NOUN", "VERB"), ["NOUN", "VERB"]),
        (tags("NOUN", "NOUN"), ["NOUN", "VERB"]),
        (tags("VERB"), ["VERB", "NOUN"]),
    ], labels=["NOUN", "VERB"]))  # fmt: skip
    assert table == [["row", "prediction", "reference", "wrong"], ["2", "b:NOUN", "b:VERB", "1"]]
    assert "1 rows are not compared" in text


def test_answers_by_exact_match_as_they_are_scored():
    text, table = listed(facts("question-answering", [
        ({"score": 0.9, "start": 0, "end": 3, "answer": "The Bridge."}, ["bridge"]),
        ({"score": 0.4, "start": 0, "end": 3, "answer": "the old bridge"}, ["bridge", "a bridge"]),
        ([{"score": 0.8, "start": 0, "end": 3, "answer": "rain"}], []),
        ({"score": 0.7, "start": 0, "end": 0, "answer": ""}, []),
        ({"score": 0.6, "start": 0, "end": 0, "answer": ""}, ["rain"]),
    ]))  # fmt: skip
    assert "Most confident mistakes (3 of 3)" in text
    assert table[1:] == [
        ["3", "rain 0.800", "no answer", "0.0000"],
        ["5", "no answer 0.600", "rain", "0.0000"],
        ["2", "the old bridge 0.400", "bridge ⏐ a bridge", "0.6667"],
    ]


@pytest.mark.parametrize(
    ("task", "key"),
    [("summarization", "summary"), ("translation", "translation"), ("text2text-generation", "generated")],
)
def test_written_texts_stand_furthest_first(task, key):
    from sacrebleu import sentence_chrf

    text, table = listed(facts(task, [
        ({f"{key}_text": "the bridge opens"}, "the  bridge opens"),
        ({f"{key}_text": "the bridge closes"}, "the bridge opens"),
        ({f"{key}_text": "rain"}, ["the bridge opens", "it opens"]),
        (None, "the bridge opens"),
    ]))  # fmt: skip
    assert "Furthest from their references (2 of 2)" in text and "1 rows were not written (--eval-max-rows)." in text
    near = sentence_chrf("the bridge closes", ["the bridge opens"]).score
    assert [row[0] for row in table[1:]] == ["3", "2"] and table[2][1:] == [
        "the bridge closes",
        "the bridge opens",
        f"{near:.4f}",
    ]
    assert table[1][2] == "the bridge opens ⏐ it opens"


def test_wrong_choices_the_surest_first():
    text, table = listed(facts("multiple-choice", [
        ({"choice": 0, "label": "oven", "score": 0.6}, 1), ({"choice": 1, "label": "fridge", "score": 0.9}, 1),
        ({"choice": 2, "label": "sink", "score": 0.8}, 0),
    ]))  # fmt: skip
    assert table[1:] == [["3", "2: sink 0.800", "0"], ["1", "0: oven 0.600", "1"]]
    assert "Choices are counted from 0." in text


def test_running_text_by_how_likely_it_is():
    _, table = listed(facts("text-generation", [
        ({"perplexity": 12.5, "tokens": 1200, "accuracy": 0.3}, None),
        ({"perplexity": None, "tokens": 3, "accuracy": 0.0}, None),
        (None, None),  # no token to be judged by
    ]))  # fmt: skip
    assert table[1:] == [["2", "beyond all numbers", "3", "0.0000"], ["1", "12.5000", "1,200", "0.3000"]]


def test_hidden_words_that_were_not_found():
    _, table = listed(facts("fill-mask", [
        ({"masked": "a [MASK] c", "predicted": ["b"], "right": ["b"], "perplexity": 90.0}, None),
        ({"masked": "[MASK] [MASK]", "predicted": ["x", "y"], "right": ["x", "z"], "perplexity": 4.0}, None),
        ({"masked": "c", "predicted": [], "right": [], "perplexity": None}, None),
    ]))  # fmt: skip
    assert table[1:] == [["2", "y", "z", "1 of 2", "4.0000", "[MASK] [MASK]"]]


RIGHT = {
    "text-classification": ({"label": "b", "score": 0.9}, "a"),
    "token-classification": ([found("LOC", "서울")], ["O"]),
    "question-answering": ({"answer": "rain", "score": 0.9}, ["snow"]),
    "summarization": ({"summary_text": "rain"}, "snow"),
    "translation": ({"translation_text": "rain"}, "snow"),
    "text2text-generation": ({"generated_text": "rain"}, "snow"),
    "text-generation": ({"perplexity": 3.0, "tokens": 2, "accuracy": 0.5}, None),
    "fill-mask": ({"masked": "m", "predicted": ["a"], "right": ["b"], "perplexity": 2.0}, None),
    "span-corruption": ({"masked": "<extra_id_0> m", "predicted": ["a"], "right": ["b"], "perplexity": 2.0}, None),
    "multiple-choice": ({"choice": 0, "label": "a", "score": 0.9}, 1),
}


@pytest.mark.parametrize("task", RIGHT)
def test_lines_that_cannot_be_read_are_told(task):
    labels = {"text-classification": ["a", "b"], "token-classification": ENTITIES}.get(task)
    run = facts(task, [RIGHT[task], (3, 3), ([3], "?")], labels=labels)
    parsed = Page(predictions(run))
    assert run.missing == [
        "predictions/test.jsonl: 2 lines have no usable prediction and reference; they are left out."
    ]
    assert any(len(table) == 2 and table[1][0] == "1" for table in parsed.tables)
    assert predictions(facts(task, [("?", [3])], labels=labels)) == ""


def test_texts_are_escaped_and_long_ones_cut():
    source = predictions(facts("translation", [({"translation_text": "<b>" * 400}, "한국어")]))
    assert "<b>" not in source and "…" in source and '<span lang="ko">한국어</span>' in source


def test_an_own_task_says_where_its_predictions_lie():
    run = facts("mine", [({"anything": 1}, 2)])
    assert "predictions/test.jsonl has a line for each row." in Page(predictions(run)).text and run.missing == []


def test_every_task_that_trains_is_in_the_table():
    assert set(TASKS) == {task.name for task in tasks.TASKS if task.trains} == set(RIGHT)
