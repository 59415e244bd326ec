"""Samples as lines for a terminal or a log of some width, in straight columns, also where Korean stands in them.

Invariants: no line is wider than asked; widths are columns of a terminal, not characters; a text is cut around what it is shown
for; narrow lines lose scores first, then the ends of texts.

    for line in plain_lines(samples, 100): print(line)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from byeori.text.visible import clipped, columns
from byeori.train.sample_blocks import Block, Field, Piece, block

Line = list[Piece]
NARROW = 60  # columns, below which what is spare is left out
LEAST = 8  # columns that an answer in a row has at least, where it needs them

# A sign with what combines with it: Korean jamo that don't compose, accents, emoji joined to one.
_CLUSTER = re.compile(
    "\u200d?.(?:[\u0300-\u036f\u1160-\u11ff\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]|\u200d.)*", re.S
)


def lines(samples: list[dict[str, Any]], width: int) -> list[Line]:
    """All samples, one below the other."""
    blocks = [block(one) for one in samples]
    found: list[Line] = []
    for _, same in groupby(blocks, lambda one: (one.row, len(one.fields) if one.row else 0)):
        some = list(same)
        made = _rows(some, width) if some[0].row else _stacks(some, width)
        found += [_cut(line, width) for line in made]
    return found


def plain_lines(samples: list[dict[str, Any]], width: int) -> list[str]:
    """The same without colours."""
    return ["".join(text for text, _ in line).rstrip() for line in lines(samples, width)]


def _rows(blocks: list[Block], width: int) -> list[Line]:
    """A line a sample: answers in columns of their own, then its texts."""
    kept = [
        place for place, one in enumerate(blocks[0].fields)
        if not (one.spare and (width < NARROW or not any(_size(own.fields[place]) for own in blocks)))
    ]  # fmt: skip
    narrow = [place for place in kept if not blocks[0].fields[place].wide]
    wide = [place for place in kept if blocks[0].fields[place].wide]
    most = max(LEAST, width // (5 if wide else 2))
    sizes = {place: min(most, max(_size(one.fields[place]) for one in blocks)) for place in narrow}
    fixed = sum(1 if blocks[0].fields[place].name == "mark" else size for place, size in sizes.items())
    room = max(0, width - fixed - max(0, len(narrow) - 1) - 3 * len(wide))
    for number, place in enumerate(wide):
        sizes[place] = room // (len(wide) - number)
        room -= sizes[place]
    found = []
    for one in blocks:
        line: Line = []
        for number, place in enumerate(kept):
            own = one.fields[place]
            line.append((" | " if own.wide else " " if number else "", "soft"))
            if own.name == "mark":
                line.append((one.mark, {"=": "right", "≠": "wrong"}.get(one.mark, "soft")))
                continue
            cell = fit(own.pieces, sizes[place], own.focus)
            gap = " " * (sizes[place] - _width(cell))
            right = own.name in ("score", "difference") or (own.name in ("predicted", "right") and _number(own))
            line += [(gap, ""), *cell] if right else [*cell, (gap, "")]
        found.append(line)
    return found


def _stacks(blocks: list[Block], width: int) -> list[Line]:
    """A line or more a field, its name before it; the sample's mark before the first."""
    names = max((columns(one.name) for own in blocks for one in own.fields), default=0)
    names = min(names, max(4, width // 4))
    room = max(1, width - names - 4)
    found = []
    for one in blocks:
        mark: Piece = (one.mark, {"=": "right", "≠": "wrong"}.get(one.mark, "soft"))
        for own in one.fields:
            name = clipped(own.name, names)
            for place, part in enumerate(folded(own, room)):
                head = " " * names if place else name + " " * (names - columns(name))
                found.append([mark, (f" {head}  ", "soft"), *part])
                mark = (" ", "")
    return found


def folded(own: Field, width: int) -> list[Line]:
    """A field's pieces in at most its number of lines; of those that are too long for them what is around the focus."""
    if own.lines == 1 or _width(own.pieces) <= width:
        return [fit(own.pieces, width, own.focus)]
    whole = fit(own.pieces, width * own.lines - own.lines, own.focus)
    found: list[Line] = [[]]
    used = 0
    for sign, tone, size, _ in _signs(whole):
        if used + size > width:
            if len(found) == own.lines:  # what lines gave up at their ends is too much for the last one
                found[-1] = fit([*found[-1], (sign * 2, tone)], width)
                break
            found.append(_word(found[-1], width // 3) if sign != " " else [])
            used = _width(found[-1])
        if not used and sign == " ":
            continue
        _add(found[-1], sign, tone)
        used += size
    return found


def _word(line: Line, most: int) -> Line:
    """The word that a line was ended in, of at most so many columns, taken from it; [] for none."""
    taken: list[tuple[str, str]] = []
    signs = [(sign, tone) for sign, tone, _, _ in _signs(line)]
    while signs and signs[-1][0] != " ":
        taken.insert(0, signs.pop())
    if not signs or _width(taken) > most:
        return []
    line[:] = []
    for sign, tone in signs:
        _add(line, sign, tone)
    word: Line = []
    for sign, tone in taken:
        _add(word, sign, tone)
    return word


def fit(pieces: list[Piece], width: int, focus: int = 0) -> Line:
    """As much of the pieces as fits, the one at `focus` among it; "…" stands for what doesn't."""
    if _width(pieces) <= width:
        return list(pieces)
    if width < 2:
        return [("…" * width, "soft")]
    pieces, cut = _near(pieces, width, focus)
    signs = list(_signs(pieces))
    first = next((at for at, one in enumerate(signs) if one[3] >= focus), 0)
    until = sum(size for _, _, size, piece in signs if piece <= focus)
    start = 0
    if cut or until > width - 1:
        start, used = first, 0
        seen = sum(size for _, _, size, piece in signs if piece == focus)
        while start and used + signs[start - 1][2] <= min(width // 3, width - 2 - seen):
            start -= 1
            used += signs[start][2]
        rest = sum(size for _, _, size, _ in signs[start:])
        while start and rest + signs[start - 1][2] <= width - 1:  # the end is near: what stands before it fits too
            start -= 1
            rest += signs[start][2]
    found: Line = []
    used = 0
    if start or cut:
        found, used = [("…", "soft")], 1
    left = sum(size for _, _, size, _ in signs[start:])
    for sign, tone, size, _ in signs[start:]:
        if used + size > width - (left > size and used + left > width):
            found.append(("…", "soft"))
            break
        _add(found, sign, tone)
        used, left = used + size, left - size
    return found


def _near(pieces: list[Piece], width: int, focus: int) -> tuple[list[Piece], bool]:
    """The pieces without what is too far from the focus to be seen, and whether something is left out before it."""
    before = sum(len(text) for text, _ in pieces[:focus])
    found, passed, cut = [], 0, False
    for place, (text, tone) in enumerate(pieces):
        if place < focus:
            gone = min(len(text), max(0, before - passed - 4 * width))
            cut = cut or gone > 0
            passed += len(text)
            found.append((text[gone:], tone))
        else:
            found.append((text[: 8 * width], tone))
    return found, cut


def _signs(pieces: list[Piece]) -> Iterator[tuple[str, str, int, int]]:
    """(sign, tone, columns, number of its piece) of each sign."""
    for place, (text, tone) in enumerate(pieces):
        for match in _CLUSTER.finditer(text):
            yield match.group(), tone, columns(match.group()), place


def _add(line: Line, sign: str, tone: str) -> None:
    if line and line[-1][1] == tone:
        line[-1] = (line[-1][0] + sign, tone)
    else:
        line.append((sign, tone))


def _cut(line: Line, width: int) -> Line:
    return line if _width(line) <= width else fit(line, width)


def _width(pieces: list[Piece]) -> int:
    return columns("".join(text for text, _ in pieces))


def _size(own: Field) -> int:
    return _width(own.pieces)


def _number(own: Field) -> bool:
    try:
        float(own.pieces[0][0])
    except (ValueError, IndexError):
        return False
    return True
