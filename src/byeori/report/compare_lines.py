"""A comparison on a terminal or in a pipe: scores with their differences, rows that changed, settings that differ.

Invariant: here all is in English; what the page says too is `told`, so that it can be said in Korean there.

    print("\n".join(lines(compare(["run-a", "run-b"]))))
"""

from __future__ import annotations

from typing import Any

from byeori.report.facts import number, words
from byeori.report.table import aligned
from byeori.report.words import told

WIDE = 21  # of the drawn intervals; odd, so that 0 has a place
ROWS = 5  # of each kind
TEXT = 60
HEADS = {
    "right_to_wrong": "right → wrong", "wrong_to_right": "wrong → right", "wrong_differently": "wrong in another way",
    "worse": "worse", "better": "better",
}  # fmt: skip
VERDICTS = {
    True: "{run} is better than {baseline}: {score} {difference}, p {p}.",
    False: "{run} is worse than {baseline}: {score} {difference}, p {p}.",
    None: "{run} is not shown to differ from {baseline}: {score} {difference}, p {p}.",
}


def lines(found: dict[str, Any]) -> list[str]:
    """Plain lines; columns are aligned by display width, in which a Korean syllable is two wide."""
    made = [f"{found['part']}, {found['rows']:,} rows, against {found['baseline']}"]
    made += spreads(found)
    for one in found["comparisons"]:
        made += ["", *_scores(found, one), "", *_changed(one), *_settings(found, one)]
    made += [""] + [f"{name}: not compared; {why}." for name, why in found["not_compared"].items()]
    made += [f"Note: {note}" for note in found["notes"]] + [f"{method}." for method in found["methods"]]
    return [line.rstrip() for line in made]


def spreads(found: dict[str, Any]) -> list[str]:
    """Mean, standard deviation and ends of the headline of each folder of several seeds."""
    name = found["headline"]
    made = []
    for run in found["runs"]:
        if "seeds" in run and name in run["scores"]:
            score = run["scores"][name]
            ends = f"{number(score['min'])} to {number(score['max'])}"
            made.append(
                f"{run['name']}: {words(name)} {number(score['value'])} ± {number(score['std'])} over {len(run['seeds'])} seeds ({ends})"
            )
    return made


def score_rows(found: dict[str, Any], one: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of one comparison: score, both values, difference with its interval, p."""
    corrected = any("p_holm" in score for score in one["scores"].values())
    heads = [told("score"), found["baseline"], one["run"], told("difference (95% interval)"), "p"]
    heads += [told("p (Holm)")] * corrected
    made = []
    for name, score in one["scores"].items():
        made.append([
            directed(found, name),
            value(score["first"]), value(score["second"]), difference(score), chance(score["p"]),
            *([chance(score["p_holm"])] if corrected else []),
        ])  # fmt: skip
    return heads, made


def named(found: dict[str, Any], score: str) -> str:
    """A score's name for people, with the class it is of where it is of one alone."""
    label = found["of_class"].get(score)
    name = told(words(score))
    return told("{score} ({label})", score=name, label=label) if label else name


def directed(found: dict[str, Any], score: str) -> str:
    """As `named`, with an arrow where lower is better."""
    name = named(found, score)
    return told("{score} ↓", score=name) if score in found["lower_is_better"] else name


def difference(score: dict[str, Any]) -> str:
    """`+0.0120 (−0.0030 to +0.0270)`."""
    if score["difference"] is None:
        return told("undefined")
    middle, low, high = (None if score[key] is None else _signed(score[key]) for key in ("difference", "low", "high"))
    return str(middle) if low is None else told("{value} ({low} to {high})", value=middle, low=low, high=high)


def chance(p: float | None) -> str:
    """A p for people: `0.031`, `0.0002`; `< 0.0001` for less."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def verdict(found: dict[str, Any], one: dict[str, Any]) -> str:
    """What the headline says, in a sentence."""
    name = found["headline"]
    score = one["scores"].get(name)
    if score is None:
        return told("{score}, the headline, can't be compared.", score=told(words(name)))
    return told(
        VERDICTS[score["better"]], run=one["run"], baseline=found["baseline"], score=told(words(name)),
        difference=difference(score), p=chance(score.get("p_holm", score["p"])),
    )  # fmt: skip


def value(score: float | None) -> str:
    """A score with the minus sign of the differences beside it."""
    return told(number(score).replace("-", "−"))


def _signed(found: float) -> str:
    return ("−" if found < 0 else "+") + number(abs(found))


def _scores(found: dict[str, Any], one: dict[str, Any]) -> list[str]:
    heads, rows = score_rows(found, one)
    drawn = ["", *[_drawn(score) for score in one["scores"].values()]]
    return [verdict(found, one), ""] + [
        f"{line}{' ' * (widest - _cells(line))}  {bar}"
        for table in [aligned([heads, *rows])]
        for widest in [max(map(_cells, table))]
        for line, bar in zip(table, drawn, strict=True)
    ]


def _drawn(score: dict[str, Any]) -> str:
    """The interval as a bar, ┼ or │ at 0, each score in its own scale: `   ├──●──┤ │`."""
    if score["low"] is None:
        return ""
    half = WIDE // 2
    most = max(abs(score["low"]), abs(score["high"])) or 1.0
    low, at, high = (half + round(value / most * half) for value in (score["low"], score["difference"], score["high"]))
    signs = [" "] * WIDE
    signs[low : high + 1] = "─" * (high + 1 - low)
    signs[low], signs[high] = "├", "┤"
    signs[half] = "┼" if low < half < high else "│"
    signs[max(0, min(WIDE - 1, at))] = "●"
    return "".join(signs)


def _cells(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)


def _changed(one: dict[str, Any]) -> list[str]:
    changed = one["changed"]
    if not changed:
        return []
    kinds = [kind for kind in HEADS if kind in changed]
    counts = ", ".join(f"{changed[kind]:,} {HEADS[kind]}" for kind in kinds)
    by = "" if changed["by"] == "answer" else f" by {words(changed['by'])} of each"
    made = [f"Rows{by}: {counts}; {changed['same']:,} the same."]
    for kind in kinds:
        rows = changed["rows"][kind][:ROWS]
        if rows:
            more = f" ({len(rows)} of {changed[kind]:,})" if changed[kind] > len(rows) else ""
            table = [
                [f"  {row['row']}", *(_cut(row.get(key)) for key in ("text", "first", "second", "reference"))]
                for row in rows
            ]
            heads = ["  row", "text", "before", "now", "right answer"]
            keep = [at for at in range(5) if any(row[at] for row in table)]
            made += [f"{HEADS[kind]}{more}:"]
            made += aligned([[row[at] for at in keep] for row in [heads, *table]], right=False)
    return made


def _settings(found: dict[str, Any], one: dict[str, Any]) -> list[str]:
    if not one["settings"]:
        return ["", "No setting differs."]
    rows = [["setting", found["baseline"], one["run"]]]
    rows += [[name, *(_cut(value) or "–" for value in pair)] for name, pair in one["settings"].items()]
    return ["", *aligned(rows, right=False)]


def _cut(value: Any) -> str:
    """A text on one line, cut to a width."""
    from rich.cells import cell_len, set_cell_size

    shown = "" if value is None else " ".join(str(value).split())
    return shown if cell_len(shown) <= TEXT else set_cell_size(shown, TEXT - 1).rstrip() + "…"
