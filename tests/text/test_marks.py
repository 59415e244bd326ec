"""Spans of decomposed text cover whole syllables and letters; text in NFC is left as tokenizers have it."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.text.marks import is_mark, whole, with_marks


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def syllables(text: str) -> list[tuple[int, int]]:
    """The places that each character of an NFC text has in its NFD."""
    ends = np.cumsum([len(nfd(character)) for character in text]).tolist()
    return list(zip([0, *ends], ends, strict=False))


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("가각힣제ab é한.글ñ"), max_size=12), st.data())
def test_a_span_grows_to_its_syllables(text, data):
    parts, apart = syllables(text), nfd(text)
    start = data.draw(st.integers(0, len(apart)))
    end = data.draw(st.integers(start, len(apart)))
    found = whole(apart, start, end)
    touched = [(a, b) for a, b in parts if a < end and b > start]
    if unicodedata.is_normalized("NFC", apart) or start == end:
        assert found == (start, end)
    else:
        assert found == (touched[0][0], touched[-1][1])
        assert unicodedata.normalize("NFC", apart[slice(*found)]) in text
    assert whole(text, min(1, len(text)), len(text)) == (min(1, len(text)), len(text))  # NFC


@pytest.mark.parametrize("text", ["제주도에 김민수", "cafe\u0301 ñ", "각하"])
def test_ends_of_tokens_take_their_marks(text):
    """As a normalizer that composes has it, a token ends behind the first of what its last character was made of."""
    text = unicodedata.normalize("NFC", text)
    parts, apart = syllables(text), nfd(text)
    starts = np.array([-1, *(a for a, _ in parts), -1])
    ends = np.array([-1, *(a + 1 for a, _ in parts), -1])
    assert with_marks(apart, starts, ends).tolist() == [-1, *(b for _, b in parts), -1]
    assert with_marks(text, np.arange(len(text)), np.arange(1, len(text) + 1)).tolist() == list(range(1, len(text) + 1))


def test_marks_that_are_tokens_themselves_stay_with_their_token():
    apart = nfd("각 é")
    places = np.arange(len(apart))
    assert with_marks(apart, places, places + 1).tolist() == (places + 1).tolist()
    assert [is_mark(one) for one in apart] == [False, True, True, False, False, True]


def test_marks_of_composed_text_stay_outside_as_before():
    """Thai is NFC with its marks: what a tokenizer says of it is kept, so that answers stay those of transformers."""
    text = "ที่นี่"
    assert unicodedata.is_normalized("NFC", text) and whole(text, 0, 1) == (0, 1)
    assert with_marks(text, np.array([0]), np.array([1])).tolist() == [1]
