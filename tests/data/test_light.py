"""A light table answers as a data set does, whatever it is asked."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pyarrow as pa
import pytest

from byeori.data import disk
from byeori.data.light import Light

TABLE = pa.table({
    "text": ["a", None, "다", "d"], "number": [1, 2, 3, None], "words": [["x"], [], None, ["y", "z"]],
    "deep": [{"n": 1}, {"n": 2}, None, {"n": None}],
})  # fmt: skip


@pytest.fixture
def both():
    return disk.dataset(TABLE, light=True), disk.dataset(TABLE)


@pytest.mark.parametrize(
    "key", [slice(None), slice(1, 3), slice(-2, None), slice(3, 1), slice(0, 99), slice(None, None, 2), 0, -1, [2, 0], "deep"],
    ids=str,
)  # fmt: skip
def test_slices_rows_and_columns(both, key):
    light, whole = both
    assert isinstance(light, Light) and not isinstance(whole, Light)
    assert (list(light[key]) if isinstance(key, str) else light[key]) == (
        list(whole[key]) if isinstance(key, str) else whole[key]
    )


@pytest.mark.parametrize("at", [[3, 0, 0], np.array([1]), [], range(1, 3)], ids=str)
def test_chosen_rows(both, at):
    light, whole = (one.select(at) for one in both)
    assert len(light) == len(whole) and light[:] == whole[:] and light.column_names == whole.column_names


def test_whatever_else(both):
    light, whole = both
    assert light.features == whole.features and list(light) == list(whole) and light.num_rows == 4
    assert light.map(lambda row: {"n": row["number"]})["n"][:] == whole.map(lambda row: {"n": row["number"]})["n"][:]
    with pytest.raises(AttributeError, match="no_such"):
        light.no_such  # noqa: B018
    assert pickle.loads(pickle.dumps(Light(TABLE, disk.dataset)))[:] == whole[:]


@pytest.mark.parametrize("at", [[3, 0, 0], [1, 2], [1, 3], [], range(4)], ids=str)
def test_a_large_one_lies_in_a_file(monkeypatch, at):
    monkeypatch.setattr(disk, "is_large", lambda size: True)
    before = set(disk.folder().iterdir())
    light, whole = disk.dataset(TABLE, light=True), TABLE.take(pa.array(list(at), pa.int64()))
    (made,) = set(disk.folder().iterdir()) - before
    assert isinstance(light, Light) and light[:] == TABLE.to_pydict()
    assert light.select(list(at))[:] == whole.to_pydict()
    del light
    gc.collect()
    assert not made.exists()
