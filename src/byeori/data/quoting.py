"""Does a delimited file use quotes, or merely contain them? Decided on the whole file, by counting.

TSVs in the wild carry stray quotes; a quote-aware reader then swallows every line up to the next quote and loses rows
without an error. So records are counted twice, with quotes meaning nothing and with quotes read as RFC 4180 does, and
quoting is switched on only where it explains the file better.

    layout(b'a,b\\n1,"x, y"\\n', b",").quoted is True
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from byeori.data.rows import Buffer

_QUOTE, _NEWLINE, _RETURN = 34, 10, 13
PIECE = 1 << 18  # bytes looked at together: they fit the second cache
ENCLOSE = "quotes enclose values: without them rows would break"


@dataclass(slots=True)
class Layout:
    """How the bytes fall into records.

    starts, ends: int64 (r,), byte bounds of each record that is not empty, header included, line end excluded.
    fields: int64 (r,), number of fields of each, 0 where its quotes can't be read. quoted: quotes enclose values. by_line:
    quotes enclose values but some are stray, so that no value may span lines. reason: why, for the note.
    """

    starts: np.ndarray
    ends: np.ndarray
    fields: np.ndarray
    quoted: bool
    by_line: bool = False
    reason: str = ""
    blank: int = 0

    @property
    def multiline(self) -> bool:
        return self.quoted and not self.by_line


@dataclass(slots=True)
class _Marks:
    """Every quote, separator and line end: int64 (m,) places, uint8 (m,) bytes, and whether there is a carriage return."""

    data: bytes
    places: np.ndarray
    kinds: np.ndarray
    returns: bool

    @property
    def quotes(self) -> np.ndarray:
        return self.places[self.kinds == _QUOTE]


def _marks(data: bytes, separator: bytes) -> _Marks:
    """One pass in pieces that stay in the processor's cache; no field is built."""
    buffer = np.frombuffer(data, np.uint8)
    found = []
    for start in range(0, len(data), PIECE):
        piece = buffer[start : start + PIECE]
        hits = piece == _QUOTE
        hits |= piece == _NEWLINE
        hits |= piece == separator[0]
        found.append(np.flatnonzero(hits) + start)
    places = np.concatenate(found) if found else np.zeros(0, np.int64)
    return _Marks(data, places, buffer[places], b"\r" in data)


@dataclass(slots=True)
class Block:
    """The whole records at the beginning of some bytes: `plain` without quoting, `strict` with it; `size` in bytes."""

    size: int
    plain: Layout
    strict: Layout
    quotes: int
    well_formed: bool
    values: int
    doubled: int


def block(data: bytes, separator: bytes, quoting: bool, last: bool) -> Block | None:
    """Cut at the last line end that stands in no quotes (any line end if not `quoting`); None where there is none.

    data: begins with a record. last: it ends with the file, and all of it is taken.
    """
    marks = _marks(data, separator)
    if not last:
        ends = marks.kinds == _NEWLINE
        if quoting:
            ends &= (np.cumsum(marks.kinds == _QUOTE) & 1) == 0
        at = np.flatnonzero(ends)
        if not len(at):
            return None
        size = int(marks.places[at[-1]]) + 1
        marks = _Marks(data[:size], marks.places[: at[-1] + 1], marks.kinds[: at[-1] + 1], marks.returns)
    plain, quotes = _records(marks, False), marks.quotes
    strict = _records(marks, True) if len(quotes) else plain
    return Block(len(marks.data), plain, strict, len(quotes), *well_formed(marks.data, quotes, separator))


def _records(marks: _Marks, quoted: bool) -> Layout:
    data, places, kinds = marks.data, marks.places, marks.kinds
    if quoted:
        outside = (np.cumsum(kinds == _QUOTE) & 1) == 0
        outside &= kinds != _QUOTE
        places, kinds = places[outside], kinds[outside]
    at = np.flatnonzero(kinds == _NEWLINE)
    ends = places[at]
    separators = np.cumsum((kinds != _NEWLINE) & (kinds != _QUOTE))
    before = separators[at]
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
        before = np.append(before, separators[-1] if len(separators) else 0)
    fields = np.diff(before, prepend=0) + 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    stops = ends
    if marks.returns:
        buffer = np.frombuffer(data, np.uint8)
        stops = ends - ((ends > starts) & (buffer[np.maximum(ends - 1, 0)] == _RETURN))
    full = stops > starts
    blank = int(len(full) - full.sum())
    if blank:
        starts, stops, fields = starts[full], stops[full], fields[full]
    return Layout(starts, stops, fields, quoted, blank=blank)


