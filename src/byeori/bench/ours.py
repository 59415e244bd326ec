"""Byeori's side of a training, timed as the Trainer's is: from before the first batch is fetched to the last update.

with ours("text-classification", model, train, test, epochs=1) as (run, took): run.metrics["test"]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from byeori.bench.clock import Clock, peak_mb

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.run import Run

# What a plain Trainer doesn't do either: hold rows out, show samples, train other models, keep token ids from run to run.
EVEN = {"validation_size": 0, "test_size": 0, "previews": 0, "baselines": False, "cache": False}


@contextmanager
def ours(task: Any, model: str, train: Rows, test: Rows, **settings: Any) -> Iterator[tuple[Run, dict[str, Any]]]:
    """The finished run, in a folder that goes afterwards, and what it took: what `Clock.found` gives, "memory_mb", "padding",
    "steps". `settings` are those of `byeori.train`, over EVEN."""
    import byeori  # the door that users take, though the house's order has it above this room

    class Timed(byeori.Hook):
        clock, memory = Clock(), 0.0

        def train_start(self, run: Any) -> None:
            self.clock.start()

        def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
            if run.step == run.steps:
                run.loss  # noqa: B018 - a GPU is waited for, as the Trainer does at its end
            self.clock.stop()

        def train_end(self, run: Any) -> None:
            self.memory = peak_mb(run.device)

    timed = Timed()
    with tempfile.TemporaryDirectory() as folder:
        run = byeori.train(
            task, model, train=train, test=test, output=f"{folder}/run", hooks=[timed], **{**EVEN, **settings}
        )
        training = run.metrics["training"]
        yield run, {
            **timed.clock.found(), "memory_mb": timed.memory, "padding": training["padding"], "steps": training["steps"],
        }  # fmt: skip
