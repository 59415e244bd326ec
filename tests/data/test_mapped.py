"""Arrays in files and blocks: what NumPy gives for the whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from byeori.data import disk, mapped
from byeori.data.coded import coded


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(mapped, "LEAST", 1)
    monkeypatch.setattr(mapped, "BLOCK", 7)


def is_mapped(values: np.ndarray) -> bool:
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


def test_zeros_kept_and_taken():
    values = np.random.default_rng(0).normal(size=(50, 3))
    at = np.random.default_rng(1).integers(0, 50, 40)
    made = mapped.zeros((4, 5), np.int16)
    assert is_mapped(made) and type(made) is np.ndarray and not made.any() and made.shape == (4, 5)
    made[1, 2] = 7
    assert made.sum() == 7
    kept = mapped.keep(values)
    assert is_mapped(kept) and (kept == values).all() and kept.dtype == values.dtype
    taken = mapped.take(values[:, 0].copy(), at)
    assert is_mapped(taken) and (taken == values[at, 0]).all()
    assert mapped.made(0, np.int32, lambda block: 1).tolist() == []


def test_where_and_columns():
    values = np.random.default_rng(0).integers(0, 9, 60)
    assert (mapped.where(60, lambda block: values[block] > 4) == np.flatnonzero(values > 4)).all()
    assert mapped.where(0, lambda block: values[block] > 4).tolist() == []
    for least in (1, 1 << 20):
        mapped.LEAST = least
        column, parts = mapped.Column(), [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.ones((2, 2))]
        for part in parts:
            column.add(part)
        done = column.done()
        assert (done == np.concatenate(parts)).all() and is_mapped(done) == (least == 1)
    with pytest.raises(ValueError, match="nothing"):
        mapped.Column().done()
    wrong = mapped.Column()
    wrong.add(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="shape"):
        wrong.add(np.zeros((2, 3)))


def test_sorted_into_buckets():
    buckets = np.random.default_rng(0).integers(0, 5, 100)
    order, bounds = mapped.sorted_into(lambda block: buckets[block], 100, 6)
    assert (order == np.argsort(buckets, kind="stable")).all()
    assert np.diff(bounds).tolist() == np.bincount(buckets, minlength=6).tolist()


@pytest.mark.parametrize("most", [1, 3, 1 << 40, 1 << 64])
def test_ranks_are_the_places_among_the_different_pairs(most):
    rng = np.random.default_rng(0)
    first = rng.integers(0, most, 90, dtype=np.uint64, endpoint=False) if most > 1 else np.zeros(90, np.uint64)
    first[:20], second = first[40:60], rng.integers(0, 3, 90).astype(np.uint64)
    found, different = mapped.ranked(first, second)
    pairs, numbers = np.unique(np.stack([first, second], 1), axis=0, return_inverse=True)
    assert (found == numbers.ravel()).all() and different == len(pairs)
    assert mapped.ranked(first[:0], second[:0])[1] == 0


def test_a_full_disk_is_said(monkeypatch):
    import errno
    import os

    from byeori.errors import DataError

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match="no room left"):
        mapped.zeros(100, np.int64)


def test_chosen_rows_are_those_of_the_library(monkeypatch):
    import datasets

    monkeypatch.setattr(disk, "BATCH", 8)
    table = datasets.Dataset.from_dict({"text": [f"t{i}" for i in range(60)], "label": [i % 3 for i in range(60)]})
    at = np.random.default_rng(0).permutation(60)[:40]
    chosen = disk.chosen(table, at)
    assert chosen.to_dict() == table.select(at).to_dict() and chosen.features == table.features
    again = np.arange(40)[::-2]
    assert disk.chosen(chosen, again).to_dict() == table.select(at[again]).to_dict()
    assert disk.chosen(table, np.arange(10, 40)).to_dict() == table.select(range(10, 40)).to_dict()
    monkeypatch.setattr(mapped, "BLOCK", 10)
    blocks = np.arange(40).reshape(4, 10)[[0, 2, 1, 3]].ravel()  # each rises by one, and so do first and last
    assert disk.chosen(table, blocks).to_dict() == table.select(blocks).to_dict()
    assert disk.column(chosen, "text").to_pylist() == table.select(at)["text"][:]
    found = coded(chosen, "label")
    assert found is not None and [found.values[i] for i in found.codes] == chosen["label"][:]
    assert coded(chosen, "text") is None


def test_rows_taken_chunk_by_chunk():
    """As Arrow takes them, in any order and more than once, of one chunk or of several, of which some are empty."""
    rng = np.random.default_rng(0)
    values = pa.array([None if n % 7 == 0 else f"row {n}" for n in range(100)])
    for cuts in ([], [30, 30, 31, 99]):
        bounds = [0, *cuts, 100]
        column = pa.chunked_array([values[a:b] for a, b in zip(bounds, bounds[1:], strict=False)])
        for at in (rng.integers(0, 100, 250), np.arange(100), np.array([99]), np.zeros(0, np.int64)):
            for places in (at, at.astype(np.uint64)):
                assert disk.taken(column, places).equals(column.take(pa.array(at)))