def well_formed(data: bytes, quotes: np.ndarray, separator: bytes) -> tuple[bool, int, int]:
    """(every quote is placed as RFC 4180 has it, quoted values, quoted values that hold a doubled quote).

    quotes: their places. By parity: quote 0, 2, 4… opens and must follow a boundary or the quote it doubles; 1, 3, 5…
    closes likewise.
    """
    if len(quotes) % 2:
        return False, 0, 0
    if not len(quotes):
        return True, 0, 0
    buffer = np.frombuffer(data, np.uint8)
    opens, closes = quotes[0::2], quotes[1::2]
    boundary = np.zeros(256, bool)
    boundary[[separator[0], _NEWLINE, _RETURN]] = True
    before = buffer[np.maximum(opens - 1, 0)]
    doubled_open = np.zeros(len(opens), bool)
    doubled_open[1:] = closes[:-1] == opens[1:] - 1
    after = buffer[np.minimum(closes + 1, len(data) - 1)]
    doubled_close = np.zeros(len(closes), bool)
    doubled_close[:-1] = doubled_open[1:]
    good = (boundary[before] | (opens == 0) | doubled_open).all()
    good = good and (boundary[after] | (closes == len(data) - 1) | doubled_close).all()
    values = int((~doubled_open).sum())
    # a value with a doubled quote: an opening quote that is no doubling, whose close is doubled
    with_doubled = int((~doubled_open & doubled_close).sum())
    return bool(good), values, with_doubled


class Watch:
    """What can be said of quotes and line ends while a file's bytes go by, in pieces, and nothing of them is kept.

    well_formed: every quote so far is placed as RFC 4180 has it: by parity, one that opens follows a boundary or the quote
    it doubles, one that closes stands before one. newlines: line ends, those inside of values too. lone: a carriage return
    without a line end behind it.
    """

    def __init__(self, separator: bytes):
        self.boundary = np.zeros(256, bool)
        self.boundary[[separator[0], _NEWLINE, _RETURN, _QUOTE]] = True
        self.well_formed, self.lone = True, False
        self.quotes = self.newlines = 0
        self._before, self._held = _NEWLINE, b""  # the byte before this piece; one that needs to see what follows
        self._room = np.empty(PIECE + 1, bool)

    def feed(self, data: Buffer) -> None:
        """Any number of bytes; PIECE of them at once are fastest."""
        for start in range(0, len(data), PIECE):
            self._piece(data[start : start + PIECE] if len(data) > PIECE else data)

    def _piece(self, piece: Buffer, last: bool = False) -> None:
        if self._held:
            piece, self._held = self._held + bytes(piece), b""
        if not last and piece[-1:] in (b'"', b"\r"):
            piece, self._held = piece[:-1], bytes(piece[-1:])
        if not len(piece):
            return
        buffer = np.frombuffer(piece, np.uint8)
        room = self._room[: len(buffer)]
        self.newlines += int(np.count_nonzero(np.equal(buffer, _NEWLINE, out=room)))
        returns = np.equal(buffer, _RETURN, out=room)
        if returns.any():
            paired = np.count_nonzero(returns[:-1] & (buffer[1:] == _NEWLINE))
            self.lone |= bool(paired < np.count_nonzero(returns))
        beside = np.flatnonzero(np.equal(buffer, _QUOTE, out=room))
        if found := len(beside):
            odd = self.quotes & 1
            beside[odd::2] -= 1  # of those that open, the byte before; of those that close, the one behind
            beside[1 - odd :: 2] += 1
            if beside[0] < 0:
                self.well_formed &= bool(self.boundary[self._before])
                beside = beside[1:]
            if len(beside) and beside[-1] == len(buffer):  # the end of the file
                beside = beside[:-1]
            self.well_formed &= bool(self.boundary.take(buffer.take(beside)).all())
            self.quotes += found
        self._before = int(buffer[-1])

    def close(self) -> Watch:
        self._piece(b"", last=True)
        self.well_formed &= self.quotes % 2 == 0
        return self


def enclosing(head: bytes, separator: bytes) -> Layout | None:
    """The records of a file's beginning where quotes must enclose values: without quoting some line here has another number of
    fields than the first. None where that does not show.

    `layout` then decides so for the whole file, if its quotes are well formed and no record has another number of fields.
    """
    found = block(head, separator, True, last=False)
    if found is None or not found.well_formed or len(found.strict.starts) < 2:
        return None
    plain = found.plain
    if head[: plain.ends[0]].endswith(separator) or (plain.fields == plain.fields[0]).all():
        return None
    found.strict.reason = ENCLOSE
    return found.strict


def layout(data: bytes, separator: bytes, quoting: bool | None = None) -> Layout:
    """Records and fields of a file, with quoting decided (or as given)."""
    marks = _marks(data, separator)
    plain = _records(marks, False)
    if quoting is False or b'"' not in data:
        return plain
    if quoting:
        return _records(marks, True)
    lines = Counts.of(plain)
    good, values, doubled = well_formed(data, marks.quotes, separator)
    strict = _records(marks, True) if good else plain
    header = data[plain.starts[0] : plain.ends[0]]
    quoted, reason = decide(lines, Counts.of(strict), header, separator, good, values, doubled)
    if not quoted and good and marks.returns and (strict.fields == strict.fields[0]).all() and _returns_inside(marks):
        quoted, reason = True, "quoted values hold carriage returns"
    if quoted:
        strict.reason = reason
        return strict
    ragged = lines.ragged(header, separator)
    if not good and ragged:
        alone = _by_line(data, separator, plain, marks.quotes)
        torn = int((alone != int(alone[0])).sum())
        mended = _mended(data, separator) if torn else None
        if mended is not None and int((mended.fields != int(mended.fields[0])).sum()) < min(torn, ragged):
            return mended
        if torn < ragged:
            plain.fields, plain.quoted, plain.by_line = alone, True, True
            plain.reason = "quotes enclose values, but some are stray, so each line is a row"
            return plain
    plain.reason = reason
    return plain


