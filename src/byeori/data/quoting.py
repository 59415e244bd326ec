"""Does a delimited file use quotes, or merely contain them? Decided on the whole file, by counting.

TSVs in the wild carry stray quotes; a quote-aware reader then swallows every line up to the next quote and loses rows
without an error. So records are counted twice, with quotes meaning nothing and with quotes read as RFC 4180 does, and
quoting is switched on only where it explains the file better.

    layout(b'a,b\\n1,"x, y"\\n', b",").quoted is True
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np

_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


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


def records(data: bytes, separator: bytes, quoted: bool) -> Layout:
    """Count records and fields in one vectorised pass (no field is built)."""
    buffer = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(buffer == _NEWLINE)
    marks = np.flatnonzero(buffer == separator[0])
    if quoted:  # between an odd and an even quote nothing is a boundary
        quotes = np.flatnonzero(buffer == _QUOTE)
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    stops = ends - ((ends > starts) & (buffer[np.maximum(ends - 1, 0)] == _RETURN))
    full = stops > starts
    blank = int(len(full) - full.sum())
    starts, stops = starts[full], stops[full]
    fields = np.searchsorted(marks, stops) - np.searchsorted(marks, starts) + 1
    return Layout(starts, stops, fields, quoted, blank=blank)


def well_formed(data: bytes, separator: bytes) -> tuple[bool, int, int]:
    """(every quote is placed as RFC 4180 has it, quoted values, quoted values that hold a doubled quote).

    By parity: quote 0, 2, 4… opens and must follow a boundary or the quote it doubles; 1, 3, 5… closes likewise.
    """
    buffer = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(buffer == _QUOTE)
    if len(quotes) % 2:
        return False, 0, 0
    opens, closes = quotes[0::2], quotes[1::2]
    boundary = np.zeros(256, bool)
    boundary[[separator[0], _NEWLINE, _RETURN]] = True
    before = buffer[np.maximum(opens - 1, 0)]
    doubled_open = np.zeros(len(opens), bool)
    doubled_open[1:] = closes[:-1] == opens[1:] - 1
    after = buffer[np.minimum(closes + 1, len(data) - 1)]
    doubled_close = np.zeros(len(closes), bool)
    doubled_close[:-1] = opens[1:] == closes[:-1] + 1
    good = (boundary[before] | (opens == 0) | doubled_open).all()
    good = good and (boundary[after] | (closes == len(data) - 1) | doubled_close).all()
    values = int((~doubled_open).sum())
    # a value with a doubled quote: an opening quote that is no doubling, whose close is doubled
    with_doubled = int((~doubled_open & doubled_close).sum())
    return bool(good), values, with_doubled


def layout(data: bytes, separator: bytes, quoting: bool | None = None) -> Layout:
    """Records and fields of a file, with quoting decided (or as given)."""
    plain = records(data, separator, quoted=False)
    if quoting is False or b'"' not in data:
        return plain
    if quoting:
        return records(data, separator, quoted=True)
    expected = _width(plain, data, separator)
    ragged = int((plain.fields != expected).sum())
    good, values, doubled = well_formed(data, separator)
    if good:
        strict = records(data, separator, quoted=True)
        uneven = int((strict.fields != strict.fields[0]).sum())
        if ragged > uneven:
            strict.reason = f"quotes enclose values: without them {ragged:,} rows would break"
            return strict
        if ragged == 0 and uneven == 0:
            header = data[plain.starts[0] : plain.ends[0]]
            named = all(part[:1] == part[-1:] == b'"' for part in header.split(separator))
            if values >= 0.9 * len(plain.starts) or named or doubled > 0 and doubled >= values - doubled:
                strict.reason = "values are quoted as CSV has it"
                return strict
        if ragged == 0:
            plain.reason = "every line has the same number of fields without quoting, so quotes are text"
            return plain
    elif ragged:
        lines = _by_line(data, separator, plain)
        width = int(lines[0])
        if int((lines != width).sum()) < ragged:
            plain.fields, plain.quoted, plain.by_line = lines, True, True
            plain.reason = "quotes enclose values, but some are stray, so each line is a row"
            return plain
    plain.reason = "quotes are text: " + (
        "every line has the same number of fields without them" if not ragged else "they do not enclose values"
    )
    return plain


def _width(plain: Layout, data: bytes, separator: bytes) -> int:
    """The header's number of fields; one less where its last name is empty and no row has that field."""
    width = int(plain.fields[0])
    if data[: plain.ends[0]].endswith(separator) and len(plain.fields) > 1 and (plain.fields[1:] == width - 1).all():
        return width - 1
    return width


def _by_line(data: bytes, separator: bytes, plain: Layout) -> np.ndarray:
    """Fields a line when quotes count but end with the line. Only lines with a quote are parsed."""
    fields = plain.fields.copy()
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == _QUOTE)
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
