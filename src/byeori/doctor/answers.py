"""Right answers that are no classes: spans of question answering, choices, what their places and lengths give away.

questions(part), choices(part)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from byeori.data.wording import count, listed, short
from byeori.doctor.findings import LOOK, NOTE, Finding, example
from byeori.doctor.parts import Part, apart, share

SURE = 0.001


def questions(part: Part, most_words: int = 30) -> list[Finding]:
    """Of rows with answers: questions without one, answers that are long, one question with several answers."""
    if not part.has("answers"):
        return []
    rows = part.table["answers"].to_pylist()
    texts = [one["text"] if one else [] for one in rows]
    found = []
    none = [at for at, one in enumerate(texts) if not one]
    if none:
        found.append(Finding(
            "no_answer", NOTE, part.name, len(none),
            f"{count(len(none), 'question')} of {len(part):,} ({share(len(none), len(part))}) {'has' if len(none) == 1 else 'have'} no "
            f"answer; the first is {part.where(none[0])}.",
            "The model learns to say so; leave them out if every question asked later has one.",
            [part.number(i) for i in none], [example([part.number(i)], part.shown(i, ["question"])) for i in none[:5]],
        ))  # fmt: skip
    size = [max((len(text.split()) for text in one), default=0) for one in texts]
    long = [at for at, words in enumerate(size) if words > most_words]
    if long:
        found.append(Finding(
            "long_answers", LOOK if len(long) > 0.01 * len(part) else NOTE, part.name, len(long),
            f"{count(len(long), 'answer')} {'has' if len(long) == 1 else 'have'} more than {most_words} words and can't be found whole; "
            f"{part.where(long[0])} has {size[long[0]]:,}.",
            f"Raise --max-answer-length (tokens); the longest answer has {max(size):,} words.",
            [part.number(i) for i in long], [example([part.number(i)], [*part.shown(i, ["question"]), texts[i][0]]) for i in long[:20]],
        ))  # fmt: skip
    conflicting = _several_answers(part, texts)
    return [*found, conflicting] if conflicting else found


def _several_answers(part: Part, texts: list[list[str]]) -> Finding | None:
    """One question about one context, in two rows none of whose answers holds one of the other's."""
    members: dict[int, list[int]] = defaultdict(list)
    for at, code in enumerate(part.codes(["question", "context"])):
        members[int(code)].append(at)
    found = []
    for rows in members.values():
        against = [i for i in rows[1:] if not _agree(texts[rows[0]], texts[i])]
        if against:
            found.append((rows, against[0]))
    if not found:
        return None
    rows, other = found[0]
    if texts[rows[0]] and texts[other]:
        told = " and ".join(f'"{one}"' for one in apart(texts[rows[0]][0], texts[other][0], 30))
    else:
        told = " and ".join(f'"{short(texts[i][0], 30)}"' if texts[i] else "no answer" for i in (rows[0], other))
    return Finding(
        "conflicting_labels", LOOK, part.name, len(found),
        f"{count(len(found), 'question')} {'stands' if len(found) == 1 else 'stand'} in several rows with other answers; "
        f"{part.brief(rows[0])} has {told}.",
        "Put all right answers into one row, or leave the wrong ones out.",
        sorted(part.number(i) for rows, _ in found for i in rows),
        [example([part.number(i) for i in rows], part.shown(rows[0], ["question"]),
                 " | ".join(", ".join(dict.fromkeys(texts[i])) or "no answer" for i in rows)) for rows, _ in found[:20]],
    )  # fmt: skip


def _agree(one: list[str], other: list[str]) -> bool:
    """Whether two rows' answers may both be right: one is part of the other ("in 1886", "1886"), or neither row has any."""
    return not one and not other or any(a in b or b in a for a in one for b in other)


def choices(part: Part) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The place of the right choice, counted (as `labels` of the contract), and what gives it away."""
    if not part.has("choices") or not part.has("label"):
        return None, []
    lists, right = part.table["choices"].to_pylist(), np.asarray(part.table["label"].to_pylist(), np.int64)
    number = np.array([len(one) for one in lists])
    counts = Counter(int(one) for one in right)
    told = {"problem_type": "single_label", "counts": {str(place): counts[place] for place in sorted(counts)}}
    found = [_place(part, right, number), _longest(part, lists, right, number), _repeated(part, lists)]
    return told, [one for one in found if one]


def _place(part: Part, right: np.ndarray, number: np.ndarray) -> Finding | None:
    """One place has the right choice more often than chance (binomial test over rows of as many choices)."""
    from scipy.stats import binomtest

    usual = int(np.bincount(number).argmax()) if len(number) else 0
    rows = np.flatnonzero(number == usual)
    if usual < 2 or len(rows) < 30:
        return None
    counts = np.bincount(right[rows], minlength=usual)
    place = int(counts.argmax())
    if counts[place] < 1.3 * len(rows) / usual:
        return None
    if binomtest(int(counts[place]), len(rows), 1 / usual, alternative="greater").pvalue * usual > SURE:
        return None
    at = rows[right[rows] == place]
    return Finding(
        "label_position", LOOK, part.name, int(counts[place]),
        f"The right choice is number {place + 1} of {usual} in {share(int(counts[place]), len(rows))} of the rows; by chance it would be "
        f"{share(1, usual)}.",
        "Shuffle the choices of each row: else a model can score by their place.", [part.number(i) for i in at],
    )  # fmt: skip


def _longest(part: Part, lists: list[list[str]], right: np.ndarray, number: np.ndarray) -> Finding | None:
    from scipy.stats import binomtest

    usable = [at for at, one in enumerate(lists) if len(one) > 1 and len({len(text) for text in one}) == len(one)]
    if len(usable) < 30:
        return None
    hits = [at for at in usable if max(range(len(lists[at])), key=lambda i: len(lists[at][i])) == right[at]]
    chance = float(np.mean(1 / number[usable]))
    if (
        len(hits) < 1.3 * chance * len(usable)
        or binomtest(len(hits), len(usable), chance, alternative="greater").pvalue > SURE
    ):
        return None
    return Finding(
        "longest_choice", NOTE, part.name, len(hits),
        f"The longest choice is the right one in {share(len(hits), len(usable))} of the rows; by chance it would be {share(chance, 1)}.",
        "Hold a model's score against that figure, not against guessing.", [part.number(i) for i in hits],
        [example([part.number(i)], [*part.shown(i, ["text"]), lists[i][int(right[i])]]) for i in hits[:5]],
    )  # fmt: skip


def _repeated(part: Part, lists: list[list[str]]) -> Finding | None:
    at = [i for i, one in enumerate(lists) if len({text.strip() for text in one}) < len(one)]
    if not at:
        return None
    twice = next(text for text, times in Counter(text.strip() for text in lists[at[0]]).items() if times > 1)
    return Finding(
        "repeated_choices", LOOK, part.name, len(at),
        f"In {count(len(at), 'row')} a choice stands twice; the first is {part.where(at[0])}: {listed([short(twice, 40)])}.",
        "Correct them: which of the two is right can't be learnt.", [part.number(i) for i in at],
        [example([part.number(i)], part.shown(i, ["text"]) + lists[i]) for i in at[:20]],
    )  # fmt: skip
