"""Wrong rows of tasks whose predictions are no labels: a function a kind of prediction.

Invariants: a row stands in a table only if its line of predictions/*.jsonl shows that it is wrong (of running text: how
likely it was); how many lines can't be read is told in `missing`. Each function gives the rows of one part of the data,
None where there are no predictions.

    answers(read_facts("run"), "test").worst
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeGuard

from byeori.report.facts import Facts, number, real
from byeori.report.listing import Listing, short

COMPARED = 2_000  # written texts that are compared with their references

Line = dict[str, Any]


def answers(facts: Facts, part: str) -> Listing | None:
    """question-answering: answers that match none of the right ones, the surest first."""
    from byeori.metrics.answers import AnswerScore

    def read(line: Line) -> tuple[str, float, list[str]] | None:
        said, right = line.get("prediction"), line.get("reference")
        best = said[0] if isinstance(said, list) and said else said
        if not isinstance(best, dict) or not isinstance(best.get("answer"), str) or not _texts(right):
            return None
        return best["answer"], real(best.get("score")) or 0.0, right

    found = _read(facts, part, read)
    if not found:
        return None
    none = facts.say("no answer")
    score = AnswerScore([said for _, (said, _, _) in found], [right for _, (_, _, right) in found])
    wrong = [
        (sure, [line.get("row"), f"{short(said or none)} {sure:.3f}", short(" ⏐ ".join(right) or none), number(f1)])
        for (line, (said, sure, right)), exact, f1 in zip(found, score.exact, score.f1.tolist(), strict=True)
        if not exact
    ]
    return Listing(facts.say("Most confident mistakes"), _heads(facts, "prediction", "reference", "F1"), wrong, (0, 3))


def written(facts: Facts, part: str) -> Listing | None:
    """Tasks that write a text: those furthest from their references by chrF (Popović 2015), of the first `COMPARED`."""
    from sacrebleu.metrics import CHRF

    def read(line: Line) -> tuple[str | None, list[str]] | None:
        said, right = line.get("prediction"), line.get("reference")
        right = [right] if isinstance(right, str) else right
        first = said[0] if isinstance(said, list) and said else said
        one = next((v for k, v in first.items() if k.endswith("_text")), None) if isinstance(first, dict) else None
        return (one, right) if _texts(right) and right and (first is None or isinstance(one, str)) else None

    found = _read(facts, part, read)
    some = [(line, one, right) for line, (one, right) in found if one is not None]
    if not some:
        return None
    measure, rows = CHRF(), []
    for line, one, right in some[:COMPARED]:
        if " ".join(one.split()) not in {" ".join(text.split()) for text in right}:
            chrf = measure.sentence_score(one, right).score
            cells = [line.get("row"), short(one), short(" ⏐ ".join(right)), number(chrf)]
            rows.append((-chrf, cells))
    notes = []
    if len(some) > COMPARED:
        notes.append(facts.say("Of the first {most:,} written rows of {count:,}.", most=COMPARED, count=len(some)))
    if len(found) > len(some):
        unwritten = len(found) - len(some)
        notes.append(facts.say("{count:,} rows were not written (--eval-max-rows).", count=unwritten))
    heads = _heads(facts, "prediction", "reference", "chrF")
    return Listing(facts.say("Furthest from their references"), heads, rows, (0, 3), notes)


def entities(facts: Facts, part: str) -> Listing | None:
    """token-classification: rows with other entities than the right ones, told by how many there are of each type.

    A line has what was found with its characters and the right answer as tags, so no more can be compared. Bare tags are
    compared word by word.
    """
    from byeori.tasks.tag_schemes import of_labels

    def read(line: Line) -> tuple[list[dict[str, Any]], list[str]] | None:
        found, right = line.get("prediction"), line.get("reference")
        if not isinstance(found, list) or not all(isinstance(one, dict) and _kind(one) for one in found):
            return None
        return (found, right) if _texts(right) else None

    lines = _read(facts, part, read)
    if not lines:
        return None
    if of_labels(facts.labels).bare:
        return _tags(facts, lines)
    rows = []
    for line, (found, right) in lines:
        said = Counter(map(_kind, found))
        wanted = Counter(tag[2:] for tag in right if tag.startswith("B-"))
        missed, added = wanted - said, said - wanted
        if missed or added:
            shown = ", ".join(f"{one.get('word')}:{_kind(one)}" for one in found) or facts.say("none")
            cells = [line.get("row"), short(shown), *(_counted(facts, one) for one in (wanted, missed, added))]
            rows.append((missed.total() + added.total(), cells))
    note = "Rows are compared by how many entities of each type they have: a wrong border alone does not show here."
    heads = _heads(facts, "prediction", "reference", "missed", "added")
    return Listing(facts.say("Entities missed and added"), heads, rows, notes=[facts.say(note)])


def _tags(facts: Facts, lines: list[tuple[Line, Any]]) -> Listing:
    rows: list[tuple[float, list[Any]]] = []
    apart = 0
    for line, (found, right) in lines:
        if len(found) != len(right):
            apart += 1
            continue
        wrong = [(one, tag) for one, tag in zip(found, right, strict=True) if _kind(one) != tag]
        if wrong:
            said = ", ".join(f"{one.get('word')}:{_kind(one)}" for one, _ in wrong)
            wanted = ", ".join(f"{one.get('word')}:{tag}" for one, tag in wrong)
            rows.append((len(wrong), [line.get("row"), short(said), short(wanted), f"{len(wrong):,}"]))
    note = "{count:,} rows are not compared: some of their words have no tag, most since their text was cut."
    heads = _heads(facts, "prediction", "reference", "wrong")
    notes = [facts.say(note, count=apart)] if apart else []
    return Listing(facts.say("Words with a wrong tag"), heads, rows, (0, 3), notes)


def choices(facts: Facts, part: str) -> Listing | None:
    """multiple-choice: wrong choices, the surest first; counted from 0, as in the file."""

    def read(line: Line) -> tuple[dict[str, Any], int] | None:
        said, right = line.get("prediction"), line.get("reference")
        if not isinstance(said, dict) or not isinstance(said.get("choice"), int):
            return None
        return (said, right) if isinstance(right, int) else None

    found = _read(facts, part, read)
    if not found:
        return None
    wrong = []
    for line, (said, right) in found:
        sure = real(said.get("score")) or 0.0
        if said["choice"] != right:
            shown = f"{said['choice']}: {short(said.get('label'))} {sure:.3f}"
            wrong.append((sure, [line.get("row"), shown, right]))
    heads, notes = _heads(facts, "prediction", "reference"), [facts.say("Choices are counted from 0.")]
    return Listing(facts.say("Most confident mistakes"), heads, wrong, notes=notes)


def surprises(facts: Facts, part: str) -> Listing | None:
    """text-generation: the rows that were least likely."""
    rows = [
        (_perplexity(said), [line.get("row"), *_measures(facts, said), number(said.get("accuracy"))])
        for line, said in _likelihoods(facts, part)
    ]
    heads = _heads(facts, "perplexity", "tokens", "accuracy")
    return Listing(facts.say("Least likely rows"), heads, rows, range(4)) if rows else None


def masks(facts: Facts, part: str) -> Listing | None:
    """fill-mask: rows with hidden words that were not found, the least likely first."""
    found = _likelihoods(facts, part)
    rows = []
    for line, said in found:
        pairs = list(zip(said.get("predicted") or [], said.get("right") or [], strict=True))
        wrong = [(one, right) for one, right in pairs if one != right]
        if wrong:
            sides = (short(", ".join(str(pair[side]) for pair in wrong)) for side in (0, 1))
            share = facts.say("{some:,} of {all:,}", some=len(wrong), all=len(pairs))
            cells = [line.get("row"), *sides, share, _measures(facts, said)[0], short(said.get("masked"))]
            rows.append((_perplexity(said), cells))
    heads = _heads(facts, "prediction", "reference", "wrong", "perplexity", "text")
    return Listing(facts.say("Hidden words that were not found"), heads, rows, (0, 3, 4)) if found else None


def left_out(facts: Facts, part: str, count: int) -> None:
    """Say how many lines can't be read."""
    if count > 0:
        said = "predictions/{part}.jsonl: {count:,} lines have no usable prediction and reference; they are left out."
        facts.miss(said, part=part, count=count)


