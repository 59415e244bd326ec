"""The column of a role → checked values in the role's type; roles that depend on others are checked after them.

check("source", ["Hello."], {}, sheet, Wish()).values.to_pylist() == ["Hello."]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data import answers, chat, choices, spans, tokens
from byeori.data import columns as cols
from byeori.data.columns import Checked
from byeori.data.roles import fold
from byeori.data.rows import Sheet
from byeori.data.wish import Wish
from byeori.errors import DataError

# What a prediction does without: such a value that can't be used makes no row of a call unusable.
OUTCOMES = frozenset({"label", "tags", "entities", "answers", "target", "references", "completion"})
TEXTS = frozenset({"source", "target", "question", "context", "prompt", "completion"})
STRUCTURED = frozenset({"tokens", "tags", "entities", "answers", "messages", "choices", "references", "id", "title"})
_AGAINST = {"tags": "tokens", "entities": "text", "answers": "context", "label": "choices"}


def in_order(roles: Iterable[str]) -> list[str]:
    """Roles in an order in which each can be checked."""
    return sorted(roles, key=lambda role: role in _AGAINST)


def checkable(matched: Mapping[str, Any]) -> dict[str, Any]:
    """The roles found, without those whose other side was not found."""
    return {r: c for r, c in matched.items() if r == "label" or _AGAINST.get(r) is None or _AGAINST[r] in matched}


def check(
    role: str, values: Any, matched: Mapping[str, Any], taken: Mapping[str, pa.ChunkedArray], sheet: Sheet, wish: Wish
) -> Checked:
    """The values of a role of TEXTS or STRUCTURED, or of the label beside choices.

    matched: role → column. taken: the checked values of the roles before it (`in_order`).
    """
    if role in TEXTS:
        checked = cols.texts(values)
        shown = f'the column "{matched[role]}"'
        checked.problems = {at: f"{shown} holds {what}, not text" for at, what in checked.wrong.items()}
        checked.wrong = {}
        return checked
    listed = cols.as_list(values)
    if role == "tokens":
        return tokens.check_tokens(listed)
    if role == "tags":
        return tokens.check_tags(listed, taken["tokens"].to_pylist(), wish.label_names)
    if role == "entities":
        return spans.check(listed, taken["text"].to_pylist())
    if role == "messages":
        return chat.check_messages(listed)
    if role == "choices":
        return choices.check_choices(listed)[0]
    if role == "label":
        beside = sheet.columns.get(matched["choices"])
        keys = None if beside is None else choices.check_choices(cols.as_list(beside))[1]
        base = sheet.facts.get("label_base")  # as `count_alike` left it
        checked, how = choices.check_labels(listed, taken["choices"].to_pylist(), keys, base)
        sheet.facts["label_base"] = how
        return checked
    if role == "answers":
        context = taken["context"].to_pylist()
        return answers.check(listed, context, _named(sheet, answers.STARTS), _named(sheet, answers.IMPOSSIBLE))
    if role == "references":
        found = [[one for one in value or [] if isinstance(one, str) and one.strip()] for value in listed]
        return Checked(pa.chunked_array([pa.array(found, pa.list_(pa.string()))]), np.zeros(0, np.int64), {}, [])
    plain = ["" if value is None or value != value else str(value) for value in listed]  # id, title
    return Checked(pa.chunked_array([pa.array(plain, pa.string())]), np.zeros(0, np.int64), {}, [])


def count_alike(sheets: Sequence[Sheet], name: Callable[[int], str], matched: Mapping[str, Any]) -> None:
    """Files of one set, whose labels say the right choice by its number, count from the same: where one leaves open whether
    from 0 or from 1, as the others do.

    name: place of a sheet → what messages call it. Raises DataError where one counts from 0 and another from 1.
    """
    first: dict[str, int] = {}  # "0" or "1" → the first sheet that counts so
    unclear = []
    columns = (matched["choices"], matched["label"])
    for at, sheet in enumerate(sheets):
        if any(one not in sheet.columns and one.split(".")[0] not in sheet.columns for one in columns):
            continue  # said where it is read
        taken = (sheet.columns[one] if one in sheet.columns else cols.take(sheet, one, name(at))[0] for one in columns)
        listed, label = map(cols.as_list, taken)
        texts, keys = choices.check_choices(listed)
        base = choices.counted_from(label, texts.values.to_pylist(), keys)
        if base:
            first.setdefault(base, at)
        elif base is not None:
            unclear.append(sheet)
    if len(first) > 1:
        raise DataError(
            f"{name(first['0'])} counts the right choice from 0, {name(first['1'])} from 1. Count alike in all files of a set, or "
            f"give the text of the right choice."
        )
    for sheet in unclear if first else ():
        sheet.facts["label_base"] = next(iter(first))


def _named(sheet: Sheet, names: Sequence[str]) -> list[Any] | None:
    """The first column that is called so."""
    folded = {fold(column): column for column in sheet.columns}
    column = next((folded[name] for name in names if name in folded), None)
    return cols.as_list(sheet.columns[column]) if column else None
