"""docs/metrics.md and docs/ko/metrics.md: their examples come out as they stand, and no score is missing.

Invariants: each `>>>` is run, in order, in both languages; every score that a task can give stands in the tables.

    pytest tests/test_docs_metrics.py
"""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from byeori.metrics.answers import answer_scores
from byeori.metrics.entities import character_scores, entity_scores, spans, tag_scores
from byeori.metrics.language import language_scores
from byeori.metrics.ranking import ranking_scores
from byeori.metrics.rouge import rouge_scores
from byeori.metrics.scores import scores
from byeori.metrics.translation import translation_scores

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("metrics.md", "ko/metrics.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_examples_are_true(name):
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    found = doctest.testfile(str(DOCS / name), module_relative=False, optionflags=flags, encoding="utf-8")
    assert found.attempted >= 5 and found.failed == 0


def given() -> set[str]:
    """The names of all scores."""
    none = {"resamples": 0}
    tags = ["B-PS", "I-PS", "O"]
    several = np.eye(2, dtype=bool)
    found = [
        scores("single_label", [0, 1], [0, 1], ["a", "b"], **none),
        scores("single_label", [0, 1], [0, 1], ["a", "b", "c"], **none),
        scores("multi_label", several, several, ["a", "b"], **none),
        scores("regression", [0.0, 1.0], [0.0, 1.0], **none),
        ranking_scores([0.0, 1.0], [0, 1], **none),
        entity_scores([spans(tags)], [spans(tags)], **none),
        tag_scores([tags], [tags], **none),
        character_scores([tags], [tags], **none),
        answer_scores(["a", ""], [["a"], []], **none),
        rouge_scores(["a"], ["a"], **none),
        translation_scores(["a"], ["a"], **none),
        {name: score for name, score in language_scores([1.0], [1], characters=[1], right=[1], **none).items()},
    ]
    return {name for table in found for name in table} | {"loss", "f1_strict", "f1.TYPE", "next_sentence_accuracy"}


@pytest.mark.parametrize("name", PAGES)
def test_every_score_stands_in_the_table(name):
    text = (DOCS / name).read_text(encoding="utf-8")
    assert not [score for score in given() if f"`{score}`" not in text]
