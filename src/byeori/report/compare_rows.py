"""Rows that two runs answer differently: right there and wrong here, wrong in another way, or better and worse by how much.

Invariants: where an answer is right or wrong (classes, choices, tags of a text, exact answers) rows are counted by that; where it
is neither (texts that are written, numbers, likelihoods) by the score of the row alone; counts are of all rows, lists of some.

    changes([first], [second], rows, by_score, "accuracy", (0, 1))["wrong_to_right"]
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.report.words import told
from byeori.tasks import MultipleChoice, QuestionAnswering, TextClassification, TokenClassification

if TYPE_CHECKING:
    from byeori.metrics.paired import Joint
    from byeori.report.compare_runs import Compared

MOST = 20  # rows of a kind that are listed
KINDS = ("right_to_wrong", "wrong_to_right", "wrong_differently")
LONGEST = 600


def changes(
    first: list[Compared],
    second: list[Compared],
    rows: list[int],
    by_score: dict[str, Joint],
    headline: str,
    places: tuple[int, int],
) -> dict[str, Any]:
    """{"by": "answer", "same", "right_to_wrong", "wrong_to_right", "wrong_differently", "rows": {kind: […]}} or
    {"by": a score, "same", "worse", "better", "rows"}, {} where neither can be told.

    rows: those that the scores are of; places: of both runs in the scores. Of several seeds a row is right where most of them
    have it right.
    """
    task = first[0].task
    sides = [[task.scored_again(run.lines) for run in group] for group in (first, second)]
    marks = [[right(task, *pair) for pair in side] for side in sides]
    if marks[0][0] is None:
        if len(first) > 1 or len(second) > 1:
            return {}
        return _by_score(first[0], second[0], rows, by_score, headline, places)
    hit = [np.mean(np.stack([mark for mark in side if mark is not None]), 0) > 0.5 for side in marks]
    same = _same(sides[0][0][0], sides[1][0][0]) if len(first) == len(second) == 1 else hit[0] == hit[1]
    kinds = {
        "right_to_wrong": hit[0] & ~hit[1],
        "wrong_to_right": ~hit[0] & hit[1],
        "wrong_differently": ~hit[0] & ~hit[1] & ~same,
    }
    found: dict[str, Any] = {"by": "answer", "same": int((~np.any([*kinds.values()], axis=0)).sum())}
    found |= {kind: int(chosen.sum()) for kind, chosen in kinds.items()}
    found["rows"] = {
        kind: [_row(first, second, row) for row in np.flatnonzero(chosen)[:MOST].tolist()]
        for kind, chosen in kinds.items()
    }
    return found


def right(task: Any, predictions: Any, references: Any) -> np.ndarray | None:
    """Which predictions are right, bool (rows,); None where a prediction is neither right nor wrong."""
    if isinstance(task, QuestionAnswering):
        from byeori.metrics.answers import AnswerScore

        return AnswerScore(predictions, references).exact > 0
    if isinstance(task, TokenClassification):
        return np.array([list(said) == list(tags) for said, tags in zip(predictions, references, strict=True)])
    if isinstance(task, MultipleChoice) or (
        isinstance(task, TextClassification) and task.problem_type in ("single_label", "multi_label")
    ):
        return _same(predictions, references)
    return None


def _same(ours: Any, theirs: Any) -> np.ndarray:
    if isinstance(ours, np.ndarray):
        equal = ours == theirs
        return equal.all(1) if equal.ndim > 1 else equal
    return np.array([a == b for a, b in zip(ours, theirs, strict=True)], bool)


def _by_score(
    first: Compared,
    second: Compared,
    rows: list[int],
    by_score: dict[str, Joint],
    headline: str,
    places: tuple[int, int],
) -> dict[str, Any]:
    """Rows by how much the headline's value of each alone changes; of numbers, which have no correlation alone, by the error."""
    name, joint = headline, by_score.get(headline)
    if joint is not None and joint.sums:
        own = rows if len(rows) == joint.n else range(joint.n)  # of a text that was not written only the loss is known
        pairs = [tuple(joint.of_row(run, row)[name] for run in places) for row in range(joint.n)]
    elif isinstance(first.task, TextClassification):
        name, own = "mae", range(len(first.lines))
        lines = zip(first.lines, second.lines, strict=True)
        pairs = [tuple(abs(one["prediction"]["score"] - one["reference"]) for one in pair) for pair in lines]
    else:
        return {}
    values = np.array(pairs, np.float64)  # (rows, 2)
    gains = np.nan_to_num(values[:, 1] - values[:, 0]) * (-1 if name in first.task.lower_is_better else 1)
    order = np.argsort(gains, kind="stable")
    listed = {
        kind: [
            {**_row([first], [second], own[row]), "values": [None if np.isnan(v) else float(v) for v in values[row]]}
            for row in some.tolist()
            if gains[row] * sign > 0
        ]
        for kind, some, sign in (("worse", order[:MOST], -1), ("better", order[::-1][:MOST], 1))
    }
    return {
        "by": name, "same": int((gains == 0).sum()), "worse": int((gains < 0).sum()), "better": int((gains > 0).sum()),
        "rows": listed,
    }  # fmt: skip


def _row(first: list[Compared], second: list[Compared], row: int) -> dict[str, Any]:
    """A row for people: its number, text where a folder tells it, what both said (of seeds: what each said) and what is right."""
    ours = first[0].lines[row]
    found: dict[str, Any] = {"row": row + 1}
    inputs = next((given for run in (*first, *second) if (given := _inputs(run, row))), None)
    if isinstance(inputs, dict):
        found["text"] = " ⏐ ".join(map(str, inputs.values()))[:LONGEST]
    elif isinstance(ours["prediction"], dict) and "masked" in ours["prediction"]:
        found["text"] = str(ours["prediction"]["masked"])[:LONGEST]
    return {
        **found,
        "first": _all_said(first, row),
        "second": _all_said(second, row),
        "reference": said(ours["reference"]),
    }


def _inputs(run: Compared, row: int) -> Any:
    """A row's inputs: beside its prediction, else among the mistakes whose texts the run kept."""
    return run.lines[row].get("inputs") or run.mistaken.get(row + 1)


def _all_said(runs: list[Compared], row: int) -> str:
    """What a run said of a row; of several seeds each answer with how many of them gave it, the most frequent first."""
    answers = Counter(said(run.lines[row]["prediction"]) for run in runs)
    if len(runs) == 1:
        return next(iter(answers))
    return ", ".join(f"{answer} × {count}" for answer, count in answers.most_common())[:LONGEST]


def said(value: Any) -> str:
    """A prediction or reference in words."""
    if isinstance(value, list):
        if value and all(isinstance(one, str) for one in value) and any(one.startswith(("B-", "I-")) for one in value):
            return " ".join(value)[:LONGEST]
        return ", ".join(said(one) for one in value)[:LONGEST] if value else told("none")
    if isinstance(value, dict):
        if "entity_group" in value or "entity" in value:
            return f"{value.get('word')} ({value.get('entity_group') or value.get('entity')})"
        if "predicted" in value:
            return ", ".join(map(str, value["predicted"]))[:LONGEST]
        if value.get("label") == "LABEL_0" and "score" in value:  # a number
            return f"{value['score']:.4g}"
        shown = next((value[key] for key in value if key in ("label", "answer") or key.endswith("_text")), None)
        return (str(shown) if shown is not None else ", ".join(f"{key} {one}" for key, one in value.items()))[:LONGEST]
    if value in (None, ""):
        return told("none")
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:LONGEST]
