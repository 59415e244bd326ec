"""The bins of the reliability diagram: scikit-learn's, and the interval of a share as statsmodels' documentation has it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from byeori.errors import DataError
from byeori.metrics.calibration import calibration


def test_bins_are_scikit_learns():
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.2, 1, 3_000)
    right = draw.uniform(size=3_000) < sure**2
    bins = [one for one in calibration(sure, right) if one["count"]]
    shares, means = calibration_curve(right, sure, n_bins=15)
    assert [one["accuracy"] for one in bins] == pytest.approx(shares)
    assert [one["confidence"] for one in bins] == pytest.approx(means)
    assert sum(one["count"] for one in bins) == 3_000


def test_probabilities_of_all_labels_and_what_is_none():
    bins = calibration([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    assert [(place, one["accuracy"]) for place, one in enumerate(bins) if one["count"]] == [(8, 0.0), (13, 1.0)]
    with pytest.raises(DataError, match="no probability"):
        calibration([[2.0, -1.0]], [0])
