"""Arrays of a value a row that lie in files where they are large, so that millions of rows cost disk and no memory.

Invariants: what comes back is a plain array, read and written like any other; its file has no name, and goes with it; work is
done a block of rows at a time, and gives what NumPy gives for the whole.

    mapped.take(np.array([10, 20, 30]), np.array([2, 0])).tolist() == [30, 10]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

LEAST = 1 << 20  # bytes; smaller arrays stay in memory
BLOCK = 1 << 16  # rows looked at together


def zeros(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `np.zeros`. Raises DataError where the disk is full."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < LEAST:
        return np.zeros(shape, dtype)
    from byeori.data import disk

    with disk.room(), tempfile.TemporaryFile(dir=disk.folder()) as file:
        if hasattr(os, "posix_fallocate"):  # a hole that the disk can't fill would end the process
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def spans(rows: int) -> Iterator[slice]:
    """Blocks of rows, one after the other."""
    for first in range(0, rows, BLOCK):
        yield slice(first, min(first + BLOCK, rows))


def made(rows: int, dtype: Any, values: Callable[[slice], Any]) -> np.ndarray:
    """(rows,): what `values` gives for each block of rows."""
    found = zeros(rows, dtype)
    for block in spans(rows):
        found[block] = values(block)
    return found


def keep(values: np.ndarray) -> np.ndarray:
    """The same values; a large array is in memory no longer once nobody else holds it."""
    if values.nbytes < LEAST:
        return values
    found = zeros(values.shape, values.dtype)
    found[...] = values
    return found


def take(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`values[at]`."""
    return made(len(at), values.dtype, lambda block: values[at[block]])


def where(rows: int, holds: Callable[[slice], np.ndarray]) -> np.ndarray:
    """int64: the rows for which `holds`, given a block of them, is true."""
    found = Column()
    for block in spans(rows):
        found.add(block.start + np.flatnonzero(holds(block)))
    return found.done() if rows else np.zeros(0, np.int64)


def index_type(rows: int) -> type[np.signedinteger]:
    """The smallest of the usual types that counts so many rows."""
    return np.int32 if rows < 1 << 31 else np.int64


def sorted_into(bucket: Callable[[slice], np.ndarray], rows: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(order (rows,), bounds int64 (count + 1,)): the rows of bucket b, in rising order, are `order[bounds[b]:bounds[b + 1]]`.

    bucket: a block of rows → the bucket of each, 0 … count − 1.
    """
    sizes = np.zeros(count, np.int64)
    for block in spans(rows):
        sizes += np.bincount(bucket(block), minlength=count)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    order, next_at = zeros(rows, index_type(rows)), bounds[:-1].copy()
    for block in spans(rows):
        buckets = bucket(block)
        inside = np.argsort(buckets, kind="stable")
        number = np.bincount(buckets, minlength=count)
        begins = np.repeat(next_at - (np.cumsum(number) - number), number)
        order[begins + np.arange(len(inside))] = block.start + inside
        next_at += number
    return order, bounds


def ranked(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
    """The place of each pair (first, second) among the different ones in their order, (n,), and how many there are.

    first, second: whole numbers (n,), none below 0. Memory is that of a block where the values of `first` are spread evenly,
    as hashes are.
    """
    rows = len(first)
    most = max((int(first[block].max()) for block in spans(rows)), default=0)
    shift = max(0, most.bit_length() - max(0, rows // BLOCK).bit_length())
    order, bounds = sorted_into(
        lambda block: (first[block] >> first.dtype.type(shift)).astype(np.int64), rows, (most >> shift) + 1
    )
    found, different = zeros(rows, index_type(rows)), 0
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if begin == end:
            continue
        members = order[begin:end]
        major, minor = first[members], second[members]
        inside = np.lexsort((minor, major))
        major, minor = major[inside], minor[inside]
        fresh = np.ones(len(inside), bool)
        fresh[1:] = (major[1:] != major[:-1]) | (minor[1:] != minor[:-1])
        found[members[inside]] = different + np.cumsum(fresh) - 1
        different += int(fresh.sum())
    return found, different


class Column:
    """Arrays of one type that are added up, one behind the other."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._bytes = 0
        self._file: Any = None
        self._like: np.ndarray | None = None
        self._rows = 0

    def add(self, values: np.ndarray) -> None:
        """Raises ValueError for an array of another type or shape than those before."""
        self._like = values[:0] if self._like is None else self._like
        if (values.dtype, values.shape[1:]) != (self._like.dtype, self._like.shape[1:]):
            raise ValueError(f"{values.dtype} of shape {values.shape} behind {self._like.dtype} {self._like.shape}.")
        self._rows += len(values)
        if self._file is None:
            self._parts.append(values)
            self._bytes += values.nbytes
            if self._bytes < LEAST:
                return
            from byeori.data import disk

            self._file = tempfile.TemporaryFile(dir=disk.folder())  # noqa: SIM115 - closed by done()
            parts, self._parts = self._parts, []
        else:
            parts = [values]
        self._write(parts)

    def _write(self, parts: list[np.ndarray]) -> None:
        from byeori.data import disk

        with disk.room():
            for part in parts:
                self._file.write(np.ascontiguousarray(part).tobytes())

    def done(self) -> np.ndarray:
        """(rows, …). Raises ValueError where nothing was added."""
        if self._like is None:
            raise ValueError("nothing was added.")
        if self._file is None:
            return self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        from byeori.data import disk

        with disk.room():
            self._file.flush()
        shape = (self._rows, *self._like.shape[1:])
        found = np.asarray(np.memmap(self._file, self._like.dtype, "r+", shape=shape))
        self._file.close()
        return found
