"""Hashed n-grams: the matrix of scikit-learn's `HashingVectorizer`, entry for entry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.metrics import hashing

TEXTS = ["", "a", "  A \t\n b", "ÀÉ İ ΑΣ Σ", "😀😀 x", "\0a\0", "가" * 9, "ㅋㅋㅋ", "좋은 영화, 좋은 영화", "a" * 40]


def same(texts: list[str], ngrams: tuple[int, int], bits: int) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    reference = HashingVectorizer(
        analyzer="char", ngram_range=ngrams, n_features=2**bits, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    found = hashing.counts(texts, *ngrams, bits)
    assert found.shape == reference.shape and found.dtype == reference.dtype
    for name in ("indptr", "indices", "data"):
        assert getattr(found, name).tolist() == getattr(reference, name).tolist()


@pytest.mark.parametrize("ngrams", [(1, 4), (1, 3), (2, 5)])
@pytest.mark.parametrize("chunk", [1, 10, 1 << 18])
def test_counts(ngrams, chunk, monkeypatch):
    monkeypatch.setattr(hashing, "CHUNK", chunk)
    for bits in (4, 10, 18):
        same(TEXTS, ngrams, bits)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=5))
def test_counts_of_any_text(texts):
    same(texts, (1, 4), 12)


def test_a_hash_that_has_no_positive_number():
    """-2³¹ has no absolute value in 32 bits; scikit-learn has a column for it."""
    hashes = np.array([1 << 31, (1 << 32) - 5, 7], np.uint32)
    assert hashing._columns(hashes, 18).tolist() == [(2**31 - 2**18) % 2**18, 5, 7]


def test_nothing():
    assert hashing.counts([], 1, 4, 10).shape == (0, 1024)
