"""What a person sees while a model trains: plain lines in a pipe, JSON lines with --json. live.py is the view on a terminal,
notebook.py that of a notebook.

Invariants: no view changes what is trained or written; a sample's shape is the same in all of them (sample_blocks.py).

    progress = progress_for(json=False); progress.note("…"); progress.start(100, 0); progress.log({...}); progress.stop()
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

from byeori.errors import SettingError
from byeori.run import dumps

LINES = 25  # of plain progress a run, at most; history.jsonl has them all
SILENCE = 15.0  # seconds after which plain lines say how far something long is
SHORT = 1.0  # seconds that need no bar
WIDTH = 120  # columns of a sample's plain lines, which nobody resizes
SCORES = 8  # of an evaluation in one line; of more those of single classes are left to history.jsonl


class Progress:
    """Plain lines; the other views change how, not what."""

    moves: ClassVar[bool] = False  # whether it shows each `log` in place, where others write a line

    def __init__(self, file: Any = None):
        self.file = file or sys.stderr
        self.steps = self.first = 0
        self.begun = time.perf_counter()
        self.now = self.said = 0
        self.wrote = self.begun

    def note(self, text: str) -> None:
        print(text, file=self.file, flush=True)

    def start(self, steps: int, step: int) -> None:
        self.steps, self.first, self.now, self.said, self.begun = steps, step, step, step, time.perf_counter()

    def step(self, step: int, loss: float) -> None:
        self.now = step

    def log(self, record: dict[str, Any]) -> None:
        """`record` is the line of history, and the "padding" of the training so far."""
        if record["step"] - self.said < self.steps / LINES and record["step"] < self.steps:
            return
        self.said = record["step"]
        self.note(
            f"{self._at(record)}  epoch {record['epoch']:5.2f}  loss {number(record['loss']):>8}  "
            f"lr {record['learning_rate']:.2e}  {record['examples_per_second']:6,.0f} rows/s  "
            f"{record['tokens_per_second']:9,.0f} tokens/s  {clock(self.left()):>8} left"
        )

    def scoring(self) -> None:
        """An evaluation begins."""

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        """`record` is the line of history, `headline` the score that chooses the best model."""
        names = shown_scores(record["validation"], headline)
        shown = "  ".join(f"{name} {number(record['validation'][name])}" for name in names)
        self.note(f"{self._at(record)}  validation: {shown}{'  (best so far)' if better else ''}")

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        from byeori.train.sample_lines import plain_lines

        if samples:
            self.note("\n".join([f"samples of step {step}", *(f"  {one}" for one in plain_lines(samples, WIDTH - 2))]))

    def writing(self, done: int, total: int) -> None:
        """So many of the texts of an evaluation or prediction are written; said where it takes long."""
        self._count(done, total, "texts written")

    def encoding(self, done: int, total: int) -> None:
        """So many of the rows of a part are token ids; said where it takes long. The first call of a part says 0."""
        self._count(done, total, "rows tokenized")

    def _count(self, done: int, total: int, what: str) -> None:
        now = time.perf_counter()
        if done <= 1 or done == total:
            self.wrote = now
        elif now - self.wrote > SILENCE:
            self.wrote = now
            self.note(f"  {done:,} of {total:,} {what}")

    def stop(self) -> None:
        """The view ends; lines already written stay."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *raised: Any) -> None:
        self.stop()

    def left(self) -> float | None:
        """Seconds to the last update at the pace so far, evaluations included; None before the first one."""
        done = self.now - self.first
        return (time.perf_counter() - self.begun) / done * (self.steps - self.now) if done > 0 else None

    def _at(self, record: dict[str, Any]) -> str:
        return f"step {record['step']:{len(str(self.steps))}}/{self.steps}"


class JsonLines(Progress):
    """One JSON object a line on standard error; the result comes on standard output."""

    def note(self, text: str) -> None:
        self._write({"note": text})

    def log(self, record: dict[str, Any]) -> None:
        self._write({**record, "steps": self.steps})

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        self._write({**record, "best": better})

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        self._write({"step": step, "samples": samples})

    def _count(self, done: int, total: int, what: str) -> None:
        """Nothing: lines are of what came out."""

    def _write(self, record: dict[str, Any]) -> None:
        print(json.dumps(json.loads(dumps(record)), ensure_ascii=False), file=self.file, flush=True)


class Quiet(Progress):
    """Nothing at all."""

    def note(self, text: str) -> None:
        return None

    def log(self, record: dict[str, Any]) -> None:
        return None

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        return None

    def _count(self, done: int, total: int, what: str) -> None:
        return None


def progress_for(json: bool = False, quiet: bool = False, file: Any = None) -> Progress:
    """The view that fits a command: JSON lines if asked, live on a terminal, plain lines in a pipe, a log or a dumb terminal."""
    file = file or sys.stderr
    if quiet:
        return Quiet(file)
    if json:
        return JsonLines(file)
    if file.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and not os.environ.get("CI"):
        from byeori.train.live import Live

        return Live(file)
    return Progress(file)


def progress_in_python(given: Progress | str | None) -> Progress:
    """`progress` of byeori.train: a view, the name of one, or None: a table in a notebook, nothing elsewhere. Raises SettingError."""
    if isinstance(given, Progress):
        return given
    from byeori.train.notebook import Notebook, in_notebook

    if given is None:
        return Notebook() if in_notebook() else Quiet()
    views: dict[str, Callable[[], Progress]] = {
        "auto": progress_for,
        "lines": Progress,
        "json": JsonLines,
        "quiet": Quiet,
    }
    if given in views:
        return Notebook() if given == "auto" and in_notebook() else views[given]()
    raise SettingError(f"progress={given!r} is no view. Give one of {', '.join(views)}, or a Progress of your own.")


def shown_scores(scores: dict[str, Any], headline: str) -> list[str]:
    """Names of the scores of an evaluation that a line holds, the headline first."""
    names = [headline, *(name for name in scores if name != headline)]
    if len(names) > SCORES:
        names = [name for name in names if "." not in name or name == headline]
    return [name for name in names if name in scores]


def number(value: float | None) -> str:
    """Four digits behind the point; of large ones as many as make sense."""
    if value is None:
        return "undefined"
    return f"{value:.4f}" if abs(value) < 1_000 else f"{value:.4g}"


def clock(seconds: float | None) -> str:
    """h:mm:ss, or m:ss; – for nobody knows."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
