"""Answers of extractive question answering, in any of their shapes → texts and offsets that stand in the context.

Shapes: {"text": […], "answer_start": […]}, a list of {"text", "answer_start"}, a text beside a column of offsets, a
bare text (found in the context if it occurs exactly once), any of these as JSON in a text. No answer is both lists
empty; `is_impossible` decides over answers that stand there nevertheless (KLUE-MRC's plausible ones).
Invariant: `context[start : start + len(text)] == text` for every answer that is returned.

    check(["France"], ["in France."]).values.to_pylist() == [{"text": ["France"], "answer_start": [3]}]
"""

from __future__ import annotations

import ast
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data.columns import Checked
from byeori.data.wording import count, short

TYPE = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int64()))])
STARTS = ("answer_start", "answer_starts", "start", "start_char", "answer_begin", "answer_offset")
IMPOSSIBLE = ("is_impossible", "impossible")
_TRUE, _FALSE = ("true", "1", "yes", "1.0"), ("false", "0", "no", "", "0.0", "none", "nan")


class _Wrong(Exception):
    """Why the answers of a row can't be used."""


def check(
    values: Sequence[Any],
    contexts: Sequence[str],
    starts: Sequence[Any] | None = None,
    impossible: Sequence[Any] | None = None,
) -> Checked:
    """The answers of every row, checked against its context.

    starts: offsets, where they are a column of their own. impossible: truth values.
    Rows that can't be used have no answer in `values` and a reason in `problems`.
    """
    found: list[dict[str, list[Any]]] = []
    problems: dict[int, str] = {}
    searched = set_aside = without = 0
    for at, (value, context) in enumerate(zip(values, contexts, strict=True)):
        row: dict[str, list[Any]] = {"text": [], "answer_start": []}
        found.append(row)
        try:
            flag = _truth(impossible[at]) if impossible is not None else None
            pairs = _pairs(value, starts[at] if starts is not None else None)
            if flag:
                set_aside += bool(pairs)
                without += 1
                continue
            if not pairs and flag is False:
                raise _Wrong("there is no answer, and is_impossible is false")
            placed = [_place(text, start, context) for text, start in pairs]
        except _Wrong as wrong:
            problems[at] = str(wrong)
            continue
        without += not pairs
        searched += any(start is None for _, start in pairs)
        row["text"] = [text for text, _ in pairs]
        row["answer_start"] = placed
    notes = []
    if without:
        notes.append(f"{count(without, 'question')} without an answer")
    if set_aside:
        notes.append(f"answers of {count(set_aside, 'question')} set aside, for is_impossible is true there")
    if searched:
        notes.append(f"the answers of {count(searched, 'question')} were found in the context, where each occurs once")
    array = pa.chunked_array([pa.array(found, TYPE)])
    return Checked(array, np.zeros(0, np.int64), {}, notes, problems)


def _truth(value: Any) -> bool | None:
    if value is None or isinstance(value, float) and value != value:
        return None
    text = str(value).strip().casefold()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise _Wrong(f'is_impossible is "{short(value)}", neither true nor false')


def _pairs(value: Any, start: Any) -> list[tuple[str, int | None]]:
    """(text, offset or None) of each answer; blank texts are no answers."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _loads(value)
    if value is None or isinstance(value, float) and value != value:
        return []
    if isinstance(value, Mapping):
        texts, offsets = value.get("text"), next((value[key] for key in STARTS if value.get(key) is not None), start)
        if texts is None and value:
            raise _Wrong(f'the answers are an object without "text" ({short(dict(value))})')
    elif isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) for one in value):
        return [pair for one in value for pair in _pairs(one, None)]
    else:
        texts, offsets = value, start
    texts, offsets = _list(texts), _list(offsets)
    if offsets and len(offsets) != len(texts):
        raise _Wrong(f"{count(len(texts), 'answer text')} and {count(len(offsets), 'offset')}")
    pairs: list[tuple[str, int | None]] = []
    for text, offset in zip(texts, offsets or [None] * len(texts), strict=True):
        if text is None or isinstance(text, str) and not text.strip():
            continue
        if not isinstance(text, str):
            raise _Wrong(f"an answer is {short(text)}, not text")
        pairs.append((text, _offset(offset)))
    return pairs


def _loads(text: str) -> Any:
    """A text that is JSON (or Python's own spelling of it), or the text itself."""
    for load in (json.loads, ast.literal_eval):
        try:
            value = load(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, Mapping) or isinstance(value, list) and all(isinstance(v, (str, Mapping)) for v in value):
            return value
    return text


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]


def _offset(value: Any) -> int | None:
    if value is None or isinstance(value, float) and value != value or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.5
    if isinstance(value, bool) or number % 1:
        raise _Wrong(f'the answer\'s offset is "{short(value)}", not a whole number')
    return int(number)


def _place(text: str, start: int | None, context: str) -> int:
    """The offset of an answer. Raises _Wrong where it does not stand there, or where it is to be found and can't be."""
    if start is not None and start >= 0 and context.startswith(text, start):
        return start
    hits = occurrences(text, context)
    if start is None:
        if len(hits) == 1:
            return hits[0]
        if hits:
            shown = ", ".join(map(str, hits[:5])) + ("…" if len(hits) > 5 else "")
            raise _Wrong(
                f'the answer "{short(text)}" occurs {len(hits)} times in the context (at {shown}), and no answer_start says '
                f"which is meant"
            )
        raise _Wrong(f'the answer "{short(text)}" does not occur in the context{_hint(text, context)}')
    raise _Wrong(misplaced("answer", text, start, context, hits))


def misplaced(what: str, text: str, start: int, context: str, hits: Sequence[int]) -> str:
    """The sentence for a text that does not stand at its offset: what stands there, and the nearest match."""
    there = context[start : start + len(text)] if 0 <= start < len(context) else ""
    stands = f'"{short(there)}" stands there' if there else f"the text has {len(context):,} characters"
    nearest = min(hits, key=lambda hit: abs(hit - start), default=None)
    match = f"the nearest match is at {nearest}" if nearest is not None else "it occurs nowhere" + _hint(text, context)
    return f'the {what} "{short(text)}" does not stand at its offset {start} ({stands}); {match}'


def occurrences(text: str, context: str) -> list[int]:
    """All offsets of a text, overlapping ones included."""
    hits, at = [], context.find(text) if text else -1
    while at >= 0:
        hits.append(at)
        at = context.find(text, at + 1)
    return hits


def _hint(text: str, context: str) -> str:
    """Why an answer may not be found: spaces around it, letter case, or decomposed (NFD) text."""
    if text.strip() in context:
        return " (without its outer spaces it does)"
    if unicodedata.normalize("NFC", text) in unicodedata.normalize("NFC", context):
        return " (it does once both are composed, NFC)"
    if text.casefold() in context.casefold():
        return " (in other letter case it does)"
    if "".join(text.split()) in "".join(context.split()):
        return " (with other spaces it does)"
    return ""
