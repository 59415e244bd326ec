"""Several seeds of one training on a terminal: each score's mean, spread and ends.

print("\n".join(seed_lines(read_json(folder / "seeds.json"), folder)))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byeori.report.facts import number, words
from byeori.report.table import aligned
from byeori.run import dumps, read_json


def seed_lines(found: dict[str, Any], folder: Path) -> list[str]:
    """A table of the test (else validation) scores, a column a seed; which seed was kept; where everything lies."""
    part = "test" if "test" in found else "validation"
    heads = [f"score ({part})", "mean", "± std", "min", "max", *[f"seed {one['seed']}" for one in found["seeds"]]]
    rows = []
    for name, score in sorted(found.get(part, {}).items(), key=lambda one: one[0] != found["headline"]):
        label = found["of_class"].get(name)
        values = [score["mean"], score["std"], score["min"], score["max"], *score["values"]]
        rows.append([words(name) + (f" ({label})" if label else ""), *map(number, values)])
    best = next(one for one in found["seeds"] if one["folder"] == found["best"])
    if found["chosen_by"]:
        why = f"of the best {found['chosen_by']} {words(best['best']['metric'])}, {number(best['best']['value'])}"
    else:
        why = "the first, since there are no validation rows to choose by"
    return [
        *aligned([heads, *rows]),
        f"{found['best']} is in best/: {why}. What this setting gives is the mean, not the best of it.",
        f"training {found['seconds']:.1f} s · all {found['total_seconds']:.1f} s",
        f"best   {folder / 'best'}",
        f"seeds  {folder / 'seeds.json'}",
    ]


def print_seeds(best: Path, as_json: bool) -> None:
    """Of a folder of seeds, named by the best run in it, on standard output."""
    folder = best.parent
    found = read_json(folder / "seeds.json")
    print(dumps(found) if as_json else "\n".join(seed_lines(found, folder)))
