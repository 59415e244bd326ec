"""Bytes → UTF-8 bytes: which encoding a file has, and which of its lines break it.

UTF-8 unless found otherwise; UTF-16 and UTF-32 by their mark (UTF-16 also by its zeros), CP949 by decoding without
an error into mostly Hangul. Nothing is replaced in silence: lines with broken bytes are returned by number.

    decode("가".encode("cp949"), "a.txt").encoding == "cp949"
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from byeori.errors import DataError, SettingError

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Decoded:
    """`data`: UTF-8 without a mark; `broken`: 0-based numbers of lines whose bytes could not be read (U+FFFD there)."""

    data: bytes
    encoding: str
    note: str | None = None
    broken: list[int] = field(default_factory=list)


def decode(raw: bytes, name: str, encoding: str | None = None) -> Decoded:
    """Recognise the encoding (or use the one given) and return UTF-8.

    Raises DataError for binary files and encodings not recognised, SettingError for an unknown encoding name.
    """
    if encoding is not None:
        return _given(raw, name, encoding)
    for mark, kind in _MARKS:
        if raw.startswith(mark):
            body = raw[len(mark) :]
            if kind == "utf-8-sig":
                return _utf8(body, name, "utf-8-sig", f"{name}: UTF-8 with a byte-order mark, which was left out.")
            return _wide(body, name, kind)
    head = raw[:4096]
    zeros = head.count(0)
    if zeros:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) * 0.1 and min(even, odd) <= max(even, odd) * 0.1:
            kind = "utf-16-le" if odd > even else "utf-16-be"
            shown = head[: len(head) // 2 * 2].decode(kind, errors="replace")
            if sum(c < " " and c not in "\t\r\n" for c in shown) <= len(shown) * 0.01:
                return _wide(raw, name, kind)
        if zeros > len(head) * 0.01:
            raise DataError(
                f"{name}: this looks like a binary file, not text. Byeori reads CSV, TSV, JSON, JSONL, Parquet "
                f"and text."
            )
    return _utf8(raw, name, "utf-8", None)


def _utf8(raw: bytes, name: str, encoding: str, note: str | None) -> Decoded:
    if raw.isascii():
        return Decoded(raw, encoding, note)
    try:
        raw.decode("utf-8")
        return Decoded(raw, encoding, note)
    except UnicodeDecodeError:
        pass
    if encoding == "utf-8":
        try:
            text = raw.decode("cp949")
        except UnicodeDecodeError:
            text = None
        if text is not None and _hangul(text) >= 0.5:
            return Decoded(text.encode("utf-8"), "cp949", f"{name}: read as CP949 (EUC-KR).")
    return _lines(raw, name, encoding, note)


def _hangul(text: str) -> float:
    """Share of Hangul among the letters and signs that are not ASCII."""
    sample = [c for c in text[:200_000] if c > "\x7f"]
    return sum("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in sample) / max(1, len(sample))


def _lines(raw: bytes, name: str, encoding: str, note: str | None) -> Decoded:
    """No encoding reads the whole: take the one that reads most lines, and say which lines it does not read."""
    lines = raw.split(b"\n")
    wide = [i for i, line in enumerate(lines) if not line.isascii()]
    broken = {kind: [i for i in wide if not _reads(lines[i], kind)] for kind in ("utf-8", "cp949")}
    kind = "utf-8" if len(broken["utf-8"]) <= len(broken["cp949"]) else "cp949"
    if len(broken[kind]) > len(wide) / 2 and len(wide) > 1:
        raise DataError(
            f"{name}: the encoding was not recognised (neither UTF-8, UTF-16 nor CP949). Name it, for example "
            f"--encoding latin-1."
        )
    text = raw.decode(kind, errors="replace")
    label = encoding if kind == "utf-8" else kind
    return Decoded(
        text.encode("utf-8"), label, note if kind == "utf-8" else f"{name}: read as CP949 (EUC-KR).", broken[kind]
    )


def _reads(line: bytes, kind: str) -> bool:
    try:
        line.decode(kind)
        return True
    except UnicodeDecodeError:
        return False


def _wide(body: bytes, name: str, kind: str) -> Decoded:
    shown = kind[:6].upper()
    try:
        text = body.decode(kind)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(kind, errors="replace").count("\n") + 1
        raise DataError(f"{name}, line {line}: bytes that are not {shown}. Save the file again as UTF-8.") from None
    return Decoded(text.removeprefix("\ufeff").encode("utf-8"), kind[:6], f"{name}: read as {shown}.")


def _given(raw: bytes, name: str, encoding: str) -> Decoded:
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        raise SettingError(
            f'--encoding: "{encoding}" is not an encoding that Python knows. Examples: utf-8, cp949, utf-16, latin-1.'
        ) from None
    try:
        text = raw.decode(info.name)
    except UnicodeDecodeError as error:
        if info.name.startswith(("utf-16", "utf-32")):
            raise DataError(
                f"{name}: not {info.name}, byte {error.start} can't be read. Leave --encoding out to have it "
                f"recognised."
            ) from None
        lines = raw.split(b"\n")
        broken = [i for i, line in enumerate(lines) if not line.isascii() and not _reads(line, info.name)]
        text = raw.decode(info.name, errors="replace")
        return Decoded(text.removeprefix("\ufeff").encode("utf-8"), info.name, None, broken)
    except (UnicodeError, LookupError):
        raise SettingError(
            f'--encoding: "{encoding}" does not decode text. Examples: utf-8, cp949, utf-16, latin-1.'
        ) from None
    return Decoded(text.removeprefix("\ufeff").encode("utf-8"), info.name)
