"""The report's scores: each with its interval, beside both baselines, a table a part.

html = scores(read_facts("run"))
"""

from __future__ import annotations

from byeori.report.about import baselines, calibrated
from byeori.report.card_words import words
from byeori.report.facts import Facts, interval, number, real, table
from byeori.report.markup import grid, items, text
from byeori.report.score_notes import score_notes


def scores(facts: Facts) -> str:
    """Scores with their intervals beside both baselines; a table a part."""
    kinds = [kind for kind in ("trivial", "linear") if facts.baseline(kind)]
    found = []
    for part in ("test", "validation"):
        own = facts.scores if part == facts.part else table(facts.metrics, part)
        if not own:
            continue
        beside = kinds if part == facts.part else []
        rows = []
        for name, values in own.items():
            others = [facts.interval(facts.beside(kind, name)) for kind in beside]
            rows.append([facts.words(name), facts.say(number(values.get("value"))), _between(facts, values), *others])
        heads = [facts.say(name) for name in ("score", "value", "95% interval")]
        heads += [facts.say("{kind} baseline", kind=facts.say(kind)) for kind in beside]
        found.append(grid(heads, rows, _caption(facts, part), numbers=(1, 2, 3, 4)))
        if notes := score_notes(table(facts.metrics, part)):
            found.append(items([words(facts.lang).made(note) for note in notes]))
    if found and (told := calibrated(facts)):
        found.append(f'<p class="soft">{text(told)}</p>')
    if found:
        doubt = "Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data."
        found.append(f'<p class="soft">{text(facts.say(doubt))} {text(baselines(facts))}</p>')
    return "".join(found)


def _between(facts: Facts, values: dict[str, float | None]) -> str:
    """The interval alone, "" where there is none."""
    if real(values.get("low")) is None or real(values.get("high")) is None:
        return interval(values).partition("(")[2]
    return facts.say("{low} to {high}", low=number(values["low"]), high=number(values["high"]))


def _caption(facts: Facts, part: str) -> str:
    count, shown = facts.rows(part), facts.say(part)
    caption = facts.say("{part}, {count:,} rows", part=shown, count=count) if count else shown
    if part == "validation":
        caption += facts.say(": these rows chose the model, so the scores lean to the good side")
    return caption
