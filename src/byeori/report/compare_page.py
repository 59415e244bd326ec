"""A comparison as one page that needs nothing else, in the manner of report.html.

Invariants: every text from a run is escaped; no script, no link, no font from outside; each plot stands beside a table that says the
same; the page is in one language, and only names, labels and texts of the runs stand in another.

    text = page(compare(["run-a", "run-b"]), "ko")
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from byeori.report.compare_lines import HEADS, difference, directed, named, score_rows, value, verdict
from byeori.report.facts import Facts, file_name, read_facts, words
from byeori.report.html import STYLE, VERDICTS, language_of
from byeori.report.markup import Made, folded, grid, items, said, text
from byeori.report.plots import ticks
from byeori.report.visible import visible
from byeori.report.words import Told, say, told

WIDTH, LEFT, RIGHT, TALL, TOP, BOTTOM = 640, 190, 24, 30, 10, 46
KIND = {True: "better", False: "worse", None: "open"}
MORE = ".mid{stroke:var(--soft);stroke-dasharray:4 3}.span{stroke-width:3}"


def page(found: dict[str, Any], lang: str = "en") -> str:
    """The whole page, in `en` or `ko`."""
    runs = ", ".join(one["run"] for one in found["comparisons"])
    title = say(lang, "{runs} against {baseline}", runs=runs, baseline=found["baseline"])
    sections = [(_scores_title(found, one, lang), _comparison(found, one, lang)) for one in found["comparisons"]]
    if any("seeds" in run for run in found["runs"]):
        sections.append((say(lang, "Seeds"), _seeds(found, lang)))
    doubt = [say(lang, one) + "." for one in found["methods"]]
    for name, why in found["not_compared"].items():
        score = told(words(name))
        doubt.append(say(lang, "{score}: not compared; {why}.", score=score, why=why))
    doubt += [say(lang, one) for one in found["notes"]]
    sections.append((say(lang, "How this was measured"), items(doubt)))
    heads = "".join(
        f'<p class="verdict {KIND[better]}"><span aria-hidden="true">{VERDICTS[KIND[better]]} </span>'
        f"{text(say(lang, verdict(found, one)))}</p>"
        for one in found["comparisons"]
        for better in [one["scores"].get(found["headline"], {}).get("better")]
    )
    ways = "".join(f'<a href="#s{place}">{text(name)}</a>' for place, (name, _) in enumerate(sections))
    body = [
        f'<section><h2 id="s{place}">{text(name)}</h2>{made}</section>' for place, (name, made) in enumerate(sections)
    ]
    count = say(lang, "{part}, {count:,} rows", part=told(found["part"]), count=found["rows"])
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(visible(title))} · {say(lang, 'Byeori comparison')}</title><style>{STYLE}{MORE}</style></head>\n"
        f"<body><header><h1>{text(title)}</h1>"
        f'<p class="soft">{text(found["task"])} · {text(count)}</p>{heads}'
        f'<nav aria-label="{escape(say(lang, "Sections"))}">{ways}</nav></header>\n<main>'
        + "\n".join(body)
        + "</main></body></html>\n"
    )


def language(found: dict[str, Any]) -> str:
    """The language of a page nobody chose one for: by the samples of all runs, as a report's is by those of one."""
    runs = [read_facts(folder) for run in found["runs"] for folder in run["folders"]]
    return language_of(Facts("", samples=[one for facts in runs for one in facts.samples or facts.watched]))


def _scores_title(found: dict[str, Any], one: dict[str, Any], lang: str) -> str:
    if len(found["comparisons"]) == 1:
        return say(lang, "Scores")
    return say(lang, "{runs} against {baseline}", runs=one["run"], baseline=found["baseline"])


