"""The cleaning steps, one text each: what a step makes of a text, and by which edits, so that offsets can follow it.

An edit is (start, end, new): the characters [start, end) of the text become `new`; edits are in order and apart.
Invariants: a step is a pure function of one text; `applied(text, STEPS[name].edits(text)) == STEPS[name].change(text)`.

    STEPS["html"].change("빵 &amp; 우유") == "빵 & 우유"
"""

from __future__ import annotations

import difflib
import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

Edit = tuple[int, int, str]


class Step(NamedTuple):
    """`may`: a quick look at whether a text could change."""

    change: Callable[[str], str]
    edits: Callable[[str], list[Edit]]
    may: Callable[[str], object]


def applied(text: str, edits: Sequence[Edit]) -> str:
    parts, end = [], 0
    for start, stop, new in edits:
        parts += [text[end:start], new]
        end = stop
    return "".join([*parts, text[end:]])


def _by_edits(edits: Callable[[str], list[Edit]]) -> Callable[[str], str]:
    return lambda text: applied(text, edits(text))


# HTML entities ----------------------------------------------------------------------------------------------------------
# Only with their semicolon: a browser also reads &copy in "?id=1&copy=2", which is a link and no sign.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def _html(text: str) -> list[Edit]:
    """Entities once: &amp;lt; becomes &lt;, which is what was written. Unknown names stay; tags are no entities."""
    found = ((one, html.unescape(one[0])) for one in _ENTITY.finditer(text))
    return [(one.start(), one.end(), new) for one, new in found if new != one[0]]


# Control characters -----------------------------------------------------------------------------------------------------
# Category Cc but for tab, line feed and carriage return; those that Unicode counts as spaces part words.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _control(text: str) -> list[Edit]:
    return [(one.start(), one.end(), " " if one[0].isspace() else "") for one in _CONTROL.finditer(text)]


# Zero-width characters --------------------------------------------------------------------------------------------------
# Zero-width space, word joiner, byte order mark, soft hyphen, marks of direction, invisible operators, interlinear marks.
_INVISIBLE = "\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
_ZERO_WIDTH = re.compile(f"[{_INVISIBLE}\u200c\u200d]")
_CURSIVE = re.compile(
    "[\u0600-\u08ff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufefc\U00010ac0-\U00010aff\U0001e900-\U0001e95f]"
)
_ON_EMOJI = "\ufe0f\u20e3\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # variation, keycap, skin tones
_VIRAMA = 9  # its canonical combining class


def _zero_width(text: str) -> list[Edit]:
    return [(at, at + 1, "") for at in (one.start() for one in _ZERO_WIDTH.finditer(text)) if not _joins(text, at)]


def _joins(text: str, at: int) -> bool:
    """Whether a joiner (ZWJ) or non-joiner (ZWNJ) does what it is for, as RFC 5892, A.1 and A.2, has it: behind a virama,
    in a cursive script (Arabic, Mongolian…), and, ZWJ alone, between two signs of one emoji."""
    if text[at] not in "\u200c\u200d" or at == 0:
        return False
    before, after = text[at - 1], text[at + 1 : at + 2]
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if text[at] == "\u200c":
        letter = text[:at].rstrip("\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652")[-1:]  # vowel signs lie between
        return bool(_CURSIVE.match(letter) and _CURSIVE.match(after))
    sign = text[:at].rstrip(_ON_EMOJI)[-1:]
    return bool(_CURSIVE.match(before) or _CURSIVE.match(after)) or _pictures(sign) and _pictures(after)


def _pictures(sign: str) -> bool:
    return bool(sign) and (unicodedata.category(sign) == "So" or sign in "\u2194\u2195")


# Letter case, spaces ----------------------------------------------------------------------------------------------------
def _lower(text: str) -> list[Edit]:
    """The whole text is lowered (a Σ at the end of a word is ς); İ alone becomes two characters."""
    low, found, at = text.lower(), [], 0
    for place, sign in enumerate(text):
        size = len(sign.lower())
        if low[at : at + size] != sign:
            found.append((place, place + 1, low[at : at + size]))
        at += size
    return found


