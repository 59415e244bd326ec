"""Predictions against the right answers: scores with their doubt.

judged = evaluate(engine, store, references); judged.scores["accuracy"]["value"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from byeori.predict.engine import Engine
    from byeori.text.store import TokenStore

RESAMPLES = 1_000


@dataclass
class Judged:
    """One evaluation. `logits` float32 (rows, labels) and `label_ids` in row order; `scores` as metrics.json has them."""

    scores: dict[str, dict[str, float | None]]
    logits: np.ndarray
    label_ids: np.ndarray

    @property
    def values(self) -> dict[str, float | None]:
        return {name: score["value"] for name, score in self.scores.items()}


def evaluate(
    engine: Engine,
    store: TokenStore,
    references: Any,
    *,
    metrics: Sequence[Callable] = (),
    resamples: int = 0,
    seed: int = 0,
) -> Judged:
    """Run the store and score it. `metrics` are functions of (predictions, references), or of the course's eval_pred."""
    logits = engine.run(store)
    label_ids = np.asarray(store.columns["labels"])
    predictions = engine.task.predictions(logits)
    scores = engine.task.score(predictions, references, resamples=resamples, seed=seed)
    if metrics:
        from byeori.metrics.custom import scored_metric

        said, right = ([engine.task.named(one) for one in column] for column in (predictions, references))
        for metric in metrics:
            scores |= scored_metric(metric, said, right, logits, label_ids, resamples=resamples, seed=seed)
    return Judged(scores, logits, label_ids)
