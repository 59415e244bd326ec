"""Corpora of the National Institute of Korean Language (모두의 말뭉치) → a row a sentence, paragraph or utterance.

A file is `{"id", "metadata", "document": [{"id", "metadata", "sentence" | "paragraph" | "utterance": [{"id", "form", …}]}]}`.
Annotations lie beside a `form`: `NE` (named entities), `WSD` (senses), `ZA`, `DP`, `SRL` as lists of objects with
`begin` and `end` into it, `morpheme` as morphemes with their tags. Where documents are wanted, a document is a row.

    explode(sheet, "NXRW2100000001.json", Wish(None, ("text",))).columns["form"]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from byeori.data.columns import as_list
from byeori.data.rows import Sheet
from byeori.data.wish import Wish
from byeori.data.wording import count, listed
from byeori.errors import DataError

_PARTS = ("sentence", "paragraph", "utterance")
_SPANS = ("NE", "WSD", "EL", "ZA", "CR")
_TAKEN = ("id", "form")


def is_corpus(sheet: Sheet) -> bool:
    """Whether the rows are documents of sentences, paragraphs or utterances with a `form`."""
    for part in _PARTS:
        for value in as_list(sheet.columns[part][:20]) if part in sheet.columns else ():
            if isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping) and "form" in value[0]:
                return True
    return False


def explode(sheet: Sheet, name: str, wish: Wish) -> Sheet:
    """Documents → their parts, or documents with their text where running text is wanted.

    Columns: `form`, `id`, `document`, what the parts and the documents' metadata say of them, and the annotations:
    `NE`… as entities {start, end, label}, `tokens` and `tags` from `morpheme`. Raises DataError for a part without a form.
    """
    documents = [
        dict(zip(sheet.columns, row, strict=True)) for row in zip(*map(as_list, sheet.columns.values()), strict=True)
    ]
    rows, kinds = [], Counter[str]()
    for number, document in enumerate(documents, 1):
        if number - 1 in sheet.bad:
            raise DataError(f"{name}, document {number}: {sheet.bad[number - 1]}.")
        shared = _about(document)
        parts = list(_parts(document, name, number))
        kinds.update(kind for kind, _ in parts)
        if wish.documents:
            text = "\n".join(part["form"].strip() for _, part in parts if part["form"].strip())
            rows.append({"id": document.get("id"), "form": text, **shared})
            continue
        for _, part in parts:
            rows.append(
                {"id": part.get("id"), "form": part["form"], "document": document.get("id"), **shared, **_of(part)}
            )
    if not rows:
        raise DataError(f"{name}: its {count(len(documents), 'document')} hold no text. Give a file that holds some.")
    names = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [row.get(key) for row in rows] for key in names}
    columns = {key: values for key, values in columns.items() if any(value is not None for value in values)}
    spans = [key for key in (*_SPANS, "SRL", "DP") if _holds_spans(columns.get(key))]
    for key in spans:
        columns[key] = [[one for one in value or [] if one] for value in columns[key]]
    sheet.file.rows = len(rows)
    what = ", ".join(count(number, kind) for kind, number in kinds.items())
    notes = [*sheet.notes, f"{name}: a corpus of 모두의 말뭉치: {count(len(documents), 'document')}, {what}."]
    made = Sheet(columns, len(rows), sheet.file, notes)
    made.suggested = _suggested(made, spans, wish)
    if len(spans) > 1 and "entities" in made.suggested and not wish.given("entities"):
        notes.append(
            f"{name}: the entities are those of {made.suggested['entities']}; --entities names another of {listed(spans)}."
        )
    return made


def _parts(document: Mapping[str, Any], name: str, number: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(kind, part) of each part of a document that is there."""
    for kind in _PARTS:
        for place, part in enumerate(document.get(kind) or [], 1):
            if not isinstance(part, Mapping) or not isinstance(part.get("form"), str):
                held = ", ".join(part) if isinstance(part, Mapping) else f"a {type(part).__name__}"
                raise DataError(
                    f'{name}, document {number}, {kind} {place}: it has no text under "form" ({held or "nothing"}). Fix the file.'
                )
            yield kind, part


def _about(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document's metadata say in one word or text."""
    about = document.get("metadata")
    return (
        {key: one for key, one in about.items() if isinstance(one, (str, int, float))}
        if isinstance(about, Mapping)
        else {}
    )


def _of(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part's plain values and its annotations, under their names."""
    found: dict[str, Any] = {}
    for key, value in part.items():
        if key in _TAKEN:
            continue
        if key == "morpheme" and isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            found["tokens"] = [str(one.get("form")) for one in value]
            found["tags"] = [str(one.get("label")) for one in value]
        elif isinstance(value, list):
            found[key] = [_span(one) for one in value if isinstance(one, Mapping)] if key != "word" else None
        elif isinstance(value, (str, int, float)):
            found[key] = value
    return found


def _span(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """An annotation as a span: a sense is called by its word and number (`사과__05`); None where it marks no place."""
    start, end = one.get("begin"), one.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or start < 0:
        return None
    label = one.get("label")
    if label is None and "sense_id" in one:
        label = f"{one.get('word')}__{one['sense_id']:02d}" if isinstance(one["sense_id"], int) else one["sense_id"]
    form = one.get("form", one.get("word"))
    span = {"start": start, "end": end, "label": str(label)}
    return {**span, "form": form} if isinstance(form, str) and "sense_id" not in one else span


def _holds_spans(values: list[Any] | None) -> bool:
    return any(value and any(value) for value in values or [])


def _suggested(sheet: Sheet, spans: list[str], wish: Wish) -> dict[str, str]:
    """The text is the form; entities those asked for, else the first kind there is; tokens and tags the morphemes."""
    suggested = {}
    if wish.wants("text"):
        suggested["text"] = "form"
    if wish.wants("entities") and spans:
        suggested["entities"] = spans[0]
    if wish.wants("tokens", "tags") and not spans and "tokens" in sheet.columns:
        suggested |= {"tokens": "tokens", "tags": "tags"}
    return suggested
