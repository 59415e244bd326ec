"""Packs of few shapes (`--pad-to`), for devices that compile or capture a program for each shape they meet.

Invariants: a pack is one rectangle; its columns are a multiple of `to` tokens, its rows (with several sequences a row, those of each)
a power of two, so that no row is made up and no loss has one to leave out; what is added to a row is padding as everywhere else:
masked, and counted by nothing. Which rows lie together is a pure function of lengths and budget.

    packing = Packing(shapes=Shapes.of(64, longest=512))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.budget import GROUP
from byeori.errors import SettingError

if TYPE_CHECKING:
    import torch

    from byeori.text.store import TokenStore

PARTS = 16  # sizes that a choice among a pack's places may have


@dataclass(frozen=True)
class Shapes:
    """Columns are multiples of `to`, at most `longest` of inputs and `longest_list` of targets (None: without limit): a model has no
    positions beyond."""

    to: int
    longest: int | None = None
    longest_list: int | None = None

    @classmethod
    def of(cls, to: int | None, longest: int | None = None, longest_list: int | None = None) -> Shapes | None:
        """None where nothing is padded. Raises SettingError as `check`."""
        check(to, longest)
        return None if to is None else cls(int(to), longest, longest_list)

    def columns(self, length: int) -> int:
        """Places that a sequence of so many tokens gets; never fewer than it has."""
        return self._up(length, self.longest)

    def list_columns(self, length: int) -> int:
        """Places that a list (a target) gets."""
        return self._up(length, self.longest_list)

    def _up(self, length: int, most: int | None) -> int:
        rounded = -(-max(1, length) // self.to) * self.to
        return max(int(length), rounded if most is None else min(rounded, most))


def check(to: Any, longest: int | None = None, pack_tokens: Any = None) -> None:
    """Raises SettingError for what no row can be padded to. `longest`: --max-length, `pack_tokens`: the budget, where they are known."""
    if to is None:
        return
    if isinstance(to, bool) or not isinstance(to, int | np.integer) or to < 1:
        raise SettingError(
            f"pad_to={to!r}: a whole number from 1 on is needed, the tokens that rows are padded to a multiple of."
        )
    if longest is not None and to > longest:
        raise SettingError(
            f"pad_to={to}: no row is longer than {longest} tokens (--max-length), and none is padded beyond. Give {longest} for rows that "
            f"are all of one length, or less."
        )
    if isinstance(pack_tokens, int) and to > pack_tokens:
        raise SettingError(
            f"pad_to={to}: a single row would take more than the {pack_tokens} tokens that are computed at once (--pack-tokens). Give a "
            f"smaller --pad-to, or more --pack-tokens."
        )


def fill(
    store: TokenStore, sequences: Sequence[np.ndarray], rows: np.ndarray, pack_tokens: int, shapes: Shapes
) -> list[np.ndarray]:
    """Share units (rows, or sequences by themselves) among packs that are rectangles of 1, 2, 4, 8 … of them.

    sequences: those of each unit; rows: the row that each is of. Returns arrays of places among the units. No pack computes on more
    than `pack_tokens`, lists included, but one of a single unit; units of a pack have equally many sequences. Of all such ways it is
    that of the fewest tokens, where one pack more is worth 64 of them.
    """
    ends, lists = store.offsets, list(store.list_offsets.values())
    counts = np.array([len(one) for one in sequences], np.int64)
    longest = np.array([int((ends[one + 1] - ends[one]).max()) for one in sequences], np.int64)
    sides = [np.array([shapes.columns(int(one)) for one in longest], np.int64)]
    sides += [np.array([shapes.list_columns(int(e)) for e in end[rows + 1] - end[rows]], np.int64) for end in lists]
    order = np.lexsort((longest, *sides[:0:-1], sides[0], counts))
    return [order[cut] for cut in _cheapest(counts[order], [side[order] for side in sides], pack_tokens)]


def _cheapest(counts: np.ndarray, sides: list[np.ndarray], pack_tokens: int) -> list[slice]:
    """Cut units, in their order, into runs of a power of two: dynamic programming over where a run may end."""
    units = len(counts)
    tops = [side.copy() for side in sides]  # the largest of the last `size` units at each place
    # Of each size: what a run that ends at a unit computes on, −1 where there is none.
    runs: list[tuple[int, list[int]]] = []
    size = 1
    while size <= units:
        tokens = size * (counts * tops[0] + sum(tops[1:], np.zeros(units, np.int64)))
        sound = np.arange(units) >= size - 1
        if size > 1:
            sound &= (tokens <= pack_tokens) & (
                np.concatenate([np.full(size - 1, -1), counts[: units - size + 1]]) == counts
            )
        if not sound.any():
            break
        runs.append((size, np.where(sound, tokens, -1).tolist()))
        for top in tops:
            top[size:] = np.maximum(top[size:], top[:-size])
        size *= 2
    best, chosen = [0.0], [0]
    for end in range(units):
        costs = [
            (best[end + 1 - size] + tokens[end] + GROUP["rectangles"], size)
            for size, tokens in runs
            if tokens[end] >= 0
        ]
        cost, size = min(costs)
        best.append(cost)
        chosen.append(size)
    found: list[slice] = []
    end = units
    while end > 0:
        found.append(slice(end - chosen[end], end))
        end -= chosen[end]
    return found[::-1]


def filled(places: torch.Tensor, labels: torch.Tensor, of: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places int64 (count,) chosen among `of`, and their labels, with the first place and label 0 behind them up to a multiple of a
    sixteenth of `of`: what is computed there is cut off again."""
    from torch.nn import functional as F

    missing = -len(places) % max(1, -(-of // PARTS))
    return F.pad(places, (0, missing)), F.pad(labels, (0, missing))
