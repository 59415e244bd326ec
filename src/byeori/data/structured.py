"""JSONL, Parquet, Arrow and plain text → columns, in the types they have.

parse_jsonl(b'{"text": "hi", "label": 1}', "a.jsonl")[0] == {"text": ["hi"], "label": [1]}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.archives import free_memory
from byeori.data.bad_rows import BYTES, irregular, left_out
from byeori.data.header import column_names
from byeori.data.json_values import Twice, half, loads, reason
from byeori.data.wording import count, listed, short
from byeori.errors import DataError

Columns = dict[str, Any]
_ROWS = 4096  # of Parquet at once


def columns_of(objects: Sequence[Mapping[str, Any]]) -> Columns:
    """Columns of row objects, in order of first appearance; a key that a row lacks is None there."""
    names = dict.fromkeys(str(key) for row in objects for key in row)
    return {name: [row.get(name) for row in objects] for name in names}


def twice(value: Any) -> str:
    return f'the key "{value.key}" stands twice'


# What two values in a row are, where these roles are wanted.
_TUPLES = (("source", "target"), ("tokens", "tags"), ("prompt", "completion"), ("question", "context"))


def rows_of(values: Iterable[Any], name: str, roles: Sequence[str] = ()) -> Columns:
    """Columns from rows as people write them: objects, bare texts, or (text, label) and (text, text_pair, label).

    roles: those wanted; for other tasks' roles two values are (source, target), (tokens, tags), (text, entities)…
    Raises DataError for a row of another kind.
    """
    values = list(values)
    if not values:
        raise DataError(f"{name}: there are no rows. Give some.")
    kinds = {type(value) for value in values}
    if all(issubclass(kind, Mapping) for kind in kinds):
        if Twice in kinds:
            at = next(at for at, value in enumerate(values) if isinstance(value, Twice))
            raise DataError(
                f"{name}, row {at + 1}: {twice(values[at])}. Write each key once, or rename one of the two."
            )
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
            f"label) was expected. Make all rows alike."
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
        f"{name}, row {at + 1}: a value of type {what} is not a row. Give dicts, texts, or (text, label) tuples."
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


def json_lines(data: bytes, found: int = 0, first: type | None = None, broken: Collection[int] = ()) -> Lines:
    """Empty lines are no rows. broken: 0-based numbers of lines whose bytes were not in the file's encoding."""
    objects: list[Any] = []
    wrong: dict[int, str] = {}
    for number, line in enumerate(data.split(b"\n")):
        line = line.removeprefix(b"\xef\xbb\xbf")  # files laid end to end
        if not line.strip():
            continue
        why = None
        value: Any = None
        try:
            value = loads(line)
        except (ValueError, RecursionError) as error:
            why = f"not JSON ({reason(error)})"
        if number in broken:
            why = BYTES
        elif isinstance(value, Twice):
            why = twice(value)
        elif (place := half(value, line)) is not None:
            why = f"half a character (a lone surrogate) in {place or 'it'}"
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
    data: bytes, name: str, bad: str = "raise", roles: Sequence[str] = (), broken: Collection[int] = ()
) -> tuple[Columns, list[str], dict]:
    """(columns, notes, extras): `numbers` of the rows, `bad` (position → reason), `found` (all rows). broken: see `json_lines`."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    lines = json_lines(data, broken=set(broken))
    if not lines.found:
        raise DataError(f"{name}: the file is empty.")
    return picked(lines, name, bad, roles)


def listed_rows(values: list[Any]) -> Lines:
    """A list of a JSON file as rows: what is of another kind than the first, or has a key twice, is none."""
    first = next((type(value) for value in values if not isinstance(value, Twice)), None)
    wrong = {}
    for at, value in enumerate(values):
        if isinstance(value, Twice):
            wrong[at] = twice(value)
        elif type(value) is not first:
            wrong[at] = f"a {type(value).__name__}, where other rows are a {first.__name__ if first else 'row'}"
    objects = [None if at in wrong else value for at, value in enumerate(values)]
    return Lines(objects, wrong, len(values), first)


def picked(lines: Lines, name: str, bad: str, roles: Sequence[str]) -> tuple[Columns, list[str], dict]:
    """The rows that can be read, or all of them with the others blank (`keep`); see `parse_jsonl`. Raises DataError."""
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
                if raw[:6] == b"ARROW1":
                    raise
                stream = pa.ipc.open_stream(pa.py_buffer(raw))
                table = _bounded(stream, stream.schema, name)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(unreadable_table(name, kind, error)) from None
    return table_columns(table, name)


def unreadable_table(name: str, kind: str, error: Exception) -> str:
    """The message for a Parquet or Arrow file that its library can't read."""
    why = short(str(error).split("\n")[0].rstrip("."), 120)
    return (
        f"{name}: this {kind} file can't be read ({why}). It is cut off, damaged or of another kind: fetch or write it again, or "
        f"save the rows as CSV or JSONL."
    )


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


def table_columns(table: pa.Table, name: str, before: int = 0) -> tuple[Columns, dict[str, list[str]]]:
    """(columns, class names) of an Arrow table; class ids of a `ClassLabel` become their names, −1 becomes None.

    before: rows of the file before those of the table. Raises DataError for no rows, and for texts that are not UTF-8.
    """
    if not table.num_rows:
        raise DataError(no_rows(name, table.column_names))
    titles = [str(one) for one in table.column_names]
    if len(set(titles)) < len(titles):
        titles = column_names(titles)
    columns: Columns = {one: _valid(plain(table.column(at)), one, name, before) for at, one in enumerate(titles)}
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


def no_rows(name: str, columns: Sequence[str]) -> str:
    return f"{name}: there are no rows (the columns are {listed(columns)}). Give a file that holds some."


def _valid(column: pa.ChunkedArray, title: str, name: str, before: int) -> pa.ChunkedArray:
    """The column, whose texts are UTF-8: other programs write what they please."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        row = next(at for at in range(len(column)) if not _is_valid(column.slice(at, 1)))
        what = "bytes that are not UTF-8" if "UTF8" in str(error) else short(str(error), 80)
        raise DataError(
            f'{name}, row {before + row + 1}: the column "{title}" holds {what}. Write the file again with texts in UTF-8.'
        ) from None
    return column


def _is_valid(column: pa.ChunkedArray) -> bool:
    try:
        pa.concat_arrays(column.chunks).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


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
