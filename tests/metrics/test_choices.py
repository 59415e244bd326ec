"""Multiple choice: accuracy with its interval, the most frequent index, a linear model on what choice and text share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from byeori.errors import DataError
from byeori.metrics.choices import accuracy, linear, trivial


def test_accuracy_and_its_interval():
    rng = np.random.default_rng(0)
    right = rng.integers(0, 4, 400)
    chosen = np.where(rng.random(400) < 0.7, right, (right + 1) % 4)
    (found,) = accuracy(chosen, right, resamples=2000).values()
    share = np.mean(chosen == right)
    assert found["value"] == pytest.approx(share)
    low, high = stats.binom.ppf([0.025, 0.975], 400, share) / 400
    assert found["low"] == pytest.approx(low, abs=0.01) and found["high"] == pytest.approx(high, abs=0.01)
    assert accuracy([1], [1], resamples=0) == {"accuracy": {"value": 1.0, "low": None, "high": None}}
    with pytest.raises(DataError):
        accuracy([], [])
    with pytest.raises(DataError):
        accuracy([1], [1, 2])


def test_the_trivial_one_takes_an_index_that_the_row_has():
    assert trivial([3, 3, 3, 1, 1, 0], [4, 5, 3, 2]).tolist() == [3, 3, 1, 1]


def test_the_linear_one_finds_that_the_right_choice_repeats_the_text():
    """Or that it doesn't: which way it goes is learnt. In Korean the shared word has another particle (조사)."""
    words = [f"{noun}{place}" for place in range(40) for noun in ("나무", "바다", "tree ", "sea ")]
    rng = np.random.default_rng(1)
    asked, choices, right = [], [], []
    for place in range(60):
        own, *others = rng.choice(words, 4 + place % 2, replace=False)
        at = int(rng.integers(0, len(others) + 1))
        asked.append(f"어제 {own}에서 무엇을 보았나?")
        choices.append(
            [*(f"{word}이 좋다" for word in others[:at]), f"{own}이 좋다", *(f"{word}이 좋다" for word in others[at:])]
        )
        right.append(at)
    found = linear(asked[:40], choices[:40], right[:40], asked[40:], choices[40:])
    assert np.mean(found == np.array(right[40:])) > 0.9
    unlike = [
        int(np.argmin([len(set(one) & set(text)) for one in row])) for text, row in zip(asked, choices, strict=True)
    ]
    found = linear(asked[:40], choices[:40], unlike[:40], asked[40:], choices[40:])
    assert np.mean(found == np.array(right[40:])) < 0.2
