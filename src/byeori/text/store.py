"""The token store: rows encoded once into flat arrays on disk, with offsets, memory-mapped.

Invariants: sequence `s` owns `input_ids[offsets[s]:offsets[s + 1]]`; row `r` owns the sequences
`row_offsets[r]:row_offsets[r + 1]` (one each, unless a task cuts windows); nothing here is ever padded.
What a task adds beside the ids is a column: one value a token (`token_type_ids`, tags) or one a row (`labels`).

    store = StoreWriter({"labels": ROW}).add(encoded).close()
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
TOKEN, ROW = "token", "row"
CORE = ("input_ids", "offsets", "row_offsets")


@dataclass
class Encoded:
    """Rows as ids, before they go into a store: flat `input_ids` int32 (tokens,), `lengths` int64 (sequences,),
    `columns` as the store has them, `sequences_a_row` int64 (rows,) or None for one each."""

    input_ids: np.ndarray
    lengths: np.ndarray
    columns: dict[str, np.ndarray]
    sequences_a_row: np.ndarray | None = None
    truncated: int = 0

    @property
    def counts(self) -> np.ndarray:
        return np.ones(len(self.lengths), np.int64) if self.sequences_a_row is None else self.sequences_a_row


class TokenStore:
    """Encoded rows, read-only and memory-mapped.

    Attributes: `source`, the rows it was made of, and `decoding`, the max_length and truncation, where they are known;
    `input_ids` int32 (tokens,); `offsets` int64 (sequences + 1,); `row_offsets` int64 (rows + 1,); `columns` name →
    array; `levels` name → "token" or "row"; `pad` name → the value that fills padded places.
    """

    def __init__(
        self, arrays: dict[str, np.ndarray], levels: dict[str, str], pad: dict[str, int | float], truncated: int = 0
    ):
        self.input_ids, self.offsets, self.row_offsets = (arrays[name] for name in CORE)
        self.columns = {name: arrays[name] for name in levels}
        self.levels, self.pad, self.truncated = levels, pad, truncated
        self.source: Any = None
        self.decoding: dict[str, Any] = {}

    @classmethod
    def open(cls, folder: Path, temporary: bool = False) -> TokenStore:
        """Map a folder that StoreWriter wrote; a `temporary` one is removed with the object."""
        meta = json.loads((Path(folder) / "store.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in (*CORE, *meta["levels"])}
        store = cls(arrays, meta["levels"], meta["pad"], meta["truncated"])
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
        return cls(arrays, levels, pad or {}, encoded.truncated)

    def __len__(self) -> int:
        return len(self.row_offsets) - 1

    @property
    def sequences(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        return int(self.offsets[-1])

    @property
    def one_sequence_a_row(self) -> bool:
        return len(self.offsets) == len(self.row_offsets)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of each row, all its sequences together; int64 (rows,)."""
        rows = np.asarray(rows)
        return self.offsets[self.row_offsets[rows + 1]] - self.offsets[self.row_offsets[rows]]

    def sequences_of(self, rows: np.ndarray) -> np.ndarray:
        """The sequences these rows own, in their order; int64 (sequences,)."""
        rows = np.asarray(rows, dtype=np.int64)
        if self.one_sequence_a_row:
            return rows
        return np.concatenate([np.arange(self.row_offsets[r], self.row_offsets[r + 1]) for r in rows])

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One row as plain lists, for people and tests."""
        first, last = int(self.row_offsets[row]), int(self.row_offsets[row + 1])
        start, end = int(self.offsets[first]), int(self.offsets[last])
        found: dict[str, Any] = {"input_ids": self.input_ids[start:end].tolist()}
        for name, values in self.columns.items():
            found[name] = values[start:end].tolist() if self.levels[name] == TOKEN else values[row].tolist()
        return found


class StoreWriter:
    """Appends encoded rows to files, so that nothing of the data set stays in memory.

    `levels` names the columns ("token" or "row"), `pad` what fills padded places of a token column (0 unless said).
    """

    def __init__(self, levels: dict[str, str], pad: dict[str, int | float] | None = None, folder: Path | None = None):
        self.temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="byeori-store-")) if folder is None else Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.levels, self.pad = levels, pad or {}
        self.truncated = self._tokens = self._sequences = 0
        self._parts: dict[str, _Growing] = {}
        self._append("offsets", np.zeros(1, np.int64))
        self._append("row_offsets", np.zeros(1, np.int64))

    def add(self, encoded: Encoded) -> StoreWriter:
        self._append("input_ids", np.asarray(encoded.input_ids, np.int32))
        self._append("offsets", self._tokens + np.cumsum(encoded.lengths, dtype=np.int64))
        self._append("row_offsets", self._sequences + np.cumsum(encoded.counts, dtype=np.int64))
        for name in self.levels:
            self._append(name, np.asarray(encoded.columns[name]))
        self._tokens += int(encoded.lengths.sum())
        self._sequences += len(encoded.lengths)
        self.truncated += encoded.truncated
        return self

    def _append(self, name: str, values: np.ndarray) -> None:
        if name not in self._parts:
            self._parts[name] = _Growing(self.folder / f"{name}.npy", values)
        self._parts[name].append(values)

    def close(self) -> TokenStore:
        for name in ("input_ids", *self.levels):
            if name not in self._parts:  # no rows at all
                self._append(name, np.zeros(0, np.int32))
        for part in self._parts.values():
            part.close()
        meta = {"format": FORMAT, "levels": self.levels, "pad": self.pad, "truncated": self.truncated}
        (self.folder / "store.json").write_text(json.dumps(meta), encoding="utf-8")
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
