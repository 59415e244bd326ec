"""Are probabilities what they say: expected calibration error, the bins of a reliability diagram, a temperature that mends it.

Invariants: the confidence of a row is the probability of the class that is predicted for it, the highest one; bins are of equal
width and hold their upper end, as in Guo et al. (2017) and scikit-learn's `calibration_curve`; a temperature changes no
prediction, only how sure it is.

    calibration([[0.9, 0.1], [0.4, 0.6]], [0, 0])[14]      # {"low", "high", "count", "confidence", "accuracy"}

ECE is the mean over the rows of the distance between confidence and accuracy of their bin (Guo et al. 2017, "On Calibration of
Modern Neural Networks", equation 3). Chance alone makes it larger, the more bins and the fewer rows: of two thousand rows a model
without any fault has 0.01 to 0.02. A resample of rows adds the same again, so its interval is the percentiles' moved by what the
resamples have on average over the value. That of a difference of two models (`byeori.metrics.paired`) is moved likewise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.errors import DataError
from byeori.metrics.intervals import FEWEST_RESAMPLES, Interval, SumScore, check_lengths, resampled, scored

BINS = 15
ECE = "ece"  # the name of its score
COLDEST, HOTTEST = 0.05, 20.0  # temperatures that are looked at
_GOLDEN = (math.sqrt(5) - 1) / 2


def calibration(probabilities: Any, labels: Any, bins: int = BINS) -> list[dict[str, float | int | None]]:
    """The bins of a reliability diagram: {"low", "high", "count", "confidence", "accuracy"}, means over the bin's rows.

    probabilities: float (n, L), or (n,): the confidences alone, with `labels` bool (n,), whether the prediction was right;
    labels: ids (n,). Bins without rows have None for both means. Raises DataError for no rows, for different lengths and for
    what is no probability.
    """
    confidence, right = confidences(probabilities, labels)
    sums = CalibrationScore(confidence, right, bins).matrix.sum(1)
    count, sure, hit = np.asarray(sums).reshape(3, bins)
    edges = np.linspace(0, 1, bins + 1).tolist()
    return [
        {
            "low": edges[place], "high": edges[place + 1], "count": int(count[place]),
            "confidence": float(sure[place] / count[place]) if count[place] else None,
            "accuracy": float(hit[place] / count[place]) if count[place] else None,
        }
        for place in range(bins)
    ]  # fmt: skip


def calibration_scores(
    confidence: Any, right: Any, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """{"ece": {"value", "low", "high"}} of confidences float (n,) and whether each prediction was right, bool (n,)."""
    confidence, right = confidences(confidence, right)
    score, n = CalibrationScore(confidence, right), len(right)
    entry = scored(score, n, resamples=0)
    if resamples < FEWEST_RESAMPLES:
        return entry
    drawn = np.array([one[ECE] for one in resampled(score, n, resamples=resamples, seed=seed)])
    value = entry[ECE]["value"]
    assert value is not None
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) - (drawn.mean() - value)
    return {ECE: {"value": value, "low": max(0.0, float(low)), "high": min(1.0, float(high))}}


class CalibrationScore(SumScore):
    """ECE for many weightings of the same rows: each is a count, a confidence and right or not in one of the bins."""

    leans = True

    def __init__(self, confidence: np.ndarray, right: np.ndarray, bins: int = BINS):
        from scipy import sparse

        n = len(right)
        bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
        cells = np.concatenate([bin_of, bins + bin_of, 2 * bins + bin_of])
        values = np.concatenate([np.ones(n), confidence, right.astype(np.float64)])
        self.matrix = sparse.csr_matrix((values, (cells, np.tile(np.arange(n), 3))), shape=(3 * bins, n))

    def of(self, sums: np.ndarray) -> dict[str, float]:
        count, sure, hit = sums.reshape(3, -1)
        return {ECE: float(np.abs(sure - hit).sum() / count.sum())}


def confidences(probabilities: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Confidence float64 (n,) and right bool (n,), from probabilities (n, L) and ids, or as they are. Raises DataError."""
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    check_lengths(probabilities, labels)
    wrong = ~((probabilities >= 0) & (probabilities <= 1 + 1e-6))
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise DataError(
            f"Row {row + 1}: {probabilities[wrong][0]} is no probability. Give softmax's output, not logits."
        )
    if probabilities.ndim == 1:
        return probabilities, labels.astype(bool)
    return probabilities.max(1), probabilities.argmax(1) == labels


def log_loss(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean −log p of the right class, in nats, of logits (n, L) divided by a temperature; labels: ids (n,)."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: Any, labels: Sequence[int] | np.ndarray) -> float:
    """The temperature by which logits (n, L) are divided for the least log loss on these rows (Guo et al. 2017, section 4.2).

    In 1 / T the loss is convex, so a golden-section search finds its only minimum; where the rows are all right it would run
    to 0, and where nothing is learnt to infinity: 0.05 and 20 are the ends. Raises DataError as `calibration`.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    check_lengths(logits, labels)
    low, high = math.log(1 / HOTTEST), math.log(1 / COLDEST)

    def loss(at: float) -> float:
        return log_loss(logits, labels, math.exp(-at))

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-5:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp(-(low + high) / 2)
