"""Plots as inline SVG: lines over the updates, predictions against references, histograms, bars of shares, intervals, reliability.

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
SMALL = 340, 180, 46, 18, 14, 36  # a histogram's width, height and margins: two stand side by side
BAR_LEFT, BAR_RIGHT = 172, 64

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


def histogram(
    title: str, edges: Sequence[float], counts: Sequence[float], *, x: str, line: tuple[float, str] | None = None
) -> str:
    """Rows by size: a bar a bin, all of one width whatever the edges (k + 1 of them) are, so that a long tail can be one
    bin; `line` is a value with a word, drawn where it lies. "" without counts."""
    if not counts or not sum(counts):
        return ""
    width, height, left, right, top, bottom = SMALL
    most = max(counts)
    up = ticks(0, most, 4, integers=True)
    step = (width - left - right) / len(counts)

    def high(value: float) -> float:
        return height - bottom - value / up[-1] * (height - top - bottom)

    parts = [_open(title, width, height, "half")]
    for tick in up:
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{high(tick):.1f}" y2="{high(tick):.1f}"/>'
        )
        parts.append(f'<text x="{left - 6}" y="{high(tick) + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    for place, number in enumerate(counts):
        if number:
            tall = max(1.0, height - bottom - high(number))  # one row among thousands is still seen
            parts.append(
                f'<rect class="bar" x="{left + place * step + 0.5:.1f}" y="{height - bottom - tall:.1f}" '
                f'width="{max(0.8, step - 1):.1f}" height="{tall:.1f}"><title>{short(edges[place])} to '
                f"{short(edges[place + 1])}: {number:,}</title></rect>"
            )
    every = max(1, -(-len(edges) // 6))
    for place in range(0, len(edges), every):
        parts.append(
            f'<text x="{left + place * step:.1f}" y="{height - bottom + 15}" text-anchor="middle">{short(edges[place])}</text>'
        )
    parts.append(f'<text x="{(left + width - right) / 2:.0f}" y="{height - 4}" text-anchor="middle">{escape(x)}</text>')
    if line is not None:
        parts.append(_rule(left + _between(edges, line[0]) * step, line[1], width - right, top, height - bottom))
    return "".join([*parts, "</svg></div>"])


def bars(title: str, rows: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str]) -> str:
    """Shares beside one another: for each row a word and a bar (0 to 1) for each of `names`, None where there is none."""
    if not rows:
        return ""
    thick = 14 if len(names) == 1 else 12
    tall = thick * len(names) + 8
    wide = WIDTH - BAR_LEFT - BAR_RIGHT
    top = 4 + 18 * (len(names) > 1)
    parts = [_open(title, WIDTH, top + tall * len(rows) + 2, "bars")]
    if len(names) > 1:
        for place, name in enumerate(names):
            at = BAR_LEFT + 110 * place
            parts.append(f'<rect class="bar b{place}" x="{at}" y="4" width="10" height="10"/>')
            parts.append(f'<text x="{at + 15}" y="13">{escape(name)}</text>')
    full = max((value for _, values in rows for value in values if value is not None), default=1.0) or 1.0
    for number, (word, values) in enumerate(rows):
        above = top + number * tall
        parts.append(
            f'<text x="{BAR_LEFT - 8}" y="{above + tall / 2:.1f}" text-anchor="end" class="word">{escape(word)}</text>'
        )
        for place, value in enumerate(values):
            if value is None:
                continue
            y = above + place * thick
            parts.append(
                f'<rect class="bar b{place}" x="{BAR_LEFT}" y="{y:.1f}" width="{max(value / full * wide, 0.5 if value else 0):.1f}" '
                f'height="{thick - 2}"/><text class="tag" x="{BAR_LEFT + value / full * wide + 6:.1f}" '
                f'y="{y + thick / 2 + 2.5:.1f}">{percent(value)}</text>'
            )
    return "".join([*parts, "</svg></div>"])


def spans(
    title: str, rows: Sequence[tuple[str, float, float | None, float | None]], whole: float, word: str, *, x: str
) -> str:
    """A value with its interval a row, (word, value, low, high), over one axis; `whole` is drawn through all of them."""
    if not rows:
        return ""
    ends = [one for row in rows for one in row[1:] if one is not None]
    across = ticks(min([*ends, whole]), max([*ends, whole]), 5)
    top, tall = 22, 24
    bottom = top + tall * len(rows)

    def at(value: float) -> float:
        return BAR_LEFT + (value - across[0]) / (across[-1] - across[0]) * (WIDTH - BAR_LEFT - RIGHT - 8)

    parts = [_open(title, WIDTH, bottom + 40, "bars")]
    for tick in across:
        parts.append(f'<line class="grid" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text x="{at(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{tick:,.4g}</text>')
    parts.append(_rule(at(whole), word, WIDTH - RIGHT, 4, bottom))
    for place, (name, value, low, high) in enumerate(rows):
        y = top + tall * place + tall / 2
        parts.append(f'<text x="{BAR_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end" class="word">{escape(name)}</text>')
        if low is not None and high is not None:
            parts.append(f'<line class="span" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<circle class="dot" cx="{at(value):.1f}" cy="{y:.1f}" r="4.5"/>')
    middle = (BAR_LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{bottom + 34}" text-anchor="middle">{escape(x)}</text>')
    return "".join([*parts, "</svg></div>"])


def reliability(title: str, bins: Sequence[Sequence[float]], *, x: str, y: str, counted: str) -> str:
    """How often what was said with a confidence is right: for each bin (low, high, rows, share right, low and high end of its
    interval) a bar up to the share, the interval on it, and below how many rows it is of. On the diagonal both are equal."""
    if not bins:
        return ""
    width, left, right, top, floor, base = 400, 52, 12, 12, 290, 366
    most = max(one[2] for one in bins)

    def across(value: float) -> float:
        return left + value * (width - left - right)

    def up(value: float) -> float:
        return floor - value * (floor - top)

    parts = [_open(title, width, base + 36, "half")]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
            f'<text x="{left - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
            f'<text x="{across(tick):.1f}" y="{base + 15}" text-anchor="middle">{tick:g}</text>'
        )
    for low, high, count, share, least, greatest in bins:
        a, b = across(low) + 0.8, across(high) - 0.8
        middle, tall = (a + b) / 2, max(1.0, count / most * (base - floor - 14))
        parts.append(
            f'<rect class="bar pale" x="{a:.1f}" y="{up(share):.1f}" width="{b - a:.1f}" height="{max(0.5, floor - up(share)):.1f}"/>'
            f'<line class="span" x1="{middle:.1f}" x2="{middle:.1f}" y1="{up(least):.1f}" y2="{up(greatest):.1f}"/>'
            f'<rect class="bar b1" x="{a:.1f}" y="{base - tall:.1f}" width="{b - a:.1f}" height="{tall:.1f}"/>'
        )
    parts.append(f'<line class="rule" x1="{across(0):.1f}" y1="{up(0):.1f}" x2="{across(1):.1f}" y2="{up(1):.1f}"/>')
    middle, height = (left + width - right) / 2, (top + floor) / 2
    parts.append(f'<text x="{middle:.0f}" y="{base + 32}" text-anchor="middle">{escape(x)}</text>')
    for word, place in ((y, height), (counted, (floor + base) / 2 + 6)):
        turned = f'transform="rotate(-90 14 {place:.0f})"'
        parts.append(f'<text x="14" y="{place:.0f}" text-anchor="middle" {turned}>{escape(word)}</text>')
    return "".join([*parts, "</svg></div>"])


def percent(share: float) -> str:
    """`50.3%`, `0.04%`; under a hundredth of a percent says so."""
    of = 100 * share
    if of == 0 or of >= 99.95:
        return f"{of:.0f}%"
    return f"{of:.1f}%" if of >= 1 else f"{of:.2f}%" if of >= 0.01 else "<0.01%"


def short(value: float) -> str:
    """A number in the room of an axis: 12, 1.2k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and letter != "k"):
            return f"{value / size:.3g}{letter}"
    return f"{value:,.4g}"


def _between(edges: Sequence[float], value: float) -> float:
    """Where a value lies among the edges, counted in bins; at an end if outside."""
    if value <= edges[0]:
        return 0.0
    for place, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        if value <= high:
            return place + (value - low) / (high - low)
    return float(len(edges) - 1)


def _rule(at: float, word: str, right: float, top: float, bottom: float) -> str:
    side, shift = ("end", -5) if at > right * 0.55 else ("start", 5)
    return (
        f'<line class="rule" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text class="strong" x="{at + shift:.1f}" y="{top + 10}" text-anchor="{side}">{escape(word)}</text>'
    )


def _open(title: str, width: float, height: float, kind: str) -> str:
    return f'<div class="wide {kind}"><svg role="img" viewBox="0 0 {width:.0f} {height:.0f}"><title>{escape(title)}</title>'
