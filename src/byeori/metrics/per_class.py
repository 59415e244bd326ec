"""Precision, recall and F1 of each class with their intervals.

Invariants: values are those of `classification.per_class` (scikit-learn's, 0 / 0 is 0); intervals are the percentile
bootstrap over rows, and a resample in which a class stands in neither predictions nor references is left out of that
class's.

    from byeori.metrics.per_class import class_scores; class_scores([0, 1, 1], [0, 1, 0], ["no", "yes"])["yes"]["f1"]
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from byeori.metrics.classification import check_flags, check_ids, distinct
from byeori.metrics.intervals import Interval, check_lengths, scored

NAMES = ("precision", "recall", "f1")


def class_scores(
    predicted,
    reference,
    labels: Sequence[str],
    counts=None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, dict[str, Interval]]:
    """{label: {"precision", "recall", "f1"}}, each {"value", "low", "high"}, in label order.

    predicted, reference: ids int64 (n,), or flags bool (n, L) of several labels a row. counts: int64 (n,), how many rows each
    stands for (None: one). A class that neither stands in the references nor is ever predicted has no scores: all None.
    Raises DataError for no rows, different lengths, ids outside the labels.
    """
    from scipy import sparse

    check_lengths(predicted, reference)
    several = np.ndim(reference) == 2
    predicted, reference = (check_flags if several else check_ids)(predicted, reference, len(labels))
    if counts is None:
        predicted, reference, counts = distinct(predicted, reference)
    counts = np.asarray(counts, np.int64)
    classes = np.arange(len(labels))
    found = predicted if several else predicted[:, None] == classes  # (K, L)
    wanted = reference if several else reference[:, None] == classes
    sums = sparse.csr_matrix(np.hstack([found & wanted, found, wanted]).T, dtype=np.float64)  # (3L, K)

    def score(weights: np.ndarray) -> dict[str, float]:
        right, given, there = (sums @ weights).reshape(3, -1)
        ratios = ((right, given), (right, there), (2 * right, given + there))
        absent = given + there == 0
        values = [
            np.where(absent, math.nan, np.divide(top, bottom, out=np.zeros(len(labels)), where=bottom > 0))
            for top, bottom in ratios
        ]
        return {f"{name} {label}": float(values[of][label]) for of, name in enumerate(NAMES) for label in classes}

    entries = scored(score, int(counts.sum()), counts=counts, resamples=resamples, seed=seed, level=level)
    return {label: {name: entries[f"{name} {place}"] for name in NAMES} for place, label in enumerate(labels)}
