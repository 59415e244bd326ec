"""The view on a terminal: four lines that stay in place, under the lines that scroll.

    step     1,240/4,700  ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  epoch 0.79/3    2:31 left
    loss          0.3124  █▇▅▄▃▂▂▁▁▁
    accuracy      0.8812  ▁▁▁▁▁▁█████                      best 0.8812 at step 1,000
    speed         310 rows/s   13,640 tokens/s  padding  4.1%  memory   1,900 MB

Invariants: columns have the widths of what is longest in them from the first update on, so that nothing moves but the numbers; bar
and curves share the axis of updates; a narrow terminal loses first where the best score was and the epoch, then the curves, then the
best score and the time that is left.

    with Live() as view: view.start(100, 0); view.step(1, 0.7)
"""

from __future__ import annotations

import time
from typing import Any

from byeori.text.visible import clipped, padded
from byeori.train.curve import Curve
from byeori.train.progress import SHORT, Progress, clock, number, shown_scores

NAME, VALUE = 10, 9  # columns at least
CHART = 8, 40  # columns, from, to
TIME = len("10:02:03 left")
EPOCH = len("epoch 12.34/100") + 2
BEST = len("best 123.4567")
TONES = {"right": "green", "wrong": "red", "missed": "yellow", "soft": "dim", "": ""}


