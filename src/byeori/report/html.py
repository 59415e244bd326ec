"""report.html: a run on one page that needs nothing else: no script, no link, no font from outside.

Invariants: every text from the run is escaped; a part that can't be made from the folder's files says so in its place;
the page is in one language, and what stands in another is marked so; colours hold in light and dark; each section is a
function of a file of its own.

    text = page(read_facts("run"))
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from byeori.report.about import about
from byeori.report.curves import curves
from byeori.report.facts import Facts, attempt
from byeori.report.markup import items, text
from byeori.report.reliability import reliability
from byeori.report.repeat import environment, settings, speed
from byeori.report.samples import samples
from byeori.report.scores import scores
from byeori.report.slices import by_slice
from byeori.report.style import STYLE
from byeori.report.trained_on import data
from byeori.report.visible import visible
from byeori.report.wrong import wrong

VERDICTS = {"better": "▲", "worse": "▼", "open": "≈", "unknown": "?"}
OPTIONAL = ("Scores by part of the rows",)  # sections that many runs have no reason to have


def page(facts: Facts) -> str:
    """The whole page, in the language of `facts.lang`."""
    sections: tuple[tuple[str, Callable[[Facts], str]], ...] = (
        ("Scores", scores),
        ("Curves", curves),
        ("Predictions", predictions),
        ("Scores by part of the rows", by_slice),
        ("Samples", samples),
        ("Data", data),
        ("Speed", speed),
        ("Environment", environment),
        ("Settings", settings),
    )
    body, ways = [], []
    for place, (title, make) in enumerate(sections):
        name = facts.say(title)
        made = attempt(make, facts, f"the section {title}")
        if not made and title in OPTIONAL:
            continue
        lacking = text(facts.say("Not there: the files of the run do not hold it."))
        body.append(f'<section><h2 id="s{place}">{text(name)}</h2>{made or f"<p>{lacking}</p>"}</section>')
        ways.append(f'<a href="#s{place}">{text(name)}</a>')
    kind, verdict = facts.verdict
    head = f'<p class="verdict {kind}"><span aria-hidden="true">{VERDICTS[kind]} </span>{text(verdict)}</p>'
    if facts.missing:  # after the sections, which add to it
        lines = [facts.say(one) for one in facts.missing]
        title = text(facts.say("Missing in this run"))
        body.insert(0, f'<section><h2 id="missing">{title}</h2>{items(lines)}</section>')
        ways.insert(0, f'<a href="#missing">{title}</a>')
    base = facts.base_model
    begun = facts.say("{name}, from scratch", name=facts.from_scratch) if facts.from_scratch else base
    said = " · ".join(text(one) for one in (facts.task, (facts.kind or "").replace("_", " "), begun) if one)
    return (
        f'<!DOCTYPE html>\n<html lang="{facts.lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(visible(facts.name))} · {facts.say('Byeori report')}</title><style>{STYLE}</style></head>\n"
        f'<body><header><h1>{text(facts.name)}</h1><p class="soft">{said}</p>{head}'
        f'<nav aria-label="{escape(facts.say("Sections"))}">{"".join(ways)}</nav></header>\n'
        "<main>" + "\n".join(body) + "</main></body></html>\n"
    )


def predictions(facts: Facts) -> str:
    """Where the model is right and wrong, as its task has it."""
    part = next((part for part in ("test", "validation") if facts.predictions.get(part)), None)
    if part is None:
        return ""
    entry = about(facts)
    made = entry.overview(facts, part) + reliability(facts, part) + wrong(facts, part, entry.mistakes(facts, part))
    said = facts.say("Rows are numbered as in predictions/{part}.jsonl.", part=part)
    return made and f'{made}<p class="soft">{text(said)}</p>'


def language_of(facts: Facts) -> str:
    """The language of a page nobody chose one for: Korean where most letters of the samples are Hangul, else English."""
    return "ko" if facts.mostly_korean else "en"
