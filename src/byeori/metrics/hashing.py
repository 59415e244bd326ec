"""Texts → counts of their hashed character n-grams, as scikit-learn's `HashingVectorizer` has them, counted in NumPy.

Invariants: the matrix is that of `HashingVectorizer(analyzer="char", alternate_sign=False, norm=None)`, entry for entry;
nothing runs in Python per n-gram, and memory is that of a chunk of texts beside the counts.

    counts(["좋아요", "싫어요"], 1, 4, 18).shape == (2, 2**18)

The hash is MurmurHash3 for 32 bits (Appleby) of an n-gram's UTF-8, computed for all n-grams of one length in bytes at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

CHUNK = 1 << 18  # characters at once: about 40 MB of temporaries
_SPACES = re.compile(r"\s\s+")


def counts(texts: Sequence[str], least: int, most: int, bits: int) -> Any:
    """float32 CSR (n, 2 ** bits): how often each text, in lower case and with runs of white space as one, holds each n-gram of
    `least` to `most` characters."""
    from scipy import sparse

    parts = [_part(some, least, most, bits) for some in _chunks(texts)]
    if not parts:
        return sparse.csr_matrix((0, 1 << bits), dtype=np.float32)
    return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def summed(owners: np.ndarray, columns: np.ndarray, rows: int, bits: int) -> Any:
    """float32 CSR (rows, 2 ** bits): how often each column occurs in each row. owners, columns: uint64 (m,), a pair each time."""
    from scipy import sparse

    keys = np.sort(owners << np.uint64(bits) | columns)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
    number = np.diff(first, append=len(keys)).astype(np.float32)
    keys = keys[first]
    places = (keys & np.uint64((1 << bits) - 1)).astype(np.int32)
    bounds = np.concatenate([[0], np.cumsum(np.bincount((keys >> np.uint64(bits)).astype(np.int64), minlength=rows))])
    return sparse.csr_matrix((number, places, bounds.astype(np.int32)), shape=(rows, 1 << bits))


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    held, size = [], 0
    for text in texts:
        held.append(_SPACES.sub(" ", text.lower()))
        size += len(held[-1])
        if size >= CHUNK:
            yield held
            held, size = [], 0
    if held:
        yield held


def _part(texts: list[str], least: int, most: int, bits: int) -> Any:
    data = np.frombuffer("".join(texts).encode() + bytes(8), np.uint8)
    begins = np.flatnonzero((data[:-8] & 0xC0) != 0x80)  # of each character
    begins = np.append(begins, len(data) - 8)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    owner = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths)
    ends = np.repeat(np.cumsum(lengths), lengths)  # of the text that each character is in
    words = data[:-4].astype(np.uint32)  # four bytes from each one on
    for step in (1, 2, 3):
        words |= data[step : step - 4].astype(np.uint32) << np.uint32(8 * step)
    owners, columns = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    place = np.arange(len(owner))
    for n in range(least, most + 1):
        first = np.flatnonzero(place + n <= ends)
        starts = begins[first]
        sizes = begins[first + n] - starts
        for size in np.flatnonzero(np.bincount(sizes)).tolist():
            chosen = sizes == size
            owners.append(owner[first[chosen]])
            columns.append(_columns(_murmur(words, starts[chosen], size), bits))
    return summed(np.concatenate(owners), np.concatenate(columns), len(texts), bits)


def _murmur(words: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """uint32 (m,): the hash of the `size` bytes from each start on."""
    found = np.zeros(len(starts), np.uint32)
    for at in range(0, size, 4):
        block, left = words[starts + at], size - at
        if left < 4:
            block &= np.uint32((1 << 8 * left) - 1)
        block *= np.uint32(0xCC9E2D51)
        block = block << np.uint32(15) | block >> np.uint32(17)
        block *= np.uint32(0x1B873593)
        found ^= block
        if left >= 4:
            found = found << np.uint32(13) | found >> np.uint32(19)
            found *= np.uint32(5)
            found += np.uint32(0xE6546B64)
    found ^= np.uint32(size)
    found ^= found >> np.uint32(16)
    found *= np.uint32(0x85EBCA6B)
    found ^= found >> np.uint32(13)
    found *= np.uint32(0xC2B2AE35)
    found ^= found >> np.uint32(16)
    return found


def _columns(hashes: np.ndarray, bits: int) -> np.ndarray:
    """The column of each hash: the size of the signed number, as scikit-learn takes it."""
    signed = np.abs(hashes.view(np.int32).astype(np.int64))
    signed[signed == 1 << 31] = (1 << 31) - (1 << bits)
    return (signed & ((1 << bits) - 1)).astype(np.uint64)
