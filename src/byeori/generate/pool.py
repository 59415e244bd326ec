"""The keys and values of a batch whose rows are of different age: what each step attends to.

A slot is one prompt with all its beams, which share what they have in common: every token of a slot is kept once, beside
it which beams come from it. So a step of beam search copies nothing; it only says anew who comes from whom. All slots
write into the same column, the newest; a slot that began later begins further right. Sources of encoder-decoders are
kept once a slot, whatever the number of beams.

Invariants: slots 0 … slots − 1 are in use, without gaps: one that leaves is replaced by the last; columns lo … column − 1
hold what some beam of some slot still comes from; what none comes from goes when the columns are packed anew.

    pool = Pool(lean, width=4); pool.join(prefixes, sources); hidden = pool.step(ids); pool.inherit(parents); pool.leave(2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from byeori.generate.attend import Whole, meet, parts
from byeori.generate.cells import Cells, Places
from byeori.generate.stacks import Layer

if TYPE_CHECKING:
    from byeori.generate.lean import Lean

ROOM = 32  # columns at least that are free after packing
UNSEEN = -torch.inf


class Pool:
    def __init__(self, lean: Lean, width: int = 1, budget: int | None = None):
        stack = lean.decoder
        self.lean, self.stack, self.width, self.device = lean, stack, width, lean.device
        self.budget = budget  # bytes that spare columns must not go beyond
        self.slots = 0
        self.lo = self.column = 0
        self.own = Cells(lean, stack.kv_heads)
        self.sources = Cells(lean, stack.heads) if stack.crosses else None
        self.lengths = np.zeros(0, np.int64)  # of sources, a slot each
        self.begins = np.zeros(0, np.int64)  # a slot's first column
        self.place = torch.zeros(0, dtype=torch.int64, device=self.device)  # of the token each slot is fed next
        self.seen = torch.zeros(0, width, 0, dtype=torch.bool, device=self.device)  # (slots, width, columns)
        self.places = torch.zeros(0, 0, dtype=torch.int64, device=self.device)  # (slots, columns)
        self.source_mask: torch.Tensor | None = None  # (slots, 1, 1, longest source), until another joins or leaves
        self.packed = 0  # columns after the last packing

    @property
    def used(self) -> int:
        """Columns of the longest row."""
        return self.column - self.lo if self.slots else 0

    @property
    def longest_source(self) -> int:
        return int(self.lengths[: self.slots].max(initial=0))

    # slots ------------------------------------------------------------------------------------------------------
    def join(self, prefixes: list[list[int]], sources: list[torch.Tensor] | None = None) -> None:
        """New slots. `prefixes`: ids whose keys are made at once (a prompt without its last token); `sources`: hidden states
        (tokens, size) of each."""
        first, count = self.slots, len(prefixes)
        longest = max(map(len, prefixes))
        self._reserve(first + count, longest)
        self.slots += count
        self.source_mask = None
        lengths = np.array([len(prefix) for prefix in prefixes], np.int64)
        self.begins[first : self.slots] = self.column - lengths
        self.place[first : self.slots] = torch.from_numpy(lengths).to(self.device)
        self.seen[first : self.slots] = False
        self.own.clear(slice(first, self.slots), slice(0, self.column))
        if longest:
            self._prefill(first, prefixes)
        if sources is not None:
            self._read(first, sources)
        self.lo = int(self.begins[: self.slots].min())

    def _prefill(self, first: int, prefixes: list[list[int]]) -> None:
        """Keys and values of prefixes into the columns before the newest: end to end, so many tokens at a time."""
        filled = [place for place, prefix in enumerate(prefixes) if prefix]
        for part in parts([prefixes[place] for place in filled], self.lean.pack):
            self._prefill_part(first, {filled[at]: prefixes[filled[at]] for at in part})

    def _prefill_part(self, first: int, prefixes: dict[int, list[int]]) -> None:
        """`prefixes`: by their place among those that join, in ascending order of length."""
        lengths = [len(prefix) for prefix in prefixes.values()]
        ids = torch.tensor([one for prefix in prefixes.values() for one in prefix], device=self.device)
        ranges = [torch.arange(length, device=self.device) for length in lengths]
        where = [(first + place, slice(self.column - len(prefix), self.column)) for place, prefix in prefixes.items()]

        def keep(number: int, k: torch.Tensor, v: torch.Tensor) -> None:
            for cells, values in zip(self.own.both, (k, v), strict=True):
                for (slot, columns), own in zip(where, values.split(lengths), strict=True):
                    cells[number][slot][:, columns] = own.transpose(0, 1)

        self.stack.run(ids, torch.cat(ranges), Whole(self.stack, lengths, keep))
        for (slot, columns), places in zip(where, ranges, strict=True):
            self.seen[slot, :, columns] = True
            self.places[slot, columns] = places

    def _read(self, first: int, sources: list[torch.Tensor]) -> None:
        """Keys and values of sources, made for all of them at once."""
        assert self.sources is not None
        lengths = [len(one) for one in sources]
        self.sources.fit(len(self.begins), max([*lengths, *self.lengths[:first]]), first)
        self.sources.clear(slice(first, self.slots), slice(min(lengths), None))
        self.lengths[first : self.slots] = lengths
        flat = torch.cat(sources) if len(sources) > 1 else sources[0]
        for number, layer in enumerate(self.stack.layers):
            for cells, values in zip(self.sources.both, layer.memory(flat), strict=True):
                for place, part in enumerate(values.split(lengths)):
                    cells[number][first + place][:, : len(part)] = part.transpose(0, 1)

    def leave(self, slot: int) -> None:
        """A slot's place is taken by the last one."""
        last = self.slots - 1
        if slot != last:
            begin = int(self.begins[last])
            self.own.move(last, slot, begin, self.column)
            if self.sources is not None:
                self.sources.move(last, slot, 0, int(self.lengths[last]))
                self.lengths[slot] = self.lengths[last]
            self.begins[slot] = begin
            for of in (self.place, self.seen, self.places):
                of[slot] = of[last]
        self.slots, self.source_mask = last, None
        self.lo = int(self.begins[:last].min()) if last else self.column

    # steps ------------------------------------------------------------------------------------------------------
    def step(self, ids: torch.Tensor) -> torch.Tensor:
        """Feeds each beam a token, int64 (slots, width) → hidden states (slots × width, size)."""
        if self.column + self.width > self.own.columns or self._sparse():
            self._pack(self.slots, 0)
        slots, width, new = self.slots, self.width, slice(self.column, self.column + self.width)
        self.seen[:slots, :, new] = torch.eye(width, dtype=torch.bool, device=self.device)
        self.places[:slots, new] = self.place[:slots, None]
        self.column += width
        places = self.place[:slots].repeat_interleave(width) if width > 1 else self.place[:slots]
        hidden = self.stack.run(ids.reshape(-1), places, _Step(self, new))
        self.place[:slots] += 1
        return hidden

    def inherit(self, parents: torch.Tensor) -> None:
        """Each beam goes on from another's tokens: parents int64 (slots, width)."""
        seen = self.seen[: self.slots, :, self.lo : self.column]
        seen.copy_(seen.gather(1, parents[..., None].expand(-1, -1, seen.shape[2])))

    def _sparse(self) -> bool:
        """Whether the columns have doubled since they were packed, and half of them are nobody's any more."""
        if self.width == 1 or self.column - self.lo < 2 * max(self.packed, ROOM):
            return False
        self.packed = self.column - self.lo  # not asked again before it has doubled once more
        return 2 * int(self._needed().sum(1).max()) <= self.column - self.lo

    def _needed(self) -> torch.Tensor:
        """bool (slots, columns): what some beam comes from."""
        return self.seen[: self.slots, :, : self.column].any(1)

    # room -------------------------------------------------------------------------------------------------------
    def bytes_with(self, slots: int, columns: int, source: int) -> int:
        """Of so many slots whose longest row takes so many columns, and longest source so many."""
        return slots * (columns * self.own.each + (source * self.sources.each if self.sources is not None else 0))

    def _reserve(self, slots: int, front: int) -> None:
        """Room for so many slots, `front` columns before the newest, and one step."""
        if slots > len(self.begins) or front > self.column or self.column + self.width > self.own.columns:
            self._pack(slots, front)

    def _pack(self, slots: int, front: int) -> None:
        """The columns without what is nobody's any more, the newest beside each other, and room behind them."""
        needed = self._needed()
        counts = needed.sum(1).tolist()
        longest = max([front, *counts])
        capacity = max(slots, min(len(self.begins), 2 * self.slots))
        columns = longest + self.width * self._spare(capacity, longest)
        seen = torch.zeros(capacity, self.width, columns, dtype=torch.bool, device=self.device)
        moved = torch.zeros(capacity, columns, dtype=torch.int64, device=self.device)
        begins = np.zeros(capacity, np.int64)
        moves: list[tuple[int, Places, int]] = []
        for slot, count in enumerate(counts):
            begins[slot] = first = longest - count
            places = needed[slot].nonzero()[:, 0]
            kept: Places = places
            if count and int(places[-1]) - int(places[0]) == count - 1:  # a slice is copied without an index
                kept = slice(int(places[0]), int(places[-1]) + 1)
            moves.append((slot, kept, first))
            seen[slot, :, first:longest], moved[slot, first:longest] = self.seen[slot][:, kept], self.places[slot, kept]
        self.own.pack(capacity, columns, moves)
        self.seen, self.places, self.begins = seen, moved, begins
        self.column = self.packed = longest
        self.lo = int(begins[: self.slots].min()) if self.slots else longest
        used = self.slots
        self.place = F.pad(self.place[:used], (0, capacity - used))
        self.lengths = np.pad(self.lengths[:used], (0, capacity - used))

    def _spare(self, slots: int, longest: int) -> int:
        """Steps that there is to be room for, one at least, before the columns are packed again."""
        wanted = max(ROOM, longest // (2 * self.width))
        if self.budget is None:
            return wanted
        left = self.budget - self.bytes_with(slots, longest, self.longest_source)
        return max(1, min(wanted, left // (slots * self.own.each * self.width)))


class _Step:
    """Attention of one step: each beam over what it comes from, and over its slot's source."""

    def __init__(self, pool: Pool, new: slice):
        self.pool, self.new = pool, new
        self.shape = (pool.slots, pool.width)
        self.masks: dict[int | None, torch.Tensor] = {}
        self.distance: torch.Tensor | None = None

    def own(self, number: int, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        pool, slots = self.pool, self.pool.slots
        seen = slice(pool.lo, pool.column)
        for cells, values in zip(pool.own.both, (k, v), strict=True):
            cells[number][:slots, :, self.new] = values.unflatten(0, self.shape).transpose(1, 2)
        keys, values = (cells[number][:slots, :, seen] for cells in pool.own.both)
        if layer.window not in self.masks:
            self.masks[layer.window] = self._mask(layer.window, q.dtype)
        return self._met(layer, q, keys, values, self.masks[layer.window])

    def across(self, number: int, layer: Layer, q: torch.Tensor) -> torch.Tensor:
        pool, slots = self.pool, self.pool.slots
        assert pool.sources is not None
        longest = pool.longest_source
        keys, values = (cells[number][:slots, :, :longest] for cells in pool.sources.both)
        if pool.source_mask is None:
            there = torch.arange(longest)[None] < torch.from_numpy(pool.lengths[:slots])[:, None]
            pool.source_mask = _added(there.to(pool.device), q.dtype)[:, None, None]
        return self._met(layer, q, keys, values, pool.source_mask)

    def _met(self, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(slots × width, heads, size) → (slots × width, heads × size)."""
        slots, width = self.shape
        heads, several = k.shape[1], q.shape[1] // k.shape[1]
        # Heads that share keys stand beside the beams: one product for all of them.
        asked = (
            q.view(slots, width, heads, several, -1).permute(0, 2, 3, 1, 4).reshape(slots, heads, several * width, -1)
        )
        if several > 1 and mask.shape[2] > 1:
            mask = mask.unsqueeze(2).expand(-1, -1, several, -1, -1).flatten(2, 3)
        met = meet(layer, asked, k, v, mask)
        return met.view(slots, heads, several, width, -1).permute(0, 3, 1, 2, 4).reshape(slots * width, -1)

    def _mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """(slots, heads or 1, width, columns) to add to the scores."""
        pool, slots = self.pool, self.pool.slots
        columns = slice(pool.lo, pool.column)
        seen = pool.seen[:slots, :, columns]
        if self.distance is None:
            self.distance = pool.place[:slots, None] - pool.places[:slots, columns]  # (slots, columns)
        if window is not None:
            seen = seen & (self.distance < window)[:, None]
        mask = _added(seen, dtype)[:, None]
        bias = pool.stack.bias
        if bias is None:
            return mask
        return mask + bias.before(self.distance).permute(0, 2, 1)[:, :, None].to(dtype)


def _added(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where seen, −∞ elsewhere."""
    zero, unseen = (torch.tensor(value, dtype=dtype, device=seen.device) for value in (0.0, UNSEEN))
    return torch.where(seen, zero, unseen)
