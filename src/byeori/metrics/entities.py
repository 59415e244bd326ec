"""Scores of tagged text: entities by span and label, tags by token, KLUE's F1 by character.

Invariants: every score is a function of per-row counts, so a row of weight k is worth k equal rows and a resample costs
one sparse product; 0 / 0 is 0, as in seqeval and scikit-learn's `zero_division=0`; macro averages are over the classes
that occur in references or predictions. "O" is no class of entities. All values are in 0–1.

    from byeori.metrics.entities import entity_scores, spans
    entity_scores([spans(["B-PS", "I-PS", "O"])], [spans(["B-PS", "I-PS", "B-LC"])], resamples=0)["f1"]

An entity counts as found when start, end and label are all right (Tjong Kim Sang and De Meulder 2003). Which entities a
sequence of tags holds is a matter of reading where the tags are not well formed (an I- without its B-): the headline
reads them as conlleval and seqeval's default do, because that is what a served model answers: `aggregation_strategy`
"simple" makes an entity of such a run too. `spans(tags, "BIO")` is seqeval's strict mode, which drops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from byeori.errors import DataError, SettingError
from byeori.metrics.intervals import Interval, SumScore, check_lengths, scored

Span = tuple[int, int, str]
SCHEMES = {"conll": "BIESLU", "BIO": "BI", "BIOES": "BIES", "BILOU": "BILU"}  # the prefixes of each
_SAME_PREFIX = {"L": "E", "U": "S"}


def entity_scores(
    predicted: Sequence[Iterable[Span]],
    reference: Sequence[Iterable[Span]],
    *,
    per_class: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """{name: {"value", "low", "high"}} of entities: f1, precision, recall (micro) and macro_f1.

    predicted, reference: one collection of (start, end, label) a row, end exclusive, in any unit (tokens, characters)
    as long as both use the same one; a span given twice counts once. per_class: also "f1.LABEL" for each label.
    Intervals are over rows. Raises DataError for no rows, for different lengths and for what is no span.
    """
    score = EntityScore(predicted, reference, per_class=per_class)
    return scored(score, len(reference), resamples=resamples, seed=seed, level=level)


def strict_f1(
    predicted: Sequence[Iterable[Span]], reference: Sequence[Iterable[Span]], *, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """{"f1_strict": {"value", "low", "high"}}: `entity_scores`' f1 of entities that were read strictly (`spans(tags, "BIO")`)."""
    return scored(StrictScore(predicted, reference), len(reference), resamples=resamples, seed=seed)


