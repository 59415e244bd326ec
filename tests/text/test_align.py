"""Units and the tokens that carry them, through windows that overlap."""

from __future__ import annotations

import numpy as np

from byeori.text.align import carriers

TEXT = "aabb cc dd"
WORDS = [(0, 4), (5, 7), (8, 10)]


def found(spans, lengths, sure):
    starts, ends = np.array(spans).T
    return carriers(TEXT, WORDS, starts, ends, np.array(lengths), np.array(sure)).tolist()


def test_a_word_is_carried_by_its_first_token():
    spans = [(-1, -1), (0, 2), (2, 4), (4, 7), (8, 10), (-1, -1)]  # "aa", "bb", " cc" as bytes have it, "dd"
    assert found(spans, [6], [0.1] * 6) == [1, 3, 4]
    assert found(spans[:4], [4], [0.1] * 4) == [1, 3, -1]  # cut off


def test_of_windows_the_surest_first_token_counts():
    spans = [(0, 2), (2, 4), (4, 7), (2, 4), (4, 7), (8, 10)]
    assert found(spans, [3, 3], [0.5, 0.5, 0.6, 0.9, 0.7, 0.5]) == [0, 4, 5]  # not "bb", where the second one begins
    assert found(spans, [3, 3], [0.5, 0.5, 0.8, 0.9, 0.7, 0.5]) == [0, 2, 5]


def test_a_text_without_words_has_none():
    empty = carriers("", [], np.array([-1, -1]), np.array([-1, -1]), np.array([2]), np.array([0.5, 0.5]))
    assert empty.tolist() == []
