"""Zero-shot questions to a model of natural language inference, through any pipeline that is called as transformers' is.

Two sets: which of a premise's three hypotheses follows from it (KorNLI; each hypothesis is a label, the template is the
label alone), and whether a film review is positive (NSMC, two labels in a Korean template).

    scores, said = asked(pipeline, test)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from byeori.data.rows import Rows

RESAMPLES = 1_000
PREMISES, REVIEWS = 400, 300
LABELS = {"1": "긍정", "0": "부정"}
TEMPLATE = "이 영화 평은 {}적이다."
Said = list[dict[str, float]]  # label → score, a question each


def asked(pipeline: Callable, test: Rows) -> tuple[dict[str, Any], Said]:
    """accuracy and topic_accuracy, and every score that was given."""
    said: Said = []
    chosen, right = [], []
    for premise, hypotheses, label in premises(test):
        found = pipeline(premise, hypotheses, hypothesis_template="{}")
        said.append(dict(zip(found["labels"], found["scores"], strict=True)))
        chosen.append(hypotheses.index(found["labels"][0]))
        right.append(label)
    texts, labels = reviews()
    found = pipeline(list(texts), list(LABELS.values()), hypothesis_template=TEMPLATE)
    said += [dict(zip(one["labels"], one["scores"], strict=True)) for one in found]
    names = list(LABELS.values())
    topics = [names.index(one["labels"][0]) for one in found]
    return {
        "accuracy": _accuracy(chosen, right), "topic_accuracy": _accuracy(topics, [names.index(one) for one in labels]),
    }, said  # fmt: skip


def difference(ours: Said, theirs: Said) -> float:
    """The largest of any score."""
    return max(abs(a[label] - b[label]) for a, b in zip(ours, theirs, strict=True) for label in a)


def trivial(test: Rows) -> dict[str, Any]:
    """Always the first hypothesis, always the first label."""
    right = [label for *_, label in premises(test)]
    names = list(LABELS.values())
    labels = [names.index(one) for one in reviews()[1]]
    return {
        "accuracy": _accuracy([0] * len(right), right), "topic_accuracy": _accuracy([0] * len(labels), labels),
    }  # fmt: skip


def premises(test: Rows) -> list[tuple[str, list[str], int]]:
    """(premise, its three hypotheses in a drawn order, which of them follows)."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for row in test.table:
        rows.setdefault(row["text"], []).append((row["text_pair"], row["label"]))
    random = np.random.default_rng(0)
    found = []
    for premise, pairs in rows.items():
        if len({text for text, _ in pairs}) != 3 or [label for _, label in pairs].count("entailment") != 1:
            continue
        pairs = [pairs[i] for i in random.permutation(3)]
        found.append((premise, [text for text, _ in pairs], [label for _, label in pairs].index("entailment")))
    return found[:PREMISES]


@cache
def reviews() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Film reviews and their labels, in words."""
    from benchmarks.tasks.sets import read, some

    rows = some(read("text-classification", "nsmc/ratings_rebuilt_10k.txt", drop_empty=True), REVIEWS)
    return tuple(rows.table["text"][:]), tuple(LABELS[str(label)] for label in rows.table["label"][:])


def _accuracy(chosen: list[int], right: list[int]) -> dict[str, Any]:
    from byeori.metrics.choices import accuracy

    return accuracy(np.array(chosen), np.array(right), resamples=RESAMPLES)["accuracy"]
