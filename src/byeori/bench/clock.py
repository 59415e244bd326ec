"""What a piece of work took: seconds of the clock and of the processor, who else was at it, memory at its peak.

with Clock() as clock: work()
clock.found()["seconds"]
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil

STATUS = Path("/proc/self/status")


class Clock:
    """Runs from `start` to the last `stop`; a `with` block does both."""

    def __init__(self) -> None:
        self.begun = self.ended = (0.0, 0.0, 0.0)

    def start(self) -> None:
        self.begun = self.ended = _now()

    def stop(self) -> None:
        self.ended = _now()

    def __enter__(self) -> Clock:
        self.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.stop()

    def found(self) -> dict[str, float]:
        """{"seconds", "cpu_seconds" of this process and those it waited for, "others": the share of the machine's cores that
        other programs used meanwhile, "load": the load average of the last minute}."""
        wall, own, machine = (last - first for first, last in zip(self.begun, self.ended, strict=True))
        cores = psutil.cpu_count() or 1
        others = max(0.0, machine - own) / max(wall * cores, 1e-9)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        return {"seconds": wall, "cpu_seconds": own, "others": min(1.0, others), "load": load}


def _now() -> tuple[float, float, float]:
    """Seconds of the clock, of this process and its children, and of all that runs on the machine."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is counted in `user` already.
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return time.perf_counter(), sum(os.times()[:4]), counted - idle


def peak_mb(device: Any = None) -> float:
    """Peak memory in MiB: of the GPU where the model is on one, else of this process.

    Linux's own figure, not getrusage's: that begins with the memory of the process which started this one.
    """
    if getattr(device, "type", "cpu") != "cuda" and STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    from byeori.train.account import peak_memory_mb

    return peak_memory_mb(device)
