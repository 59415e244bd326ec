"""A large file → its sheet: read block by block, checked as a whole one is, and laid on disk as Arrow.

Invariants: rows, their numbers, notes and refusals are those of reading the file whole (`byeori.data.files`), but for JSON
lines whose column changes its type, which are refused where memory would not hold them whole; it holds a block at a time.
None is returned where a file is small, or only a look at all of it can tell what it is.

    sheet_of(Path("big.csv"), ".csv", Wish())
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data import delimited, straight
from byeori.data.bad_rows import irregular, left_out, without_repeats
from byeori.data.census import Census, census, usual
from byeori.data.disk import Spill, is_huge, is_large
from byeori.data.encoding import decode, is_utf8
from byeori.data.header import names_without_header
from byeori.data.mapped import keep
from byeori.data.names import header_names
from byeori.data.places import DELIMITED, LINES, TABLES, TEXT
from byeori.data.quoting import layout
from byeori.data.rows import FileInfo, Sheet
from byeori.data.structured import (
    blank_for,
    json_lines,
    no_rows,
    rows_of,
    table_columns,
    unreadable,
    unreadable_table,
)
from byeori.data.wish import Wish
from byeori.data.wording import short
from byeori.errors import DataError

BLOCK = 4 << 20
_LONGEST = 256  # blocks that one line may go over
_MARK = b"\xef\xbb\xbf"


def sheet_of(path: Path, suffix: str, wish: Wish) -> Sheet | None:
    """The sheet of a delimited file of some size, or of any large one; None where `read_file` must read it whole."""
    try:
        size = path.stat().st_size
        large = is_large(size) and path.is_file()
        if not large:
            return straight.read(path, suffix, wish) if suffix in DELIMITED else None
        if suffix in TABLES:
            return _table(path, TABLES[suffix])
        if wish.setting("encoding") or suffix not in (*DELIMITED, *LINES, *TEXT):
            return None
        with path.open("rb") as file:
            head = file.read(2 * delimited.SAMPLE)
    except OSError:  # said where it is read whole
        return None
    head = head[: head.rfind(b"\n") + 1]
    if not head.strip() or not straight.is_text(head.removeprefix(_MARK)) or not is_utf8(head):
        return None
    decoded = decode(head, path.name)
    info = FileInfo.of_file(path)
    info.encoding = decoded.encoding
    start = len(head) - len(decoded.data)
    if suffix in LINES:
        try:
            sheet = _lines(path, start, info, wish)
        except _Contradiction:
            if is_huge(size):
                raise
            return None
    elif wish.wants("tokens") or decoded.data.startswith(straight.ODD):
        return None
    else:
        sheet = _text_or_delimited(path, start, decoded.data, suffix, info, wish)
    if sheet is not None and decoded.note:
        sheet.notes.insert(0, decoded.note)
    return sheet


# delimited ---------------------------------------------------------------------------------------------------------
def _text_or_delimited(
    path: Path, start: int, head: bytes, suffix: str, info: FileInfo, wish: Wish
) -> Sheet | None:  # fmt: skip
    given, known = wish.setting("separator"), header_names(wish.roles)
    running = wish.documents and not given and suffix not in DELIMITED
    separator = delimited.separator_for(head, suffix, given, known)
    if suffix not in DELIMITED and (running and wish.setting("document") or separator is None):
        return None if running else _text(path, start, info)
    separator = separator or ","
    mark = separator.encode()
    found = census(path, start, mark, BLOCK) if len(mark) == 1 else None
    if found is None:
        return None
    plan = replace(layout(head, mark, found.quoted), reason=found.reason, blank=found.blank)
    opening = delimited.opened(head, plan, separator, path.name, wish.setting("header"), known, cut=True)
    if not _names(opening, found):
        return None
    parsed = _blocks(path, start, opening, found, wish.bad)
    if parsed is None:
        return None
    parsed = without_repeats(parsed, opening, path.name, wish.bad)
    parsed = delimited.finished(parsed, opening, path.name, suffix, separator)
    info.format, info.rows = {",": "csv", "\t": "tsv"}.get(separator, "delimited"), parsed.found
    return Sheet(dict(parsed.columns), parsed.rows, info, parsed.notes, parsed.numbers, parsed.bad)


def _names(opening: delimited.Opening, found: Census) -> bool:
    """Settle the names of the columns from all rows. False where what the rows hold must say it."""
    if not opening.header:
        opening.names = names_without_header(opening.sample, usual(found.fields))
    width, rows = len(opening.names), found.fields.records - opening.header
    others = found.fields.by_fields.copy()
    if opening.header:
        others[found.fields.first] -= 1
        if not opening.sample[0][-1].strip() and others[width - 1] == rows:
            opening.names = opening.names[:-1]  # the header alone ends with a separator
            return True
        if others[width + 1] == rows:  # perhaps every row ends with one
            return False
    odd = rows - others[width]
    return not (width == 2 and not found.quoted and odd and not others[1])  # perhaps separators in the text


def _blocks(path: Path, start: int, opening: delimited.Opening, found: Census, bad: str) -> delimited.Parsed | None:
    """All rows, in blocks; None where the parser finds other rows than were counted."""
    spill, bads = Spill(), _Bad(bad)
    cuts = list(found.cuts)
    cuts[0] = start + int(opening.plan.ends[0]) if opening.header else cuts[0]
    with path.open("rb") as file:
        for begin, end in zip(cuts, cuts[1:], strict=False):
            file.seek(begin)
            parsed = _block(file.read(end - begin), opening, found.quoted, path.name)
            spill.add(bads.take(pa.table(parsed.columns), parsed.rows, parsed.bad))
    if bads.found != found.fields.records - opening.header:
        return None
    if bads.wrong and bad == "raise":
        raise DataError(irregular(path.name, bads.wrong, bads.found, bads.many))
    table = spill.close()
    result = delimited.Parsed(_columns(table), table.num_rows, bads.found, opening.separator, bads.numbers, bads.kept)
    if bads.wrong and bad == "skip":
        result.notes.append(left_out(path.name, bads.wrong, bads.many))
    return result


def _block(data: bytes, opening: delimited.Opening, quoted: bool, name: str) -> delimited.Parsed:
    names, table = opening.names, None
    for multiline in (False, True) if quoted else (False,):
        if table is None:
            table = delimited.table(pa.BufferReader(data), names, opening.separator, quoted, multiline)
    if table is not None:
        return delimited.Parsed(_columns(table), table.num_rows, table.num_rows, opening.separator)
    inside = replace(opening, plan=layout(data, opening.separator.encode(), quoted))
    return delimited.rows_one_by_one(data, inside, name, "keep", (), inside=True)


class _Bad:
    """Rows that can't be read, counted over blocks. `wrong`: the first five with their numbers. numbers, kept: see Sheet."""

    def __init__(self, bad: str):
        self.bad, self.found, self.many = bad, 0, 0
        self.wrong: list[tuple[int, str]] = []
        self.kept: dict[int, str] = {}
        self._gone: list[np.ndarray] = []

    def take(self, table: pa.Table, rows: int, wrong: dict[int, str]) -> pa.Table:
        """A block of so many rows, with those left out that are to be."""
        first, self.found = self.found, self.found + rows
        if not wrong:
            return table
        self.wrong += [(first + at + 1, why) for at, why in list(wrong.items())[: 5 - len(self.wrong)]]
        self.many += len(wrong)
        if self.bad == "keep":
            self.kept |= {first + at: why for at, why in wrong.items()}
            return table
        places = np.fromiter(wrong, np.int64, len(wrong))
        self._gone.append(first + places)
        stay = np.ones(rows, bool)
        stay[places] = False
        return table.filter(pa.array(stay))

    @property
    def numbers(self) -> np.ndarray | None:
        if not self._gone:
            return None
        stay = np.ones(self.found, bool)
        stay[np.concatenate(self._gone)] = False
        return keep(np.flatnonzero(stay) + 1)


