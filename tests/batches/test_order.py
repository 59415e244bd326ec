"""The order of rows: a permutation, pure, resumable, and as good as shuffled."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from byeori.batches.order import MEGA_BATCHES, Order, permute


def lengths_of(rows: np.ndarray) -> np.ndarray:
    """Lengths that are scattered over the rows, some equal."""
    return (np.asarray(rows, np.int64) * 7919) % 113 + 1


def all_rows(order: Order, epoch: int) -> np.ndarray:
    return np.concatenate([order.batch(epoch, step) for step in range(order.steps)])


@pytest.mark.parametrize("rows", [*range(1, 70), 127, 128, 129, 1000, 4095, 4096, 4097, 65_537])
def test_it_is_a_permutation(rows):
    for seed, epoch in ((0, 0), (1, 5), (2**40, 3)):
        assert np.array_equal(np.sort(permute(np.arange(rows), rows, seed, epoch)), np.arange(rows))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**12), st.integers(0, 2**64), st.integers(0, 10**6), st.data())
def test_any_position_of_any_number_of_rows(rows, seed, epoch, data):
    """Positions asked alone equal positions asked together; all land inside; different ones differ."""
    positions = np.array(data.draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=8, unique=True)))
    together = permute(positions, rows, seed, epoch)
    assert ((together >= 0) & (together < rows)).all() and len(set(together.tolist())) == len(positions)
    assert together.tolist() == [int(permute(np.array([p]), rows, seed, epoch)[0]) for p in positions]


def test_seeds_and_epochs_give_other_orders():
    found = [tuple(permute(np.arange(50), 50, seed, epoch)) for seed in range(6) for epoch in range(6)]
    assert len(set(found)) == 36


@pytest.mark.parametrize("over", ["seeds", "epochs"])
def test_every_row_is_as_likely_at_every_position(over):
    """Chi-square over which row stands first, which last, and which two stand first together."""
    rows, draws = 11, 2_200
    made = np.array([permute(np.arange(rows), rows, *((n, 0) if over == "seeds" else (3, n))) for n in range(draws)])
    for position in (0, 5, rows - 1):
        assert stats.chisquare(np.bincount(made[:, position], minlength=rows)).pvalue > 1e-3
    pairs = [made[:, 0] * rows + made[:, 1], made[:, 4] * rows + made[:, 9]]
    possible = [a * rows + b for a, b in itertools.permutations(range(rows), 2)]
    for pair in pairs:
        counts = np.bincount(pair, minlength=rows * rows)
        assert counts[possible].sum() == draws and stats.chisquare(counts[possible]).pvalue > 1e-3


def test_neighbours_do_not_stay_neighbours():
    """Ranks before and after are unrelated, and no more neighbours stay together than by chance (2 of n on average)."""
    rows = 5_000
    made = permute(np.arange(rows), rows, 0, 0)
    assert abs(stats.spearmanr(np.arange(rows), made).statistic) < 0.05
    assert (np.abs(np.diff(made)) == 1).sum() <= 10


@pytest.mark.parametrize("mode", ["random", "grouped"])
@pytest.mark.parametrize(("rows", "size"), [(1, 1), (5, 8), (8, 8), (97, 4), (800, 16), (801, 16), (1733, 16)])
def test_each_row_once_an_epoch(mode, rows, size):
    order = Order(rows, size, seed=4, mode=mode, lengths=lengths_of)
    assert order.steps == -(-rows // size)
    for epoch in (0, 1):
        batches = [order.batch(epoch, step) for step in range(order.steps)]
        assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(rows))
        assert [len(batch) for batch in batches[:-1]] == [size] * (order.steps - 1)
        assert all(batch.dtype == np.int64 for batch in batches)


@pytest.mark.parametrize("mode", ["random", "grouped"])
def test_a_batch_depends_on_its_place_alone(mode):
    """Asked backwards, by turns over epochs, or by a new object: the same rows. So any step can be resumed."""
    rows, size = 1733, 16
    forward = Order(rows, size, seed=4, mode=mode, lengths=lengths_of)
    expected = {(e, s): forward.batch(e, s).tolist() for e in (0, 1) for s in range(forward.steps)}
    again = Order(rows, size, seed=4, mode=mode, lengths=lengths_of)
    for epoch, step in sorted(expected, key=lambda key: (key[1] * 37 % 101, key[0])):
        assert again.batch(epoch, step).tolist() == expected[epoch, step]
    assert Order(rows, size, 4, mode, lengths_of).batch(1, 70).tolist() == expected[1, 70]


def test_epochs_differ():
    for mode in ("random", "grouped"):
        order = Order(500, 8, seed=1, mode=mode, lengths=lengths_of)
        first, second = ([frozenset(order.batch(e, s).tolist()) for s in range(order.steps)] for e in (0, 1))
        assert first != second
        if mode == "random":
            assert not set(first) & set(second)
        other = Order(500, 8, seed=2, mode=mode, lengths=lengths_of)
        assert all_rows(order, 0).tolist() != all_rows(other, 0).tolist()


def test_a_mega_batch_is_a_stretch_of_the_permutation_cut_by_length():
    """Each mega-batch holds the rows that `random` would give in its 50 steps; its batches are its rows by length."""
    size, rows = 4, 950
    grouped = Order(rows, size, seed=9, mode="grouped", lengths=lengths_of)
    random = Order(rows, size, seed=9, mode="random")
    assert grouped.mega == MEGA_BATCHES
    for first in range(0, grouped.steps, grouped.mega):
        steps = range(first, min(first + grouped.mega, grouped.steps))
        batches = [grouped.batch(2, step) for step in steps]
        stretch = np.concatenate([random.batch(2, step) for step in steps])
        assert sorted(np.concatenate(batches).tolist()) == sorted(stretch.tolist())
        spans = sorted((int(lengths_of(b).min()), int(lengths_of(b).max())) for b in batches)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))  # cut where lengths are sorted
        means = [float(lengths_of(b).mean()) for b in batches]
        assert abs(stats.spearmanr(range(len(means)), means).statistic) < 0.5  # and in no order among themselves


@pytest.mark.parametrize(("rows", "mega"), [(3, 1), (31, 1), (300, 9), (1_600, 50), (9_000, 50)])
def test_a_small_set_is_not_sorted_whole(rows, mega):
    """At most a quarter of the batches, as transformers has it: else every epoch would have the same ones."""
    order = Order(rows, 8, seed=0, mode="grouped", lengths=lengths_of)
    assert order.mega == mega
    assert sorted(all_rows(order, 0).tolist()) == list(range(rows))
    if rows >= 300:
        first, second = ({frozenset(order.batch(e, s).tolist()) for s in range(order.steps)} for e in (0, 1))
        assert len(first & second) <= 0.02 * order.steps


def test_padding_of_grouped_batches():
    """What it is for: rectangles of grouped batches waste little, of random ones much."""

    def density(mode: str) -> float:
        order = Order(3_200, 16, seed=0, mode=mode, lengths=lengths_of)
        lengths = [lengths_of(order.batch(0, step)) for step in range(order.steps)]
        return sum(int(one.sum()) for one in lengths) / sum(int(one.max()) * len(one) for one in lengths)

    assert density("grouped") > 0.97 and density("random") < 0.6
