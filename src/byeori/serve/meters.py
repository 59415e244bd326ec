"""What a server counts, and how Prometheus reads it (text format 0.0.4).

Invariants: a label's values are names of ours, never what a client sent, so that there are no more of them than models, routes
and statuses.

    meters = Meters(); meters.count("requests", model="nsmc", status="200"); meters.text()
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

HELP = {
    "requests_total": "requests answered, by model, route and status",
    "rows_total": "inputs answered",
    "tokens_read_total": "tokens of inputs",
    "tokens_written_total": "tokens written",
    "batches_total": "batches computed, or steps in which texts were written",
    "request_seconds": "from a request's body to its answer",
    "batch_rows": "rows of a batch, or texts that were being written in a step",
    "batch_tokens": "tokens of a batch",
    "waiting_requests": "requests that are not answered yet",
    "in_flight": "requests that are being answered, their bodies read included",
    "ready": "whether models can be asked",
    "restarts_total": "how often the model's thread had to be started again",
    "disconnects_total": "requests whose client left before the answer",
    "process_resident_bytes": "memory of the process",
}
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536)
Labels = tuple[tuple[str, str], ...]


class Meters:
    """Counted from any thread. `gauges` are asked when they are read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._spread: dict[str, dict[Labels, list[float]]] = defaultdict(
            dict
        )  # counts a bucket, then all, then the sum
        self.gauges: dict[str, Callable[[], float]] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        with self._lock:
            self._counts[f"{name}_total"][tuple(labels.items())] += by

    def observe(self, name: str, value: float, **labels: str) -> None:
        bounds = SECONDS if name.endswith("seconds") else SIZES
        with self._lock:
            found = self._spread[name].setdefault(tuple(labels.items()), [0.0] * (len(bounds) + 2))
            found[bisect_left(bounds, value)] += 1
            found[-1] += value

    def text(self) -> str:
        lines: list[str] = []
        with self._lock:
            for name, counts in sorted(self._counts.items()):
                _head(lines, name, "counter")
                lines += [f"byeori_{name}{_labels(labels)} {value:.15g}" for labels, value in counts.items()]
            for name, spreads in sorted(self._spread.items()):
                _head(lines, name, "histogram")
                for labels, found in spreads.items():
                    _spread(lines, name, labels, found)
        for name, gauge in self.gauges.items():
            _head(lines, name, "counter" if name.endswith("_total") else "gauge")
            lines.append(f"byeori_{name} {gauge():.15g}")
        return "\n".join(lines) + "\n"


def _head(lines: list[str], name: str, kind: str) -> None:
    lines += [f"# HELP byeori_{name} {HELP[name]}", f"# TYPE byeori_{name} {kind}"]


def _spread(lines: list[str], name: str, labels: Labels, found: list[float]) -> None:
    bounds = SECONDS if name.endswith("seconds") else SIZES
    total = 0.0
    for bound, count in zip([*map(str, bounds), "+Inf"], found[:-1], strict=True):
        total += count
        lines.append(f"byeori_{name}_bucket{_labels((*labels, ('le', bound)))} {total:.15g}")
    lines += [
        f"byeori_{name}_sum{_labels(labels)} {found[-1]:.15g}",
        f"byeori_{name}_count{_labels(labels)} {total:.15g}",
    ]


def _labels(labels: Labels) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
