"""ECE by hand and by scikit-learn's bins; a temperature that is the least of its loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve

from byeori.errors import DataError
from byeori.metrics.calibration import calibration, calibration_scores, fit_temperature, log_loss
from byeori.tasks.probabilities import softmax


def sample(n: int = 2_000, spread: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of three classes that are `spread` times as far apart as the truth has them, and labels drawn from that."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, 3)) * 1.5
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in softmax(true).astype(np.float64)])
    return true * spread, labels


def test_by_hand():
    """Two bins: of three rows at 0.9 two are right, of two at 0.6 none is: (3 · |0.9 − 2/3| + 2 · |0.6 − 0|) / 5."""
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]]
    labels = [0, 1, 1, 1, 0]
    bins = calibration(probabilities, labels)
    assert [(one["count"], one["accuracy"]) for one in bins if one["count"]] == [(2, 0.0), (3, pytest.approx(2 / 3))]
    assert len(bins) == 15 and bins[0] == {
        "low": 0.0,
        "high": pytest.approx(1 / 15),
        "count": 0,
        "confidence": None,
        "accuracy": None,
    }
    value = calibration_scores(np.max(probabilities, 1), [True, False, True, False, False], resamples=0)["ece"]["value"]
    assert value == pytest.approx((3 * (0.9 - 2 / 3) + 2 * 0.6) / 5)


def test_bins_are_those_of_scikit_learn():
    logits, labels = sample()
    probabilities = softmax(logits).astype(np.float64)
    right = probabilities.argmax(1) == labels
    hit, sure = calibration_curve(right, probabilities.max(1), n_bins=15, strategy="uniform")
    bins = [one for one in calibration(probabilities, labels) if one["count"]]
    assert [one["accuracy"] for one in bins] == pytest.approx(hit) and [
        one["confidence"] for one in bins
    ] == pytest.approx(sure)
    counts = np.array([one["count"] for one in bins])
    score = calibration_scores(probabilities.max(1), right)["ece"]
    assert score["value"] == pytest.approx(float(counts @ abs(hit - sure)) / len(labels))
    assert score["low"] < score["value"] < score["high"]


def test_the_temperature_is_the_least_and_the_true_one():
    logits, labels = sample(20_000)
    found = fit_temperature(logits, labels)
    best = minimize_scalar(
        lambda t: log_loss(logits, labels, t), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-7}
    )
    assert found == pytest.approx(best.x, rel=1e-4) and found == pytest.approx(3.0, rel=0.05)
    assert log_loss(logits, labels, found) < log_loss(logits, labels)
    before, after = (
        calibration_scores(softmax(logits / t).max(1), logits.argmax(1) == labels, resamples=0)["ece"]["value"]
        for t in (1, found)
    )
    assert after < 0.02 < before


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match="Row 2: 1.5 is no probability"):
        calibration([[0.5, 0.5], [1.5, -0.5]], [0, 0])
