"""Sheets → rows: columns take their roles, values are checked, files of one set are laid end to end.

assemble([sheet], Wish(settings, ("text", "label"), ("text",), None, "raise", False)).table
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from byeori.data import columns as cols
from byeori.data import disk, mapped
from byeori.data import row_sources as sources
from byeori.data import values as vals
from byeori.data.clean_rows import clean_columns, notes_of
from byeori.data.forms import choose
from byeori.data.labels import label_name
from byeori.data.languages import code
from byeori.data.roles import FLAGS, Match
from byeori.data.rows import Origin, Rows, Sheet
from byeori.data.shapes import reshape
from byeori.data.tokens import unit
from byeori.data.wish import Wish
from byeori.data.wording import count, listed
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.data.cleaning import Cleaner

LABEL_AS_WRITTEN = "label as it is written"  # a column beside the labels, of rows that are read to be judged
_NAMED = ("label", "tags")  # roles whose values are names of classes
_TOKENIZED = ("input_ids", "attention_mask", "token_type_ids", "special_tokens_mask")


class Unanswered(DataError):
    """Not one row has its right answer."""


def assemble(sheets: list[Sheet], wish: Wish) -> Rows:
    """Sheets of one split → one table with role names."""
    files = [sheet.file for sheet in sheets]
    names = Origin(files, np.zeros(0, np.int32), np.zeros(0, np.int64))
    sheets = [reshape(sheet, names.name(at), wish) for at, sheet in enumerate(sheets)]
    first = sheets[0]
    matched = _match(first, names.name(0), wish)
    notes = [note for sheet in sheets for note in sheet.notes] + [matched.reason]
    if len(sheets) > 1 and {"choices", "label"} <= set(matched.columns):
        vals.count_alike(sheets, names.name, matched.columns)
    source = sources.column(sheets, {_outer(column, first) for column in _all(matched)}) if wish.bad != "keep" else None
    tables: list[pa.Table] = []
    numbers: list[np.ndarray] = []
    errors: dict[int, str] = {}
    cleaner, tally = wish.cleaner, Counter[str]()
    done, most = 0, wish.setting("max_rows")
    for at, sheet in enumerate(sheets):
        absent = [column for column in _all(matched) if _outer(column, sheet) not in sheet.columns]
        if absent:
            raise DataError(
                f"{names.name(at)}: there is no column {listed(absent)}, which {names.name(0)} has. "
                "All files of one set need the same columns."
            )
        table, row_of, problems, said = _roles(sheet, names.name(at), matched, wish, cleaner, tally, source)
        if most is not None and done + len(row_of) > most:
            table, row_of = table.slice(0, most - done), row_of[: most - done]
            problems = {i: why for i, why in problems.items() if i < len(row_of)}
            if at + 1 == len(sheets):
                notes.append(f"The first {count(most, 'row')} were taken (--max-rows).")
        tables.append(table)
        numbers.append(row_of)
        notes += said
        errors |= {done + i: why for i, why in problems.items()}
        done += len(row_of)
        if done == most and at + 1 < len(sheets):
            notes.append(
                f"The first {count(most, 'row')} were taken, of {at + 1:,} of {len(sheets):,} files (--max-rows)."
            )
            break
    table, said_of = sources.taken_out(_stack(tables, notes))
    if not table.num_rows:
        raise DataError(f"{names.name(0)}: no row is left.")
    file_of = mapped.keep(np.repeat(np.arange(len(numbers), dtype=np.int32), [len(n) for n in numbers]))
    label = matched.columns.get("tags" if "tags" in table.column_names else "label")
    label = None if "choices" in table.column_names else label  # an index has no name
    class_names = first.class_names.get(label) if isinstance(label, str) else None
    origin = Origin(files, file_of, mapped.keep(np.concatenate(numbers)) if len(numbers) > 1 else numbers[0])
    facts = _facts(first, matched, table, wish)
    if facts.get("unit") == "character":
        notes.append(f"{names.name(0)}: a token is a character here, spaces included.")
    if "id" in wish.roles and "id" in table.column_names:
        table = _own_ids(table, notes)
    if said_of is not None and source is not None:
        origin.source_of, origin.sources, origin.source_column = *said_of, source
    made = disk.dataset(table, light=wish.bad == "keep" and not wish.judged)  # as rows to be predicted are read
    done_to = (cleaner or None, dict(tally))
    return Rows(made, origin, dict(matched.columns), notes, class_names, errors, facts, *done_to)


def _facts(first: Sheet, matched: Match, table: pa.Table, wish: Wish) -> dict[str, str]:
    """What the rows show as a whole: see Rows.facts."""
    facts = dict(first.facts)
    for role in ("source", "target"):
        column = matched.columns.get(role)
        spelled = column.rsplit(".", 1)[-1] if isinstance(column, str) else ""
        language = code(spelled) or code(str(wish.setting(f"{role}_lang") or "")) or facts.get(f"{role}_lang")
        if language and column:
            facts[f"{role}_lang"] = language
    if "tokens" in table.column_names:
        facts.setdefault("unit", unit(table["tokens"][:1000].to_pylist()))
    return facts


def _own_ids(table: pa.Table, notes: list[str]) -> pa.Table:
    """Ids that each name one row: those there are, or the numbers of the rows."""
    doubled = table.num_rows - len(table["id"].unique())
    if not doubled:
        return table
    notes.append(f"{count(doubled, 'id')} of the rows had occurred before, so the rows were numbered instead.")
    at = table.column_names.index("id")
    return table.set_column(at, "id", pa.chunked_array([pa.array(np.arange(1, table.num_rows + 1)).cast(pa.string())]))


def _match(sheet: Sheet, name: str, wish: Wish) -> Match:
    samples = {column: cols.sample(values) for column, values in sheet.columns.items()}
    if "input_ids" not in samples or wish.given("text"):
        matched = choose(samples, wish, name, sheet.suggested)
        return Match(vals.checkable(matched.columns), matched.reason)
    usual = (wish.before.get("label"), "labels", "label")
    label = wish.given("label") or next((c for c in usual if isinstance(c, str) and c in samples), None)
    found = {c: c for c in _TOKENIZED if c in samples} | ({"label": label} if label else {})
    return Match(found, f"{name}: the rows are already tokenized.")


def _all(matched: Match) -> list[str]:
    return [c for column in matched.columns.values() for c in ([column] if isinstance(column, str) else column)]


def _outer(column: str, sheet: Sheet) -> str:
    """The column that a dotted name lies in."""
    return column if column in sheet.columns else column.split(".", 1)[0]


def _stack(tables: list[pa.Table], notes: list[str]) -> pa.Table:
    """One table. Where the types of a column differ between files it takes the one that holds them all, as Arrow promotes
    types; where there is none, labels become names and other values JSON text."""
    if len(tables) == 1:
        return tables[0]
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    common = [name for name in names if all(name in table.column_names for table in tables)]
    if len(common) < len(names):
        notes.append(f"Not in every file, so left out: the columns {listed(n for n in names if n not in common)}.")
    columns = {}
    for name in common:
        parts = [table.select([name]) for table in tables]
        try:
            columns[name] = pa.concat_tables(parts, promote_options="permissive")[name]
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            values = [_written(value, name) for part in parts for value in part[name].to_pylist()]
            columns[name] = cols.labels(values).values if name in _NAMED else pa.chunked_array([pa.array(values)])
            what = "names" if name in _NAMED else "text"
            notes.append(f'The "{name}" of these files differs in type, and was read as {what}.')
    return pa.table(columns)


def _written(value: Any, name: str) -> Any:
    """A value as one that those of other types can stand beside."""
    if name in _NAMED:
        return (
            None if value is None else [label_name(v) for v in value] if isinstance(value, list) else label_name(value)
        )
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _roles(
    sheet: Sheet, name: str, matched: Match, wish: Wish, cleaner: Cleaner, tally: Counter[str], source: str | None
) -> tuple[pa.Table, np.ndarray, dict[int, str], list[str]]:
    """One sheet → (table with role names, row numbers, position → error for kept bad rows, notes)."""
    row_of = sheet.numbers
    if row_of is None:
        row_of = mapped.made(sheet.rows, np.int64, lambda block: np.arange(block.start + 1, block.stop + 1))
    errors = dict(sheet.bad)
    drop = np.zeros(sheet.rows, bool)
    unusable: dict[int, str] = {}
    taken: dict[str, Any] = {}
    notes: list[str] = []
    for role in vals.in_order(matched.columns):
        column = matched.columns[role]
        checked, said = _role(sheet, name, role, column, matched, taken, wish)
        notes += [f"{name}: {one}." for one in said + checked.notes]
        taken[role] = checked.values
        wrong = {i: what for i, what in checked.wrong.items() if i not in errors}
        empty = [int(i) for i in checked.empty if int(i) not in errors and int(i) not in unusable]
        gone = {*errors, *unusable, *map(int, np.flatnonzero(drop))}
        problems = {i: why for i, why in sorted(checked.problems.items()) if i not in gone}
        label, shown = role == "label", role.replace("_", " ")
        columns = f"{'label ' if label else ''}column {listed([column] if isinstance(column, str) else column)}"
        flag = "--drop-empty-labels" if label else "--drop-empty"
        if wish.bad == "keep":  # the caller answers row by row; what is to be predicted is not needed for that
            if role not in vals.OUTCOMES or wish.judged:
                errors |= {i: f"the {shown} is {what}, not text" for i, what in wrong.items()}
                errors |= dict.fromkeys(empty, f"the {shown} is empty")
                errors |= problems
            continue
        if wrong:
            what = f"the {columns} holds {next(iter(wrong.values()))}, not {'a label' if label else 'text'}"
            advice = f"Name another column with {FLAGS.get(role, role)}, or fix the data."
            raise DataError(_refusal(name, row_of, list(wrong), what, advice))
        if problems and wish.bad == "raise":
            advice = "Fix the data, or leave such rows out with --skip-bad-rows."
            raise DataError(_refusal(name, row_of, list(problems), next(iter(problems.values())), advice))
        unusable |= problems
        unanswered = role in vals.OUTCOMES and 0 < len(empty) == sheet.rows
        if unanswered or (empty and not wish.setting(flag[2:].replace("-", "_"))):
            advice = (
                "Name another column, or fix the file."
                if unanswered
                else f"Drop such rows with {flag}, or fix the file."
            )
            kind = Unanswered if unanswered else DataError
            raise kind(_refusal(name, row_of, empty, f"the {columns} is empty", advice))
        if empty:
            drop[empty] = True
            notes.append(f"{name}: {count(len(empty), 'row')} with an empty {shown} left out ({flag}).")
    if cleaner:
        gone = {*errors, *unusable, *map(int, np.flatnonzero(drop))}
        taken, emptied, problems = _clean(taken, cleaner, gone, name, tally, notes)
        if wish.bad == "keep":
            errors |= {**problems, **emptied}
        elif problems and wish.bad == "raise":
            advice = "Fix the data or the cleaning, or leave such rows out with --skip-bad-rows."
            raise DataError(_refusal(name, row_of, list(problems), next(iter(problems.values())), advice))
        elif emptied and not wish.setting("drop_empty"):
            advice = "Drop such rows with --drop-empty, or clean less."
            raise DataError(_refusal(name, row_of, list(emptied), next(iter(emptied.values())), advice))
        else:
            unusable |= problems
            drop[list(emptied)] = True
            if emptied:
                tally["emptied"] += len(emptied)
                notes.append(f"{name}: {count(len(emptied), 'row')} left out that cleaning left empty (--drop-empty).")
    if unusable:
        drop[list(unusable)] = True
        some = "; ".join(f"row {int(row_of[i])}: {why}" for i, why in list(unusable.items())[:5])
        notes.append(f"{name}: {count(len(unusable), 'row')} that can't be used left out ({some}).")
    taken = {role: taken[role] for role in matched.columns}
    spelled = matched.columns.get("label")
    if wish.judged and isinstance(spelled, str) and spelled in sheet.columns:
        taken[LABEL_AS_WRITTEN] = _any(sheet.columns[spelled])
    if "id" in wish.roles and "question" in taken:
        ids = taken["id"].to_pylist() if "id" in taken else [""] * sheet.rows
        made = [one or str(int(row)) for one, row in zip(ids, row_of, strict=True)]
        taken["id"] = pa.chunked_array([pa.array(made, pa.string())])
    if wish.keep:
        used = {_outer(column, sheet) for column in _all(matched)}
        left = {column: values for column, values in sheet.columns.items() if column not in used}
        taken |= {column if column not in taken else f"{column}_": _any(values) for column, values in left.items()}
    if source is not None:
        taken[sources.COLUMN] = sources.texts(sheet.columns[source])
    table = pa.table(taken)
    if drop.any():
        return disk.kept(table, ~drop), mapped.take(row_of, np.flatnonzero(~drop)), {}, notes
    return table, row_of, errors, notes


def _clean(
    taken: dict[str, Any], cleaner: Cleaner, gone: set[int], name: str, tally: Counter[str], notes: list[str]
) -> tuple[dict[str, Any], dict[int, str], dict[int, str]]:
    """Cleaned columns, place → what is empty then, place → why the row can't be used; those of rows not `gone` before."""
    made = clean_columns(taken, cleaner)
    notes += notes_of(name, made, cleaner)
    tally.update({"texts": made.texts, **made.counts})
    problems = {at: why for at, why in sorted(made.problems.items()) if at not in gone}
    emptied = {
        at: f"cleaning leaves nothing of the {role.replace('_', ' ')}"
        for role, places in made.emptied.items()
        for at in places
        if at not in gone and at not in problems
    }
    return made.columns, dict(sorted(emptied.items())), problems


