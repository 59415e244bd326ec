"""Labels drawn anew (masking): counted over the whole update, drawn once, the same however the update is packed."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from byeori.batches.loader import Batch, Packing, batches
from byeori.batches.pack import IGNORED, Pack
from byeori.text.store import ROW, Encoded, TokenStore

MASK = 4
ONE, FOUR = Packing(10_000, group_cost=3.0), Packing(45, group_cost=3.0)


def store_of(rows: int = 24, several: bool = False) -> TokenStore:
    rng = np.random.default_rng(7)
    counts = rng.integers(1, 4, rows) if several else np.ones(rows, np.int64)
    lengths = rng.integers(3, 15, counts.sum())
    ids = rng.integers(5, 99, int(lengths.sum())).astype(np.int32)
    return TokenStore.of(Encoded(ids, lengths, {"id": np.arange(rows)}, counts), {"id": ROW})


class Masking:
    """Masks a share of each sequence's tokens, by the seed, the epoch and the sequence alone; counts its calls."""

    def __init__(self, seed: int = 0, epoch: int = 0, share: float = 0.4):
        self.seed, self.epoch, self.share = seed, epoch, share
        self.drawn: list[Pack] = []

    def __call__(self, pack: Pack) -> Pack:
        ids, labels = pack.input_ids.clone(), torch.full_like(pack.input_ids, IGNORED)
        for i, sequence in enumerate(pack.sequences.tolist()):
            start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
            rng = np.random.default_rng([self.seed, self.epoch, sequence])
            places = start + torch.from_numpy(np.flatnonzero(rng.random(length) < self.share))
            labels[places], ids[places] = ids[places], MASK
        self.drawn.append(pack)
        return replace(pack, input_ids=ids, columns={**pack.columns, "labels": labels})


def sequences(packs: list[Pack]) -> dict[int, tuple[list[int], list[int]]]:
    """What stands in the packs for each sequence: ids and labels."""
    found = {}
    for pack in packs:
        for i, sequence in enumerate(pack.sequences.tolist()):
            here = slice(int(pack.layout.starts[i]), int(pack.layout.starts[i] + pack.layout.lengths[i]))
            assert sequence not in found
            found[sequence] = (pack.input_ids[here].tolist(), pack.labels[here].tolist())
    return found


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("packing", [ONE, FOUR], ids=["one pack", "four"])
def test_labels_are_counted_over_the_update(packing, several):
    store = store_of(several=several)
    batch = Batch(store, np.arange(12), packing, draw=Masking())
    packs = list(batch)
    assert (len(packs) >= 3) is (packing is FOUR)
    counted = [int((pack.labels != IGNORED).sum()) for pack in packs]
    assert batch.labels == sum(counted) > 0 and batch.scale == 1 / sum(counted)
    losses = [float((pack.labels != IGNORED).sum() * batch.scale) for pack in packs]
    assert sum(losses) == pytest.approx(1.0)  # a loss of 1 each, summed and scaled, is a mean of 1


@pytest.mark.parametrize("several", [False, True])
def test_one_pack_or_four_hold_the_same(several):
    store = store_of(several=several)
    rows = np.array([3, 17, 4, 20, 0, 9, 11, 12, 23])
    one, four = (Batch(store, rows, packing, draw=Masking(5, 2)) for packing in (ONE, FOUR))
    assert one.labels == four.labels and len(list(one)) == 1 < len(list(four))
    assert sequences(list(one)) == sequences(list(four))
    drawn = sequences(list(one))
    assert sorted(drawn) == sorted(store.sequences_of(rows).tolist())
    for sequence, (ids, labels) in drawn.items():
        own = store.input_ids[store.offsets[sequence] : store.offsets[sequence + 1]].tolist()
        assert [label if label != IGNORED else token for token, label in zip(ids, labels, strict=True)] == own


def test_packs_are_drawn_once():
    """Asked for labels, scale and packs in any order, twice: the same packs."""
    draw = Masking()
    batch = Batch(store_of(), np.arange(12), FOUR, draw=draw)
    assert draw.drawn == []  # nothing before it is asked for
    _ = batch.scale, batch.labels
    first = list(batch)
    again = list(batch)
    assert len(draw.drawn) == len(first) and all(a is b for a, b in zip(first, again, strict=True))


def test_an_update_without_any_label_scales_by_one():
    batch = Batch(store_of(), np.arange(4), ONE, draw=Masking(share=0.0))
    assert (batch.labels, batch.scale) == (0, 1.0)


def test_stored_labels_that_nobody_draws_stay():
    """A draw that only changes ids leaves the labels of the store, and their count, alone."""
    store = store_of()
    labelled = TokenStore.of(
        Encoded(np.asarray(store.input_ids), np.diff(store.offsets), {"labels": np.arange(24) % 3}), {"labels": ROW}
    )
    batch = Batch(labelled, np.arange(5), ONE, draw=lambda pack: replace(pack, input_ids=pack.input_ids + 1))
    (pack,) = batch
    assert batch.labels == 5 and pack.labels.tolist() == (pack.rows % 3).tolist()
    assert int(pack.input_ids.sum()) == int(store.input_ids[: store.offsets[5]].sum()) + pack.computed


class MaskingTask:
    """A task as `batches` sees it."""

    name: ClassVar[str] = "masking"
    apart: ClassVar[bool] = False

    def drawing(self, seed: int, epoch: int) -> Masking:
        return Masking(seed, epoch)


def test_a_task_draws_by_seed_and_epoch():
    """Each update of an epoch is masked; another epoch or seed masks the same rows otherwise."""
    store = store_of()

    def taken(seed: int, epoch: int, **how) -> dict[int, tuple[list[int], list[int]]]:
        updates = batches(store, 8, seed, epoch=epoch, task=MaskingTask(), **how)
        return sequences([pack for batch in updates for pack in batch])

    first = taken(1, 0, packing=ONE)
    assert sorted(first) == list(range(24)) and taken(1, 0, packing=FOUR) == first
    assert taken(1, 1) != first and taken(2, 0) != first
    assert any(MASK in ids for ids, _ in first.values())
    half = sequences([pack for batch in batches(store, 8, 1, start=2, task=MaskingTask()) for pack in batch])
    assert half and all(first[sequence] == drawn for sequence, drawn in half.items())
