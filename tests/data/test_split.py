"""Splits: seeded, stratified, disjoint, and without a text on two sides."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from byeori.data import split
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
    monkeypatch.setattr(split, "_SORTED", 0)
    monkeypatch.setattr(split, "_BLOCK", 50)
    hashed = text_groups(table)
    assert len(set(zip(sorted_, hashed, strict=True))) == len(set(sorted_)) == len(set(hashed))
