"""The training loop: batches → losses, summed over an update and divided once → AdamW → evaluations → the best model.

Invariants: the order and the packs follow from settings and data alone; a pack's losses are summed and scaled by one over
the labels of the whole update, so that the number of packs changes nothing but rounding; `model/` is the best by the
headline validation score (a tie: the earlier); the clock of `training.seconds` runs from the fetch of the first batch to
the last update, without evaluations and checkpoints.

    loop = Loop(task, model, tokenizer, store, settings, folder=RunFolder("run")); result = loop.run()
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.batches.loader import Batch, Packing
from byeori.batches.order import Order
from byeori.batches.pack import Pack
from byeori.errors import SettingError, TrainingError
from byeori.models import embedding
from byeori.models.device import autocast
from byeori.models.packed import runner, unwrapped
from byeori.predict.model_folder import save_model
from byeori.train import checkpoint
from byeori.train.hooks import Hook
from byeori.train.interrupt import asked_to_stop
from byeori.train.optimize import adamw, schedule_for, total_steps
from byeori.train.progress import Progress, peak_memory_mb

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.engine import Engine
    from byeori.predict.evaluate import Judged
    from byeori.run import RunFolder
    from byeori.settings import Train
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore


# Batches of 32 make a quarter of the updates of the tutorials' 8: on a few thousand rows their rate is too low for them.
FEW_UPDATES, FEW_RATE = 300, 5e-5

# Settings a resumed training must share with its checkpoint, and those that may change but are told.
ORDER = ("batch_size", "order", "seed", "max_length", "truncation")
MATHS = (
    "epochs", "max_steps", "learning_rate", "schedule", "warmup_ratio", "warmup_steps", "weight_decay", "max_grad_norm",
    "adam_beta1", "adam_beta2", "adam_epsilon", "precision", "pack_tokens", "threads", "best_metric", "early_stopping",
)  # fmt: skip


@dataclass
class Clock:
    """Seconds by what they were spent on."""

    spent: dict[str, float] = field(default_factory=dict)
    since: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> float:
        now = time.perf_counter()
        taken, self.since = now - self.since, now
        self.spent[name] = self.spent.get(name, 0.0) + taken
        return taken


class Loop:
    """One training. Hooks get it as `run`: `step`, `steps`, `epoch`, `loss`, `metrics`, `samples()`, `stop()`, `save()`."""

    def __init__(
        self,
        task: Task,
        model: Any,
        tokenizer: Any,
        store: TokenStore,
        settings: Train,
        *,
        engine: Engine,
        packing: Packing,
        rows: Rows | None = None,
        validation: Callable[[], Judged] | None = None,
        hooks: Sequence[Hook] = (),
        folder: RunFolder,
        decoding: dict[str, Any],
        progress: Progress,
    ):
        from accelerate import Accelerator

        self.task, self.tokenizer, self.store, self.settings = task, tokenizer, store, settings
        self.engine, self.packing, self.rows, self.validation = engine, packing, rows, validation
        self.hooks, self.folder, self.decoding, self.progress = list(hooks), folder, decoding, progress
        self.device, self.precision = engine.device, engine.precision
        self.accelerator = Accelerator(cpu=self.device.type == "cpu")
        if self.accelerator.num_processes > 1:
            raise SettingError("training on several processes is not there yet. Start one process.")
        torch.manual_seed(settings.seed)
        used = embedding.used_ids(store, model.get_input_embeddings().num_embeddings, int(store.pad["input_ids"]))
        self.compact = embedding.use_rows(model, used)
        self.model: Any
        self.optimizer: Any  # accelerate's, around ours
        self.model, self.optimizer = self.accelerator.prepare(model, adamw(model, settings))
        self.order = Order(len(store), settings.batch_size, settings.seed, settings.order, store.lengths)
        self.steps = total_steps(settings, self.order.steps)
        self.schedule = schedule_for(self.optimizer.optimizer, settings, self.steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
        self.log_every = settings.log_every or max(1, self.steps // 100)
        self.preview_every = settings.preview_every or max(1, min(500, self.steps // 10))
        every = settings.evaluate_every
        self.evaluate_every = {"epoch": self.order.steps, "end": self.steps}[every] if isinstance(every, str) else every

        self.step = 0  # updates done
        self.loss = math.nan  # mean over the last update
        self.metrics: dict[str, Any] = {}
        self.best: dict[str, Any] | None = None  # {"step", "value"}
        self.worse = 0  # evaluations since the best one
        self.stopped: str | None = None
        self.clock = Clock()
        self.done = {"rows": 0, "tokens": 0, "computed": 0}
        self._window = {"loss": 0.0, "steps": 0, "tokens": 0, "rows": 0, "norm": 0.0, "seconds": 0.0}
        self._save_wanted = False

    # what hooks use ---------------------------------------------------------------------------------------------
    @property
    def epoch(self) -> float:
        """Passes over the rows so far."""
        return self.step / self.order.steps

    def stop(self, reason: str) -> None:
        """End the training after this update."""
        self.stopped = reason

    def save(self) -> None:
        """Write a checkpoint after this update."""
        self._save_wanted = True

    def samples(self, pack: Pack, outputs: Any, most: int) -> list[dict[str, Any]]:
        """At most so many rows of a pack, short and long ones, beside their predictions and labels, from outputs at hand."""
        places = np.unique(np.linspace(0, len(pack) - 1, min(most, len(pack))).round().astype(int))
        logits = outputs.logits.detach().float().cpu().numpy()[places]
        labels = pack.labels.detach().cpu().numpy()
        found = []
        for place, prediction in zip(places, self.task.decode(logits), strict=True):
            row = int(pack.rows[place])
            found.append(self.task.show(self._inputs(row, pack, place), prediction, self.task.named(labels[place])))
        return found

    def _inputs(self, row: int, pack: Pack, place: int) -> dict[str, Any]:
        if self.rows is not None and "input_ids" not in self.rows.table.column_names:
            return self.rows.table[row]
        start, length = int(pack.layout.starts[place]), int(pack.layout.lengths[place])
        return {"text": self.tokenizer.decode(pack.input_ids[start : start + length], skip_special_tokens=True)}

    # the loop ---------------------------------------------------------------------------------------------------
    def run(self) -> dict[str, Any]:
        """Train to the end; returns what metrics.json says under "training".

        Raises TrainingError; KeyboardInterrupt after a checkpoint, where Ctrl-C or SIGTERM came.
        """
        if self.settings.resume:
            self._resume()
        self._tell("train_start")
        if self.steps < FEW_UPDATES and self.settings.learning_rate <= FEW_RATE:
            self.progress.note(
                f"{self.steps} updates in all: with so few, a higher --learning-rate (1e-4), a smaller --batch-size or more "
                f"--epochs often scores better."
            )
        self.progress.start(self.steps, self.step)
        self.model.train()
        self.clock.since = time.perf_counter()  # `spent` stays: a resumed training has spent some
        try:
            with asked_to_stop() as asked:
                while self.step < self.steps and self.stopped is None:
                    epoch, place = divmod(self.step, self.order.steps)
                    rows = self.order.batch(epoch, place)
                    batch = Batch(self.store, rows, self.packing, self.device)
                    pack, outputs = self._update(batch, epoch)
                    self._after(pack, outputs)
                    if asked() and self.step < self.steps:
                        self._interrupted()
            if self.best is None:  # no update at all: the model as it came
                self._evaluate()
        finally:
            self.progress.stop()
        self._tell("train_end")
        self.accelerator.unwrap_model(self.model)
        embedding.restore(unwrapped(self.model))
        return self._result()

    def _update(self, batch: Batch, epoch: int) -> tuple[Pack, Any]:
        """One optimizer step: summed losses of its packs, one division, clipping."""
        total: torch.Tensor | float = 0.0
        pack = outputs = None
        for pack in batch:
            pack = self.task.draw(pack, self.settings.seed, epoch)
            with autocast(self.precision, self.device):
                outputs = self.task.outputs(self.model, pack)
            loss = self.task.loss(outputs, pack).sum() * batch.scale
            self.accelerator.backward(self.scaler.scale(loss))
            total = total + loss.detach()
            self.done["tokens"] += pack.tokens
            self.done["computed"] += pack.computed
            self._window["tokens"] += pack.tokens
        assert pack is not None and outputs is not None
        self.scaler.unscale_(self.optimizer.optimizer)
        limit = self.settings.max_grad_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit, foreach=True)
        self.loss = float(total)
        if not math.isfinite(self.loss) or (not torch.isfinite(norm) and not self.scaler.is_enabled()):
            self._not_a_number(batch, float(norm))
        self.scaler.step(self.optimizer.optimizer)
        self.scaler.update()
        if self.compact is not None:
            rate, decay = self.schedule.get_last_lr()[0], self.settings.weight_decay
            self.compact.stepped(rate * decay)
        self.schedule.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.done["rows"] += len(batch.rows)
        self._window["loss"] += self.loss
        self._window["norm"] += float(norm)
        self._window["rows"] += len(batch.rows)
        self._window["steps"] += 1
        return pack, SimpleNamespace(**{k: v.detach() if torch.is_tensor(v) else v for k, v in vars(outputs).items()})

    def _after(self, pack: Pack, outputs: Any) -> None:
        """All that follows an update: history, samples, hooks, evaluation, checkpoint."""
        self._window["seconds"] += self.clock.lap("training")
        last = self.step == self.steps
        self._tell("step_end", pack, outputs)
        last = last or self.stopped is not None
        if self.step % self.log_every == 0 or last:
            self._log()
        if self.settings.previews and (self.step % self.preview_every == 0 or last):
            samples = self.samples(pack, outputs, self.settings.previews)
            for sample in samples:
                self.folder.append(self.folder.samples, {"step": self.step, **sample})
            self.progress.samples(self.step, samples)
            self._tell("preview", samples)
        self.progress.step(self.step, self.loss)
        self.clock.lap("watching")
        if self.step % self.evaluate_every == 0 or last:
            self._evaluate()
        every = self.settings.checkpoint_every
        if self._save_wanted or (every and self.step % every == 0 and not last):
            self._checkpoint()
        self.clock.lap("watching")

    def _log(self) -> None:
        window = self._window
        if not window["steps"]:
            return
        record = {
            "step": self.step,
            "epoch": round(self.epoch, 4),
            "loss": window["loss"] / window["steps"],
            "grad_norm": window["norm"] / window["steps"],
            "learning_rate": self.schedule.get_last_lr()[0],
            "examples_per_second": window["rows"] / max(window["seconds"], 1e-9),
            "tokens_per_second": window["tokens"] / max(window["seconds"], 1e-9),
            "memory_mb": peak_memory_mb(self.device),
            "seconds": self.clock.spent.get("training", 0.0),
        }
        self.folder.append(self.folder.history, record)
        self.progress.log(record)
        self._window = dict.fromkeys(window, 0.0)

    def _evaluate(self) -> None:
        """Score the validation rows; keep the model if it is the best so far."""
        if self.best is not None and self.best["step"] == self.step:
            return
        name = self.settings.best_metric or self.task.best
        if self.validation is None:
            self.best = {"step": self.step, "value": None, "metric": None}
            self._keep()
            return
        judged = self.validation()
        self.metrics = judged.values
        seconds = self.clock.lap("evaluate")
        if name not in self.metrics:
            raise SettingError(f"best_metric={name!r}: the scores here are {', '.join(self.metrics)}.")
        value = self.metrics[name]
        record = {"step": self.step, "epoch": round(self.epoch, 4), "validation": self.metrics, "seconds": seconds}
        self.folder.append(self.folder.history, record)
        better = self.best is None or _better(value, self.best["value"], name in self.task.lower_is_better)
        if better:
            self.best, self.worse = {"step": self.step, "value": value, "metric": name}, 0
            self._keep()
        else:
            self.worse += 1
        self.progress.evaluation(record, better)
        self._tell("evaluate_end", self.metrics)
        patience = self.settings.early_stopping
        if patience and self.worse >= patience and self.stopped is None:
            self.stop(f"{name} has not risen for {patience} evaluations")
        self.model.train()

    def _keep(self) -> None:
        self._save_model()
        self.clock.lap("checkpoint")

    def _save_model(self) -> None:
        save_model(self.folder.model, unwrapped(self.model), self.tokenizer, self.task, self.decoding)

    def _checkpoint(self) -> None:
        self._save_wanted = False
        place = self.folder.checkpoints / checkpoint.name(self.step)
        checkpoint.save(place, unwrapped(self.model), self.optimizer.optimizer, self.schedule, self._state())
        self._tell("save", place)
        self.clock.lap("checkpoint")

    def _interrupted(self) -> None:
        self._checkpoint()
        self.progress.note(f"Stopped at step {self.step} of {self.steps}; --resume goes on from there.")
        raise KeyboardInterrupt

    def _state(self) -> dict[str, Any]:
        return {
            "format": 1, "settings": self._settings(), "step": self.step, "best": self.best, "worse": self.worse, "metrics": self.metrics,
            "done": self.done, "window": self._window, "seconds": self.clock.spent, "scaler": self.scaler.state_dict(),
            "history": len(self.folder.lines(self.folder.history)), "samples": len(self.folder.lines(self.folder.samples)),
            "hooks": {f"{i}.{type(h).__name__}": h.state() for i, h in enumerate(self.hooks)},
        }  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        """What a checkpoint was made with: another order of rows would train some twice and some never."""
        own = dataclasses.asdict(self.task.settings)
        return {"rows": len(self.store), **{name: getattr(self.settings, name) for name in (*ORDER, *MATHS)}, **own}

    def _same_settings(self, place: Path, made: dict[str, Any]) -> None:
        """Raises SettingError where the order would be another, says so where only the maths is."""
        now = self._settings()
        other = {name: f"{name} {made[name]} → {now[name]}" for name in made if made[name] != now.get(name)}
        if {"rows", *ORDER} & set(other):
            raise SettingError(
                f"{place}: this checkpoint was made with other rows or another order of them ({', '.join(other.values())}). "
                f"Resume with the data and settings it began with, or start anew with --overwrite."
            )
        if other:
            self.progress.note(f"Other settings than before: {', '.join(other.values())}.")

    def check_resume(self) -> None:
        """Before anything is written: whether the checkpoint to resume from, if there is one, has this order of rows."""
        place = checkpoint.last(self.folder.checkpoints) if self.settings.resume else None
        if place is not None:
            self._same_settings(place, checkpoint.settings(place))

    def _resume(self) -> None:
        place = checkpoint.last(self.folder.checkpoints)
        if place is None:
            self.progress.note("No whole checkpoint in the folder: training starts at step 0.")
            for path in (self.folder.history, self.folder.samples):
                path.unlink(missing_ok=True)
            return
        state = checkpoint.load(place, unwrapped(self.model), self.optimizer.optimizer, self.schedule, self.compact)
        self.step, self.best, self.worse, self.metrics = state["step"], state["best"], state["worse"], state["metrics"]
        if self.best is not None and self.best["metric"] not in (None, self.settings.best_metric or self.task.best):
            self.best, self.worse = (
                None,
                0,
            )  # another score chooses now: the first evaluation to come is the best so far
        self.done, self._window, self.clock.spent = state["done"], state["window"], state["seconds"]
        self.scaler.load_state_dict(state["scaler"])
        for path, count in ((self.folder.history, state["history"]), (self.folder.samples, state["samples"])):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
            path.write_text("".join(lines[:count]), encoding="utf-8")  # what came after the checkpoint comes again
        absent = set(state["hooks"]) - {f"{i}.{type(hook).__name__}" for i, hook in enumerate(self.hooks)}
        if absent:
            self.progress.note(f"Hooks that were there before and are not now: {', '.join(sorted(absent))}.")
        for i, hook in enumerate(self.hooks):
            hook.restore(state["hooks"].get(f"{i}.{type(hook).__name__}", {}))
        self.progress.note(f"Going on from {place.name}, step {self.step} of {self.steps}.")

    def _tell(self, event: str, *arguments: Any) -> None:
        for hook in self.hooks:
            getattr(hook, event)(self, *arguments)

    def _not_a_number(self, batch: Batch, norm: float) -> None:
        rows = [int(r) for r in batch.rows[:5]]
        where = ", ".join(self.rows.origin.where(r) for r in rows) if self.rows is not None else f"rows {rows}"
        what = f"the loss is {self.loss}" if not math.isfinite(self.loss) else f"the gradient's norm is {norm}"
        raise TrainingError(
            f"step {self.step + 1}: {what} at learning rate {self.schedule.get_last_lr()[0]:.2e}. Its {len(batch.rows)} rows begin "
            f"with {where}. The usual causes: a learning rate too high (try --learning-rate {self.settings.learning_rate / 10:g}), "
            f"float16 (try --precision float32), a weight that was already not a number in the checkpoint."
        )

    def _result(self) -> dict[str, Any]:
        seconds = self.clock.spent.get("training", 0.0)
        return {
            "seconds": seconds,
            "steps": self.step,
            "epochs": round(self.epoch, 4),
            "examples_per_second": self.done["rows"] / max(seconds, 1e-9),
            "tokens_per_second": self.done["tokens"] / max(seconds, 1e-9),
            "padding": 1 - self.done["tokens"] / max(1, self.done["computed"]),
            "peak_memory_mb": peak_memory_mb(self.device),
            "evaluate_seconds": self.clock.spent.get("evaluate", 0.0),
            "checkpoint_seconds": self.clock.spent.get("checkpoint", 0.0),
            "best": self.best,
            "stopped": self.stopped,
            "packed": runner(self.model).packs,
        }


def _better(value: float | None, best: float | None, lower: bool) -> bool:
    if value is None or not np.isfinite(value):
        return False
    return best is None or (value < best if lower else value > best)
