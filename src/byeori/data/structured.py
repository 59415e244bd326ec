"""JSONL, Parquet, Arrow and plain text → columns, in the types they have.

parse_jsonl(b'{"text": "hi", "label": 1}', "a.jsonl")[0] == {"text": ["hi"], "label": [1]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.archives import free_memory
from byeori.data.delimited import irregular, left_out
from byeori.data.wording import count, listed, short
from byeori.errors import DataError

Columns = dict[str, Any]
_ROWS = 4096  # of Parquet at once


def columns_of(objects: Sequence[Mapping[str, Any]]) -> Columns:
    """Columns of row objects, in order of first appearance; a key that a row lacks is None there."""
    names = dict.fromkeys(str(key) for row in objects for key in row)
    return {name: [row.get(name) for row in objects] for name in names}


# What two values in a row are, where these roles are wanted.
_TUPLES = (("source", "target"), ("tokens", "tags"), ("prompt", "completion"), ("question", "context"))


def rows_of(values: Iterable[Any], name: str, roles: Sequence[str] = ()) -> Columns:
    """Columns from rows as people write them: objects, bare texts, or (text, label) and (text, text_pair, label).

    roles: those wanted; for other tasks' roles two values are (source, target), (tokens, tags), (text, entities)…
    Raises DataError for a row of another kind.
    """
    values = list(values)
    if not values:
        raise DataError(f"{name}: there are no rows.")
    kinds = {type(value) for value in values}
    if all(issubclass(kind, Mapping) for kind in kinds):
        return columns_of(values)
    if kinds <= {str}:
        return {"text": values}
    if all(issubclass(kind, (tuple, list)) for kind in kinds):
        widths = {len(value) for value in values}
        if widths <= {2} or widths <= {3}:
            names: tuple[str, ...] = ("text", "label") if widths == {2} else ("text", "text_pair", "label")
            if widths == {2} and "label" not in roles:
                names = next((pair for pair in _TUPLES if pair[0] in roles), names)
                if names[0] == "tokens" and isinstance(values[0][1], Mapping):
                    names = ("text", "entities")
            return {role: [value[at] for value in values] for at, role in enumerate(names)}
        at = next((i for i, value in enumerate(values) if len(value) != len(values[0])), 0)
        raise DataError(
            f"{name}, row {at + 1}: {count(len(values[at]), 'value')}, where (text, label) or (text, text_pair, "
            f"label) was expected."
        )
    first = type(values[0])
    at = next((i for i, value in enumerate(values) if type(value) is not first), 0)
    what = type(values[at]).__name__
    if first is str or issubclass(first, (Mapping, tuple, list)):
        if first is str:  # a text that is missing or a number: the text check names it
            return {"text": values}
        raise DataError(
            f"{name}, row {at + 1}: a {what}, where the first row is a {first.__name__}. Make all rows alike."
        )
    raise DataError(
        f"{name}, row {at + 1}: a value of type {what} is not a row. Rows are dicts, texts, or (text, label) tuples."
    )


@dataclass(slots=True)
class Lines:
    """Rows of JSON lines. objects: a value a row, None where it can't be read. wrong: place among them → why.

    found: rows so far, and `first` the type of the first, both those of blocks before included.
    """

    objects: list[Any]
    wrong: dict[int, str]
    found: int
    first: type | None


def json_lines(data: bytes, found: int = 0, first: type | None = None) -> Lines:
    """Empty lines are no rows."""
    objects: list[Any] = []
    wrong: dict[int, str] = {}
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        why = None
        value: Any = None
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = f"not JSON ({getattr(error, 'msg', 'nested too deeply')})"
        if why is None:
            first = first or type(value)
            if not isinstance(value, (dict, str, list)) or type(value) is not first:
                why = (
                    f"a {type(value).__name__} is not a row"
                    if first is type(value)
                    else f"a {type(value).__name__}, where other rows are a {first.__name__}"
                )
        if why:
            wrong[len(objects)] = f'{why} ("{short(line.decode("utf-8", errors="replace"))}")'
            value = None
        objects.append(value)
    return Lines(objects, wrong, found + len(objects), first)


def blank_for(first: type | None) -> Any:
    """What stands in for a row that can't be read, where the first is of this type."""
    blanks: dict[Any, Any] = {dict: {}, str: "", None: {}}
    return blanks.get(first, [])