_SPACES = re.compile(r"\s+")
_ODD_SPACES = re.compile(r"\s{2}|[^\S ]")
_LINE_END = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")


def _inner_spaces(text: str) -> list[Edit]:
    """A run of spaces is one space, or one line feed where a line ends in it."""
    found = ((one, "\n" if _LINE_END.search(one[0]) else " ") for one in _SPACES.finditer(text))
    return [(one.start(), one.end(), new) for one, new in found if new != one[0]]


def _outer_spaces(text: str) -> list[Edit]:
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    if first >= last:
        return [(0, len(text), "")] if text else []
    return [edit for edit in ((0, first, ""), (last, len(text), "")) if edit[0] < edit[1]]


# Unicode forms ----------------------------------------------------------------------------------------------------------
def _pieces(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Pieces that a normal form changes each by itself: a character with all that may compose with it."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not _composes(text[at], form):
            yield start, at
            start = at


def _composes(sign: str, form: str) -> bool:
    """Whether a character may become one with that before it: marks, Hangul's vowels and finals, and what decomposes to
    these (half-width ones, in NFKC)."""
    if sign < "\u0300":
        return False
    first = unicodedata.normalize("NFKD" if form == "nfkc" else "NFD", sign)[0]
    return "\u1160" <= first <= "\u11ff" or unicodedata.category(first)[0] == "M"


def normal(form: str) -> Step:
    """The step of a Unicode form: "nfc" or "nfkc" (Unicode Standard Annex 15)."""
    name: Literal["NFC", "NFKC"] = "NFKC" if form == "nfkc" else "NFC"

    def edits(text: str) -> list[Edit]:
        if unicodedata.is_normalized(name, text):
            return []
        found = ((start, end, unicodedata.normalize(name, text[start:end])) for start, end in _pieces(text, form))
        return [edit for edit in found if edit[2] != text[edit[0] : edit[1]]]

    return Step(
        lambda text: unicodedata.normalize(name, text), edits, lambda text: not unicodedata.is_normalized(name, text)
    )


# An own function --------------------------------------------------------------------------------------------------------
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_SMALL = 250_000  # characters of one piece times those of the other, up to which their characters are compared


def compared(text: str, new: str) -> list[Edit]:
    """The edits that make one text of another, by words first and inside changed words by characters."""
    found: list[Edit] = []
    old_words, new_words = _WORDS.findall(text), _WORDS.findall(new)
    old_at, new_at = _ends(old_words), _ends(new_words)
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old_words, new_words, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        start, end, first, last = old_at[a], old_at[b], new_at[c], new_at[d]
        if (end - start) * (last - first) > _SMALL:
            found.append((start, end, new[first:last]))
            continue
        inside = difflib.SequenceMatcher(None, text[start:end], new[first:last], autojunk=False)
        found += [
            (start + one.a, start + one.b, new[first + one.c : first + one.d])
            for one in map(_Opcode._make, inside.get_opcodes())
            if one.kind != "equal"
        ]
    return found


class _Opcode(NamedTuple):
    kind: str
    a: int
    b: int
    c: int
    d: int


def _ends(words: Sequence[str]) -> list[int]:
    found = [0]
    for word in words:
        found.append(found[-1] + len(word))
    return found


# In this order, whichever order they are asked in: what one brings to light the next ones clean.
STEPS: dict[str, Step] = {
    "html": Step(_by_edits(_html), _html, lambda text: "&" in text),
    "control": Step(_by_edits(_control), _control, _CONTROL.search),
    "zero-width": Step(_by_edits(_zero_width), _zero_width, _ZERO_WIDTH.search),
    "lower": Step(str.lower, _lower, lambda text: text != text.lower()),
    "inner-spaces": Step(_by_edits(_inner_spaces), _inner_spaces, _ODD_SPACES.search),
    "spaces": Step(str.strip, _outer_spaces, lambda text: text != text.strip()),
}
