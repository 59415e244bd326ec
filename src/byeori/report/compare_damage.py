"""Predictions that no run writes, as a hand or a broken disk leaves them: which file, and which row of it.

Invariant: rows are looked at one by one only where all together could not be scored, so that a whole run pays nothing for it.

    as_written(run, "test", lambda: task.scored_again(run.lines))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from byeori.errors import DataError, ModelError, SettingError
from byeori.predict.measured import path_of
from byeori.report.compare_runs import Compared
from byeori.run import RunFolder
from byeori.tasks import Task

T = TypeVar("T")
ODD = (KeyError, IndexError, TypeError, ValueError, AttributeError)  # DataError is a ValueError


def as_written(run: Compared, part: str, read: Callable[[], T]) -> T:
    """What a run's lines say. Raises ModelError where they hold what no run of the task writes."""
    try:
        return read()
    except SettingError:  # of an own task, which can't say its predictions again: nothing is damaged
        raise
    except ODD as error:
        folder = RunFolder(run.path).predictions
        place = str(folder / f"{part}.jsonl")
        if run.measured:
            place += f" or {path_of(folder, part).name} beside it"
        row = _first_odd(run)
        said = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        raise ModelError(
            f"{place}{'' if row is None else f', row {row:,}'}: the predictions are damaged, or of another version: they aren't those of "
            f"{run.task.name} ({said.rstrip('.')}). Score the model again with `byeori evaluate {run.path}/model DATA --output FOLDER` and "
            f"compare that."
        ) from error


def score_alone(task: Task, lines: list[dict[str, Any]]) -> None:
    """Score rows of one run; those it has no prediction of are left out."""
    said, right = task.scored_again(lines)
    if isinstance(said, list):
        there = [row for row, one in enumerate(said) if one is not None]
        said, right = [said[row] for row in there], [right[row] for row in there]
    if len(said):
        task.score(said, right)


def _first_odd(run: Compared) -> int | None:
    """The first row that can't be scored by itself, counted from 1; None where that tells nothing, since none can or all can."""
    odd = [row for row, line in enumerate(run.lines, 1) if not _scores(run.task, line)]
    return odd[0] if 0 < len(odd) < len(run.lines) else None


def _scores(task: Task, line: dict[str, Any]) -> bool:
    try:
        score_alone(task, [line])
    except ODD:
        return False
    return True
