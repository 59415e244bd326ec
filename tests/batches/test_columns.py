"""What a pack carries beside its tokens: a value a sequence, a row, or a list, in the pack's own order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from byeori.batches.loader import Packing, batches
from byeori.batches.pack import IGNORED, build
from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, Encoded, TokenStore

LEVELS = {"spans": SEQUENCE, "id": ROW, "labels": LIST, "target": LIST, "weights": LIST, "boxes": LIST}
PAD = {"input_ids": 3, "target": 7}


def lists_store(rows: int = 20, levels: dict[str, str] = LEVELS) -> TokenStore:
    """Rows of one to three sequences with lists of none to six items."""
    rng = np.random.default_rng(2)
    counts, items = rng.integers(1, 4, rows), rng.integers(0, 7, rows)
    items[3] = 0
    lengths = rng.integers(2, 20, counts.sum())
    total = int(items.sum())
    columns = {
        "spans": rng.integers(0, 9, (int(counts.sum()), 2)), "id": np.arange(rows),
        "labels": rng.integers(5, 99, total).astype(np.int32), "target": rng.integers(5, 99, total).astype(np.int32),
        "weights": rng.random(total).astype(np.float32), "boxes": rng.integers(0, 9, (total, 4)),
        **{f"{name}_lengths": items for name in ("labels", "target", "weights", "boxes")},
    }  # fmt: skip
    ids = rng.integers(5, 99, int(lengths.sum())).astype(np.int32)
    return TokenStore.of(Encoded(ids, lengths, columns, counts), levels, PAD)


def windows_of(store: TokenStore, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The sequences of these rows, and the row of each, as `build` takes them."""
    counts = store.row_offsets[rows + 1] - store.row_offsets[rows]
    return {"sequences": store.sequences_of(rows), "rows": np.repeat(rows, counts)}


@pytest.mark.parametrize(
    "how", [{"group_cost": 0.0}, {"group_cost": 6.0}, {"group_cost": 1e9}, {"varlen": True}], ids=str
)
def test_each_sequence_has_its_own_and_its_rows(how):
    store = lists_store()
    chosen = windows_of(store, np.array([7, 3, 19, 0]))
    pack = build(store, **chosen, **how)
    assert sorted(pack.sequences.tolist()) == sorted(chosen["sequences"].tolist())
    longest = max(len(store[row]["labels"]) for row in (7, 3, 19, 0))
    for i, (sequence, row) in enumerate(zip(pack.sequences.tolist(), pack.rows.tolist(), strict=True)):
        start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
        ids = store.input_ids[store.offsets[sequence] : store.offsets[sequence + 1]]
        assert pack.input_ids[start : start + length].tolist() == ids.tolist()
        assert pack.columns["spans"][i].tolist() == store.columns["spans"][sequence].tolist()
        assert pack.columns["id"][i] == row
        for name, fill in (("labels", IGNORED), ("target", 7), ("weights", 0.0)):
            own = store[row][name]
            assert pack.columns[name][i].tolist() == own + [fill] * (longest - len(own))
    assert pack.columns["boxes"].shape == (len(pack), longest, 4)
    kinds = {name: values.dtype for name, values in pack.columns.items()}
    assert kinds["labels"] == kinds["target"] == kinds["boxes"] == torch.int64 and kinds["weights"] == torch.float32


def test_lists_that_are_all_empty():
    pack = build(lists_store(), **windows_of(lists_store(), np.array([3])))
    assert pack.labels.shape == (len(pack), 0) and pack.columns["boxes"].shape == (len(pack), 0, 4)


def test_lists_and_spans_are_padded_as_they_are():
    """`padded()` pads what belongs to tokens alone."""
    store = lists_store()
    pack = build(store, **windows_of(store, np.arange(6)))
    padded = pack.padded()
    for name in LEVELS:
        assert padded[name] is pack.columns[name]
    assert padded["input_ids"].shape[0] == len(pack)
    assert {tensor.device.type for tensor in pack.to("meta").columns.values()} == {"meta"}


@pytest.mark.parametrize("pack_tokens", [1, 80, 10_000])
def test_updates_carry_lists_whole(pack_tokens):
    """All labels of an update are there, once a row, and counted; a pack's room is for its lists too."""
    store = lists_store(60)
    for batch in batches(store, 8, 5, packing=Packing(pack_tokens, group_cost=3.0)):
        packs = list(batch)
        expected = int(sum(len(store[row]["labels"]) for row in batch.rows))
        firsts = [[pack.rows.tolist().index(row) for row in dict.fromkeys(pack.rows.tolist())] for pack in packs]
        counted = sum(int((pack.labels[first] != IGNORED).sum()) for pack, first in zip(packs, firsts, strict=True))
        assert batch.labels == counted == expected and batch.scale == 1 / max(1, expected)
        for pack in packs:
            own = set(pack.rows.tolist())
            room = pack.computed + sum(len(own) * pack.columns[name].shape[1] for name in store.list_offsets)
            assert room <= pack_tokens or len(own) == 1


@pytest.mark.parametrize(("level", "labels"), [(SEQUENCE, "windows"), (ROW, "rows"), (TOKEN, "tokens")])
def test_what_counts_as_a_label(level, labels):
    """Windows whose label isn't −100 (all of them, where a label is a pair), rows, tokens whose label isn't −100."""
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 4, 12)
    lengths = rng.integers(2, 9, counts.sum())
    sizes = {"windows": len(lengths), "rows": 12, "tokens": int(lengths.sum())}
    values = rng.integers(0, 4, sizes[labels])
    if labels != "rows":
        values[::3] = IGNORED
    ids = np.zeros(int(lengths.sum()), np.int32)
    store = TokenStore.of(Encoded(ids, lengths, {"labels": values}, counts), {"labels": level})
    for pack_tokens in (10, 1_000):
        for batch in batches(store, 5, packing=Packing(pack_tokens)):
            packs = list(batch)
            if labels == "rows":
                assert batch.labels == len(batch.rows) == len({row for pack in packs for row in pack.rows.tolist()})
            else:
                assert batch.labels == sum(int((pack.labels != IGNORED).sum()) for pack in packs)
    pairs = TokenStore.of(Encoded(ids, lengths, {"labels": np.zeros((len(lengths), 2))}, counts), {"labels": SEQUENCE})
    assert [batch.labels for batch in batches(pairs, 12)] == [len(lengths)]
