"""Scores of each class equal scikit-learn's; their intervals are those of drawing rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from byeori.errors import DataError
from byeori.metrics.intervals import bootstrap
from byeori.metrics.per_class import class_scores

LABELS = ["a", "b", "c", "never"]


@pytest.mark.parametrize("several", [False, True])
def test_equal_sklearn(several):
    rng = np.random.default_rng(0)
    if several:
        reference = rng.random((200, 4)) < [0.5, 0.3, 0.1, 0.0]
        predicted = reference ^ (rng.random((200, 4)) < [0.1, 0.1, 0.1, 0.0])
    else:
        reference = rng.integers(0, 3, 200)
        predicted = np.where(rng.random(200) < 0.7, reference, rng.integers(0, 3, 200))
    found = class_scores(predicted, reference, LABELS, resamples=200)
    expected = precision_recall_fscore_support(reference, predicted, labels=range(4), zero_division=0)
    for place, label in enumerate(LABELS[:3]):
        for name, column in zip(("precision", "recall", "f1"), expected, strict=False):
            entry = found[label][name]
            assert entry["value"] == pytest.approx(column[place], rel=1e-12)
            assert entry["low"] < entry["value"] < entry["high"]
    assert found["never"]["f1"] == {"value": None, "low": None, "high": None}


def test_counted_rows_have_the_interval_of_rows():
    rng = np.random.default_rng(1)
    reference = rng.integers(0, 2, 400)
    predicted = np.where(rng.random(400) < 0.8, reference, 1 - reference)
    found = class_scores(predicted, reference, ["a", "b"], resamples=4_000)["b"]["recall"]

    def recall(weights):
        return {"recall": (weights * (predicted & reference)).sum() / (weights * reference).sum()}

    low, high = bootstrap(recall, 400, resamples=4_000)["recall"]
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="nothing to score"):
        class_scores([], [], ["a"])
    with pytest.raises(DataError, match="1 predictions for 2 references"):
        class_scores([0], [0, 0], ["a"])
    with pytest.raises(DataError, match="id 2"):
        class_scores([2], [0], ["a", "b"])