def _columns(table: pa.Table) -> dict[str, Any]:
    return {name: table.column(at) for at, name in enumerate(table.column_names)}


# lines -------------------------------------------------------------------------------------------------------------
def _line_blocks(path: Path, start: int) -> Iterator[bytes]:
    """The file from `start` on, cut at line ends."""
    rest = b""
    with path.open("rb") as file:
        file.seek(start)
        while new := file.read(BLOCK):
            cut = new.rfind(b"\n") + 1
            if not cut:
                rest += new
                if len(rest) > _LONGEST * BLOCK:
                    raise DataError(
                        f"{path.name}: one line goes on for more than {len(rest) >> 20:,} MB, so this is no file of a row a line. "
                        f"Write one row a line, or save it as Parquet."
                    )
                continue
            yield rest + new[:cut]
            rest = new[cut:]
    if rest:
        yield rest


def _lines(path: Path, start: int, info: FileInfo, wish: Wish) -> Sheet | None:
    """JSON lines. None where rows are lists, or a line is not UTF-8."""
    name, spill, bads = path.name, Spill(), _Bad(wish.bad)
    first: type | None = None
    held: dict[int, str] = {}  # rows at the beginning of a block, none of which says what the columns are
    for data in _line_blocks(path, start):
        if not is_utf8(data):
            return None
        lines = json_lines(data, bads.found, first)
        first = lines.first
        if first is list:
            return None
        blank, before = blank_for(first), len(held)
        values = [blank] * before + [blank if value is None else value for value in lines.objects]
        held |= {before + at: why for at, why in lines.wrong.items()}
        if len(held) == len(values):
            continue
        columns = rows_of(values, name, wish.roles)
        arrays = {key: _array(column, key, name, bads.found) for key, column in columns.items()}
        spill.add(bads.take(pa.table(arrays), len(values), held))
        held = {}
    if not bads.found:
        if held:  # not one row can be read
            return None
        raise DataError(f"{name}: the file is empty.")
    if held:
        spill.add(bads.take(spill.nothing(len(held)), len(held), held))
    if bads.wrong and wish.bad == "raise":
        raise DataError(unreadable(name, bads.wrong, bads.found, bads.many))
    notes = [left_out(name, bads.wrong, bads.many)] if bads.wrong and wish.bad == "skip" else []
    try:
        table = spill.close()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _contradiction(name, "a column", short(str(error), 120)) from None
    info.format, info.rows = "jsonl", bads.found
    # Of rows that could not be read nothing else is known.
    numbers = bads.numbers if wish.bad != "keep" or not bads.kept else np.arange(1, bads.found + 1)
    return Sheet(_columns(table), table.num_rows, info, notes, numbers, bads.kept)


