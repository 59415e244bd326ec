"""A JSON document → columns: a list of rows, an object of columns, or either somewhere inside an object.

Invariant: rows that lie inside are found where one place holds some, asked for (`field`) where several do; never is a
document with rows in it taken for one row.

    parse_json(b'{"data": [{"text": "hi", "label": 1}]}', "a.json")[0] == {"text": ["hi"], "label": [1]}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from byeori.data.json_values import Twice, half, loads, reason, remedy, sequence
from byeori.data.structured import Columns, columns_of, listed_rows, parse_jsonl, picked, rows_of, twice
from byeori.data.summaries import is_single
from byeori.data.wording import listed, nearest
from byeori.errors import DataError

_DEPTH = 6


def parse_json(
    data: bytes, name: str, field: str | None = None, bad: str = "raise", roles: Sequence[str] = ()
) -> tuple[Columns, list[str], dict]:
    """(columns, notes, JSONL's extras). A list of objects or texts, an object of columns, or either inside an object.

    field: dotted path to the rows inside a nested file; through a list it takes those of all its items. JSON lines
    under a .json name are recognised. Raises DataError with the line.
    """
    if not data or data.isspace():
        raise DataError(f"{name}: the file is empty.")
    try:
        value = loads(data)
    except RecursionError:
        raise DataError(
            f"{name}: the JSON is nested too deeply to be rows. Write a list of flat objects, or one object a line."
        ) from None
    except ValueError as error:
        first = data.lstrip().split(b"\n", 1)[0]
        if first.startswith(b"{") and _is_object(first):
            columns, said, extra = parse_jsonl(data, name, bad, roles)
            return columns, [f"{name}: one JSON object a line.", *said], extra
        several = sequence(data) if data.lstrip()[:1] == b"{" else None
        if several and len(several) > 1 and not field:
            return rows_of(several, name, roles), [f"{name}: JSON objects one behind the other, one a row."], {}
        line = getattr(error, "lineno", None)
        where = f"{name}, line {line}" if line else name
        raise DataError(f"{where}: this is not JSON ({reason(error)}). {remedy(error)}") from None
    if isinstance(value, Twice):
        raise DataError(
            f"{name}: {twice(value)} in its outermost object. Write each key once, or rename one of the two."
        )
    place = half(value, data)
    if place is not None:
        row = re.match(r"\[(\d+)\]", place)
        where = f"{name}, row {int(row[1]) + 1}" if row else name
        raise DataError(
            f"{where}: half a character (a lone surrogate) stands in {place or 'it'}. Remove it, or write it whole."
        )
    notes: list[str] = []
    if field:
        value = _at(value, field, name)
    if bad != "raise" and isinstance(value, list) and (listing := listed_rows(value)).wrong:
        columns, said, extra = picked(listing, name, bad, roles)
        return columns, said, {**extra, "list": True}
    return find_rows(value, name, notes, roles), notes, {}


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except (ValueError, RecursionError):
        return False


def is_json(data: bytes) -> bool:
    """Whether a text whose name says otherwise is JSON: objects a line, or a list or an object of some."""
    head = data[:1]
    if head == b"{" and _is_object(data.split(b"\n", 1)[0].rstrip()):
        return True
    if head not in (b"[", b"{"):
        return False
    try:
        value = loads(data)
    except (ValueError, RecursionError):
        return False
    return _is_rows(value) or isinstance(value, dict) and bool(value)


def _at(value: Any, field: str, name: str) -> Any:
    """What stands at a dotted path. A key that holds a dot is found too."""
    if isinstance(value, dict) and field in value:
        return value[field]
    for part in field.split("."):
        if isinstance(value, list):
            several = [one[part] for one in value if isinstance(one, dict) and part in one]
            known = list(dict.fromkeys(key for one in value if isinstance(one, dict) for key in one))
            if several:
                lists = all(isinstance(one, list) for one in several)
                value = [inner for one in several for inner in one] if lists else several
                continue
        elif isinstance(value, dict) and part in value:
            value = value[part]
            continue
        else:
            known = list(value) if isinstance(value, dict) else []
        close = nearest(part, known)
        hint = f' Did you mean "{close}"?' if close else ""
        raise DataError(f'{name}: there is no field "{part}" (--field {field}). The fields are {listed(known)}.{hint}')
    return value


def find_rows(value: Any, name: str, notes: list[str], roles: Sequence[str] = ()) -> Columns:
    """The rows in a JSON value: itself, or the single list of objects inside an object. notes: takes where they were."""
    if isinstance(value, list):
        return rows_of(value, name, roles)
    if not isinstance(value, dict):
        what = "null" if value is None else f"a single {type(value).__name__}"
        raise DataError(f"{name}: {what} is not rows. A list of objects is wanted.")
    if "source" in roles and is_single(value):
        return columns_of([value])
    columns = _columns(value, name)
    if columns:
        return columns
    found = _inside(value)
    if len(found) > 1:
        raise DataError(
            f"{name}: the fields {listed(found)} each hold a list of objects. Name one with --field, for "
            f"example --field {next(iter(found))}."
        )
    if found:
        path, inner = next(iter(found.items()))
        others = [other for key, one in value.items() if key != path for other in _inside({key: one})]
        left = f", not those in {listed(others, most=3)} (--field)" if others else ""
        notes.append(f'{name}: the rows are in the field "{path}"{left}.')
        return columns_of(inner) if isinstance(inner, list) else find_rows(inner, name, notes, roles)
    keyed = [inner for inner in value.values() if isinstance(inner, dict)]
    if keyed and len(keyed) == len(value):
        if len(value) == 1:
            return find_rows(keyed[0], name, notes, roles)
        if all(set(one) == set(keyed[0]) for one in keyed) and any(isinstance(v, str) for v in keyed[0].values()):
            notes.append(f'{name}: one object a row, by its key ("{next(iter(value))}" and so on).')
            return columns_of([{"key": key, **one} for key, one in value.items()])
    if value and not any(isinstance(inner, (list, dict)) for inner in value.values()):
        return _single(value, name, notes)
    raise DataError(
        f"{name}: no list of rows was found in this JSON object (fields {listed(value)}). Name the field that "
        f"holds them with --field."
    )


def _single(value: dict[str, Any], name: str, notes: list[str]) -> Columns:
    notes.append(f"{name}: one JSON object, taken as one row.")
    return columns_of([value])


def _columns(value: dict[str, Any], name: str) -> Columns | None:
    """An object of columns, in the shapes that people and pandas (`to_json`) write; None where it is none."""
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list)}
    if {"columns", "data"} <= set(lists) and set(value) <= {"columns", "index", "data"}:  # pandas, orient="split"
        names, rows = lists["columns"], lists["data"]
        if all(isinstance(one, str) for one in names) and all(
            isinstance(row, list) and len(row) == len(names) for row in rows
        ):
            return {one: [row[at] for row in rows] for at, one in enumerate(names)}
    if lists and len(lists) == len(value) and _is_table(list(lists.values())):
        lengths = {key: len(inner) for key, inner in lists.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f'"{key}" {size:,}' for key, size in lengths.items())
            raise DataError(
                f"{name}: the columns have different lengths ({shown}). Make them equally long, or write rows."
            )
        if not next(iter(lengths.values())):
            raise DataError(f"{name}: there are no rows. Give a file that holds some.")
        return lists
    keyed = [inner for inner in value.values() if isinstance(inner, dict)]
    if len(keyed) < max(1, len(value)) or len({len(one) for one in keyed}) > 1:
        return None
    if all(set(map(str, range(len(one)))) == set(one) for one in keyed):
        return {key: list(column.values()) for key, column in value.items()}  # pandas' to_json
    return None


def _is_table(lists: list[list[Any]]) -> bool:
    """Whether lists are columns: none of objects, or some beside others of the same length (answers beside questions)."""
    of_objects = sum(_is_rows(one) for one in lists)
    return not of_objects or of_objects < len(lists) and len({len(one) for one in lists}) == 1 and len(lists[0]) > 1


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _inside(value: dict[str, Any]) -> dict[str, Any]:
    """Dotted path → list of objects, or object of columns, of all that lie highest inside an object."""
    level: dict[str, Any] = dict(value)
    for _ in range(_DEPTH):
        found = {path: inner for path, inner in level.items() if _is_rows(inner) or _is_columns(inner)}
        if found:
            return found
        level = {
            f"{path}.{key}": deeper
            for path, inner in level.items()
            if isinstance(inner, dict)
            for key, deeper in inner.items()
        }
        if len(level) > 100_000:
            return {}
    return {}


def _is_columns(value: Any) -> bool:
    """Two lists or more of one length, of something else than objects."""
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(one, list) for one in value.values()):
        return False
    return len({len(one) for one in value.values()}) == 1 and bool(next(iter(value.values())))
