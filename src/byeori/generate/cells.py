"""Memory for keys and values: (layers, slots, heads, columns, size), in one piece each.

Invariants: what is masked must still be a number, so columns before a slot's own, and behind its source, are cleared, no others.

    cells = Cells(lean, heads=8); cells.fit(slots=32, columns=96, used=0); keys, values = cells.both
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from byeori.generate.lean import Lean


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
        made = []
        for old in self.both:
            new = self._empty(slots, columns)
            new[:, :used, :, :both] = old[:, :used, :, :both]
            new[:, :used, :, both:] = 0
            made.append(new)
        self.keys, self.values = made

    def move(self, slot: int, to: int, first: int, stop: int) -> None:
        for cells in self.both:
            cells[:, to, :, first:stop] = cells[:, slot, :, first:stop]
