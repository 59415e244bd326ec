"""What the doctor says: findings of a kind and a level, and the verdict over all of them.

Invariants: `count` is the whole number of what a kind counts (KINDS says what), `rows` the first of their row numbers in the
file, 1-based; an example's text is whole up to 300 characters; a verdict is that of the worst finding.

    verdict([Finding("decomposed", "look", "train", 3, "…", "…")]) == "look"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from byeori.data.wording import nearest
from byeori.errors import SettingError

if TYPE_CHECKING:
    from byeori.data.rows import Origin

STOP, LOOK, NOTE = "stop", "look", "note"
LEVELS = (STOP, LOOK, NOTE)
READY = "ready"
FIRST = 5  # row numbers of a finding
MOST = 20  # examples of a finding
WHOLE = 300  # characters of an example's text

# kind → what its count is of
KINDS: dict[str, str] = {
    "unreadable": "files that can't be used at all",
    "bad_rows": "rows that can't be read",
    "unusable_labels": "label columns that can't be learnt from",
    "constant_label": "label columns of one class",
    "empty": "rows with an empty text",
    "empty_labels": "rows without a right answer",
    "encoding": "rows whose characters are broken, or of files in another encoding than UTF-8",
    "conflicting_labels": "different texts that carry different labels",
    "leakage": "rows of validation or test that stand in training",
    "near_leakage": "rows of validation or test that stand in training nearly alike",
    "unknown_labels": "rows of validation or test with a label that training lacks",
    "duplicate_rows": "rows beyond the first of each text",
    "near_duplicates": "rows beyond the first of each group of nearly equal texts",
    "shift": "ways in which a part differs from training",
    "rare_class": "classes with few rows",
    "imbalance": "the largest class's rows for one of the smallest",
    "similar_labels": "labels that may be one and the same",
    "suspicious_labels": "rows whose label a plain model doubts most",
    "giveaway": "labels or columns that say the answer",
    "hypothesis_only": "percent of labels told right from the second text alone",
    "label_outliers": "numbers far from all others",
    "truncated": "rows with more tokens than the model is given",
    "unknown_tokens": "rows with tokens the tokenizer has no piece for",
    "decomposed": "rows that are not NFC (Hangul as single jamo)",
    "control_characters": "rows with control characters",
    "zero_width": "rows with characters that have no width",
    "placeholders": "rows whose text stands for no text (NS, N/A)",
    "wordless": "rows without a letter or a digit",
    "markup": "rows with HTML tags or entities",
    "separator_in_text": "rows whose text holds the separator",
    "boilerplate": "rows that share a long piece of text",
    "mixed_scripts": "rows in another script than the rest",
    "misaligned_pairs": "pairs that don't look like each other's translation",
    "same_sides": "pairs whose two sides are the same text",
    "long_targets": "summaries that are longer than their text",
    "label_position": "rows whose right choice lies at the favoured place",
    "longest_choice": "rows whose right choice is the longest one",
    "repeated_choices": "rows in which a choice stands twice",
    "tag_slips": "tags that follow none of their kind",
    "inconsistent_tags": "words that are tagged in several ways",
    "no_answer": "questions without an answer",
    "long_answers": "answers longer than the model may give",
    "id_column": "columns that name the rows",
    "constant_column": "columns with one value",
    "contract": "ways in which model and tokenizer don't fit the data",
}


class Number(int):
    """A row's number in its file, which knows where it is from: most numbers are only counted, and never asked."""

    origin: Origin
    at: int

    def __new__(cls, origin: Origin, at: int) -> Number:
        made = super().__new__(cls, origin.row_of[at])
        made.origin, made.at = origin, at
        return made

    @property
    def file(self) -> str:
        """The file's name as messages give it, "" where its part has one file and the number alone tells."""
        return self.origin.name(int(self.origin.file_of[self.at])) if len(self.origin.files) > 1 else ""


def numbered(rows: Iterable[Any]) -> dict[str, list[Any]]:
    """{"rows": [int]}, and where they are of several files {"files": [str]}, one a row."""
    rows = list(rows)
    files = [getattr(row, "file", "") for row in rows]
    return {"rows": [int(row) for row in rows], **({"files": files} if any(files) else {})}


@dataclass(slots=True)
class Finding:
    """One thing found. `said`: one sentence, with an example; `advice`: one sentence, what to type or do.

    rows: the first row numbers. examples: {"rows": [int], "files": [str], "texts": [str], "more": str}, `files` where the part
    has several, `more` where there is any.
    """

    kind: str
    level: str
    part: str
    count: int
    said: str
    advice: str
    rows: Sequence[int] = ()
    examples: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = self.rows[:FIRST]
        self.examples = self.examples[:MOST]
        self.count = int(self.count)

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "level": self.level, "part": self.part, "count": self.count, **numbered(self.rows),
            "said": self.said, "advice": self.advice, "examples": self.examples,
        }  # fmt: skip


def example(rows: Sequence[Any], texts: Iterable[str], more: str = "") -> dict[str, Any]:
    """What a person can look at: row numbers and their texts, up to WHOLE characters each."""
    shown = [text if len(text) <= WHOLE else text[: WHOLE - 1] + "…" for text in map(str, texts)]
    return {**numbered(rows), "texts": shown, **({"more": more} if more else {})}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, then in the order of KINDS, then training before validation and test."""
    kinds = {kind: place for place, kind in enumerate(KINDS)}
    parts = {"train": 0, "validation": 1, "test": 2}
    return sorted(
        findings, key=lambda one: (LEVELS.index(one.level), kinds.get(one.kind, len(kinds)), parts.get(one.part, 3))
    )


def verdict(findings: Iterable[Finding]) -> str:
    levels = {finding.level for finding in findings}
    return STOP if STOP in levels else LOOK if LOOK in levels else READY


def failing(asked: str | None) -> list[str]:
    """The words of --fail-on, kinds and levels. Raises SettingError for one that is neither."""
    words = [word.strip().replace("-", "_") for word in (asked or "").split(",") if word.strip()]
    for word in words:
        if word not in KINDS and word not in LEVELS:
            near = nearest(word, [*KINDS, *LEVELS])
            raise SettingError(
                f"fail_on={asked!r}: {word!r} is no kind of finding and no level. "
                + (
                    f"Did you mean {near}?"
                    if near
                    else f"The levels are {', '.join(LEVELS)}; the kinds {', '.join(KINDS)}."
                )
            )
    return words


def stops(findings: Iterable[dict[str, Any]], asked: Sequence[str] = ()) -> list[str]:
    """The kinds for which a script should stop: at level stop, asked for, or as bad as a level that was asked for."""
    worst = max((LEVELS.index(word) for word in asked if word in LEVELS), default=0)
    stopping = (one["kind"] for one in findings if LEVELS.index(one["level"]) <= worst or one["kind"] in asked)
    return list(dict.fromkeys(stopping))
