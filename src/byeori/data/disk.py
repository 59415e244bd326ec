"""Tables on disk: what does not fit into memory lies in Arrow files that are memory-mapped.

Invariants: the files are in one temporary folder of this process, removed when nothing uses them and at its end, or, where it
was killed, by the next process that makes one; a column read from there costs memory only while it is looked at.

    spill = Spill(); spill.add(pa.table({"text": ["hi"]})); spill.close().num_rows == 1
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from byeori.data.light import Light
from byeori.errors import DataError

if TYPE_CHECKING:
    import datasets

# A file larger than this share of the machine's memory is read in blocks, and a table as large is kept on disk. The total
# counts, not what is free: the same file must be read in the same way twice.
SHARE = 1 / 16
BATCH = 10_000  # rows written together


@cache
def _total() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no POSIX
        return 8 << 30


def is_large(size: int) -> bool:
    """Whether so many bytes of data are kept out of memory."""
    return size > _total() * SHARE


_PREFIX = "byeori-rows-"
_locks: list[IO[bytes]] = []  # open files, whose locks last as long as this process


@cache
def folder() -> Path:
    """Of this process: where TMPDIR says, else in HF_HOME, which lies on a disk where /tmp may be memory."""
    home = _home()
    _sweep(home)
    made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=home))
    _lock(made)
    made = made.rename(made.with_name(made.name[1:]))  # nobody sees it before it is locked
    atexit.register(_remove, made, os.getpid())
    return made


def _home() -> Path:
    if not any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")):
        from huggingface_hub import constants

        home = Path(constants.HF_HOME) / "byeori" / "rows"
        with contextlib.suppress(OSError):  # not to be written: the system's own place it is
            home.mkdir(parents=True, exist_ok=True)
            if os.access(home, os.W_OK):
                return home
    return Path(tempfile.gettempdir())


def _remove(made: Path, process: int) -> None:
    if os.getpid() == process:  # not at the end of a fork
        shutil.rmtree(made, ignore_errors=True)


def _lock(made: Path) -> bool:
    """Take the lock of a folder; False where a living process has it, or where there are no locks."""
    try:
        import fcntl

        file = (made / "lock").open("ab")
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    _locks.append(file)
    return True


def _sweep(home: Path) -> None:
    """Remove the folders of processes that were killed."""
    for old in home.glob(f"{_PREFIX}*"):
        if (old / "lock").is_file() and _lock(old):
            shutil.rmtree(old, ignore_errors=True)
            _locks.pop().close()


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Raises DataError where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DataError(
            f"There is no room left in {folder()}, where rows are kept that memory does not hold. Make room there, or set "
            f"TMPDIR to a folder on a larger disk."
        ) from None


class Spill:
    """Tables written one behind the other, and mapped as one. Columns may differ in type between them as Arrow promotes
    types: nothing at all to anything, whole numbers to fractions; a column that one lacks is missing there."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._sink: pa.OSFile | None = None
        self._schema: pa.Schema | None = None

    def add(self, table: pa.Table) -> None:
        schema = table.schema.remove_metadata()
        if self._writer is None or not schema.equals(self._schema):
            self._end()
            path = folder() / f"{uuid.uuid4().hex}.arrow"
            self.paths.append(path)
            self._sink, self._schema = pa.OSFile(str(path), "wb"), schema
            self._writer = pa.ipc.new_stream(self._sink, schema)
        with _room():
            self._writer.write_table(table.cast(schema), max_chunksize=BATCH)

    def nothing(self, rows: int) -> pa.Table:
        """So many rows of missing values, as the last table's columns are."""
        return pa.table({one.name: pa.nulls(rows, one.type) for one in self._schema or ()})

    def _end(self) -> None:
        if self._writer is not None and self._sink is not None:
            self._writer.close()
            self._sink.close()

    def close(self) -> pa.Table:
        """All of them as one table, on disk. Raises pa.ArrowInvalid or pa.ArrowTypeError for types that do not go together."""
        self._end()
        tables = [pa.ipc.open_stream(pa.memory_map(str(path))).read_all() for path in self.paths]
        for path in self.paths:  # what is mapped stays readable
            with contextlib.suppress(PermissionError):  # not so on Windows: removed at the end
                path.unlink()
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


def kept(table: pa.Table, stay: np.ndarray) -> pa.Table:
    """The rows where `stay` (bool (n,)) is true."""
    if not is_large(table.nbytes):
        return table.take(pa.array(np.flatnonzero(stay)))
    spill = Spill()
    for first, batch in _batches(table):
        spill.add(batch.filter(pa.array(stay[first : first + batch.num_rows])))
    return spill.close()


def _batches(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    for first in range(0, table.num_rows, BATCH):
        yield first, table.slice(first, BATCH)


def column(table: datasets.Dataset, name: str) -> pa.ChunkedArray:
    """A column as Arrow has it. The library gathers chosen rows one by one, half a kilobyte each: here they are taken together."""
    whole = table.data.column(name)
    chosen = table._indices
    if chosen is None:
        return whole
    at = chosen.column(0).to_numpy()
    parts = [whole.take(pa.array(at[first : first + BATCH])) for first in range(0, len(at), BATCH)]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], whole.type)


def dataset(table: pa.Table, light: bool = False) -> datasets.Dataset:
    """A table as a data set: a large one lies in a file of its own, so that `map` and others write to disk as well.

    `light`: it is only read through, and may come as what merely answers like one.
    """
    if light and not is_large(table.nbytes):
        return cast("datasets.Dataset", Light(table, dataset))
    import datasets

    # Of its own accord the library hashes the whole table for a name.
    name = datasets.fingerprint.generate_random_fingerprint()
    if not is_large(table.nbytes):
        return datasets.Dataset(table, fingerprint=name)
    place = Path(tempfile.mkdtemp(dir=folder()))
    path = place / "rows.arrow"
    with _room(), open(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        for _, batch in _batches(table):
            writer.write_table(batch)
    found = datasets.Dataset.from_file(str(path))
    found._fingerprint = name
    weakref.finalize(found._data, shutil.rmtree, str(place), ignore_errors=True)
    return found
