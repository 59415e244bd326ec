"""Tables on disk: those of some size lie in Arrow files that are memory-mapped.

Invariants: the files are in one temporary folder of this process, removed when nothing uses them and at its end, or, where it
was killed, by the next process that makes one; a column read from there costs memory only while it is looked at.

    spill = Spill(); spill.add(pa.table({"text": ["hi"]})); spill.close().num_rows == 1
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
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

from byeori.data import mapped
from byeori.data.light import Light
from byeori.errors import DataError

if TYPE_CHECKING:
    import datasets

# A file larger than this is read in blocks, and a table as large is kept on disk: the data decide, not what memory is free,
# since the same file must be read in the same way twice.
MOST = 32 << 20
# Beyond this share of the machine's memory nothing is read whole, whatever is lost by that.
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
    return size > min(MOST, _total() * SHARE)


def is_huge(size: int) -> bool:
    """Whether so many bytes of data must be kept out of memory."""
    return size > _total() * SHARE


def give_back() -> None:
    """Hand freed memory back to the system, which Arrow and the C library otherwise keep for later: after a stage that used much."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc alone has it
    if trim is not None:
        trim(0)


_PREFIX = "byeori-rows-"
_locks: list[IO[bytes]] = []  # open files, whose locks last as long as this process


def folder() -> Path:
    """Of this process: where TMPDIR says, else in HF_HOME, which lies on a disk where /tmp may be memory."""
    made = _made()
    if not made.is_dir():  # what sweeps temporary folders doesn't ask who still lives
        _made.cache_clear()
        made = _made()
    return made


@cache
def _made() -> Path:
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
def room() -> Iterator[None]:
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
        weakref.finalize(self, _unlink, self.paths)  # of one that nobody closes
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
        with room():
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
        _unlink(self.paths)  # what is mapped stays readable
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(PermissionError):  # on Windows, of what is mapped: removed at the end
            path.unlink(missing_ok=True)


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
    if table._indices is None:
        return whole
    return pa.chunked_array([chunk for part in blocks(table, name) for chunk in part.chunks], whole.type)


def blocks(table: datasets.Dataset, name: str) -> Iterator[pa.ChunkedArray]:
    """The column, BATCH rows after BATCH rows."""
    whole, chosen = table.data.column(name), table._indices
    for first in range(0, len(table), BATCH):
        if chosen is None:
            yield whole.slice(first, BATCH)
        else:
            yield taken(whole, chosen.column(0).slice(first, BATCH).to_numpy())


def taken(column: pa.ChunkedArray, at: np.ndarray) -> pa.ChunkedArray:
    """`column.take(at)`, which lays all chunks of a column into one before it takes any."""
    if len(column.chunks) < 2 or not len(at):
        return column.take(pa.array(at))
    at = at.astype(np.int64)
    bounds = np.cumsum([0, *map(len, column.chunks)])
    owner = np.searchsorted(bounds, at, side="right") - 1
    order = np.argsort(owner, kind="stable")
    numbers, begins = np.unique(owner[order], return_index=True)
    parts = [
        column.chunk(number).take(pa.array(at[members] - bounds[number]))
        for number, members in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True)
    ]
    back = np.empty(len(at), np.int64)
    back[order] = np.arange(len(at))
    return pa.chunked_array([pa.concat_arrays(parts).take(pa.array(back))], column.type)


def chosen(table: datasets.Dataset, at: np.ndarray) -> datasets.Dataset:
    """The rows at these places (int64); the places of many lie on disk, too."""
    if len(at) <= BATCH:
        return table.select(at)
    if all((at[block] - at[0] == np.arange(block.start, block.stop)).all() for block in mapped.spans(len(at))):
        return table.select(range(int(at[0]), int(at[-1]) + 1))
    import datasets

    inner = None if table._indices is None else table._indices.column(0)
    spill = Spill()
    for first in range(0, len(at), BATCH):
        places = at[first : first + BATCH]
        spill.add(pa.table({"indices": pa.array(places, pa.uint64()) if inner is None else taken(inner, places)}))
    return datasets.Dataset(
        table._data,
        info=table.info.copy(),
        split=table.split,
        indices_table=spill.close(),
        fingerprint=datasets.fingerprint.generate_random_fingerprint(),
    )


def dataset(table: pa.Table, light: bool = False) -> datasets.Dataset:
    """A table as a data set: a large one lies in a file of its own, so that `map` and others write to disk as well.

    `light`: it is only read through, and may come as what merely answers like one.
    """
    if light:
        return cast("datasets.Dataset", Light(_in_file(table) if is_large(table.nbytes) else table, dataset))
    import datasets

    # Of its own accord the library hashes the whole table for a name.
    name = datasets.fingerprint.generate_random_fingerprint()
    if not is_large(table.nbytes):
        return datasets.Dataset(table, fingerprint=name)
    path = _written(table)
    found = datasets.Dataset.from_file(str(path))
    found._fingerprint = name
    weakref.finalize(found._data, shutil.rmtree, str(path.parent), ignore_errors=True)
    return found


def _in_file(table: pa.Table) -> pa.Table:
    """The same, mapped from a file that goes with it; slices of it keep what is mapped."""
    path = _written(table)
    found = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    weakref.finalize(found, shutil.rmtree, str(path.parent), ignore_errors=True)
    return found


def _written(table: pa.Table) -> Path:
    """The only file of a new folder, which holds the table as Arrow's stream."""
    path = Path(tempfile.mkdtemp(dir=folder())) / "rows.arrow"
    with room(), open(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        for _, batch in _batches(table):
            writer.write_table(batch)
    return path
