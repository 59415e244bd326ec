"""The good files that the broken ones are made of: the same six rows in every format.

delimited(";") == "text;label\\n재미있다;good\\n…"
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from broken.case import PAIRS

OBJECTS = [{"text": text, "label": label} for text, label in PAIRS]
HEADER = ("text", "label")


def delimited(
    separator: str = ",", rows: Iterable[Sequence[str]] = PAIRS, header: Sequence[str] | None = HEADER
) -> str:
    """Without quotes."""
    lines = ([header] if header else []) + list(rows)
    return "".join(separator.join(row) + "\n" for row in lines)


CSV = delimited()
TSV = delimited("\t")
LINES = CSV.splitlines()


def with_line(number: int, line: str, text: str = CSV) -> str:
    """A text with another line (0 is the header)."""
    lines = text.splitlines()
    lines[number] = line
    return "\n".join(lines) + "\n"


def jsonl(rows: Iterable[Any] = OBJECTS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def dumped(value: Any = OBJECTS) -> str:
    return json.dumps(value, ensure_ascii=False)


def parquet(columns: Any, **more: Any) -> bytes:
    """columns: a dict or an Arrow table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(columns) if isinstance(columns, Mapping) else columns, sink, **more)
    return sink.getvalue()


def arrow(columns: Mapping[str, Any], stream: bool = False) -> bytes:
    import pyarrow as pa

    table, sink = pa.table(columns), io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def book(sheets: Mapping[str, Iterable[Sequence[Any]]]) -> bytes:
    import openpyxl

    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        page = made.create_sheet(title)
        for row in rows:
            page.append(row)
    sink = io.BytesIO()
    made.save(sink)
    return sink.getvalue()


def zipped(contents: Mapping[str, str | bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return sink.getvalue()


def tarred(contents: Mapping[str, str | bytes], links: Mapping[str, str] | None = None, mode: Any = "w") -> bytes:
    """links: name → where it points."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name, content in contents.items():
            raw = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return sink.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}


def squad(
    *questions: Mapping[str, Any], context: str = "한라산은 제주도에 있다. 백두산은 북쪽에 있다."
) -> dict[str, Any]:
    """One article, one paragraph."""
    return {"version": "1", "data": [{"title": "산", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def question(text: str = "제주도", start: int = 5, **more: Any) -> dict[str, Any]:
    return {"id": f"q{text}{start}", "question": "어디?", "answers": [{"text": text, "answer_start": start}], **more}


CONLL = "서울\tB-LOC\n은\tO\n\n김철수\tB-PER\n가\tO\n\n왔다\tO\n\n"
SENTENCES = {"tokens": [["서울", "은"], ["김철수", "가"], ["왔다"]], "tags": [["B-LOC", "O"], ["B-PER", "O"], ["O"]]}
