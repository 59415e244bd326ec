"""What a prediction loses when a word is left out (occlusion: Zeiler and Fergus 2014; of words: Li et al. 2016).

Invariants: each word is left out once, all others as they are; what is told is the change of one number that the model gives: the
probability of a label, or a predicted value. It says what the model does without the word, and no more: words that say the same
twice cover for each other, and a text with a hole may be unlike all that was learnt.

    occluded(engine, [{"text": "정말 재미없다"}], ["부정"])      # [(0.93, {"text": [[0, 2, -0.02], [3, 7, -0.61]]})]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from byeori.predict.engine import Engine

MOST = 80  # pieces of a row: a longer text's words are left out several at a time
_WORD = re.compile(r"\S+")


def pieces(text: str, most: int = MOST) -> list[tuple[int, int]]:
    """(start, end) of words, several together where there are more than `most`; [] for a text of one word."""
    words = [match.span() for match in _WORD.finditer(text)]
    if len(words) < 2:
        return []
    size = -(-len(words) // most)
    return [(words[at][0], words[min(at + size, len(words)) - 1][1]) for at in range(0, len(words), size)]


def without(text: str, start: int, end: int) -> str:
    """The text without this piece and one of the spaces beside it."""
    before, after = text[:start], text[end:]
    if before[-1:].isspace() or not before:
        after = after[1:] if after[:1].isspace() else after
    return before + after


def occluded(
    engine: Engine, rows: Sequence[dict[str, str]], labels: Sequence[str | None]
) -> list[tuple[float, dict[str, list[list[Any]]]]]:
    """Of each row the number as it is, and role → [start, end, change] of each piece. A label None: of a predicted value.

    The engine's task is text classification; `rows`: their texts by role, cleaned already, all of the same roles. All that is asked
    of the model is asked at once.
    """
    if not rows:
        return []
    parts = [[(role, start, end) for role, text in row.items() for start, end in pieces(text)] for row in rows]
    every: list[dict[str, str]] = []
    for row, own in zip(rows, parts, strict=True):
        every += [row, *({**row, role: without(row[role], start, end)} for role, start, end in own)]
    store = engine.encode({role: [one[role] for one in every] for role in rows[0]}, clean=False)
    task: Any = engine.task
    scores = np.asarray(task.scores(engine.run(store).values), np.float64)
    found, first = [], 0
    for label, own in zip(labels, parts, strict=True):
        numbers = scores[first : first + 1 + len(own), 0 if label is None else task.labels.index(label)].tolist()
        first += 1 + len(own)
        words: dict[str, list[list[Any]]] = {}
        for (role, start, end), number in zip(own, numbers[1:], strict=True):
            words.setdefault(role, []).append([start, end, round(number - numbers[0], 5)])
        found.append((round(numbers[0], 5), words))
    return found
