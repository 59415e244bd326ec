"""One file → its sheet: opened, unpacked, and read by what it is.

Invariants: what a file is follows from its name and, where its first bytes say otherwise, from these, which is said;
`read_file` is the one door for a file, a packed file and a member of an archive.

    read_file(Path("nsmc.tsv"), wish).rows
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from byeori.data import archives, conll, documents, stream
from byeori.data.delimited import named, parse, separator_for
from byeori.data.encoding import decode
from byeori.data.names import header_names
from byeori.data.nested import is_json, parse_json
from byeori.data.places import BOOKS, DATA_SUFFIXES, DELIMITED, LINES, TABLES, TEXT, refused
from byeori.data.rows import FileInfo, Sheet
from byeori.data.structured import parse_jsonl, parse_table, parse_text
from byeori.data.wish import Wish
from byeori.errors import DataError

WAIT = 5.0  # seconds for the other end of a pipe
_PICKLES = (".pkl", ".pickle", ".p")
_CODE = (".joblib", ".pt", ".pth", ".bin", ".rds", ".rdata")
_OLD_BOOKS = (".xls", ".xlsb", ".numbers")
# The first bytes of what is no data file whatever its name says.
_FOREIGN = {
    b"%PDF-": "a PDF", b"\x89PNG": "an image (PNG)", b"\xff\xd8\xff": "an image (JPEG)", b"SQLite format 3": "an SQLite "
    "database", b"\x89HDF": "an HDF5 file", b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!\x1a": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "a file of an old Office program", b"GIF87a": "an image (GIF)", b"GIF89a": "an image (GIF)",
    b"RIFF": "an image or a sound (RIFF)", b"OggS\0": "a sound (Ogg)", **{b"ID3" + bytes((one,)): "a sound (MP3)" for one in (2, 3, 4)},
    **{bytes((0x80, one)): "a pickle" for one in range(2, 6)},
    b"\x7fELF": "a program", b"\x93NUMPY": "a NumPy array",
    b"HWP Document File": "a Hangul document",
}  # fmt: skip


def read_file(path: Path, wish: Wish) -> Sheet:
    """Read one file, as the settings (separator, header, encoding, field…) and roles of `wish` have it.

    path: a file, a packed file, or a member of an archive as `archives.inside` writes it. Raises DataError for whatever
    can't be read, with the row where there is one.
    """
    place, member = archives.parted(path)
    suffix = PurePosixPath(member or path.name).suffix.casefold()
    _refuse_by_name(path, suffix)
    if member is None and path.is_file() and (sheet := stream.sheet_of(path, suffix, wish)):
        return sheet
    raw, info, inner = _opened(path)
    name = place.name if member is None else f"{place.name}{archives.MARK}{member}"
    _refuse_by_name(path, _suffix_of(inner))
    return _content(raw, name, _suffix_of(inner), info, wish)


def content(path: Path) -> tuple[bytes, FileInfo]:
    """(bytes, what is known) of a file, unpacked where it is packed. Raises DataError."""
    raw, info, _ = _opened(path)
    return raw, info


def _opened(path: Path) -> tuple[bytes, FileInfo, str]:
    """A file's bytes, unpacked, and the name of what was packed. Of one member of several the hash is its own."""
    place, member = archives.parted(path)
    if member is None and not archives.is_packed(path.name):
        raw = _bytes(path)
        return raw, FileInfo.of_file(path, raw), path.name
    try:
        if member is not None:
            raw, inner = archives.unpack_member(place, member)
            return raw, FileInfo(str(path), sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw)), inner
        with place.open("rb") as packed:
            raw, inner = archives.unpack(packed, place.name)
            packed.seek(0)
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
            return raw, FileInfo(str(path), sha256=digest, bytes=place.stat().st_size), inner
    except OSError as error:
        raise DataError(refused(place, error)) from None


def _bytes(path: Path) -> bytes:
    """A whole file, where memory has room for it and what is made of it."""
    try:
        status = path.stat()
        if stat.S_ISCHR(status.st_mode):
            raise DataError(f"{path}: this is a device, not a file. Give a file; standard input is written -.")
        if not stat.S_ISREG(status.st_mode):  # a pipe, whose end nobody knows
            return _from_pipe(path)
        archives.check_size(status.st_size, status.st_size, path.name)
        return path.read_bytes()
    except OSError as error:
        raise DataError(refused(path, error)) from None


