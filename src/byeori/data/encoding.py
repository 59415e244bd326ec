"""Bytes → UTF-8 bytes: which encoding a file has, and which of its lines break it.

UTF-8 unless found otherwise; UTF-16 and UTF-32 by their mark or by their zeros, CP949 by decoding without an error into
mostly Hangul, Latin-1 and Windows-1252 where no line is either and the bytes stand as accents and quotation marks stand
in words. Nothing is replaced in silence: lines with broken bytes are returned by number.

    decode("가".encode("cp949"), "a.txt").encoding == "cp949"
"""

from __future__ import annotations

import codecs
import re
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


_INSIDE = b"\n" + codecs.BOM_UTF8
_CONTROL = bytes({*range(32)} - {9, 10, 11, 12, 13, 27, 31})


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
        wide = _by_zeros(head)
        if wide:
            return _wide(raw, name, wide)
        control = len(head) - len(head.translate(None, _CONTROL))
        if zeros == control and is_utf8(head.rstrip(b"\0")) and (head.endswith(bytes(16)) or zeros == len(head)):
            raise DataError(
                f"{name}: {'it holds nothing but' if zeros == len(head) else 'behind its text it holds'} NUL bytes, as files do whose "
                f"writing was cut off (a full disk, a crash). Fetch or write it again."
            )
        if zeros > len(head) * 0.01 or control > len(head) * 0.05:
            raise DataError(
                f"{name}: this looks like a binary file, not text. Byeori reads CSV, TSV, JSON, JSONL, Parquet, Excel and "
                f"text. (If it is text, name its --encoding.)"
            )
    return _utf8(raw, name, "utf-8", None)


def is_utf8(raw: bytes | bytearray) -> bool:
    """Whether these bytes are UTF-8, found without making a text of them (Arrow's check, twice as fast as `decode`)."""
    if raw.isascii():
        return True
    import pyarrow as pa

    bounds = pa.array([0, len(raw)], pa.int64()).buffers()[1]
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, pa.py_buffer(raw)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _utf8(raw: bytes, name: str, encoding: str, note: str | None) -> Decoded:
    if is_utf8(raw):
        marks = raw.count(_INSIDE)
        if marks:  # files laid end to end
            said = f"{name}: {marks:,} byte-order marks inside the file, at the beginning of lines, were left out."
            return Decoded(
                raw.replace(_INSIDE, b"\n"), encoding, f"{note[:-1]}; {said.partition(': ')[2]}" if note else said
            )
        return Decoded(raw, encoding, note)
    if encoding == "utf-8":
        try:
            text = raw.decode("cp949")
        except UnicodeDecodeError:
            text = None
        if text is not None and _is_korean(text) and not any(map(_is_long_utf8, raw.split(b"\n"))):
            return Decoded(text.encode("utf-8"), "cp949", f"{name}: read as CP949 (EUC-KR).")
    return _lines(raw, name, encoding, note)


def _is_korean(text: str) -> bool:
    """Whether CP949 gave Korean: mostly Hangul of usual syllables. Japanese and Chinese bytes give rare or archaic ones, or Hanja."""
    sample = [c for c in text[:200_000] if c > "\x7f"]
    archaic = sum("\u3165" <= c <= "\u318e" for c in sample)
    hanja = sum("一" <= c <= "鿿" for c in sample)
    usual = archaic <= 0.03 * len(sample) and hanja <= 0.25 * len(sample)
    return usual and _hangul(text) >= 0.5 and _is_common(text)


