"""Memory for keys and values: a tensor (slots, heads, columns, size) a layer, of which each slot is filled from column 0 on.

Invariants: what was never written is zero, and so is what was released (what is masked must still be a number). On Linux's
processors what was never written takes no memory, and what a slot that leaves had is given back: slots of different length
cost what they hold, not what the longest does. Growing copies a tensor at a time, so that only one of them is there twice.

    cells = Cells(lean, heads=8); cells.fit(32, 96, filled); cells.write(0, cells.rows(slots, columns), k, v)
"""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from math import gcd, prod
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from byeori.generate.lean import Lean

PAGED = sys.platform == "linux"  # elsewhere memory that is advised away stays, or isn't zero afterwards
COARSE = 128  # columns of a head in a page: where it holds more (64 KiB pages), rectangles take less
NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # most of it is never written; Python 3.11 has no name for it


class Cells:
    def __init__(self, lean: Lean, heads: int):
        stack = lean.decoder
        self.layers, self.heads, self.size = len(stack.layers), heads, stack.size
        self.device, self.dtype = lean.device, lean.dtype
        self.page = max(1, mmap.PAGESIZE // (self.size * self.dtype.itemsize))  # columns of a head
        self.paged = PAGED and self.device.type == "cpu" and self.page <= COARSE
        self.slots = self.columns = 0
        self.keys, self.values = ([torch.empty(0)] * self.layers for _ in range(2))
        self.maps: list[mmap.mmap] = []  # where the pages of keys and values lie, of those that are paged

    # room -------------------------------------------------------------------------------------------------------
    @property
    def each(self) -> int:
        """Bytes of a column of one slot."""
        return 2 * self.layers * self.heads * self.size * self.dtype.itemsize

    def bytes_of(self, filled: np.ndarray) -> int:
        """Of slots of which so many columns (int64) are filled."""
        if not len(filled):
            return 0
        if not self.paged:
            return self.each * len(filled) * int(filled.max())
        return self.each * self.page * int((-(-filled // self.page)).sum())

    def fit(self, slots: int, columns: int, filled: np.ndarray, spare: int = 0) -> None:
        """Room for so many; `filled` columns int64 of the first slots stay. `spare` columns beyond where it is made anew."""
        fits = slots <= self.slots and columns <= self.columns
        if fits and (self.paged or self.slots * self.columns <= 2 * slots * (columns + spare)):
            return
        if self.paged:
            # What isn't written costs nothing but addresses. A slot's columns take whole pages, so that they can be given back.
            slots, columns = max(slots, self.slots), columns + spare
            columns = self.columns if columns < self.columns <= 2 * columns else columns
            whole = mmap.PAGESIZE // gcd(mmap.PAGESIZE, self.size * self.dtype.itemsize)
            columns = -(-columns // whole) * whole
        else:
            columns += spare
        self.slots, self.columns, self.maps = slots, columns, []
        # In one go; but where pages count, slot by slot: what is copied is written.
        used = len(filled)
        parts = [(slice(used), int(filled.max(initial=0)))] if not self.paged else list(enumerate(filled.tolist()))
        for both in (self.keys, self.values):
            for number, old in enumerate(both):
                both[number] = new = self._zeros()
                for part, count in parts:
                    if count:
                        new[part, ..., :count, :] = old[part, ..., :count, :]

    def _zeros(self) -> torch.Tensor:
        shape = (self.slots, self.heads, self.columns, self.size)
        if not self.paged:
            return torch.zeros(shape, dtype=self.dtype, device=self.device)
        kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE
        self.maps.append(mmap.mmap(-1, max(1, prod(shape) * self.dtype.itemsize), kind))
        with suppress(OSError):  # a kernel that has no huge pages; else one would be there for a few columns
            self.maps[-1].madvise(mmap.MADV_NOHUGEPAGE)
        return torch.frombuffer(self.maps[-1], dtype=self.dtype, count=prod(shape)).view(shape)

    # contents ---------------------------------------------------------------------------------------------------
    def rows(self, slots: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Where the heads of these columns of these slots (int64, of one shape) lie: int64 (…, heads)."""
        heads = torch.arange(self.heads, device=self.device)
        return (slots[..., None] * self.heads + heads) * self.columns + columns[..., None]

    def write(self, number: int, rows: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
        """Keys and values (tokens, heads, size) of layer `number`."""
        for cells, new in ((self.keys[number], k), (self.values[number], v)):
            cells.view(-1, self.size).index_copy_(0, rows.reshape(-1), new.reshape(-1, self.size))

    def fill(self, number: int, slot: int, k: torch.Tensor, v: torch.Tensor) -> None:
        """A slot's first columns: keys and values (tokens, heads, size)."""
        for cells, new in ((self.keys[number], k), (self.values[number], v)):
            cells[slot, :, : len(new)] = new.transpose(0, 1)

    def shift(self, rows: torch.Tensor, to: torch.Tensor) -> None:
        """What lies in some rows goes to others, all at once."""
        for cells in (*self.keys, *self.values):
            flat = cells.view(-1, self.size)
            flat.index_copy_(0, to.reshape(-1), flat.index_select(0, rows.reshape(-1)))

    def leave(self, stay: int, slots: int, moves: list[tuple[int, int]], filled: np.ndarray) -> None:
        """Of `slots` in use the first `stay` are left. `moves`: slots, and those behind `stay` that take their place; `filled`:
        columns int64 of all as they were."""
        if not self.paged:
            into, out = (torch.tensor([one[side] for one in moves], device=self.device) for side in (0, 1))
            longest = int(filled.max(initial=0))
            for cells in (*self.keys, *self.values):
                if moves:
                    cells[into, :, :longest] = cells[out, :, :longest]
                cells[stay:slots, :, :longest] = 0
            return
        for to, of in moves:
            self._give_back(to, 1)
            for cells in (*self.keys, *self.values):
                cells[to, :, : filled[of]] = cells[of, :, : filled[of]]
        self._give_back(stay, slots - stay)

    def _give_back(self, slot: int, count: int) -> None:
        stride = self.heads * self.columns * self.size * self.dtype.itemsize
        for pages in self.maps:
            if stride:
                pages.madvise(mmap.MADV_DONTNEED, slot * stride, count * stride)
