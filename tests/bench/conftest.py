"""Contestants at hand: the worker's own work, called in this process, for tests of all that is around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def at_hand(monkeypatch) -> Iterator[list[dict[str, Any]]]:
    """Rounds without processes; the jobs that were done, in their order. What a worker sets for its process is set back."""
    import datasets
    import transformers

    from byeori.bench import rounds
    from byeori.bench.worker import work
    from byeori.run import dumps

    done: list[dict[str, Any]] = []

    def measure(job: dict[str, Any], folder: Path) -> dict[str, Any]:
        done.append(job)
        try:
            return json.loads(dumps(work({**job, "answers": str(folder / "answers")})))
        except Exception as error:
            raise rounds.Failed(f"{type(error).__name__}: {error}") from error

    monkeypatch.setattr(rounds, "in_a_process", measure)
    bars, caching, level = (
        datasets.are_progress_bars_disabled(), datasets.is_caching_enabled(), transformers.logging.get_verbosity(),
    )  # fmt: skip
    yield done
    (datasets.disable_progress_bars if bars else datasets.enable_progress_bars)()
    (datasets.enable_caching if caching else datasets.disable_caching)()
    transformers.logging.set_verbosity(level)


def result(turn: int = 0, rate: float = 10.0, **more: Any) -> dict[str, Any]:
    """A measurement as a round leaves it, of a quiet machine."""
    seconds = 100 / rate
    return {
        "round": turn, "rate": rate, "seconds": seconds, "cpu_seconds": seconds, "others": 0.0, "load": 1.0,
        "memory_mb": 100.0, "padding": None, "equal": None, **more,
    }  # fmt: skip


@pytest.fixture
def made():
    return result
