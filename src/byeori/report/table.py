"""The end of a run on a terminal: scores beside the baselines, what it cost, where everything lies.

print("\\n".join(summary_lines(RunFolder("run"), metrics)))      # in a pipe
Console().print(summary(RunFolder("run"), metrics))             # on a terminal
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.report.cost import costs
from byeori.report.facts import Facts, interval, table
from byeori.report.score_notes import score_notes
from byeori.run import RunFolder

if TYPE_CHECKING:
    from rich.console import RenderableType


def summary(folder: RunFolder, metrics: dict[str, Any]) -> RenderableType:
    """The same as `summary_lines`, as a rich table between its lines."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Facts(folder.path.name, metrics=metrics)
    heads, rows = score_table(facts)
    colour = {"better": "green", "worse": "red", "open": "yellow", "unknown": "default"}
    kind, said = facts.verdict
    parts: list[RenderableType] = []
    if rows:
        grid = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
        for place, head in enumerate(heads):
            grid.add_column(head, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            grid.add_row(*map(Text, row))
        parts += [grid, Text(), *map(Text, score_notes(table(metrics, facts.part)))]
    parts += [Text(said, colour[kind]), Text()]
    parts += [Text(line) for line in [*cost_lines(facts), *place_lines(folder)]]
    return Group(*parts)


def summary_lines(folder: RunFolder, metrics: dict[str, Any]) -> list[str]:
    """Plain lines; columns are aligned by display width, in which a Korean syllable is two wide."""
    facts = Facts(folder.path.name, metrics=metrics)
    heads, rows = score_table(facts)
    lines = aligned([heads, *rows]) if rows else []
    return [
        *lines,
        *score_notes(table(metrics, facts.part)),
        facts.verdict[1],
        *cost_lines(facts),
        *place_lines(folder),
    ]


def score_table(facts: Facts) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: score, value with its interval, both baselines where they were scored."""
    kinds = [kind for kind in ("trivial", "linear") if facts.baseline(kind)]
    heads = [f"score ({facts.part})", "value (95% interval)", *kinds]
    rows = [
        [facts.words(name), interval(score), *[interval(facts.beside(kind, name)) for kind in kinds]]
        for name, score in facts.scores.items()
    ]
    return heads, rows


def cost_lines(facts: Facts) -> list[str]:
    """Time, speed, padding, memory and the kept update, in a line or two."""
    known = dict(costs(facts))
    first = [
        f"{name} {known[name]}"
        for name in ("training", "whole run", "rows a second", "tokens a second")
        if name in known
    ]
    second = [
        f"{name} {known[name]}" for name in ("padding", "peak memory", "kept model", "stopped early") if name in known
    ]
    return [" · ".join(parts) for parts in (first, second) if parts]


def place_lines(folder: RunFolder) -> list[str]:
    """What lies where, of what is there."""
    places = (
        ("model", folder.model), ("report", folder.report), ("scores", folder.metrics),
        ("predictions", folder.predictions), ("settings", folder.settings), ("checkpoints", folder.checkpoints),
    )  # fmt: skip
    return aligned([[name, str(path)] for name, path in places if path.exists()], right=False)


def aligned(rows: list[list[str]], right: bool = True) -> list[str]:
    """Rows as lines of columns: the first stands left, the others right if `right`; two spaces between."""
    from rich.cells import cell_len

    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - cell_len(cell))
            cells.append(gap + cell if right and place else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def print_summary(folder: RunFolder, metrics: dict[str, Any]) -> None:
    """The summary on standard output: a table on a terminal, plain lines in a pipe."""
    import sys

    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(summary(folder, metrics))
    else:
        print("\n".join(summary_lines(folder, metrics)))


def print_scores(scores: dict[str, Any], of_class: dict[str, str] | None = None) -> None:
    """Scores with their intervals, a line each, and what they count, on standard output; `of_class` as `Task.of_class` has it."""
    facts = Facts("", metrics={"of_class": of_class or {}})
    lines = aligned([[facts.words(name), interval(score)] for name, score in scores.items()])
    print("\n".join([*lines, *score_notes(scores)]))
