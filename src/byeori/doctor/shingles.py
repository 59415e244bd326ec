"""Texts → numbers for comparing them: a flat array of characters in normal form, and the n-grams that begin at each.

Invariants: nothing runs in Python per character or per n-gram, only per text; a text's numbers depend on that text alone,
so they are the same whatever stands beside it; memory is that of a chunk (`CHUNK` characters at a time, a text read up to
its first `MAX_CHARACTERS`).

    characters(["Great MOVIE!!", "great movie"]).same_texts() == [0, 0]

Normal form: NFC, case folded, a run of more than two of one character cut to two ("ㅋㅋㅋㅋㅋ" and "ㅋㅋ" are one; digits
are left, 1000 is not 100). With `letters` alone, spaces, punctuation and control characters are gone too, because they
are what two people write differently in the same sentence, Korean spacing first of all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

CHUNK = 2**19  # characters at once: about 60 MB of temporaries
MAX_CHARACTERS = 10_000  # of a text; two long texts that first differ after so many count as near copies
DENSE, SPARSE = 2, 4  # characters of a shingle that begins at a syllable or ideograph, or at any other character

_UNKNOWN, _LETTER, _DENSE, _DIGIT, _DROPPED, _SPACE, _END = range(7)
_kinds = np.zeros(0x110000, np.uint8)  # filled as characters are met


@dataclass(slots=True)
class Characters:
    """codes: uint32 (c,), code points of all texts end to end; ends: int64 (n,), where each text ends in them."""

    codes: np.ndarray
    ends: np.ndarray

    def same_texts(self) -> list[int]:
        """For each text the first whose normal form equals its own."""
        seen: dict[bytes, int] = {}
        starts = np.concatenate([[0], self.ends[:-1]]).astype(int).tolist() if len(self.ends) else []
        return [
            seen.setdefault(self.codes[start:end].tobytes(), place)
            for place, (start, end) in enumerate(zip(starts, self.ends.tolist(), strict=True))
        ]

    def owners(self) -> np.ndarray:
        """int64 (c,): the text of each character."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    def shingles(self) -> tuple[np.ndarray, np.ndarray]:
        """The n-grams of every text as 64-bit hashes, uint64 (s,), repeats included, and the text of each, int64 (s,).

        Two characters where the first is a Hangul syllable, a kana or an ideograph, four elsewhere: a syllable says
        about what two or three letters say, so one edit weighs about the same in both scripts.
        """
        width = np.where(_kinds[self.codes] == _DENSE, DENSE, SPARSE)
        owner = self.owners()
        fits = np.arange(len(self.codes)) + width <= self.ends[owner]
        short, long = self._hashes(DENSE), self._hashes(SPARSE)
        return np.where(width == DENSE, short, long)[fits], owner[fits]

    def ngrams(self, least: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        """All n-grams of `least` to `most` characters as 64-bit hashes, uint64 (s,), and the text of each, int64 (s,)."""
        owner, hashes, owners = self.owners(), [], []
        place = np.arange(len(self.codes))
        for n in range(least, most + 1):
            fits = place + n <= self.ends[owner]
            hashes.append(self._hashes(n)[fits])
            owners.append(owner[fits])
        return np.concatenate(hashes), np.concatenate(owners)

    def _hashes(self, n: int) -> np.ndarray:
        """uint64 (c,): a hash of the n characters from each on; those past the end of all texts are read as 0."""
        codes = np.concatenate([self.codes, np.zeros(n - 1, np.uint32)]).astype(np.uint64)
        found = np.full(len(self.codes), n, np.uint64)
        for step in range(n):
            found *= np.uint64(0x9E3779B97F4A7C15)
            found += codes[step : step + len(self.codes)]
        return mixed(found)


def mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of MurmurHash3 (Appleby), in place: every bit of uint64 depends on all; a bijection."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values ^= values >> np.uint64(33)
        values *= np.uint64(factor)
    values ^= values >> np.uint64(33)
    return values


def characters(texts: Sequence[str], *, letters: bool = True) -> Characters:
    """The texts in normal form (see the module); `letters` drops spaces, punctuation and control characters."""
    joined = "\0".join([text[:MAX_CHARACTERS] for text in texts])
    if joined.count("\0") != max(0, len(texts) - 1):
        joined = "\0".join([text[:MAX_CHARACTERS].replace("\0", " ") for text in texts])
    if not texts:
        return Characters(np.zeros(0, np.uint32), np.zeros(0, np.int64))
    folded = unicodedata.normalize("NFC", joined).casefold() + "\0"  # NUL composes with nothing
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
    kinds = _kind(codes)
    if letters:
        keep = kinds != _DROPPED
        keep &= kinds != _SPACE
        codes, kinds = codes[keep], kinds[keep]
    else:
        codes[kinds == _SPACE] = 32
    alike = np.zeros(len(codes), bool)  # this character and the two before it are one
    alike[2:] = (codes[2:] == codes[1:-1]) & (codes[1:-1] == codes[:-2])
    alike &= (kinds != _DIGIT) & (kinds != _END)
    codes, kinds = codes[~alike], kinds[~alike]
    last = np.flatnonzero(kinds == _END)  # (n,)
    return Characters(codes[kinds != _END], last - np.arange(len(last)))


def chunks(texts: Sequence[str], size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Bounds of slices of about `size` characters, one text at least."""
    start = held = 0
    for place, text in enumerate(texts):
        length = min(len(text), MAX_CHARACTERS) + 1
        if held and held + length > size:
            yield start, place
            start, held = place, 0
        held += length
    if held:
        yield start, len(texts)


def _kind(codes: np.ndarray) -> np.ndarray:
    kinds = _kinds[codes]
    if not kinds.all():
        for code in np.unique(codes[kinds == _UNKNOWN]).tolist():
            _kinds[code] = _kind_of(code)
        kinds = _kinds[codes]
    return kinds


def _kind_of(code: int) -> int:
    if code == 0:
        return _END
    character = chr(code)
    category = unicodedata.category(character)
    if character.isspace():
        return _SPACE
    if category[0] in "PZC" or category == "Sk" or character == "~":
        return _DROPPED
    if category[0] == "N":
        return _DIGIT
    dense = (
        0xAC00 <= code <= 0xD7A3  # Hangul syllables
        or 0x3131 <= code <= 0x318E  # jamo alone: ㅋ, ㅠ
        or 0x3041 <= code <= 0x30FF  # kana
        or 0x3400 <= code <= 0x9FFF  # ideographs
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )
    return _DENSE if dense else _LETTER
