"""A delimited file of some size → its sheet in one pass, never whole in memory: pyarrow parses while quotes are watched.

Most files need no second look: UTF-8, quoted as CSV has it or not at all, the same number of fields in every row. What
`delimited.parse` would prove of such a file before it parses is proved here on the bytes that go by; where one of these
things does not hold there is no sheet, and the file is read the long way.

    read(Path("reviews.csv"), ".csv", Wish()).rows
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from byeori.data.delimited import SAMPLE, Parsed, finished, opened, separator_for, table
from byeori.data.encoding import is_utf8
from byeori.data.names import header_names
from byeori.data.quoting import PIECE, Watch, enclosing, layout
from byeori.data.rows import FileInfo, Sheet
from byeori.data.wish import Wish

LEAST = 1 << 20  # bytes; below, nothing is gained
_TEXT = frozenset((*range(32, 256), *b"\t\n\r"))
_ELSE = (b"\xef\xbb\xbf", b"PAR1", b"ARROW1", b"FEA1", b"%PDF-", b"SQLite format 3", b"HWP Document File")


def read(path: Path, suffix: str, wish: Wish) -> Sheet | None:
    """The sheet, as `byeori.data.files.read_file` gives it, or None where the file must be looked at as a whole."""
    if wish.wants("tokens") or wish.setting("encoding"):
        return None
    try:
        with path.open("rb") as file:
            info = FileInfo.of_file(path)
            head = file.read(SAMPLE)
            if (info.bytes or 0) < LEAST or not is_text(head):
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
    with ThreadPoolExecutor(1) as beside:
        watched = beside.submit(_watch, path, start, watch, quoted)
        with pa.OSFile(str(path)) as file:
            file.seek(start)
            found = table(file, opening.names, separator, quoted, checked=False)
        ended = watched.result()
    if found is None or not watch.well_formed or watch.lone or bool(watch.quotes) != quoted:
        return None
    plan.blank = watch.newlines + (not ended) - opening.header - found.num_rows  # the header's own line end stays
    if plan.blank and quoted:  # line ends inside of values, blank lines, or both: they are told apart the long way
        return None
    columns = {name: found.column(at) for at, name in enumerate(opening.names)}
    result = Parsed(columns, found.num_rows, found.num_rows, separator)
    return finished(result, opening, path.name, suffix, separator)


def _watch(path: Path, start: int, watch: Watch, quoted: bool) -> bool:
    """Look at a file from `start` on, until the look fails; whether it ends with a line end."""
    buffer, size = bytearray(PIECE), 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        last = b""
        while size := file.readinto(buffer):
            data = buffer if size == len(buffer) else buffer[:size]
            watch.feed(data)
            last = bytes(data[-1:])
            if watch.lone or not watch.well_formed or watch.quotes and not quoted:
                break
    watch.close()
    return last == b"\n"
