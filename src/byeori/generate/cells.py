"""Memory for keys and values: (layers, slots, heads, columns, size), in one piece each.

Invariants: what is masked must still be a number, so columns before a slot's own, and behind its source, are cleared, no others.

    cells = Cells(lean, heads=8); cells.fit(slots=32, columns=96, used=0); keys, values = cells.both
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from byeori.generate.lean import Lean

Places = torch.Tensor | slice  # of columns


class Cells:
    def __init__(self, lean: Lean, heads: int):
        stack = lean.decoder
        self.layers, self.heads, self.size = len(stack.layers), heads, stack.size
        self.device, self.dtype = lean.device, lean.dtype
        self.keys = self.values = self._empty(0, 0)

    @property
    def both(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.keys, self.values

    @property
    def columns(self) -> int:
        return self.keys.shape[3]

    @property
    def each(self) -> int:
        """Bytes of a column of one slot."""
        return 2 * self.layers * self.heads * self.size * self.dtype.itemsize

    def _empty(self, slots: int, columns: int) -> torch.Tensor:
        return torch.empty(self.layers, slots, self.heads, columns, self.size, dtype=self.dtype, device=self.device)

    def clear(self, slots: slice, columns: slice) -> None:
        for cells in self.both:
            cells[:, slots, :, columns] = 0

    def fit(self, slots: int, columns: int, used: int) -> None:
        """Room for so many, the first `used` slots as they are; smaller where less than half would be used."""
        had = self.keys.shape
        held = had[1] * had[3]
        if slots <= had[1] and columns <= had[3] and held <= 2 * slots * columns:
            return
        both = min(columns, had[3])

        def fitted(old: torch.Tensor) -> torch.Tensor:
            new = self._empty(slots, columns)
            new[:, :used, :, :both] = old[:, :used, :, :both]
            new[:, :used, :, both:] = 0
            return new

        self._remake(fitted)

    def pack(self, slots: int, columns: int, moves: list[tuple[int, Places, int]]) -> None:
        """So large anew. `moves`: of each slot in use the columns that stay, and the first of those they go to, up to which it
        is cleared."""

        def packed(old: torch.Tensor) -> torch.Tensor:
            new = self._empty(slots, columns)
            for slot, kept, first in moves:
                stays = old[:, slot, :, kept]
                new[:, slot, :, :first] = 0
                new[:, slot, :, first : first + stays.shape[2]] = stays
            return new

        self._remake(packed)

    def _remake(self, made: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Keys first, then values: only one of the two stands there twice at a time."""
        self.keys = made(self.keys)
        self.values = made(self.values)

    def move(self, slot: int, to: int, first: int, stop: int) -> None:
        for cells in self.both:
            cells[:, to, :, first:stop] = cells[:, slot, :, first:stop]
