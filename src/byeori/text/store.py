"""The token store: rows encoded once into flat arrays on disk, with offsets, memory-mapped.

Invariants: sequence `s` owns `input_ids[offsets[s]:offsets[s + 1]]`; row `r` owns the sequences
`row_offsets[r]:row_offsets[r + 1]` (one each, unless a task cuts windows); nothing here is ever padded.
What a task adds beside the ids is a column: one value a token (`token_type_ids`, tags), a sequence (a window's answer),
a row (`labels`), or a list of any length a row (a translation's ids).

    store = StoreWriter({"labels": ROW}).add(encoded).close()
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
TOKEN, SEQUENCE, ROW, LIST = "token", "sequence", "row", "list"
CORE = ("input_ids", "offsets", "row_offsets")


@dataclass
class Encoded:
    """Rows as ids, before they go into a store: flat `input_ids` int32 (tokens,), `lengths` int64 (sequences,),
    `columns` as the store has them (a list column flat, with its `name_lengths` int64 (rows,) beside it),
    `sequences_a_row` int64 (rows,) or None for one each."""

    input_ids: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    sequences_a_row: np.ndarray | None = None
    truncated: int = 0

    @property
    def counts(self) -> np.ndarray:
        return np.ones(len(self.lengths), np.int64) if self.sequences_a_row is None else self.sequences_a_row


def offsets_of(name: str) -> str:
    return f"{name}_offsets"


def lengths_of(name: str) -> str:
    return f"{name}_lengths"


class TokenStore:
    """Encoded rows, read-only and memory-mapped.

    Attributes: `source`, the rows it was made of, `given`, the same before they were cleaned for a prediction, and
    `decoding`, the max_length and truncation, where they are known; `folder`, where it lies, None in memory;
    `input_ids` int32 (tokens,); `offsets` int64 (sequences + 1,); `row_offsets` int64 (rows + 1,); `columns` name →
    array, a list column's flat; `list_offsets` name → int64 (rows + 1,) of list columns; `levels` name → "token",
    "sequence", "row" or "list"; `pad` name → the value that fills padded places.
    """

    def __init__(
        self, arrays: dict[str, np.ndarray], levels: dict[str, str], pad: dict[str, int | float], truncated: int = 0
    ):
        self.input_ids, self.offsets, self.row_offsets = (arrays[name] for name in CORE)
        self.columns = {name: arrays[name] for name in levels}
        self.list_offsets = {name: arrays[offsets_of(name)] for name in levels if levels[name] == LIST}
        self.levels, self.pad, self.truncated = levels, pad, truncated
        self.source: Any = None
        self.given: Any = None
        self.decoding: dict[str, Any] = {}
        self.folder: Path | None = None

    @classmethod
    def open(cls, folder: Path, temporary: bool = False) -> TokenStore:
        """Map a folder that StoreWriter wrote; a `temporary` one is removed with the object."""
        meta = json.loads((Path(folder) / "store.json").read_text(encoding="utf-8"))
        names = (*CORE, *meta["levels"], *(offsets_of(name) for name, level in meta["levels"].items() if level == LIST))
        arrays = {name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in names}
        store = cls(arrays, meta["levels"], meta["pad"], meta["truncated"])
        store.folder = Path(folder)
        if temporary:
            weakref.finalize(store, shutil.rmtree, str(folder), ignore_errors=True)
        return store

    @classmethod
    def of(cls, encoded: Encoded, levels: dict[str, str], pad: dict[str, int | float] | None = None) -> TokenStore:
        """A store in memory, for a handful of rows."""
        counts = encoded.counts
        arrays = {
            "input_ids": encoded.input_ids,
            "offsets": np.concatenate([[0], np.cumsum(encoded.lengths)]).astype(np.int64),
            "row_offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            **encoded.columns,
        }
        for name in (name for name, level in levels.items() if level == LIST):
            ends = np.cumsum(encoded.columns[lengths_of(name)])
            arrays[offsets_of(name)] = np.concatenate([[0], ends]).astype(np.int64)
        return cls(arrays, levels, pad or {}, encoded.truncated)

    def __len__(self) -> int:
        return len(self.row_offsets) - 1

    @property
    def sequences(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def digest(self) -> str:
        """A hash of ids, columns and how they fall into rows: two stores with the same are the same."""
        found = hashlib.blake2b(digest_size=8)
        for array in (
            self.input_ids,
            self.offsets,
            self.row_offsets,
            *self.columns.values(),
            *self.list_offsets.values(),
        ):
            for start in range(0, len(array), 1 << 20):
                found.update(np.ascontiguousarray(array[start : start + (1 << 20)]).tobytes())
        return found.hexdigest()

    @property
    def one_sequence_a_row(self) -> bool:
        return len(self.offsets) == len(self.row_offsets)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of each row, all its sequences together; int64 (rows,)."""
        rows = np.asarray(rows)
        return self.offsets[self.row_offsets[rows + 1]] - self.offsets[self.row_offsets[rows]]

    def list_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Values of each row's list columns, all together; int64 (rows,)."""
        rows = np.asarray(rows)
        return sum((ends[rows + 1] - ends[rows] for ends in self.list_offsets.values()), np.zeros(len(rows), np.int64))

    def list_of(self, name: str, row: int) -> np.ndarray:
        """One row's list."""
        ends = self.list_offsets[name]
        return self.columns[name][ends[row] : ends[row + 1]]

    def sequences_of(self, rows: np.ndarray) -> np.ndarray:
        """The sequences these rows own, in their order; int64 (sequences,)."""
        rows = np.asarray(rows, dtype=np.int64)
        if self.one_sequence_a_row:
            return rows
        owned = [np.arange(self.row_offsets[r], self.row_offsets[r + 1]) for r in rows]
        return np.concatenate(owned) if owned else rows

    def row(self, row: int) -> dict[str, Any]:
        """One row as it was before encoding, by role; {} where the store doesn't know its rows."""
        if self.source is None:
            return {}
        if isinstance(self.source, dict):
            return {name: values[row] for name, values in self.source.items()}
        return self.source.table[row]

    def select(self, rows: np.ndarray) -> TokenStore:
        """Some rows as a store of their own, in memory, with their source."""
        rows = np.asarray(rows, np.int64)
        sequences = self.sequences_of(rows)
        lengths = self.offsets[sequences + 1] - self.offsets[sequences]
        tokens = [np.arange(self.offsets[s], self.offsets[s + 1]) for s in sequences]
        index = {TOKEN: np.concatenate(tokens) if tokens else np.zeros(0, np.int64), SEQUENCE: sequences, ROW: rows}
        made: dict[str, np.ndarray] = {}
        for name, level in self.levels.items():
            if level == LIST:
                lists = [self.list_of(name, row) for row in rows]
                made[name] = np.concatenate(lists) if lists else self.columns[name][:0]
                made[lengths_of(name)] = np.array([len(one) for one in lists], np.int64)
            else:
                made[name] = self.columns[name][index[level]]
        counts = self.row_offsets[rows + 1] - self.row_offsets[rows]
        found = TokenStore.of(Encoded(self.input_ids[index[TOKEN]], lengths, made, counts), self.levels, self.pad)
        if self.source is not None:
            taken = [self.row(int(row)) for row in rows]
            found.source = {name: [one[name] for one in taken] for name in (taken[0] if taken else {})}
        found.decoding = self.decoding
        return found

    def pieces(self, sequences: np.ndarray) -> TokenStore:
        """Some sequences as rows of their own, in memory, without source; of stores whose columns are a token's or a sequence's."""
        sequences = np.asarray(sequences, np.int64)
        lengths = self.offsets[sequences + 1] - self.offsets[sequences]
        tokens = np.concatenate([np.arange(self.offsets[s], self.offsets[s + 1]) for s in sequences])
        index = {TOKEN: tokens, SEQUENCE: sequences}
        made = {name: self.columns[name][index[level]] for name, level in self.levels.items()}
        return TokenStore.of(Encoded(self.input_ids[tokens], lengths, made), self.levels, self.pad)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One row as plain lists, for people and tests."""
        first, last = int(self.row_offsets[row]), int(self.row_offsets[row + 1])
        start, end = int(self.offsets[first]), int(self.offsets[last])
        found: dict[str, Any] = {"input_ids": self.input_ids[start:end].tolist()}
        inside: dict[str, Any] = {TOKEN: slice(start, end), SEQUENCE: slice(first, last), ROW: row}
        for name, values in self.columns.items():
            level = self.levels[name]
            found[name] = (self.list_of(name, row) if level == LIST else values[inside[level]]).tolist()
        return found


class StoreWriter:
    """Appends encoded rows to files, so that nothing of the data set stays in memory.

    `levels` names the columns ("token", "sequence", "row" or "list"), `pad` what fills padded places of a token column (0 unless said).
    """

    def __init__(self, levels: dict[str, str], pad: dict[str, int | float] | None = None, folder: Path | None = None):
        self.temporary = folder is None
        if folder is None:
            from byeori.data import disk

            # There it is swept away where this process is killed.
            folder = Path(tempfile.mkdtemp(prefix="store-", dir=disk.folder()))
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove = weakref.finalize(self, shutil.rmtree, str(self.folder), ignore_errors=True)  # one never closed
        if not self.temporary:
            self._remove.detach()
        self.levels, self.pad = levels, pad or {}
        self.truncated = self._tokens = self._sequences = 0
        self._parts: dict[str, _Growing] = {}
        self._append("offsets", np.zeros(1, np.int64))
        self._append("row_offsets", np.zeros(1, np.int64))
        self._listed = {name: 0 for name, level in levels.items() if level == LIST}
        for name in self._listed:
            self._append(offsets_of(name), np.zeros(1, np.int64))

    def add(self, encoded: Encoded) -> StoreWriter:
        """Raises DataError where the disk is full."""
        with self._room():
            self._add(encoded)
        return self

    def _room(self) -> AbstractContextManager[None]:
        """Of a folder that was named, who named it says what the disk refuses."""
        from byeori.data import disk

        return disk.room() if self.temporary else nullcontext()

    def _add(self, encoded: Encoded) -> None:
        self._append("input_ids", np.asarray(encoded.input_ids, np.int32))
        self._append("offsets", self._tokens + np.cumsum(encoded.lengths, dtype=np.int64))
        self._append("row_offsets", self._sequences + np.cumsum(encoded.counts, dtype=np.int64))
        for name in self.levels:
            self._append(name, np.asarray(encoded.columns[name]))
        for name, before in self._listed.items():
            ends = before + np.cumsum(encoded.columns[lengths_of(name)], dtype=np.int64)
            self._append(offsets_of(name), ends)
            self._listed[name] = int(ends[-1]) if len(ends) else before
        self._tokens += int(encoded.lengths.sum())
        self._sequences += len(encoded.lengths)
        self.truncated += encoded.truncated

    def _append(self, name: str, values: np.ndarray) -> None:
        if name not in self._parts:
            self._parts[name] = _Growing(self.folder / f"{name}.npy", values)
        self._parts[name].append(values)

    def close(self) -> TokenStore:
        """Raises DataError where the disk is full."""
        with self._room():
            for name in ("input_ids", *self.levels):
                if name not in self._parts:  # no rows at all
                    self._append(name, np.zeros(0, np.int32))
            for part in self._parts.values():
                part.close()
            meta = {"format": FORMAT, "levels": self.levels, "pad": self.pad, "truncated": self.truncated}
            (self.folder / "store.json").write_text(json.dumps(meta), encoding="utf-8")
        self._remove.detach()
        return TokenStore.open(self.folder, self.temporary)


class _Growing:
    """A .npy file that grows: its header is written last, with room kept for it."""

    HEADER = 128

    def __init__(self, path: Path, like: np.ndarray):
        self.path, self.dtype, self.tail, self.count = path, like.dtype, like.shape[1:], 0
        self.file = open(path, "wb")  # noqa: SIM115 - closed by close()
        self.file.write(b"\0" * self.HEADER)

    def append(self, values: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(values, self.dtype).tobytes())
        self.count += len(values)

    def close(self) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        text = str({**header, "shape": (self.count, *self.tail)}).encode("latin-1")
        text += b" " * (self.HEADER - 10 - len(text) - 1) + b"\n"
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        self.file.close()
