"""One column of a sheet → checked texts or labels, with the positions of the rows that can't be used.

texts(["hi", None]).empty.tolist() == [1]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.labels import label_name
from byeori.data.rows import Sheet
from byeori.data.wording import count, listed, short
from byeori.errors import DataError

_BINARY = frozenset(("0", "1", "true", "false", "0.0", "1.0", ""))
_TRUE = frozenset(("1", "true", "1.0"))


@dataclass(slots=True)
class Checked:
    """values: the column. empty: int64 positions without a value. wrong: position → what stands there instead.

    problems: position → why the row can't be used, in full.
    """

    values: pa.ChunkedArray
    empty: np.ndarray
    wrong: dict[int, str]
    notes: list[str]
    problems: dict[int, str] = field(default_factory=dict)


def take(sheet: Sheet, name: str, where: str) -> tuple[Any, str | None]:
    """A column by name, dotted for a value inside objects (a column of objects gives its obvious label), and a note.

    Raises DataError, beginning with `where` (the file), for a name that isn't there.
    """
    if name in sheet.columns:
        values, path = sheet.columns[name], []
    else:
        first, *path = name.split(".")
        values = sheet.columns[first]
    nested = _is_nested(values)
    if not nested and not path:
        return values, None
    if not nested:
        raise DataError(f'{where}: "{name.split(".")[0]}" holds no objects, so there is no "{name}".')
    values = as_list(values)
    note = None
    if not path:
        keys = list(dict.fromkeys(key for value in values if isinstance(value, Mapping) for key in value))
        inner = "label" if "label" in keys else keys[0] if len(keys) == 1 else None
        if inner is None:
            raise DataError(
                f'{where}: the column "{name}" holds objects with {listed(keys)}. Name one, for example '
                f"{name}.{keys[0]}."
            )
        path, note = [inner], f'the column "{name}" holds objects; "{name}.{inner}" was taken'
    for key in path:
        known = dict.fromkeys(k for value in values if isinstance(value, Mapping) for k in value)
        if key not in known:
            raise DataError(f'{where}: there is no "{name}"; the objects hold {listed(known)}.')
        values = [value.get(key) if isinstance(value, Mapping) else None for value in values]
    return values, note


def _is_nested(values: Any) -> bool:
    if isinstance(values, pa.ChunkedArray):
        return pa.types.is_struct(values.type)
    return any(isinstance(value, Mapping) for value in values[:100])


def as_list(values: Any) -> list[Any]:
    return values.to_pylist() if isinstance(values, (pa.ChunkedArray, pa.Array)) else list(values)


def sample(values: Any, most: int = 1000) -> list[Any]:
    """The first values of a column."""
    return as_list(values[:most])


def texts(values: Any) -> Checked:
    """A column of texts: missing, NaN and blank values are `empty`, values of another type `wrong`; both become ""."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_string(values.type):
        blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)
        empty = np.flatnonzero(blank.to_numpy(zero_copy_only=False))
        return Checked(pc.fill_null(values, "") if values.null_count else values, empty, {}, [])
    column: list[str] = []
    empty_at: list[int] = []
    wrong: dict[int, str] = {}
    for at, value in enumerate(as_list(values)):
        if isinstance(value, str):
            column.append(value)
            if not value.strip():
                empty_at.append(at)
            continue
        column.append("")
        if value is None or isinstance(value, float) and value != value:
            empty_at.append(at)
        else:
            wrong[at] = f"{_type(value)} ({short(value)})"
    try:
        array = pa.array(column, pa.string())
    except UnicodeEncodeError:  # half a surrogate pair, from a JSON escape
        for at, value in enumerate(column):
            if any("\ud800" <= c <= "\udfff" for c in value):
                wrong[at], column[at] = "half a character (a lone surrogate)", ""
        array = pa.array(column, pa.string())
    return Checked(pa.chunked_array([array]), np.asarray(empty_at, np.int64), wrong, [])


def _type(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")


def labels(values: Any) -> Checked:
    """A column of labels, strings without their outer spaces (said in a note); lists stay lists."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_string(values.type):
        trimmed = pc.utf8_trim_whitespace(values)
        changed = pc.sum(pc.not_equal(trimmed, values)).as_py() or 0
        empty = pc.fill_null(pc.equal(trimmed, ""), True).to_numpy(zero_copy_only=False)
        notes = [f"outer spaces cut from {count(changed, 'label')}"] if changed else []
        return Checked(trimmed, np.flatnonzero(empty), {}, notes)
    column = [value.tolist() if hasattr(value, "tolist") else value for value in as_list(values)]
    notes = []
    changed = sum(isinstance(v, str) and v != v.strip() for v in column)
    if changed:
        notes.append(f"outer spaces cut from {count(changed, 'label')}")
    column = [v.strip() if isinstance(v, str) else None if isinstance(v, float) and v != v else v for v in column]
    empty_at = [at for at, v in enumerate(column) if v is None or v == ""]
    wrong = {
        at: f"{_type(v)} ({short(v)})"
        for at, v in enumerate(column)
        if not isinstance(v, (str, int, float, list, tuple, type(None)))
    }
    kinds = {type(v) for at, v in enumerate(column) if v is not None and at not in wrong}
    if kinds & {list, tuple}:
        column = [
            None
            if v is None
            else [label_name(x) if isinstance(x, str) else x for x in v]
            if isinstance(v, (list, tuple))
            else [v]
            for v in column
        ]
        inner = {type(x) for v in column if v for x in v}
        if len(inner - {int, float}) and len(inner) > 1:
            column = [None if v is None else [label_name(x) for x in v] for v in column]
    elif len(kinds) > 1 and kinds != {int, float}:
        column = [None if v is None else label_name(v) for v in column]
        notes.append(f"labels of several types ({listed(sorted(k.__name__ for k in kinds))}) read as names")
    column = [None if at in wrong else v for at, v in enumerate(column)]
    return Checked(pa.chunked_array([pa.array(column)]), np.asarray(empty_at, np.int64), wrong, notes)


def joined(columns: Mapping[str, Any], known: Sequence[str] | None = None) -> Checked:
    """Several label columns as one list of names a row.

    A column of zeros and ones (or True and False) gives its own name where it is true; any other gives `column=value`,
    every value included. known: the names of training, so that a test file is read as training was.
    """
    rows = len(next(iter(columns.values())))
    result: list[list[str]] = [[] for _ in range(rows)]
    empty: set[int] = set()
    for name, values in columns.items():
        names = ["" if v is None or v != v else label_name(v) for v in as_list(values)]
        binary = name in known if known is not None else {n.casefold() for n in names} <= _BINARY
        for at, value in enumerate(names):
            if value == "":
                empty.add(at)
            elif not binary:
                result[at].append(f"{name}={value}")
            elif value.casefold() in _TRUE:
                result[at].append(name)
    return Checked(
        pa.chunked_array([pa.array(result, pa.list_(pa.string()))]), np.asarray(sorted(empty), np.int64), {}, []
    )
