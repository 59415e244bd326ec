"""Texts of strangers, made fit to be shown: what can't be seen, or would act on page or terminal, becomes a sign.

Widths are those of a terminal: a Korean syllable takes two columns, a mark that combines with the sign before it none.

    visible("a\\x1b[31mb\\u202e") == "a⟨U+001B⟩[31mb⟨U+202E⟩"; padded(clipped("가나다라", 6), 8) == "가나…   "
"""

from __future__ import annotations

import re

# C0 and C1 controls, lone surrogates, zero-width characters, turns of the direction of writing, noncharacters
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff]"
)


def visible(text: object) -> str:
    """The text with control characters and others that can't be seen as ⟨U+200B⟩; line ends, tabs and the rest as they are."""
    return _UNSEEN.sub(_sign, str(text))


def one_line(text: object) -> str:
    """As `visible`, with line ends and tabs as ⏎ and a space."""
    return visible(str(text).replace("\r\n", "\n")).replace("\n", "⏎").replace("\t", " ")


def _sign(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match.group()):04X}⟩"  # not ␛ and its kin: few fonts have them


def clipped(text: str, cells: int) -> str:
    """As much of the text as `cells` columns of a terminal hold (a Korean syllable takes two), with "…" for the rest."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, cells: int, right: bool = False) -> str:
    """With spaces behind it, or before it with `right`, up to so many columns; a longer one as it is."""
    gap = " " * (cells - columns(text))
    return gap + text if right else text + gap
