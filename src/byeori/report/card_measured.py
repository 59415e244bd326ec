"""What the predictions of a run say of its model beyond its scores: each label by itself, and how sure it is when it is wrong.

Invariants: the lines of predictions/*.jsonl are read once, one at a time; only what can be read counts; nothing of a row's
text is kept.

    found = labels_measured(read_facts("run")); found.labels["긍정"]["f1"]["value"]
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from byeori.metrics.intervals import Interval
from byeori.report.facts import Facts
from byeori.report.predicted import labelled

SURE = 0.9  # a score from which a wrong answer counts as sure of itself
MOST = 60  # labels
RESAMPLES = 1_000


@dataclass(frozen=True)
class Measured:
    """labels: name → precision, recall, F1 with their intervals, and "support", the rows of that label. wrong, sure: rows that
    were answered wrongly, and those of them with a score of at least SURE (None where a row may have several labels)."""

    labels: dict[str, dict[str, Interval]]
    support: dict[str, int]
    rows: int
    wrong: int
    sure: int | None


def labels_measured(facts: Facts) -> Measured | None:
    """Of the part that the scores shown are of; None for a task without labels, for more than MOST, and without predictions."""
    import numpy as np

    from byeori.metrics.per_class import class_scores

    known = {name: place for place, name in enumerate(facts.labels)}
    part = facts.part
    if (
        facts.kind not in ("single_label", "multi_label")
        or not known
        or len(known) > MOST
        or part not in facts.predictions
    ):
        return None
    kinds: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
    sure = 0
    for line in facts.predictions[part]:
        given, wanted = labelled(line.get("prediction")), labelled(line.get("reference"))
        if given is None or wanted is None or not {*given, *wanted} <= known.keys():
            continue
        kinds[tuple(sorted(given)), tuple(sorted(wanted))] += 1
        sure += given.keys() != wanted.keys() and max(given.values(), default=0.0) >= SURE
    if not kinds:
        return None
    single = facts.kind == "single_label"
    if single and not all(len(said) == len(right) == 1 for said, right in kinds):
        return None
    flags = np.zeros((2, len(kinds), len(known)), bool)
    for row, pair in enumerate(kinds):
        for side, names in enumerate(pair):
            flags[side, row, [known[name] for name in names]] = True
    predicted, reference = flags.argmax(-1) if single else flags
    counts = np.array([*kinds.values()])
    found = class_scores(predicted, reference, facts.labels, counts, resamples=RESAMPLES)
    support = dict.fromkeys(facts.labels, 0)
    for (_, right), rows in kinds.items():
        for name in right:
            support[name] += rows
    wrong = sum(rows for (said, right), rows in kinds.items() if said != right)
    return Measured(found, support, int(counts.sum()), wrong, sure if single else None)
