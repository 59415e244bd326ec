"""Texts with their units (words or characters) and a tag for each: read from rows, marked for people, learnt as a lexicon.

Invariants: offsets are characters of `text`, which is the row's own, else its tokens joined: words by a space, characters
by nothing; of characters those that are spaces are no units.

    read({"tokens": [["서", "울"]], "tags": [["B-LOC", "I-LOC"]]}, "character")[0].text == "서울"
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.data.clean_offsets import Alignment
from byeori.data.cleaning import Cleaner
from byeori.errors import DataError
from byeori.text.align import Units, place

CHARACTER = "character"
Span = Mapping[str, Any]  # {"start", "end", "label"}


@dataclass(frozen=True)
class Tagged:
    """One text: `starts`, `ends` and `tags`, one a unit."""

    text: str
    starts: list[int]
    ends: list[int]
    tags: list[str]

    def tagged(self, tags: list[str]) -> Tagged:
        """The same with other tags."""
        return dataclasses.replace(self, tags=tags)

    def kinds(self, bare: bool) -> list[str]:
        """Its bare tags, or the types of its entities, which are BIO."""
        return self.tags if bare else [tag[2:] for tag in self.tags if tag.startswith("B-")]

    def entities(self) -> list[dict[str, Any]]:
        """Entities of BIO tags, as the pipeline has them."""
        found: list[dict[str, Any]] = []
        for start, end, tag in zip(self.starts, self.ends, self.tags, strict=True):
            if tag.startswith("B-"):
                found.append({"entity_group": tag[2:], "word": "", "start": start, "end": end})
            elif tag.startswith("I-"):
                found[-1]["end"] = end
        return [{**one, "word": self.text[one["start"] : one["end"]]} for one in found]

    def words(self) -> list[dict[str, Any]]:
        """Each unit with its tag."""
        units = zip(self.starts, self.ends, self.tags, strict=True)
        return [{"entity": tag, "word": self.text[a:b], "start": a, "end": b} for a, b, tag in units]

    def runs(self, unit: str) -> Iterator[slice]:
        """Words: single units, or characters with no space between them."""
        first = 0
        for at in range(1, len(self.tags) + 1):
            if at == len(self.tags) or unit != CHARACTER or self.starts[at] != self.ends[at - 1]:
                yield slice(first, at)
                first = at


def inputs(given: Any, split: bool = False) -> tuple[list[dict[str, Any]], bool]:
    """What a call was given → rows with text or tokens, and whether it was one. Raises DataError.

    A text, {"text": …} or {"tokens": […]}, or a list of these and of lists of words; with `split` a list of texts is one
    list of words, which transformers answers by a list of one.
    """
    single = isinstance(given, str | dict)
    words = (
        split and isinstance(given, list | tuple) and len(given) > 0 and all(isinstance(word, str) for word in given)
    )
    items = [given] if single or words else list(given)
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(items, 1):
        if isinstance(item, str) and not split:
            rows.append({"text": item})
        elif isinstance(item, dict) and (item.get("text") is not None or item.get("tokens") is not None):
            rows.append({role: item[role] for role in ("tokens", "text") if item.get(role) is not None})
        elif isinstance(item, list | tuple):
            rows.append({"tokens": list(item)})
        else:
            wanted = "a list of words (is_split_into_words)" if split else "a text, or a list of words,"
            raise DataError(f"input {number} is {type(item).__name__} {str(item)[:60]!r}: {wanted} is needed.")
        for role, value in rows[-1].items():
            if role == "tokens" and not isinstance(value, list | tuple | np.ndarray):
                raise DataError(f"input {number}: {_no_words(value)}")
            wrong = next((part for part in (value if role == "tokens" else [value]) if not isinstance(part, str)), None)
            if wrong is not None:
                raise DataError(f"input {number}: {role} holds {type(wrong).__name__} {str(wrong)[:60]!r}, not a text.")
    return rows, single


def _no_words(value: Any) -> str:
    if isinstance(value, str):
        return f"tokens is a text ({value[:60]!r}); give a list of words, or name it text."
    return f"tokens is {type(value).__name__} {str(value)[:60]!r}; give a list of words."


def placed(
    rows: Mapping[str, Sequence[Any]], unit: str | None, delimiter: str | None = None
) -> list[tuple[str, list[tuple[int, int]] | None]]:
    """The text of each row by role, and where each of its tokens stands in it: first character, the one behind it; None for
    rows without tokens. Raises DataError for rows with neither text nor tokens."""
    return [(text, None) if words is None else _placed(words, text, unit, delimiter) for words, text in _either(rows)]


def texts(rows: Mapping[str, Sequence[Any]], unit: str | None, delimiter: str | None = None) -> list[str]:
    """The text of each row by role. Raises DataError for rows with neither text nor tokens."""
    return [text for text, _ in placed(rows, unit, delimiter)]


def aligned(
    row: Mapping[str, Any], given: Mapping[str, Any], cleaner: Cleaner, unit: str | None, delimiter: str | None = None
) -> tuple[str, str, Alignment]:
    """The text of a cleaned row, that of the row as it was given, and where the characters of one come from in the other."""
    (text, words), (raw, places) = (
        placed({r: [v] for r, v in one.items()}, unit, delimiter)[0] for one in (row, given)
    )
    if words is None or places is None:
        return text, raw, cleaner.align(raw)[1]
    parts = [
        (here, there, cleaner.align_part(raw[there:end])[1])
        for (here, _), (there, end) in zip(words, places, strict=True)
    ]
    return text, raw, Alignment.joined(parts, len(text))


def read(rows: Mapping[str, Sequence[Any]], unit: str) -> list[Tagged]:
    """Rows by role with tags or entities; tags as they are, entities as BIO."""
    found = []
    for row, (words, text) in enumerate(_either(rows)):
        if words is None:
            found.append(_spans_as_tags(text, rows["entities"][row] or []))
            continue
        text, places = _placed(words, text, unit, None)
        units = list(zip(words, places, rows["tags"][row], strict=True))
        if unit == CHARACTER:
            units = [one for one in units if not one[0].isspace()]
        found.append(Tagged(text, [p[0] for _, p, _ in units], [p[1] for _, p, _ in units], [t for _, _, t in units]))
    return found


def unplaced(rows: Mapping[str, Sequence[Any]]) -> int:
    """How many rows have a text in which their tokens don't stand, so that the tokens are joined instead."""
    if not {"tokens", "text"} <= rows.keys():
        return 0
    both = zip(rows["tokens"], rows["text"], strict=True)
    return sum(text is not None and words is not None and place(words, text) is None for words, text in both)