def _refusal(name: str, row_of: np.ndarray, rows: Sequence[int], what: str, advice: str) -> str:
    """One message for all rows of a kind: the first, how many, and the next four."""
    more = ""
    if len(rows) > 1:
        others = ", ".join(str(int(row_of[i])) for i in rows[1:5]) + ("…" if len(rows) > 5 else "")
        more = f" {len(rows):,} of {len(row_of):,} rows are like this (also row{'s' * (len(rows) > 2)} {others})."
    return f"{name}, row {int(row_of[rows[0]])}: {what}.{more} {advice}"


def _role(
    sheet: Sheet, name: str, role: str, column: str | list[str], matched: Match, taken: dict[str, Any], wish: Wish
) -> tuple[cols.Checked, list[str]]:
    """The checked values of one role, and what was said on the way."""
    if isinstance(column, list):
        several = {c if c in sheet.columns else c.split(".")[-1]: cols.take(sheet, c, name)[0] for c in column}
        said = [f"the columns {listed(column)} were joined into one set of labels"]
        return cols.joined(several, wish.label_names), said
    if role in vals.STRUCTURED and column in sheet.columns:
        return vals.check(role, sheet.columns[column], matched.columns, taken, sheet, wish), []
    if role == "label" and column in sheet.columns and (by_name := cols.flag_columns(sheet.columns[column])):
        said = [f'the column "{column}" holds objects; their {listed(by_name)} were joined into one set of labels']
        return cols.joined(by_name, wish.label_names), said
    values, note = cols.take(sheet, column, name, label=role == "label")
    said = [note] if note else []
    if role in _TOKENIZED:
        return _numbers(role, values), said
    if role == "label" and "input_ids" in sheet.columns:
        return cols.Checked(_any(values), np.zeros(0, np.int64), {}, []), said
    if role in vals.STRUCTURED | vals.TEXTS or role == "label" and "choices" in taken:
        return vals.check(role, values, matched.columns, taken, sheet, wish), said
    if role != "label":
        return cols.texts(values), said
    checked = cols.labels(values, wish.setting("problem_type"))
    if wish.setting("problem_type") == "multi_label":
        checked.empty = np.zeros(0, np.int64)  # no label at all is a value there
    return checked, said


def _numbers(role: str, values: Any) -> cols.Checked:
    """A column of tokenized rows, a list of numbers each; `problems` says which rows hold something else."""
    nothing = np.zeros(0, np.int64)
    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_nested(values.type) or pa.types.is_null(values.type):
            return cols.Checked(values, nothing, {}, [])
        values = values.to_pylist()
    rows, problems = [], {}
    for place, value in enumerate(values):
        try:
            absent = value is None and role != "input_ids"  # a mask may be left out
            rows.append(None if absent else pa.array(value, pa.int64()).to_pylist())
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
            rows.append(None)
            problems[place] = f"{role} is {str(value)[:60]!r}, not a list of whole numbers"
    return cols.Checked(pa.chunked_array([pa.array(rows, pa.list_(pa.int64()))]), nothing, {}, [], problems)


def _any(values: Any) -> pa.ChunkedArray:
    """A column as it is; values that Arrow can't hold together become JSON text."""
    if isinstance(values, pa.ChunkedArray):
        return values
    try:
        return pa.chunked_array([pa.array(list(values))])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeEncodeError):
        return pa.chunked_array([pa.array([json.dumps(v, ensure_ascii=True, default=str) for v in values])])
