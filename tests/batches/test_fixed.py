"""Packs of few shapes: which rows lie together, and how many shapes a training meets."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.batches.fixed import Shapes, fill, filled
from byeori.batches.loader import Packing, batches
from byeori.text.store import LIST, Encoded, TokenStore


def store_of(lengths: np.ndarray, targets: np.ndarray | None = None) -> TokenStore:
    ids = np.arange(int(lengths.sum()), dtype=np.int32) % 97 + 1
    if targets is None:
        return TokenStore.of(Encoded(ids, lengths, {}), {}, {"input_ids": 0})
    columns = {"labels": np.arange(int(targets.sum())) % 89, "labels_lengths": targets}
    return TokenStore.of(Encoded(ids, lengths, columns), {"labels": LIST}, {"input_ids": 0, "labels": -100})


def test_a_long_training_meets_few_shapes():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(3.2, 0.8, 2_000), 3, 128).astype(np.int64)
    store = store_of(lengths)
    shapes: dict[bool, set] = {}
    for fixed in (False, True):
        packing = Packing(1_024, shapes=Shapes(32, longest=128) if fixed else None)
        shapes[fixed] = set()
        for epoch in range(2):
            taken = []
            for batch in batches(store, 32, epoch=epoch, order="random", packing=packing):
                for pack in batch:
                    assert pack.computed <= 1_024
                    tensors = [pack.input_ids, pack.position_ids, pack.layout.lengths, *pack.layout.masks.values()]
                    shapes[fixed].add(tuple(tuple(one.shape) for one in tensors))
                    taken += pack.rows.tolist()
            assert sorted(taken) == list(range(2_000))
    assert len(shapes[True]) <= 4 * 6  # columns 32 to 128, rows 1 to 32
    assert len(shapes[False]) > 10 * len(shapes[True])


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_shared_in_rectangles_of_a_power_of_two(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 70))
    lengths, targets = rng.integers(1, 60, count), rng.integers(1, 30, count)
    store, rows = store_of(lengths, targets), np.arange(count)
    shapes, budget = Shapes(16, longest=50, longest_list=20), int(rng.integers(40, 400))
    parts = fill(store, [np.array([row]) for row in rows], rows, budget, shapes)
    assert sorted(np.concatenate(parts).tolist()) == rows.tolist()
    total = 0
    for part in parts:
        assert len(part).bit_count() == 1
        computed = len(part) * (shapes.columns(lengths[part].max()) + shapes.list_columns(targets[part].max()))
        assert computed <= budget or len(part) == 1
        total += computed + 64
    alone = sum(
        shapes.columns(one) + shapes.list_columns(other) + 64 for one, other in zip(lengths, targets, strict=True)
    )
    assert total <= alone


def test_columns_go_as_far_as_a_model_has_positions():
    shapes = Shapes(32, longest=100)
    assert [shapes.columns(one) for one in (1, 32, 33, 97, 100, 130)] == [32, 32, 64, 100, 100, 130]
    assert Shapes(32).columns(97) == 128


def test_choices_among_places_have_few_sizes():
    import torch

    sizes = set()
    for count in range(1, 200):
        places, labels = filled(torch.arange(count), torch.ones(count, dtype=torch.long), 200)
        assert (places[:count] == torch.arange(count)).all() and not places[count:].any() and not labels[count:].any()
        sizes.add(len(places))
    assert len(sizes) <= 16 and max(sizes) < 200 + 13
