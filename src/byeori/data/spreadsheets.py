"""A spreadsheet → columns of text: one sheet of an .xlsx or .ods, with the values as people see them.

Invariants: every value is the text that the program shows for it, as far as its format says (`2026-03-01`, `5`, `0.25`,
`TRUE`): a label column reads as it would from a CSV. Rows that are wholly empty are no rows, which is said. A merged cell
has its value in its first row and column only, which is said too.

    read_book(raw, "reviews.xlsx", ".xlsx", info, wish).columns["text"]
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from byeori.data import archives
from byeori.data.header import column_names, has_header, names_without_header
from byeori.data.names import header_names
from byeori.data.rows import FileInfo, Sheet
from byeori.data.wish import Wish
from byeori.data.wording import count, listed, nearest, short
from byeori.errors import DataError

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_MOST_CELLS = 20_000_000  # a sheet may declare 17 billion, all of them empty
_MOST_COLUMNS = 16_384
_EMPTY_RUN = 10_000  # empty rows after which a sheet is over
_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!")

Row = list[str | None]


@dataclass(slots=True)
class _Page:
    """One sheet: its rows as text, the 1-based numbers of its lines, and how many of its cells were merged."""

    title: str
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    merged: int = 0
    unworked: int = 0  # formulas without a value


def read_book(raw: bytes, name: str, suffix: str, info: FileInfo, wish: Wish) -> Sheet:
    """Read one sheet: that of `sheet` (its name, or its number from 1), or the only one that holds rows.

    Raises DataError for a file that is no spreadsheet, a sheet that isn't there or holds nothing, and where several hold
    rows and none is named.
    """
    _check(raw, name)
    asked = wish.setting("sheet")
    page, others = (_ods if suffix == ".ods" else _xlsx)(raw, name, None if asked is None else str(asked))
    info.format = suffix[1:]
    notes = [
        f'{name}: the sheet "{page.title}"'
        + (f" (others: {listed(others, most=5)}; --sheet names one)." if others else ".")
    ]
    return _sheet(page, name, info, wish, notes)


def _check(raw: bytes, name: str) -> None:
    """Refuse what is no zip, is protected, or would unpack to more than memory holds."""
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{name}: it is protected by a password, or an .xls of before 2007. Save it as a plain .xlsx or CSV."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            for entry in opened.infolist():
                archives.check_size(entry.file_size, entry.compress_size, name)
            archives.check_size(sum(entry.file_size for entry in opened.infolist()), len(raw), name)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{name}: this is no spreadsheet, or a damaged one ({short(error, 80)}). Save it again."
        ) from None


def _chosen(titles: Sequence[str], filled: Sequence[str], asked: str | None, name: str) -> str:
    """The sheet asked for, or the only one that holds rows."""
    if asked is not None:
        if asked in titles:
            return asked
        if asked.isdecimal() and 1 <= int(asked) <= len(titles):
            return titles[int(asked) - 1]
        folded = [title for title in titles if title.strip().casefold() == asked.strip().casefold()]
        if len(folded) == 1:
            return folded[0]
        close = nearest(asked, titles)
        hint = f' Did you mean "{close}"?' if close else ""
        raise DataError(
            f'{name}: there is no sheet "{asked}" (--sheet). The sheets are {listed(titles)}, or 1 to {len(titles)}.{hint}'
        )
    if not filled:
        raise DataError(f"{name}: no sheet holds a row ({listed(titles)}). Give a file that holds some.")
    if len(filled) > 1:
        raise DataError(
            f'{name}: the sheets {listed(filled)} each hold rows. Name one with --sheet, for example --sheet "{filled[0]}".'
        )
    return filled[0]


# .xlsx ------------------------------------------------------------------------------------------------------------
def _xlsx(raw: bytes, name: str, asked: str | None) -> tuple[_Page, list[str]]:
    try:
        import openpyxl
    except ImportError:
        raise DataError(
            f"{name}: reading .xlsx needs openpyxl. Install it with `pip install 'byeori[excel]'`, or save the sheet as CSV "
            f"(UTF-8)."
        ) from None
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        pages = {page.title: page for page in book.worksheets}
        titles = list(pages)
        filled = [] if asked is not None else [title for title in titles if _is_filled(pages[title])]
        chosen = _chosen(titles, filled, asked, name)
        page = _Page(chosen)
        for number, cells in _rows(pages[chosen], name):
            page.rows.append([_shown(cell) for cell in cells])
            page.lines.append(number)
        book.close()
        page.merged, page.unworked = _marks(raw, str(getattr(pages[chosen], "_worksheet_path", "")))
        return page, [title for title in titles if title != chosen]
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsing meets: KeyError, TypeError, ParseError…
        reason = short(" ".join(f"{type(error).__name__}: {error}".split()), 120)
        raise DataError(
            f"{name}: the spreadsheet can't be read ({reason}). Open it, save it again, or save it as CSV."
        ) from None


def _is_filled(page: Any) -> bool:
    """Whether one of the first rows of a sheet holds something."""
    page.reset_dimensions()  # what the file declares is often wrong
    for at, row in enumerate(page.iter_rows(max_row=_EMPTY_RUN)):
        if any(cell.value is not None for cell in row):
            return True
        if at > _EMPTY_RUN:
            break
    return False


def _rows(page: Any, name: str) -> Iterator[tuple[int, list[Any]]]:
    """(line number, cells) of each row that holds something, the empty cells at its end left out."""
    page.reset_dimensions()
    cells = empty = 0
    for number, row in enumerate(page.iter_rows(), 1):
        kept = list(row)
        while kept and kept[-1].value is None:
            kept.pop()
        if not kept:
            empty += 1
            if empty >= _EMPTY_RUN:
                return
            continue
        empty = 0
        cells += len(kept)
        _limit(cells, len(kept), name)
        yield number, kept


def _limit(cells: int, width: int, name: str) -> None:
    if cells > _MOST_CELLS or width > _MOST_COLUMNS:
        raise DataError(f"{name}: the sheet holds more than {_MOST_CELLS:,} cells. Save it as CSV and give that.")


_UNWORKED = re.compile(rb"(?:</f>|<f[^<>]*/>)(?:<v ?/>|<v></v>)?</c>")


def _marks(raw: bytes, place: str) -> tuple[int, int]:
    """(how many ranges of a sheet are merged cells, formulas without a value). openpyxl doesn't say in its reading mode."""
    unworked = 0
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        name = place.lstrip("/")
        if name not in opened.namelist():
            return 0, 0
        tail = b""
        with opened.open(name) as stream:
            while part := stream.read(1 << 20):
                seen = tail[-64:] + part
                unworked += len(_UNWORKED.findall(seen)) - len(_UNWORKED.findall(tail[-64:]))
                tail = (tail + part)[-(1 << 20) :]
        found = re.search(rb'<mergeCells[^>]*count="(\d+)"', tail)
        return int(found.group(1)) if found else len(re.findall(rb"<mergeCell ", tail)), unworked


