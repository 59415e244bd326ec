"""The keys and values of a batch whose rows are of different age: what each step attends to.

A slot is one prompt with all its beams, which share what they have in common: every token of a slot is kept once, beside
it which beams come from it. So a step of beam search copies nothing; it only says anew who comes from whom. Each slot fills
columns of its own, from 0 on. Sources of encoder-decoders are kept once a slot, whatever the number of beams.

Invariants: slots 0 … slots − 1 are in use, without gaps: one that leaves is replaced by the last; a slot's columns 0 …
filled − 1 hold what some beam of it came from when they were last packed, or has written since; `seen` is False behind them.

    pool = Pool(lean, width=4); pool.join(prefixes, sources); hidden = pool.step(ids); pool.inherit(parents); pool.leave(2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from byeori.generate.attend import Whole, meet, parts
from byeori.generate.cells import Cells
from byeori.generate.stacks import Layer

if TYPE_CHECKING:
    from byeori.generate.lean import Lean

ROOM = 32  # steps at least that there is room for when it is made
UNSEEN = -torch.inf


class Pool:
    def __init__(self, lean: Lean, width: int = 1, budget: int | None = None, tokens: int | None = None):
        stack = lean.decoder
        self.lean, self.stack, self.width, self.device = lean, stack, width, lean.device
        self.budget = budget  # bytes that spare columns must not go beyond
        self.tokens = tokens or lean.pack  # of sources and prompts that are run at once
        self.slots = 0
        self.own = Cells(lean, stack.kv_heads)
        self.sources = Cells(lean, stack.heads) if stack.crosses else None
        self.filled = np.zeros(0, np.int64)  # columns, a slot each
        self.lengths = np.zeros(0, np.int64)  # of sources, a slot each
        self.place = torch.zeros(0, dtype=torch.int64, device=self.device)  # of the token each slot is fed next
        self.seen = torch.zeros(0, width, 0, dtype=torch.bool, device=self.device)  # (slots, width, columns)
        self.places = torch.zeros(0, 0, dtype=torch.int64, device=self.device)  # (slots, columns)
        # A Python value would be copied to the device at each step.
        self.yes = torch.ones((), dtype=torch.bool, device=self.device)
        self.source_mask: torch.Tensor | None = None  # (slots, 1, 1, longest source), until another joins or leaves
        self.packed = 0  # columns of the longest slot after the last packing

    @property
    def longest(self) -> int:
        """Columns of the slot that has most."""
        return int(self.filled[: self.slots].max(initial=0))

    @property
    def longest_source(self) -> int:
        return int(self.lengths[: self.slots].max(initial=0))

    # slots ------------------------------------------------------------------------------------------------------
    def join(self, prefixes: list[list[int]], sources: list[torch.Tensor] | None = None) -> None:
        """New slots. `prefixes`: ids whose keys are made at once (a prompt without its last token); `sources`: hidden states
        (tokens, size) of each."""
        first, count = self.slots, len(prefixes)
        lengths = [len(prefix) for prefix in prefixes]
        self.lengths = np.append(self.lengths[:first], [len(one) for one in sources or ()]).astype(np.int64)
        self._fit(first + count, max(self.longest, *lengths) + self.width)
        self.slots += count
        self.source_mask = None
        self.filled = np.append(self.filled[:first], lengths)
        self.place[first : self.slots] = torch.tensor(lengths, device=self.device)
        self.seen[first : self.slots] = False
        if any(lengths):
            self._prefill(first, prefixes)
        if sources is not None:
            self._read(first, sources)

    def _prefill(self, first: int, prefixes: list[list[int]]) -> None:
        """Keys and values of prefixes: end to end, so many tokens at a time."""
        filled = [place for place, prefix in enumerate(prefixes) if prefix]
        for part in parts([prefixes[place] for place in filled], self.tokens):
            self._prefill_part({first + filled[at]: prefixes[filled[at]] for at in part})

    def _prefill_part(self, prefixes: dict[int, list[int]]) -> None:
        """`prefixes`: by their slot, in ascending order of length."""
        lengths = [len(prefix) for prefix in prefixes.values()]
        ids = torch.tensor([one for prefix in prefixes.values() for one in prefix], device=self.device)
        ranges = [torch.arange(length, device=self.device) for length in lengths]

        def keep(number: int, k: torch.Tensor, v: torch.Tensor) -> None:
            for slot, *both in zip(prefixes, k.split(lengths), v.split(lengths), strict=True):
                self.own.fill(number, slot, *both)

        self.stack.run(ids, torch.cat(ranges), Whole(self.stack, lengths, keep))
        for slot, places in zip(prefixes, ranges, strict=True):
            self.seen[slot, :, : len(places)] = True
            self.places[slot, : len(places)] = places

    def _read(self, first: int, sources: list[torch.Tensor]) -> None:
        """Keys and values of sources, so many tokens at a time."""
        assert self.sources is not None
        lengths = [len(one) for one in sources]
        self.sources.fit(max(len(self.lengths), self.own.slots), int(self.lengths.max()), self.lengths[:first])
        for part in parts(sources, self.tokens):
            flat = torch.cat([sources[place] for place in part])
            split = [lengths[place] for place in part]
            for number, layer in enumerate(self.stack.layers):
                k, v = layer.memory(flat)
                for place, *both in zip(part, k.split(split), v.split(split), strict=True):
                    self.sources.fill(number, first + place, *both)

    def leave(self, slots: list[int]) -> list[int]:
        """Slots that end. Who is in which slot afterwards, by the slots they were in: the last ones take the places."""
        stays = list(range(self.slots))
        for slot in sorted(slots, reverse=True):
            last = stays.pop()
            if slot < len(stays):
                stays[slot] = last
        moves = [(slot, of) for slot, of in enumerate(stays) if slot != of]
        for cells, counts in ((self.own, self.filled), (self.sources, self.lengths)):
            if cells is not None:
                cells.leave(len(stays), self.slots, moves, counts[: self.slots])
                counts[: len(stays)] = counts[stays]
        if moves:
            to, of = (torch.tensor(one, device=self.device) for one in zip(*moves, strict=True))
            for state in (self.place, self.seen, self.places):
                state[to] = state[of]
        self.slots, self.source_mask = len(stays), None
        self.packed = min(self.packed, self.longest)
        return stays

    # steps ------------------------------------------------------------------------------------------------------
    def step(self, ids: torch.Tensor) -> torch.Tensor:
        """Feeds each beam a token, int64 (slots, width) → hidden states (slots × width, size)."""
        slots, width = self.slots, self.width
        if width > 1 and (self.longest + width > self.own.columns or self._sparse()):
            self.pack()
        self._fit(slots, self.longest + width)
        numbers = torch.arange(slots, device=self.device)[:, None].expand(-1, width)
        beams = torch.arange(width, device=self.device)
        columns = torch.from_numpy(self.filled[:slots]).to(self.device)[:, None] + beams
        self.seen[numbers, beams, columns] = self.yes
        self.places[numbers, columns] = self.place[:slots, None]
        self.filled[:slots] += width
        places = self.place[:slots].repeat_interleave(width) if width > 1 else self.place[:slots]
        hidden = self.stack.run(ids.reshape(-1), places, _Step(self, self.own.rows(numbers, columns)))
        self.place[:slots] += 1
        return hidden

    def inherit(self, parents: torch.Tensor) -> None:
        """Each beam goes on from another's tokens: parents int64 (slots, width)."""
        seen = self.seen[: self.slots, :, : self.longest]
        seen.copy_(seen.gather(1, parents[..., None].expand(-1, -1, seen.shape[2])))

    def _sparse(self) -> bool:
        """Whether the columns have doubled since they were packed, and half of them are nobody's any more."""
        if self.longest < 2 * max(self.packed, ROOM):
            return False
        self.packed = self.longest  # not asked again before it has doubled once more
        return 2 * int(self._needed().sum(1).max()) <= self.longest

    def _needed(self) -> torch.Tensor:
        """bool (slots, columns): what some beam comes from."""
        return self.seen[: self.slots, :, : self.longest].any(1)

    # room -------------------------------------------------------------------------------------------------------
    def bytes_of(self, filled: np.ndarray, lengths: np.ndarray) -> int:
        """Of slots with so many columns, and of sources of such lengths (int64)."""
        return self.own.bytes_of(filled) + (0 if self.sources is None else self.sources.bytes_of(lengths))

    def _fit(self, slots: int, columns: int) -> None:
        """Room for so many slots, of which the longest has so many columns."""
        own, had = self.own, (self.own.slots, self.own.columns)
        own.fit(slots, columns, self.filled[: self.slots], self._spare(slots, columns))
        if had == (own.slots, own.columns):
            return
        used, kept = self.slots, self.longest
        seen = torch.zeros(own.slots, self.width, own.columns, dtype=torch.bool, device=self.device)
        places = torch.zeros(own.slots, own.columns, dtype=torch.int64, device=self.device)
        seen[:used, :, :kept], places[:used, :kept] = self.seen[:used, :, :kept], self.places[:used, :kept]
        self.seen, self.places = seen, places
        self.place = F.pad(self.place[:used], (0, own.slots - used))

    def _spare(self, slots: int, columns: int) -> int:
        """Columns beyond, where there are to be more: growing copies all of them."""
        wanted = self.width * max(ROOM, columns // (2 * self.width))
        if self.budget is None or self.own.paged:
            return wanted
        left = self.budget - self.bytes_of(np.full(slots, columns), self.lengths[:slots])
        return max(self.width, min(wanted, left // (slots * self.own.each)))

    def pack(self) -> None:
        """The columns without what is nobody's any more. What they took of memory stays until the slot leaves."""
        needed = self._needed()
        slots, columns = needed.nonzero(as_tuple=True)
        counts = needed.sum(1)
        to = torch.arange(len(slots), device=self.device) - (counts.cumsum(0) - counts)[slots]
        self.own.shift(self.own.rows(slots, columns), self.own.rows(slots, to))
        for of in (self.seen.transpose(1, 2), self.places):
            kept = of[slots, columns]
            of[: self.slots] = 0
            of[slots, to] = kept
        self.filled[: self.slots] = counts.cpu().numpy()
        self.packed = self.longest


class _Step:
    """Attention of one step: each beam over what it comes from, and over its slot's source."""

    def __init__(self, pool: Pool, rows: torch.Tensor):
        self.pool, self.rows, self.longest = pool, rows, pool.longest
        self.shape = (pool.slots, pool.width)
        self.masks: dict[int | None, torch.Tensor] = {}
        self.distance: torch.Tensor | None = None

    def own(self, number: int, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        pool = self.pool
        pool.own.write(number, self.rows, k, v)
        keys, values = (one[number][: pool.slots, :, : self.longest] for one in (pool.own.keys, pool.own.values))
        if layer.window not in self.masks:
            self.masks[layer.window] = self._mask(layer.window, q.dtype)
        return self._met(layer, q, keys, values, self.masks[layer.window])

    def across(self, number: int, layer: Layer, q: torch.Tensor) -> torch.Tensor:
        pool, slots = self.pool, self.pool.slots
        assert pool.sources is not None
        longest = pool.longest_source
        keys, values = (one[number][:slots, :, :longest] for one in (pool.sources.keys, pool.sources.values))
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
        seen = pool.seen[:slots, :, : self.longest]
        if self.distance is None:
            self.distance = pool.place[:slots, None] - pool.places[:slots, : self.longest]  # (slots, columns)
        if window is not None:
            seen = seen & (self.distance < window)[:, None]
        mask = _added(seen, dtype)[:, None]
        bias = pool.stack.bias
        if bias is None:
            return mask
        return mask + bias.before(self.distance).permute(0, 2, 1)[:, :, None].to(dtype)


def _added(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where seen, −∞ elsewhere."""
    return torch.where(seen, 0.0, UNSEEN).to(dtype)
