"""What learning_rate="auto" stands for."""

from __future__ import annotations

import pytest

from byeori.train.optimize import learning_rate_for


@pytest.mark.parametrize(
    ("batch", "width", "rate", "whose"),
    [
        (8, 768, 5e-5, "transformers' default, at the tutorials' batch"),
        (32, 768, 1e-4, "ELECTRA base"),
        (32, 256, 3e-4, "ELECTRA small"),
        (32, 1024, 2e-5, "RoBERTa large"),
        (32, 16, 1e-3, "never more"),
    ],
)
def test_learning_rate_meets_the_published_ones(batch, width, rate, whose):
    assert learning_rate_for(batch, width) == pytest.approx(rate), whose


@pytest.mark.parametrize("width", [384, 1024])
def test_four_times_the_batch_doubles_the_rate(width):
    assert learning_rate_for(64, width) == pytest.approx(2 * learning_rate_for(16, width))
