"""One step of a finished or cut training run again: its rows, its losses, its gradient's norm.

Invariants: the step is made of the same rows, weights and random numbers as then, from the newest sound checkpoint before it (or from
the beginning), but for the random numbers of a training on several ranks, which are not one process's, and that is said; nothing is
written into the run.

    found = replay("run", 200); found["loss"], found["rows"][0]
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.predict.evaluate import Losses
from byeori.run import RunFolder, read_json
from byeori.settings import load_yaml

if TYPE_CHECKING:
    from byeori.tasks.base import Task
    from byeori.train.loop import Loop
    from byeori.train.progress import Progress

LONG = 300  # characters of a text that are shown


def settings_of(run: str | Path) -> dict[str, Any]:
    """What a run was trained with. Raises SettingError for a folder that holds no run."""
    folder = RunFolder(run)
    if not folder.settings.is_file():
        raise SettingError(
            f"{folder.path}: there is no settings.yaml in it, so it is no run whose steps could be run again."
        )
    return load_yaml(folder.settings)


def replay(run: str | Path, settings: Any, task: Task, step: int, progress: Progress) -> dict[str, Any]:
    """{"step", "loss", "grad_norm", "learning_rate", "from": step of the checkpoint, "rows": […]}; rows with the largest loss first, where
    losses are a row's own: {"row", "where", "loss", "labels", "input"}.

    Raises SettingError for a step the training doesn't have, or settings that gave other ones; DataError, ModelError as a training.
    """
    from byeori.train import checkpoint, resume
    from byeori.train.accelerator import given_back
    from byeori.train.loop import Loop
    from byeori.train.prepare import prepare

    folder = RunFolder(run)
    quiet = dataclasses.replace(
        settings, previews=0, baselines=False, resume=False, overwrite=False, checkpoint_every=None, evaluate_every="end",
        tracker="none", output=str(folder.path),
    )  # fmt: skip
    ready = prepare(quiet, task, progress)
    with given_back(), tempfile.TemporaryDirectory() as scratch:
        loop = Loop(
            task, ready.loaded.model, ready.loaded.tokenizer, ready.stores["train"], ready.settings, engine=ready.engine,
            packing=ready.packing, rows=ready.rows["train"], folder=RunFolder(scratch), decoding=ready.decoding, progress=progress,
        )  # fmt: skip
        try:
            if not 1 <= step <= loop.steps:
                raise SettingError(f"step={step}: the training has {loop.steps} steps, counted from 1.")
            place = checkpoint.newest(folder.checkpoints, progress.note, before=step)
            if place is not None:
                made = checkpoint.state_of(place)["settings"]
                now = resume.settings(loop)
                other = [
                    f"{n} {made[n]} → {now.get(n)}"
                    for n in ("rows", "data", "batch_size", "seed", "order")
                    if made[n] != now.get(n)
                ]
                if other:
                    raise SettingError(
                        f"{place}: it was made with other rows ({', '.join(other)}), so the step would be another one. Put the data back "
                        f"as it was."
                    )
                resume.take_up(loop, place)
            if (ranks := _ranks(folder, place)) > 1:
                progress.note(
                    f"{ranks} ranks trained it, each with dropout of its own: rows are those of then, losses those of other dropout."
                )
            progress.note(
                f"From {place.name if place is not None else 'the beginning'}; {step - loop.step} updates to step {step}."
            )
            return {"from": loop.step, **_run(loop, step)}
        finally:
            loop.release()


def _ranks(folder: RunFolder, place: Path | None) -> int:
    """How many processes trained a run, as far as its folder tells."""
    from byeori.train import checkpoint

    told = read_json(folder.metrics)["training"] if folder.finished else {}
    return int((checkpoint.state_of(place) if place is not None else told).get("ranks", 1))


def _run(loop: Loop, step: int) -> dict[str, Any]:
    """Updates up to the one asked for, whose losses are kept row by row."""
    found: dict[str, Any] = {}
    judged, inner = Losses(loop.task, len(loop.store)), loop.task.losses

    def watched(outputs: Any, pack: Any) -> Any:
        made = inner(outputs, pack)
        if loop.step == step - 1:
            judged.add(made.detach(), pack)
        return made

    def told(update: Any) -> bool:
        if update.step == step:
            found.update(step=step, loss=update.loss, grad_norm=update.norm, learning_rate=update.rate)
            rows = [_row(loop, int(row), judged) for row in update.batch.update]
            # What is no number comes first, then what is largest.
            found["rows"] = sorted(rows, key=lambda one: -one["loss"] if math.isfinite(one["loss"]) else -math.inf)
            return True
        left_out = loop.settings.on_nan == "skip" and not (math.isfinite(update.loss) and math.isfinite(update.norm))
        return left_out and not loop.scaler.is_enabled()

    loop.stepper.told = told
    vars(loop.task)["losses"] = watched
    try:
        loop.advance(step)
    finally:
        del vars(loop.task)["losses"]
    return found


def _row(loop: Loop, row: int, judged: Losses) -> dict[str, Any]:
    values = {role: value for role, value in loop.store.row(row).items() if role in loop.task.roles}
    labels = int(judged.labels[row])
    return {
        "row": row, "where": loop.where(row), "loss": float(judged.sums[row]) / max(1, labels), "labels": labels,
        "input": {role: value[:LONG] if isinstance(value, str) else value for role, value in values.items()},
    }  # fmt: skip
