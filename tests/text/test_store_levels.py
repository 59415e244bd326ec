"""Columns of every level in the token store: a value a token, a sequence, a row, and lists of any length a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, Encoded, StoreWriter, TokenStore

LEVELS = {"tags": TOKEN, "spans": SEQUENCE, "id": ROW, "labels": LIST, "weights": LIST}
PAD = {"input_ids": 1, "weights": -1.0}


def encoded(lists: list[int], counts: list[int], seed: int = 0) -> Encoded:
    """Rows with `counts` sequences each, whose labels are `lists` long; weights have one number more than labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, sum(counts))
    tokens, listed = int(lengths.sum()), np.array(lists, np.int64)
    columns = {
        "tags": rng.integers(0, 9, tokens),
        "spans": rng.integers(0, 50, (sum(counts), 2)),
        "id": rng.integers(0, 999, len(counts)),
        "labels": rng.integers(0, 700, sum(lists)).astype(np.int32),
        "labels_lengths": listed,
        "weights": rng.random((sum(lists) + len(lists),)).astype(np.float32),
        "weights_lengths": listed + 1,
    }
    return Encoded(rng.integers(0, 700, tokens).astype(np.int32), lengths, columns, np.array(counts, np.int64))


def joined(pieces: list[Encoded]) -> Encoded:
    columns = {name: np.concatenate([piece.columns[name] for piece in pieces]) for name in pieces[0].columns}
    parts = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("input_ids", "lengths", "counts")]
    return Encoded(parts[0], parts[1], columns, parts[2])


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=7)


@settings(max_examples=30, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_disk_equals_memory(tmp_path_factory, batches):
    """Written in pieces, of which some have no list item at all, and opened again: as made at once."""
    pieces = [encoded([n for n, _ in rows], [c for _, c in rows], seed) for seed, rows in enumerate(batches)]
    folder = tmp_path_factory.mktemp("store")
    writer = StoreWriter(LEVELS, PAD, folder)
    for piece in pieces:
        writer.add(piece)
    stores = [writer.close(), TokenStore.open(folder), TokenStore.of(joined(pieces), LEVELS, PAD)]
    lists = [n for rows in batches for n, _ in rows]
    for store in stores:
        assert store.levels == LEVELS and store.pad == PAD and len(store) == len(lists)
        assert list(store.list_offsets) == ["labels", "weights"]
        assert store.list_lengths(np.arange(len(store))).tolist() == [2 * n + 1 for n in lists]
        for name, values in stores[-1].columns.items():
            assert np.array_equal(store.columns[name], values) and store.columns[name].dtype == values.dtype
        for name, ends in stores[-1].list_offsets.items():
            assert np.array_equal(store.list_offsets[name], ends) and store.list_offsets[name].dtype == np.int64
        assert [store[row] for row in range(len(store))] == [stores[-1][row] for row in range(len(store))]


def three_rows() -> TokenStore:
    """Rows of two, one and three sequences; lists of three items, none, and one."""
    columns = {
        "tags": np.arange(11), "spans": np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]), "id": np.array([7, 8, 9]),
        "labels": np.array([20, 21, 22, 23]), "labels_lengths": np.array([3, 0, 1]),
        "weights": np.array([0.5, 0.25], np.float32), "weights_lengths": np.array([0, 2, 0]),
    }  # fmt: skip
    made = Encoded(np.arange(11, dtype=np.int32), np.array([2, 1, 3, 1, 2, 2]), columns, np.array([2, 1, 3]))
    return TokenStore.of(made, LEVELS)


def test_a_row_has_its_own_values():
    store = three_rows()
    assert store[0] == {
        "input_ids": [0, 1, 2], "tags": [0, 1, 2], "spans": [[0, 1], [2, 3]], "id": 7, "labels": [20, 21, 22], "weights": [],
    }  # fmt: skip
    assert store[1] == {
        "input_ids": [3, 4, 5], "tags": [3, 4, 5], "spans": [[4, 5]], "id": 8, "labels": [], "weights": [0.5, 0.25],
    }  # fmt: skip
    assert store[2]["spans"] == [[6, 7], [8, 9], [10, 11]] and store[2]["labels"] == [23]
    assert store.list_of("labels", 0).tolist() == [20, 21, 22] and store.list_of("labels", 1).tolist() == []


def test_lengths_of_lists_are_all_lists_together():
    store = three_rows()
    assert store.list_lengths(np.array([0, 1, 2])).tolist() == [3, 2, 1]
    assert store.list_lengths(np.array([2, 0, 2])).tolist() == [1, 3, 1]
    assert store.list_lengths(np.array([], np.int64)).tolist() == []
    assert store.lengths(np.array([2, 0, 1])).tolist() == [5, 3, 3]  # tokens alone


def test_without_lists_they_are_zero():
    store = TokenStore.of(Encoded(np.arange(3, dtype=np.int32), np.array([1, 2]), {}), {})
    assert store.list_lengths(np.array([1, 0])).tolist() == [0, 0] and store.list_offsets == {}


@pytest.mark.parametrize("level", [TOKEN, SEQUENCE, ROW, LIST])
def test_no_rows(tmp_path, level):
    store = StoreWriter({"labels": level}, folder=tmp_path).close()
    assert (len(store), store.sequences, store.tokens) == (0, 0, 0)
    assert store.list_lengths(np.arange(0)).tolist() == [] and len(store.columns["labels"]) == 0


def test_lists_lie_flat_in_ordinary_files(tmp_path):
    StoreWriter(LEVELS, PAD, tmp_path).add(encoded([2, 0, 3], [1, 1, 1])).close()
    assert np.load(tmp_path / "labels.npy").shape == (5,)
    assert np.load(tmp_path / "labels_offsets.npy").tolist() == [0, 2, 2, 5]
    assert np.load(tmp_path / "spans.npy").shape == (3, 2)
    assert not Path(tmp_path / "labels_lengths.npy").exists()
