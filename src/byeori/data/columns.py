"""One column of a sheet → checked texts or labels, with the positions of the rows that can't be used.

texts(["hi", None]).empty.tolist() == [1]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.label_forms import (
    flags,
    inner_key,
    names_of,
    of_several_types,
    parsed,
    same_but_for_spaces,
    several_in_one,
)
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


def take(sheet: Sheet, name: str, where: str, label: bool = False) -> tuple[Any, str | None]:
    """A column by name, dotted for a value inside objects, and a note. label: objects give the name of their class.

    Raises DataError, beginning with `where` (the file), for a name that isn't there.
    """
    if name in sheet.columns:
        values, path = sheet.columns[name], []
    else:
        first, *path = name.split(".")
        values = sheet.columns[first]
    nested = _is_nested(values)
    written = parsed(as_list(values)) if (label or path) and not nested and _is_text(values) else None
    if written is not None and _is_nested(written):
        values, nested = written, True
    if not nested and not path:
        return values, None
    if not nested:
        raise DataError(f'{where}: "{name.split(".")[0]}" holds no objects, so there is no "{name}".')
    values = as_list(values)
    note = None
    if not path:
        inner, keys = inner_key(values) if label else _only(values)
        if inner is None:
            raise DataError(
                f'{where}: the column "{name}" holds objects with {listed(keys)}. Name one, for example '
                f"{name}.{keys[0] if keys else 'label'}."
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
    first = [value for value in values[:100] if value is not None]
    return 2 * sum(isinstance(value, Mapping) for value in first) > len(first)


def _only(values: list[Any]) -> tuple[str | None, list[str]]:
    """(`text`, or the only key there is; all keys) of a column of objects that is no column of labels."""
    keys = list(dict.fromkeys(key for value in values if isinstance(value, Mapping) for key in value))
    return ("text" if "text" in keys else keys[0] if len(keys) == 1 else None), keys


def _is_text(values: Any) -> bool:
    """Whether the first values could be objects or lists that are written as text."""
    first = next((value for value in sample(values, 100) if isinstance(value, str) and value.strip()), "")
    return first.strip()[:1] in ("[", "{")


def flag_columns(values: Any) -> dict[str, list[Any]] | None:
    """A column of objects with a zero or one a label as the columns they stand for; None for any other."""
    if not _is_nested(values):
        if not _is_text(values):
            return None
        values = parsed(as_list(values)) or []
    return flags(as_list(values))


def as_list(values: Any) -> list[Any]:
    return values.to_pylist() if isinstance(values, (pa.ChunkedArray, pa.Array)) else list(values)


def sample(values: Any, most: int = 1000) -> list[Any]:
    """The first values of a column."""
    return as_list(values[:most])


def texts(values: Any) -> Checked:
    """A column of texts: missing, NaN and blank values are `empty`, values of another type `wrong`; both become ""."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_string(values.type):
        empty = np.flatnonzero(_blank(values))
        if values.null_count:  # chunk by chunk: the others stay where they lie, perhaps on disk
            filled = [one.fill_null("") if one.null_count else one for one in values.chunks]
            values = pa.chunked_array(filled, pa.string())
        return Checked(values, empty, {}, [])
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


