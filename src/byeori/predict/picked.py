"""Sequences of several stores as one store, so that rows of different calls are computed together.

Invariants: row i of what is made is part i of what is given, its columns, its source and what was given for it included.

    store = picked([Part(one, 0, 0, 1), Part(other, 3, 5, 6)])       # row 0 of one store, row 3 of another
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, TokenStore, offsets_of


class Part(NamedTuple):
    """Sequences `first` … `last` − 1 of a store, which are of its row `row`."""

    store: TokenStore
    row: int
    first: int
    last: int

    @property
    def tokens(self) -> int:
        return int(self.store.offsets[self.last] - self.store.offsets[self.first])


def parts_of(store: TokenStore, row: int, most: int) -> list[Part]:
    """A row whole, or, if it is longer than `most` tokens, a few of its sequences at a time, one at least."""
    first, last = int(store.row_offsets[row]), int(store.row_offsets[row + 1])
    whole = Part(store, row, first, last)
    if whole.tokens <= most or store.list_offsets:
        return [whole]
    found, begin = [], first
    for sequence in range(first, last):
        if sequence > begin and int(store.offsets[sequence + 1] - store.offsets[begin]) > most:
            found.append(Part(store, row, begin, sequence))
            begin = sequence
    return [*found, Part(store, row, begin, last)]


def picked(parts: Sequence[Part]) -> TokenStore:
    """The parts as one store of as many rows. All stores must be of one task and tokenizer."""
    model = parts[0].store
    inside = [(int(one.store.offsets[one.first]), int(one.store.offsets[one.last])) for one in parts]
    arrays: dict[str, np.ndarray] = {
        "input_ids": np.concatenate([p.store.input_ids[a:b] for p, (a, b) in zip(parts, inside, strict=True)]),
        "offsets": _ends(np.concatenate([np.diff(p.store.offsets[p.first : p.last + 1]) for p in parts])),
        "row_offsets": _ends([p.last - p.first for p in parts]),
    }
    for name, level in model.levels.items():
        if level == LIST:
            ends = [p.store.list_offsets[name][p.row : p.row + 2] for p in parts]
            pieces = [p.store.columns[name][a:b] for p, (a, b) in zip(parts, ends, strict=True)]
            arrays[offsets_of(name)] = _ends([b - a for a, b in ends])
        else:
            pieces = [p.store.columns[name][_slice(p, level, at)] for p, at in zip(parts, inside, strict=True)]
        arrays[name] = np.concatenate(pieces)
    made = TokenStore(arrays, model.levels, model.pad)
    made.source = _rows(parts, [p.store.source for p in parts])
    if any(p.store.given is not None for p in parts):
        made.given = _rows(parts, [p.store.source if p.store.given is None else p.store.given for p in parts])
    return made


def _slice(part: Part, level: str, inside: tuple[int, int]) -> slice:
    return {TOKEN: slice(*inside), SEQUENCE: slice(part.first, part.last), ROW: slice(part.row, part.row + 1)}[level]


def _rows(parts: Sequence[Part], sources: list[Any]) -> dict[str, list[Any]]:
    """Rows by role; a role that some lack is None there."""
    roles = {role: None for source in sources for role in source}
    return {
        role: [source[role][p.row] if role in source else None for p, source in zip(parts, sources, strict=True)]
        for role in roles
    }


def _ends(lengths: Any) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