def _shown(cell: Any) -> str | None:
    """What the program shows in a cell."""
    value = cell.value
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    return _number(value, getattr(cell, "number_format", None) or "General")


_ZEROS = re.compile(r"0+$")
_DECIMALS = re.compile(r"[#,0]*0(?:\.(0+))?(%?)$")


def _number(value: float, shape: str) -> str:
    """A number by its format: `00123` for 123 in `00000`, `25%` for 0.25 in `0%`; else as few digits as tell it."""
    shape = shape.split(";")[0].strip()
    if _ZEROS.fullmatch(shape) and len(shape) > 1 and value == int(value):
        return f"{int(value):0{len(shape)}d}"
    decimals = _DECIMALS.match(shape)
    if decimals and decimals.group(2):
        return f"{value * 100:.{len(decimals.group(1) or '')}f}%"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


# .ods -------------------------------------------------------------------------------------------------------------
def _ods(raw: bytes, name: str, asked: str | None) -> tuple[_Page, list[str]]:
    from xml.etree.ElementTree import ParseError

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            pages = []
            with opened.open("content.xml") as stream:
                for page in _tables(stream, name):
                    pages.append(page)
    except (ParseError, KeyError, zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{name}: the spreadsheet can't be read ({short(error, 100)}). Save it again, or as CSV."
        ) from None
    titles = [page.title for page in pages]
    chosen = _chosen(titles, [page.title for page in pages if page.rows], asked, name)
    return pages[titles.index(chosen)], [title for title in titles if title != chosen]