def parse_jsonl(
    data: bytes, name: str, bad: str = "raise", roles: Sequence[str] = ()
) -> tuple[Columns, list[str], dict]:
    """(columns, notes, extras): `numbers` of the rows, `bad` (position → reason), `found` (all rows)."""
    lines = json_lines(data)
    if not lines.found:
        raise DataError(f"{name}: the file is empty.")
    wrong = [(at + 1, why) for at, why in lines.wrong.items()]
    if wrong and bad == "raise":
        raise DataError(unreadable(name, wrong, lines.found))
    notes = [left_out(name, wrong)] if wrong and bad == "skip" else []
    kept = [at for at in range(lines.found) if bad == "keep" or at not in lines.wrong] if wrong else range(lines.found)
    blank = blank_for(lines.first)
    objects = [blank if lines.objects[at] is None else lines.objects[at] for at in kept]
    columns = rows_of(objects, name, roles) if objects else {}
    numbers = [at + 1 for at in kept] if wrong else None
    return columns, notes, {"numbers": numbers, "bad": lines.wrong if bad == "keep" else {}, "found": lines.found}


def unreadable(name: str, wrong: Sequence[tuple[int, str]], found: int, many: int | None = None) -> str:
    """`irregular` for lines of JSON."""
    return irregular(name, wrong, found, many).replace("name its --separator, ", "")


def parse_text(data: bytes, name: str) -> Columns:
    """One text a line. Empty lines inside the file are rows (an error later, unless dropped), at its end not."""
    text = data.decode("utf-8").replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DataError(f"{name}: the file is empty.")
    return {"text": lines}


def parse_table(raw: bytes, name: str, kind: str) -> tuple[Columns, dict[str, list[str]]]:
    """(columns, class names) of a Parquet, Arrow or Feather file; `datasets`' own schema notes are honoured."""
    import pyarrow.parquet as parquet

    source = pa.BufferReader(pa.py_buffer(raw))
    try:
        if kind == "parquet":
            opened = parquet.ParquetFile(source)
            table = _bounded(opened.iter_batches(_ROWS), opened.schema_arrow, name)
        else:
            try:
                file = pa.ipc.open_file(source)
                batches = (file.get_batch(at) for at in range(file.num_record_batches))
                table = _bounded(batches, file.schema, name)
            except pa.ArrowInvalid:
                stream = pa.ipc.open_stream(pa.py_buffer(raw))
                table = _bounded(stream, stream.schema, name)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{name}: this {kind} file can't be read ({short(reason, 120)}).") from None
    return table_columns(table, name)


def _bounded(batches: Iterable[pa.RecordBatch], schema: pa.Schema, name: str) -> pa.Table:
    """A table of batches, as long as memory holds it: a small file may stand for a great many equal rows."""
    kept, size, most = [], 0, free_memory() // 2
    for batch in batches:
        size += batch.nbytes + sum(map(_laid_out, batch.columns))
        if size > most:
            raise DataError(
                f"{name}: its rows take more than {most >> 20:,} MB of memory, which is half of what is free. Cut it into "
                f"several files, or write it again with `datasets`, whose files are read piece by piece."
            )
        kept.append(batch)
    return pa.Table.from_batches(kept, schema)


def _laid_out(column: pa.Array) -> int:
    """Bytes that a dictionary of strings takes once it is plain strings."""
    if not pa.types.is_dictionary(column.type) or not (
        pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type)
    ):
        return 0
    return pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0


def table_columns(table: pa.Table, name: str) -> tuple[Columns, dict[str, list[str]]]:
    """(columns, class names) of an Arrow table; class ids of a `ClassLabel` become their names, −1 becomes None."""
    if not table.num_rows:
        raise DataError(f"{name}: there are no rows (the columns are {listed(table.column_names)}).")
    columns: Columns = {str(n): plain(table.column(at)) for at, n in enumerate(table.column_names)}
    names: dict[str, list[str]] = {}
    meta = (table.schema.metadata or {}).get(b"huggingface")
    features = json.loads(meta).get("info", {}).get("features", {}) if meta else {}
    for column, feature in features.items():
        inner = (
            feature.get("feature")
            if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList")
            else None
        )
        one = inner or feature
        if column in columns and isinstance(one, dict) and one.get("_type") == "ClassLabel" and one.get("names"):
            names[column] = [str(n) for n in one["names"]]
            values = columns[column].to_pylist()
            columns[column] = [
                [_class_name(v, names[column]) for v in value]
                if inner and value is not None
                else _class_name(value, names[column])
                for value in values
            ]
    return columns, names


def _class_name(value: int | None, names: Sequence[str]) -> str | None:
    return names[value] if value is not None and 0 <= value < len(names) else None


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionaries, large and viewed strings as plain strings; the rest as it is."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.string())
    return column
