"""Going on with a training that was cut: what of it a checkpoint holds beside weights, and how it is taken up again.

Invariants: a resumed training takes the rows that are left in the order they would have come, so another batch size,
seed or data is refused, other maths is told; history and samples are cut back to the checkpoint, so that what came after
it comes again, once.

    checkpoint.save(folder / "step-00000200", …, state(loop)); …; check(loop); go_on(loop)
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.models.packed import unwrapped
from byeori.run import read_json
from byeori.settings import Adapters
from byeori.train import checkpoint

if TYPE_CHECKING:
    from byeori.train.loop import Loop

# Settings a resumed training must share with its checkpoint, and those that may change but are told.
ORDER = ("batch_size", "order", "seed", "max_length", "truncation")
TRAINS = tuple(field.name for field in dataclasses.fields(Adapters) if field.name != "merge_adapter")
MATHS = (
    "epochs", "max_steps", "learning_rate", "schedule", "warmup_ratio", "warmup_steps", "weight_decay", "max_grad_norm",
    "adam_beta1", "adam_beta2", "adam_epsilon", "precision", "pack_tokens", "threads", "best_metric", "early_stopping",
)  # fmt: skip


def state(loop: Loop) -> dict[str, Any]:
    """All of a loop that is neither weights nor optimizer: JSON-ready."""
    folder = loop.folder
    return {
        "format": 1, "settings": _settings(loop), "step": loop.step, "best": loop.best, "worse": loop.worse,
        "metrics": loop.metrics, **loop.account.state(), "scaler": loop.scaler.state_dict(),
        "history": len(folder.lines(folder.history)), "samples": len(folder.lines(folder.samples)),
        "hooks": {f"{i}.{type(hook).__name__}": hook.state() for i, hook in enumerate(loop.hooks)},
    }  # fmt: skip


def check(loop: Loop) -> None:
    """Before anything is written: has the checkpoint to go on from, if there is one, this order of rows?

    Raises SettingError; says it where only the maths is another.
    """
    place = checkpoint.last(loop.folder.checkpoints) if loop.settings.resume else None
    if place is None:
        return
    made, now = checkpoint.settings(place), _settings(loop)
    if made and "data" not in made and loop.settings.order == "grouped":
        raise SettingError(
            f"{place}: this checkpoint was made by an earlier version, whose batches were others. Start anew with --overwrite."
        )
    other = {name: f"{name} {made[name]} → {now.get(name)}" for name in made if made[name] != now.get(name)}
    if changed := [other[name] for name in TRAINS if name in other]:
        raise SettingError(
            f"{place}: this checkpoint was made with other weights training ({', '.join(changed)}). Resume with what it began with, or "
            f"start anew with --overwrite."
        )
    if {"rows", "data", *ORDER} & set(other):
        raise SettingError(
            f"{place}: this checkpoint was made with other rows or another order of them ({', '.join(other.values())}). "
            f"Resume with the data and settings it began with, or start anew with --overwrite."
        )
    if other:
        loop.progress.note(f"Other settings than before: {', '.join(other.values())}.")


def go_on(loop: Loop) -> None:
    """Put the newest whole checkpoint into the loop; without one it stays at step 0, and that is said."""
    folder = loop.folder
    place = checkpoint.last(folder.checkpoints)
    if place is None:
        loop.progress.note("No whole checkpoint in the folder: training starts at step 0.")
        for path in (folder.history, folder.samples):
            path.unlink(missing_ok=True)
        return
    found = checkpoint.load(place, unwrapped(loop.model), loop.optimizer.optimizer, loop.schedule, loop.compact)
    loop.step, loop.best, loop.worse, loop.metrics = found["step"], found["best"], found["worse"], found["metrics"]
    # Where another score chooses now, or model/ is of an evaluation after the checkpoint, the first one to come is the best.
    kept = read_json(folder.model / "byeori.json").get("step") if folder.has_model else None
    if loop.best is not None and (
        loop.best["metric"] not in (None, loop.headline) or kept not in (None, loop.best["step"])
    ):
        loop.best, loop.worse = None, 0
    loop.account.restore(found)
    if found["scaler"]:  # of float16 alone
        loop.scaler.load_state_dict(found["scaler"])
    _cut(folder.history, found["history"])
    _cut(folder.samples, found["samples"])
    absent = set(found["hooks"]) - {f"{i}.{type(hook).__name__}" for i, hook in enumerate(loop.hooks)}
    if absent:
        loop.progress.note(f"Hooks that were there before and are not now: {', '.join(sorted(absent))}.")
    for i, hook in enumerate(loop.hooks):
        hook.restore(found["hooks"].get(f"{i}.{type(hook).__name__}", {}))
    loop.progress.note(f"Going on from {place.name}, step {loop.step} of {loop.steps}.")


def _settings(loop: Loop) -> dict[str, Any]:
    """What a checkpoint was made with: another order of rows would train some twice and some never."""
    own = dataclasses.asdict(loop.task.settings)
    return {
        "rows": len(loop.store),
        "data": loop.store.digest,
        **{name: getattr(loop.settings, name) for name in (*ORDER, *MATHS, *TRAINS)},
        **own,
    }


def _cut(path: Path, lines: int) -> None:
    """Only the first so many lines stay."""
    if path.is_file():
        kept = path.read_bytes().split(b"\n")[:lines]  # bytes: what the lines hold is left as it is
        path.write_bytes(b"".join(line + b"\n" for line in kept))
