"""The units a text is counted in: words, eojeol (space-separated words), morphemes or syllables.

Invariants: a unit of ours (all but "word", which is rouge-score's own) drops spaces and punctuation and nothing else,
and leaves a text that is only punctuation as it is, so a text that isn't blank always has units; the automatic choice
is a function of the references alone, never of what a model predicted or of what is installed.

    from byeori.metrics.units import tokenizer; tokenizer("eojeol").tokenize("삼성이 'AI'를 발표했다.")

"word" keeps only a–z and 0–9: of "2023년 삼성 AI 발표" it sees "2023 ai", so that identical Korean texts can score 0
and different ones 1. `check` refuses it where more than a tenth of all letters would be lost so; single texts among others that
it can't stand for, `misread` names, and ROUGE counts their rows in eojeol. Hangul written in jamo (NFD) counts as its syllables.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Protocol

from byeori.errors import SettingError

UNITS = ("word", "eojeol", "morpheme", "syllable")
AUTO = "auto"
MOST_LOST = 0.1  # the share of the references' letters and digits that "word" may throw away

_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_CJK = re.compile("|".join(one.pattern for one in (_HANGUL, _HAN, _KANA)))
_WORD = re.compile(r"[a-z0-9]")
_ASCII_MARKS = "`^~|<>"  # symbols to Unicode, quotes and brackets to who types them; + = $ and emoji are read


class Tokenizer(Protocol):
    """What rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        """The units of one text, in order."""


def tokenizer(unit: str, *, stemmer: bool = False) -> Tokenizer:
    """The tokenizer of a unit of `UNITS`.

    stemmer: Porter's, for English words only. Raises SettingError for another unit, for a stemmer with another unit
    than "word", and for "morpheme" where kiwipiepy isn't installed.
    """
    if unit not in UNITS:
        raise SettingError(f'{unit=} is none of "auto", "word", "eojeol", "morpheme", "syllable". Choose one of them.')
    if stemmer and unit != "word":
        raise SettingError(
            f'The stemmer knows English words only, but the unit is "{unit}". Leave it off, or set the unit to "word".'
        )
    if unit == "word":
        from rouge_score.tokenizers import DefaultTokenizer

        return _Remembered(DefaultTokenizer(use_stemmer=stemmer).tokenize)
    if unit == "morpheme":
        return _Remembered(_morphemes())
    return _Remembered(eojeol if unit == "eojeol" else syllables)


def eojeol(text: str) -> list[str]:
    """Lower-cased runs between spaces, without the punctuation at their ends: `"AI"를,` is `ai"를`."""
    runs = unicodedata.normalize("NFC", text).lower().split()
    return [bare for run in runs if (bare := _strip(run))] or runs


def syllables(text: str) -> list[str]:
    """Every letter, digit and symbol of the lower-cased text, so every Hangul syllable; no spaces, no punctuation."""
    text = unicodedata.normalize("NFC", text).lower()
    return [character for character in text if not _is_mark(character)] or list("".join(text.split()))


def choose(texts: Sequence[str]) -> str:
    """The unit for references (n,): "word" where rouge-score's own words lose no more than a tenth of all letters (English), else
    "syllable" for writing without spaces (Chinese, Japanese), else "eojeol"."""
    if lost(*texts) <= MOST_LOST:
        return "word"
    shares = scripts(texts)
    return "syllable" if shares["han"] + shares["kana"] > 0.5 else "eojeol"


def check(unit: str, texts: Sequence[str]) -> None:
    """Raises SettingError where `unit` would throw away more than a tenth of the letters and digits of all references.

    texts: references (n,). Only "word" throws anything away that is read.
    """
    if unit != "word" or lost(*texts) <= MOST_LOST:
        return
    rows = [row for row, text in enumerate(texts) if lost(text) > MOST_LOST]
    text = texts[rows[0]]
    shown = text if len(text) <= 40 else text[:37] + "..."
    raise SettingError(
        f'The unit "word" keeps only the letters a–z and digits, and would throw away {lost(*texts):.0%} of the letters of the '
        f"references; {len(rows)} of {len(texts)} lose more than a tenth, as reference {rows[0] + 1}, {shown!r}. Equal texts could "
        f'score 0 and different ones 1. Set the unit to "eojeol", "morpheme" or "syllable".'
    )


def misread(texts: Sequence[str]) -> list[int]:
    """The texts (from 0) that "word" can't stand for: it throws away more than a tenth of their letters, a whole word of
    Korean, Chinese or Japanese, which may be all that tells two texts apart, or all there is ("👍", "?!")."""

    def misses(text: str) -> bool:
        other = not text.isascii() and (_CJK.search(text) is not None or lost(text) > MOST_LOST)
        return other or (bool(text.strip()) and not _WORD.search(text.lower()))

    return [row for row, text in enumerate(texts) if misses(text)]


def lost(*texts: str) -> float:
    """The share (0–1) of the letters and digits of all these texts that rouge-score's own words throw away; 0.0 for none."""
    letters = kept = 0
    for text in texts:
        if text.isascii():
            found = known = sum(map(str.isalnum, text))
        else:
            text = unicodedata.normalize("NFC", text).lower()
            found, known = sum(map(str.isalnum, text)), len(_WORD.findall(text))
        letters, kept = letters + found, kept + known
    return 1 - kept / letters if letters else 0.0


def scripts(texts: Sequence[str]) -> dict[str, float]:
    """The share (0–1) of the letters of all texts in each writing: {"hangul", "han", "kana", "other"}; 0 for none."""
    found = dict.fromkeys(("hangul", "han", "kana", "other"), 0)
    for text in texts:
        if text.isascii():
            found["other"] += sum(map(str.isalpha, text))
            continue
        counts = [len(pattern.findall(text)) for pattern in (_HANGUL, _HAN, _KANA)]
        for name, count in zip(found, counts, strict=False):
            found[name] += count
        found["other"] += max(0, sum(map(str.isalpha, text)) - sum(counts))
    total = max(1, sum(found.values()))
    return {name: count / total for name, count in found.items()}


class _Remembered:
    """A tokenizer over a function; texts just seen are not read again (rouge-score asks for each one twice or more)."""

    def __init__(self, function: Callable[[str], list[str]]) -> None:
        self._function = functools.lru_cache(maxsize=64)(function)

    def tokenize(self, text: str) -> list[str]:
        return self._function(text)


@functools.cache
def _morphemes() -> Callable[[str], list[str]]:
    """One analyser for all: it takes a second to load, and some hundred megabytes."""
    try:
        from kiwipiepy import Kiwi
    except ImportError:
        raise SettingError(
            'The unit "morpheme" needs kiwipiepy, which is not installed. Install it with pip install "byeori[ko]", or '
            'set the unit to "eojeol" or "syllable".'
        ) from None
    kiwi = Kiwi(num_workers=1)

    def morphemes(text: str) -> list[str]:
        forms = [token.form.lower() for token in kiwi.tokenize(unicodedata.normalize("NFC", text))]
        return [bare for form in forms if (bare := _strip(form))] or forms

    return morphemes


def _strip(run: str) -> str:
    start, end = 0, len(run)
    while start < end and _is_mark(run[start]):
        start += 1
    while end > start and _is_mark(run[end - 1]):
        end -= 1
    return run[start:end]


@functools.cache
def _is_mark(character: str) -> bool:
    """Spaces, control characters and punctuation."""
    return unicodedata.category(character)[0] in "ZCP" or character in _ASCII_MARKS
