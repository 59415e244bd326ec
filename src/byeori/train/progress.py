"""What a person sees while a model trains: a live view on a terminal, plain lines in a pipe, JSON lines with --json.

progress = progress_for(json=False); progress.note("…"); progress.start(100, 0); progress.log({...}); progress.stop()
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import Any

from byeori.run import dumps

LINES = 25  # of plain progress a run, at most; history.jsonl has them all
SILENCE = 15.0  # seconds after which plain lines say how far something long is
SHORT = 1.0  # seconds that need no bar
SPARKS = "▁▂▃▄▅▆▇█"


class Progress:
    """Plain lines; the other views change how, not what."""

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
        if record["step"] - self.said < self.steps / LINES and record["step"] < self.steps:
            return
        self.said = record["step"]
        self.note(
            f"step {record['step']}/{self.steps}  epoch {record['epoch']:.2f}  loss {record['loss']:.4f}  "
            f"lr {record['learning_rate']:.2e}  {record['examples_per_second']:.0f} rows/s  "
            f"{record['tokens_per_second']:.0f} tokens/s  {self._eta()}"
        )

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        """`record` is the line of history, `headline` the score that chooses the best model."""
        shown = "  ".join(f"{name} {_number(value)}" for name, value in record["validation"].items())
        self.note(f"step {record['step']}/{self.steps}  validation: {shown}{'  (best so far)' if better else ''}")

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        for line in sample_lines(samples):
            self.note("  " + line)

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

    def _eta(self) -> str:
        done = self.now - self.first
        if done <= 0:
            return ""
        left = (time.perf_counter() - self.begun) / done * (self.steps - self.now)
        return f"{int(left // 60)}:{int(left % 60):02d} left"


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

    def _count(self, done: int, total: int, what: str) -> None:
        return None


class Live(Progress):
    """A line that moves, under the lines that stay (rich)."""

    def __init__(self, file: Any = None):
        super().__init__(file)
        from rich.console import Console

        self.console = Console(file=self.file, highlight=False)
        self.live: Any = None
        self.alone = False  # whether what moves are texts that are written, and nothing trains
        self.losses: deque[float] = deque(maxlen=24)
        self.record: dict[str, Any] = {}
        self.best = ""

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def start(self, steps: int, step: int) -> None:
        from rich.live import Live as RichLive

        super().start(steps, step)
        self.live = RichLive(self._line(), console=self.console, refresh_per_second=4, transient=True)
        self.live.start()

    def step(self, step: int, loss: float) -> None:
        super().step(step, loss)
        self.losses.append(loss)
        if self.live is not None:
            self.live.update(self._line())

    def log(self, record: dict[str, Any]) -> None:
        self.record = record

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        if better:
            self.best = f"best {headline} {_number(record['validation'][headline])}"
        super().evaluation(record, headline, better)

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        from rich import box
        from rich.table import Table

        if not samples:
            return
        table = Table(title=f"step {step}", box=box.SIMPLE, title_justify="left", show_edge=False, pad_edge=False)
        for name in (*samples[0]["inputs"], "prediction", "reference"):
            table.add_column(name, overflow="ellipsis", no_wrap=True, ratio=4 if name in samples[0]["inputs"] else 1)
        from rich.text import Text

        for sample in samples:
            style = {True: "green", False: "red", None: ""}[sample.get("right")]
            cells = [Text(_short(v, 200)) for v in sample["inputs"].values()]
            score = f" {sample['score']:.2f}" if "score" in sample else ""
            table.add_row(
                *cells, Text(_short(sample["prediction"], 60) + score, style), Text(_short(sample["reference"], 60))
            )
        self.console.print(table)

    def encoding(self, done: int, total: int) -> None:
        if not done:
            self.wrote = time.perf_counter()
        elif self.live is not None or (done < total and time.perf_counter() - self.wrote > SHORT):
            self._count(done, total, "rows tokenized")

    def _count(self, done: int, total: int, what: str) -> None:
        """In the place of the line of training, or, where nothing trains, in one of its own that goes when all is done."""
        from rich.live import Live as RichLive
        from rich.text import Text

        if self.live is None:
            self.live = RichLive(
                console=self.console, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self.live.start()
            self.alone = True
        self.live.update(Text(f"{_bar(done, total)} {done:,}/{total:,} {what}", no_wrap=True))
        if done == total and self.alone:
            self.stop()

    def stop(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live, self.alone = None, False

    def _line(self) -> Any:
        from rich.text import Text

        parts = [
            f"{_bar(self.now, self.steps)} {self.now}/{self.steps}",
            f"loss {self.losses[-1]:.4f} {spark(self.losses)}" if self.losses else "",
        ]
        if self.record:
            parts.append(
                f"{self.record['examples_per_second']:.0f} rows/s · {self.record['tokens_per_second']:.0f} tokens/s"
            )
        parts += [self.best, self._eta()]
        return Text("  ".join(part for part in parts if part), no_wrap=True, overflow="ellipsis")


def progress_for(json: bool = False, quiet: bool = False, file: Any = None) -> Progress:
    """The view that fits: JSON lines if asked, live on a terminal, plain lines elsewhere."""
    file = file or sys.stderr
    if quiet:
        return Quiet(file)
    if json:
        return JsonLines(file)
    return Live(file) if file.isatty() else Progress(file)


def _bar(done: int, total: int, width: int = 24) -> str:
    full = int(done / max(1, total) * width)
    return "━" * full + "╌" * (width - full)


def spark(values: Any) -> str:
    """Numbers as a line of blocks."""
    values = [v for v in values if v == v]
    if not values:
        return ""
    low, high = min(values), max(values)
    return "".join(SPARKS[int((v - low) / (high - low or 1) * (len(SPARKS) - 1))] for v in values)


def sample_lines(samples: list[dict[str, Any]]) -> list[str]:
    """Samples as plain lines: prediction, reference, inputs."""
    marks = {True: "=", False: "≠", None: "~"}
    return [
        f"{_short(s['prediction'], 24)} {marks[s.get('right')]} {_short(s['reference'], 24)} | "
        + " | ".join(_short(v, 80) for v in s["inputs"].values())
        for s in samples
    ]


def _short(value: Any, most: int) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
