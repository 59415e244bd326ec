"""The simulation of benchmarks/scale.py: it deals rows as it says, and counts them rightly."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from byeori.batches.ranks import share


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    return importlib.import_module("benchmarks.scale")


def test_grouped_as_transformers_groups(scale):
    """The same lengths in the same order, but that transformers puts the longest of all first."""
    from transformers.trainer_pt_utils import get_length_grouped_indices

    lengths = np.random.default_rng(0).integers(1, 10_000, 1_003)
    theirs = get_length_grouped_indices(lengths.tolist(), 4, generator=torch.Generator().manual_seed(5))
    mixed = lengths[torch.randperm(len(lengths), generator=torch.Generator().manual_seed(5)).numpy()]
    found = scale.grouped_by_trainer(mixed, 4)
    longest = 200 * int(np.argmax(found[::200]))
    found[[0, longest]] = found[[longest, 0]]
    assert found.tolist() == lengths[theirs].tolist()


def test_a_trainers_ranks_take_batches_in_turn_and_pad_them(scale):
    rows = np.array([3, 1, 4, 1, 5, 9, 2, 6])
    found = scale.trainer(rows, batch=4, ranks=2, updates=2, grouped=False)
    assert found.real.sum() == rows.sum()
    assert found.computed.shape == (2, 2) and (found.computed % 2 == 0).all()
    assert (found.computed >= found.real).all() and found.computed.max() == 2 * 9


def test_in_order_and_balanced(scale):
    update = np.array([9, 1, 1, 8, 1, 1])
    dealt = scale.in_order(iter([update]), 2)
    assert dealt.real.tolist() == [[11, 10]] and dealt.imbalance.tolist() == [22 / 21]
    assert scale.in_order(iter([update]), 2, padded=True).computed.tolist() == [[27, 24]]
    even = scale.balanced(iter([update]), 2)
    assert even.real.tolist() == [[int(update[part].sum()) for part in share(update, 2)]]


def test_idle_and_beside_ideal(scale):
    """Two updates of two ranks: 4 + 2 seconds while the means are 3 + 2, and 4 real tokens a rank in all."""
    found = scale.Shared(np.array([[4, 2], [2, 2]]), np.array([[3, 1], [2, 2]]))
    assert found.imbalance.tolist() == [4 / 3, 1.0]
    assert found.idle == pytest.approx(1 - 5 / 6)
    assert found.beside_ideal == pytest.approx(6 / 4)


def test_every_way_computes_the_same_rows(scale):
    lengths = scale.lognormal(3.5, 0.8, 512)
    found = scale.ways(lengths, 64, 4, updates=5)
    assert set(found) == set(scale.WAYS)
    assert all(one.computed.shape == (5, 4) for one in found.values())
    for mode in ("random", "grouped"):
        dealt, even = found[f"{mode}, in order"], found[f"{mode}, balanced"]
        assert (dealt.real.sum(1) == even.real.sum(1)).all()
        assert even.idle <= dealt.idle + 1e-3
    assert found["Trainer, random"].beside_ideal > 1.5 > 1.01 > found["random, balanced"].beside_ideal


def test_the_other_ways_of_sharing_are_partitions(scale):
    sharing = importlib.import_module("benchmarks.sharing")
    costs = np.random.default_rng(1).integers(1, 99, 41)
    best = {}
    for name, way in sharing.WAYS.items():
        parts = way(costs, 7)
        assert len(parts) == 7 and sorted(np.concatenate(parts).tolist()) == list(range(41))
        best[name] = sharing.beside_bound(costs, parts)
    assert best["and swaps"] <= best["longest first"] <= best["dealt"]
    assert max(best["longest first"], best["differencing"]) < 1.05


@pytest.mark.parametrize(("given", "best"), [([4, 5, 6, 7, 8], 16), ([8, 7, 6, 5, 4], 16)])
def test_differencing_on_its_textbook_case(scale, given, best):
    """Two ranks, 4 to 8: the differences come down to 2, so 16 and 14."""
    sharing = importlib.import_module("benchmarks.sharing")
    costs = np.array(given)
    assert max(int(costs[part].sum()) for part in sharing.differencing(costs, 2)) == best


def test_intervals_are_dalys(scale):
    """His figures 3 to 5: dumps of 5 minutes, a failure every day, every 6 hours, every 15 minutes."""
    cluster = importlib.import_module("benchmarks.cluster")
    found = [cluster.daly(5.0, hours * 60) for hours in (24, 6, 0.25)]
    assert [f"{one:.2g}" if one < 10 else f"{one:.0f}" for one in found] == ["117", "57", "9.1"]
    assert cluster.young(5.0, 1_440.0) == 120.0
    assert cluster.lost(5.0, 1_440.0, 115.0, restart=0.0) == pytest.approx(5 / 120 + 60 / 1_440)
