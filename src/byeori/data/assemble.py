"""Sheets → rows: columns take their roles, values are checked, files of one set are laid end to end.

assemble([sheet], Wish(settings, ("text", "label"), ("text",), None, "raise", False)).table
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data import columns as cols
from byeori.data.roles import FLAGS, Match, match
from byeori.data.rows import Origin, Rows, Sheet
from byeori.data.wording import count, listed
from byeori.errors import DataError

_TOKENIZED = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants of a source: see `byeori.data.read.read_rows`, whose parameters these are."""

    settings: Any
    roles: Sequence[str]
    required: Sequence[str]
    label_names: Sequence[str] | None
    bad: str
    keep: bool

    def setting(self, name: str) -> Any:
        return getattr(self.settings, name, None)


def assemble(sheets: list[Sheet], wish: Wish) -> Rows:
    """Sheets of one split → one table with role names."""
    import datasets

    files = [sheet.file for sheet in sheets]
    names = Origin(files, np.zeros(0, np.int32), np.zeros(0, np.int64))
    first = sheets[0]
    matched = _match(first, names.name(0), wish)
    notes = [note for sheet in sheets for note in sheet.notes] + [matched.reason]
    tables: list[pa.Table] = []
    numbers: list[np.ndarray] = []
    errors: dict[int, str] = {}
    done, most = 0, wish.setting("max_rows")
    for at, sheet in enumerate(sheets):
        absent = [column for column in _all(matched) if _outer(column, sheet) not in sheet.columns]
        if absent:
            raise DataError(
                f"{names.name(at)}: there is no column {listed(absent)}, which {names.name(0)} has. "
                "All files of one set need the same columns."
            )
        table, row_of, problems, said = _roles(sheet, names.name(at), matched, wish)
        if most is not None and done + len(row_of) > most:
            table, row_of = table.slice(0, most - done), row_of[: most - done]
            problems = {i: why for i, why in problems.items() if i < len(row_of)}
            notes.append(f"The first {count(most, 'row')} were taken (--max-rows).")
        tables.append(table)
        numbers.append(row_of)
        notes += said
        errors |= {done + i: why for i, why in problems.items()}
        done += len(row_of)
        if done == most:
            break
    table = _stack(tables)
    if not table.num_rows:
        raise DataError(f"{names.name(0)}: no row is left.")
    file_of = np.repeat(np.arange(len(numbers), dtype=np.int32), [len(n) for n in numbers])
    label = matched.columns.get("label")
    class_names = first.class_names.get(label) if isinstance(label, str) else None
    origin = Origin(files, file_of, np.concatenate(numbers))
    return Rows(datasets.Dataset(table), origin, dict(matched.columns), notes, class_names, errors)


def _match(sheet: Sheet, name: str, wish: Wish) -> Match:
    given = {role: wish.setting(role) for role in wish.roles}
    samples = {column: cols.sample(values) for column, values in sheet.columns.items()}
    if "input_ids" not in samples or given.get("text"):
        return match(samples, given, wish.roles, wish.required, name)
    label = given.get("label") or next((c for c in ("labels", "label") if c in samples), None)
    found = {c: c for c in _TOKENIZED if c in samples} | ({"label": label} if label else {})
    return Match(found, f"{name}: the rows are already tokenized.")


def _all(matched: Match) -> list[str]:
    return [c for column in matched.columns.values() for c in ([column] if isinstance(column, str) else column)]


def _outer(column: str, sheet: Sheet) -> str:
    """The column that a dotted name lies in."""
    return column if column in sheet.columns else column.split(".", 1)[0]


def _stack(tables: list[pa.Table]) -> pa.Table:
    """One table; label columns that differ in type between files become names."""
    if len(tables) == 1:
        return tables[0]
    common = [n for n in tables[0].column_names if all(n in t.column_names for t in tables)]
    tables = [t.select(common) for t in tables]
    for name in common:
        kinds = {str(t.schema.field(name).type) for t in tables}
        if len(kinds) > 1 and "list" not in "".join(kinds):
            at = common.index(name)
            tables = [t.set_column(at, name, cols.labels([str(v) for v in t[name].to_pylist()]).values) for t in tables]
    return pa.concat_tables(tables)


