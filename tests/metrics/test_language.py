"""Perplexity, bits and accuracy equal what they are defined as, over documents."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from byeori.errors import DataError
from byeori.metrics.language import LanguageScore, language_scores


def case(seed: int, n: int = 60):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, 40, n)
    return rng.gamma(3.0, 1.0, n) * tokens, tokens, tokens * 3 + 1, tokens * 7, rng.binomial(tokens, 0.3)


def test_perplexity_is_exp_of_the_mean_cross_entropy():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 7, 11, dtype=torch.float64), torch.randint(0, 11, (3, 7))
    labels[1, 4:] = labels[2, 1:] = -100
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
    mean = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100).item()
    asked = labels != -100
    right = ((logits.argmax(-1) == labels) & asked).sum(1)
    found = language_scores(losses.sum(1).tolist(), asked.sum(1).tolist(), right=right.tolist(), resamples=0)
    assert found["perplexity"]["value"] == pytest.approx(math.exp(mean), rel=1e-12)
    assert found["accuracy"]["value"] == right.sum().item() / asked.sum().item()


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary():
    # and, over an alphabet of 256 bytes, 8 bits a byte
    found = language_scores([5 * math.log(256)] * 2, [5, 5], bytes=[5, 5], characters=[5, 5], resamples=0)
    assert {name: entry["value"] for name, entry in found.items()} == pytest.approx(
        {"perplexity": 256.0, "bits_per_byte": 8.0, "bits_per_character": 8.0}
    )


def test_long_documents_weigh_by_their_tokens():
    nll, tokens, characters, size, right = case(0)
    found = language_scores(nll, tokens, characters=characters, bytes=size, right=right, resamples=400)
    assert {name: entry["value"] for name, entry in found.items()} == pytest.approx(
        {
            "perplexity": math.exp(nll.sum() / tokens.sum()),
            "bits_per_character": nll.sum() / math.log(2) / characters.sum(),
            "bits_per_byte": nll.sum() / math.log(2) / size.sum(),
            "accuracy": right.sum() / tokens.sum(),
        },
        rel=1e-12,
    )
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())
    assert found == language_scores(nll, tokens, characters=characters, bytes=size, right=right, resamples=400)


def test_weights_are_repeated_documents():
    nll, tokens, characters, size, right = case(1)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    repeated = [np.repeat(column, weights) for column in (nll, tokens, characters, size, right)]
    names = ("characters", "bytes", "right")
    score = LanguageScore(nll, tokens, **dict(zip(names, (characters, size, right), strict=True)))
    again = LanguageScore(*repeated[:2], **dict(zip(names, repeated[2:], strict=True)))
    assert score(weights) == pytest.approx(again(), rel=1e-12)


def test_one_document_has_no_interval():
    assert language_scores([2.0], [1])["perplexity"] == {"value": math.exp(2.0), "low": None, "high": None}


def test_a_perplexity_past_floats_is_undefined():
    found = language_scores([1e6, 1e6], [1, 1])
    assert found["perplexity"] == {"value": None, "low": None, "high": None}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_documents_in_which_nothing_was_masked():
    found = language_scores([0.0, 3.0], [0, 3], right=[0, 1], resamples=200)
    assert found["accuracy"]["value"] == pytest.approx(1 / 3) and found["accuracy"]["low"] is not None


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="Document 2: nll is nan"):
        language_scores([1.0, math.nan], [1, 1])
    with pytest.raises(DataError, match="Document 1: tokens is -1"):
        language_scores([1.0], [-1])
    with pytest.raises(DataError, match="all 2 documents have 0 tokens"):
        language_scores([0.0, 0.0], [0, 0])
    with pytest.raises(DataError, match="1 predictions for 2 references"):
        language_scores([1.0, 1.0], [1])
    with pytest.raises(DataError, match="nothing to score"):
        language_scores([], [])
    with pytest.raises(DataError, match="Document 2: 3 of 2 tokens"):
        language_scores([1.0, 1.0], [2, 2], right=[1, 3])
