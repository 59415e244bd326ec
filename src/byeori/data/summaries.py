"""Texts and summaries in AI-Hub's and other nested shapes → `source`, `target` and, of several, `references`.

AI-Hub's document summaries (`text[][].sentence`, `abstractive[0]`), its reports (`Meta(Refine).passage`,
`Annotation.Summary1…3`) and dialogues (`body.dialogue[].utterance`, `body.summary`); lists of sentences or of tokens
(PreSumm's CNN/DailyMail); `summary1…3` (DialogSum's test). Sentences are joined by a space, turns by a line end.

    joined([[{"index": 0, "sentence": "첫째."}, {"index": 1, "sentence": "둘째."}]]) == "첫째. 둘째."
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from byeori.data.columns import as_list, sample
from byeori.data.names import tiers
from byeori.data.roles import fold
from byeori.data.rows import Sheet
from byeori.data.wording import listed

_NUMBERED = re.compile(r"(summary|reference|target|highlight|요약|요약문)_?(\d+)$")
_PARTS = ("body", "annotation", "meta(refine)", "meta(acqusition)", "meta(acquisition)")
_TEXTS = ("sentence", "utterance", "text", "form")
_ALTERNATIVES = ("abstractive", "summaries", "summary", "references", "refs", "targets", "요약")  # each item a summary
_SPEAKERS = ("participantid", "speaker", "speaker_id")


def is_single(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one document by itself, as AI-Hub's reports are (a file each)."""
    return sum(fold(key) in _PARTS for key in value) >= 2 or "passage" in value and "summary" in value


def reshape(sheet: Sheet, name: str, given: Mapping[str, Any], references: bool) -> None:
    """Flatten what is nested; suggest the source, the target and, where `references` are wanted, several of them."""
    _lift(sheet)
    for role in ("source", "target"):
        if not given.get(role):
            _flatten(sheet, name, role, references)
    if not given.get("target"):
        _numbered(sheet, name, references)


def _lift(sheet: Sheet) -> None:
    """Columns of objects with a known name give their fields as columns."""
    for column in [column for column in sheet.columns if fold(column) in _PARTS]:
        values = as_list(sheet.columns[column])
        if not all(value is None or isinstance(value, Mapping) for value in values):
            continue
        del sheet.columns[column]
        for key in dict.fromkeys(key for value in values if value for key in value):
            sheet.columns.setdefault(key, [value.get(key) if value else None for value in values])


def _flatten(sheet: Sheet, name: str, role: str, references: bool) -> None:
    """The first column named for the role that holds lists becomes texts."""
    names = [one for tier in tiers(role, ("source", "target")) for one in tier]
    folded = {fold(column): column for column in sheet.columns}
    for known in names:
        column = folded.get(known)
        if column is None:
            continue
        first = next((value for value in sample(sheet.columns[column], 100) if value), None)
        if not isinstance(first, (list, tuple)):
            return  # a text: found by its name
        values = as_list(sheet.columns[column])
        if (
            role == "target"
            and fold(column) in _ALTERNATIVES
            and all(v is None or all(isinstance(one, str) for one in v) for v in values)
        ):
            texts = [[one for one in value or [] if one.strip()] for value in values]
            _several(sheet, name, column, texts, references)
        else:
            shown = f"{column} (joined)"
            sheet.columns[shown] = [joined(value) for value in values]
            sheet.suggested[role] = shown
            sheet.notes.append(f'{name}: the {role} is "{column}", whose parts were joined.')
        return


def _numbered(sheet: Sheet, name: str, references: bool) -> None:
    """`summary1`, `summary2`… : the first is the target, all of them are the references."""
    groups: dict[str, dict[int, str]] = {}
    for column in sheet.columns:
        if match := _NUMBERED.fullmatch(fold(column)):
            groups.setdefault(match.group(1), {})[int(match.group(2))] = column
    known = {fold(column) for column in sheet.columns}
    for stem, numbered in groups.items():
        if stem in known:
            continue
        columns = [numbered[at] for at in sorted(numbered)]
        values = zip(*(as_list(sheet.columns[column]) for column in columns), strict=True)
        texts = [[one for one in row if isinstance(one, str) and one.strip()] for row in values]
        _several(sheet, name, columns[0], texts, references, columns)
        return


def _several(
    sheet: Sheet, name: str, column: str, texts: list[list[str]], references: bool, columns: Sequence[str] = ()
) -> None:
    """The first of several summaries is the target; all are references, where these are wanted and there are more."""
    shown = column if columns else f"{column} (first)"
    sheet.columns[shown] = [row[0] if row else None for row in texts]
    sheet.suggested["target"] = shown
    most = max((len(row) for row in texts), default=0)
    said = listed(columns) if columns else f'the list "{column}"'
    if most > 1:
        kept = "kept as references" if references else "left out"
        sheet.notes.append(f"{name}: the target is the first of {said}; all of them (up to {most}) are {kept}.")
        if references:
            together = f"{columns[0]}…{columns[-1]}" if columns else f"{column} (all)"
            sheet.columns[together] = texts
            sheet.suggested["references"] = together


def joined(value: Any) -> str | None:
    """A text from a text, a list of sentences, of {sentence}, of turns, of tokens, or of lists of these."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        folded = {fold(key): one for key, one in value.items()}
        text = next((folded[key] for key in _TEXTS if isinstance(folded.get(key), str)), None)
        speaker = next((folded[key] for key in _SPEAKERS if folded.get(key)), None)
        return f"{speaker}: {text}" if text and speaker else text
    if not isinstance(value, (list, tuple)):
        return str(value)
    turns = any(isinstance(one, Mapping) and {fold(key) for key in one} & set(_SPEAKERS) for one in value)
    parts = [joined(one) for one in value]
    return ("\n" if turns else " ").join(part.strip() for part in parts if part and part.strip())