def _blank(values: pa.ChunkedArray) -> np.ndarray:
    """bool (n,): missing, empty, or nothing but white space."""
    found = [np.zeros(0, bool)]
    for chunk in values.chunks:
        blank = np.zeros(len(chunk), bool)
        _, bounds, data = chunk.buffers()
        if len(chunk) and data is not None and data.size:
            at = np.frombuffer(bounds, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            blank = at[1:] == at[:-1]
            first = np.frombuffer(data, np.uint8)[np.minimum(at[:-1], data.size - 1)]  # of an empty one: any byte
            # No character of white space begins with another byte than these (UTF-8; U+0085, U+1680, U+2000… and U+3000).
            space = (first <= 0x20) | (first == 0xC2) | (first >= 0xE1) & (first <= 0xE3)
            some = np.flatnonzero(space & ~blank)
            if len(some):
                blank[some] = (
                    pc.utf8_is_space(chunk.take(pa.array(some))).fill_null(True).to_numpy(zero_copy_only=False)
                )
        else:
            blank[:] = True
        if chunk.null_count:
            blank |= chunk.is_null().to_numpy(zero_copy_only=False)
        found.append(blank)
    return np.concatenate(found)


def _type(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")


def labels(values: Any, kind: str | None = None) -> Checked:
    """A column of labels, strings without their outer spaces (said in a note); lists stay lists. kind: the problem type
    that a person named."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_string(values.type) and not _is_text(values):
        distinct = _distinct(values)
        hint = _hint(distinct, kind)
        if not values.null_count and pc.utf8_trim_whitespace(distinct).equals(distinct) and not _blank_in(distinct):
            return Checked(values, np.zeros(0, np.int64), {}, hint)
        trimmed = pc.utf8_trim_whitespace(values)
        changed = pc.sum(pc.not_equal(trimmed, values)).as_py() or 0
        empty = pc.fill_null(pc.equal(trimmed, ""), True).to_numpy(zero_copy_only=False)
        return Checked(trimmed, np.flatnonzero(empty), {}, _cut(values, changed) + hint)
    if isinstance(values, pa.ChunkedArray) and (plain := _numbers(values)) is not None:
        return Checked(plain, np.flatnonzero(plain.is_null().to_numpy()), {}, [])
    column = [value.tolist() if hasattr(value, "tolist") else value for value in as_list(values)]
    notes = []
    if _is_text(column) and (found := parsed(column)) is not None and kind != "regression":
        column = found
        notes.append("the labels are lists written as text, and are read as lists")
    changed = sum(isinstance(v, str) and v != v.strip() for v in column)
    notes += _cut(column, changed)
    column = [v.strip() if isinstance(v, str) else None if isinstance(v, float) and v != v else v for v in column]
    empty_at = [at for at, v in enumerate(column) if v is None or v == ""]
    wrong = {
        at: f"{_type(v)} ({short(v)})"
        for at, v in enumerate(column)
        if not isinstance(v, (str, int, float, list, tuple, type(None)))
    }
    kinds = {type(v) for at, v in enumerate(column) if v is not None and at not in wrong}
    if kinds & {list, tuple}:
        column, said = _lists(column, kind, wrong)
        notes += said
    elif kinds == {str}:
        notes += _hint(list(dict.fromkeys(v for at, v in enumerate(column) if v and at not in wrong)), kind)
    elif len(kinds) > 1 and kinds != {int, float}:
        plain_column = of_several_types([None if at in wrong else v for at, v in enumerate(column)], kinds)
        if plain_column is not None:
            column = plain_column[0]
            notes.append(plain_column[1])
        else:
            column = [None if v is None else label_name(v) for v in column]
            notes.append(f"labels of several types ({listed(sorted(k.__name__ for k in kinds))}) read as names")
    column = [None if at in wrong else v for at, v in enumerate(column)]
    try:
        array = pa.array(column)
    except OverflowError:  # whole numbers of more than 64 bits
        column = [
            None if v is None else [label_name(x) for x in v] if isinstance(v, list) else label_name(v) for v in column
        ]
        notes.append("whole numbers of more than 64 bits read as names")
        array = pa.array(column)
    return Checked(pa.chunked_array([array]), np.asarray(empty_at, np.int64), wrong, notes)


def _distinct(values: pa.ChunkedArray) -> pa.Array:
    """The values of a column, each once, in the order of their first rows."""
    found: dict[int, None] = {}
    for chunk in values.chunks if not values.null_count else ():
        if not len(chunk):
            continue
        _, bounds, data = chunk.buffers()
        at = np.frombuffer(bounds, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if at[-1] - at[0] != len(chunk) or (at[1:] - at[:-1] != 1).any():
            return values.unique()
        # Labels of one character, as most are, are counted instead of hashed.
        letters = np.frombuffer(data, np.uint8)[at[0] : at[-1]]
        fresh = np.flatnonzero(np.bincount(letters)).tolist()
        found |= dict.fromkeys(sorted(fresh, key=lambda one: int((letters == one).argmax())))
    return pa.array(list(map(chr, found)), pa.string()) if found else values.unique()


def _lists(column: list[Any], kind: str | None, wrong: dict[int, str]) -> tuple[list[Any], list[str]]:
    """Lists of labels, a label alone being a list of one; objects inside them say their class. wrong: takes those that hold
    anything else."""
    notes = []
    lists = [None if v is None else list(v) if isinstance(v, (list, tuple)) else [v] for v in column]
    inner, _ = inner_key(one for v in lists for one in v or ())
    if inner is not None:
        lists = [None if v is None else names_of(v, inner) for v in lists]
        notes.append(f'the labels are lists of objects; "{inner}" was taken of each')
    for at, one in enumerate(lists):
        odd = next((x for x in one or () if isinstance(x, (Mapping, list, tuple))), None)
        if odd is not None:
            wrong.setdefault(at, f"a list in which {_type(odd)} stands ({short(odd)})")
            lists[at] = None
    lists = [None if v is None else [label_name(x) if isinstance(x, str) else x for x in v] for v in lists]
    types = {type(x) for v in lists if v for x in v}
    if len(types - {int, float}) and len(types) > 1:
        lists = [None if v is None else [label_name(x) for x in v] for v in lists]
    if kind is None and all(v is None or len(v) == 1 for v in lists):
        notes.append("each label is a list of one: --problem-type single_label says that a row never has more")
    return lists, notes


def _cut(values: Any, changed: int) -> list[str]:
    """The note on outer spaces that were cut from so many labels."""
    if not changed:
        return []
    if isinstance(values, pa.ChunkedArray):
        pairs = values.value_counts()
        counts = {one["values"]: one["counts"] for one in pairs.to_pylist() if one["values"] is not None}
    else:
        counts = dict(Counter(value for value in values if isinstance(value, str)))
    joined = same_but_for_spaces(counts)
    return [f"outer spaces cut from {count(changed, 'label')}" + (f": {joined}" if joined else "")]


def _hint(distinct: Any, kind: str | None) -> list[str]:
    """What else a person may want to say of such names."""
    hint = several_in_one(as_list(distinct)) if kind is None and 3 <= len(distinct) <= 5000 else None
    return [hint] if hint else []


def _blank_in(distinct: pa.Array) -> bool:
    return bool(pc.any(pc.equal(pc.binary_length(distinct), 0)).as_py())


def _numbers(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Numbers and truth values as Python's lists of them would come back, NaN as missing; None for other columns."""
    kind = values.type
    if values.null_count == len(values):
        return None
    if pa.types.is_boolean(kind):
        return values
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return values.cast(pa.int64())
    if pa.types.is_floating(kind):
        wide = values.cast(pa.float64())
        unusual = pc.is_nan(wide)
        if not pc.any(unusual).as_py():
            return wide
        missing = pc.if_else(unusual, pa.scalar(None, pa.float64()), wide)
        return None if missing.null_count == len(missing) else missing
    return None


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