def _hangul(text: str) -> float:
    """Share of Hangul among the letters and signs that are not ASCII."""
    sample = [c for c in text[:200_000] if c > "\x7f"]
    return sum("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in sample) / max(1, len(sample))


def _by_zeros(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, of the first bytes of a file that holds zeros: the one in which they are text."""
    best: tuple[int, str] | None = None
    for kind in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = codecs.getincrementaldecoder(kind)().decode(head)
        except UnicodeDecodeError:
            continue
        if not text or any(c < " " and c not in "\t\r\n" for c in text):
            continue
        known = sum(c < "\x7f" or "가" <= c <= "힣" or c < "\u0250" or "\u3000" <= c <= "\u318e" for c in text)
        if known >= len(text) * 0.8 and (best is None or known > best[0]):
            best = known, kind
            if kind.startswith("utf-32"):
                return kind  # nearly no other bytes are
    return best and best[1]


def _is_common(text: str) -> bool:
    """Whether most Hangul syllables are among the 2,350 of KS X 1001: rarer ones are what accents in Latin text make."""
    sample = [c for c in text[:200_000] if "가" <= c <= "힣"][:2000]
    return 2 * sum(min(c.encode("cp949")) >= 0xA1 for c in sample) >= len(sample)


_LATIN = frozenset("ŠšŽžŒœŸƒªº" + "".join(map(chr, range(0xC0, 0xFF))))
_SIGNS = frozenset("‘’“”‚„–—…•€™©®°«»¿¡£¥§·½¼¾²³´×÷‹›¢\xa0")


def _latin(raw: bytes) -> str | None:
    """`cp1252` or `latin-1` where every byte beyond ASCII is a letter in a word or a usual sign, alone or in twos."""
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        return None
    runs = re.findall(r"[^\x00-\x7f]+", text)
    high = sum(map(len, runs))
    letters = sum(c.isascii() and c.isalpha() for c in text)
    if letters < 2 * high or sum(len(run) <= 2 for run in runs) < 0.9 * len(runs):
        return None
    if any(c not in _LATIN and c not in _SIGNS for run in runs for c in run):
        return None
    alone = len(re.findall(r"(?<![A-Za-z])[À-þ]{1,2}(?![A-Za-z])", text))  # à, é and the like are words by themselves
    if alone > high / 2:
        return None
    return "latin-1" if not re.search(rb"[\x80-\x9f]", raw) else "cp1252"


def _lines(raw: bytes, name: str, encoding: str, note: str | None) -> Decoded:
    """No encoding reads the whole: take the one that reads most lines, and say which lines it does not read."""
    lines = raw.split(b"\n")
    wide = [i for i, line in enumerate(lines) if not line.isascii()]
    broken = {
        "utf-8": [i for i in wide if not _reads(lines[i], "utf-8")],
        "cp949": [i for i in wide if not _reads(lines[i], "cp949") or _is_long_utf8(lines[i])],
    }
    kind = "utf-8" if len(broken["utf-8"]) <= len(broken["cp949"]) else "cp949"
    western = _latin(raw) if encoding == "utf-8" and len(broken["utf-8"]) == len(wide) else None
    if western:
        shown = "Latin-1" if western == "latin-1" else "Windows-1252"
        note = f"{name}: read as {shown} (Western European); if its accents look wrong, name its --encoding."
        return Decoded(raw.decode(western).encode("utf-8"), western, note)
    foreign = kind == "cp949" and len(wide) > 1 and not _is_korean(raw.decode(kind, errors="replace"))
    if len(broken[kind]) > len(wide) / 2 and len(wide) > 1 or foreign:
        raise DataError(
            f"{name}, line {(broken[kind] or wide)[0] + 1}: the encoding was not recognised (neither UTF-8, UTF-16, CP949 nor Latin-1). "
            f"Name it, for example --encoding cp1251."
        )
    text = raw.decode(kind, errors="replace")
    said = note if kind == "utf-8" else f"{name}: read as CP949 (EUC-KR)."
    other = "cp949" if kind == "utf-8" else "utf-8"
    mixed = [i for i in broken[kind] if i not in set(broken[other])]
    if mixed and len(wide) > len(broken[kind]):
        says = f"{len(mixed):,} of its lines are {other.upper()} (the first is line {mixed[0] + 1}), the others {kind.upper()}"
        said = f"{said[:-1]}; {says}." if said else f"{name}: {says}."
    return Decoded(text.encode("utf-8"), encoding if kind == "utf-8" else kind, said, broken[kind])


def _is_long_utf8(line: bytes) -> bool:
    """Whether a line is UTF-8 with characters of three bytes, as Hangul is: CP949 would read it too, as other signs."""
    return re.search(rb"[\xe1-\xef][\x80-\xbf]{2}", line) is not None and _reads(line, "utf-8")


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


def _is_plain_utf8(raw: bytes) -> bool:
    """Whether bytes can't well be anything else: UTF-8, with some characters that are long in it."""
    return 0 not in raw[:4096] and len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]{1,3}", raw[:200_000])) >= 8 and is_utf8(raw)


def _given(raw: bytes, name: str, encoding: str) -> Decoded:
    try:
        info = codecs.lookup(encoding)
    except LookupError:
        raise SettingError(
            f'--encoding: "{encoding}" is not an encoding that Python knows. Examples: utf-8, cp949, utf-16, latin-1.'
        ) from None
    try:
        "".encode(info.name)
    except LookupError:
        raise SettingError(
            f'--encoding: "{encoding}" does not decode text. Examples: utf-8, cp949, utf-16, latin-1.'
        ) from None
    if info.name not in ("utf-8", "utf-8-sig", "ascii", "utf-7") and _is_plain_utf8(raw):
        raise DataError(
            f"{name}: the file is UTF-8, and would turn into other signs as {encoding}. Leave --encoding out, or name utf-8."
        )
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
