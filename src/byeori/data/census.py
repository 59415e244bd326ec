"""A delimited file too large to be looked at as a whole: counted in blocks, so that quoting is decided as for any other.

Invariants: nothing but counts and the places of cuts is kept; blocks end where records do, whichever way quotes are read;
`census` says None where only a look at the whole file can tell, never a guess.

    census(Path("big.csv"), 0, b",", 1 << 24).quoted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from byeori.data.encoding import is_utf8
from byeori.data.quoting import Block, Counts, block, decide, tally

_LONGEST = 64  # blocks that one record may go over


@dataclass(slots=True)
class Census:
    """cuts: where blocks begin, and the file's end. fields: of the records as they are read, header included."""

    quoted: bool
    reason: str
    blank: int
    fields: Counts
    cuts: list[int]


@dataclass(slots=True)
class _Sums:
    plain: Counts
    strict: Counts
    header: bytes
    quotes: int = 0
    good: bool = True
    values: int = 0
    doubled: int = 0
    blank: tuple[int, int] = (0, 0)
    cuts: list[int] = field(default_factory=list)


def census(path: Path, start: int, separator: bytes, size: int) -> Census | None:
    """Count from `start` on, in blocks of about `size` bytes. None for bytes that are not UTF-8, for carriage returns that
    end no line, and for values in quotes beside stray quotes."""
    sums: _Sums | None = None
    for place, data, found in _blocks(path, start, separator, size):
        if not is_utf8(data) or b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        if not len(found.plain.starts):
            if sums is not None:
                sums.blank = (sums.blank[0] + found.plain.blank, sums.blank[1] + found.strict.blank)
                sums.cuts.append(place)
                continue
            return None  # blank lines, more than a block of them
        if sums is None:
            header = data[found.plain.starts[0] : found.plain.ends[0]]
            empty = Counter[int]()
            first = (int(found.plain.fields[0]), int(found.strict.fields[0]))
            sums = _Sums(Counts(first[0], empty), Counts(first[1], Counter()), header)
        _add(sums, found, place)
    if sums is None:
        return None
    sums.cuts.append(path.stat().st_size)
    quoted, reason = False, ""
    if sums.quotes:
        quoted, reason = decide(
            sums.plain, sums.strict, sums.header, separator, sums.good, sums.values, sums.doubled
        )  # fmt: skip
        if not sums.good and sums.plain.ragged(sums.header, separator):
            return None
    fields = sums.strict if quoted else sums.plain
    return Census(quoted, reason, sums.blank[quoted], fields, sums.cuts)


def _add(sums: _Sums, found: Block, place: int) -> None:
    sums.plain.by_fields.update(tally(found.plain.fields))
    sums.strict.by_fields.update(tally(found.strict.fields))
    sums.quotes += found.quotes
    sums.good &= found.well_formed
    sums.values += found.values
    sums.doubled += found.doubled
    sums.blank = (sums.blank[0] + found.plain.blank, sums.blank[1] + found.strict.blank)
    sums.cuts.append(place)


def _blocks(path: Path, start: int, separator: bytes, size: int) -> Iterator[tuple[int, bytes, Block]]:
    """(place in the file, bytes, what they hold) of each block. Once quotes were stray, every line end is a cut."""
    quoting, place, rest = True, start, b""
    with path.open("rb") as file:
        file.seek(start)
        while True:
            new = file.read(size)
            data = rest + new if rest else new
            if not data:
                return
            found = block(data, separator, quoting, last=not new)
            if found is None and quoting and len(data) > _LONGEST * size:
                quoting = False
                found = block(data, separator, False, last=not new)
            if found is None:
                rest = data
                continue
            quoting &= found.well_formed
            yield place, data[: found.size], found
            place, rest = place + found.size, data[found.size :]
            if not new:
                return


def usual(fields: Counts) -> int:
    """The usual number of fields, the smaller of two."""
    values = np.asarray(sorted(fields.by_fields))
    return int(values[np.argmax([fields.by_fields[int(value)] for value in values])])