def _comparison(found: dict[str, Any], one: dict[str, Any], lang: str) -> str:
    heads, rows = score_rows(found, one)
    several = any("seeds" in run for run in found["runs"])
    caption = say(
        lang, "Means over the seeds, and their differences" if several else "Scores of both, and their differences"
    )
    caption += say(lang, "; ↓: lower is better") if found["lower_is_better"] else ""
    numbers = range(1, len(heads))
    made = forest(found, one, lang) + grid(_cells(heads, lang), [_cells(row, lang) for row in rows], caption, numbers)
    made += _changed(found, one, lang)
    made += f"<h3>{text(say(lang, 'Settings'))}</h3>"
    if not one["settings"]:
        return f"{made}<p>{text(say(lang, 'No setting differs.'))}</p>"
    settings = [[*_cells([name], lang), *(_setting(value) for value in pair)] for name, pair in one["settings"].items()]
    heads = [say(lang, "setting"), found["baseline"], one["run"]]
    return made + grid(heads, settings, say(lang, "Settings that differ"))


def _cells(cells: list[Any], lang: str) -> list[Any]:
    """What is ours in the language; names and texts of runs as they are."""
    return [say(lang, cell) if isinstance(cell, Told) else cell for cell in cells]


def forest(found: dict[str, Any], one: dict[str, Any], lang: str = "en") -> str:
    """Differences with their intervals on one scale, a line a score; scores of another scale than the headline's stand apart."""
    measured = {name: score for name, score in one["scores"].items() if score["low"] is not None}
    if not measured:
        return ""
    large = {name for name, score in measured.items() if max(abs(score["first"]), abs(score["second"])) > 1.0}
    plots = [{name: score for name, score in measured.items() if (name in large) is of} for of in (False, True)]
    plots.sort(key=lambda scores: found["headline"] not in scores)
    return "".join(_forest(found, one, scores, lang) for scores in plots if scores)


def _forest(found: dict[str, Any], one: dict[str, Any], scores: dict[str, Any], lang: str) -> str:
    ends = [0.0] + [score[key] for score in scores.values() for key in ("low", "high", "difference")]
    marks = ticks(min(ends), max(ends), 6)
    first, last = marks[0], marks[-1]
    tall = TOP + TALL * len(scores) + BOTTOM

    def at(value: float) -> float:
        return LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    listed = "; ".join(
        f"{say(lang, named(found, name))} {say(lang, difference(score))}" for name, score in scores.items()
    )
    title = say(
        lang, "Differences of {run} from {baseline} with 95% intervals: {scores}",
        run=one["run"], baseline=found["baseline"], scores=listed,
    )  # fmt: skip
    drawn = [f'<div class="wide"><svg role="img" viewBox="0 0 {WIDTH} {tall}"><title>{escape(visible(title))}</title>']
    for mark in marks:
        kind = "mid" if abs(mark) < 1e-12 else "grid"
        drawn.append(
            f'<line class="{kind}" x1="{at(mark):.1f}" x2="{at(mark):.1f}" y1="{TOP}" y2="{tall - BOTTOM}"/>'
            f'<text x="{at(mark):.1f}" y="{tall - BOTTOM + 16}" text-anchor="middle">{_tick(mark)}</text>'
        )
    for place, (name, score) in enumerate(scores.items()):
        middle = TOP + TALL * (place + 0.5)
        colour = {True: "good", False: "bad", None: ""}[score["better"]]
        stroke = f' style="stroke:var(--{colour})"' if colour else ""
        fill = f' style="fill:var(--{colour})"' if colour else ""
        drawn.append(
            f'<text x="{LEFT - 12}" y="{middle + 4:.1f}" text-anchor="end" class="{"strong" if name == found["headline"] else "word"}">'
            f"{escape(visible(say(lang, directed(found, name))))}</text>"
            f'<line class="line s0 span"{stroke} x1="{at(score["low"]):.1f}" x2="{at(score["high"]):.1f}" y1="{middle:.1f}" '
            f'y2="{middle:.1f}"/><circle class="dot"{fill} cx="{at(score["difference"]):.1f}" cy="{middle:.1f}" r="5"/>'
        )
    side = say(lang, "difference (right of 0: higher than {baseline})", baseline=found["baseline"])
    drawn.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{tall - 4}" text-anchor="middle">{escape(visible(side))}</text>'
    )
    return "".join([*drawn, "</svg></div>"])


