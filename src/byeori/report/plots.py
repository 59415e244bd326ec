"""Plots as inline SVG: lines over the updates, and predictions against references.

Invariants: a plot is one `<svg role="img">` with a `<title>`, uses the page's colours by CSS classes (light and dark),
and stays small: at most `POINTS` points a line, whatever the length of the run.

    svg = lines("Training loss", {"loss": [(1, 0.9), (2, 0.5)]}, x="update", y="loss")
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

POINTS = 400
WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44

Point = tuple[float, float]


def lines(
    title: str, series: dict[str, Sequence[Point]], *, x: str, y: str, mark: tuple[Point, str] | None = None
) -> str:
    """One or two lines of (x, y) points, named where they are two; `mark` is a point with a word beside it. "" without."""
    series = {name: _thin(points) for name, points in series.items() if points}
    every = [point for points in series.values() for point in points]
    if not every:
        return ""
    frame = _Frame(every, integers=True)
    drawn = []
    for place, points in enumerate(series.values()):
        at = [frame.at(point) for point in points]
        if len(at) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
            drawn.append(f'<polyline class="line s{place}" points="{path}"/>')
        if len(at) <= 40:
            drawn += [f'<circle class="dot s{place}" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in at]
    for place, name in enumerate(series if len(series) > 1 else ()):
        drawn.append(
            f'<text x="{WIDTH - RIGHT - 6}" y="{TOP + 14 + 16 * place}" text-anchor="end" class="k{place}">{escape(name)}</text>'
        )
    if mark is not None:
        (a, b), side = frame.at(mark[0]), "start"
        if a > WIDTH * 0.7:
            side = "end"
        shift = -8 if side == "end" else 8
        above = b - 8 if b > TOP + 16 else b + 18
        drawn.append(f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="5"/>')
        drawn.append(
            f'<text x="{a + shift:.1f}" y="{above:.1f}" text-anchor="{side}" class="strong">{escape(mark[1])}</text>'
        )
    return _svg(title, x, y, frame, drawn)


def scatter(title: str, points: Sequence[Point], *, x: str, y: str) -> str:
    """Points (x, y) and the diagonal on which they would be equal; both axes have one range. "" without points."""
    if not points:
        return ""
    low, high = min(min(p) for p in points), max(max(p) for p in points)
    frame = _Frame([(low, low), (high, high)])
    start, end = frame.at((low, low)), frame.at((high, high))
    drawn = [f'<line class="grid" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>']
    for point in _thin(points, 1000):
        a, b = frame.at(point)
        drawn.append(f'<circle class="cloud" cx="{a:.1f}" cy="{b:.1f}" r="3"/>')
    return _svg(title, x, y, frame, drawn)


class _Frame:
    """Data → picture."""

    def __init__(self, points: Sequence[Point], integers: bool = False):
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        self.x_ticks, self.y_ticks = ticks(min(xs), max(xs), 6, integers), ticks(min(ys), max(ys), 5)
        self.x0, self.x1 = min(xs[0], min(xs)), max(xs)
        self.y0, self.y1 = min(min(ys), self.y_ticks[0]), max(max(ys), self.y_ticks[-1])
        self.x_ticks = [tick for tick in self.x_ticks if self.x0 <= tick <= self.x1]

    def at(self, point: Point) -> Point:
        across = 0.5 if self.x1 == self.x0 else (point[0] - self.x0) / (self.x1 - self.x0)
        up = 0.5 if self.y1 == self.y0 else (point[1] - self.y0) / (self.y1 - self.y0)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, most: int, integers: bool = False) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, that begin at or below `low` and end at or above `high`."""
    if low == high:
        pad = abs(low) * 0.1 or 1.0
        low, high = (low, high) if integers else (low - pad, high + pad)
    rough = (high - low) / most or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if integers:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _svg(title: str, x: str, y: str, frame: _Frame, drawn: list[str]) -> str:
    parts = [f'<div class="wide"><svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}"><title>{escape(title)}</title>']
    for tick in frame.y_ticks:
        _, at = frame.at((frame.x0, tick))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:,.6g}</text>')
    for tick in frame.x_ticks:
        at, _ = frame.at((tick, frame.y0))
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,.6g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>')
    parts.append(
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">{escape(y)}</text>'
    )
    return "".join([*parts, *drawn, "</svg></div>"])


def _thin(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """Evenly spaced points, the last one always among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(place * step)] for place in range(most)]