def _heads(facts: Facts, *names: str) -> list[str]:
    return [facts.say(name) for name in names]


def _read(facts: Facts, part: str, read: Callable[[Line], Any]) -> list[tuple[Line, Any]]:
    """Lines with what `read` makes of them; those of which it makes nothing are told."""
    lines = facts.predictions[part]
    found = [(line, made) for line in lines if (made := read(line)) is not None]
    left_out(facts, part, len(lines) - len(found))
    return found


def _likelihoods(facts: Facts, part: str) -> list[tuple[Line, dict[str, Any]]]:
    """Lines with what was measured; rows in which nothing was to be found have null."""

    def read(line: Line) -> dict[str, Any] | None:
        said = line.get("prediction", "")
        return {} if said is None else said if isinstance(said, dict) else None

    return [(line, said) for line, said in _read(facts, part, read) if "perplexity" in said]


def _perplexity(said: dict[str, Any]) -> float:
    """Beyond all numbers it is written as null."""
    found = real(said.get("perplexity"))
    return math.inf if found is None else found


def _measures(facts: Facts, said: dict[str, Any]) -> list[str]:
    found, tokens = _perplexity(said), real(said.get("tokens"))
    return [
        facts.say("beyond all numbers") if math.isinf(found) else number(found),
        "" if tokens is None else f"{tokens:,.0f}",
    ]


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _kind(entity: dict[str, Any]) -> str:
    """Its type, or its tag."""
    return str(entity.get("entity_group") or entity.get("entity") or "")


def _counted(facts: Facts, kinds: Counter[str]) -> str:
    shown = (name if count == 1 else f"{name} × {count}" for name, count in sorted(kinds.items()))
    return ", ".join(shown) or facts.say("none")
