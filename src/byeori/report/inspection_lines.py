"""The inspection on a terminal: what was read, the parts beside one another, findings by gravity, the verdict last.

Invariants: columns stand by display width (a Korean syllable takes two columns); what is invisible or would act on the
terminal is shown as a sign; about `MOST` lines, what is left out is counted; in a pipe each finding is one plain line.

    print("\\n".join(lines(inspection)))     # the JSON object of `byeori inspect`
"""

from __future__ import annotations

import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from byeori.report.facts import real, table
from byeori.report.inspection_facts import (
    LEVELS,
    columns_line,
    cut_line,
    estimate_facts,
    findings,
    guessed,
    kind_words,
    label_counts,
    label_shares,
    lengths_line,
    level,
    model_name,
    over,
    parts,
    read_line,
    roles,
    shares,
    size,
    title,
    verdict,
    verdict_sentence,
)
from byeori.report.plots import percent
from byeori.report.table import aligned
from byeori.report.visible import clipped, one_line

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

MOST = 40
LABELS = 6
COLOURS = {"stop": "red", "look": "yellow", "note": "cyan", "ready": "green"}


def lines(data: dict[str, Any], most: int = MOST, width: int | None = None) -> list[str]:
    """Lines to print. On a terminal (or for a `width`) they are wrapped and coloured; elsewhere a finding is one line.

    most: about so many lines, notes being left out first and stops never; 0 for all of it.
    """
    if width is None and not sys.stdout.isatty():
        return [*_head(data, 200), "", *_plain(data, most), verdict_sentence(data)]
    from rich.console import Console

    console = Console(width=width, highlight=False, force_terminal=None if width is None else False, soft_wrap=False)
    with console.capture() as captured:
        console.print(_view(data, most, console.width))
    return [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]


def _plain(data: dict[str, Any], most: int) -> list[str]:
    shown, hidden = _chosen(data, max(1, most - len(_head(data, 200)) - 4) if most else 0, None)
    made = []
    for one in shown:
        advice = f" → {one_line(one['advice'])}" if one.get("advice") and level(one) != "note" else ""
        made.append(f"{level(one)}: {_named(one)}: {one_line(one.get('said') or '')}{advice}")
    return [*made, *([hidden] if hidden else []), *([""] if made else [])]


def _view(data: dict[str, Any], most: int, width: int) -> Group:
    """A table of levels and findings under the facts."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = _head(data, width)
    shown, hidden = _chosen(data, max(1, most - len(head) - 5) if most else 0, width - 6)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in shown:
        kind = level(one)
        said = Text.assemble((f"{_named(one)}: ", "bold"), one_line(one.get("said") or ""))
        if kind == "note" and most:
            said.truncate(max(20, width - 6), overflow="ellipsis")
        grid.add_row(Text(kind, style=f"bold {COLOURS[kind]}"), said)
        if kind != "note" and one.get("advice"):
            grid.add_row("", Text(f"→ {one_line(one['advice'])}", style="dim"))
    if hidden:
        grid.add_row("", Text(hidden, style="dim"))
    top: list[RenderableType] = [
        Text(line, "bold" if not place else "", no_wrap=True) for place, line in enumerate(head)
    ]
    end = Text(verdict_sentence(data), style=f"bold {COLOURS[verdict(data)]}")
    middle: list[RenderableType] = [grid, Text()] if shown else []
    return Group(*top, Text(), *middle, end)


def _chosen(data: dict[str, Any], room: int, width: int | None) -> tuple[list[dict[str, Any]], str]:
    """The findings there is room for (in lines, 0 for any number), wrapped at `width`, and a line about the others."""
    every, shown = findings(data), []
    if not room:
        return every, ""
    for one in every:
        room -= _height(one, width)
        if room >= 0 or level(one) == "stop":
            shown.append(one)
    rest = every[len(shown) :]
    if not rest:
        return shown, ""
    kinds = dict.fromkeys(kind_words(one) for one in rest)
    counted = [f"{number} more to look at" if name == "look" else f"{number} more {'note' if number == 1 else 'notes'}"
               for name in LEVELS[1:] if (number := sum(level(one) == name for one in rest))]  # fmt: skip
    return shown, f"… and {', '.join(counted)} ({', '.join(kinds)}): --html FILE has all, with examples"


def _height(one: dict[str, Any], width: int | None) -> int:
    """About how many lines a finding takes: a note is cut to one, and in a pipe all are one."""
    from rich.cells import cell_len

    if width is None or level(one) == "note":
        return 1
    texts = [f"{_named(one)}: {one_line(one.get('said') or '')}", one_line(one.get("advice") or "")]
    return sum(-(-cell_len(text) // max(1, width - 8)) for text in texts)


def _named(one: dict[str, Any]) -> str:
    part = f" ({one_line(one['part'])})" if one.get("part") and one["part"] != "train" else ""
    return f"{kind_words(one)}{part}"


def _head(data: dict[str, Any], width: int) -> list[str]:
    """What was read, then a table with a column a part."""
    about = [
        title(data),
        *([one_line(data["task"])] if data.get("task") else []),
        *([model_name(data)] if data.get("model") else []),
    ]
    made = [" · ".join(about), *(line for said in guessed(data) for line in wrap(said, width)), read_line(data)]
    if columns := columns_line(data):
        made.append(columns)
    found = parts(data)
    if not found:
        return [clipped(line, width) for line in made]
    rows = [["", *found], ["rows", *[size(part.get("rows")) for part in found.values()]]]
    balance = label_shares(data)
    labelled = [name for name, part in found.items() if label_counts(part)]
    for label, values in balance[:LABELS]:
        beside = dict(zip(labelled, values, strict=True))
        rows.append([f"  {clipped(one_line(label), 20)}", *[_share(beside.get(name)) for name in found]])
    if len(balance) > LABELS:
        rows.append([f"  … {len(balance) - LABELS:,} more labels", *[""] * len(found)])
    if any(table(part, "labels").get("problem_type") == "regression" for part in found.values()):
        told = [table(part, "labels") for part in found.values()]
        rows.append(
            ["label, mean ± sd", *[f"{size(one.get('mean'))} ± {size(one.get('std'))}" if one else "" for one in told]]
        )
    for role in roles(data):
        told = [table(table(part, "characters"), role) for part in found.values()]
        rows.append([f"characters, {one_line(role)}", *[lengths_line(one) if one else "" for one in told]])
    if any(table(part, "tokens") for part in found.values()):
        told = [table(part, "tokens") for part in found.values()]
        limit = next((real(one.get("max_length")) for one in told if one), None)
        rows.append(["tokens a row", *[lengths_line(one) if one else "" for one in told]])
        rows.append([f"rows {over(data)} {size(limit)}", *[cut_line(part) for part in found.values()]])
        rates = [real(one.get("unknown_rate")) for one in told]
        rows.append(["unknown tokens", *[percent(rate) if rate is not None else "" for rate in rates]])
    spoken = [(word, values) for word, values in shares(data, "languages", 0.005)][:3]
    for word, values in spoken:
        rows.append([f"rows in {word}" if word[0].isupper() else f"rows: {word}", *map(_share, values)])
    made += ["", *aligned(rows)]
    if estimate := estimate_facts(data):
        made += ["", "a training would take: " + ", ".join(f"{name} {value}" for name, value in estimate)]
    return [clipped(line, width) for line in made]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)