def _roles(
    sheet: Sheet, name: str, matched: Match, wish: Wish
) -> tuple[pa.Table, np.ndarray, dict[int, str], list[str]]:
    """One sheet → (table with role names, row numbers, position → error for kept bad rows, notes)."""
    row_of = sheet.numbers if sheet.numbers is not None else np.arange(1, sheet.rows + 1)
    errors = dict(sheet.bad)
    drop = np.zeros(sheet.rows, bool)
    taken: dict[str, Any] = {}
    notes: list[str] = []
    for role, column in matched.columns.items():
        checked, said = _role(sheet, name, role, column, wish)
        notes += [f"{name}: {one}." for one in said + checked.notes]
        taken[role] = checked.values
        wrong = {i: what for i, what in checked.wrong.items() if i not in errors}
        empty = [int(i) for i in checked.empty if int(i) not in errors]
        label, shown = role == "label", role.replace("_", " ")
        columns = f"{'label ' if label else ''}column {listed([column] if isinstance(column, str) else column)}"
        flag = "--drop-empty-labels" if label else "--drop-empty"
        if wish.bad == "keep":  # the caller answers row by row; a label is not needed for that
            if not label:
                errors |= {i: f"the {shown} is {what}, not text" for i, what in wrong.items()}
                errors |= dict.fromkeys(empty, f"the {shown} is empty")
            continue
        if wrong:
            what = f"the {columns} holds {next(iter(wrong.values()))}, not {'a label' if label else 'text'}"
            advice = f"Name another column with {FLAGS.get(role, role)}, or fix the data."
            raise DataError(_refusal(name, row_of, list(wrong), what, advice))
        if empty and not wish.setting(flag[2:].replace("-", "_")):
            advice = f"Drop such rows with {flag}, or fix the file."
            raise DataError(_refusal(name, row_of, empty, f"the {columns} is empty", advice))
        if empty:
            drop[empty] = True
            notes.append(f"{name}: {count(len(empty), 'row')} with an empty {shown} left out ({flag}).")
    if wish.keep:
        used = {_outer(column, sheet) for column in _all(matched)}
        left = {column: values for column, values in sheet.columns.items() if column not in used}
        taken |= {column if column not in taken else f"{column}_": _any(values) for column, values in left.items()}
    table = pa.table(taken)
    if drop.any():
        at = np.flatnonzero(~drop)
        return table.take(pa.array(at)), row_of[at], {}, notes
    return table, row_of, errors, notes


def _refusal(name: str, row_of: np.ndarray, rows: Sequence[int], what: str, advice: str) -> str:
    """One message for all rows of a kind: the first, how many, and the next four."""
    more = ""
    if len(rows) > 1:
        others = ", ".join(str(int(row_of[i])) for i in rows[1:5]) + ("…" if len(rows) > 5 else "")
        more = f" {len(rows):,} of {len(row_of):,} rows are like this (also row{'s' * (len(rows) > 2)} {others})."
    return f"{name}, row {int(row_of[rows[0]])}: {what}.{more} {advice}"


def _role(sheet: Sheet, name: str, role: str, column: str | list[str], wish: Wish) -> tuple[cols.Checked, list[str]]:
    """The checked values of one role, and what was said on the way."""
    if isinstance(column, list):
        several = {c if c in sheet.columns else c.split(".")[-1]: cols.take(sheet, c, name)[0] for c in column}
        said = [f"the columns {listed(column)} were joined into one set of labels"]
        return cols.joined(several, wish.label_names), said
    values, note = cols.take(sheet, column, name)
    said = [note] if note else []
    if role in _TOKENIZED or role == "answers" or (role == "label" and "input_ids" in sheet.columns):
        return cols.Checked(_any(values), np.zeros(0, np.int64), {}, []), said
    if role != "label":
        return cols.texts(values), said
    checked = cols.labels(values)
    if wish.setting("problem_type") == "multi_label":
        checked.empty = np.zeros(0, np.int64)  # no label at all is a value there
    return checked, said


def _any(values: Any) -> pa.ChunkedArray:
    """A column as it is; values that Arrow can't hold together become JSON text."""
    if isinstance(values, pa.ChunkedArray):
        return values
    try:
        return pa.chunked_array([pa.array(list(values))])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeEncodeError):
        import json

        return pa.chunked_array([pa.array([json.dumps(v, ensure_ascii=True, default=str) for v in values])])
