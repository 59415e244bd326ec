"""Paths → sheets: which files a name stands for, their splits, and each file read by what it is.

read_file(Path("nsmc.tsv")).rows
"""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import io
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from byeori.data import conll, documents
from byeori.data.delimited import parse, separator_for
from byeori.data.encoding import decode
from byeori.data.names import header_names
from byeori.data.rows import FileInfo, Sheet
from byeori.data.structured import parse_json, parse_jsonl, parse_table, parse_text
from byeori.data.wish import Wish
from byeori.data.wording import listed, nearest
from byeori.errors import DataError

_DELIMITED = (".csv", ".tsv", ".tab", ".psv")
_TEXT = (".txt", ".text")
_TABLES = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow"}
_LINES = (".jsonl", ".ndjson", ".jsonlines")
DATA_SUFFIXES = (*_DELIMITED, *_TEXT, *_TABLES, *_LINES, ".json")
_PACKED = (".gz", ".xz", ".bz2", ".zip")
_PICKLES = (".pkl", ".pickle", ".p", ".joblib", ".pt", ".pth")
_SHEETS = (".xlsx", ".xls", ".ods")
_SPLIT = re.compile(r"(?:^|[^a-z])(train|training|dev|devel|valid|validation|val|eval|test)(?![a-z])")
_SPLITS = {
    "training": "train",
    "dev": "validation",
    "devel": "validation",
    "valid": "validation",
    "val": "validation",
    "eval": "validation",
}
_NOT_DATA = re.compile(r"^(readme|licen[cs]e|source|notice|changelog|citation)\b", re.IGNORECASE)


def split_of(name: str) -> str | None:
    """`train`, `validation` or `test` from a file, folder or key name; None where it says nothing."""
    found = _SPLIT.findall(name.casefold())
    return _SPLITS.get(found[-1], found[-1]) if found else None


def find(source: str | Path, more: tuple[str, ...] = ()) -> dict[str | None, list[Path]]:
    """The files that a path, folder or glob stands for, by split (None where no name tells).

    more: suffixes that count as data in a folder besides DATA_SUFFIXES, all of one kind.
    Raises DataError for a missing path (with close names), a folder of mixed kinds, and a file of unknown split
    among others whose split is known.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _folder(path, more)
    if path.exists():
        return {None: [path]}
    if any(c in str(source) for c in "*?["):
        hits = sorted(Path(hit) for hit in glob.glob(str(path), recursive=True) if Path(hit).is_file())
        if not hits:
            raise DataError(f"{source}: no file matches.")
        return {None: hits}
    raise DataError(missing(path))


def missing(path: Path) -> str:
    """The message for a path that isn't there, with what lies near it."""
    folder = path.parent
    if not folder.is_dir():
        return f"{path}: there is no such file, and no folder {folder}."
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    close = nearest(path.name, names)
    data = [name for name in names if Path(name).suffix.casefold() in DATA_SUFFIXES]
    hint = f" Did you mean {folder / close}?" if close else f" The folder holds {listed(data, most=6)}." if data else ""
    return f"{path}: there is no such file.{hint}"


def _kind(path: Path) -> str:
    suffixes = [s.casefold() for s in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _folder(folder: Path, more: tuple[str, ...] = ()) -> dict[str | None, list[Path]]:
    files = sorted(
        p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".") and not _NOT_DATA.match(p.name)
    )
    files = [p for p in files if _kind(p) in (*DATA_SUFFIXES, *more)]
    inside = {p: split_of(p.name) for p in sorted(folder.iterdir()) if p.is_dir() and split_of(p.name)}
    parts: dict[str | None, list[Path]] = {}
    if inside and not files:
        for sub, split in inside.items():
            parts.setdefault(split, []).extend(path for paths in _folder(sub, more).values() for path in paths)
        return parts
    if not files:
        raise DataError(f"{folder}: the folder holds no data file ({', '.join(DATA_SUFFIXES)}).")
    kinds = {more[0] if _kind(p) in more else _kind(p) for p in files}
    if len(kinds) > 1:
        raise DataError(
            f"{folder}: the folder holds files of several kinds ({', '.join(sorted(kinds))}). Name one, for "
            f"example {files[0]}, or use a glob such as {folder}/*{sorted(kinds)[0]}."
        )
    for path in files:
        parts.setdefault(split_of(path.stem), []).append(path)
    if None in parts and len(parts) > 1:
        raise DataError(
            f"{folder}: some files are named for a split, but {listed(p.name for p in parts[None])} for none. "
            "Give the files one by one with --train, --validation and --test."
        )
    return parts


