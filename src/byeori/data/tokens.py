"""Tokens and their tags in rows → lists of equal length: lists as they are, texts cut at spaces, ids as names.

Invariant: every row returned as usable has as many tags as tokens, and no empty token or tag.

    check_tags([["B-LOC", "O"]], [["Seoul", "is"]]).problems == {}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data.columns import Checked, as_list, sample
from byeori.data.conll import TAG
from byeori.data.rows import Sheet
from byeori.data.spans import is_spans
from byeori.data.wording import count, short

TYPE = pa.list_(pa.string())
_TOKENS = ("tokens", "words", "token", "word")
_ENTITIES = ("entities", "spans", "label", "labels", "annotations", "ner", "ne")


def reshape(sheet: Sheet, name: str, roles: Sequence[str]) -> None:
    """Let columns of texts that hold tokens and tags, cut at spaces, be lists; and say which column holds spans."""
    samples = {column: sample(values, 200) for column, values in sheet.columns.items()}
    texts = {column: [v for v in values if v is not None] for column, values in samples.items()}
    texts = {c: values for c, values in texts.items() if values and all(isinstance(v, str) for v in values)}
    if "tags" in roles and not any(isinstance(v, (list, tuple)) for values in samples.values() for v in values[:5]):
        pair = _pair(texts)
        if pair:
            for role, column in zip(("tokens", "tags"), pair, strict=True):
                _cut(sheet, column)
                sheet.suggested[role] = column
            sheet.notes.append(f'{name}: "{pair[0]}" and "{pair[1]}" were cut at spaces.')
            return
    for column in texts:
        if "tokens" in roles and column.casefold() in _TOKENS:
            _cut(sheet, column)
            sheet.notes.append(f'{name}: "{column}" was cut at spaces.')
    if "entities" in roles:
        spans = [c for c, values in samples.items() if any(values) and all(v is None or is_spans(v) for v in values)]
        spans = [c for c in spans if c.casefold() in _ENTITIES]
        if len(spans) == 1:
            sheet.suggested["entities"] = spans[0]


def _cut(sheet: Sheet, column: str) -> None:
    sheet.columns[column] = [v.split() if isinstance(v, str) else v for v in as_list(sheet.columns[column])]


def _pair(texts: dict[str, list[str]]) -> tuple[str, str] | None:
    """The one pair of columns of which the second holds as many short recurring words as the first has words."""
    found = []
    for tags, values in texts.items():
        words = [word for value in values for word in value.split()]
        if not words or len(set(words)) > max(20, len(words) // 4) or any(len(word) > 40 for word in words):
            continue
        for tokens, others in texts.items():
            if tokens == tags or len(others) != len(values):
                continue
            equal = sum(len(a.split()) == len(b.split()) for a, b in zip(others, values, strict=True))
            longer = sum(len(value.split()) > 1 for value in values)
            if equal >= 0.9 * len(values) and longer * 2 > len(values):
                found.append((tokens, tags))
    if len(found) > 1:  # which of them are tags, their spelling says
        found = [pair for pair in found if all(TAG.match(word) for value in texts[pair[1]] for word in value.split())]
    return found[0] if len(found) == 1 else None


def check_tokens(values: Sequence[Any]) -> Checked:
    """Lists of texts; a list without any is `empty`."""
    found: list[list[str]] = []
    empty: list[int] = []
    problems: dict[int, str] = {}
    for at, value in enumerate(values):
        found.append([])
        if value is None or not isinstance(value, str) and not len(value):
            empty.append(at)
        elif not isinstance(value, (list, tuple)):
            problems[at] = f"the tokens are {short(value)}, no list"
        else:
            place = next((i for i, one in enumerate(value) if not isinstance(one, str) or not one), None)
            if place is None:
                found[at] = list(value)
            elif value[place] in (None, ""):
                problems[at] = f"token {place + 1} of {len(value)} is empty"
            else:
                problems[at] = f"token {place + 1} of {len(value)} is {short(value[place])}, not text"
    try:
        array = pa.array(found, TYPE)
    except UnicodeEncodeError:
        for at, tokens in enumerate(found):
            if any("\ud800" <= c <= "\udfff" for token in tokens for c in token):
                problems[at], found[at] = "a token holds half a character (a lone surrogate)", []
        array = pa.array(found, TYPE)
    return Checked(pa.chunked_array([array]), np.asarray(empty, np.int64), {}, [], problems)


def check_tags(values: Sequence[Any], tokens: Sequence[Sequence[str]], names: Sequence[str] | None = None) -> Checked:
    """Lists of tag names, as many as tokens. names: what numbers stand for, where it is known (the names of training)."""
    found: list[list[str]] = []
    problems: dict[int, str] = {}
    numbers = 0
    for at, (value, words) in enumerate(zip(values, tokens, strict=True)):
        found.append([])
        if value is None or not isinstance(value, (list, tuple)):
            problems[at] = f"the tags are {'missing' if value is None else short(value) + ', no list'}"
        elif len(value) != len(words):
            problems[at] = f"{count(len(words), 'token')} and {count(len(value), 'tag')}"
        else:
            numbers += any(isinstance(one, int) for one in value)
            row = [_tag(one, names) for one in value]
            place = next((i for i, tag in enumerate(row) if not tag), None)
            if place is None:
                found[at] = row  # type: ignore[assignment]
            else:
                problems[at] = (
                    f'the tag of token {place + 1} ("{short(words[place])}") is {short(value[place] or "empty")}'
                )
    notes = ["the tags are numbers, whose names the file does not say"] if numbers and not names else []
    return Checked(pa.chunked_array([pa.array(found, TYPE)]), np.zeros(0, np.int64), {}, notes, problems)


def _tag(value: Any, names: Sequence[str] | None) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        if names and str(value) not in names:
            return names[value] if 0 <= value < len(names) else None
        return str(value)
    return value.strip() if isinstance(value, str) else None


def unit(tokens: Sequence[Sequence[str]]) -> str:
    """`character` where every token is one, else `word`."""
    seen = tokens[:1000]
    return "character" if sum(map(len, seen)) >= 20 and all(len(t) == 1 for row in seen for t in row) else "word"
