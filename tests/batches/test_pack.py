"""Packs: groups of least cost, budgets that hold, and the same sequences as the rectangle of the course."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.batches import budget
from byeori.batches.loader import Packing, batches
from byeori.batches.order import Order
from byeori.batches.pack import IGNORED, build
from byeori.text.encode import Encoder
from byeori.text.store import ROW, TOKEN, Encoded, TokenStore
from families import Family, texts

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=9)
SOME = st.lists(st.integers(1, 300), min_size=1, max_size=60)


def cost(lengths: list[int], cuts: list[slice], group_cost: float) -> float:
    return sum(len(lengths[cut]) * lengths[cut][-1] + group_cost for cut in cuts)


@settings(max_examples=150, deadline=None)
@given(LENGTHS, st.sampled_from([0.0, 0.5, 3.0, 7.5, 1e9]))
def test_groups_cost_the_least(lengths, group_cost):
    """Against all 2ⁿ⁻¹ ways to cut."""
    lengths = sorted(lengths)
    found = budget.groups(np.array(lengths), group_cost)
    assert [i for cut in found for i in range(cut.start, cut.stop)] == list(range(len(lengths)))
    assert all(lengths[a.stop - 1] < lengths[b.start] for a, b in itertools.pairwise(found))  # equal ones stay together
    ways = []
    for inner in itertools.product([False, True], repeat=len(lengths) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(inner) if cut), len(lengths)]
        ways.append(cost(lengths, [slice(a, b) for a, b in itertools.pairwise(edges)], group_cost))
    assert cost(lengths, found, group_cost) == pytest.approx(min(ways))


def test_groups_at_the_ends():
    lengths = np.array([3, 3, 5, 9])
    assert budget.groups(lengths, 0.0) == [slice(0, 2), slice(2, 3), slice(3, 4)]  # no padding at all
    assert budget.groups(lengths, 1e9) == [slice(0, 4)]  # one rectangle


@settings(max_examples=150, deadline=None)
@given(SOME, st.integers(1, 2_000))
def test_fill_takes_each_row_once_within_the_budget(lengths, pack_tokens):
    lengths = np.array(lengths)
    packs = budget.fill(lengths, pack_tokens)
    assert sorted(np.concatenate(packs).tolist()) == list(range(len(lengths)))
    for pack in packs:
        assert lengths[pack].sum() <= pack_tokens or len(pack) == 1
        assert (np.diff(lengths[pack]) >= 0).all()
    ends = [(lengths[pack].min(), lengths[pack].max()) for pack in packs]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))  # like lengths together
    assert [pack.tolist() for pack in packs] == [pack.tolist() for pack in budget.fill(lengths, pack_tokens)]


@settings(max_examples=100, deadline=None)
@given(SOME, st.integers(1, 2_000), st.sampled_from([0.0, 3.0, 64.0, 1e9]))
def test_fill_counts_padding_too(lengths, pack_tokens, group_cost):
    """What a pack is computed on is memory: it stays within the budget, whatever its groups cost in padding."""
    lengths = np.array(lengths)
    packs = budget.fill(lengths, pack_tokens, lambda part: budget.computed(lengths[part], group_cost))
    assert sorted(np.concatenate(packs).tolist()) == list(range(len(lengths)))
    store = TokenStore.of(Encoded(np.zeros(lengths.sum(), np.int32), lengths, {}), {})
    for rows in packs:
        pack = build(store, rows, group_cost=group_cost)
        assert pack.computed == budget.computed(lengths[rows], group_cost)
        assert pack.computed <= pack_tokens or len(rows) == 1
    assert len(packs) >= len(budget.fill(lengths, pack_tokens))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_fill_shares_evenly(count):
    """Rows far smaller than the budget: as few packs as there can be, none a small rest."""
    lengths = np.random.default_rng(count).integers(5, 15, 1_000)
    packs = budget.fill(lengths, -(-int(lengths.sum()) // count) + 15)
    sums = [int(lengths[pack].sum()) for pack in packs]
    assert len(packs) == count and max(sums) - min(sums) <= 30


def test_auto_pack_tokens():
    plenty, cost = 10**15, budget.Cost(10**6)
    assert budget.auto_pack_tokens("cpu", plenty, cost, 512) == budget.AUTO_TOKENS_CPU
    assert budget.auto_pack_tokens("cuda", plenty, cost, 512) == budget.AUTO_TOKENS_GPU
    assert budget.auto_pack_tokens("cpu", 4 * 10**9, cost, 512) == 2_000  # half of memory
    assert budget.auto_pack_tokens("cpu", 10**6, cost, 512) == 512  # never less than a row
    assert budget.auto_pack_tokens("cpu", 4 * 10**9, budget.Cost(10**6, fixed=10**9), 512) == 1_000
    assert budget.auto_pack_tokens("cpu", 4 * 10**9, budget.Cost(500_000, pair=1_000), 500) == 2_000


def test_a_vocabulary_takes_its_share_of_memory_until_it_is_cut_in_parts():
    whole = budget.Cost(500_000, wide=1_500_000)
    parts = budget.Cost(500_000, wide=1_500_000, most=10**8)
    assert budget.auto_pack_tokens("cpu", 2 * 10**9, whole, 512) == 512
    assert budget.auto_pack_tokens("cpu", 2 * 10**9, whole, 64) == 500
    assert budget.auto_pack_tokens("cpu", 2 * 10**9, parts, 512) == 1_800
    assert parts.of(1_800, 1) == 10**9


@given(
    memory=st.lists(st.integers(10**6, 10**12), min_size=2, max_size=2).map(sorted),
    cost=st.builds(
        budget.Cost, st.floats(1, 1e7), st.floats(0, 1e4), st.floats(0, 1e7), st.floats(1, 1e10), st.floats(0, 1e10)
    ),
)
def test_more_memory_is_never_a_smaller_budget(memory, cost):
    less, more = (budget.auto_pack_tokens("cpu", one, cost, 64) for one in memory)
    assert 64 <= less <= more <= budget.AUTO_TOKENS_CPU


@pytest.fixture(scope="module")
def tokenizer():
    return Family("bert").tokenizer()


def pairs_store(tokenizer, rows: int = 25) -> TokenStore:
    """Texts and pairs with segment ids, a label a row and a number a token, as a token task has them."""
    firsts = [texts()[3 * i] for i in range(rows)]
    seconds = [texts()[i + 1] if i % 3 else None for i in range(rows)]
    encoded = Encoder(tokenizer, 48, token_types=True)(firsts, seconds)
    rng = np.random.default_rng(0)
    encoded.columns |= {
        "labels": rng.integers(0, 5, len(encoded.input_ids)),
        "weight": rng.random((rows, 2)).astype(np.float32),
        "depth": rng.random(len(encoded.input_ids)).astype(np.float32),
    }
    levels = {"token_type_ids": TOKEN, "labels": TOKEN, "weight": ROW, "depth": TOKEN}
    return TokenStore.of(encoded, levels, {"input_ids": tokenizer.pad_token_id})


CHOICES = {
    "exact": {"group_cost": 0.0},
    "few": {"group_cost": 5.0},
    "one": {"group_cost": 1e9},
    "varlen": {"varlen": True},
}


@pytest.mark.parametrize("how", CHOICES)
def test_a_sequence_stands_at_its_place(tokenizer, how):
    store = pairs_store(tokenizer)
    chosen = np.array([7, 3, 24, 0, 11, 12, 8])
    pack = build(store, chosen, **CHOICES[how])
    assert sorted(pack.rows.tolist()) == sorted(chosen.tolist()) and len(pack) == len(chosen)
    covered = torch.zeros(pack.computed, dtype=torch.int64)
    for i, row in enumerate(pack.rows.tolist()):
        start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
        here = slice(start, start + length)
        expected = store[row]
        assert pack.input_ids[here].tolist() == expected["input_ids"]
        assert pack.token_type_ids[here].tolist() == expected["token_type_ids"]
        assert pack.position_ids[here].tolist() == list(range(length))
        assert pack.labels[here].tolist() == expected["labels"]
        assert pack.columns["depth"][here].tolist() == expected["depth"]
        assert pack.columns["weight"][i].tolist() == expected["weight"]
        covered[here] += 1
    assert covered.max() == 1 and int(covered.sum()) == pack.tokens == int(store.lengths(chosen).sum())
    rest = covered == 0  # padding: the pad token, no label, segment 0
    assert set(pack.input_ids[rest].tolist()) <= {tokenizer.pad_token_id}
    assert set(pack.labels[rest].tolist()) <= {IGNORED} and set(pack.token_type_ids[rest].tolist()) <= {0}
    assert pack.input_ids.dtype == pack.position_ids.dtype == pack.labels.dtype == torch.int64
    if how in ("exact", "varlen"):
        assert pack.computed == pack.tokens and not pack.layout.masks
    if how == "varlen":
        assert pack.layout.cu_seqlens.tolist() == [0, *np.cumsum(pack.layout.lengths.numpy()).tolist()]
        assert pack.layout.cu_seqlens.dtype == torch.int32 and pack.layout.max_length == max(pack.layout.lengths)


@pytest.mark.parametrize("how", CHOICES)
def test_groups_tile_the_pack(tokenizer, how):
    """Group after group, no token between; a group as a batch of its own is what tokenizer.pad gives."""
    store = pairs_store(tokenizer)
    pack = build(store, np.arange(25), **CHOICES[how])
    stop = first = 0
    for number, group in enumerate(pack.layout.groups):
        assert (group.start, group.first) == (stop, first)
        stop, first = group.stop, first + group.count
        rows = pack.rows[group.first : group.first + group.count]
        names = ("input_ids", "token_type_ids")
        expected = tokenizer.pad([{name: store[r][name] for name in names} for r in rows], return_tensors="pt")
        rectangle = pack.rectangle(group)
        assert rectangle.keys() == expected.keys()
        assert all(torch.equal(rectangle[name], expected[name]) for name in expected)
        assert group.ragged is (not bool(expected["attention_mask"].all())) is (number in pack.layout.masks)
        if group.ragged:
            assert torch.equal(pack.layout.masks[number][:, 0, 0], expected["attention_mask"].bool())
    assert (stop, first) == (pack.computed, len(pack))


@pytest.mark.parametrize("how", CHOICES)
def test_padded_is_what_the_collator_gives(tokenizer, how):
    from transformers import DataCollatorForTokenClassification

    store = pairs_store(tokenizer)
    pack = build(store, np.array([7, 3, 24, 0, 11, 12, 8]), **CHOICES[how])
    names = ("input_ids", "token_type_ids", "labels")
    expected = DataCollatorForTokenClassification(tokenizer)([{n: store[r][n] for n in names} for r in pack.rows])
    padded = pack.padded()
    assert padded.keys() == {*expected.keys(), "weight", "depth"}
    assert all(torch.equal(padded[name], expected[name]) for name in expected)
    assert padded["weight"].tolist() == [store[r]["weight"] for r in pack.rows]
    assert padded["depth"].shape == padded["input_ids"].shape


def test_labels_stay_behind_where_nobody_asks(tokenizer):
    pack = build(pairs_store(tokenizer), np.arange(4), columns=False)
    assert pack.columns == {} and pack.token_type_ids is not None
    assert set(pack.padded()) == {"input_ids", "attention_mask", "token_type_ids"}


def test_a_padded_column_has_its_own_fill():
    store = TokenStore.of(
        Encoded(np.arange(5, dtype=np.int32), np.array([1, 4]), {"tag": np.arange(5)}), {"tag": TOKEN}, {"tag": -7}
    )
    assert build(store, np.arange(2), group_cost=1e9).columns["tag"].tolist() == [0, -7, -7, -7, 1, 2, 3, 4]


def windows_store() -> TokenStore:
    """Rows of one to three sequences, as windows and choices make them; labels count a token each."""
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 4, 30)
    lengths = rng.integers(2, 20, counts.sum())
    tokens = int(lengths.sum())
    labels = np.where(rng.random(tokens) < 0.3, IGNORED, rng.integers(0, 5, tokens))
    encoded = Encoded(
        rng.integers(5, 99, tokens).astype(np.int32), lengths, {"labels": labels, "id": np.arange(30)}, counts
    )
    return TokenStore.of(encoded, {"labels": TOKEN, "id": ROW})


@pytest.mark.parametrize("order", ["grouped", "random"])
@pytest.mark.parametrize("pack_tokens", [1, 60, 10_000])
def test_updates_hold_their_rows_whole(order, pack_tokens):
    """Several sequences a row stay in one pack; all tokens and labels of an update are there, once."""
    store = windows_store()
    packing = Packing(pack_tokens, group_cost=3.0)
    plan = Order(len(store), 8, 5, order, store.lengths)
    for step, batch in enumerate(batches(store, 8, 5, epoch=2, order=order, packing=packing)):
        assert batch.rows.tolist() == plan.batch(2, step).tolist()
        packs = list(batch)
        seen: dict[int, list[list[int]]] = {}
        for number, pack in enumerate(packs):
            assert pack.columns["id"].tolist() == pack.rows.tolist()
            assert pack.computed <= pack_tokens or len(set(pack.rows.tolist())) == 1
            for i, row in enumerate(pack.rows.tolist()):
                start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
                seen.setdefault(row, []).append([number, *pack.input_ids[start : start + length].tolist()])
        assert sorted(seen) == sorted(batch.rows.tolist())
        for row, found in seen.items():
            assert len({one[0] for one in found}) == 1
            own = [store.input_ids[store.offsets[s] : store.offsets[s + 1]].tolist() for s in store.sequences_of([row])]
            assert sorted(one[1:] for one in found) == sorted(own)
        counted = sum(int((pack.labels != IGNORED).sum()) for pack in packs)
        assert batch.labels == counted and batch.scale == 1 / counted
    assert step == plan.steps - 1


def test_updates_can_be_taken_up_anywhere():
    store = windows_store()
    whole = [batch.rows.tolist() for batch in batches(store, 4, 3, epoch=1)]
    assert [batch.rows.tolist() for batch in batches(store, 4, 3, epoch=1, start=5)] == whole[5:]


def test_rows_are_the_labels_of_a_row_task(tokenizer):
    store = TokenStore.of(
        Encoded(np.arange(9, dtype=np.int32), np.array([2, 3, 4]), {"labels": np.array([1, 0, 2])}), {"labels": ROW}
    )
    (batch,) = batches(store, 8)
    (pack,) = batch
    assert (batch.labels, batch.scale) == (3, 1 / 3)
    assert pack.labels.tolist() == [[1, 0, 2][row] for row in pack.rows]


def test_a_pack_moves_whole(tokenizer):
    pack = build(pairs_store(tokenizer), np.arange(6), group_cost=1e9)
    moved = pack.to("meta")
    tensors = [moved.input_ids, moved.position_ids, moved.token_type_ids, *moved.columns.values()]
    tensors += [moved.layout.lengths, moved.layout.starts, *moved.layout.masks.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.layout.groups == pack.layout.groups and moved.rows is pack.rows
