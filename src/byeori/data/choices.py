"""Multiple choice in its many shapes → `text`, a list of `choices`, and the index of the right one.

Choices may be a list, {"label": […], "text": […]} (CommonsenseQA, ARC), or columns (ending0…3, choice1…2, A B C D).
The text is context and question, whichever there are; SWAG's second sentence begins each of its endings.
The label may be an index from 0 or from 1, a letter, a key, or the text of the right choice: a column is read one way,
which is said.

    check_labels(["B", "A"], [["x", "y"], ["x", "y"]])[0].values.to_pylist() == [1, 0]
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data.columns import Checked, as_list, sample
from byeori.data.names import tiers
from byeori.data.roles import fold, holds
from byeori.data.rows import Sheet
from byeori.data.wording import count, listed, short

TYPE = pa.list_(pa.string())
_NUMBERED = re.compile(
    r"(ending|alternative|choice|option|opt|op|answer|ans|candidate|sol|solution|보기|선택지|선지)_?(\d+|[a-h])$"
)
_CONTEXTS = (
    "article",
    "context",
    "passage",
    "premise",
    "ctx",
    "sent1",
    "story",
    "goal",
    "paragraph",
    "지문",
    "본문",
    "문맥",
)
_QUESTIONS = ("question", "query", "stem", "question_stem", "질문", "문제", "발문")
_LETTERS = "ABCDEFGH"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨"
_EITHER = "an index from 0 (none is 0 and none is the number of choices, so from 1 would fit as well)"


def reshape(sheet: Sheet, name: str, given: Mapping[str, Any]) -> None:
    """Join columns of choices into one, context and question into one, and suggest them."""
    _nested_question(sheet)
    folded = {fold(column): column for column in sheet.columns}
    if not given.get("choices") and not _has_choices(sheet, folded):
        columns = _columns_of_choices(folded, sheet)
        if columns:
            start = folded.get("sent2") if fold(columns[0]).startswith("ending") else None
            shown = f"{columns[0]}…{columns[-1]}"
            parts = [as_list(sheet.columns[column]) for column in columns]
            begins = as_list(sheet.columns[start]) if start else [None] * sheet.rows
            sheet.columns[shown] = [
                [_begun(begin, choice) for choice in _without_empty_end(row)]
                for begin, row in zip(begins, zip(*parts, strict=True), strict=True)
            ]
            sheet.suggested["choices"] = shown
            sheet.notes.append(
                f"{name}: the choices are the columns {listed(columns)}"
                + (f', each begun with "{start}".' if start else ".")
            )
    if given.get("text") or "text" in folded:
        return
    context = next((folded[one] for one in _CONTEXTS if one in folded), None)
    question = next((folded[one] for one in _QUESTIONS if one in folded), None)
    if context and question:
        shown = f"{context} and {question}"
        pairs = zip(as_list(sheet.columns[context]), as_list(sheet.columns[question]), strict=True)
        sheet.columns[shown] = ["\n".join(str(part) for part in pair if part) for pair in pairs]
        sheet.suggested["text"] = shown
        sheet.notes.append(f'{name}: the text is "{context}", a line end, and "{question}".')
    elif context or question:
        sheet.suggested["text"] = context or question or ""


def _without_empty_end(row: Sequence[Any]) -> list[Any]:
    """Questions of fewer choices leave the last columns empty; an empty one before them is a mistake."""
    row = [None if isinstance(one, float) and one != one or one == "" else one for one in row]
    while row and row[-1] is None:
        row.pop()
    return row


def _begun(begin: Any, choice: Any) -> Any:
    return f"{begin} {choice}".strip() if begin and isinstance(choice, str) else choice


def _has_choices(sheet: Sheet, folded: Mapping[str, str]) -> bool:
    """Whether a column of that name holds lists; one of texts (JSON, or cut at |) is suggested."""
    for name in (name for tier in tiers("choices", ("choices",)) for name in tier):
        values = sample(sheet.columns[folded[name]], 50) if name in folded else []
        if values and all(v is None or isinstance(v, str) for v in values):
            if not any(v and (v.lstrip()[:1] in ("[", "{") or "|" in v) for v in values):
                continue
            sheet.suggested["choices"] = folded[name]
        elif not values or not holds("choices", values):
            continue
        return True
    return False


def _columns_of_choices(folded: Mapping[str, str], sheet: Sheet) -> list[str]:
    """Numbered or lettered columns from 0, 1 or a on without a gap; or A, B, C… alone."""
    groups: dict[str, dict[int, str]] = {}
    for name, column in folded.items():
        match = _NUMBERED.fullmatch(name)
        if match:
            mark = match.group(2)
            groups.setdefault(match.group(1), {})[int(mark) if mark.isdecimal() else ord(mark) - 96] = column
        elif len(column) == 1 and column in _LETTERS:
            groups.setdefault("", {})[ord(column) - 64] = column
    best: list[str] = []
    for numbered in groups.values():
        first = min(numbered)
        if first in (0, 1) and len(numbered) == max(numbered) - first + 1 > max(1, len(best)):
            best = [numbered[at] for at in sorted(numbered)]
    return best


def _nested_question(sheet: Sheet) -> None:
    """CommonsenseQA and ARC as they are published: {"stem", "choices"} inside the question."""
    column = next((c for c in sheet.columns if fold(c) == "question"), None)
    values = as_list(sheet.columns[column]) if column else []
    if column and values and all(isinstance(v, Mapping) and "stem" in v and "choices" in v for v in values[:50]):
        whole = [v if isinstance(v, Mapping) else {} for v in values]
        sheet.columns[column] = [v.get("stem") for v in whole]
        sheet.columns.setdefault("choices", [v.get("choices") for v in whole])


def check_choices(values: Sequence[Any]) -> tuple[Checked, list[list[str] | None]]:
    """(the choices of every row, the keys beside them where there are some)."""
    found: list[list[str]] = []
    keys: list[list[str] | None] = []
    empty: list[int] = []
    problems: dict[int, str] = {}
    for at, value in enumerate(values):
        texts, key = _texts(value)
        found.append([])
        keys.append(key)
        wrong = next((i for i, text in enumerate(texts) if not isinstance(text, str) or not text.strip()), None)
        if not texts:
            empty.append(at)
        elif wrong is not None:
            problems[at] = f"choice {wrong + 1} of {len(texts)} is {short(texts[wrong]) or 'empty'}"
        elif len(texts) < 2:
            problems[at] = "there is one choice only"
        else:
            found[at] = texts
    sizes = sorted({len(texts) for texts in found if texts})
    notes = [f"{sizes[0]} to {sizes[-1]} choices"] if len(sizes) > 1 else []
    checked = Checked(pa.chunked_array([pa.array(found, TYPE)]), np.asarray(empty, np.int64), {}, notes, problems)
    return checked, keys


def _texts(value: Any) -> tuple[list[Any], list[str] | None]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [part.strip() for part in value.split("|")] if "|" in value else [value], None
    if isinstance(value, Mapping):
        if isinstance(value.get("text"), (list, tuple)):
            key = value.get("label", value.get("key"))
            return list(value["text"]), [str(one) for one in key] if key is not None else None
        return [one for one in value.values() if one is not None], [
            str(key) for key, one in value.items() if one is not None
        ]
    if not isinstance(value, (list, tuple)):
        return [], None
    if value and all(isinstance(one, Mapping) for one in value):
        key = [str(one.get("label", one.get("key", ""))) for one in value]
        return [one.get("text", one.get("content")) for one in value], key if all(key) else None
    return [str(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else one for one in value], None


def counted_from(
    values: Sequence[Any], choices: Sequence[Sequence[str]], keys: Sequence[list[str] | None] | None = None
) -> str | None:
    """Whether labels that are indices count from "0" or "1"; "" where either would fit; None for labels of other kinds."""
    plain = [_plain(value) for value in values]
    full = [at for at, value in enumerate(plain) if value is not None and choices[at]]
    if keys is not None and any(keys[at] for at in full):
        return None
    how, note = _how([(plain[at], choices[at]) for at in full])
    return None if how not in ("0", "1") else "" if note == _EITHER else how


def check_labels(
    values: Sequence[Any],
    choices: Sequence[Sequence[str]],
    keys: Sequence[list[str] | None] | None = None,
    base: str | None = None,
) -> tuple[Checked, str]:
    """(the index of the right choice in every row, from 0; how the labels were read).

    How is decided on the whole column: `key`, `0`, `1`, `letter` or `text`. Missing labels are `empty`.
    base: what indices count from ("0" or "1"), where other files of the set say it.
    """
    plain = [_plain(value) for value in values]
    full = [at for at, value in enumerate(plain) if value is not None and choices[at]]
    keyed = keys is not None and any(keys[at] for at in full)
    how, note = ("key", "a key beside the choices") if keyed else _how([(plain[at], choices[at]) for at in full])
    if base and how in ("0", "1"):
        how, note = base, f"an index from {base}, as in the other files"
    found: list[int] = []
    empty = [at for at, value in enumerate(plain) if value is None]
    problems: dict[int, str] = {}
    for at, value in enumerate(plain):
        index = None
        if value is not None and choices[at]:
            index = _index(value, how, choices[at], keys[at] if keys else None)
            if index is None or not 0 <= index < len(choices[at]):
                problems[at] = f'the label "{short(value)}" is none of the {len(choices[at])} choices, read as {note}'
                index = None
        found.append(index if index is not None else 0)
    checked = Checked(pa.chunked_array([pa.array(found, pa.int64())]), np.asarray(empty, np.int64), {}, [], problems)
    if full:
        checked.notes.append(f"the label of {count(len(full), 'row')} was read as {note}")
    return checked, how


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, float) and value != value:
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip() or None


def _how(rows: Sequence[tuple[Any, Sequence[str]]]) -> tuple[str, str]:
    """(how labels are to be read, in words), by what fits most of them."""
    numbers = [(int(v), len(c)) for v, c in rows if v.isdecimal()]
    if numbers and len(numbers) * 2 >= len(rows):
        from_zero = sum(0 <= v < n for v, n in numbers)
        from_one = sum(1 <= v <= n for v, n in numbers)
        texts = sum(v in c for v, c in rows)
        if texts > max(from_zero, from_one):
            return "text", "the text of the right choice"
        if from_zero == from_one:
            return "0", _EITHER
        return ("0", "an index from 0") if from_zero > from_one else ("1", "an index from 1")
    texts = sum(v in c or v in [one.strip() for one in c] for v, c in rows)
    letters = sum(_letter(v) is not None for v, _ in rows)
    return ("text", "the text of the right choice") if texts >= letters else ("letter", "a letter")


def _letter(value: str) -> int | None:
    mark = value.strip("().[] ").upper()
    if len(mark) == 1 and mark in _LETTERS:
        return _LETTERS.index(mark)
    return _CIRCLED.index(mark) if len(mark) == 1 and mark in _CIRCLED else None


def _index(value: str, how: str, choices: Sequence[str], keys: Sequence[str] | None) -> int | None:
    if how == "key":
        return list(keys).index(value) if keys and value in keys else None
    if how in ("0", "1"):
        return int(value) - int(how) if value.isdecimal() else None
    if how == "letter":
        return _letter(value)
    hits = [at for at, choice in enumerate(choices) if choice.strip() == value]
    return hits[0] if len(hits) == 1 else None
