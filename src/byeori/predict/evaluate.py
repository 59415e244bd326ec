"""Predictions against the right answers: scores with their doubt, and the loss, in one pass over the rows.

The loss is the task's own, as training has it (an own task's too; class weights included) but without dropout and label
smoothing: the sum over all labels that count, divided by their number.

Of an exported model there are no losses: a task's own is a function of torch.

Of a task that judges row by row nothing is kept of a window of rows but what is compared with the right answers; where logits
are asked for, or the task must see all answers at once, these lie in a file.

judged = evaluate(engine, store, references); judged.scores["accuracy"]["value"]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import Answers, joined
from byeori.batches.pack import Pack
from byeori.data import mapped
from byeori.metrics.calibration import ECE, calibration_scores
from byeori.metrics.custom import scored_metric, wants_arrays
from byeori.metrics.intervals import Interval, scored_ratio
from byeori.predict.arrays import check_metrics, labels_of, logits_of, sequences_a_row
from byeori.predict.rows import WINDOW
from byeori.predict.windows import row_by_row, window
from byeori.tasks.base import Task
from byeori.text.blocks import IGNORED
from byeori.text.store import TOKEN, TokenStore

if TYPE_CHECKING:
    from byeori.models.world import World
    from byeori.predict.engine import Engine
    from byeori.predict.exported import ExportedEngine

Tell = Callable[[list[Any]], None]
Look = Callable[[Answers, TokenStore], None]
RESAMPLES = 1_000
LOSS = "loss"  # the name of its score


@dataclass
class Judged:
    """One evaluation: `scores` as metrics.json has them, and what they were made of."""

    scores: dict[str, dict[str, float | None]]
    answers: Answers | None  # None of a task that judges row by row, unless they were to be kept
    store: TokenStore
    of_class: dict[str, str] = field(default_factory=dict)  # scores of one class alone, and its name
    predictions: Any = None  # one a row, as `score` takes them
    confidence: np.ndarray | None = None  # (rows,), of a task that tells classes apart
    losses: Any = None  # `Losses`
    ranked: np.ndarray | None = None  # as `Task.ranking` gives it

    @property
    def values(self) -> dict[str, float | None]:
        return {name: score["value"] for name, score in self.scores.items()}

    @property
    def logits(self) -> np.ndarray:
        """As `byeori.predict.arrays.logits_of` has them; ids are padded so that they can be decoded as they are."""
        assert self.answers is not None
        return logits_of(self.answers, sequences_a_row(self.store), int(self.store.pad["input_ids"]))

    @property
    def label_ids(self) -> np.ndarray:
        return labels_of(self.store)


def evaluate(
    engine: Engine | ExportedEngine,
    store: TokenStore,
    references: Any,
    *,
    metrics: Sequence[Callable] = (),
    resamples: int = 0,
    seed: int = 0,
    tune: bool = False,
    keep: bool = False,
    tell: Tell | None = None,
    look: Look | None = None,
) -> Judged:
    """Run the store and score it; with `tune` the task first chooses on it what decoding needs.

    `keep`: the answers are wanted afterwards. `tell` is given the decoded predictions in row order, some rows at a time;
    `look` the answers of the first rows, or of all, and these as a store.

    `metrics` are functions of (predictions, references), or of the course's eval_pred; they get the rows that have a
    prediction (of a task that writes, those of `eval_max_rows`).

    On ranks (`engine.world`) all of them call it with the same, and find the same.

    Raises SettingError for a metric that can't have what it asks for, or that gives, as an own task's loss may, something
    else than it should.
    """
    check_metrics(engine.task, store, metrics)
    task = engine.task
    losses = Losses(task, len(store))
    keep = keep or any(map(wants_arrays, metrics))
    answers: Answers | None = None
    if row_by_row(task) and not (tune and type(task).tune is not Task.tune):
        predicted = _Predicted(task, store, tell, look)
        # Closed, so that a model isn't left predicting where what is made of its answers fails.
        with closing(engine.windows(store, losses)) as windows:
            if keep:
                answers = joined(map(predicted, windows))
            else:
                deque(map(predicted, windows), maxlen=0)
        predictions, ranked = predicted.done(), predicted.ranked()
        confidence = predicted.confidence.done() if predicted.sure else None
    else:
        answers = engine.run(store, losses)
        if tune:
            task.tune(answers, store, references)
        predictions, ranked = task.predictions(answers, store), task.ranking(answers, store)
        confidence = task.confidence(answers, store)
        if tell is not None:
            tell(task.decode(answers, store))
        if look is not None:
            look(answers, store)
    if engine.has_losses:
        losses.add_up(engine.world)
    judged = Judged({}, answers, store, predictions=predictions, confidence=confidence, losses=losses, ranked=ranked)
    scores = task.score(predictions, references, resamples=resamples, seed=seed)
    if ranked is not None:
        scores |= task.score_ranking(ranked, references, resamples=resamples, seed=seed)
    if engine.has_losses:
        scores |= losses.scores(resamples, seed)
    if confidence is not None:
        if np.isfinite(confidence).all():
            scores |= calibration_scores(confidence, predictions == references, resamples=resamples, seed=seed)
        else:  # of a model whose weights are no numbers
            scores[ECE] = {"value": None, "low": None, "high": None}
    own = _own_scores(metrics, task, judged, predictions, references, resamples, seed) if metrics else {}
    judged.scores = {**scores, **own}
    judged.of_class = {name: label for name, label in task.of_class.items() if name not in own}
    return judged


def better(value: float | None, best: float | None, lower: bool) -> bool:
    """Whether a score is better than the best so far, None where there was none; `lower`: the lower the better. No number never is."""
    if value is None or not np.isfinite(value):
        return False
    return best is None or (value < best if lower else value > best)


class _Predicted:
    """Takes the answers of one window after the other; keeps a prediction a row, as `Task.predictions` gives it."""

    def __init__(self, task: Task, store: TokenStore, tell: Tell | None, look: Look | None = None):
        self.task, self.store, self.tell, self.look = task, store, tell, look
        self._rows = 0
        self._column, self._list = mapped.Column(), list[Any]()
        self.confidence, self.sure = mapped.Column(), False
        self._ranks: mapped.Column | None = mapped.Column()

    def __call__(self, answers: Answers) -> Answers:
        part = window(self.store, self._rows, min(self._rows + WINDOW, len(self.store)))
        self._rows += len(part)
        found = self.task.predictions(answers, part)
        if isinstance(found, np.ndarray):
            self._column.add(found)
        else:
            self._list += found
        if (sure := self.task.confidence(answers, part)) is not None:
            self.confidence.add(sure)
            self.sure = True
        ranked = self.task.ranking(answers, part) if self._ranks is not None else None
        if ranked is None:
            self._ranks = None
        elif self._ranks is not None:
            self._ranks.add(ranked)
        if self.tell is not None:
            self.tell(self.task.decode(answers, part))
        if self.look is not None:
            self.look(answers, part)
            self.look = None
        return answers

    def ranked(self) -> np.ndarray | None:
        """As `Task.ranking` gives it, of all rows."""
        return None if self._ranks is None else self._ranks.done()

    def done(self) -> Any:
        return self._list or self._column.done()


def _own_scores(
    metrics: Sequence[Callable],
    task: Task,
    judged: Judged,
    predictions: Any,
    references: Any,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """The scores of a user's metrics, over the rows that have a prediction."""
    rows = np.array([row for row, one in enumerate(predictions) if one is not None], np.int64)
    said, right = ([task.named(column[row]) for row in rows.tolist()] for column in (predictions, references))
    arrays: tuple[np.ndarray | None, ...] = (None, None)
    if any(map(wants_arrays, metrics)):
        arrays = judged.logits, judged.label_ids
        if len(rows) < len(predictions):
            arrays = tuple(one[rows] for one in arrays if one is not None)
    found: dict[str, Interval] = {}
    for metric in metrics:
        found |= scored_metric(metric, said, right, *arrays, resamples=resamples, seed=seed)
    return found