def _array(values: list[Any], column: str, name: str, before: int) -> pa.Array:
    """Raises DataError where the values are of several types."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeEncodeError):
        types = [type(value) for value in values]
        usual = next((kind for kind in types if kind is not type(None)), type(None))
        at = next((at for at, kind in enumerate(types) if kind not in (usual, type(None))), None)
        if at is None:
            raise _contradiction(name, f'the column "{column}"', "values that differ inside") from None
        what = f"{usual.__name__} and, in row {before + at + 1}, {types[at].__name__} ({short(values[at])})"
        raise _contradiction(name, f'the column "{column}"', what) from None


class _Contradiction(DataError):
    """Of values of several types in one column."""


def _contradiction(name: str, where: str, what: str) -> _Contradiction:
    return _Contradiction(
        f"{name}: {where} holds values of several types: {what}. A file of this size is read in blocks and needs one type "
        f"a column. Write all of them alike, or split the file."
    )


def _text(path: Path, start: int, info: FileInfo) -> Sheet | None:
    """One text a line; None for carriage returns that are line ends, and for bytes that are not UTF-8."""
    spill, rows, full = Spill(), 0, 0
    for data in _line_blocks(path, start):
        if not is_utf8(data) or b"\n" not in data and b"\r" in data:
            return None
        lines = data.decode("utf-8").replace("\r\n", "\n").split("\n")
        if not lines[-1]:
            lines.pop()
        spill.add(pa.table({"text": pa.array(lines, pa.string())}))
        last = next((at for at in range(len(lines), 0, -1) if lines[at - 1].strip()), None)
        full, rows = full if last is None else rows + last, rows + len(lines)
    info.format, info.rows = "text", full
    return Sheet({"text": spill.close().column("text").slice(0, full)}, full, info)


# tables ------------------------------------------------------------------------------------------------------------
def _table(path: Path, kind: str) -> Sheet:
    """Parquet and Arrow, in their own blocks; an Arrow file that is not compressed is mapped as it lies."""
    import pyarrow.parquet as parquet

    info = FileInfo.of_file(path)
    names: dict[str, list[str]] = {}
    spill, rows = Spill(), 0
    try:
        with path.open("rb") as file:
            kind = info.format = "parquet" if file.read(4) == b"PAR1" else kind
        batches = parquet.ParquetFile(path).iter_batches(65_536) if kind == "parquet" else _batches(path)
        for batch in batches:
            if batch.num_rows:
                columns, names = table_columns(pa.Table.from_batches([batch]), path.name, rows)
                spill.add(
                    pa.table({name: pa.chunked_array([v]) if isinstance(v, list) else v for name, v in columns.items()})
                )
                rows += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(unreadable_table(path.name, kind, error)) from None
    if not rows:
        schema = parquet.read_schema(path) if kind == "parquet" else None
        raise DataError(no_rows(path.name, schema.names if schema else []))
    info.rows = rows
    return Sheet(_columns(spill.close()), rows, info, class_names=names)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    source = pa.memory_map(str(path))
    try:
        reader = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        yield from pa.ipc.open_stream(source)
        return
    for at in range(reader.num_record_batches):
        yield reader.get_batch(at)
