"""Going on with a training that was cut: what of it a checkpoint holds beside weights, and how it is taken up again.

Invariants: a resumed training takes the rows that are left in the order they would have come; what changed since is named, and
refused unless it is accepted; history and samples are cut back to the checkpoint, so that what came after it comes again, once.

    keeper.save(step, lambda held: checkpoint.snapshot(…, state(loop), held)); …; check(loop); go_on(loop)
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.models.packed import unwrapped
from byeori.run import dumps, read_json
from byeori.settings import Adapters, plain
from byeori.train import checkpoint

if TYPE_CHECKING:
    from byeori.train.loop import Loop

# What a resumed training shares with its checkpoint: which rows come, what trains, how weights move and the best is chosen. What the
# machine decides is only told: it moves numbers by rounding.
ORDER = ("batch_size", "order", "seed", "max_length", "truncation")
TRAINS = tuple(field.name for field in dataclasses.fields(Adapters) if field.name != "merge_adapter")
MATHS = (
    "epochs", "max_steps", "learning_rate", "schedule", "warmup_ratio", "warmup_steps", "weight_decay", "max_grad_norm",
    "adam_beta1", "adam_beta2", "adam_epsilon", "precision", "best_metric", "early_stopping", "evaluate_every",
)  # fmt: skip
TOLD = ("pack_tokens", "pad_to", "threads", "on_nan")


def state(loop: Loop) -> dict[str, Any]:
    """All of a loop that is neither weights nor optimizer: JSON-ready."""
    folder = loop.folder
    for hook in loop.hooks:
        try:
            dumps(hook.state())
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"hooks: what {type(hook).__name__}.state() gives can't be written as JSON ({error})."
            ) from error
    found = {
        "format": checkpoint.FORMAT, "settings": settings(loop), "step": loop.step, "best": loop.best, "worse": loop.worse,
        "metrics": loop.metrics, **loop.account.state(), "scaler": loop.scaler.state_dict(), "short": loop.short,
        "watched": loop.sentinel.state(),
        "written": {name: folder.length(getattr(folder, name)) for name in ("history", "samples", "watched")},
        "stopped": loop.stopped, "ranks": loop.world.size, "resumed": loop.resumed,
        "hooks": {f"{i}.{type(hook).__name__}": hook.state() for i, hook in enumerate(loop.hooks)},
    }  # fmt: skip
    return json.loads(dumps(found))  # of this moment: the training goes on while it is written


def check(loop: Loop) -> None:
    """Before anything is written: the checkpoint to go on from, if there is one, and whether this is the same training.

    Raises SettingError; says it where only the machine's part is another, or a change is accepted.
    """
    if not loop.settings.resume:
        return
    place = checkpoint.newest(loop.folder.checkpoints, loop.progress.note) if loop.world.main else None
    if found := loop.world.texts(place.name if place is not None else "")[0]:
        loop.begins_at = loop.folder.checkpoints / found
    place = loop.begins_at
    if place is None:
        return
    made, now = checkpoint.state_of(place)["settings"], settings(loop)
    other = {name: f"{name} {made[name]} → {now.get(name)}" for name in made if made[name] != now.get(name)}
    if changed := [other[name] for name in TRAINS if name in other]:
        raise SettingError(
            f"{place}: this checkpoint was made with other weights training ({', '.join(changed)}). Resume with what it began with, or "
            f"start anew with --overwrite."
        )
    refused = [said for name, said in other.items() if name not in TOLD]
    if refused and not loop.settings.accept_changes:
        rows = {"rows", "data", *ORDER} & set(other)
        raise SettingError(
            f"{place}: this checkpoint was made with other {'rows, or another order of them' if rows else 'settings'} "
            f"({', '.join(refused)}). Resume with the data and settings it began with, go on with these by --accept-changes, or start anew "
            f"with --overwrite."
        )
    if other:
        loop.progress.note(f"Other settings than before: {', '.join(other.values())}.")


def go_on(loop: Loop) -> None:
    """Put the checkpoint that `check` found into the loop; without one it stays at step 0, and that is said."""
    folder, place = loop.folder, loop.begins_at
    if place is None:
        loop.progress.note("No whole checkpoint in the folder: training starts at step 0.")
        for path in (folder.history, folder.samples, folder.watched) if loop.world.main else ():
            path.unlink(missing_ok=True)
        return
    found = take_up(loop, place)
    # Where another score chooses now, or model/ is of an evaluation after the checkpoint, the first one to come is the best.
    kept = read_json(folder.model / "byeori.json").get("step") if folder.has_model else None
    if loop.best is not None and (
        loop.best["metric"] not in (None, loop.headline) or kept not in (None, loop.best["step"])
    ):
        loop.best, loop.worse = None, 0
    if not loop.world.main:
        return
    for name in ("history", "samples", "watched"):
        folder.cut(getattr(folder, name), found["written"][name])
    absent = set(found["hooks"]) - {f"{i}.{type(hook).__name__}" for i, hook in enumerate(loop.hooks)}
    if absent:
        loop.progress.note(f"Hooks that were there before and are not now: {', '.join(sorted(absent))}.")
    loop.progress.note(f"Going on from {place.name}, step {loop.step} of {loop.steps}.")


def take_up(loop: Loop, place: Path) -> dict[str, Any]:
    """Make a loop what it was at a checkpoint; returns its state. Nothing is written."""
    found = checkpoint.load(
        place, unwrapped(loop.model), loop.optimizer.optimizer, loop.schedule, loop.compact, loop.world
    )
    loop.step, loop.best, loop.worse, loop.metrics = found["step"], found["best"], found["worse"], found["metrics"]
    loop.stopped = found["stopped"]
    loop.resumed = [*found.get("resumed", []), loop.step]
    loop.account.restore(found)
    loop.sentinel.restore(found["watched"])
    if found["scaler"]:  # of float16 alone
        loop.scaler.load_state_dict(found["scaler"])
    if found["short"] is not None:
        loop.shorten(found["short"])
    for i, hook in enumerate(loop.hooks):
        if (name := f"{i}.{type(hook).__name__}") in found["hooks"]:  # else it is new
            hook.restore(found["hooks"][name])
    return found


def settings(loop: Loop) -> dict[str, Any]:
    """What a checkpoint was made with: another order of rows would train some twice and some never."""
    own = dataclasses.asdict(loop.task.settings)
    values = {
        "rows": len(loop.store),
        "data": loop.store.digest,
        **{name: getattr(loop.settings, name) for name in (*ORDER, *MATHS, *TOLD, *TRAINS)},
        **own,
    }
    # As a checkpoint has them, so that what is alike is found to be.
    return json.loads(dumps({name: plain(value) if value is not None else None for name, value in values.items()}))
