"""Confidence intervals by the percentile bootstrap over rows (Efron and Tibshirani 1993, chapter 13).

Invariants: one generator, `np.random.default_rng(seed)`, makes all draws, so the same seed and rows give the same
interval; a resample is its counts, how often each row was drawn (multinomial, n draws among n rows), and a score is
asked for the value under those counts: no row is copied.

    from byeori.metrics.intervals import bootstrap; bootstrap(lambda w: {"mean": w @ x / w.sum()}, len(x))

Rows that a score can't tell apart may be drawn together. Each row's count is a cell of a multinomial; adding up cells
of a multinomial gives a multinomial whose probabilities are the sums; so drawing "how many of the n draws fell on each
kind of row" directly has exactly the distribution of drawing the rows and counting kinds, at the price of the kinds
(four for two classes) and not of the rows. `counts` says how many rows each kind has.
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from byeori.data import mapped
from byeori.errors import DataError, SettingError

Score = Callable[[np.ndarray], dict[str, float]]
Interval = dict[str, float | None]  # {"value": …, "low": …, "high": …}; None: undefined, or not measured

BLOCK = 1 << 20  # weights held at once
MANY = 1 << 19  # rows beyond which no weight a row is held
FEWEST_RESAMPLES = 100  # a 2.5% quantile of fewer is two or three draws: no interval

_COLLECTED: ContextVar[list[tuple[Score, int]] | None] = ContextVar("collected", default=None)


class SumScore:
    """Scores that are functions of sums over rows: call it with weights (n,), or add up `matrix` yourself and ask `of`.

    matrix: float64 (S, n), dense or sparse, what each row adds to each sum. Resamples of many rows, and rows of two runs
    exchanged, then cost a product of matrices (`byeori.metrics.paired`). leans: whether resamples lie on average to one side of
    the value, so that intervals must be moved back.
    """

    matrix: Any
    leans = False

    def of(self, sums: np.ndarray) -> dict[str, float]:
        """The scores of sums, float64 (S,)."""
        raise TypeError(f"{type(self).__name__} has no of()")

    def __call__(self, weights=None) -> dict[str, float]:
        """The scores where row i counts weights[i] times."""
        n = self.matrix.shape[1]
        weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        return self.of(self.matrix @ weights)


class Ratios(SumScore):
    """Scores that are one sum over another: {name: (tops (n,), bottoms (n,))}; nan where the bottom is 0."""

    def __init__(self, columns: dict[str, tuple[Any, Any]]):
        self.names = [*columns]
        self.matrix = np.stack([np.asarray(one, np.float64) for pair in columns.values() for one in pair])  # (2k, n)

    def of(self, sums: np.ndarray) -> dict[str, float]:
        tops, bottoms = sums[::2].tolist(), sums[1::2].tolist()
        return {
            name: top / bottom if bottom else math.nan
            for name, top, bottom in zip(self.names, tops, bottoms, strict=True)
        }


@contextmanager
def collected() -> Iterator[list[tuple[Score, int]]]:
    """What is asked to be scored meanwhile, (score, rows) each in the order of asking; values alone are computed.

    Rows are not put together by kind then (`collecting`), so that each score takes a weight a row.
    """
    found: list[tuple[Score, int]] = []
    before = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(before)


def collecting() -> bool:
    return _COLLECTED.get() is not None


def bootstrap(
    score: Score, n: int, *, resamples: int = 1000, seed: int = 0, level: float = 0.95, counts: np.ndarray | None = None
) -> dict[str, tuple[float, float]]:
    """The interval of each score: {name: (low, high)}.

    score: takes int64 weights (n,), how often each row counts, and returns named values; n: the number of rows.
    counts: int64 (K,) summing to n, when `score` takes the weights (K,) of K kinds of rows instead (see above).
    A resample in which a value is undefined (nan) is left out; where that is more than half of them, the interval is
    (nan, nan). Raises DataError for no rows.
    """
    values: dict[str, list[float]] = {}
    for found in resampled(score, n, resamples=resamples, seed=seed, counts=counts):
        for name, value in found.items():
            values.setdefault(name, []).append(value)
    return {name: _percentiles(drawn, resamples, level) for name, drawn in values.items()}


def resampled(
    score: Score, n: int, *, resamples: int = 1000, seed: int = 0, counts: np.ndarray | None = None
) -> Iterator[dict[str, float]]:
    """The scores of each resample; of sums over rows some resamples at a time, a product of matrices."""
    drawn = draws(n, resamples=resamples, seed=seed, counts=counts)
    if not isinstance(score, SumScore):
        yield from map(score, drawn)
        return
    for weights in in_blocks(drawn, max(1, BLOCK // score.matrix.shape[1])):
        for sums in np.ascontiguousarray((score.matrix @ weights).T):
            yield score.of(sums)


def in_blocks(drawn: Iterator[np.ndarray], most: int) -> Iterator[np.ndarray]:
    """Draws (n,) as columns, float64 (n, B), at most `most` at a time."""
    while held := list(itertools.islice(drawn, most)):
        yield np.array(held, np.float64).T


def scored(
    score: Score, n: int, *, resamples: int = 1000, seed: int = 0, level: float = 0.95, counts: np.ndarray | None = None
) -> dict[str, Interval]:
    """Values with their intervals, as metrics.json holds them: {name: {"value": float, "low": float, "high": float}}.

    Parameters as in `bootstrap`. An undefined value (nan) is None with None at both ends; fewer than 100 resamples give
    values alone.
    """
    values = score(np.ones(n, dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64))
    if (found := _COLLECTED.get()) is not None:
        found.append((score, n))
        resamples = 0
    enough = resamples >= FEWEST_RESAMPLES
    ends = bootstrap(score, n, resamples=resamples, seed=seed, level=level, counts=counts) if enough else {}
    return {name: _entry(value, *ends.get(name, (math.nan, math.nan))) for name, value in values.items()}


def scored_ratio(
    name: str, tops: np.ndarray, bottoms: np.ndarray, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """`scored` of one score, the sum of `tops` over that of `bottoms`, float64 (n,) each: a mean of what rows have several of.

    Past MANY rows a resample is drawn block by block: first how many of the n draws fall into each, a multinomial, then those
    within it. That is the same distribution, in the memory of a block.
    """
    n = len(tops)
    if n <= MANY or collecting():
        return scored(Ratios({name: (tops, bottoms)}), n, resamples=resamples, seed=seed, level=level)
    sums = np.zeros((2, resamples if resamples >= FEWEST_RESAMPLES else 0))
    whole = np.zeros(2)
    rng = np.random.default_rng(seed)
    blocks = [*mapped.spans(n)]
    shares = np.array([block.stop - block.start for block in blocks]) / n
    drawn = rng.multinomial(n, shares, size=sums.shape[1])  # (resamples, blocks)
    for block, counts in zip(blocks, drawn.T, strict=True):
        both = np.stack([tops[block], bottoms[block]])  # (2, rows of the block)
        whole += both.sum(1)
        size = both.shape[1]
        for resample, count in enumerate(counts.tolist()):
            sums[:, resample] += both @ np.bincount(rng.integers(0, size, size=count), minlength=size)
    ends = _percentiles(sums[0] / sums[1], resamples, level) if sums.size else (math.nan, math.nan)
    return {name: _entry(whole[0] / whole[1], *ends)}


def bootstrap_by_resampling(
    metric: Callable,
    predictions,
    references,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    seconds: float = 2.0,
) -> dict[str, Interval]:
    """Values with intervals of a metric that knows no weights: rows are drawn and the metric is called on them.

    metric: (predictions, references) → a number, named after the function, or {name: number}. predictions, references: lists
    or arrays of n rows; each resample is the same kind of thing. Shaped like `scored`. One call is timed and the resamples
    are cut to what about `seconds` allow, down to 500, 200 or 100 (steps, so that a slightly slower machine gives the same
    interval); below 100 low and high are None. A resample the metric fails on (one class left, say) counts as undefined.
    Raises DataError for no rows and for different lengths, SettingError for a result that is neither number nor dict of
    numbers, and whatever the metric raises on the rows as they are.
    """
    n = len(references)
    check_lengths(predictions, references)
    began = time.perf_counter()
    whole = named_numbers(metric, metric(predictions, references))
    took = time.perf_counter() - began
    kept: dict[str, list[float]] = {name: [] for name in whole}
    rng = np.random.default_rng(seed)

    def resample() -> None:
        rows = rng.integers(0, n, size=n)
        try:
            drawn = named_numbers(metric, metric(take_rows(predictions, rows), take_rows(references, rows)))
        except Exception:  # the metric is the user's: it may raise anything where a resample lacks a class
            drawn = {}
        for name in kept:
            kept[name].append(drawn.get(name, math.nan))

    done = 0
    if resamples >= FEWEST_RESAMPLES and took < seconds:
        began = time.perf_counter()
        resample()  # the first call may have paid for imports, and indexing costs too: this is the better measure
        for step in sorted({FEWEST_RESAMPLES, *(step for step in (200, 500) if step < resamples), resamples}):
            if (time.perf_counter() - began) / max(done, 1) * step > seconds:
                break
            for _ in range(step - max(done, 1)):
                resample()
            done = step
    return {
        name: _entry(value, *(_percentiles(kept[name], done, level) if done else (math.nan, math.nan)))
        for name, value in whole.items()
    }


def draws(n: int, *, resamples: int = 1000, seed: int = 0, counts: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """The counts of each resample: int64 (n,), or (K,) where `counts` (K,) says how many rows are of each kind."""
    if n < 1:
        raise DataError("There is nothing to score: no rows. Give at least one labelled row.")
    rng = np.random.default_rng(seed)
    if counts is None:
        for _ in range(resamples):  # n uniform draws, counted: a multinomial, six times faster than rng's
            yield np.bincount(rng.integers(0, n, size=n), minlength=n)
        return
    counts = np.asarray(counts, dtype=np.int64)
    if counts.sum() != n:
        raise ValueError(f"The kinds of rows hold {counts.sum()} rows, not {n}.")
    kind = np.repeat(np.arange(len(counts)), counts) if len(counts) * 4 > n else None  # (n,)
    for _ in range(resamples):
        # a multinomial costs a binomial a cell: with nearly as many kinds as rows, drawing the rows is the faster way
        yield (
            rng.multinomial(n, counts / n)
            if kind is None
            else np.bincount(kind[rng.integers(0, n, size=n)], minlength=len(counts))
        )


def take_rows(values, rows: np.ndarray):
    """`values` at the row numbers (m,): an array for an array, a tuple of arrays for such a tuple, else a list."""
    if isinstance(values, np.ndarray):
        return values[rows]
    if isinstance(values, tuple) and values and all(isinstance(part, np.ndarray) for part in values):
        return tuple(part[rows] for part in values)
    return [values[row] for row in rows.tolist()]


def _percentiles(values: Sequence[float], resamples: int, level: float) -> tuple[float, float]:
    drawn = np.asarray(values, dtype=np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0 or 2 * len(drawn) < resamples:
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _entry(value: float, low: float, high: float) -> Interval:
    value = float(value)
    if math.isnan(value):
        low = high = math.nan
    entry = {"value": value, "low": float(low), "high": float(high)}
    return {key: None if math.isnan(number) else number for key, number in entry.items()}


def check_lengths(predicted, reference) -> None:
    """Raises DataError for no rows and for unequally many predictions and references."""
    if len(predicted) != len(reference):
        raise DataError(
            f"There are {len(predicted)} predictions for {len(reference)} references, so they can't be matched. "
            f"Give one prediction a row, in row order."
        )
    if not len(reference):
        raise DataError("There is nothing to score: no predictions and no references. Give at least one labelled row.")


def metric_name(metric: Callable) -> str:
    """The function's name; "metric" for what has none (a lambda, an object)."""
    while isinstance(metric, functools.partial):
        metric = metric.func
    name = getattr(metric, "__name__", "metric")
    return name if name.isidentifier() else "metric"


def named_numbers(metric: Callable, result) -> dict[str, float]:
    """What a metric returned as {name: float}: a number gets the function's name. Else SettingError."""
    name = metric_name(metric)
    if not isinstance(result, dict):
        return {name: _number(result, f"The metric {name} returned")}
    if not result:
        raise SettingError(
            f"The metric {name} returned an empty dict. Return a number, or a dict of names and numbers."
        )
    return {str(key): _number(value, f'The metric {name} returned, as "{key}",') for key, value in result.items()}


def _number(value, found: str) -> float:
    """`value` as a float: Python, NumPy or torch scalars (arrays without axes), but no strings, lists or None."""
    if isinstance(value, np.ndarray | np.generic) or (hasattr(value, "item") and hasattr(value, "ndim")):
        # one number in an array with axes is taken for a mistake too: it may be one class's score of several
        value = value.item() if value.ndim == 0 else value
    if isinstance(value, bool | int | float):
        return float(value)
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    raise SettingError(f"{found} {shown} ({type(value).__name__}). Return a number, or a dict of names and numbers.")
