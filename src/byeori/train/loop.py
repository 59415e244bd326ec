"""The training loop: batches → losses, summed over an update and divided once → AdamW → evaluations → the best model.

Invariants: the order and the packs follow from settings and data alone; a pack's losses are summed and scaled by one over
the labels of the whole update, so that the number of packs changes nothing but rounding; `model/` is the best by the
headline validation score (a tie: the earlier); the clock of `training.seconds` runs from the fetch of the first batch to
the last update, without evaluations and checkpoints.

    loop = Loop(task, model, tokenizer, store, settings, folder=RunFolder("run")); result = loop.run()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from byeori.batches.loader import Batch, Packing
from byeori.batches.order import Order
from byeori.batches.pack import Pack
from byeori.errors import SettingError, TrainingError
from byeori.models import embedding
from byeori.models.checks import place_of
from byeori.models.device import asynchronous, failure, lost
from byeori.models.packed import runner, unwrapped
from byeori.predict.evaluate import better
from byeori.predict.model_folder import save_model
from byeori.text.ahead import ahead
from byeori.train import checkpoint, partial, previews, resume
from byeori.train.accelerator import accelerator_for, running
from byeori.train.account import Account, peak_memory_mb
from byeori.train.hooks import Hook
from byeori.train.interrupt import asked_to_stop
from byeori.train.keeper import Keeper
from byeori.train.optimize import adamw, schedule_for, total_steps
from byeori.train.parallel import Parallel
from byeori.train.progress import Progress
from byeori.train.sentinel import Sentinel
from byeori.train.stepper import Stepper, Update
from byeori.train.trackers import Trackers
from byeori.train.update import update

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

# Updates whose packs are built, by a thread, while a device that works by itself is at another one. On a CPU the thread would
# take its time from the compute, and gains nothing: packs are 0.2% of an update (docs/log.md).
AHEAD = 2

RANKS = 1_000_003  # between the seeds of two ranks


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
        remember: Callable[[int], None] | None = None,
    ):
        self.task, self.tokenizer, self.store, self.settings = task, tokenizer, store, settings
        self.engine, self.packing, self.rows, self.validation = engine, packing, rows, validation
        self.hooks, self.folder, self.decoding, self.progress = list(hooks), folder, decoding, progress
        self.device, self.precision = engine.device, engine.precision
        engine.watch = progress.writing
        self.world = engine.world
        self.hooks = self.hooks if self.world.main else []  # they watch, write and print
        watched = settings if self.world.main else replace(settings, tracker="none")
        self.trackers = Trackers(watched, task.settings, folder, progress)
        self.accelerator = accelerator_for(self.device)
        torch.manual_seed(settings.seed + RANKS * self.world.rank)  # dropout of a rank is its own
        self.compact = partial.used_words(model, store, task)
        self.parallel = Parallel(self.world, model, settings.fsdp)
        self.model: Any = model
        self.optimizer: Any  # accelerate's, around ours
        if self.world.alone:
            self.model, self.optimizer = self.accelerator.prepare(model, adamw(model, settings))
        else:
            self.optimizer = self.accelerator.prepare(adamw(model, settings))
        self.order = Order(len(store), settings.batch_size, settings.seed, settings.order, store.lengths)
        self.steps = total_steps(settings, self.order.steps)
        self.schedule = schedule_for(self.optimizer.optimizer, settings, self.steps)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
        # An update that is left out leaves those after it as they are: each is heard of before the next one.
        late = (
            asynchronous(self.device) and bool(self.optimizer.optimizer.defaults["fused"]) and settings.on_nan == "stop"
        )
        self.stepper = Stepper(
            self.optimizer.optimizer, self.schedule, self.scaler, told=self._told, moved=self._moved, late=late
        )
        self.ahead = AHEAD if asynchronous(self.device) else 0
        self.log_every = settings.log_every or max(1, self.steps // 100)
        self.preview_every = settings.preview_every or previews.every(self.steps, task)
        every = settings.evaluate_every
        self.evaluate_every = {"epoch": self.order.steps, "end": self.steps}[every] if isinstance(every, str) else every

        self.step = 0  # updates done
        self._loss = math.nan  # of the last update that was heard of
        self.metrics: dict[str, Any] = {}
        self.best: dict[str, Any] | None = None  # {"step", "value"}
        self.worse = 0  # evaluations since the best one
        self.stopped: str | None = None
        self.resumed: list[int] = []  # steps it went on from
        self.account = Account()
        self.sentinel = Sentinel(settings, self.where, progress.note, self._write)
        self.keeper = Keeper(folder.checkpoints, settings.checkpoints_kept, self.world)
        self.begins_at: Path | None = None  # the checkpoint that a resumed training goes on from
        self.short: int | None = None  # tokens a pack since memory ran out
        self.remember = remember or (lambda tokens: None)  # for the next training of this model here
        self.lost = False  # whether the device has failed, and the model with it
        self._updating = False  # inside an update
        self._save_wanted = False
        self._unshown: tuple[int, list[dict[str, Any]]] | None = None  # step and samples of a short run's last preview

    # what hooks use ---------------------------------------------------------------------------------------------
    @property
    def epoch(self) -> float:
        """Passes over the rows so far."""
        return self.step / self.order.steps

    @property
    def loss(self) -> float:
        """Its mean over the last update; a GPU is waited for."""
        self._settle()
        return self._loss

    @property
    def headline(self) -> str:
        """The validation score that chooses the best model."""
        return self.settings.best_metric or self.task.best

    def stop(self, reason: str) -> None:
        """End the training after this update."""
        self.stopped = reason

    def save(self) -> None:
        """Write a checkpoint after this update."""
        self._save_wanted = True

    def samples(self, pack: Pack, outputs: Any, most: int) -> list[dict[str, Any]]:
        """At most so many rows of a pack, from the shortest to the longest, beside predictions and labels."""
        return previews.samples(self, pack, outputs, most)

    def where(self, row: int) -> str:
        """A row's place in its file."""
        return place_of(self.store, self.rows, row)

    def shorten(self, tokens: int) -> None:
        """Packs of so many tokens at most from now on, in evaluations too."""
        self.short = tokens
        self.packing = replace(self.packing, pack_tokens=min(tokens, self.packing.pack_tokens))
        self.engine.pack_tokens = min(tokens, self.engine.pack_tokens)

    # the loop ---------------------------------------------------------------------------------------------------
    def run(self) -> dict[str, Any]:
        """Train to the end; returns what metrics.json says under "training".

        Raises TrainingError; KeyboardInterrupt after a checkpoint, where Ctrl-C or SIGTERM came.
        """
        if self.settings.resume:
            resume.go_on(self)
        self.trackers.start(self.step)
        self._tell("train_start")
        if self.steps < FEW_UPDATES and float(self.settings.learning_rate) <= FEW_RATE:
            self.progress.note(
                f"{self.steps} updates in all: with so few, a higher --learning-rate (1e-4), a smaller --batch-size or more "
                f"--epochs often scores better."
            )
        self.progress.start(self.steps, self.step)
        self.model.train()
        self.account.start()
        try:
            with (
                running(self.device),
                self.parallel.heap(),
                asked_to_stop() as asked,
                ahead(self._batches(), self.ahead) as batches,
            ):
                while self.step < self.steps and self.stopped is None:
                    pack, outputs = self._update(next(batches))
                    self._after(pack, outputs)
                    (stop,) = self.world.most(int(asked()))
                    if stop and self.step < self.steps:
                        self._interrupted()
            if self.best is None:  # no update at all: the model as it came
                self._evaluate()
            self.keeper.wait()
            if self._unshown is not None:
                self.progress.samples(*self._unshown)
        except Exception as error:
            self.lost = lost(error) or lost(error.__cause__)
            if (said := failure(error, self.device, self.packing.pack_tokens)) is None:
                raise
            raise TrainingError(
                f"{'' if self._updating else 'after '}step {self.step + self._updating}: {said}"
            ) from error
        finally:
            self.keeper.close()
            self.progress.stop()
            self.release()
        self._tell("train_end")
        return self._result()

    def advance(self, step: int) -> None:
        """Only updates, up to one, and nothing of what follows them: nothing is scored, shown or written."""
        self.model.train()
        with running(self.device), self.parallel.heap(), ahead(self._batches(), self.ahead) as batches:
            while self.step < step:
                self._update(next(batches))
        self.stepper.settle()

    def _update(self, batch: Batch) -> tuple[Pack, Any]:
        self._updating = True
        self.task.watched = self._previewed(self.step + 1) and self.parallel.is_whole  # a share has no whole vocabulary
        found = update(self, batch)
        self.task.watched = False
        self.step += 1
        self._updating = False
        return found

    def release(self) -> None:
        """Give the model back as transformers knows it, however the training ended."""
        if not self.lost and not self.parallel.sharded:  # of shares nothing is left but model/
            older = self.best is not None and self.best["step"] != self.step
            embedding.restore(unwrapped(self.model))
            partial.release(unwrapped(self.model), self.folder.model if older else None)

    def _batches(self) -> Iterator[Batch]:
        """The updates that are left, in their order."""
        pinned = self.device.type == "cuda"
        for step in range(self.step, self.steps):
            epoch, place = divmod(step, self.order.steps)
            draw = self.task.drawing(self.settings.seed, epoch)
            rows = self.order.batch(epoch, place)
            mine = self.parallel.mine(self.store, rows)
            batch = Batch(self.store, mine, self.packing, self.device, draw, self.task.apart, pinned, rows)
            yield batch.built() if self.ahead and len(mine) else batch

    def _told(self, update: Update) -> bool:
        """An update's numbers are there: on a CPU before its weights move, on a GPU some updates later. Whether it is left out."""
        self._loss = update.loss
        refused = self.sentinel.refuses(update, self.scaler.is_enabled())
        self.account.update(update.loss, update.norm, len(update.batch.update))
        return refused

    def _moved(self) -> None:
        """An update has moved the weights; one that overflowed in float16 moves neither schedule nor idle words."""
        if self.compact is not None:
            self.compact.stepped(self.schedule.get_last_lr()[0] * self.settings.weight_decay)
        self.schedule.step()

    def _settle(self) -> None:
        """Hear of all updates: what is written or saved next is of none that is no number. The wait is the training's."""
        if self.stepper.coming:
            self.account.lap("watching")
            self.stepper.settle()
            self.account.lap("training")

    def _after(self, pack: Pack, outputs: Any) -> None:
        """All that follows an update: history, samples, hooks, evaluation, checkpoint."""
        self.account.lap("training")
        self._tell("step_end", pack, outputs)
        last = self._over()
        if self.step % self.log_every == 0 or last:
            self._log()
        if self._previewed(self.step) or (last and self.settings.previews):
            self._preview(pack, outputs)
        self.progress.step(self.step, self._loss)
        self.account.lap("watching")
        if self.step % self.evaluate_every == 0 or last:
            self._evaluate()
        if self._over() and not last:  # stopped by what was shown or scored
            self._log()
        every = self.settings.checkpoint_every
        if self._save_wanted or (every and self.step % every == 0 and not last):
            self._checkpoint()
        self.keeper.finished()  # raises what the disk refused
        self.account.lap("watching")

    def _over(self) -> bool:
        """Whether this was the last update, as all ranks see it: hooks, which stop and save, are on one of them."""
        stopped, wanted = self.world.most(int(self.stopped is not None), int(self._save_wanted))
        if stopped and self.stopped is None:
            self.stopped = "another rank was told to"
        self._save_wanted = bool(wanted)
        return self.step == self.steps or self.stopped is not None

    def _previewed(self, step: int) -> bool:
        """Whether samples of an update are due; those of one that a hook makes the last come unannounced."""
        return bool(self.settings.previews) and (step % self.preview_every == 0 or step == self.steps)

    def _preview(self, pack: Pack, outputs: Any) -> None:
        self._settle()
        with self.parallel.whole() if self.task.generates else nullcontext():
            samples = self.samples(pack, outputs, self.settings.previews) if self.world.main else []
        if self.world.main:
            self.folder.samples.touch()  # empty: no row was whole in a pack so far, which is no damage
        for sample in samples:
            self.folder.append(self.folder.samples, {"step": self.step, **sample})
        if self.steps < previews.FEW and not self.settings.preview_every:
            self._unshown = self.step, samples
        else:
            self.progress.samples(self.step, samples)
        self._tell("preview", samples)

    def _log(self) -> None:
        self._settle()
        means = self.account.close_window()
        if not means:
            return
        record = {
            "step": self.step,
            "epoch": round(self.epoch, 4),
            **means,
            "learning_rate": self.schedule.get_last_lr()[0],
            "memory_mb": peak_memory_mb(self.device),
            "seconds": self.account.seconds.get("training", 0.0),
        }
        self._write(record)
        self.trackers.log(record)
        self.progress.log({**record, "padding": self.account.padding})

    def _evaluate(self) -> None:
        """Score the validation rows; keep the model if it is the best so far."""
        if self.best is not None and self.best["step"] == self.step:
            return
        self._settle()
        if self.validation is None:
            self.best = {"step": self.step, "value": None, "metric": None}
            self._keep()
            return
        self.progress.scoring()
        with self.parallel.judging(self):
            judged = self.validation()
        self.metrics = judged.values
        seconds = self.account.lap("evaluate")
        name = self.headline
        if name not in self.metrics:
            raise SettingError(f"best_metric={name!r}: the scores here are {', '.join(self.metrics)}.")
        value = self.metrics[name]
        record = {"step": self.step, "epoch": round(self.epoch, 4), "validation": self.metrics, "seconds": seconds}
        self._write(record)
        self.trackers.log(record)
        is_better = self.best is None or better(value, self.best["value"], name in self.task.lower_is_better)
        is_better = bool(self.world.most(int(is_better and self.world.main))[0])  # an own metric may differ elsewhere
        if is_better:
            self.best, self.worse = {"step": self.step, "value": value, "metric": name}, 0
            self._keep()
        else:
            self.worse += 1
        self.progress.evaluation(record, name, is_better)
        self._tell("evaluate_end", self.metrics)
        patience = self.settings.early_stopping
        if patience and self.worse >= patience and self.stopped is None:
            self.stop(f"{name} has not improved for {patience} evaluations")
        self.model.train()

    def _write(self, record: dict[str, Any]) -> None:
        """A line of history."""
        if self.world.main:
            self.folder.append(self.folder.history, record)

    def _keep(self) -> None:
        weights = self.parallel.weights()
        with self.world.together():
            if self.world.main:
                save_model(
                    self.folder.model,
                    unwrapped(self.model),
                    self.tokenizer,
                    self.task,
                    self.decoding,
                    self.step,
                    weights,
                )
        self.account.lap("checkpoint")

    def _checkpoint(self, now: bool = False) -> None:
        """Written beside the training, or before it goes on: `now`, or where a hook waits for the folder.

        Raises OSError where the disk refused this one or the last.
        """
        self._save_wanted = False
        now = now or any(type(hook).save is not Hook.save for hook in self.hooks)
        self._settle()
        self.keeper.best = self.best["step"] if self.best is not None else -1
        model, optimizer = unwrapped(self.model), self.optimizer.optimizer
        state, random = resume.state(self), checkpoint.random_of(self.world, self.device)
        self.keeper.save(
            self.step,
            lambda held: checkpoint.snapshot(model, optimizer, self.schedule, state, random, held, self.world),
            now=now,
            shares=self.parallel.sharded,
        )
        for place in self.keeper.finished():
            self._tell("save", place)
        self.account.lap("checkpoint")

    def _interrupted(self) -> None:
        self._checkpoint(now=True)
        self.progress.note(f"Stopped at step {self.step} of {self.steps}; --resume goes on from there.")
        raise KeyboardInterrupt

    def _tell(self, event: str, *arguments: Any) -> None:
        for hook in self.hooks:
            getattr(hook, event)(self, *arguments)

    def _result(self) -> dict[str, Any]:
        return {
            "steps": self.step,
            "epochs": round(self.epoch, 4),
            **self.account.totals(),
            "peak_memory_mb": peak_memory_mb(self.device),
            "best": self.best,
            "stopped": self.stopped,
            **({"resumed": self.resumed} if self.resumed else {}),
            "ranks": self.world.size,
            "left_out": self.sentinel.left_out,
            "spikes": self.sentinel.spikes,
            "packed": runner(self.model).packs_for(self.task),
        }