class Losses:
    """Collects, pack by pack, `sums` and `labels` float64 (rows,): the losses of each row and how many labels they are of."""

    def __init__(self, task: Task, rows: int):
        self.task = task.judging()
        self.sums, self.labels = mapped.zeros((2, rows), np.float64)

    def __call__(self, outputs: Any, pack: Pack) -> None:
        self.add(self.task.losses(outputs, pack), pack)

    def add(self, given: Any, pack: Pack) -> None:
        """Unreduced losses of a pack, as a task gives them."""
        losses = given.float().cpu().numpy().astype(np.float64)
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

    def add_up(self, world: World) -> None:
        """Those of all ranks, on all of them; each row was on one."""
        if world.alone:
            return
        with world.together():  # one that has failed by now adds nothing
            pass
        for block in mapped.spans(self.sums.shape[0]):
            self.sums[block], self.labels[block] = world.added(np.stack([self.sums[block], self.labels[block]]))

    def scores(self, resamples: int = 0, seed: int = 0) -> dict[str, Interval]:
        """{"loss": {"value", "low", "high"}}; the interval is the bootstrap's over rows."""
        return scored_ratio(LOSS, self.sums, self.labels, resamples=resamples, seed=seed)


def _by_sequence(values: np.ndarray, pack: Pack) -> np.ndarray:
    """Values a token, (tokens,) → their sums, (sequences,)."""
    before = np.concatenate([[0.0], np.cumsum(values)])
    starts, lengths = (places.cpu().numpy() for places in (pack.layout.starts, pack.layout.lengths))
    return before[starts + lengths] - before[starts]
