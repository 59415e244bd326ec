"""Language models that only count: what a transformer's perplexity stands beside, over the same tokens.

Invariants: the counts are those of the training sequences; every token of the vocabulary has a probability above 0 after
any history, and they sum to 1; nothing but the pairs and triples that occur is held.

    counted = Ngrams([5, 6, 5, 6], [2, 4], vocabulary=10, order=2); counted.nll([5, 6], [2], [1])

Order 1 adds one to every count (Laplace). Higher orders are interpolated with the next lower one by Witten and Bell's
estimate (1991): the more different tokens have followed a history, the more weight the shorter history gets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Ngrams:
    """`ids` int (tokens,); `ends` int (sequences,): where each sequence ends; `order`: 1 (unigrams) to 3 (trigrams)."""

    def __init__(self, ids: Sequence[int] | np.ndarray, ends: Sequence[int] | np.ndarray, vocabulary: int, order: int):
        ids, ends = np.asarray(ids, np.int64), np.asarray(ends, np.int64)
        self.vocabulary, self.order = vocabulary, order
        counts = np.bincount(ids, minlength=vocabulary)
        self.unigram = (counts + 1) / (counts.sum() + vocabulary)  # (vocabulary,)
        within = _within(len(ids), ends)
        self.tables = [_Table(ids[within >= back], self._history(ids, within, back)) for back in range(1, order)]

    def _history(self, ids: np.ndarray, within: np.ndarray, back: int) -> np.ndarray:
        """The `back` tokens before each place that has so many, as one number; int64."""
        places = np.flatnonzero(within >= back)
        found = np.zeros(len(places), np.int64)
        for step in range(back, 0, -1):
            found = found * self.vocabulary + ids[places - step]
        return found

    def nll(
        self, ids: Sequence[int] | np.ndarray, ends: Sequence[int] | np.ndarray, places: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """−log p in nats of the tokens at `places`, after those before them in their sequence; float64 (places,)."""
        ids, places = np.asarray(ids, np.int64), np.asarray(places, np.int64)
        within = _within(len(ids), np.asarray(ends, np.int64))
        found = self.unigram[ids]
        for back, table in enumerate(self.tables, 1):
            there = within >= back
            found[there] = table.interpolated(ids[there], self._history(ids, within, back), found[there])
        return -np.log(found[places])

    @property
    def likeliest(self) -> int:
        """The most frequent token."""
        return int(self.unigram.argmax())

    def best(
        self, ids: Sequence[int] | np.ndarray, ends: Sequence[int] | np.ndarray, places: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """The token seen most often after the longest known history of each place; int64 (places,)."""
        ids = np.asarray(ids, np.int64)
        within = _within(len(ids), np.asarray(ends, np.int64))
        found = np.full(len(ids), self.likeliest)
        for back, table in enumerate(self.tables, 1):
            there = within >= back
            found[there] = table.best(self._history(ids, within, back), found[there])
        return found[np.asarray(places, np.int64)]


class _Table:
    """Counts of tokens after histories of one length."""

    def __init__(self, tokens: np.ndarray, histories: np.ndarray):
        self.histories, number = np.unique(histories, return_inverse=True)
        self.totals = np.bincount(number, minlength=len(self.histories))
        pairs = np.stack([number, tokens]) if len(tokens) else np.zeros((2, 0), np.int64)
        self.width = int(tokens.max(initial=0)) + 1
        self.keys, self.counts = np.unique(pairs[0] * self.width + pairs[1], return_counts=True)
        self.kinds = np.bincount(self.keys // self.width, minlength=len(self.histories))  # different tokens after each

    def interpolated(self, tokens: np.ndarray, histories: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """p(token | history), where `lower` is p(token | the shorter history); that itself for an unknown history."""
        if not len(self.histories):
            return lower
        number, known = self._find(histories)
        key = number * self.width + tokens
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        seen = np.where((self.keys[place] == key) & (tokens < self.width), self.counts[place], 0)
        total, kinds = self.totals[number], self.kinds[number]
        return np.where(known, (seen + kinds * lower) / (total + kinds), lower)

    def best(self, histories: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """The most frequent token after each history; `lower` for an unknown one."""
        if not len(self.histories):
            return lower
        order = np.lexsort((self.counts, self.keys // self.width))  # the most frequent of each history comes last
        top = self.keys[order][np.cumsum(self.kinds) - 1] % self.width
        number, known = self._find(histories)
        return np.where(known, top[number], lower)

    def _find(self, histories: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        number = np.minimum(np.searchsorted(self.histories, histories), len(self.histories) - 1)
        return number, self.histories[number] == histories


def _within(tokens: int, ends: np.ndarray) -> np.ndarray:
    """The place of each token in its sequence; int64 (tokens,)."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else np.zeros(0, np.int64)
    return np.arange(tokens) - np.repeat(starts, ends - starts)