def units(rows: Sequence[Tagged]) -> Units:
    """All units of some texts, flat."""
    starts, ends = (
        np.array([at for side in sides for at in side], np.int64)
        for sides in ([row.starts for row in rows], [row.ends for row in rows])
    )
    return Units([row.text for row in rows], starts, ends, np.array([len(row.tags) for row in rows], np.int64))


def overlapping(rows: Sequence[Sequence[Span]]) -> int:
    """How many spans `read` leaves out since they overlap another."""
    return sum(len(spans) - len(_apart(spans)) for spans in rows)


def commonest(rows: Sequence[Sequence[str]]) -> str:
    return Counter(tag for row in rows for tag in row).most_common(1)[0][0]


def from_lexicon(known: Sequence[Tagged], rows: Sequence[Tagged], unit: str, filler: str) -> list[list[str]]:
    """The tags each word of `rows` had most often in `known`; `filler` for words that aren't there."""
    seen: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for one in known:
        for run in one.runs(unit):
            seen[one.text[one.starts[run][0] : one.ends[run][-1]]][tuple(one.tags[run])] += 1
    lexicon = {word: counts.most_common(1)[0][0] for word, counts in seen.items()}
    found = []
    for one in rows:
        tags: list[str] = []
        for run in one.runs(unit):
            word = one.text[one.starts[run][0] : one.ends[run][-1]]
            had = lexicon.get(word, ())
            tags += had if len(had) == run.stop - run.start else [filler] * (run.stop - run.start)
        found.append(tags)
    return found


