"""What characters rows are written in: script of each letter, and the characters that nobody sees.

Texts are looked at as one array of code points; only the few thousand different ones are asked what they are.

    Characters.of(["안녕", "hello"]).dominant.tolist() == [1, 0]      # indexes SCRIPTS
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

SCRIPTS = ("latin", "hangul", "han", "kana", "cyrillic", "greek", "arabic", "hebrew", "thai", "devanagari", "other")
_NAMES = {
    "LATIN": 0, "FULLWIDTH LATIN": 0, "HANGUL": 1, "HALFWIDTH HANGUL": 1, "CJK": 2, "HIRAGANA": 3, "KATAKANA": 3,
    "HALFWIDTH KATAKANA": 3, "CYRILLIC": 4, "GREEK": 5, "ARABIC": 6, "HEBREW": 7, "THAI": 8, "DEVANAGARI": 9,
}  # fmt: skip
LETTERS = len(SCRIPTS)
NOTHING, CONTROL, WIDTHLESS, BROKEN = range(LETTERS, LETTERS + 4)
_CLASSES = BROKEN + 1
_JOINERS = {0x200C, 0x200D}  # between letters of Indic and Arabic scripts, and inside emoji: as they should be
_WIDTHLESS = {
    0x00AD,
    0x034F,
    0x061C,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x180E,
    0x200B,
    0x200E,
    0x200F,
    0x2060,
    0x3164,
    0xFEFF,
    0xFFA0,
}
_WIDTHLESS |= {*range(0x202A, 0x202F), *range(0x2061, 0x2065), *range(0x2066, 0x2070)}
WEIGHTS = np.array([1 if name not in ("hangul", "han", "kana") else 3 for name in SCRIPTS], np.int32)
CHUNK = 4_000_000  # code points looked at together


@cache
def kind(point: int) -> int:
    """The class of a code point: an index of SCRIPTS, CONTROL, WIDTHLESS, BROKEN, or NOTHING for all else."""
    character = chr(point)
    category = unicodedata.category(character)
    if point == 0xFFFD or category in ("Cs", "Cn"):
        return BROKEN
    if category == "Cc":
        return NOTHING if character in "\t\n\r" else CONTROL
    if point in _WIDTHLESS:
        return WIDTHLESS
    if not category.startswith("L"):
        return NOTHING
    words = unicodedata.name(character, "").split(" ")
    return _NAMES.get(words[0], _NAMES.get(" ".join(words[:2]), LETTERS - 1))


@dataclass(slots=True)
class Characters:
    """lengths: int64 (n,) code points. letters: int32 (n, scripts). dominant: int8 (n,), the script that says most of a row
    (a syllable or sign of WEIGHTS letters), −1 without any. control, widthless, broken: bool (n,)."""

    lengths: np.ndarray
    letters: np.ndarray
    dominant: np.ndarray
    control: np.ndarray
    widthless: np.ndarray
    broken: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Characters:
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        table = np.zeros((len(texts), _CLASSES), np.int64)
        first, total = 0, 0
        for place, length in enumerate(lengths):
            total += int(length)
            if total >= CHUNK or place + 1 == len(texts):
                _count(texts[first : place + 1], lengths[first : place + 1], table[first : place + 1])
                first, total = place + 1, 0
        letters = table[:, :LETTERS].astype(np.int32)
        dominant = np.where(letters.any(1), (letters * WEIGHTS).argmax(1), -1).astype(np.int8)
        return cls(lengths, letters, dominant, *(table[:, one] > 0 for one in (CONTROL, WIDTHLESS, BROKEN)))

    @property
    def scripts(self) -> np.ndarray:
        """int64 (scripts,): letters of each in all rows."""
        return self.letters.sum(0, dtype=np.int64)


def _count(texts: Sequence[str], lengths: np.ndarray, table: np.ndarray) -> None:
    """Add how many characters of each class the rows have to `table` (rows, classes)."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    if not len(points):
        return
    seen = np.flatnonzero(np.bincount(points))
    classes = np.full(int(seen[-1]) + 1, NOTHING, np.int16)
    classes[seen] = [kind(int(point)) for point in seen]
    found = classes[points]
    kept = np.flatnonzero(found != NOTHING)
    row = np.repeat(np.arange(len(texts)), lengths)[kept]
    table += np.bincount(row * _CLASSES + found[kept], minlength=len(texts) * _CLASSES).reshape(table.shape)


def shares(scripts: np.ndarray) -> dict[str, float]:
    """Script → share of the letters, the largest first; scripts that don't occur are left out."""
    total = max(1, int(scripts.sum()))
    order = np.argsort(-scripts, kind="stable")
    return {SCRIPTS[i]: round(float(scripts[i] / total), 6) for i in order if scripts[i]}


_ENGLISH = frozenset(
    (
        "the",
        "a",
        "an",
        "of",
        "to",
        "in",
        "is",
        "are",
        "was",
        "were",
        "and",
        "or",
        "it",
        "this",
        "that",
        "for",
        "on",
        "with",
        "you",
        "he",
        "she",
        "i",
        "we",
        "they",
        "not",
        "be",
        "have",
    )  # fmt: skip
)
_LANGUAGES = {"hangul": "ko", "han": "zh", "kana": "ja", "cyrillic": "ru", "greek": "el", "arabic": "ar", "hebrew": "he",
              "thai": "th", "devanagari": "hi", "other": "other"}  # fmt: skip


def languages(dominant: np.ndarray, texts: Sequence[str]) -> dict[str, float]:
    """Language (of the script that most of a row's letters have) → share of rows; Latin is `en` where English words are.

    `none`: rows without a letter.
    """
    found: dict[str, float] = {}
    for script in np.unique(dominant):
        at = np.flatnonzero(dominant == script)
        name = "none" if script < 0 else SCRIPTS[script]
        if name == "latin":
            tried = at[:: max(1, len(at) // 500)]
            words = [set(texts[i].casefold().split()) for i in tried]
            longer = [one for one in words if len(one) >= 4]
            name = "en" if sum(bool(one & _ENGLISH) for one in longer) * 2 >= max(1, len(longer)) else "latin"
        else:
            name = _LANGUAGES.get(name, name)
        found[name] = found.get(name, 0) + len(at) / max(1, len(dominant))
    return {name: round(one, 6) for name, one in sorted(found.items(), key=lambda item: -item[1])}
