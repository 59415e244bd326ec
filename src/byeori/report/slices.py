"""The report's scores by length of the input and by where rows come from, each with its interval.

Invariant: a part of the rows never stands without how many they are; nothing is called a finding: with so many intervals some
miss the score of all rows by chance, and that is said.

    html = by_slice(read_facts("run"))
"""

from __future__ import annotations

from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, file_name, number, real, table
from byeori.report.markup import grid, text
from byeori.report.visible import clipped, one_line

MOST_SCORES = 3  # columns of a table


def by_slice(facts: Facts) -> str:
    """A plot and a table for each way of parting the rows; "" where nothing was stored."""
    if facts.slices.get("part") != facts.part:
        return ""
    made = []
    for kind in ("length", "file", "source"):
        given = table(facts.slices, kind)
        rows = given.get("slices")
        if isinstance(rows, list) and rows:
            title, named = _title(facts, kind, given), [_named(facts, kind, one) for one in rows]
            made.append(f"<h3>{text(title)}</h3>{_drawn(facts, title, named, rows)}{_table(facts, title, named, rows)}")
    if not made:
        return ""
    said = "Each interval is over the rows of its line alone. Of many intervals some miss the score of all rows by chance alone."
    return "".join(made) + f'<p class="soft">{text(facts.say(said))}</p>'


def _title(facts: Facts, kind: str, given: dict[str, Any]) -> str:
    if kind == "source":
        return facts.say('By the column "{column}"', column=one_line(given.get("column")))
    return facts.say("By length of the input" if kind == "length" else "By file")


def _named(facts: Facts, kind: str, one: dict[str, Any]) -> str:
    if kind == "length":
        low, high = int(one["low"]), int(one["high"])
        said = "{low:,} to {high:,} tokens" if high > low else "{low:,} tokens"
        return facts.say(said, low=low, high=high)
    name = one.get("name")
    if name is None:
        return facts.say("all others")
    return one_line(file_name(name) if kind == "file" else name)


def _drawn(facts: Facts, title: str, names: list[str], rows: list[dict[str, Any]]) -> str:
    score = next((name for name in facts.scores if any(table(one, "scores").get(name) for one in rows)), None)
    whole = real(facts.scores[score]["value"]) if score else None
    if score is None or whole is None:
        return ""
    shown = []
    for name, one in zip(names, rows, strict=True):
        found = table(table(one, "scores"), score)
        value, low, high = (real(found.get(key)) for key in ("value", "low", "high"))
        if value is not None:
            shown.append((clipped(name, 23), value, low, high))
    word, said = facts.say("all rows {value}", value=number(whole)), facts.words(score)
    told = ", ".join(f"{name} {number(value)}" for name, value, _, _ in shown)
    return plots.spans(f"{title}: {said}. {told}", shown, whole, word, x=said)


def _table(facts: Facts, title: str, names: list[str], rows: list[dict[str, Any]]) -> str:
    scores = [name for name in facts.scores if any(table(one, "scores").get(name) for one in rows)][:MOST_SCORES]
    cells = []
    for name, one in zip(names, rows, strict=True):
        found = [facts.interval(table(table(one, "scores"), score) or None) for score in scores]
        cells.append([name, f"{int(one['rows']):,}", *found])
    heads = ["", facts.say("rows"), *map(facts.words, scores)]
    part = facts.say("Rows of {part}; in brackets the 95% interval", part=facts.say(str(facts.part)))
    return grid(heads, cells, part, numbers=range(1, len(heads)), kind="slices")
