"""The best spans of a question over all its windows: start and end searched jointly, one softmax for all windows.

Invariants: `best` comes first of all spans that lie in one window, in the context, and hold at most so many tokens, by the
sum of their two logits; of spans that stand for the same characters the best one counts. Where one window holds the context,
probabilities are those of transformers 4's pipeline: softmax over the context's tokens and [CLS], start times end. Of several
windows it made one softmax each, in which a window without the answer could outbid the one that has it; here there is one for
all, with the least of the windows' no-answer places in it, as run_qa.py has it (Devlin et al., 2019, for one window).

    found = Spans(answers, store, row=0, longest=15); found.best(3)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from byeori.text.windows import OUTSIDE, null_places

if TYPE_CHECKING:
    from byeori.batches.answers import Answers
    from byeori.text.store import TokenStore

NO_SPAN = -1e4  # stands for the logit of a span where a question has none; finite, to be compared and averaged


class Spans:
    """One question's. `null`: the probability of no answer; 0 where the model has no [CLS] and `none` says it isn't asked."""

    def __init__(
        self, answers: Answers, store: TokenStore, row: int, longest: int, align: bool = False, none: bool = False
    ):
        windows = slice(int(store.row_offsets[row]), int(store.row_offsets[row + 1]))
        ends = np.asarray(store.offsets[windows.start : windows.stop + 1])
        tokens = slice(int(ends[0]), int(ends[-1]))
        logits = np.concatenate([answers.of(window) for window in range(windows.start, windows.stop)]).astype(
            np.float64
        )
        self.text: str = store.row(row)["context"] or ""
        self.align = align
        self.char_starts, self.char_ends, self.words = (
            np.asarray(store.columns[name][tokens]) for name in ("char_starts", "char_ends", "words")
        )
        self.stops = np.repeat(ends[1:] - ends[0], np.diff(ends))  # (tokens,): where each token's window ends
        said = np.asarray(store.columns["no_answer"][windows])
        nulls = null_places(said) + ends[:-1] - ends[0]
        least = int(logits[nulls].sum(1).argmin())
        inside = self.char_starts != OUTSIDE
        counted = inside.copy()
        counted[nulls[least]] |= none or said[least] >= 0
        self.scale = _log_sum(logits[counted]).sum()  # of both ends
        self.null_logit = float(logits[nulls[least]].sum())
        self.null = float(np.exp(self.null_logit - self.scale)) if counted[nulls[least]] else 0.0
        self.scores = _band(logits, inside, self.stops, max(1, longest))  # (tokens, longest)

    @property
    def logit(self) -> float:
        """Of the best span that says something; NO_SPAN where there is none."""
        return next((score for score, *_ in self._spans(1)), NO_SPAN)

    @property
    def no_answer(self) -> float:
        """How much the question looks like one without an answer: logits, above 0 where that is the likelier."""
        return self.null_logit - self.logit

    def best(self, most: int) -> list[dict[str, float | int | str]]:
        """At most so many answers, the best first: score (probability), start, end (characters), answer."""
        found: dict[tuple[int, int], dict[str, float | int | str]] = {}
        for score, start, end in self._spans(most):
            if (start, end) not in found:
                probability = float(np.exp(score - self.scale))
                found[start, end] = {"score": probability, "start": start, "end": end, "answer": self.text[start:end]}
            if len(found) == most:
                break
        return list(found.values())

    def _spans(self, most: int) -> Iterator[tuple[float, int, int]]:
        """(score, first character, character after the last), the best first; spans of spaces alone are left out."""
        flat, longest = self.scores.ravel(), self.scores.shape[1]
        for place in _descending(flat, most):
            if flat[place] == -np.inf:
                return
            first, more = divmod(int(place), longest)
            start, end = self._characters(first, first + more)
            if start < end:
                yield float(flat[place]), start, end

    def _characters(self, first: int, last: int) -> tuple[int, int]:
        """Of tokens: their characters without spaces around them, whole words if asked for."""
        if self.align and self.words[first] != OUTSIDE and self.words[last] != OUTSIDE:
            first, last = self._word(first, -1), self._word(last, 1)
        start, end = int(self.char_starts[first]), int(self.char_ends[last])
        text = self.text[start:end]
        return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())

    def _word(self, token: int, step: int) -> int:
        """The first or last token of a token's word in its window."""
        word, stop = self.words[token], self.stops[token]
        while (
            0 <= token + step < len(self.words)
            and self.words[token + step] == word
            and self.stops[token + step] == stop
        ):
            token += step
        return token


def _band(logits: np.ndarray, inside: np.ndarray, stops: np.ndarray, longest: int) -> np.ndarray:
    """(tokens, longest): the score of the span from each token on, of 1 … `longest` tokens; −inf for what is no span."""
    longest = min(longest, len(logits))
    starts, ends = (np.where(inside, logits[:, side], -np.inf) for side in (0, 1))
    padded = np.concatenate([ends, np.full(longest - 1, -np.inf)])
    scores = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, longest)
    last = np.arange(len(logits))[:, None] + np.arange(longest)
    return np.where(last < stops[:, None], scores, -np.inf)


def _log_sum(logits: np.ndarray) -> np.ndarray:
    """(n, 2) → (2,): the logarithm of each column's sum of exponentials."""
    peak = logits.max(0, initial=NO_SPAN)
    return np.log(np.exp(logits - peak).sum(0)) + peak


def _descending(scores: np.ndarray, most: int) -> Iterator[np.integer]:
    """Places of the highest scores, in order; equal ones by place. Sorts as few as are asked for, more if they don't do."""
    if most == 1:
        yield scores.argmax()
    known = 1 if most == 1 else 0
    size = max(16, 4 * most)
    while known < len(scores):
        size = min(size, len(scores))
        limit = scores[np.argpartition(-scores, size - 1)[size - 1]]
        places = np.flatnonzero(scores >= limit)  # equal ones all at once, so that none comes twice
        places = places[np.argsort(-scores[places], kind="stable")]
        yield from places[known:]
        known, size = len(places), 8 * len(places)
