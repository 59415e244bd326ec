"""Counting language models against their definitions, computed the slow way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from byeori.metrics.ngrams import Ngrams

VOCABULARY = 5
SEQUENCES = [[1, 2, 1, 2, 3], [2, 1], [4, 1, 2, 2, 1, 2, 3]]


def flat(sequences):
    return np.concatenate(sequences), np.cumsum([len(one) for one in sequences])


def slow(history: tuple[int, ...], token: int) -> float:
    """Witten and Bell's interpolation, straight from the counts."""
    if not history:
        all_tokens = list(itertools.chain(*SEQUENCES))
        return (all_tokens.count(token) + 1) / (len(all_tokens) + VOCABULARY)
    after = [
        one[at + len(history)]
        for one in SEQUENCES
        for at in range(len(one) - len(history))
        if tuple(one[at : at + len(history)]) == history
    ]
    lower = slow(history[1:], token)
    return (after.count(token) + len(set(after)) * lower) / (len(after) + len(set(after))) if after else lower


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_those_of_the_definition(order):
    model = Ngrams(*flat(SEQUENCES), VOCABULARY, order)
    asked = [[1, 2, 3, 0, 4], [3, 3], [1, 2, 2]]
    ids, ends = flat(asked)
    found = model.nll(ids, ends, np.arange(len(ids)))
    expected = [slow(tuple(one[max(0, at - order + 1) : at]), one[at]) for one in asked for at in range(len(one))]
    np.testing.assert_allclose(np.exp(-found), expected, rtol=1e-12)


@pytest.mark.parametrize("history", [[], [1], [1, 2], [3, 3], [0]])
def test_they_sum_to_one(history):
    model = Ngrams(*flat(SEQUENCES), VOCABULARY, 3)
    total = sum(
        np.exp(-model.nll([*history, token], [len(history) + 1], [len(history)])[0]) for token in range(VOCABULARY)
    )
    assert total == pytest.approx(1)


def test_a_history_ends_with_its_sequence():
    model = Ngrams(*flat([[1, 2], [1, 2]]), VOCABULARY, 2)
    apart = model.nll([1, 2, 1, 2], [2, 4], [2])
    assert apart == model.nll([1], [1], [0])


def test_the_best_guess_is_the_most_frequent_one():
    model = Ngrams(*flat(SEQUENCES), VOCABULARY, 3)
    assert model.likeliest == 2
    assert model.best([4, 1, 0], [3], [0, 1, 2]).tolist() == [2, 1, 2]  # nothing known; after 4; after 4 1: 2
    assert model.best([1, 2, 9 % VOCABULARY], [3], [2])[0] == 3  # after 1 2: 3 twice, 1 and 2 once


def test_nothing_but_single_tokens():
    model = Ngrams([3, 1], [1, 2], VOCABULARY, 3)
    assert np.isfinite(model.nll([1, 3], [2], [1])).all() and model.best([1, 3], [2], [1])[0] in (1, 3)