def _tick(mark: float) -> str:
    return "0" if abs(mark) < 1e-12 else f"{mark:+.4g}".replace("-", "−")


def _changed(found: dict[str, Any], one: dict[str, Any], lang: str) -> str:
    changed = one["changed"]
    if not changed:
        return ""
    kinds = [kind for kind in HEADS if kind in changed]
    by = "" if changed["by"] == "answer" else told(words(changed["by"]))
    counts = [[say(lang, HEADS[kind]), f"{changed[kind]:,}"] for kind in kinds]
    counts.append([say(lang, "the same"), f"{changed['same']:,}"])
    several = any("seeds" in run for run in found["runs"])
    count = sum(changed[kind] for kind in [*kinds, "same"])
    if by:
        caption = say(lang, "{count:,} rows by the {score} of each", count=count, score=by)
    else:
        by_most = "{count:,} rows by whether the answers of most seeds are right"
        caption = say(lang, by_most if several else "{count:,} rows by whether the answer is right", count=count)
    made = f"<h3>{text(say(lang, 'Rows that changed'))}</h3>"
    made += grid([say(lang, "change"), say(lang, "rows")], counts, caption, numbers=(1,))
    for kind in kinds:
        if rows := changed["rows"][kind]:
            texts = any("text" in row for row in rows)
            table = [
                [row["row"], *(_unbroken(side) for side in _cells([row["first"], row["second"]], lang))]
                + _cells([row["reference"]], lang)
                + [say(lang, value(one)) for one in row.get("values") or ()]
                + [row.get("text", "")] * texts
                for row in rows
            ]
            heads = [say(lang, "row"), found["baseline"], one["run"], say(lang, "reference")]
            if by:
                heads += [f"{say(lang, by)}, {run}" for run in (found["baseline"], one["run"])]
            heads += [say(lang, "text")] * texts  # few rows have theirs kept, so it stands last
            caption = say(
                lang, "{kind}: {some} of {all} rows", kind=told(HEADS[kind]), some=len(rows), all=f"{changed[kind]:,}"
            )
            note = say(lang, "Rows are numbered as in predictions/{part}.jsonl.", part=found["part"])
            if several:
                note += " " + say(lang, "Beside each answer stands how many seeds gave it.")
            made += folded(caption, grid(heads, table, note, numbers=(0,)), opened=kind == kinds[0])
    return made


def _unbroken(answer: Any) -> Any:
    """Answers of several seeds, whose counts stay on the line of what they count."""
    return re.sub(r" × (?=\d)", "\u00a0×\u00a0", answer) if " × " in answer else answer


def _seeds(found: dict[str, Any], lang: str) -> str:
    made = ""
    for run in found["runs"]:
        if "seeds" not in run:
            continue
        keys = ("value", "std", "min", "max")
        rows = [
            _cells([directed(found, name)], lang)
            + [say(lang, value(one)) for one in (*(score[key] for key in keys), *score["values"])]
            for name, score in run["scores"].items()
        ]
        heads = [say(lang, name) for name in ("score", "mean", "standard deviation", "least", "most")]
        heads += [say(lang, "seed {seed}", seed=seed) for seed in run["seeds"]]
        caption = say(lang, "{run}: {count} seeds", run=run["name"], count=len(run["seeds"]))
        made += grid(heads, rows, caption, numbers=range(1, len(heads)))
    return made


def _setting(value: Any) -> Any:
    """A setting without the folders of the machine."""
    shown = said(value)
    return Made("–") if value is None else file_name(shown) if "/" in shown or "\\" in shown else shown
