"""Predictions against the right answers: scores with their doubt, and the loss, in one pass over the rows.

The loss is the task's own, as training has it (an own task's too; class weights included) but without dropout and label
smoothing: the sum over all labels that count, divided by their number.

judged = evaluate(engine, store, references); judged.scores["accuracy"]["value"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import Answers
from byeori.batches.pack import IGNORED, Pack
from byeori.metrics.intervals import Interval, scored
from byeori.text.store import LIST, TOKEN, TokenStore

if TYPE_CHECKING:
    from byeori.predict.engine import Engine
    from byeori.tasks.base import Task

RESAMPLES = 1_000
LOSS = "loss"  # the name of its score


@dataclass
class Judged:
    """One evaluation: `scores` as metrics.json has them, and what they were made of."""

    scores: dict[str, dict[str, float | None]]
    answers: Answers
    store: TokenStore
    of_class: dict[str, str] = field(default_factory=dict)  # scores of one class alone, and its name

    @property
    def values(self) -> dict[str, float | None]:
        return {name: score["value"] for name, score in self.scores.items()}

    @property
    def logits(self) -> np.ndarray:
        """float32 (rows, labels), or (rows, longest, labels) where tokens are labelled, padded with −100."""
        return _rectangle(self.answers.values, self.answers.offsets)

    @property
    def label_ids(self) -> np.ndarray:
        """As the store has them: (rows,), (rows, labels), or (rows, longest) padded with −100."""
        return label_ids(self.store)


def evaluate(
    engine: Engine,
    store: TokenStore,
    references: Any,
    *,
    metrics: Sequence[Callable] = (),
    resamples: int = 0,
    seed: int = 0,
    tune: bool = False,
) -> Judged:
    """Run the store and score it; with `tune` the task first chooses on it what decoding needs.

    `metrics` are functions of (predictions, references), or of the course's eval_pred.

    Raises SettingError for a metric, or an own task's loss, that gives something else than it should.
    """
    losses = Losses(engine.task, len(store))
    answers = engine.run(store, losses)
    judged = Judged({}, answers, store)
    if tune:
        engine.task.tune(answers, store, references)
    predictions = engine.task.predictions(answers, store)
    scores = engine.task.score(predictions, references, resamples=resamples, seed=seed)
    scores |= losses.scores(resamples, seed)
    of_class = engine.task.of_class
    if metrics:
        from byeori.metrics.custom import scored_metric

        said, right = ([engine.task.named(one) for one in column] for column in (predictions, references))
        for metric in metrics:
            own = scored_metric(metric, said, right, judged.logits, judged.label_ids, resamples=resamples, seed=seed)
            scores |= own
            of_class = {name: label for name, label in of_class.items() if name not in own}
    judged.scores, judged.of_class = scores, of_class
    return judged


def label_ids(store: TokenStore) -> np.ndarray:
    """The labels of a store as an array whose first axis is rows (windows, where rows are cut into several)."""
    offsets = {TOKEN: store.offsets, LIST: store.list_offsets.get("labels")}.get(store.levels["labels"])
    return _rectangle(np.asarray(store.columns["labels"]), offsets)


def _rectangle(values: np.ndarray, offsets: np.ndarray | None) -> np.ndarray:
    """Flat values with their offsets → (sequences, longest, …), padded with −100 as transformers' Trainer has it."""
    if offsets is None:
        return values
    lengths = np.diff(offsets)
    made = np.full((len(lengths), int(lengths.max(initial=0)), *values.shape[1:]), IGNORED, values.dtype)
    for place, (start, length) in enumerate(zip(offsets, lengths, strict=False)):
        made[place, :length] = values[start : start + length]
    return made


class Losses:
    """Collects, pack by pack, `sums` and `labels` float64 (rows,): the losses of each row and how many labels they are of."""

    def __init__(self, task: Task, rows: int):
        self.task = task.judging()
        self.sums, self.labels = np.zeros((2, rows))

    def __call__(self, outputs: Any, pack: Pack) -> None:
        losses = self.task.losses(outputs, pack).float().cpu().numpy().astype(np.float64)
        labels = pack.labels.cpu().numpy()
        if losses.shape == labels.shape and np.issubdtype(labels.dtype, np.integer):
            counted = (labels != IGNORED).astype(np.float64)
            losses = np.where(labels != IGNORED, losses, 0.0)
        else:  # one a row, however many values its label has
            counted = np.ones(len(pack))
        if pack.levels.get("labels") == TOKEN:
            losses, counted = (_by_sequence(values, pack) for values in (losses, counted))
        for found, values in ((self.sums, losses), (self.labels, counted)):
            np.add.at(found, pack.rows, values.reshape(len(pack), -1).sum(1))

    def scores(self, resamples: int = 0, seed: int = 0) -> dict[str, Interval]:
        """{"loss": {"value", "low", "high"}}; the interval is the bootstrap's over rows."""
        return scored(
            lambda weights: {LOSS: float((weights @ self.sums) / (weights @ self.labels))},
            len(self.sums),
            resamples=resamples,
            seed=seed,
        )


def _by_sequence(values: np.ndarray, pack: Pack) -> np.ndarray:
    """Values a token, (tokens,) → their sums, (sequences,)."""
    before = np.concatenate([[0.0], np.cumsum(values)])
    starts, lengths = (places.cpu().numpy() for places in (pack.layout.starts, pack.layout.lengths))
    return before[starts + lengths] - before[starts]
