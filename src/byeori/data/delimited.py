"""CSV, TSV and their like → columns of text, with the exact number of rows.

Every value stays the text it was ("NA", "none", "007", "1.0"). `pyarrow.csv` does the bulk; whether quotes mean
anything is decided first (quoting.py), and a file with any irregular row is read again line by line, so that each such
row is named, left out or kept as the caller asks.

    parse(b"text\\tlabel\\nhi\\t1\\n", "a.tsv", ".tsv").columns["label"].to_pylist() == ["1"]
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from byeori.data.bad_rows import BYTES, irregular, left_out, without_repeats
from byeori.data.header import SEPARATOR_NAMES, column_names, has_header, names_without_header, separator_of, sniff
from byeori.data.quoting import Layout, Watch, enclosing, layout, split_line
from byeori.data.roles import is_label_like
from byeori.data.wording import count, short
from byeori.errors import DataError, SettingError

SAMPLE = 1 << 18
_BLOCK = 4 << 20
_UNIT = "\x1f"  # stands in for a separator of several bytes while the file is parsed


@dataclass(slots=True)
class Parsed:
    """columns: name → text. numbers: data-row number of each row, None when 1…n. found: all data rows, bad ones too."""

    columns: dict[str, pa.ChunkedArray]
    rows: int
    found: int
    separator: str
    numbers: np.ndarray | None = None
    bad: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def separator_for(data: bytes, suffix: str, given: str | None, names: Collection[str] = ()) -> str | None:
    """The separator given, or the one the first lines show; None where the file is not delimited. names: see `parse`."""
    if given:
        separator = separator_of(given)
        if len(separator) != 1 or separator in '"\r\n':
            raise SettingError(f'--separator: one character is wanted (or tab, comma, semicolon, pipe), not "{given}".')
        return separator
    return sniff(_first_lines(data, 300), suffix, names)


_NAMED = re.compile(rb'"?sep=(.)"?\r?\n')


def named(data: bytes, given: str | None) -> tuple[bytes, str | None]:
    """(the rest, the separator) of a file whose first line names it as Excel does: `sep=;`; else what was given."""
    found = _NAMED.match(data)
    return (data[found.end() :], given or found[1].decode()) if found else (data, given)


def _first_lines(data: bytes, most: int) -> list[str]:
    head = data[:SAMPLE]
    lines = head.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if len(head) < len(data) and len(lines) > 1:
        lines.pop()  # cut in the middle
    return [line.decode("utf-8", errors="replace") for line in lines if line][:most]


def parse(
    data: bytes,
    name: str,
    suffix: str = ".csv",
    separator: str | None = None,
    header: bool | None = None,
    bad: str = "raise",
    broken: Sequence[int] = (),
    known: Collection[str] = (),
) -> Parsed:
    """Parse UTF-8 bytes.

    bad: what becomes of rows that can't be read: `raise`, `skip` or `keep` (as nulls, with a reason).
    broken: 0-based numbers of lines whose bytes were not in the file's encoding: such rows are bad too.
    known: names of columns that tell a header, besides those that always do.
    Raises DataError for a file without rows and for irregular rows.
    """
    separator = separator_for(data, suffix, separator, known) or ","
    shown = separator
    if len(separator.encode()) > 1:
        if _UNIT.encode() in data:
            raise DataError(
                f'{name}: the separator "{separator}" can\'t be used: the file holds the control character 0x1F.'
            )
        data, separator = data.replace(separator.encode(), _UNIT.encode()), _UNIT
    lone = b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    if lone and b"\n" not in data:  # the line ends of old Macs
        data, lone = data.replace(b"\r", b"\n"), False
    mark = separator.encode()

    quoted_somewhere = b'"' in data
    fast = not quoted_somewhere and not lone and not broken
    large = len(data) > SAMPLE and data.count(b"\n", 0, SAMPLE) > 1  # else the first record itself is cut
    certain = enclosing(data[:SAMPLE], mark) if large and quoted_somewhere and not lone and not broken else None
    watch = Watch(mark)
    if certain:
        watch.feed(data)
    if certain and watch.close().well_formed:
        opening = opened(data, certain, separator, name, header, known)
        opening.newlines = watch.newlines
    else:
        certain, cut = None, fast and large
        opening = opened(data, layout(data[:SAMPLE] if cut else data, mark), separator, name, header, known, cut)
        opening.newlines = data.count(b"\n") if fast else None
    result = None
    if not lone:
        result = bulk(data, opening, data.endswith(b"\n"))
    if result is None and certain:  # a row that spoils it showed in the parser
        opening = opened(data, layout(data, mark), separator, name, header, known)
        result = bulk(data, opening, data.endswith(b"\n"))
    if result is None or broken:
        if fast:
            opening.plan = layout(data, mark)
        result = rows_one_by_one(data, opening, name, bad, broken)
    result = without_repeats(result, opening, name, bad)
    return finished(result, opening, name, suffix, shown)


@dataclass(slots=True)
class Opening:
    """What a file's beginning tells. names: of its columns. sample: the fields of its first rows, header included.

    newlines: line ends in the file, where `plan` does not hold all its records: how many there are follows from them.
    """

    plan: Layout
    separator: str
    header: bool
    names: list[str]
    sample: list[list[str]]
    guess: str | None
    newlines: int | None = None


def opened(
    data: bytes, plan: Layout, separator: str, name: str, header: bool | None, known: Collection[str], cut: bool = False
) -> Opening:
    """cut: the last record of `plan` is not whole. Raises DataError where there is none."""
    if not len(plan.starts):
        raise DataError(f"{name}: the file is empty.")
    sample = [_fields(data, plan, i, separator, name) for i in range(min(len(plan.starts), 300))]
    if cut and len(sample) > 1:
        sample.pop()
    header, guess = has_header(sample[0], sample[1:], known) if header is None else (header, None)
    names = column_names(sample[0]) if header else names_without_header(sample, mode(plan))
    return Opening(plan, separator, header, names, sample, guess)


def finished(result: Parsed, opening: Opening, name: str, suffix: str, shown: str) -> Parsed:
    """With what is to be said of the file. Raises DataError where it has no row."""
    plan = opening.plan
    if not result.found:
        raise DataError(f"{name}: there is a header ({', '.join(opening.names)}) and no row under it.")
    result.separator = shown
    result.columns = _without_empty_tail(result.columns, opening.sample[0] if opening.header else None)
    if plan.reason:
        result.notes.append(f"{name}: {plan.reason}.")
    if opening.guess:
        result.notes.append(f"{name}: {opening.guess}.")
    kind = SEPARATOR_NAMES.get(shown, f'"{shown}"')
    if {".csv": ",", ".tsv": "\t"}.get(suffix) != shown and len(result.columns) > 1:
        result.notes.insert(0, f"{name}: separated by {kind}.")
    if plan.blank:
        result.notes.append(f"{name}: {count(plan.blank, 'empty line')} left out.")
    return result


def _fields(data: bytes, plan: Layout, i: int, separator: str, name: str) -> list[str]:
    text = data[plan.starts[i] : plan.ends[i]].decode("utf-8", errors="replace")
    try:
        return split_line(text, separator, plan.quoted)
    except csv.Error:  # a bare carriage return beside a quote, or a value of more than 128 KiB
        limit = csv.field_size_limit(len(data) + 1)
        try:
            return split_line(text.replace("\r", " "), separator, plan.quoted)
        finally:
            csv.field_size_limit(limit)


def mode(plan: Layout) -> int:
    values, counts = np.unique(plan.fields, return_counts=True)
    return int(values[counts.argmax()])


def bulk(data: bytes, opening: Opening, ended: bool) -> Parsed | None:
    """The whole file by pyarrow, or None where some row is irregular (the slow way then says which)."""
    plan, names, header = opening.plan, opening.names, opening.header
    if plan.by_line or opening.newlines is None and (plan.fields != len(names)).any():
        return None
    start = int(plan.ends[0]) if header else 0
    body = pa.py_buffer(memoryview(data)[start:]) if start else pa.py_buffer(data)
    found = None
    for multiline in (False, True) if plan.quoted else (False,):
        found = found or table(pa.BufferReader(body), names, opening.separator, plan.quoted, multiline)
    if found is None:
        return None
    if opening.newlines is not None:
        plan.blank = opening.newlines + (not ended) - header - found.num_rows
        if plan.blank and plan.quoted:  # line ends inside of values, blank lines, or both
            whole = layout(data, opening.separator.encode(), True)
            plan.blank = whole.blank
            if found.num_rows != len(whole.starts) - header:
                return None
    elif found.num_rows != len(plan.starts) - header:
        return None
    columns = {name: found.column(at) for at, name in enumerate(names)}
    return Parsed(columns, found.num_rows, found.num_rows, opening.separator)


def table(
    source: Any, names: list[str], separator: str, quoted: bool, multiline: bool = False, checked: bool = True
) -> pa.Table | None:
    """Rows by pyarrow; None where a row has not as many fields as there are names, or can't be read.

    source: an Arrow stream or a Python file, behind the header. multiline: blocks are cut where records end; else at line
    ends, whatever quotes they stand in. That is twice as fast, and safe: a block that ends inside a value is an error.
    checked: the bytes are known to be UTF-8; else such as are not give None too.
    """
    irregular = 0

    def refuse(row: pacsv.InvalidRow) -> str:
        nonlocal irregular
        irregular += 1
        return "skip"

    try:
        found = pacsv.read_csv(
            source,
            # A block must hold the longest row; 4 MiB keeps both cores busy on large files.
            read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quoted else False,
                newlines_in_values=multiline,
                invalid_row_handler=refuse,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names}, null_values=[], check_utf8=not checked
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return pa.table({name: pa.chunked_array([], pa.string()) for name in names})
        return None
    return None if irregular else found


def rows_one_by_one(
    data: bytes, opening: Opening, name: str, bad: str, broken: Sequence[int], inside: bool = False
) -> Parsed:
    """Row by row: exact, slower, and able to say what is wrong with which row.

    inside: `data` is a block of a file whose names are those of `opening`, and how its rows are to be read is settled.
    """
    plan, sample, separator = opening.plan, opening.sample, opening.separator
    header = opening.header and not inside
    names = opening.names
    fields = plan.fields[header:]
    tail_open = by_last = False
    width = len(names)
    result = Parsed({}, 0, len(fields), separator)
    if not opening.header and not inside:
        width = mode(plan)
        names = names_without_header(sample, width)
    elif header and len(fields):
        if not sample[0][-1].strip() and (fields == width - 1).all():
            width, names = width - 1, names[:-1]  # the header alone ends with a separator
        elif (fields == width + 1).all():
            # every row ends with a separator and the header does not
            tail_open = all(_fields(data, plan, i, separator, name)[-1] == "" for i in range(header, len(plan.starts)))
    if width == 2 and not plan.quoted and not inside:
        by_last = _last_separator(data, plan, header, separator, name)
    if by_last:
        over = np.flatnonzero(fields > 2)
        first = f"the first is row {int(over[0]) + 1}"
        result.notes.append(
            f'{name}: in {count(len(over), "row")} the text holds the separator "{separator}"; cut at the last '
            f"one ({first})."
        )
    broken_records = _records_of_lines(data, plan, broken) if len(broken) else set()
    if header and 0 in broken_records:
        raise DataError(f"{name}: the header holds {BYTES}. Save the file again as UTF-8, or name its --encoding.")
    values: list[list[str | None]] = [[] for _ in names]
    numbers: list[int] = []
    wrong: list[tuple[int, str]] = []
    for i in range(int(header), len(plan.starts)):
        row = _fields(data, plan, i, separator, name)
        number = i + (not header)
        if by_last and len(row) > 2:
            row = [separator.join(row[:-1]), row[-1]]
        if tail_open:
            row = row[:-1]
        why = None
        if i in broken_records:
            why = BYTES
        elif not plan.fields[i]:
            why = "a quote that is not opened or closed as CSV has it"
        elif len(row) != width:
            why = (
                f"{count(len(row), 'field')} where {'the header has' if opening.header else 'other rows have'} {width}"
            )
        if why:
            text = data[plan.starts[i] : plan.ends[i]][:400].decode("utf-8", errors="replace")
            wrong.append((number, f'{why} ("{short(text)}")'))
            if bad != "keep":
                continue
            result.bad[len(numbers)] = wrong[-1][1]
            row = [None] * width  # type: ignore[list-item]
        numbers.append(number)
        for column, value in zip(values, row, strict=True):
            column.append(value)
    if wrong and bad == "raise":
        raise DataError(irregular(name, wrong, len(fields)))
    if wrong and bad == "skip":
        result.numbers = np.asarray(numbers, np.int64)
        result.notes.append(left_out(name, wrong))
    result.rows = len(numbers)
    result.columns = {n: pa.chunked_array([pa.array(v, pa.string())]) for n, v in zip(names, values, strict=True)}
    return result


def _last_separator(data: bytes, plan: Layout, header: bool, separator: str, name: str) -> bool:
    """Two columns, some rows with more fields, and a last field that is a label in every one of them."""
    fields = plan.fields[header:]
    over = np.flatnonzero(fields > 2) + header
    if not len(over) or (fields < 2).any() or len(over) > len(fields) / 2:
        return False
    lasts = [_fields(data, plan, i, separator, name)[-1] for i in range(int(header), len(plan.starts))]
    usual = {last for last, width in zip(lasts, fields, strict=True) if width == 2}
    return is_label_like(lasts) and len(usual) <= 20 and all(lasts[i - header] in usual for i in over)


def _records_of_lines(data: bytes, plan: Layout, lines: Sequence[int]) -> set[int]:
    newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    starts = np.concatenate([[0], newlines + 1])
    return {int(r) for r in np.searchsorted(plan.ends, starts[np.asarray(lines)])}


def _without_empty_tail(
    columns: dict[str, pa.ChunkedArray], header: Sequence[str] | None
) -> dict[str, pa.ChunkedArray]:
    """Drop a last column without a name and without a value: a line end that carries a separator."""
    if header is None or len(columns) < 2 or len(header) != len(columns) or header[-1].strip():
        return columns
    last = list(columns)[-1]
    if any(value for value in columns[last].unique().to_pylist()):
        return columns
    return {name: column for name, column in columns.items() if name != last}
