"""JSON, JSONL, Parquet, Arrow and plain text → columns, in the types they have.

parse_json(b'[{"text": "hi", "label": 1}]', "a.json")[0] == {"text": ["hi"], "label": [1]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from byeori.data.delimited import irregular
from byeori.data.summaries import is_single
from byeori.data.wording import count, listed, short
from byeori.errors import DataError

Columns = dict[str, Any]


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


def parse_json(
    data: bytes, name: str, field: str | None = None, bad: str = "raise", roles: Sequence[str] = ()
) -> tuple[Columns, list[str], dict]:
    """(columns, notes, JSONL's extras). A list of objects or texts, an object of columns, or either inside an object.

    field: dotted path to the rows inside a nested file. JSON lines under a .json name are recognised.
    """
    if not data or data.isspace():
        raise DataError(f"{name}: the file is empty.")
    try:
        value = json.loads(data)
    except RecursionError:
        raise DataError(f"{name}: the JSON is nested too deeply to be rows.") from None
    except ValueError as error:
        head = data.lstrip()[:1]
        first = data.lstrip().split(b"\n", 1)[0]
        if head == b"{" and _loads(first):
            columns, said, extra = parse_jsonl(data, name, bad, roles)
            return columns, [f"{name}: one JSON object a line.", *said], extra
        line = getattr(error, "lineno", None)
        where = f"{name}, line {line}" if line else name
        raise DataError(
            f"{where}: this is not JSON ({getattr(error, 'msg', error)}). The file may be cut off."
        ) from None
    notes: list[str] = []
    for part in field.split(".") if field else ():
        if not isinstance(value, dict) or part not in value:
            names = listed(value) if isinstance(value, dict) else "none"
            raise DataError(f'{name}: there is no field "{part}" (--field {field}). The fields are {names}.')
        value = value[part]
    return find_rows(value, name, notes, roles), notes, {}


def _loads(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def find_rows(value: Any, name: str, notes: list[str], roles: Sequence[str] = ()) -> Columns:
    """The rows in a JSON value: itself, or the single list of objects inside an object."""
    if isinstance(value, list):
        return rows_of(value, name, roles)
    if not isinstance(value, dict):
        raise DataError(f"{name}: a single {type(value).__name__} is not rows. A list of objects is wanted.")
    if "source" in roles and is_single(value):
        return columns_of([value])
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list)}
    objects = {key: inner for key, inner in lists.items() if inner and all(isinstance(v, dict) for v in inner)}
    if len(objects) == 1:
        key, inner = next(iter(objects.items()))
        notes.append(f'{name}: the rows are in the field "{key}".')
        return columns_of(inner)
    if len(objects) > 1:
        raise DataError(
            f"{name}: the fields {listed(objects)} each hold a list of objects. Name one with --field, for "
            f"example --field {next(iter(objects))}."
        )
    if lists and len(lists) == len(value):
        lengths = {key: len(inner) for key, inner in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f'"{key}" {size:,}' for key, size in lengths.items())
            raise DataError(f"{name}: the columns have different lengths ({shown}).")
        if not next(iter(lengths.values())):
            raise DataError(f"{name}: there are no rows.")
        return lists
    keyed = [inner for inner in value.values() if isinstance(inner, dict)]
    if keyed and len(keyed) == len(value):
        if (
            all(set(map(str, range(len(column)))) == set(column) for column in keyed)
            and len({len(c) for c in keyed}) == 1
        ):
            return {key: list(column.values()) for key, column in value.items()}  # pandas' to_json
        if len(value) == 1:
            return find_rows(keyed[0], name, notes, roles)
    if value and not any(isinstance(inner, (list, dict)) for inner in value.values()):
        return columns_of([value])
    raise DataError(
        f"{name}: no list of rows was found in this JSON object (fields {listed(value)}). Name the field that "
        f"holds them with --field."
    )


def parse_jsonl(
    data: bytes, name: str, bad: str = "raise", roles: Sequence[str] = ()
) -> tuple[Columns, list[str], dict]:
    """(columns, notes, extras): `numbers` of the rows, `bad` (position → reason), `found` (all rows).

    Empty lines are no rows.
    """
    objects: list[Any] = []
    numbers: list[int] = []
    kept_bad: dict[int, str] = {}
    wrong: list[tuple[int, str]] = []
    number = 0
    first: type | None = None
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        number += 1
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
            wrong.append((number, f'{why} ("{short(line.decode("utf-8", errors="replace"))}")'))
            if bad != "keep":
                continue
            kept_bad[len(objects)] = wrong[-1][1]
            value = None
        objects.append(value)
        numbers.append(number)
    if not number:
        raise DataError(f"{name}: the file is empty.")
    if wrong and bad == "raise":
        raise DataError(irregular(name, wrong, number).replace("name its --separator, ", ""))
    notes = []
    if wrong and bad == "skip":
        shown = "; ".join(f"row {n}: {why}" for n, why in wrong[:5])
        notes.append(f"{name}: {count(len(wrong), 'row')} that can't be read left out ({shown}).")
    blanks: dict[Any, Any] = {dict: {}, str: "", None: {}}
    blank = blanks.get(first, [])
    columns = rows_of([blank if value is None else value for value in objects], name, roles) if objects else {}
    return columns, notes, {"numbers": numbers if wrong else None, "bad": kept_bad, "found": number}


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
            table = parquet.read_table(source)
        else:
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                table = pa.ipc.open_stream(pa.py_buffer(raw)).read_all()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{name}: this {kind} file can't be read ({short(reason, 120)}).") from None
    return table_columns(table, name)


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
