"""AUROC: how well scores put rows of a class before the others, whatever threshold is chosen.

Invariants: ties count half (Mann and Whitney 1947; Hanley and McNeil 1982), so values equal scikit-learn's `roc_auc_score`;
of several classes it is the mean of one class against the rest, over the classes of which the references have some rows and
lack some: a class absent from a test set leaves the mean, and where none is left the value is undefined. A row of weight k
is worth k equal rows. Only the order of scores matters: logits do as well as probabilities, and don't saturate.

    from byeori.metrics.ranking import ranking_scores; ranking_scores([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], resamples=0)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from byeori.errors import DataError
from byeori.metrics.intervals import FEWEST_RESAMPLES, Interval, check_lengths, scored

AUROC = "auroc"
MOST_LABELS = 20  # beyond it each row would be sorted too often for a mean that nobody reads
WORK = 300_000_000  # rows × classes × resamples of an interval: some two seconds
BINS = 1_024


def order_of(logits: np.ndarray) -> np.ndarray:
    """What puts rows in order, of float32 (rows, labels): of two labels how much more of the second, (rows,); of more log p of each."""
    if logits.shape[-1] == 2:
        return logits[:, 1] - logits[:, 0]
    highest = logits.max(-1, keepdims=True)
    return logits - highest - np.log(np.exp(logits - highest).sum(-1, keepdims=True))


def ranking_scores(
    ranked, reference, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """{"auroc": {"value", "low", "high"}}.

    ranked: float (n,) or (n, 1), how much each row looks like class 1 of two, or (n, L), how much like each class; reference:
    ids int64 (n,), or flags bool (n, L). A class with a score that is nan, which has no rank, leaves the mean. Where rows ×
    classes × resamples are more than 300 million, the interval is found faster: of one column from 1,024 bins of equally many
    rows, of several from fewer resamples, and below 100 there is none. Raises DataError for no rows, different lengths and
    other shapes.
    """
    score = RankingScore(ranked, reference)
    doubt: dict[str, Any] = {"seed": seed, "level": level}
    if len(score.columns) == 1 and resamples * score.cells > WORK:
        return score.columns[0].binned(resamples=resamples, **doubt)
    drawn = next(
        (some for some in (resamples, 500, 200, FEWEST_RESAMPLES) if some <= resamples and some * score.cells <= WORK),
        0,
    )
    return scored(score, score.n, resamples=drawn, **doubt)


class RankingScore:
    """`ranking_scores` prepared for many weightings of the same rows: call it with weights (n,). Sorting happens once."""

    def __init__(self, ranked, reference) -> None:
        ranked, reference = np.asarray(ranked), np.asarray(reference)
        check_lengths(ranked, reference)
        columns = ranked[:, None] if ranked.ndim == 1 else ranked
        if columns.ndim != 2 or (reference.ndim == 2 and reference.shape != columns.shape):
            raise DataError(
                f"Scores of the shape {ranked.shape} can't be ranked by references of the shape {reference.shape}. Give one score a "
                f"row, or one a row and class."
            )
        self.n = len(columns)
        if reference.ndim == 2:
            flags = reference.astype(bool)
        elif columns.shape[1] == 1:
            flags = reference[:, None] == 1
        else:
            flags = reference[:, None] == np.arange(columns.shape[1])
        self.columns = [
            _Column(columns[:, place], flags[:, place])
            for place in range(columns.shape[1])
            if flags[:, place].any() and not flags[:, place].all() and not np.isnan(columns[:, place]).any()
        ]
        self.cells = self.n * max(1, len(self.columns))

    def __call__(self, weights=None) -> dict[str, float]:
        """The scores where row i counts weights[i] times."""
        weights = np.ones(self.n) if weights is None else np.asarray(weights, dtype=np.float64)
        values = np.array([column(weights) for column in self.columns])
        defined = values[~np.isnan(values)]
        return {AUROC: float(defined.mean()) if len(defined) else math.nan}


class _Column:
    """One class: its rows and the others in the order of their scores, equal scores in one group."""

    def __init__(self, ranked: np.ndarray, flags: np.ndarray) -> None:
        self._order = np.argsort(ranked, kind="stable")
        values = ranked[self._order]
        self._starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))  # of each group of equal scores
        self._flags = flags[self._order].astype(np.float64)

    def __call__(self, weights: np.ndarray) -> float:
        drawn = weights[self._order]
        inside = drawn * self._flags
        if len(self._starts) < len(drawn):
            drawn, inside = np.add.reduceat(drawn, self._starts), np.add.reduceat(inside, self._starts)
        return _share(inside, drawn - inside)

    def binned(self, **doubt: Any) -> dict[str, Interval]:
        """The exact value, and the interval of bins of equally many rows (rows of one score are never parted), moved by what the
        bins alone changed of the value."""
        n = len(self._flags)
        group = np.repeat(self._starts, np.diff(np.append(self._starts, n)))  # (n,): where each row's group starts
        cells = group * BINS // n * 2 + self._flags.astype(np.int64)
        counts = np.bincount(cells, minlength=2 * BINS)
        value = self(np.ones(n))
        (entry,) = scored(lambda w: {AUROC: _share(w[1::2], w[::2])}, n, counts=counts, **doubt).values()
        if entry["value"] is None or entry["low"] is None or entry["high"] is None:
            return {AUROC: {**entry, "value": value}}
        moved = value - entry["value"]
        return {AUROC: {"value": value, "low": max(0.0, entry["low"] + moved), "high": min(1.0, entry["high"] + moved)}}


def _share(inside: np.ndarray, outside: np.ndarray) -> float:
    """Of all pairs of a row inside and one outside the class the share in which the first has the higher score; groups of equal
    scores, in rising order."""
    below = np.cumsum(outside)
    pairs = inside.sum() * below[-1]
    return float(inside @ (below - outside / 2) / pairs) if pairs > 0 else math.nan
