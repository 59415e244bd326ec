"""A benchmark on a terminal: who took part, a line each with medians and spreads, and the verdict.

print("\\n".join(lines(bench("predict", {…}))))
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from byeori.bench.rounds import speed
from byeori.bench.verdict import interval, median, score
from byeori.report.facts import words
from byeori.report.table import aligned

if TYPE_CHECKING:
    from byeori.bench.contest import Found


def lines(found: Found, width: int | None = None) -> list[str]:
    """Plain lines, columns aligned by display width; sentences are broken at `width` where it is given."""
    said = [*found.verdict, *(f"Warning: {one}" for one in found.warnings)]
    if width is not None:
        said = [textwrap.fill(one, width, subsequent_indent="  ", break_on_hyphens=False) for one in said]
    rows = table(found)
    return [*rows, *([""] if rows else []), *said]


def table(found: Found) -> list[str]:
    """A line for each contestant that was measured; a column only where one of them has something to say in it."""
    some = {one.name: found.measured[one.name] for one in found.contestants if found.measured.get(one.name)}
    if not some:
        return []

    def column(cell: Any) -> list[str]:
        return [cell(results) for results in some.values()]

    columns = {
        "": list(some),
        "rows/s (least–most)": column(_speed),
        "seconds": column(lambda results: f"{median(results, 'seconds'):,.1f}"),
        "padding": column(lambda results: _percent(median(results, "padding"))),
        "peak MiB": column(lambda results: f"{median(results, 'memory_mb'):,.0f}"),
        f"same as {next(iter(some))}": column(lambda results: _percent(median(results, "equal"), 1)),
    }
    if found.headline is not None:
        columns[f"{words(found.headline)} (95%)"] = column(lambda results: _score(results, str(found.headline)))
    shown = {head: cells for head, cells in columns.items() if not head or set(cells) != {"–"}}
    return aligned([list(shown), *map(list, zip(*shown.values(), strict=True))])


def print_bench(found: Found) -> None:
    """On standard output: sentences broken to a terminal's width, a line each in a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(lines(found, width)))


def _speed(results: list[dict[str, Any]]) -> str:
    values = [one["rate"] for one in results]
    middle = speed(median(results, "rate") or 0.0)
    return middle if len(values) == 1 else f"{middle} ({speed(min(values))}–{speed(max(values))})"


def _score(results: list[dict[str, Any]], name: str) -> str:
    found = score(results, name)
    return "–" if found is None else interval(found)


def _percent(share: float | None, digits: int = 0) -> str:
    """Never 100% where something differs."""
    if share is None:
        return "–"
    if digits and 0.999 < share < 1:
        share = 0.999
    return f"{share:.{digits}%}"
