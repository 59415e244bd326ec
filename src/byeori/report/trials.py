"""The end of a search on a terminal: its trials, a line each, the best one marked, and where it lies.

print_trials(StudyFolder("search"))
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from byeori.report.table import aligned

if TYPE_CHECKING:
    from byeori.train.study_folder import StudyFolder

BEST = "*"


def trials_of(folder: StudyFolder) -> dict[str, Any]:
    """What --json prints: {"best", "trials", "folder"}, trials as trials.jsonl has them."""
    lines = [json.loads(line) for line in folder.table.read_text(encoding="utf-8").split("\n") if line]
    kept = folder.best / "settings.yaml"
    # best/ is a copy: the folder its settings name is its trial's.
    from byeori.settings import load_yaml

    name = str(load_yaml(kept)["output"]).replace("\\", "/").rpartition("/")[2]
    best = next(line for line in lines if line["folder"].endswith(name))
    return {"best": best, "folder": str(folder.best), "trials": lines}


def table(found: dict[str, Any]) -> list[list[str]]:
    """Heads and rows: trial, score, state, seconds, then each setting that was searched."""
    lines = found["trials"]
    names = list(dict.fromkeys(name for line in lines for name in line["settings"]))
    rows = [["trial", lines[0]["metric"], "state", "seconds", *names]]
    for line in lines:
        score = "" if line["score"] is None else f"{line['score']:.4f}"
        mark = BEST if line["trial"] == found["best"]["trial"] else ""
        cells = [_cell(line["settings"].get(name)) for name in names]
        rows.append([f"{line['trial']}{mark}", score, line["state"], f"{line['seconds']:.1f}", *cells])
    return rows


def print_trials(folder: StudyFolder) -> None:
    """The trials on standard output: a table on a terminal, plain lines in a pipe."""
    found = trials_of(folder)
    heads, *rows = table(found)
    last = f"{BEST} the best: {found['folder']}"
    if not sys.stdout.isatty():
        print("\n".join([*aligned([heads, *rows]), last]))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for place, head in enumerate(heads):
        grid.add_column(head, justify="right" if place else "left")
    for row in rows:
        grid.add_row(*map(Text, row), style="bold" if row[0].endswith(BEST) else "")
    console = Console(highlight=False)
    console.print(grid)
    console.print(last, markup=False, soft_wrap=True)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
