"""Sharing an update: a partition that all ranks find alike, close to the best there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import byeori
from byeori.batches.loader import Batch, Packing, batches
from byeori.batches.order import Order
from byeori.batches.ranks import costs, share
from byeori.errors import SettingError
from byeori.text.store import LIST, ROW, Encoded, TokenStore
from families import Family, texts
from gradients import compare_gradients, gradients

COSTS = st.lists(st.integers(0, 600), max_size=80)
RANKS = st.integers(1, 40)
GRAHAM = [5, 4, 5, 4, 3, 3, 3]  # his worst case for three ranks: longest first finds 11, the best is 9


def dearest(given: list[int], parts: list[np.ndarray]) -> int:
    return max(sum(given[row] for row in part) for part in parts)


def best(given: list[int], ranks: int) -> int:
    """The least cost of the dearest rank over all ways there are."""
    ways = itertools.product(range(ranks), repeat=len(given))
    return min(
        max(sum(c for c, r in zip(given, way, strict=True) if r == rank) for rank in range(ranks)) for way in ways
    )


@settings(deadline=None)
@given(COSTS, RANKS)
def test_every_row_once_in_its_order(given, ranks):
    parts = share(np.array(given, np.int64), ranks)
    assert len(parts) == ranks
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(given)))
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)


@settings(deadline=None)
@given(COSTS, RANKS)
@example(GRAHAM, 3)
def test_at_most_a_row_above_the_mean_and_never_above_a_deal(given, ranks):
    found = dearest(given, share(np.array(given, np.int64), ranks))
    assert found * ranks <= sum(given) + (ranks - 1) * max(given, default=0)
    assert found <= dearest(given, np.split(np.arange(len(given)), [len(given) * r // ranks for r in range(1, ranks)]))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), max_size=7), st.integers(1, 3))
@example([3, 4, 3, 5, 3, 4, 5], 3)
def test_within_grahams_bound_of_the_best(given, ranks):
    assert 3 * ranks * dearest(given, share(np.array(given, np.int64), ranks)) <= (4 * ranks - 1) * best(given, ranks)


@settings(deadline=None, max_examples=50)
@given(COSTS, RANKS)
def test_the_same_on_every_rank(given, ranks):
    """Whatever type of whole number the costs come in, and in whatever unit."""
    expected = [part.tolist() for part in share(np.array(given, np.int64), ranks)]
    for other in (np.array(given, np.int32), np.array(given, np.uint16), np.array(given, np.int64) * 4608):
        assert [part.tolist() for part in share(other, ranks)] == expected


@pytest.mark.parametrize(
    ("given", "ranks", "expected"),
    [
        ([], 2, [[], []]),
        ([7], 3, [[0], [], []]),
        ([1, 1, 1, 1], 2, [[0, 2], [1, 3]]),
        ([9, 1, 1, 8, 1, 1], 2, [[0, 2, 5], [1, 3, 4]]),
        ([3, 4, 3, 5, 3, 4, 5], 3, [[0, 3, 4], [2, 6], [1, 5]]),
        (GRAHAM, 3, [[0, 1], [2, 3], [4, 5, 6]]),
    ],
)
def test_small_cases(given, ranks, expected):
    assert [part.tolist() for part in share(np.array(given, np.int64), ranks)] == expected


def test_an_update_of_an_epoch_is_balanced():
    """32 rows a rank of lengths as reviews have them: a rank waits for hundredths of its time, not for a fifth of it."""
    lengths = np.clip(np.random.default_rng(0).lognormal(3.5, 0.8, 20_000), 1, 512).astype(np.int64)
    order = Order(len(lengths), 8 * 32, seed=0, mode="random")
    for step in range(order.steps - 1):
        update = lengths[order.batch(0, step)]
        loads = [int(update[part].sum()) for part in share(update, 8)]
        assert max(loads) * 8 <= 1.01 * sum(loads)


@pytest.mark.parametrize("task", ["text-classification", "fill-mask"])
def test_gradients_of_the_shares_add_up_to_those_of_the_update(task, tmp_path):
    """Summed losses times one over the labels of the whole update, whatever each rank has of them, one rank having none."""
    folder = Family("bert").save(
        tmp_path, "AutoModelForMaskedLM" if task == "fill-mask" else "AutoModelForSequenceClassification", num_labels=2
    )
    labels = {} if task == "fill-mask" else {"labels": ["a", "b"]}
    task = byeori.tasks.find(task)(**labels)
    model, tokenizer = byeori.load(str(folder), task)
    given = [
        {"text": " ".join(texts()[i : i + 1 + i % 3]), **({"label": "ab"[i % 2]} if labels else {})} for i in range(7)
    ]
    store = byeori.encode(byeori.read(given), task, tokenizer)
    packing = Packing(pack_tokens=96)
    (whole,) = batches(store, batch_size=7, seed=3, order="random", packing=packing, task=task)
    shares = [
        Batch(store, whole.rows[part], packing, draw=whole.draw, apart=whole.apart)
        for part in share(costs(store, whole.rows), 8)
        if len(part)
    ]
    assert sum(one.labels for one in shares) == whole.labels and 5 < len(shares) < 8

    def loss(several):
        return sum(task.losses(task.outputs(model, pack), pack).sum() * whole.scale for one in several for pack in one)

    compare_gradients(gradients(model, lambda: loss(shares)), gradients(model, lambda: loss([whole])))


def test_costs_are_tokens_and_squares_of_sequences():
    """A row of two windows pays for each alone; targets of a list column are tokens."""
    lengths, targets = np.array([3, 5, 4, 10, 1]), np.array([2, 0, 7])
    ids = np.zeros(int(lengths.sum()), np.int32)
    columns = {"labels": np.zeros(9, np.int32), "labels_lengths": targets, "kind": np.zeros(3, np.int32)}
    store = TokenStore.of(Encoded(ids, lengths, columns, np.array([2, 1, 2])), {"labels": LIST, "kind": ROW})
    rows = np.array([2, 0, 1])
    assert costs(store, rows).tolist() == [11 + 7, 8 + 2, 4]
    assert costs(store, rows, even=100).tolist() == [1800 + 101, 1000 + 34, 400 + 16]
    with pytest.raises(SettingError, match="even=0"):
        costs(store, rows, even=0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: share(np.array([1.5]), 2), "float64 of shape"),
        (lambda: share(np.array([-1]), 2), "from 0 on"),
        (lambda: share(np.array([1]), 0), "ranks=0"),
        (lambda: share(np.array([1]), True), "ranks=True"),
    ],
)
def test_what_is_refused(call, said):
    with pytest.raises(SettingError, match=said):
        call()
