"""Marks that belong to the character before them: spans of decomposed text (NFD) that cut no syllable or letter apart.

A normalizer that composes or strips marks (NFC, BERT's accents) leaves them outside its tokens: of decomposed "제주도" it
says "제주ᄃ", which is no part of the text that anybody would read.
Invariant: in text that is NFC nothing is changed, whatever marks it has: there a tokenizer's own offsets are kept.

    whole(unicodedata.normalize("NFD", "제주도"), 0, 5) == (0, 6)
"""

from __future__ import annotations

import unicodedata

import numpy as np


def is_mark(character: str) -> bool:
    """Combining marks, and Hangul's vowels and finals where they stand by themselves (conjoining jamo)."""
    point = ord(character)
    return 0x1160 <= point <= 0x11FF or 0xD7B0 <= point <= 0xD7FF or unicodedata.category(character).startswith("M")


def with_marks(text: str, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The ends of a text's tokens with the marks that belong to their last character and to no token behind it.

    starts, ends: integers (tokens,), characters of the text; tokens without characters, such as (−1, −1), stay as they are.
    """
    if unicodedata.is_normalized("NFC", text):
        return ends
    found = ends.copy()
    limit = len(text)
    for token in range(len(found) - 1, -1, -1):
        end = int(ends[token])
        while end < limit and ends[token] > starts[token] and is_mark(text[end]):
            end += 1
        found[token] = end
        limit = min(limit, int(starts[token])) if token and starts[token] >= ends[token - 1] else limit
    return found


def whole(text: str, start: int, end: int) -> tuple[int, int]:
    """A span of decomposed text, and what of its first and its last character lies outside it."""
    if start >= end or unicodedata.is_normalized("NFC", text):
        return start, end
    while start > 0 and is_mark(text[start]) and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and is_mark(text[end]):
        end += 1
    return start, end
