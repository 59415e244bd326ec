"""Entities as spans of a text, in any of their shapes → {start, end, label}, checked against the text.

Shapes of one entity: {"start", "end", "label"} (or `begin`, `start_offset`, `type`, `entity`, `tag`…), [start, end,
"L"] (doccano, spaCy); around them a list, or {"entities": […]}. `end` is exclusive.
Invariant: 0 ≤ start < end ≤ len(text) for every entity returned, and a surface text that is given stands there.

    check([[[0, 2, "LOC"]]], ["서울에"]).values.to_pylist() == [[{"start": 0, "end": 2, "label": "LOC"}]]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data.answers import misplaced, occurrences
from byeori.data.columns import Checked
from byeori.data.wording import count, short

TYPE = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]))
_STARTS = ("start", "start_offset", "begin", "start_char", "start_pos", "from")
_ENDS = ("end", "end_offset", "end_char", "end_pos", "to")
_LABELS = ("label", "type", "entity", "entity_group", "tag", "category", "class", "ne_type")
_SURFACES = ("text", "word", "form", "value", "mention", "surface")


class _Wrong(Exception):
    """Why an entity can't be used."""


def is_spans(value: Any) -> bool:
    """Whether a value is a list of entities, or an object that holds one."""
    if isinstance(value, Mapping):
        value = value.get("entities", value.get("spans"))
    if not isinstance(value, (list, tuple)):
        return False
    return all(_is_span(one) for one in value)


def _is_span(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(key in value for key in _STARTS) and any(key in value for key in _ENDS)
    return isinstance(value, (list, tuple)) and len(value) == 3 and all(isinstance(v, int) for v in value[:2])


def check(values: Sequence[Any], texts: Sequence[str]) -> Checked:
    """The entities of every row, in the order of their start; rows that can't be used are in `problems`."""
    found: list[list[dict[str, Any]]] = []
    problems: dict[int, str] = {}
    total = 0
    for at, (value, text) in enumerate(zip(values, texts, strict=True)):
        found.append([])
        try:
            found[at] = sorted(_entities(value, text), key=lambda one: (one["start"], one["end"]))
        except _Wrong as wrong:
            problems[at] = str(wrong)
        total += len(found[at])
    notes = [f"{count(total, 'span')} in {count(len(found), 'text')}"]
    return Checked(pa.chunked_array([pa.array(found, TYPE)]), np.zeros(0, np.int64), {}, notes, problems)


def _entities(value: Any, text: str) -> list[dict[str, Any]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise _Wrong(f'the entities are "{short(value)}", no list of spans') from None
    if isinstance(value, Mapping):
        value = value.get("entities", value.get("spans"))
    if value is None:
        raise _Wrong("the entities are missing; a text without any has an empty list")
    if not isinstance(value, (list, tuple)):
        raise _Wrong(f"the entities are {short(value)}, no list of spans")
    return [_entity(one, number, text) for number, one in enumerate(value, 1)]


def _entity(value: Any, number: int, text: str) -> dict[str, Any]:
    surface = None
    if isinstance(value, Mapping):
        start, end, label = (
            next((value[key] for key in keys if value.get(key) is not None), None) for keys in (_STARTS, _ENDS, _LABELS)
        )
        surface = next((value[key] for key in _SURFACES if isinstance(value.get(key), str)), None)
    elif isinstance(value, (list, tuple)) and len(value) == 3:
        start, end, label = value
    else:
        raise _Wrong(f"entity {number} is {short(value)}, neither an object nor [start, end, label]")
    for what, offset in (("start", start), ("end", end)):
        if isinstance(offset, bool) or not isinstance(offset, (int, float)) or offset % 1:
            raise _Wrong(f"entity {number} has no {what} ({short(value)})")
    start, end = int(start or 0), int(end or 0)  # numbers, by now
    if label is None or not str(label).strip():
        raise _Wrong(f"entity {number} ({start} to {end}) has no label")
    if surface is not None and text[max(start, 0) : end] != surface:
        if start >= 0 and text[start : end + 1] == surface:
            raise _Wrong(f'entity {number} ("{short(surface)}") ends at {end}, its last character; {end + 1} is wanted')
        if start >= 0 and text.startswith(surface, start):
            raise _Wrong(f'entity {number} ("{short(surface)}") ends at {end}, but its text at {start + len(surface)}')
        raise _Wrong(misplaced(f"entity {number},", surface, start, text, occurrences(surface, text)))
    if not 0 <= start < end <= len(text):
        raise _Wrong(f"entity {number} goes from {start} to {end}, where the text has {len(text):,} characters")
    return {"start": start, "end": end, "label": str(label).strip()}
