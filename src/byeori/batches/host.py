"""A pack in NumPy, for runtimes outside of torch: sequences end to end, cut into rectangles of like lengths.

Invariants: as `byeori.batches.pack`: sequence `i` stands at `starts[i] : starts[i] + lengths[i]`, padding lies between, labels there are
−100; a sequence's numbers don't depend on what lies beside it.

    pack = build(store, np.array([3, 1]), group_cost=64.0)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from byeori.batches import budget
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, SEQUENCE, TOKEN, TokenStore

Rectangle = tuple[slice, dict[str, np.ndarray]]


@dataclass
class HostPack:
    """As `Pack`, of arrays. `groups`: (first sequence, count, places of each) of every rectangle."""

    input_ids: np.ndarray  # int64 (tokens,)
    token_type_ids: np.ndarray | None  # int64 (tokens,)
    rows: np.ndarray  # int64 (sequences,)
    sequences: np.ndarray  # int64 (sequences,)
    starts: np.ndarray  # int64 (sequences,)
    lengths: np.ndarray  # int64 (sequences,)
    groups: tuple[tuple[int, int, int], ...]
    columns: dict[str, Any]
    levels: dict[str, str]
    tokens: int
    pad_token_id: int = 0
    shapes: None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def layout(self) -> HostPack:
        """Itself: `starts` and `lengths` are asked of a pack's layout too."""
        return self

    @property
    def labels(self) -> np.ndarray:
        found: np.ndarray = self.columns["labels"]
        return found

    @property
    def computed(self) -> int:
        return len(self.input_ids)

    @cached_property
    def counted(self) -> np.ndarray:
        return np.flatnonzero(self.labels != IGNORED)

    def rectangles(self) -> Iterator[Rectangle]:
        """Each group's places among the pack's tokens, and its arrays: input_ids, attention_mask, token_type_ids, int64 (count, length)."""
        for first, count, length in self.groups:
            start = int(self.starts[first])
            inside, shape = slice(start, start + count * length), (count, length)
            mask = np.arange(length) < self.lengths[first : first + count, None]
            found = {"input_ids": self.input_ids[inside].reshape(shape), "attention_mask": mask.astype(np.int64)}
            types = (
                np.zeros(shape, np.int64) if self.token_type_ids is None else self.token_type_ids[inside].reshape(shape)
            )
            yield inside, {**found, "token_type_ids": types}

    def lists(self) -> list[list[int]]:
        """The ids of each sequence."""
        ids = self.input_ids.tolist()
        return [ids[a : a + n] for a, n in zip(self.starts.tolist(), self.lengths.tolist(), strict=True)]


def build(store: TokenStore, sequences: np.ndarray, rows: np.ndarray, group_cost: float) -> HostPack:
    """Lay these sequences of the store, which belong to `rows`, into one pack."""
    lengths = store.offsets[sequences + 1] - store.offsets[sequences]
    order = np.argsort(lengths, kind="stable")
    sequences, rows, lengths = sequences[order], rows[order], lengths[order].astype(np.int64)
    starts = np.zeros(len(rows), np.int64)
    groups, index, real, total = [], [], [], 0
    for cut in budget.groups(lengths, group_cost):
        inside = lengths[cut]
        count, length = len(inside), int(inside.max())
        places = np.arange(length)
        own = places < inside[:, None]
        index.append((store.offsets[sequences[cut], None] + np.where(own, places, 0)).ravel())
        real.append(own.ravel())
        starts[cut] = total + length * np.arange(count)
        groups.append((cut.start, count, length))
        total += count * length
    at, there = np.concatenate(index), np.concatenate(real)
    pad = int(store.pad.get("input_ids", 0))

    def taken(values: np.ndarray, fill: int) -> np.ndarray:
        found = values[at].astype(np.int64)
        found[~there] = fill
        return found

    columns: dict[str, Any] = {}
    for name, values in store.columns.items():
        if name == "token_type_ids" or store.levels[name] == LIST:
            continue
        if store.levels[name] == TOKEN:
            columns[name] = taken(values, IGNORED if name == "labels" else int(store.pad.get(name, 0)))
        else:
            columns[name] = np.asarray(values[sequences if store.levels[name] == SEQUENCE else rows])
    types = store.columns.get("token_type_ids")
    return HostPack(
        taken(store.input_ids, pad), None if types is None else taken(types, 0), rows, sequences, starts, lengths, tuple(groups),
        columns, store.levels, int(lengths.sum()), pad,
    )  # fmt: skip
