"""Splits: seeded, stratified, disjoint, and without a text on two sides."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from byeori.data import disk, mapped, split
from byeori.data.split import split_indices, text_groups
from byeori.errors import DataError, SettingError


@settings(max_examples=100, deadline=None)
@given(
    labels=st.lists(st.sampled_from("aaabbc"), min_size=30, max_size=200),
    seed=st.integers(0, 5),
    texts=st.integers(10, 200),
)
def test_invariants(labels, seed, texts):
    groups = np.random.default_rng(seed).integers(0, texts, len(labels))
    try:
        parts = split_indices(labels, 0.2, 0.2, seed, groups)
    except DataError:
        assert len(np.unique(groups)) < 30
        return
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    sides = [set(groups[at]) for at in parts.values()]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert {labels[i] for i in parts["train"]} == set(labels)
    again = split_indices(labels, 0.2, 0.2, seed, groups)
    assert all((parts[k] == again[k]).all() for k in parts)


def test_shares_are_those_of_a_stratified_split():
    labels = np.repeat(["a", "b", "c"], [700, 250, 50])
    parts = split_indices(labels, 0.1, 0.2, seed=3)
    _, reference = train_test_split(np.arange(1000), test_size=0.2, stratify=labels, random_state=0)
    assert sorted(labels[parts["test"]].tolist()) == sorted(labels[reference].tolist())
    assert [len(parts[p]) for p in ("train", "validation", "test")] == [700, 100, 200]


def test_seeds_differ_and_counts_are_taken():
    first, second = (split_indices(100, 10, 0, seed)["validation"] for seed in (0, 1))
    assert len(first) == len(second) == 10
    assert first.tolist() != second.tolist()
    assert list(split_indices(100, 0, 0)) == ["train"]


def test_equal_texts_are_one_group():
    table = datasets.Dataset.from_dict({"text": ["a", "b", "a", "a"], "text_pair": ["x", "x", "x", "y"]})
    groups = text_groups(table)
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_rare_classes_stay_in_training():
    labels = ["a"] * 50 + ["b"] * 50 + ["c"]
    assert all(100 in split_indices(labels, 0.3, 0.3, seed)["train"] for seed in range(20))


def test_too_few_rows():
    with pytest.raises(DataError, match="too few .*--validation"):
        split_indices(["a", "b"], 0.1)
    with pytest.raises(DataError, match="too few"):
        split_indices(["a", "b"] * 5, 20)
    with pytest.raises(DataError, match="different texts"):
        split_indices(["a", "b"] * 10, 0.2, 0.0, 0, np.zeros(20, int))
    with pytest.raises(SettingError, match="validation_size"):
        split_indices(["a", "b"] * 5, -1)


def test_large_columns_fall_into_the_same_groups(monkeypatch):
    texts = ["나", "가", None, "나", "a b", "가", None, "", "c"] * 40
    table = datasets.Dataset.from_dict({"text": texts, "text_pair": ["x", "y", "x"] * 120})
    sorted_ = text_groups(table)
    monkeypatch.setattr(split, "_RANKED", 0)
    monkeypatch.setattr(disk, "BATCH", 50)
    monkeypatch.setattr(mapped, "BLOCK", 30)
    monkeypatch.setattr(mapped, "LEAST", 1)
    hashed = text_groups(table)
    assert len(set(zip(sorted_, hashed, strict=True))) == len(set(sorted_)) == len(set(hashed))
    assert set(hashed) == set(range(len(set(hashed))))


def at_once(labels, wanted: dict[str, int], seed: int, groups: np.ndarray) -> dict[str, np.ndarray]:
    """A split as it is defined, with whole arrays."""
    rows = len(labels)
    _, classes = np.unique(labels, return_inverse=True)
    groups = np.unique(groups, return_inverse=True)[1]
    first = np.full(int(groups.max()) + 1, rows)
    np.minimum.at(first, groups, np.arange(rows))
    sizes, stratum = np.bincount(groups), classes[first]
    part_of = np.zeros(len(sizes), np.int64)
    totals = np.bincount(stratum, weights=sizes).astype(np.int64)
    shares = [split._apportion(totals, size) for size in wanted.values()]
    shuffled = np.random.default_rng([seed, 0x5EED]).permutation(len(sizes))
    for number in range(len(totals)):
        members = shuffled[stratum[shuffled] == number]
        ends = np.cumsum(sizes[members])
        begins, done = ends - sizes[members], 0
        for part, share in enumerate(shares, 1):
            inside = (begins >= done) & (ends <= min(done + int(share[number]), int(totals[number]) - 1))
            part_of[members[inside]] = part
            done = max(done, int(ends[inside].max())) if inside.any() else done
    for missing in set(classes) - set(classes[part_of[groups] == 0]):
        part_of[groups[np.flatnonzero(classes == missing)[0]]] = 0
    return {part: np.flatnonzero(part_of[groups] == at) for at, part in enumerate(("train", *wanted))}


@pytest.mark.parametrize("block", [11, 1 << 16])
def test_blocks_change_nothing(monkeypatch, block):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(mapped, "BLOCK", block)
    monkeypatch.setattr(mapped, "LEAST", 1)
    for seed, texts in ((0, 300), (1, 90), (2, 40)):
        labels, groups = rng.choice(["a", "b", "c", "dd"], 300, p=(0.5, 0.3, 0.17, 0.03)), rng.integers(5, texts, 300)
        found = split_indices(labels, 30, 45, seed, groups)
        known = at_once(labels, {"validation": 30, "test": 45}, seed, groups)
        assert found.keys() == known.keys() and all((found[part] == known[part]).all() for part in found)
        dense = np.unique(groups, return_inverse=True)[1].astype(np.int32)
        again = split_indices(labels, 30, 45, seed, dense)
        assert all((again[part] == known[part]).all() for part in known)


@pytest.mark.parametrize("labels", [160, ["a", "b"] * 80])
def test_groups_larger_than_what_is_asked_for_give_the_smallest(labels):
    """Sixteen paragraphs with ten questions each, but one of four, and six are wanted."""
    groups = np.repeat(np.arange(16), 10)
    groups[np.flatnonzero(groups == 7)[4:]] = 8
    found = split_indices(labels, 0.0, 3, seed=1, groups=groups)
    assert set(groups[found["test"]]) == {7} and len(found["test"]) == 4
    assert len(found["train"]) == 156 and not set(groups[found["train"]]) & {7}


def test_a_group_with_the_only_rows_of_a_class_stays_in_training():
    groups = np.repeat(np.arange(4), [3, 10, 10, 10])
    labels = ["rare"] * 3 + ["a", "b"] * 15
    found = split_indices(labels, 0.0, 2, seed=0, groups=groups)
    assert len(found["test"]) == 10 and set(found["train"]) >= {0, 1, 2}
