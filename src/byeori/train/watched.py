"""A few validation rows at each evaluation: how what the model gives for them changes, from the answers at hand.

Invariants: the rows are the same at every evaluation of a run, resumed or not; no pass is run for them; a resumed training cuts
the file back as it does history.jsonl. watched.jsonl: {"step", "row", and what the task shows of a row}.

    Watched(task, folder, lambda: loop.step)(answers, store)      # as `evaluate(…, look=…)` calls it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import Answers, spread
from byeori.run import RunFolder

if TYPE_CHECKING:
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore

ROWS = 5
MOST = 40  # evaluations: what a person looks at, not a log
LONGEST = 1_000  # characters of a text


class Watched:
    """Writes the lines of one evaluation."""

    def __init__(self, task: Task, folder: RunFolder, step: Callable[[], int]):
        self.task, self.folder, self.step = task, folder, step
        self.rows: np.ndarray | None = None
        self.done = 0

    def __call__(self, answers: Answers, store: TokenStore) -> None:
        """`store`: the first of the validation rows; its answers."""
        if store.source is None:  # blocks of running text are no rows
            return
        if self.rows is None:
            self.done = len({one["step"] for one in self.folder.lines(self.folder.watched)})  # of a resumed training
            self.rows = self._chosen(answers, store)
        if not len(self.rows) or self.done >= MOST:
            return
        self.done += 1
        few = store.select(self.rows)
        for place, said in enumerate(self.task.decode(of_rows(answers, store, self.rows), few)):
            row = few.row(place)
            shown = self.task.show(row, said, self.task.right_answer(row)) if said is not None else {"prediction": None}
            line = {"step": self.step(), "row": int(self.rows[place]) + 1, **shown}
            self.folder.append(self.folder.watched, short(line))

    def _chosen(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """Evenly among the rows that were answered: of a task that writes, some are not (--eval-max-rows)."""
        every = np.arange(len(store))
        if self.task.generates and not self.task.teacher_forced:
            given = self.task.predictions(answers, store)
            every = np.array([row for row in every.tolist() if given[row] is not None], np.int64)
        if not len(every):
            return every
        return every[np.unique(np.linspace(0, len(every) - 1, min(ROWS, len(every))).round().astype(int))]


def of_rows(answers: Answers, store: TokenStore, rows: np.ndarray) -> Answers:
    """The answers of some rows of a store, as `store.select(rows)` has their sequences."""
    sequences = store.sequences_of(rows)
    if answers.offsets is None:
        return Answers(answers.values[sequences])
    lengths = np.diff(answers.offsets)[sequences]
    values = answers.values[spread(answers.offsets[sequences], lengths)]
    return Answers(values, np.concatenate([[0], np.cumsum(lengths)]))


def short(value: Any) -> Any:
    """The same with long texts cut."""
    if isinstance(value, dict):
        return {name: short(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [short(one) for one in value]
    return value[:LONGEST] + "…" if isinstance(value, str) and len(value) > LONGEST else value
