"""Scores of regression: Pearson, Spearman, RMSE, MAE, R².

Invariants: a row of weight k is worth k equal rows (so ranks are those of the repeated sample, ties at their mid rank);
values equal SciPy's `pearsonr` and `spearmanr` and scikit-learn's errors. What is undefined is nan, for the caller to
print as such: both correlations when predictions or references are constant, R² when references are constant.

    from byeori.metrics.regression import regression; regression([1.0, 2.5, 3.0], [1.0, 2.0, 4.0])["spearman"]
"""

from __future__ import annotations

import math

import numpy as np

from byeori.errors import DataError
from byeori.metrics.intervals import check_lengths


def regression(predicted, reference, weights=None) -> dict[str, float]:
    """pearson, spearman (−1–1), rmse, mae (in the label's unit) and r2 of float (n,) arrays.

    weights: (n,), how often each row counts (None: once each). A constant prediction has no correlation with anything:
    pearson and spearman are nan, not 0. Raises DataError for no rows, for different lengths and for values that are not
    finite.
    """
    return RegressionScore(predicted, reference)(weights)


class RegressionScore:
    """`regression` prepared for many weightings of the same rows: call it with weights (n,), from one thread at a time.

    Sorting happens once, here: no weighting changes the order of values, only how far apart their ranks are. A
    weighting then costs a few passes, O(n), into memory held for it (fresh arrays of this size cost more than the sums
    in them).
    """

    def __init__(self, predicted, reference) -> None:
        predicted, reference = (np.asarray(values, dtype=np.float64).ravel() for values in (predicted, reference))
        check_lengths(predicted, reference)
        for values, what in ((predicted, "prediction"), (reference, "label")):
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise DataError(
                    f"Row {bad[0] + 1}: the {what} is {values[bad[0]]}, which can't be scored; {len(bad)} rows are "
                    "like that. Drop them, or look for what made them (a training that diverged, a division by zero)."
                )
        # rows stand in the order of predictions, which spares the ranks of one side every shuffle
        self._order = np.argsort(predicted, kind="stable")
        self._x, self._y = predicted[self._order], reference[self._order]
        self._x_ranks, self._y_ranks = _Ranks(self._x), _Ranks(self._y)
        error = self._x - self._y
        self._errors = np.stack([np.abs(error), error * error])  # (2, n)
        self._w, self._dx, self._dy, self._wd = np.empty((4, len(error)))
        self._ones = np.ones(len(error))

    def __call__(self, weights=None) -> dict[str, float]:
        """The scores where row i counts weights[i] times."""
        weights = self._ones if weights is None else np.asarray(weights, dtype=np.float64)
        w = np.take(weights, self._order, out=self._w, mode="clip")
        total = w.sum()
        absolute, squared = self._errors @ w
        # two passes, the mean first: sums of squares of raw values would cancel
        np.subtract(self._x, (w @ self._x) / total, out=self._dx)
        np.subtract(self._y, (w @ self._y) / total, out=self._dy)
        y_spread, pearson = self._together(w)
        x_constant, y_constant = self._x_ranks(w, total, self._dx), self._y_ranks(w, total, self._dy)
        _, spearman = self._together(w)
        # ties are told exactly; a constant's spread may be a rounding error
        undefined = x_constant or y_constant
        return {
            "pearson": math.nan if undefined else pearson,
            "spearman": math.nan if undefined else spearman,
            "rmse": math.sqrt(squared / total),
            "mae": float(absolute / total),
            "r2": math.nan if y_constant else float(1 - squared / y_spread),
        }

    def _together(self, w: np.ndarray) -> tuple[float, float]:
        """The weighted sum of squares of dy, and the correlation of dx and dy."""
        x_spread = float(np.multiply(w, self._dx, out=self._wd) @ self._dx)
        np.multiply(w, self._dy, out=self._wd)
        y_spread = float(self._wd @ self._dy)
        # the product of two roots, not the root of a product: neither overflows nor vanishes
        scale = math.sqrt(x_spread) * math.sqrt(y_spread)
        together = float(self._wd @ self._dx)
        return y_spread, min(1.0, max(-1.0, together / scale)) if scale > 0 else math.nan


class _Ranks:
    """Mid ranks of fixed values (n,) in samples where row i stands w[i] times.

    Values tied in a group of weight g that ends at the cumulative weight c have the ranks c − g + 1 … c, whose middle
    is c − (g − 1) / 2; the mean rank is (total + 1) / 2.
    """

    def __init__(self, values: np.ndarray) -> None:
        n = len(values)
        different, self._group = np.unique(values, return_inverse=True)  # (G,), (n,)
        self._tied = len(different) < n
        self._sorted = None if self._tied or (values[1:] >= values[:-1]).all() else np.argsort(values, kind="stable")
        self._weight, self._rank = np.empty((2, len(different)))

    def __call__(self, w: np.ndarray, total: float, out: np.ndarray) -> bool:
        """Writes each row's mid rank less the mean rank to out (n,); whether all rows of weight are tied."""
        weight = w
        if self._tied:
            weight = np.bincount(self._group, weights=w)
        elif self._sorted is not None:
            weight = np.take(w, self._sorted, out=self._weight, mode="clip")
        constant = bool(weight.max() == total)
        rank = np.cumsum(weight, out=self._rank)
        rank -= np.multiply(weight, 0.5, out=self._weight)
        rank -= 0.5 * total
        np.take(rank, self._group, out=out, mode="clip")
        return constant
