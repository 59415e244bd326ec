"""Regression scores equal SciPy's and scikit-learn's, as they are and under integer weights = repeated rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference_scores

from byeori.errors import DataError
from byeori.metrics.regression import RegressionScore, regression


def expected(predicted, reference):
    return {
        "pearson": stats.pearsonr(predicted, reference).statistic,
        "spearman": stats.spearmanr(predicted, reference).statistic,
        "rmse": math.sqrt(reference_scores.mean_squared_error(reference, predicted)),
        "mae": reference_scores.mean_absolute_error(reference, predicted),
        "r2": reference_scores.r2_score(reference, predicted),
    }


def close(values):
    return pytest.approx(values, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("x_step", [None, 0.5])
@pytest.mark.parametrize("y_step", [None, 0.2, 2.0])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equals_scipy_and_sklearn(x_step, y_step, offset):
    rng = np.random.default_rng(7)
    x = rng.normal(size=301)
    y = x + rng.normal(size=301) + offset
    x = x if x_step is None else np.round(x / x_step) * x_step  # ties
    y = y if y_step is None else np.round(y / y_step) * y_step
    score = RegressionScore(x, y)
    assert score() == close(expected(x, y))
    for _ in range(5):
        weights = rng.integers(0, 4, 301)
        repeated = expected(np.repeat(x, weights), np.repeat(y, weights))
        assert score(weights) == close(repeated)
        assert score(weights) == regression(x, y, weights)


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    x, y, weights = rng.normal(size=50), rng.integers(0, 5, 50), rng.integers(0, 3, 50)
    order = rng.permutation(50)
    assert regression(x[order], y[order], weights[order]) == close(regression(x, y, weights))


def test_a_constant_prediction_has_no_correlation():
    found = regression([0.1, 0.1, 0.1], [1.0, 2.0, 4.0])
    assert math.isnan(found["pearson"]) and math.isnan(found["spearman"])
    assert found["r2"] == pytest.approx(reference_scores.r2_score([1.0, 2.0, 4.0], [0.1, 0.1, 0.1]))
    # also where only the weights make it constant
    assert math.isnan(regression([0.1, 0.1, 0.3], [1.0, 2.0, 4.0], [1, 1, 0])["pearson"])
    assert math.isnan(regression([0.1, 0.2, 0.3], [0.1, 0.1, 0.1])["r2"])
    assert math.isnan(regression([1.0], [1.0])["pearson"])


def test_perfect_and_opposite():
    x = np.arange(5) / 3
    assert regression(x, x) == close({"pearson": 1.0, "spearman": 1.0, "rmse": 0.0, "mae": 0.0, "r2": 1.0})
    assert regression(-x, x)["spearman"] == pytest.approx(-1.0, rel=1e-12)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="Row 2: the prediction is nan"):
        regression([0.0, math.nan], [0.0, 1.0])
    with pytest.raises(DataError, match="Row 1: the label is inf"):
        regression([0.0, 1.0], [math.inf, 1.0])
    with pytest.raises(DataError, match="nothing to score"):
        regression([], [])