def _tables(stream: Any, name: str) -> Iterator[_Page]:
    """Each table of a content.xml: a cell's paragraphs are the very text that is shown."""
    from xml.etree.ElementTree import iterparse

    page = _Page("")
    line = cells = 0
    for event, element in iterparse(stream, events=("start", "end")):
        if event == "start":
            if element.tag == f"{_TABLE}table":
                page, line = _Page(element.get(f"{_TABLE}name", "")), 0
            continue
        if element.tag == f"{_TABLE}table":
            yield page
            element.clear()
        elif element.tag == f"{_TABLE}table-row":
            times = int(element.get(f"{_TABLE}number-rows-repeated", "1"))
            row = _cells(element, page)
            if row:
                for again in range(min(times, _MOST_CELLS)):
                    cells += len(row)
                    _limit(cells, len(row), name)
                    page.rows.append(row)
                    page.lines.append(line + again + 1)
            line += times
            element.clear()


def _cells(element: Any, page: _Page) -> Row:
    row: Row = []
    blank = 0
    for cell in element:
        if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            continue
        times = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        spans = [int(cell.get(f"{_TABLE}number-{side}-spanned", "1")) for side in ("columns", "rows")]
        page.merged += max(spans) > 1
        text = "\n".join(_written(one) for one in cell.iterfind(f"{_TEXT}p"))
        if not text and not cell.get(f"{_OFFICE}value-type"):
            blank += times
            continue
        if len(row) + blank + times > _MOST_COLUMNS:
            break
        row += [None] * blank + [text or None] * times
        blank = 0
    while row and row[-1] is None:
        row.pop()
    return row


def _written(paragraph: Any) -> str:
    """A paragraph's text with its spaces, tabs and line ends, which are elements there."""
    parts = [paragraph.text or ""]
    for one in paragraph:
        if one.tag == f"{_TEXT}s":
            parts.append(" " * min(int(one.get(f"{_TEXT}c", "1")), 1000))
        elif one.tag == f"{_TEXT}tab":
            parts.append("\t")
        elif one.tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif one.tag != f"{_OFFICE}annotation":
            parts.append(_written(one))
        parts.append(one.tail or "")
    return "".join(parts)


# Rows → sheet -----------------------------------------------------------------------------------------------------
def _sheet(page: _Page, name: str, info: FileInfo, wish: Wish, notes: list[str]) -> Sheet:
    """Header and columns, as for a delimited file; a title line over the header is passed over."""
    if not page.rows:
        raise DataError(f'{name}: the sheet "{page.title}" is empty.')
    rows, lines = page.rows, page.lines
    width = max(map(len, rows))
    known = header_names(wish.roles)
    skipped = 0
    while width > 1 and len(rows) > skipped + 2 and sum(c is not None for c in rows[skipped]) == 1 and skipped < 5:
        skipped += 1  # a heading over the table
    if skipped and sum(cell is not None for cell in rows[skipped]) < 2:
        skipped = 0
    if skipped:
        notes.append(
            f'{name}: {count(skipped, "line")} over the table left out ("{short(next(c for c in rows[0] if c))}").'
        )
        rows, lines = rows[skipped:], lines[skipped:]
    filled = [[cell or "" for cell in row] + [""] * (width - len(row)) for row in rows]
    header = wish.setting("header")
    guess = None
    if header is None:
        header, guess = has_header(filled[0], filled[1:300], known)
    names = column_names(filled[0]) if header else names_without_header(filled[:300], width)
    rows, lines = rows[bool(header) :], lines[bool(header) :]
    if not rows:
        raise DataError(f'{name}: the sheet "{page.title}" has a header ({listed(names)}) and no row under it.')
    if guess:
        notes.append(f"{name}: {guess}.")
    blank = lines[-1] - lines[0] + 1 - len(lines)
    if blank:
        notes.append(f"{name}: {count(blank, 'empty row')} left out.")
    if page.merged:
        notes.append(
            f"{name}: {count(page.merged, 'range')} of merged cells: their value stands in the first row and column only."
        )
    wrong = sum(cell in _ERRORS for row in rows for cell in row)
    if wrong:
        notes.append(f"{name}: {count(wrong, 'cell')} with an error of the spreadsheet (such as #N/A) kept as text.")
    columns: dict[str, Any] = {}
    for at, column in enumerate(names):
        values = [row[at] if at < len(row) else None for row in rows]
        if header and not filled[0][at].strip() and all(value is None for value in values):
            continue  # a column without a name and without a value
        if page.unworked >= len(rows) and all(value is None for value in values):
            raise DataError(
                f'{name}: the column "{column}" holds formulas that were never worked out. Open the file in a spreadsheet program, '
                f"save it there and give that; or give CSV."
            )
        columns[column] = pa.chunked_array([pa.array(values, pa.string())])
    info.rows = len(rows)
    return Sheet(columns, len(rows), info, notes)