def read_file(path: Path, wish: Wish) -> Sheet:
    """Read one file, as the settings (separator, header, encoding, field…) and roles of `wish` have it.

    Raises DataError for whatever can't be read, with the row where there is one.
    """
    suffix = path.suffix.casefold()
    if suffix in _PICKLES:
        raise DataError(
            f"{path}: pickles run code when they are opened, so Byeori does not open them. Save the data as "
            f"Parquet or JSONL."
        )
    if suffix in _SHEETS:
        raise DataError(f"{path}: spreadsheets are not read. Save the sheet as CSV (UTF-8) and give that.")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the file can't be opened ({error.strerror}).") from None
    info = FileInfo(str(path), sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
    name = path.name
    if suffix in _PACKED:
        raw, suffix = _unpack(raw, path)
    return read_bytes(raw, name, suffix, info, wish)


def unpack(raw: bytes, path: Path) -> bytes:
    """The bytes in a packed file; those of any other as they are."""
    return _unpack(raw, path)[0] if path.suffix.casefold() in _PACKED else raw


def is_table(path: Path) -> bool:
    """Whether a text file is delimited by its first lines: rows of its own, not one side of a line by line pair."""
    with path.open("rb") as file:
        return separator_for(file.read(1 << 16), path.suffix.casefold(), None) is not None


def read_standard_input(wish: Wish) -> Sheet:
    """Standard input: JSON lines, a delimited file or one text a line, told apart by its first lines."""
    raw = sys.stdin.buffer.read()
    info = FileInfo("standard input", sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
    return read_bytes(raw, "standard input", "", info, wish)


def _unpack(raw: bytes, path: Path) -> tuple[bytes, str]:
    inner = path.with_suffix("").suffix.casefold()
    openers: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.decompress,
        ".xz": lzma.decompress,
        ".bz2": bz2.decompress,
    }
    try:
        if path.suffix.casefold() != ".zip":
            return openers[path.suffix.casefold()](raw), inner
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX")]
            if len(members) != 1:
                raise DataError(
                    f"{path}: the archive holds {len(members)} files "
                    f"({listed((m.filename for m in members), most=5)}). Unpack it and name one."
                )
            return archive.read(members[0]), Path(members[0].filename).suffix.casefold()
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: the archive can't be unpacked ({error}).") from None


def _known(wish: Wish) -> set[str] | None:
    """What `conll.recognise` is to see in rows that are only predicted: None where tags, or the tokens' column, are asked for."""
    if wish.wants("tags") or wish.given("tokens"):
        return None
    return {*(wish.label_names or ()), *(one for one in wish.before.values() if isinstance(one, str))}


def read_bytes(raw: bytes, name: str, suffix: str, info: FileInfo, wish: Wish) -> Sheet:
    """A file's bytes → its sheet; `suffix` (lower case, with the dot) says what they should be."""
    if raw[:4] == b"PAR1" or suffix in _TABLES:
        info.format = "parquet" if raw[:4] == b"PAR1" else _TABLES[suffix]
        columns, names = parse_table(raw, name, info.format)
        return _sheet(columns, info, class_names=names)
    if not raw or raw.isspace():
        raise DataError(f"{name}: the file is empty.")
    decoded = decode(raw, name, wish.setting("encoding"))
    data, info.encoding = decoded.data, decoded.encoding
    if not data or data.isspace():
        raise DataError(f"{name}: the file is empty.")
    notes = [decoded.note] if decoded.note else []
    known = suffix in _DELIMITED or suffix in _TEXT or suffix in conll.SUFFIXES
    if wish.wants("tokens") and suffix != ".json" and suffix not in _LINES:
        layout = conll.recognise(data, suffix, _known(wish))
        if layout:
            sheet = _sentences(data, name, layout, info, wish, decoded.broken)
            sheet.notes[:0] = notes
            return sheet
    if suffix == ".json" or suffix in _LINES or (not known and data.lstrip()[:1] in (b"{", b"[")):
        if decoded.broken:
            raise DataError(
                f"{name}, line {decoded.broken[0] + 1}: bytes that are not {decoded.encoding.upper()}. Save the "
                f"file again as UTF-8, or name its --encoding."
            )
        info.format = "jsonl" if suffix in _LINES else "json"
        if info.format == "jsonl":
            columns, more, extra = parse_jsonl(data, name, wish.bad, wish.roles)
        else:
            columns, more, extra = parse_json(data, name, wish.setting("field"), wish.bad, wish.roles)
            info.format = "jsonl" if extra else "json"
        return _sheet(columns, info, notes + more, extra.get("numbers"), extra.get("bad"), extra.get("found"))
    given = wish.setting("separator")
    running = wish.documents and not given and suffix not in _DELIMITED
    header = header_names(wish.roles)
    if suffix not in _DELIMITED and (
        running and wish.setting("document") or separator_for(data, suffix, given, header) is None
    ):
        return _text(data, name, info, wish, decoded.broken, notes, running)
    parsed = parse(data, name, suffix, given, wish.setting("header"), wish.bad, decoded.broken, header)
    info.format = {",": "csv", "\t": "tsv"}.get(parsed.separator, "delimited")
    return _sheet(parsed.columns, info, notes + parsed.notes, parsed.numbers, parsed.bad, parsed.found)


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
