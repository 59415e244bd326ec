"""What a training has done and how long it took: totals, seconds by purpose, and the window between two log lines.

Invariants: all of it is plain numbers that go into a checkpoint and come back, so that the rates and means of a resumed
training are those of one that was never cut; `seconds["training"]` runs from the fetch of the first batch to the last
update, without what lies between (evaluations, checkpoints, logging).

    account = Account(); account.tokens(900, 1_000); account.update(loss=0.7, norm=1.2, rows=32); account.lap("training")
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

WINDOW = {"loss": 0.0, "steps": 0, "tokens": 0, "rows": 0, "norm": 0.0, "norms": 0, "seconds": 0.0}
LEAST = 1e-9  # seconds; a rate is never divided by 0


class Account:
    """`done` since the start, `window` since the last log line, `seconds` by what they were spent on."""

    def __init__(self) -> None:
        self.done = {"rows": 0, "tokens": 0, "computed": 0}
        self.window: dict[str, float] = dict(WINDOW)
        self.seconds: dict[str, float] = {}
        self.since = time.perf_counter()

    def start(self) -> None:
        """The clock runs from now on; what a resumed training spent before stays."""
        self.since = time.perf_counter()

    def lap(self, name: str) -> float:
        """Book the seconds since the last lap under this name."""
        now = time.perf_counter()
        taken, self.since = now - self.since, now
        self.seconds[name] = self.seconds.get(name, 0.0) + taken
        if name == "training":
            self.window["seconds"] += taken
        return taken

    def tokens(self, tokens: int, computed: int) -> None:
        """Real ones, and those computed on, padding included."""
        self.done["tokens"] += tokens
        self.done["computed"] += computed
        self.window["tokens"] += tokens

    def update(self, loss: float, norm: float, rows: int) -> None:
        """An update is over; a norm that is no number (float16, a step left out) is not averaged."""
        self.done["rows"] += rows
        self.window["rows"] += rows
        if not math.isfinite(loss):  # left out
            return
        self.window["steps"] += 1
        self.window["loss"] += loss
        if math.isfinite(norm):
            self.window["norm"] += norm
            self.window["norms"] += 1

    def close_window(self) -> dict[str, float]:
        """Means and rates since the last call; {} where nothing was done. A new window begins."""
        window, self.window = self.window, dict(WINDOW)
        if not window["steps"]:
            return {}
        return {
            "loss": window["loss"] / window["steps"],
            "grad_norm": window["norm"] / window["norms"] if window["norms"] else math.nan,
            "examples_per_second": window["rows"] / max(window["seconds"], LEAST),
            "tokens_per_second": window["tokens"] / max(window["seconds"], LEAST),
        }

    @property
    def padding(self) -> float:
        """The share of what was computed on that is no token, of the whole training."""
        return 1 - self.done["tokens"] / max(1, self.done["computed"])

    def totals(self) -> dict[str, float]:
        """What metrics.json says of the whole training."""
        seconds = self.seconds.get("training", 0.0)
        return {
            "seconds": seconds,
            "examples_per_second": self.done["rows"] / max(seconds, LEAST),
            "tokens_per_second": self.done["tokens"] / max(seconds, LEAST),
            "padding": self.padding,
            "evaluate_seconds": self.seconds.get("evaluate", 0.0),
            "checkpoint_seconds": self.seconds.get("checkpoint", 0.0),
        }

    def copy(self) -> Account:
        """As it is now, for an update that may have to be done again; seconds go on in both."""
        found = Account()
        found.done, found.window, found.seconds, found.since = {**self.done}, {**self.window}, self.seconds, self.since
        return found

    def state(self) -> dict[str, Any]:
        return {"done": self.done, "window": self.window, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        self.done, self.seconds = state["done"], state["seconds"]
        self.window = {**WINDOW, **state["window"]}


def peak_memory_mb(device: Any) -> float:
    """Peak memory of the process, or of the GPU where the model is, in MiB."""
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        used: Any = psutil.Process().memory_info()
        return used.peak_wset / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