def shown(text: str, prediction: Sequence[Span], reference: Sequence[Span] | None) -> dict[str, Any]:
    """A sample: the text with the prediction marked in it, both answers as short lists, whether they agree."""
    if any("entity" in one for one in [*prediction, *(reference or [])]):
        return _shown_words(text, prediction, reference)
    found, wanted = (_bounds(text, side or [], "entity_group") for side in (prediction, reference))
    said, right = ([f"{text[a:b]}:{kind}" for a, b, kind in side] for side in (found, wanted))
    return {
        "inputs": {"text": _marked(text, found, "<{}:{}>")}, "prediction": said,
        "reference": None if reference is None else right,
        "right": None if reference is None else set(found) == set(wanted), "text": text,
        "kind": "entities", "spans": {"prediction": found, "reference": None if reference is None else wanted},
    }  # fmt: skip


def _shown_words(text: str, prediction: Sequence[Span], reference: Sequence[Span] | None) -> dict[str, Any]:
    """The same of tags: each word of the reference with the tag of the token that begins where it does."""
    found = _bounds(text, prediction, "entity")
    wanted = None
    if reference is not None:
        at = {a: kind for a, _, kind in reversed(found)}
        wanted = _bounds(text, reference, "entity")
        found = [(a, b, at.get(a, "–")) for a, b, _ in wanted]
    marked = {"inputs": {"text": _marked(text, found, "{}/{}")}, "prediction": [kind for _, _, kind in found]}
    right = None if wanted is None else [kind for _, _, kind in wanted]
    return {
        **marked, "reference": right, "right": None if right is None else found == wanted, "text": text,
        "kind": "tags", "spans": {"prediction": found, "reference": wanted},
    }  # fmt: skip


def _bounds(text: str, spans: Sequence[Span], name: str) -> list[tuple[int, int, str]]:
    """Spans without the spaces that byte-level tokens begin with."""
    found = []
    for one in spans:
        inside = text[one["start"] : one["end"]]
        start = one["start"] + len(inside) - len(inside.lstrip())
        found.append((start, max(start, one["end"] - len(inside) + len(inside.rstrip())), str(one[name])))
    return found


def _marked(text: str, spans: Sequence[tuple[int, int, str]], form: str) -> str:
    parts, end = [], 0
    for start, stop, kind in spans:
        parts += [text[end:start], form.format(text[start:stop], kind)]
        end = stop
    return "".join([*parts, text[end:]])


def _either(rows: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Sequence[str] | None, Any]]:
    """The tokens (None where a row has none) and the text of each row."""
    size = len(next(iter(rows.values()), ()))
    tokens, text = (rows.get(role) or [None] * size for role in ("tokens", "text"))
    for row, (words, own) in enumerate(zip(tokens, text, strict=True), 1):
        if words is None and own is None:
            raise DataError(f"row {row} has neither a text nor tokens. Name their column with --text or --tokens.")
        yield words, own


def _placed(
    words: Sequence[str], text: str | None, unit: str | None, delimiter: str | None
) -> tuple[str, list[tuple[int, int]]]:
    """The text of some words, and where each of them stands in it."""
    found = None if text is None else place(words, text)
    if text is not None and found is not None:
        return text, found
    if delimiter is None:
        # A model of characters may be asked about words.
        delimiter = "" if unit == CHARACTER and 2 * sum(map(len, words)) < 3 * len(words) else " "
    found, end = [], 0
    for word in words:
        found.append((end, end + len(word)))
        end += len(word) + len(delimiter)
    return delimiter.join(words), found


def _spans_as_tags(text: str, spans: Sequence[Span]) -> Tagged:
    tags = ["O"] * len(text)
    places = [at for at, character in enumerate(text) if not character.isspace()]
    for one in _apart(spans):
        inside = [at for at in range(one["start"], one["end"]) if not text[at].isspace()]
        for at in inside:
            tags[at] = f"{'B' if at == inside[0] else 'I'}-{one['label']}"
    return Tagged(text, places, [at + 1 for at in places], [tags[at] for at in places])


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Spans that don't overlap: of two that do, the one that begins first, or the longer."""
    kept: list[Span] = []
    for one in sorted(spans, key=lambda one: (one["start"], -one["end"])):
        if not kept or one["start"] >= kept[-1]["end"]:
            kept.append(one)
    return kept