def tag_scores(
    predicted: Sequence[Sequence[str]],
    reference: Sequence[Sequence[str]],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """accuracy and macro_f1 of one tag a token (parts of speech), equal to scikit-learn's over all tokens of all rows.

    predicted, reference: one list of tags a row, as long as the row has tokens. Intervals are over rows (sentences):
    the tokens of a sentence are not independent. Raises DataError for no rows and for different lengths.
    """
    return scored(TagScore(predicted, reference), len(reference), resamples=resamples, seed=seed, level=level)


def character_scores(
    predicted: Sequence[Sequence[str]],
    reference: Sequence[Sequence[str]],
    characters: Sequence[Sequence[str]] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """KLUE's F1 by character: the macro average over the tags (B-PS, I-PS…) of the F1 over all characters.

    predicted, reference: one list of BIO tags a row, one tag a character; characters: the same rows' characters, given
    to leave out the tags of spaces, as KLUE does (None: all count). Returns char_f1, over the entity tags alone, and
    char_f1_klue, over "O" too: KLUE's program (KLUE-benchmark/KLUE-baseline, metrics/functional.py) says "except O" and
    counts it, so that is the one to lay beside figures made with it (it also counts an "O" for each special token,
    which is not done here). Intervals are over rows. Raises DataError as `tag_scores`.
    """
    check_lengths(predicted, reference)
    if characters is not None:
        check_lengths(characters, reference)
        tables = [predicted, reference]
        for row, (written, *tags) in enumerate(zip(characters, *tables, strict=True), start=1):
            if any(len(written) != len(side) for side in tags):
                raise DataError(
                    f"Row {row} has {len(written)} characters, {len(tags[0])} predicted and {len(tags[1])} reference "
                    "tags. Give one tag a character."
                )
        predicted, reference = (
            [
                [tag for tag, character in zip(tags, written, strict=True) if character.strip()]
                for tags, written in zip(table, characters, strict=True)
            ]
            for table in tables
        )
    score = CharacterScore(predicted, reference)
    return scored(score, len(reference), resamples=resamples, seed=seed, level=level)


def spans(tags: Sequence[str], scheme: str = "conll", *, suffix: bool = False) -> list[Span]:
    """The entities of one sequence of tags: (start, end, label) in tokens, end exclusive, in order.

    scheme: "conll" reads BIO, IOB1, BIOES and BILOU, well formed or not, as conlleval and seqeval's default; "BIO",
    "BIOES" and "BILOU" take well-formed entities only, as seqeval's `mode="strict"`. suffix: tags are written PER-B.
    A bare "B" or "I" has the label "_". Raises DataError for a tag that is none of these ("LABEL_0"), SettingError for
    another scheme.
    """
    if scheme not in SCHEMES:
        raise SettingError(f"{scheme=} is none of {', '.join(map(repr, SCHEMES))}. Choose one of them.")
    parts = [_part(tag, suffix, SCHEMES[scheme], place) for place, tag in enumerate(tags, start=1)]
    return _conll(parts) if scheme == "conll" else _strict(parts, ends=scheme != "BIO")


class EntityScore(SumScore):
    """`entity_scores` prepared for many weightings of the same rows: call it with weights (n,)."""

    def __init__(
        self, predicted: Sequence[Iterable[Span]], reference: Sequence[Iterable[Span]], *, per_class: bool = False
    ) -> None:
        check_lengths(predicted, reference)
        self.n, self.per_class = len(reference), per_class
        found, wanted = (_checked(side, what) for side, what in ((predicted, "predicted"), (reference, "reference")))
        self.labels = sorted({label for side in (found, wanted) for row in side for _, _, label in row})
        right = [ours & theirs for ours, theirs in zip(found, wanted, strict=True)]
        ids = {label: place for place, label in enumerate(self.labels)}
        sides = [[[ids[label] for _, _, label in row] for row in side] for side in (right, found, wanted)]
        self.matrix = _counts(sides, len(self.labels))

    def of(self, sums: np.ndarray) -> dict[str, float]:
        right, found, wanted = sums.reshape(3, -1)
        precision, recall, f1 = (float(value) for value in _ratios(right.sum(), found.sum(), wanted.sum()))
        of_class = _ratios(right, found, wanted)[2]
        values = {"f1": f1, "precision": precision, "recall": recall, "macro_f1": _mean(of_class, found + wanted > 0)}
        if self.per_class:
            values |= {f"f1.{label}": float(value) for label, value in zip(self.labels, of_class, strict=True)}
        return values


class StrictScore(EntityScore):
    """`strict_f1`, in the same way."""

    def of(self, sums: np.ndarray) -> dict[str, float]:
        return {"f1_strict": super().of(sums)["f1"]}


class TagScore(SumScore):
    """`tag_scores` prepared for many weightings of the same rows: call it with weights (n,)."""

    def __init__(self, predicted: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> None:
        check_lengths(predicted, reference)
        self.n = len(reference)
        for row, (ours, theirs) in enumerate(zip(predicted, reference, strict=True), start=1):
            if len(ours) != len(theirs):
                raise DataError(
                    f"Row {row} has {len(ours)} predicted tags for {len(theirs)} reference tags. Give one tag a token."
                )
        self.tags = sorted({tag for side in (predicted, reference) for row in side for tag in row})
        if not self.tags:
            raise DataError("There is nothing to score: no row has a tag. Give at least one labelled token.")
        ids = {tag: place for place, tag in enumerate(self.tags)}
        found, wanted = ([[ids[tag] for tag in row] for row in side] for side in (predicted, reference))
        right = [
            [a for a, b in zip(ours, theirs, strict=True) if a == b] for ours, theirs in zip(found, wanted, strict=True)
        ]
        self.matrix = _counts([right, found, wanted], len(self.tags))
        self._entity = np.array([tag != "O" for tag in self.tags])

    def of(self, sums: np.ndarray) -> dict[str, float]:
        right, found, wanted = sums.reshape(3, -1)
        total = wanted.sum()
        return {
            "accuracy": float(right.sum() / total) if total else float("nan"),  # a resample of empty rows alone
            "macro_f1": _mean(_ratios(right, found, wanted)[2], found + wanted > 0),
        }


class CharacterScore(TagScore):
    """`character_scores`, in the same way."""

    def of(self, sums: np.ndarray) -> dict[str, float]:
        right, found, wanted = sums.reshape(3, -1)
        f1, occurring = _ratios(right, found, wanted)[2], found + wanted > 0
        return {"char_f1": _mean(f1, occurring & self._entity), "char_f1_klue": _mean(f1, occurring)}


def _part(tag: str, suffix: bool, allowed: str, place: int) -> tuple[str, str]:
    """A tag as (prefix, label), BILOU's L and U as E and S."""
    if tag == "O":
        return "O", ""
    if suffix:
        label, _, prefix = tag.rpartition("-")
    else:
        prefix, _, label = tag.partition("-")
    if len(prefix) != 1 or prefix not in allowed:
        forms = ", ".join(f"LABEL-{letter}" if suffix else f"{letter}-LABEL" for letter in allowed)
        raise DataError(
            f'The tag {tag!r} (token {place}) is neither "O" nor one of {forms}. Convert the tags, or score them by '
            "token with `tag_scores`."
        )
    return _SAME_PREFIX.get(prefix, prefix), label or "_"


def _conll(parts: Sequence[tuple[str, str]]) -> list[Span]:
    found: list[Span] = []
    start, before, label = 0, "O", ""
    for place, (prefix, kind) in enumerate([*parts, ("O", "")]):
        starts = prefix in "BS" or before in "OES" or kind != label  # where an entity begins, one before it has ended
        if before != "O" and (starts or prefix == "O"):
            found.append((start, place, label))
        if prefix != "O" and starts:
            start = place
        before, label = prefix, kind
    return found


def _strict(parts: Sequence[tuple[str, str]], *, ends: bool) -> list[Span]:
    found: list[Span] = []
    start, label = -1, ""  # −1: no entity is open
    for place, (prefix, kind) in enumerate([*parts, ("O", "")]):
        if start >= 0 and (prefix not in "IE" or kind != label):
            if not ends:
                found.append((start, place, label))
            start = -1
        if prefix == "S" and ends:
            found.append((place, place + 1, kind))
        elif prefix == "E" and ends and start >= 0:
            found.append((start, place + 1, label))
            start = -1
        elif prefix == "B":
            start, label = place, kind
    return found


def _checked(rows: Sequence[Iterable[Span]], what: str) -> list[set[Span]]:
    checked = []
    for number, row in enumerate(rows, start=1):
        spans_of_row = set()
        for span in row:
            try:
                start, end, label = span
                good = int(start) == start and int(end) == end and 0 <= start < end and isinstance(label, str)
            except (TypeError, ValueError):
                good = False
            if not good:
                raise DataError(
                    f"Row {number}: the {what} entity {span!r} is not a (start, end, label) with 0 <= start < end. "
                    "Give spans, or tags through `spans`."
                )
            spans_of_row.add((int(start), int(end), label))
        checked.append(spans_of_row)
    return checked


def _counts(sides: Sequence[Sequence[Sequence[int]]], classes: int) -> Any:
    """How often each class stands in each row of each side: sparse float64 (sides × classes, n)."""
    from scipy import sparse

    n = len(sides[0])
    keys = [
        np.repeat(np.arange(n), [len(row) for row in side])
        + n * (classes * place + np.fromiter((c for row in side for c in row), dtype=np.int64))
        for place, side in enumerate(sides)
    ]
    cells, counts = np.unique(np.concatenate(keys), return_counts=True)
    shape = (len(sides) * classes, n)
    return sparse.csr_matrix((counts.astype(np.float64), (cells // n, cells % n)), shape=shape)


def _ratios(right, found, wanted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall, F1; 0 / 0 is 0."""
    return tuple(
        np.divide(top, bottom, out=np.zeros(np.shape(right)), where=np.asarray(bottom) > 0)
        for top, bottom in ((right, found), (right, wanted), (2 * right, found + wanted))
    )


def _mean(values: np.ndarray, chosen: np.ndarray) -> float:
    return float(values[chosen].mean()) if chosen.any() else 0.0
