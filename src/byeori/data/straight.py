"""A delimited file of some size → its sheet in one pass, never whole in memory: quotes are watched as pyarrow reads.

Most files need no second look: UTF-8, quoted as CSV has it or not at all, the same number of fields in every row. What
`delimited.parse` would prove of such a file before it parses is proved here on the bytes that go by; where one of these
things does not hold there is no sheet, and the file is read the long way.

    read(Path("reviews.csv"), ".csv", Wish()).rows
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.bad_rows import repeats
from byeori.data.delimited import SAMPLE, Parsed, finished, opened, separator_for, table
from byeori.data.encoding import is_utf8
from byeori.data.names import header_names
from byeori.data.quoting import PIECE, Watch, enclosing, layout
from byeori.data.rows import FileInfo, Sheet
from byeori.data.wish import Wish

LEAST = 1 << 20  # bytes; below, nothing is gained
_TEXT = frozenset((*range(32, 256), *b"\t\n\r"))
_ELSE = (b"\xef\xbb\xbf", b"PAR1", b"ARROW1", b"FEA1", b"%PDF-", b"SQLite format 3", b"HWP Document File")
# The beginnings of what may be no delimited file, whatever its name says.
ODD = (b"{", b"[", b"<", b"sep=", b'"sep=', b"version https://git-lfs")


def read(path: Path, suffix: str, wish: Wish) -> Sheet | None:
    """The sheet, as `byeori.data.files.read_file` gives it, or None where the file must be looked at as a whole."""
    if wish.wants("tokens") or wish.setting("encoding"):
        return None
    try:
        with path.open("rb") as file:
            info = FileInfo.of_file(path)
            head = file.read(SAMPLE)
            if (info.bytes or 0) < LEAST or not is_text(head) or head.startswith(ODD) or head.count(b"\n") < 2:
                return None
            parsed = _parse(path, head, suffix, wish)
    except OSError:  # said by the long way
        return None
    if parsed is None:
        return None
    info.format = {",": "csv", "\t": "tsv"}.get(parsed.separator, "delimited")
    info.encoding, info.rows = "utf-8", parsed.found
    return Sheet(dict(parsed.columns), parsed.rows, info, parsed.notes)


def is_text(head: bytes) -> bool:
    """The beginning of a text in UTF-8, or what may be one."""
    return not head.startswith(_ELSE) and _TEXT.issuperset(head[:4096])


def _parse(path: Path, head: bytes, suffix: str, wish: Wish) -> Parsed | None:
    known = header_names(wish.roles)
    separator = separator_for(head, suffix, wish.setting("separator"), known) or ","
    mark = separator.encode()
    if len(mark) > 1:
        return None
    quoted = b'"' in head
    plan = enclosing(head, mark) if quoted else layout(head, mark)
    if plan is None or not len(plan.starts):
        return None
    opening = opened(head, plan, separator, path.name, wish.setting("header"), known, cut=not quoted)
    start = int(plan.ends[0]) if opening.header else 0
    if not is_utf8(head[:start]):
        return None
    watch = Watch(mark)
    several = quoted and head[: int(plan.ends[-1])].count(b"\n") >= len(plan.starts) + plan.blank  # lines a value
    source = _Watched(path, start, watch, quoted)
    with pa.PythonFile(source, mode="r") as file:
        found = table(file, opening.names, separator, quoted, several, checked=False)
    watch.close()
    if found is None or not watch.well_formed or watch.lone or bool(watch.quotes) != quoted:
        return None
    # The header's own line end stays.
    plan.blank = watch.newlines + (source.last != b"\n") - opening.header - found.num_rows
    if plan.blank and quoted:
        plan.blank -= _line_ends(found)
    columns = {name: found.column(at) for at, name in enumerate(opening.names)}
    if len(repeats(columns, opening)) or pc.any(pc.starts_with(found.column(0), "\ufeff")).as_py():
        return None  # files laid end to end
    result = Parsed(columns, found.num_rows, found.num_rows, separator)
    return finished(result, opening, path.name, suffix, separator)


def _line_ends(found: pa.Table) -> int:
    """Line ends inside of values."""
    many = 0
    for chunk in (chunk for column in found.columns for chunk in column.chunks if len(chunk)):
        _, bounds, data = chunk.buffers()
        at = np.frombuffer(bounds, np.int32)
        values = np.frombuffer(data, np.uint8)[at[chunk.offset] : at[chunk.offset + len(chunk)]]
        many += int(np.count_nonzero(values == 10))
    return many


class _Watched:
    """A file from `start` on, as Arrow reads it, block by block; it ends early where `watch` shows that it is another kind.

    One reading serves both: while a piece lies in the processor's cache it is looked at, and Arrow parses others meanwhile.
    """

    closed = False

    def __init__(self, path: Path, start: int, watch: Watch, quoted: bool):
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._watch, self._quoted = watch, quoted
        self.last = b""

    def read(self, size: int) -> pa.Buffer:
        block = pa.allocate_buffer(size)
        view, filled = memoryview(block), 0
        while filled < size and self._regular:
            got = self._file.readinto(view[filled : min(size, filled + PIECE)])
            if not got:
                break
            self._watch.feed(view[filled : filled + got])
            filled += got
        if filled:
            self.last = bytes(view[filled - 1 : filled])
        return block.slice(0, filled)

    @property
    def _regular(self) -> bool:
        watch = self._watch
        return watch.well_formed and not watch.lone and (self._quoted or not watch.quotes)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True
        self._file.close()