def _returns_inside(marks: _Marks) -> bool:
    """Whether there are carriage returns that end no line, all of them in quotes."""
    buffer = np.frombuffer(marks.data, np.uint8)
    at = np.flatnonzero(buffer == _RETURN)
    alone = at[buffer[np.minimum(at + 1, len(buffer) - 1)] != _NEWLINE]
    return bool(len(alone)) and bool((np.searchsorted(marks.quotes, alone) & 1).all())


@dataclass(slots=True)
class Counts:
    """How many records have how many fields, and how many the first has."""

    first: int
    by_fields: Counter[int]

    @classmethod
    def of(cls, found: Layout) -> Counts:
        return cls(int(found.fields[0]), tally(found.fields))

    @property
    def records(self) -> int:
        return sum(self.by_fields.values())

    def ragged(self, header: bytes, separator: bytes) -> int:
        """Lines with another number of fields than the header; one less where its last name is empty and no row has that field."""
        width = self.first
        if header.endswith(separator) and self.records > 1 and self.by_fields[width - 1] == self.records - 1:
            width -= 1
        return self.records - self.by_fields[width]


def tally(fields: np.ndarray) -> Counter[int]:
    values, counts = np.unique(fields, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def decide(
    lines: Counts, strict: Counts, header: bytes, separator: bytes, good: bool, values: int, doubled: int
) -> tuple[bool, str]:
    """(whether quotes enclose values, why), for a file that holds quotes.

    lines: without quoting. strict: with it. header: the first line. good, values, doubled: as `well_formed` has them.
    """
    ragged = lines.ragged(header, separator)
    if good:
        uneven = strict.records - strict.by_fields[strict.first]
        if ragged > uneven:
            return True, ENCLOSE
        if ragged == 0 and uneven == 0:
            named = all(part[:1] == part[-1:] == b'"' for part in header.split(separator))
            if values >= 0.9 * lines.records or named or doubled > 0 and doubled >= values - doubled:
                return True, "values are quoted as CSV has it"
            if strict.records < lines.records and separator != b"\t":  # in a TSV two stray ones are likelier
                return True, "quoted values hold line ends"
        if ragged == 0:
            return False, "every line has the same number of fields without quoting, so quotes are text"
    same = "every line has the same number of fields without them" if not ragged else "they do not enclose values"
    return False, f"quotes are text: {same}"


def _by_line(data: bytes, separator: bytes, plain: Layout, quotes: np.ndarray) -> np.ndarray:
    """Fields a line when quotes count but end with the line. Only lines with a quote are parsed."""
    fields = plain.fields.copy()
    for i in np.unique(np.searchsorted(plain.ends, quotes)):
        if i < len(fields):
            line = data[plain.starts[i] : plain.ends[i]].decode("utf-8", errors="replace")
            fields[i] = len(split_line(line, separator.decode(), True))
    return fields


def _mended(data: bytes, separator: bytes) -> Layout | None:
    """Records of a file whose quoted values hold line ends and of which some are broken; None where no value holds one.

    A broken record ends where a quote opens the next line, else with its own first line; at the end of the file, with it.
    """
    mark = re.escape(separator)
    value = rb'(?>"[^"]*(?:""[^"]*)*"|[^"%s\n][^%s\n]*|)' % (mark, mark)
    record = re.compile(rb"%s(?:%s%s)*\r?(?:\n|\Z)" % (value, mark, value))
    starts, stops, fields = [], [], []
    at = blank = longest = 0
    while at < len(data):
        found = record.match(data, at)
        end = found.end() if found else _end_of_broken(data, at, longest)
        stop = end - data.endswith(b"\n", at, end)
        stop -= data.endswith(b"\r", at, stop)
        if stop > at:
            starts.append(at)
            stops.append(stop)
            line = data[at:stop].decode("utf-8", errors="replace")
            fields.append(len(split_line(line, separator.decode(), True)) if found else 0)
            longest = max(longest, data.count(b"\n", at, stop)) if found else longest
        else:
            blank += 1
        at = end
    if not longest or not fields[0]:
        return None
    reason = "quotes enclose values, also of several lines, and some are broken"
    return Layout(np.asarray(starts), np.asarray(stops), np.asarray(fields), True, blank=blank, reason=reason)


def _end_of_broken(data: bytes, at: int, longest: int) -> int:
    """Where a record ends that begins at `at` and can't be read. longest: line ends in the longest value so far."""
    line = data.find(b"\n", at) + 1 or len(data)
    quote = data.find(b'"', at + 1)
    if quote < 0:
        return len(data) if data.count(b"\n", at) <= longest else line
    return quote if data[quote - 1] == _NEWLINE else line


def split_line(line: str, separator: str, quoted: bool) -> list[str]:
    """The fields of one record; a quoted value may hold line ends."""
    if not quoted or '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [""])
