"""Values along the updates of a training as a line of blocks: what stands in a cell happened in that part of the training.

Invariants: a cell is the mean of the values of its updates, the lowest cell the lowest block, the highest the highest; cells
without values are spaces, so that the line grows with the training and is never wider than asked.

    curve = Curve(steps=100); curve.add(1, 0.7); curve.line(24)
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SPARKS = "▁▂▃▄▅▆▇█"
CELLS = 240  # that values are kept in; a line is of as many or fewer


class Curve:
    """Memory and time of an `add` don't grow with the training."""

    def __init__(self, steps: int):
        self.steps = max(1, steps)
        self._sums, self._counts = [0.0] * CELLS, [0] * CELLS

    def add(self, step: int, value: float | None) -> None:
        """A value of update `step`, 1 the first; what is no number is left out."""
        if value is None or not math.isfinite(value):
            return
        cell = min(CELLS - 1, (step - 1) * CELLS // self.steps)
        self._sums[cell] += value
        self._counts[cell] += 1

    def cells(self, width: int) -> list[float | None]:
        """The mean of each cell of a line of so many; None where there is none."""
        width = min(width, CELLS)
        sums, counts = [0.0] * width, [0] * width
        for cell, (value, count) in enumerate(zip(self._sums, self._counts, strict=True)):
            sums[cell * width // CELLS] += value
            counts[cell * width // CELLS] += count
        return [value / count if count else None for value, count in zip(sums, counts, strict=True)]

    def line(self, width: int, until: int | None = None) -> str:
        """Blocks, `width` columns; `until` an update, up to which a value stands until the next one (scores of evaluations)."""
        cells = self.cells(width)
        if until is not None:
            last = None
            for place in range(min(len(cells), math.ceil(until * len(cells) / self.steps))):
                last = cells[place] = cells[place] if cells[place] is not None else last
        else:  # fewer updates than cells
            first = next((place for place, value in enumerate(cells) if value is not None), 0)
            final = max((place for place, value in enumerate(cells) if value is not None), default=0)
            for place in range(first, final):
                cells[place] = cells[place] if cells[place] is not None else cells[place - 1]
        return spark(cells)


def spark(values: Iterable[float | None]) -> str:
    """Numbers as blocks, a column each; a space for what is none."""
    values = [None if one is None or not math.isfinite(one) else one for one in values]
    known = [one for one in values if one is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)
    span = high / 2 - low / 2 or 1.0  # halves: the whole may be no number
    most = len(SPARKS) - 1
    return "".join(" " if one is None else SPARKS[round((one / 2 - low / 2) / span * most)] for one in values)
