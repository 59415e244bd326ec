"""A text file of any size as lines, paragraphs or one text, in little memory; packed ones (gz, xz, bz2) are unpacked on the way.

Invariants: the encoding is recognised as the readers do it, and holds for the whole file: a byte that it can't read stops
with its line, or is left out and counted.

    for text in Lines(Path("wiki.txt"), Texts()): ...
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from byeori.data.delimited import separator_for
from byeori.data.encoding import decode
from byeori.data.places import DATA_SUFFIXES
from byeori.data.wording import count
from byeori.errors import DataError
from byeori.text.tokenizer_settings import Texts

BLOCK = 1 << 20
LONGEST = 1 << 20  # characters without a line end, after which a text is cut at a space
_PLAIN = (".txt", ".text", "")
_OTHERS = (
    *DATA_SUFFIXES,
    ".conll",
    ".conllu",
    ".bio",
    ".iob",
    ".pkl",
    ".pickle",
    ".p",
    ".joblib",
    ".pt",
    ".pth",
    ".xls",
    ".zip",
    ".tar",
)
_PACKED: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_BROKEN = re.compile("[\udc80-\udcff]")
_CODECS = {"utf-8-sig": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}


def streams(path: Path, settings: Texts) -> bool:
    """Whether a file is running text: no table, no JSON, no columns asked for."""
    suffix = path.suffix.casefold()
    if suffix in _PACKED:
        suffix = path.with_suffix("").suffix.casefold()
    if (suffix in _OTHERS and suffix not in _PLAIN) or settings.text or settings.separator or settings.field:
        return False
    head = _head(path)
    if head[:4] == b"PAR1" or (suffix == "" and head.lstrip()[:1] in (b"{", b"[")):
        return False
    if not head or head.isspace():
        return True  # said when it is read
    return separator_for(decode(_whole_lines(head), path.name, settings.encoding).data, suffix, None) is None


class Lines:
    """The texts of a file; each iteration reads it anew. notes: what its encoding is, where that is not UTF-8."""

    def __init__(self, path: Path, settings: Texts):
        self.path, self.settings = path, settings
        self.notes: list[str] = []
        self.broken: list[int] = []
        self.encoding = self._recognise()

    def __iter__(self) -> Iterator[str]:
        self.broken = []
        texts: Iterator[str]
        if self.settings.document == "line":
            texts = self._lines()
        else:
            texts = self._joined(whole=self.settings.document == "file")
        most = self.settings.max_rows
        for number, text in enumerate(texts):
            if most is not None and number >= most:
                return
            yield text

    def left_out(self) -> list[str]:
        """What the last iteration left out."""
        return (
            [f"{self.path.name}: {count(len(self.broken), 'line')} with broken bytes left out."] if self.broken else []
        )

    def _joined(self, whole: bool) -> Iterator[str]:
        """Paragraphs (between blank lines), or the whole file, cut where it is longer than LONGEST."""
        held: list[str] = []
        size = 0
        for line in self._lines():
            blank = not line.strip()
            if held and (size > LONGEST or (blank and not whole)):
                yield "\n".join(held).strip("\n")
                held, size = [], 0
            if held or not blank:
                held.append(line)
                size += len(line) + 1
        if held:
            yield "\n".join(held).strip("\n")

    def _lines(self) -> Iterator[str]:
        """Lines without their ends; blank ones too. Raises DataError for a byte that is not of the encoding."""
        number = 0
        carry = ""
        for text in self._blocks():
            carry += text
            *found, carry = carry.split("\n")
            if len(carry) > LONGEST:
                cut = carry.rfind(" ") + 1 or len(carry)
                found.append(carry[:cut])
                carry = carry[cut:]
            for line in found:
                number += 1
                if self._reads(line, number):
                    yield line.rstrip("\r")
        if carry and self._reads(carry, number + 1):
            yield carry

    def _reads(self, line: str, number: int) -> bool:
        if line.isascii() or not _BROKEN.search(line):
            return True
        if not self.settings.skip_bad_rows:
            raise DataError(
                f"{self.path.name}, line {number}: bytes that are not {self.encoding.upper()}. Save the file again as UTF-8, name its "
                f"--encoding, or leave such lines out with --skip-bad-rows."
            )
        self.broken.append(number)
        return False

    def _blocks(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(_CODECS.get(self.encoding, self.encoding))("surrogateescape")
        first = True
        for raw in self._raw():
            text = decoder.decode(raw)
            yield text.removeprefix("\ufeff") if first else text
            first = False
        yield decoder.decode(b"", True)

    def _raw(self) -> Iterator[bytes]:
        try:
            with _open(self.path) as file:
                while block := file.read(BLOCK):
                    yield block
        except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self.path}: the archive can't be unpacked ({error}).") from None
        except OSError as error:
            raise DataError(f"{self.path}: the file can't be opened ({error.strerror or error}).") from None

    def _recognise(self) -> str:
        """The encoding of the whole file. UTF-8 unless its first lines, or any later one, say otherwise."""
        head = _head(self.path)
        if not head or head.isspace():
            raise DataError(f"{self.path.name}: the file is empty.")
        found = decode(_whole_lines(head), self.path.name, self.settings.encoding)
        if self.settings.encoding is not None or found.encoding != "utf-8" or found.broken:
            self.notes += [found.note] if found.note else []
            return self.settings.encoding or found.encoding
        if self._holds("utf-8"):
            return "utf-8"
        if head.isascii() and self._holds("cp949"):  # Korean begins later than what was looked at
            self.notes.append(f"{self.path.name}: read as CP949 (EUC-KR).")
            return "cp949"
        return "utf-8"

    def _holds(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for raw in self._raw():
                decoder.decode(raw)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
        return True


def _open(path: Path) -> IO[bytes]:
    opener = _PACKED.get(path.suffix.casefold())
    return opener(path, "rb") if opener else path.open("rb")


def _head(path: Path) -> bytes:
    try:
        with _open(path) as file:
            return file.read(BLOCK >> 2)
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the archive can't be unpacked ({error}).") from None
    except OSError as error:
        raise DataError(f"{path}: the file can't be opened ({error.strerror or error}).") from None


def _whole_lines(head: bytes) -> bytes:
    """Without the last line, which may be cut in the middle of a character."""
    cut = head.rfind(b"\n")
    if len(head) < BLOCK >> 2:
        return head
    if cut > 0:
        if head[cut + 1 : cut + 2] == b"\0":
            cut += 1  # UTF-16, little-endian
        return head[: cut + 1]
    return head[: len(head) // 4 * 4 - 4]
