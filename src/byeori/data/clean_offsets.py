"""Where the characters of a cleaned text come from: offsets moved to it, and back to the text as it was given.

Invariants: of a text that nothing changed both ways are the identity; `back` of what `forward` gave covers what of the span
was kept. Characters are those of Python's str, as in every offset here.

    Alignment.of("빵 &amp; 우유").edited([(2, 7, "&")]).forward(8, 10) == (4, 6)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from byeori.data.clean_steps import Edit


@dataclass(frozen=True)
class Alignment:
    """For each character of the cleaned text the first one of the given text that it comes from, and the one behind the
    last: `starts`, `ends` int64 (characters,), neither ever falling."""

    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, text: str) -> Alignment:
        places = np.arange(len(text), dtype=np.int64)
        return cls(places, places + 1)

    def edited(self, edits: Sequence[Edit]) -> Alignment:
        """After further edits of the cleaned text. All of what replaces a piece comes from all of that piece."""
        if not edits:
            return self
        starts, ends, done = [], [], 0
        for first, last, new in edits:
            begin, end = self._bounds(first, last)
            starts += [self.starts[done:first], np.full(len(new), begin)]
            ends += [self.ends[done:first], np.full(len(new), end)]
            done = last
        return Alignment(np.concatenate([*starts, self.starts[done:]]), np.concatenate([*ends, self.ends[done:]]))

    def _bounds(self, first: int, last: int) -> tuple[int, int]:
        if first < last:
            return int(self.starts[first]), int(self.ends[last - 1])
        place = int(self.ends[first - 1]) if first else 0  # an insertion comes from nothing
        return place, place

    def forward(self, start: int, end: int) -> tuple[int, int] | None:
        """A span of the given text → that of the cleaned text; None where nothing is left of it."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left"))
        return (first, last) if first < last else None

    def back(self, start: int, end: int) -> tuple[int, int]:
        """A span of the cleaned text → that of the given text which it comes from."""
        if start >= end:
            place = int(self.starts[start]) if start < len(self.starts) else int(self.ends[-1]) if len(self.ends) else 0
            return place, place
        return int(self.starts[start]), int(self.ends[end - 1])

    @classmethod
    def joined(cls, parts: Sequence[tuple[int, int, Alignment]], length: int) -> Alignment:
        """Of a text of `length` characters made of parts: (where a part begins here, where in the given text, its own)."""
        starts, ends = np.full(length, -1, np.int64), np.full(length, -1, np.int64)
        for here, there, part in parts:
            at = slice(here, here + len(part.starts))
            starts[at], ends[at] = part.starts + there, part.ends + there
        between = starts < 0  # delimiters: from where the part before them ended to where the next begins
        last = np.maximum.accumulate(np.where(between, 0, ends))
        following = np.minimum.accumulate(np.where(between, np.iinfo(np.int64).max, starts)[::-1])[::-1]
        starts[between] = last[between]
        ends[between] = np.minimum(following, last.max(initial=0))[between]
        return cls(starts, ends)
