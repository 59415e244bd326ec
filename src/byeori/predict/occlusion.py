"""What a prediction loses when a word is left out (occlusion: Zeiler and Fergus 2014; of words: Li et al. 2016).

Invariants: each word is left out once, all others as they are; what is told is the change of one number that the model gives: the
probability of a label, or a predicted value. It says what the model does without the word, and no more: words that say the same
twice cover for each other, and a text with a hole may be unlike all that was learnt.

    occluded(engine, {"text": "정말 재미없다"}, "부정")      # (0.93, {"text": [[0, 2, -0.02], [3, 7, -0.61]]})
"""

from __future__ import annotations

import re
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


def occluded(engine: Engine, row: dict[str, str], label: str | None) -> tuple[float, dict[str, list[list[Any]]]]:
    """The number for the row as it is, and role → [start, end, change] of each piece. `label` None: of a predicted value.

    The engine's task is text classification; `row`: its texts by role, cleaned already.
    """
    parts = [(role, start, end) for role, text in row.items() for start, end in pieces(text)]
    rows = [row] + [{**row, role: without(row[role], start, end)} for role, start, end in parts]
    store = engine.encode({role: [one[role] for one in rows] for role in row}, clean=False)
    task: Any = engine.task
    scores = task.scores(engine.run(store).values)
    place = 0 if label is None else task.labels.index(label)
    numbers = np.asarray(scores, np.float64)[:, place]
    found: dict[str, list[list[Any]]] = {}
    for (role, start, end), number in zip(parts, numbers[1:].tolist(), strict=True):
        found.setdefault(role, []).append([start, end, round(number - float(numbers[0]), 5)])
    return round(float(numbers[0]), 5), found
