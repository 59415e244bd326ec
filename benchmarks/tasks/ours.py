"""Byeori's side of each set: `byeori.train` with the set's settings, tested on the set's rows.

with_byeori(job, train, test)["scores"]
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.tasks import asking

if TYPE_CHECKING:
    from byeori.data.rows import Rows

EVEN = {"validation_size": 0, "weight_decay": 0.0, "warmup_ratio": 0.1, "previews": 0, "log_every": 10}


def with_byeori(job: dict, train: Rows, test: Rows, validation: Rows | None = None) -> dict:
    import byeori

    asked = job["task"] == "zero-shot-classification"
    task = "text-classification" if asked else job["task"]
    with tempfile.TemporaryDirectory() as folder:
        clock = _clock()
        own = EVEN | job["settings"]
        run = byeori.train(
            task,
            job["model"],
            train=train,
            validation=validation,
            test=test,
            output=f"{folder}/run",
            hooks=[clock],
            **own,
        )
        found = {
            "scores": run.metrics["test"],
            "baseline": run.metrics["baseline"],
            "training": run.metrics["training"],
            "seconds": clock.seconds,
            "losses": _losses(Path(folder) / "run" / "history.jsonl"),
        }
        if asked:
            found |= _asked(f"{folder}/run/model", test, found)
    return found


def _asked(model: str, test: Rows, found: dict) -> dict[str, Any]:
    """Zero-shot scores of the model just trained, and how far transformers' own pipeline is from ours on it."""
    import transformers

    import byeori

    ours = byeori.pipeline("zero-shot-classification", model)
    scores, said = asking.asked(ours, test)
    theirs = transformers.pipeline("zero-shot-classification", model=model, device=-1)
    _, wanted = asking.asked(theirs, test)
    return {
        "scores": {**scores, "nli_accuracy": found["scores"]["accuracy"], "loss": found["scores"]["loss"]},
        "baseline": {"trivial": asking.trivial(test), "linear": {"nli_accuracy": found["baseline"]["linear"]["accuracy"]}},
        "difference": asking.difference(said, wanted),
    }  # fmt: skip


def _clock() -> Any:
    """A hook that counts the processor's seconds of a training: those of the clock say more of what else runs."""
    import byeori

    class Clock(byeori.Hook):
        seconds = 0.0

        def train_start(self, run: Any) -> None:
            self.seconds = -time.process_time()

        def train_end(self, run: Any) -> None:
            self.seconds += time.process_time()

    return Clock()


def _losses(history: Path) -> list[float]:
    """Training loss of the first and the last window of updates."""
    logged = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in logged if "loss" in line]
    return [losses[0], losses[-1]]