def _from_pipe(path: Path) -> bytes:
    """All that is written into a pipe. One that nobody opens for writing is not waited for."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(pipe, "rb", buffering=0) as stream:
        first, until = b"", time.monotonic() + WAIT
        while not first:
            try:
                first = os.read(pipe, 1 << 16)
            except BlockingIOError:  # somebody will write
                break
            if not first and time.monotonic() > until:
                raise DataError(
                    f"{path}: this is a pipe into which nothing writes. Start what writes first, or give a file."
                )
            if not first:
                time.sleep(0.01)
        os.set_blocking(pipe, True)
        return first + archives.read_all(stream, path.name)


def _refuse_by_name(path: Path, suffix: str) -> None:
    if suffix in _CODE:
        raise DataError(
            f"{path}: files of this kind ({suffix}) run code when they are opened, so Byeori does not open them. Save the "
            f"data as Parquet or JSONL."
        )
    if suffix in _OLD_BOOKS:
        raise DataError(
            f"{path}: spreadsheets of this kind ({suffix}) are not read. Save it as .xlsx, or as CSV (UTF-8)."
        )


def _content(raw: bytes, name: str, suffix: str, info: FileInfo, wish: Wish) -> Sheet:
    """A file's bytes by its name and its first bytes: a spreadsheet, a pickle, a table or a text."""
    if suffix in _PICKLES:
        from byeori.data.pickles import read_pickle

        return read_pickle(raw, name, info, wish)
    if suffix in BOOKS:
        from byeori.data.spreadsheets import read_book

        return read_book(raw, name, suffix, info, wish)
    found = archives.magic(raw[:8])
    book = book_of(raw) if found == ".zip" else ""
    if book:
        return _content(raw, name, book, info, wish)
    if found and suffix in ("", ".dat", *DATA_SUFFIXES):  # downloaded under a name that isn't its own
        inner, inner_name = archives.unpack(raw, name + found)
        sheet = _content(inner, name, _suffix_of(inner_name) or suffix, info, wish)
        sheet.notes.insert(0, f"{name}: it is packed ({found}), whatever its name says; it was unpacked.")
        return sheet
    return read_bytes(raw, name, suffix, info, wish)


def book_of(raw: bytes) -> str:
    """`.xlsx` or `.ods` where a zip is a spreadsheet by what it holds first."""
    if b"opendocument.spreadsheet" in raw[:200]:
        return ".ods"
    return ".xlsx" if b"[Content_Types].xml" in raw[:4096] or b"xl/workbook.xml" in raw[-65536:] else ""


def _suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.casefold()


def is_table(path: Path) -> bool:
    """Whether a text file is delimited by its first lines: rows of its own, not one side of a line by line pair."""
    with path.open("rb") as file:
        return separator_for(file.read(1 << 16), path.suffix.casefold(), None) is not None


