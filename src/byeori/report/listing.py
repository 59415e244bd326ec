"""The rows a page shows as wrong: the worst first, each with its number in predictions/*.jsonl.

Invariant: rows are compared by `rank`, a number that is higher for the worse, and of equal ones the earlier comes first.

    Listing("Most confident mistakes", ["prediction", "reference"], [(0.9, [3, "긍정", "부정"])]).worst
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST = 20  # rows of a table
LONGEST = 600  # characters of a cell


@dataclass
class Listing:
    """`heads` name what stands behind the row's number; `rows` are (rank, cells), the number first; `total` counts all there are."""

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[float, list[Any]]]
    numbers: Any = (0,)
    notes: list[str] = field(default_factory=list)
    total: int | None = None

    @property
    def worst(self) -> list[list[Any]]:
        """The cells of at most MOST rows."""
        return [cells for _, cells in sorted(self.rows, key=lambda row: -row[0])[:MOST]]

    @property
    def count(self) -> int:
        return len(self.rows) if self.total is None else self.total


def short(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"
