"""Rows that have copies, found in sets too large to be held: each text is hashed, and only rows whose hash occurs again are read.

Invariants: equal texts, spaces and case aside, have equal hashes, so that no copy is missed; what is found among these rows is
found in all of them, unless they are more than MOST: then of each text and part OF_ONE rows stay, and if these are still more,
some of the texts are left out, with all rows of each.

    hashes = Hashes({"train": 3_000_000}, ["text"]); hashes.add(first, part); hashes.copied().places["train"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from byeori.data import mapped
from byeori.doctor.parts import Part, plain
from byeori.doctor.source import part_of

if TYPE_CHECKING:
    from byeori.data.rows import Rows

BLOCK = 10_000
MOST = 30_000  # rows that are looked at beside each other
OF_ONE = 10_000  # of them of one text and part, where some are left out
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Copied:
    """places: part → int64, its rows that may have copies, in rising order. one_in: of how many such texts one is looked at.
    capped: whether some texts have more rows than are looked at."""

    places: dict[str, np.ndarray]
    one_in: int = 1
    capped: bool = False

    @property
    def said(self) -> str:
        """How a count must be read."""
        some = f" Counted on one in {self.one_in:,} of the texts that occur again." if self.one_in > 1 else ""
        return some + (f" Of each text {OF_ONE:,} rows of a part are counted at most." if self.capped else "")


def in_blocks(rows: Rows, name: str) -> Iterator[tuple[int, Part]]:
    """(the first row's place, a part of some rows), one after the other."""
    for first in range(0, len(rows), BLOCK):
        yield first, part_of(rows.select(range(first, min(first + BLOCK, len(rows)))), name)


class Hashes:
    """A hash a row of each part."""

    def __init__(self, sizes: Mapping[str, int], roles: Sequence[str]):
        self.roles, self.sizes = roles, sizes
        self.found = mapped.zeros(sum(sizes.values()), np.uint64)
        starts = np.cumsum([0, *sizes.values()]).tolist()
        self._starts = dict(zip(sizes, starts, strict=False))

    def add(self, first: int, part: Part) -> None:
        """The rows of a part from `first` on."""
        from pandas.util import hash_array

        start = self._starts[part.name] + first
        here = self.found[start : start + len(part)]
        for role in self.roles:
            here *= _FACTOR
            here += hash_array(plain(part.column(role)).to_numpy(zero_copy_only=False), categorize=False)

    def copied(self) -> Copied:
        """The rows whose hash another row has as well."""
        codes, different = mapped.ranked(self.found, self.found)
        times = mapped.zeros(different, codes.dtype)
        for block in mapped.spans(len(codes)):
            np.add.at(times, codes[block], 1)
        at = mapped.where(len(codes), lambda block: times[codes[block]] > 1)
        starts = [*self._starts.values(), len(codes)]
        capped, one_in = False, 1
        if len(at) > MOST:
            cut = np.searchsorted(at, starts)
            parts = [_first_of_each(at[begin:end], codes) for begin, end in zip(cut, cut[1:], strict=False)]
            capped, at = sum(map(len, parts)) < len(at), np.concatenate(parts)
            one_in = -(-len(at) // MOST)
            rest = self.found[at] % np.uint64(one_in)
            at = at[rest == rest[0]]  # the first text that occurs again is always one of them
        cut = np.searchsorted(at, starts)
        places = {name: at[cut[place] : cut[place + 1]] - starts[place] for place, name in enumerate(self._starts)}
        return Copied(places, one_in, capped)


def _first_of_each(at: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of the rows `at`, in rising order, the first OF_ONE of each code."""
    if not len(at):
        return at
    owners = np.unique(codes[at], return_inverse=True)[1]
    order, number = np.argsort(owners, kind="stable"), np.bincount(owners)
    place = np.empty(len(at), np.int64)
    place[order] = np.arange(len(at)) - np.repeat(np.cumsum(number) - number, number)
    return at[place < OF_ONE]