def read_standard_input(wish: Wish) -> Sheet:
    """Standard input: JSON lines, a delimited file or one text a line, told apart by its first lines."""
    raw = archives.read_all(sys.stdin.buffer, "standard input")
    info = FileInfo("standard input", sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
    return _content(raw, "standard input", "", info, wish)


def _known(wish: Wish) -> set[str] | None:
    """What `conll.recognise` is to see in rows that are only predicted: None where tags, or the tokens' column, are asked for."""
    if wish.wants("tags") or wish.given("tokens"):
        return None
    return {*(wish.label_names or ()), *(one for one in wish.before.values() if isinstance(one, str))}


def read_bytes(raw: bytes, name: str, suffix: str, info: FileInfo, wish: Wish) -> Sheet:
    """A file's bytes → its sheet; `suffix` (lower case, with the dot) says what they should be."""
    foreign = next((what for mark, what in _FOREIGN.items() if raw.startswith(mark)), None)
    if foreign:
        raise DataError(
            f"{name}: this is {foreign}, not data that Byeori reads. Save the rows as CSV, JSONL or Parquet."
        )
    if not wish.documents:
        _refuse_markup(raw, name)
    table = "parquet" if raw[:4] == b"PAR1" else "arrow" if raw[:6] == b"ARROW1" else TABLES.get(suffix)
    if table:
        info.format = table
        columns, names = parse_table(raw, name, info.format)
        return _sheet(columns, info, class_names=names)
    if not raw or raw.isspace():
        raise DataError(f"{name}: the file is empty.")
    decoded = decode(raw, name, wish.setting("encoding"))
    data, info.encoding = decoded.data, decoded.encoding
    if not data or data.isspace():
        raise DataError(f"{name}: the file is empty.")
    notes = [decoded.note] if decoded.note else []
    known = suffix in DELIMITED or suffix in TEXT or suffix in conll.SUFFIXES
    if known and is_json(data.lstrip()):
        notes.append(f"{name}: it is JSON, whatever its name says.")
        known, suffix = False, ""
    if wish.wants("tokens") and suffix != ".json" and suffix not in LINES:
        layout = conll.recognise(data, suffix, _known(wish))
        if layout:
            sheet = _sentences(data, name, layout, info, wish, decoded.broken)
            sheet.notes[:0] = notes
            return sheet
    if suffix == ".json" or suffix in LINES or (not known and data.lstrip()[:1] in (b"{", b"[")):
        lines = suffix in LINES and not (data.lstrip()[:1] == b"[" and is_json(data.lstrip()))
        if decoded.broken and not lines:
            raise DataError(
                f"{name}, line {decoded.broken[0] + 1}: bytes that are not {decoded.encoding.upper()}. Save the "
                f"file again as UTF-8, or name its --encoding."
            )
        info.format = "jsonl" if lines else "json"
        if lines:
            columns, more, extra = parse_jsonl(data, name, wish.bad, wish.roles, decoded.broken)
        else:
            columns, more, extra = parse_json(data, name, wish.setting("field"), wish.bad, wish.roles)
            info.format = "jsonl" if extra and "list" not in extra else "json"
        return _sheet(columns, info, notes + more, extra.get("numbers"), extra.get("bad"), extra.get("found"))
    data, given = named(data, wish.setting("separator")) if suffix in DELIMITED else (data, wish.setting("separator"))
    running = wish.documents and not given and suffix not in DELIMITED
    header = header_names(wish.roles)
    if suffix not in DELIMITED and (
        running and wish.setting("document") or separator_for(data, suffix, given, header) is None
    ):
        return _text(data, name, info, wish, decoded.broken, notes, running)
    parsed = parse(data, name, suffix, given, wish.setting("header"), wish.bad, decoded.broken, header)
    info.format = {",": "csv", "\t": "tsv"}.get(parsed.separator, "delimited")
    return _sheet(parsed.columns, info, notes + parsed.notes, parsed.numbers, parsed.bad, parsed.found)


def _refuse_markup(raw: bytes, name: str) -> None:
    """What is often saved in place of the data: the page that shows it, a message of a server, a pointer of git-lfs."""
    head = raw[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise DataError(
            f'{name}: this is a web page (HTML), not the data. Download the file itself, often under "raw".'
        )
    if head.startswith(b"<?xml"):
        raise DataError(f"{name}: this is XML, which Byeori does not read. Save the rows as CSV, JSONL or Parquet.")
    if head.startswith(b"version https://git-lfs"):
        raise DataError(f"{name}: this is a pointer of git-lfs, not the data. Fetch the data with `git lfs pull`.")


def _sentences(
    data: bytes, name: str, layout: conll.Layout, info: FileInfo, wish: Wish, broken: list[int]
) -> Sheet:  # fmt: skip
    """A file of one token a line, with the columns named, or those of training where it has them."""
    chosen = {}
    for role in ("tokens", "tags"):
        before = wish.before.get(role)
        chosen[role] = wish.given(role) or (before if before in layout.names else None)
    return conll.parse(
        data, name, layout, info, tokens=chosen["tokens"], tags=chosen["tags"],
        need_tags=wish.wants("tags") and wish.bad != "keep", bad=wish.bad, broken=broken,
    )  # fmt: skip


def _text(
    data: bytes, name: str, info: FileInfo, wish: Wish, broken_at: list[int], notes: list[str], running: bool
) -> Sheet:
    """Plain text: a text a line, or running text cut into documents."""
    info.format = "text"
    if running and not broken_at:
        columns, said = documents.parse(data, name, wish.setting("document"))
        return _sheet(columns, info, notes + said)
    columns = parse_text(data, name)
    broken = {i: "bytes that are not in the file's encoding" for i in broken_at if i < len(columns["text"])}
    if broken and (wish.bad == "raise" or running):
        first = min(broken)
        raise DataError(
            f"{name}, row {first + 1}: bytes that are not {(info.encoding or '').upper()}. Save the file again "
            f"as UTF-8, or name its --encoding."
        )
    if broken and wish.bad == "skip":
        kept = [i for i in range(len(columns["text"])) if i not in broken]
        notes.append(f"{name}: {len(broken):,} lines with broken bytes left out.")
        found = len(columns["text"])
        columns = {"text": [columns["text"][i] for i in kept]}
        return _sheet(columns, info, notes, [i + 1 for i in kept], None, found)
    return _sheet(columns, info, notes, None, broken)


def _sheet(columns: dict, info: FileInfo, notes: list[str] | None = None, numbers: Any = None, bad: dict | None = None,
           found: int | None = None, class_names: dict | None = None) -> Sheet:  # fmt: skip
    rows = len(next(iter(columns.values()))) if columns else 0
    info.rows = rows if found is None else found
    at = None if numbers is None else np.asarray(numbers, np.int64)
    return Sheet(columns, rows, info, notes or [], at, bad or {}, class_names or {})
