"""Two or more models on the same rows: differences of scores, their intervals, and how likely chance alone makes them.

Invariants: all runs are drawn, and exchanged, row by row together, so what makes a row hard for all of them is no part of the
doubt; a score is asked for its value under weights, no row is scored twice; the same seed and rows give the same numbers.

    joint = Joint(AnswerScore([*ours, *theirs], [*answers, *answers]), len(answers)); joint.difference(0, 1)["f1"]

Intervals are those of the paired percentile bootstrap (Efron and Tibshirani 1993; of scores of language: Koehn 2004). p is
that of the paired permutation test, also called approximate randomization (Noreen 1989; Yeh 2000): if two models were alike,
the two predictions of any row could as well be each other's, so they are swapped with probability ½ each; p is how often
the difference is then as large as the one found, in either direction. Of drawn swaps the one found counts as one more of both
((k + 1) / (N + 1), Phipson and Smyth 2010), so p is never 0; of few rows all swaps are made, and p is exact.

A score whose resamples lie to one side of its value (ECE, which chance makes larger) leans more in the better of two models than in
the other, so in a difference that does not cancel: its resamples are moved by what they have on average over the difference.

Several seeds of a setting are compared by the Multi-Bootstrap (Sellam et al. 2022): rows and, within each setting, seeds are
drawn again, because both are a sample: of the language, and of the trainings that this setting gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from byeori.metrics.intervals import Score, SumScore, draws, in_blocks

PERMUTATIONS = 10_000
RESAMPLES = 1_000
CELLS = 2_000_000  # weights held at once
SLOW_ROWS = 30_000_000  # rows looked at for the swaps of a score that is no function of sums; at least 1,000 swaps
FEWEST_SLOW = 1_000
SLOW_CELLS = 200_000_000  # rows × classes likewise: some five seconds; at least 200 resamples and 200 swaps
FEWEST_CELLS = 200
EVEN = 1e-9  # differences closer than this, as a share, are equal: sums of floats depend on their order

Difference = dict[str, Any]


class Joint:
    """One score of `runs` models on the same `n` rows. score: takes weights (runs · n,), the rows of one run after another's."""

    def __init__(self, score: Score, n: int, runs: int = 2):
        self.score, self.n, self.runs = score, n, runs
        self.cells = getattr(
            score, "cells", 0
        )  # of a score that has each row looked at once a class: what one value costs
        self.leans = getattr(score, "leans", False)
        self.sums = isinstance(score, SumScore)
        if isinstance(score, SumScore):
            matrix: Any = score.matrix
            sparse = hasattr(matrix, "tocsc")
            matrix = (
                matrix.tocsc() if sparse else np.asarray(matrix, np.float64)
            )  # columns are cheap to take of this form
            if matrix.shape[1] != runs * n:
                raise ValueError(f"The score is of {matrix.shape[1]} rows, not {runs} × {n}.")
            parts: list[Any] = [matrix[:, run * n : (run + 1) * n] for run in range(runs)]  # (S, n) each
            self.parts = [part.tocsr() for part in parts] if sparse else parts

    @cached_property
    def values(self) -> list[dict[str, float]]:
        """The scores of each run."""
        ones = np.ones((self.n, 1))
        return [{name: column[0] for name, column in self._weighed(run, ones).items()} for run in range(self.runs)]

    def resampled(self, resamples: int = RESAMPLES, seed: int = 0) -> list[dict[str, np.ndarray]]:
        """Each run's scores in resamples of the rows, float64 (resamples,): in the b-th all runs have the same rows."""
        if self.cells:
            resamples = min(resamples, max(FEWEST_CELLS, SLOW_CELLS // (self.runs * self.cells)))
        found: list[list[dict[str, np.ndarray]]] = [[] for _ in range(self.runs)]
        for weights in in_blocks(draws(self.n, resamples=resamples, seed=seed), max(1, CELLS // self.n)):
            for run in range(self.runs):
                found[run].append(self._weighed(run, weights))
        return [_joined(parts) for parts in found]

    def difference(
        self, first: int, second: int, *, permutations: int = PERMUTATIONS, seed: int = 0, level: float = 0.95,
        drawn: Sequence[dict[str, np.ndarray]] | None = None,
    ) -> dict[str, Difference]:  # fmt: skip
        """{name: {"first", "second", "difference", "low", "high", "p", "permutations", "exact"}}, second less first.

        drawn: what `resampled` gave, if it was asked already. "permutations": how many swaps p is of; "exact": all there are.
        What is undefined in a run (nan) has None for its difference, interval and p.
        """
        drawn = drawn if drawn is not None else self.resampled(seed=seed)
        values = self.values[first], self.values[second]
        chances = self._chances(first, second, permutations, seed)
        found: dict[str, Difference] = {}
        for name in values[0]:
            a, b = values[0][name], values[1][name]
            low, high = interval(self._moved(drawn[second][name] - drawn[first][name], b - a), level)
            chance = {"p": None, "permutations": 0, "exact": False} if math.isnan(b - a) else chances[name]
            found[name] = {
                "first": _number(a), "second": _number(b), "difference": _number(b - a), "low": _number(low),
                "high": _number(high), **chance,
            }  # fmt: skip
        return found

    def groups(
        self, first: Sequence[int], second: Sequence[int], *, seed: int = 0, level: float = 0.95,
        drawn: Sequence[dict[str, np.ndarray]] | None = None,
    ) -> dict[str, Difference]:  # fmt: skip
        """As `difference`, of the means over two groups of runs (seeds), by the Multi-Bootstrap; "resamples" for "permutations".

        p is twice the smaller share of resamples on either side of 0. A group of one has no spread to draw: the doubt is then
        of its one training, and the result too sure.
        """
        drawn = drawn if drawn is not None else self.resampled(seed=seed)
        rng = np.random.default_rng([seed, 1])
        resamples = len(next(iter(drawn[0].values())))
        picks = [rng.integers(0, len(group), size=(resamples, len(group))) for group in (first, second)]
        at = np.arange(resamples)[:, None]
        found: dict[str, Difference] = {}
        for name in self.values[0]:
            means, means_drawn = [], []
            for group, pick in zip((first, second), picks, strict=True):
                means.append(float(np.mean([self.values[run][name] for run in group])))
                table = np.stack([drawn[run][name] for run in group], 1)  # (resamples, seeds)
                means_drawn.append(table[at, pick].mean(1))
            differences = self._moved(means_drawn[1] - means_drawn[0], means[1] - means[0])
            low, high = interval(differences, level)
            there = differences[~np.isnan(differences)]
            p = None
            if not math.isnan(low):
                side = min((there <= 0).sum(), (there >= 0).sum())
                p = min(1.0, 2 * (int(side) + 1) / (len(there) + 1))
            found[name] = {
                "first": _number(means[0]), "second": _number(means[1]), "difference": _number(means[1] - means[0]),
                "low": _number(low), "high": _number(high), "p": p, "resamples": len(there),
            }  # fmt: skip
        return found

    def of_row(self, run: int, row: int) -> dict[str, float]:
        """The scores of one row alone."""
        if self.sums:
            part = self.parts[run][:, [row]]
            return self.score.of(np.asarray(part.todense() if hasattr(part, "todense") else part).ravel())  # type: ignore[attr-defined]
        weights = np.zeros(self.runs * self.n)
        weights[run * self.n + row] = 1
        return self.score(weights)

    def _moved(self, drawn: np.ndarray, value: float) -> np.ndarray:
        """Resampled differences, about the value where the score's resamples lean to one side."""
        return drawn - (np.nanmean(drawn) - value) if self.leans else drawn

    def _weighed(self, run: int, weights: np.ndarray) -> dict[str, np.ndarray]:
        """A run's scores under weights (n, B): {name: (B,)}."""
        if self.sums:
            return _columns([self.score.of(sums) for sums in (self.parts[run] @ weights).T])  # type: ignore[attr-defined]
        every = np.zeros(self.runs * self.n)
        own = slice(run * self.n, (run + 1) * self.n)
        found = []
        for column in weights.T:
            every[own] = column
            found.append(self.score(every))
        return _columns(found)

    def _chances(self, first: int, second: int, permutations: int, seed: int) -> dict[str, dict[str, Any]]:
        if self.sums:
            change = self.parts[second] - self.parts[first]  # (S, n)
            rows = np.flatnonzero(np.asarray(abs(change).sum(0)).ravel())  # swapping the others changes nothing
            change = change[:, rows]
            totals = [np.asarray(self.parts[run].sum(1)).ravel()[:, None] for run in (first, second)]
        else:
            rows = np.arange(self.n)
            if self.cells:
                permutations = min(permutations, max(FEWEST_CELLS, SLOW_CELLS // (2 * self.cells)))
            elif self.n * 2 * permutations > SLOW_ROWS:
                permutations = min(permutations, max(FEWEST_SLOW, SLOW_ROWS // (2 * self.n)))
        exact = len(rows) <= math.log2(max(permutations, 1))
        swaps = _every(len(rows)) if exact else _drawn(len(rows), permutations, seed)
        found = {name: self.values[second][name] - self.values[first][name] for name in self.values[first]}
        beyond, done = dict.fromkeys(found, 0), 0
        for swapped in swaps:  # bool (rows, B)
            done += swapped.shape[1]
            if self.sums:
                moved = change @ swapped.astype(np.float64)  # (S, B)
                pairs = [
                    _columns([self.score.of(sums) for sums in (total + sign * moved).T])  # type: ignore[attr-defined]
                    for total, sign in zip(totals, (1, -1), strict=True)
                ]
            else:
                pairs = [self._swapped(first, second, swapped, own) for own in (True, False)]
            for name, value in found.items():
                far = abs(pairs[1][name] - pairs[0][name])
                near = abs(value) - EVEN * max(abs(self.values[run][name]) for run in (first, second))
                beyond[name] += int((np.isnan(far) | (far >= near)).sum())  # an undefined one speaks for chance
        extra = 0 if exact else 1
        return {
            name: {"p": (k + extra) / (done + extra), "permutations": done, "exact": exact}
            for name, k in beyond.items()
        }

    def _swapped(self, first: int, second: int, swapped: np.ndarray, own: bool) -> dict[str, np.ndarray]:
        """The scores of one of two runs whose predictions are swapped where `swapped`, bool (n, B), says so."""
        every, found = np.zeros((self.runs, self.n)), []
        for column in swapped.T:
            every[first], every[second] = (~column, column) if own else (column, ~column)
            found.append(self.score(every.ravel()))
        return _columns(found)


def interval(drawn: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of resampled values; (nan, nan) where more than half of them are undefined."""
    there = drawn[~np.isnan(drawn)]
    if 2 * len(there) <= len(drawn):
        return math.nan, math.nan
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """p of several comparisons, corrected so that the chance of any false one stays what it says (Holm 1979)."""
    order = sorted((p, place) for place, p in enumerate(chances) if p is not None)
    found: list[float | None] = [None] * len(chances)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        found[place] = highest
    return found


def _every(rows: int) -> Iterator[np.ndarray]:
    """All 2^rows swaps, bool (rows, 2^rows)."""
    yield (np.arange(2**rows)[None, :] >> np.arange(rows)[:, None]) & 1 == 1


def _drawn(rows: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """`count` swaps, each row with probability ½, bool (rows, B) some at a time."""
    rng = np.random.default_rng([seed, 2])
    most = max(1, CELLS // rows)
    while count > 0:
        some = min(count, most)
        bits = np.unpackbits(np.frombuffer(rng.bytes(-(-rows * some // 8)), np.uint8), count=rows * some)
        yield bits.astype(bool).reshape(rows, some)
        count -= some


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([row.get(name, math.nan) for row in rows], np.float64) for name in rows[0]}


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
