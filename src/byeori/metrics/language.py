"""Scores of language models from sums over documents: perplexity, bits per character and byte, accuracy.

Invariants: every score is a function of each document's sums, so documents of any length weigh by their tokens and a
document of weight k is worth k equal documents. A perplexity is comparable between models of one tokenizer only; bits
per character or byte between any two.

    from byeori.metrics.language import language_scores; language_scores([12.5, 20.0], [5, 9], resamples=0)

Perplexity is exp of the mean negative log-likelihood a token (Jelinek et al. 1977); bits per character divide the same
sum, in bits, by characters (Graves 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.errors import DataError
from byeori.metrics.intervals import Interval, SumScore, check_lengths, scored


def language_scores(
    nll: Sequence[float],
    tokens: Sequence[int],
    *,
    characters: Sequence[int] | None = None,
    bytes: Sequence[int] | None = None,
    right: Sequence[int] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """{name: {"value", "low", "high"}} of n documents.

    nll: float (n,), the sum over a document's predicted tokens of −log p, in nats; tokens: int (n,), how many were
    predicted (for a masked model: the masked ones); characters, bytes: int (n,), how long the text of those tokens is
    (UTF-8); right: int (n,), how many had the highest probability. Returns perplexity and, as far as their sums are
    given, bits_per_character, bits_per_byte and accuracy. A perplexity too large for a float is undefined. Intervals
    are over documents; one document has none. Raises DataError for no documents, for different lengths, for sums that
    are not finite or negative counts, and where nothing was predicted.
    """
    score = LanguageScore(nll, tokens, characters=characters, bytes=bytes, right=right)
    return scored(score, score.n, resamples=resamples if score.n > 1 else 0, seed=seed, level=level)


class LanguageScore(SumScore):
    """`language_scores` prepared for many weightings of the same documents: call it with weights (n,)."""

    def __init__(self, nll, tokens, *, characters=None, bytes=None, right=None) -> None:
        given = {"nll": nll, "tokens": tokens, "characters": characters, "bytes": bytes, "right": right}
        columns: dict[str, Any] = {}
        for name, values in given.items():
            if values is None:
                continue
            columns[name] = column = np.asarray(values, dtype=np.float64).ravel()
            check_lengths(column, np.asarray(nll).ravel())
            bad = np.flatnonzero(~np.isfinite(column) | ((column < 0) if name != "nll" else False))
            if len(bad):
                raise DataError(
                    f"Document {bad[0] + 1}: {name} is {column[bad[0]]}, which can't be scored; {len(bad)} documents "
                    "are like that. Look for what made them (a training that diverged, a division by zero)."
                )
        for name in columns.keys() & {"tokens", "characters", "bytes"}:
            if not columns[name].any():
                raise DataError(f"There is nothing to score: all {len(columns[name])} documents have 0 {name}.")
        if right is not None and (columns["right"] > columns["tokens"]).any():
            row = int((columns["right"] > columns["tokens"]).argmax())
            raise DataError(
                f"Document {row + 1}: {columns['right'][row]:.0f} of {columns['tokens'][row]:.0f} tokens are counted "
                "as right. Count predicted tokens in both."
            )
        self.n = len(columns["nll"])
        self._names = list(columns)
        self.matrix = np.stack(list(columns.values()))  # (k, n)

    def of(self, added: np.ndarray) -> dict[str, float]:
        sums = dict(zip(self._names, added.tolist(), strict=True))
        mean = _ratio(sums["nll"], sums["tokens"])
        values = {"perplexity": math.exp(mean) if mean < 700 else math.nan}
        for name, counted in (("bits_per_character", "characters"), ("bits_per_byte", "bytes")):
            if counted in sums:
                values[name] = _ratio(sums["nll"] / math.log(2), sums[counted])
        if "right" in sums:
            values["accuracy"] = _ratio(sums["right"], sums["tokens"])
        return values


def _ratio(top: float, bottom: float) -> float:
    # a resample may hold only documents in which nothing was predicted
    return top / bottom if bottom > 0 else math.nan
