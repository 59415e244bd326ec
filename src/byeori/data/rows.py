"""What reading gives: rows, where each came from, and the sheet a single file is before its columns have roles.

Invariants: `len(rows.table) == len(rows.origin)`; row numbers are 1-based data rows, header and (in delimited
files) empty lines not counted.

    Origin.of("rows", 3).where(0) == "rows, row 1"
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    Buffer = bytes | bytearray | memoryview


_HASH_AT_ONCE = 8 << 20


@dataclass(slots=True, init=False)
class FileInfo:
    """One source of rows. `rows` counts every data row found, unreadable ones too; `bytes` is the size on disk; `hub`: of a
    data set on the Hub its "id", and "config" and "revision" where they are known."""

    path: str
    rows: int
    bytes: int | None
    format: str
    encoding: str | None
    hub: dict[str, str] | None
    _digest: str | None
    _stamp: tuple[int, int] | None  # size and time of change of a file whose hash was not asked for yet

    def __init__(
        self,
        path: str,
        rows: int = 0,
        sha256: str | None = None,
        bytes: int | None = None,
        format: str = "python",
        encoding: str | None = None,
    ):
        self.path, self.rows, self.bytes, self.format, self.encoding = path, rows, bytes, format, encoding
        self.hub = None
        self._digest, self._stamp = sha256, None

    @classmethod
    def of_file(cls, path: Path, raw: Buffer | None = None) -> FileInfo:
        """Of a file as it is now; `raw` its bytes, where they were read. A large one is hashed when that is asked for."""
        state = path.stat()
        info = cls(str(path), bytes=state.st_size)
        if raw is not None and len(raw) <= _HASH_AT_ONCE:
            info._digest, info.bytes = hashlib.sha256(raw).hexdigest(), len(raw)
        else:
            info._stamp = (state.st_size, state.st_mtime_ns)
        return info

    @property
    def sha256(self) -> str | None:
        """Of the bytes that were read: of a large file found when it is first asked for, since it takes as long as reading;
        None where the file has changed since."""
        if self._digest is None and self._stamp is not None:
            self._digest, self._stamp = _hash(Path(self.path), self._stamp), None
        return self._digest

    @sha256.setter
    def sha256(self, digest: str | None) -> None:
        self._digest, self._stamp = digest, None


def _hash(path: Path, stamp: tuple[int, int]) -> str | None:
    def state() -> tuple[int, int]:
        found = path.stat()
        return found.st_size, found.st_mtime_ns

    try:
        if state() != stamp:
            return None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest if state() == stamp else None
    except OSError:  # gone
        return None


@dataclass(slots=True)
class Sheet:
    """One file or object as columns, before any has a role.

    columns: name → Arrow array, or a list where values are Python's own (JSON, rows).
    numbers: 1-based data-row number of each row, or None where no row was left out.
    bad: row position → why the row can't be used (only where the caller asked to keep such rows).
    class_names: column → names in their declared order, from `datasets.ClassLabel`.
    suggested: role → column, where the shape of the file says so. facts: see Rows.
    """

    columns: dict[str, pa.ChunkedArray | list[Any]]
    rows: int
    file: FileInfo
    notes: list[str] = field(default_factory=list)
    numbers: np.ndarray | None = None
    bad: dict[int, str] = field(default_factory=dict)
    class_names: dict[str, list[str]] = field(default_factory=dict)
    suggested: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Origin:
    """Where row i came from. `file_of` int32 (n,) indexes `files`; `row_of` int64 (n,) is 1-based.

    source_of: int32 (n,) indexes `sources`, what the column `source_column` says of it; None where there is no such column.
    """

    files: list[FileInfo]
    file_of: np.ndarray
    row_of: np.ndarray
    source_of: np.ndarray | None = None
    sources: list[str] = field(default_factory=list)
    source_column: str = ""
    _names: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, name: str, rows: int) -> Origin:
        """The origin of `rows` rows that lie in order in one place called `name`."""
        return cls([FileInfo(name, rows)], np.zeros(rows, np.int32), np.arange(1, rows + 1))

    def __len__(self) -> int:
        return len(self.row_of)

    def where(self, i: int) -> str:
        """`nsmc.tsv, row 12` for table row i (0-based)."""
        return f"{self.name(int(self.file_of[i]))}, row {int(self.row_of[i])}"

    def name(self, number: int) -> str:
        """A file's name as messages give it: the last part of its path, or all of it where that would not tell."""
        if len(self._names) != len(self.files):  # asked for each file of what may be thousands
            names = [Path(file.path).name for file in self.files]
            times = Counter(names)
            short = (name if times[name] == 1 else file.path for name, file in zip(names, self.files, strict=True))
            self._names = list(short)
        return self._names[number]

    def select(self, indices: Sequence[int] | np.ndarray) -> Origin:
        from byeori.data import mapped

        at = np.asarray(indices, dtype=np.int64)
        source = None if self.source_of is None else mapped.take(self.source_of, at)
        taken = mapped.take(self.file_of, at), mapped.take(self.row_of, at)
        return Origin(self.files, *taken, source, self.sources, self.source_column)


@dataclass(slots=True)
class Rows:
    """Rows whose columns carry role names.

    table: `datasets.Dataset`. origin: file and row of each. columns: role → original column name (a list where
    several label columns were joined). notes: plain one-line sentences on what reading found and did.
    label_names: label names in their declared order where the source declares them (`ClassLabel`), else None.
    errors: table position → why that row can't be used; empty unless rows were read with `on_bad="keep"`.
    facts: what the file shows beyond its rows: `unit` (`character` or `word`, of tokens), `source_lang` and
    `target_lang` (two-letter codes), `label_base` (`0`, `1`, `letter` or `text`, of a choice).
    cleaner: what was done to the texts (`byeori.data.cleaning.Cleaner`), None for nothing; cleaned: how many texts each of
    its steps changed, `texts` how many there were, `emptied` the rows left out since nothing was left of their text.
    """

    table: datasets.Dataset
    origin: Origin
    columns: dict[str, str | list[str]]
    notes: list[str] = field(default_factory=list)
    label_names: list[str] | None = None
    errors: dict[int, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    cleaner: Any = None
    cleaned: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def select(self, indices: Sequence[int] | np.ndarray) -> Rows:
        """The rows at these positions, in this order, with their origin."""
        from byeori.data import disk

        at = np.asarray(indices, dtype=np.int64)
        places = enumerate(at.tolist()) if self.errors else ()
        errors = {new: self.errors[old] for new, old in places if old in self.errors}
        return Rows(
            disk.chosen(self.table, at),
            self.origin.select(at),
            dict(self.columns),
            list(self.notes),
            self.label_names,
            errors,
            dict(self.facts),
            self.cleaner,
            dict(self.cleaned),
        )