class Live(Progress):
    """Lines that stay in place (region.py), refreshed once a second: an update only leaves its numbers."""

    moves = True

    def __init__(self, file: Any = None):
        super().__init__(file)
        from rich.console import Console

        self.console = Console(file=self.file, highlight=False, force_jupyter=False, emoji=False, markup=False)
        self.live: Any = None
        self.alone = False  # whether what moves are texts that are written, and nothing trains
        self.doing = ""  # what an update waits for
        self.counted = (0, 0, "")
        self.loss: float | None = None
        self.losses, self.scores = Curve(1), Curve(1)
        self.record: dict[str, Any] = {}
        self.headline, self.score = "score", None
        self.best: tuple[float | None, int] | None = None

    def note(self, text: str) -> None:
        self._print(text, soft_wrap=True)

    def _print(self, *what: Any, **how: Any) -> None:
        (self.console if self.live is None else self.live).print(*what, **how)

    def start(self, steps: int, step: int) -> None:
        super().start(steps, step)
        self.stop()
        self.loss, self.losses, self.scores, self.record = None, Curve(steps), Curve(steps), {}
        self.headline, self.score, self.best, self.doing = "score", None, None, ""
        self._begin(self.lines, redirect=True)

    def _begin(self, lines: Any, redirect: bool) -> None:
        from byeori.train.region import Region

        self.live = Region(self.console, lines, redirect=redirect)
        self.live.start()

    def step(self, step: int, loss: float) -> None:
        self.now = step
        self.doing = ""
        if not self.record:
            self.loss = loss
        self.losses.add(step, loss)

    def log(self, record: dict[str, Any]) -> None:
        self.record, self.loss = record, record["loss"]

    def scoring(self) -> None:
        self.doing = "scoring"

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        value = record["validation"][headline]
        self.headline, self.score, self.doing = headline, value, ""
        self.scores.add(record["step"], value)
        if better:
            self.best = value, record["step"]
        from rich.text import Text

        line = Text(f"{self._at(record)}  ", "dim")
        end = "best so far" if better else ""
        names = shown_scores(record["validation"], headline)
        for name in [headline, *(["loss"] if "loss" in names else []), *names]:
            said = f"{number(record['validation'][name])}  "
            whole = line.cell_len + len(name) + len(said) + len(end) + 2 <= self.console.width
            if (whole or name == headline) and f" {name} " not in line.plain:
                line.append(f"{name} ", "dim")
                line.append(said, "bold" if name == headline else "")
        line.append(end, "green")
        line.rstrip()
        self._print(line, soft_wrap=True)

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        from rich.text import Text

        from byeori.train.sample_lines import lines

        if not samples:
            return
        shown = [Text(f"samples of step {step}", "dim")]
        for line in lines(samples, max(20, self.console.width - 3)):
            text = Text("  ")
            for piece, tone in line:
                text.append(piece, TONES[tone])
            text.rstrip()
            shown.append(text)
        self._print(Text("\n").join(shown), soft_wrap=True)

    def encoding(self, done: int, total: int) -> None:
        if not done:
            self.wrote = time.perf_counter()
        elif self.live is not None or (done < total and time.perf_counter() - self.wrote > SHORT):
            self._count(done, total, "rows tokenized")

    def _count(self, done: int, total: int, what: str) -> None:
        """In the place of the time that is left, or, where nothing trains, in a line of its own that goes when all is done."""
        self.counted = done, total, what
        if self.live is None:
            self._begin(self._counting, redirect=False)
            self.alone = True
        if not self.alone:
            self.doing = "" if done == total else f"{done:,}/{total:,}"
        elif done == total:
            self.stop()

    def _counting(self, width: int, height: int) -> list[Any]:
        from rich.text import Text

        done, total, what = self.counted
        return [Text(clipped(f"{bar(done, total, 24)} {done:,}/{total:,} {what}", width - 1))]

    def stop(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live, self.alone = None, False

    # the lines --------------------------------------------------------------------------------------------------
    def lines(self, width: int, height: int) -> list[Any]:
        """Four, or fewer where the terminal is low; none wider than `width` - 1."""
        from rich.text import Text

        width = width - 1
        at = f"{self.steps:,}"
        value = max(VALUE, 2 * len(at) + 1)
        where, epoch = len(f" at step {at}"), EPOCH
        room = width - NAME - 2 - value
        tail, chart = max(TIME + epoch, BEST + where), 0
        if room - 4 - tail < CHART[0]:
            tail, where, epoch = max(TIME, BEST), 0, 0
        if room - 4 - tail >= CHART[0]:
            chart = min(CHART[1], room - 4 - tail)
        elif room - 2 < tail:
            tail = 0

        def line(name: str, said: str, drawn: str, tone: str, *rest: tuple[str, str]) -> Any:
            text = Text(padded(clipped(name, NAME), NAME + 2), "dim")
            text.append(padded(said, value, right=True), "bold" if tone else "")
            if chart:
                text.append("  ")
                text.append(padded(drawn, chart), tone)
            if tail:
                for place, (part, style) in enumerate(rest):
                    text.append(part if place else f"  {part}", style)
            text.truncate(max(1, width))
            return text

        left = padded(f"{clock(self.left())} left" if not self.doing else self.doing, TIME, right=True)
        found = [
            line(
                "step", f"{self.now:,}/{at}", bar(self.now, self.steps, chart), "green",
                *([(padded(f"epoch {self._epoch()}", epoch), "")] if epoch else []), (left, "dim"),
            ),
            line("loss", _said(self.loss), self.losses.line(chart) if chart else "", "cyan"),
            line(
                self.headline, _said(self.score), self.scores.line(chart, until=self.now) if chart else "", "cyan",
                *([(f"best {_said(self.best[0])}", "green")] if self.best else []),
                *([(f" at step {self.best[1]:,}", "dim")] if self.best and where else []),
            ),
            self._speed(width),
        ]  # fmt: skip
        return found[: max(1, min(len(found), height - 2))]

    def _speed(self, width: int) -> Any:
        """Rates, padding and memory; of a narrow terminal tokens and memory."""
        from rich.text import Text

        known = self.record
        parts = [
            f"{_count(known.get('examples_per_second')):>9} rows/s", f"{_count(known.get('tokens_per_second')):>10} tokens/s",
            f"padding {_share(known.get('padding')):>6}", f"memory {_count(known.get('memory_mb')):>7} MB",
        ]  # fmt: skip
        keep = [0, 1, 2, 3]
        for spare in (2, 0, 3):
            if NAME + 2 + sum(len(parts[one]) for one in keep) + 2 * (len(keep) - 1) > width:
                keep.remove(spare)
        text = Text(padded("speed", NAME + 2), "dim")
        text.append("  ".join(parts[one] for one in keep))
        text.truncate(max(1, width))
        return text

    def _epochs(self) -> str:
        known = self.record
        return f"{known['epoch'] / known['step'] * self.steps:.3g}" if known.get("epoch") else "–"

    def _epoch(self) -> str:
        known = self.record
        return f"{known['epoch'] / known['step'] * self.now:.2f}/{self._epochs()}" if known.get("epoch") else "–"


def bar(done: int, total: int, width: int) -> str:
    """So much of `width` columns is thick."""
    full = min(width, int(done / max(1, total) * width))
    return "━" * full + "╌" * (width - full)


def _said(value: float | None) -> str:
    return "–" if value is None else number(value)


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"
