"""Byeori's side of each set: `byeori.train` with the set's settings, tested on the set's rows.

with_byeori(job, train, test)["scores"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.tasks import asking
from byeori.bench.ours import ours

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.run import RunFolder

EVEN = {"weight_decay": 0.0, "warmup_ratio": 0.1, "log_every": 10, "baselines": True}


def with_byeori(job: dict, train: Rows, test: Rows, validation: Rows | None = None) -> dict:
    asked = job["task"] == "zero-shot-classification"
    task = "text-classification" if asked else job["task"]
    settings = EVEN | job["settings"]
    with ours(task, job["model"], train, test, validation=validation, **settings) as (run, took):
        assert run.folder is not None
        found = {
            **took,
            "scores": run.metrics["test"],
            "baseline": run.metrics["baseline"],
            "training": run.metrics["training"],
            "losses": _losses(run.folder),
        }
        if asked:
            found |= _asked(str(run.folder.model), test, found)
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


def _losses(folder: RunFolder) -> list[float]:
    """Training loss of the first and the last window of updates."""
    losses = [line["loss"] for line in folder.lines(folder.history) if "loss" in line]
    return [losses[0], losses[-1]]
