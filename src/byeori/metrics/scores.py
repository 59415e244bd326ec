"""The scores of each problem type with their intervals: the front door of the room.

Invariant: the same rows, seed and level give the same table, whatever the machine.

    from byeori.metrics.scores import scores; scores("regression", [1.0, 2.5, 3.0], [1.0, 2.0, 4.0])["pearson"]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byeori.metrics.classification import (
    MultiLabelScore,
    SingleLabelScore,
    check_flags,
    check_ids,
    distinct,
)
from byeori.metrics.intervals import Interval, check_lengths, collecting, scored
from byeori.metrics.regression import RegressionScore


def scores(
    problem_type: str,
    predicted,
    reference,
    labels: Sequence[str] = (),
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """{name: {"value", "low", "high"}} of predictions against references, as metrics.json holds it.

    problem_type: "single_label" (int64 (n,) ids), "multi_label" (bool (n, L)) or "regression" (float (n,)).
    labels: names in id order, none for regression. Which names come back stands in `single_label`, `multi_label` and
    `regression`. Undefined values are None; `resamples=0` gives values without intervals.
    Raises DataError for rows that can't be scored, ValueError for another problem type.
    """
    doubt: dict[str, Any] = {"resamples": resamples, "seed": seed, "level": level}
    if problem_type == "regression":
        return scored(RegressionScore(predicted, reference), len(reference), **doubt)
    if problem_type not in ("single_label", "multi_label"):
        raise ValueError(f'{problem_type=} is none of "single_label", "multi_label", "regression".')
    check_lengths(predicted, reference)
    n = len(reference)
    if problem_type == "multi_label":
        check_flags(predicted, reference, len(labels))  # says which shape is wrong before rows are put together
        if collecting():
            return scored(MultiLabelScore(predicted, reference, labels), n, **doubt)
        predicted, reference, counts = distinct(predicted, reference)
        return scored(MultiLabelScore(predicted, reference, labels), n, counts=counts, **doubt)
    check_ids(predicted, reference, len(labels))
    if collecting():
        return scored(SingleLabelScore(predicted, reference, labels), n, **doubt)
    predicted, reference, counts = distinct(predicted, reference)
    return scored(SingleLabelScore(predicted, reference, labels), n, counts=counts, **doubt)
