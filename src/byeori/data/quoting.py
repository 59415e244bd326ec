"""Does a delimited file use quotes, or merely contain them? Decided on the whole file, by counting.

TSVs in the wild carry stray quotes; a quote-aware reader then swallows every line up to the next quote and loses rows
without an error. So records are counted twice, with quotes meaning nothing and with quotes read as RFC 4180 does, and
quoting is switched on only where it explains the file better.

    layout(b'a,b\\n1,"x, y"\\n', b",").quoted is True
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass

import numpy as np

from byeori.data.encoding import is_utf8

_QUOTE, _NEWLINE, _RETURN = 34, 10, 13
PIECE = 1 << 18  # bytes looked at together: they fit the second cache
ENCLOSE = "quotes enclose values: without them rows would break"


@dataclass(slots=True)
class Layout:
    """How the bytes fall into records.

    starts, ends: int64 (r,), byte bounds of each record that is not empty, header included, line end excluded.
    fields: int64 (r,), number of fields of each. quoted: quotes enclose values. by_line: quotes enclose values
    but some are stray, so that no value may span lines. reason: why, for the note.
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
    without a line end behind it. utf8: all of it so far is (looked at if `checked` is False).
    """

    def __init__(self, separator: bytes, checked: bool = True):
        self.utf8, self._open = True, None if checked else b""
        self.boundary = np.zeros(256, bool)
        self.boundary[[separator[0], _NEWLINE, _RETURN, _QUOTE]] = True
        self.well_formed, self.lone = True, False
        self.quotes = self.newlines = 0
        self._before, self._held = _NEWLINE, b""  # the byte before this piece; one that needs to see what follows

    def feed(self, data: bytes | bytearray) -> None:
        """Any number of bytes; PIECE of them at once are fastest."""
        for start in range(0, len(data), PIECE):
            self._piece(data[start : start + PIECE] if len(data) > PIECE else data)

    def _piece(self, piece: bytes | bytearray, last: bool = False) -> None:
        if self._open is not None:
            self._decode(piece, last)
        if self._held:
            piece, self._held = self._held + piece, b""
        if not last and piece[-1:] in (b'"', b"\r"):
            piece, self._held = piece[:-1], bytes(piece[-1:])
        if not piece:
            return
        buffer = np.frombuffer(piece, np.uint8)
        self.newlines += int(np.count_nonzero(buffer == _NEWLINE))
        if b"\r" in piece:
            returns = buffer == _RETURN
            paired = np.count_nonzero(returns[:-1] & (buffer[1:] == _NEWLINE))
            self.lone |= bool(paired < np.count_nonzero(returns))
        quotes = np.flatnonzero(buffer == _QUOTE)
        if len(quotes):
            odd = self.quotes & 1
            beside = quotes.copy()
            beside[odd::2] -= 1  # of those that open, the byte before; of those that close, the one behind
            beside[1 - odd :: 2] += 1
            if beside[0] < 0:
                self.well_formed &= bool(self.boundary[self._before])
                beside = beside[1:]
            if len(beside) and beside[-1] == len(piece):  # the end of the file
                beside = beside[:-1]
            self.well_formed &= bool(self.boundary.take(buffer.take(beside)).all())
            self.quotes += len(quotes)
        self._before = int(buffer[-1])

    def _decode(self, piece: bytes | bytearray, last: bool) -> None:
        """Is it UTF-8, but for the beginning of a character at the end of the piece, which is kept for the next?"""
        data: bytes | bytearray = self._open + piece if self._open else piece
        end = len(data)
        if not last and end and data[-1] > 0x7F:
            end = next((at for at in range(end - 1, max(-1, end - 4), -1) if data[at] >= 0xC0), end)
        self._open = bytes(data[end:])
        self.utf8 &= is_utf8(data[:end] if end < len(data) else data)

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
    if quoted:
        strict.reason = reason
        return strict
    ragged = lines.ragged(header, separator)
    if not good and ragged:
        alone = _by_line(data, separator, plain, marks.quotes)
        if int((alone != int(alone[0])).sum()) < ragged:
            plain.fields, plain.quoted, plain.by_line = alone, True, True
            plain.reason = "quotes enclose values, but some are stray, so each line is a row"
            return plain
    plain.reason = reason
    return plain


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


def split_line(line: str, separator: str, quoted: bool) -> list[str]:
    """The fields of one record; a quoted value may hold line ends."""
    if not quoted or '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator), [""])
