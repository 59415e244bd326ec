"""A comparison as one page that needs nothing else, in the manner of report.html.

Invariants: every text from a run is escaped; no script, no link, no font from outside; each plot stands beside a table that says the
same.

    text = page(compare(["run-a", "run-b"]))
"""

from __future__ import annotations

from html import escape
from typing import Any

from byeori.report.compare_lines import HEADS, difference, named, score_rows, verdict
from byeori.report.facts import file_name, number, words
from byeori.report.html import STYLE, VERDICTS
from byeori.report.markup import Made, grid, items, said, text
from byeori.report.plots import ticks

WIDTH, LEFT, RIGHT, TALL, TOP, BOTTOM = 640, 190, 24, 30, 10, 34
KIND = {True: "better", False: "worse", None: "open"}
MORE = (
    ".mid{stroke:var(--soft);stroke-dasharray:4 3}.span{stroke-width:3}.good{color:var(--good)}.bad{color:var(--bad)}"
)


def page(found: dict[str, Any]) -> str:
    """The whole page."""
    title = " · ".join([one["run"] for one in found["comparisons"]] + [f"against {found['baseline']}"])
    body = [_section(_scores_title(found, one), _comparison(found, one)) for one in found["comparisons"]]
    if any("seeds" in run for run in found["runs"]):
        body.append(_section("Seeds", _seeds(found)))
    doubt = [*found["methods"]] + [f"{words(name)}: not compared; {why}" for name, why in found["not_compared"].items()]
    body.append(_section("How this was measured", items([f"{one}." for one in [*doubt, *found["notes"]]])))
    heads = "".join(
        f'<p class="verdict {KIND[better]}"><span aria-hidden="true">{VERDICTS[KIND[better]]} </span>{text(verdict(found, one))}</p>'
        for one in found["comparisons"]
        for better in [one["scores"].get(found["headline"], {}).get("better")]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · Byeori comparison</title><style>{STYLE}{MORE}</style></head>\n"
        f"<body><header><h1>{text(title)}</h1>"
        f'<p class="soft">{text(found["task"])} · {found["rows"]:,} {text(found["part"])} rows</p>{heads}</header>\n<main>'
        + "\n".join(body)
        + "</main></body></html>\n"
    )


def _section(title: str, made: str) -> str:
    return f"<section><h2>{text(title)}</h2>{made}</section>"


def _scores_title(found: dict[str, Any], one: dict[str, Any]) -> str:
    return f"{one['run']} against {found['baseline']}" if len(found["comparisons"]) > 1 else "Scores"


def _comparison(found: dict[str, Any], one: dict[str, Any]) -> str:
    heads, rows = score_rows(found, one)
    caption = "↓: lower is better" if found["lower_is_better"] else ""
    made = forest(found, one) + grid(heads, rows, caption, numbers=range(1, len(heads)))
    made += _changed(found, one)
    if one["settings"]:
        settings = [[name, *(_setting(value) for value in pair)] for name, pair in one["settings"].items()]
        made += "<h3>Settings that differ</h3>" + grid(["setting", found["baseline"], one["run"]], settings)
    else:
        made += "<p>No setting differs.</p>"
    return made


def forest(found: dict[str, Any], one: dict[str, Any]) -> str:
    """Differences with their intervals on one scale, a line a score; scores of another scale than the headline's stand apart."""
    measured = {name: score for name, score in one["scores"].items() if score["low"] is not None}
    if not measured:
        return ""
    large = {name for name, score in measured.items() if max(abs(score["first"]), abs(score["second"])) > 1.0}
    plots = [{name: score for name, score in measured.items() if (name in large) is of} for of in (False, True)]
    plots.sort(key=lambda scores: found["headline"] not in scores)
    return "".join(_forest(found, one, scores) for scores in plots if scores)


def _forest(found: dict[str, Any], one: dict[str, Any], scores: dict[str, Any]) -> str:
    ends = [0.0] + [score[key] for score in scores.values() for key in ("low", "high", "difference")]
    marks = ticks(min(ends), max(ends), 6)
    first, last = marks[0], marks[-1]
    tall = TOP + TALL * len(scores) + BOTTOM

    def at(value: float) -> float:
        return LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    title = f"Differences of {one['run']} from {found['baseline']} with 95% intervals: " + "; ".join(
        f"{words(name)} {difference(score)}" for name, score in scores.items()
    )
    drawn = [f'<div class="wide"><svg role="img" viewBox="0 0 {WIDTH} {tall}"><title>{escape(title)}</title>']
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
            f"{escape(named(found, name))}{' ↓' if name in found['lower_is_better'] else ''}</text>"
            f'<line class="line s0 span"{stroke} x1="{at(score["low"]):.1f}" x2="{at(score["high"]):.1f}" y1="{middle:.1f}" '
            f'y2="{middle:.1f}"/><circle class="dot"{fill} cx="{at(score["difference"]):.1f}" cy="{middle:.1f}" r="5"/>'
        )
    drawn.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{tall - 4}" text-anchor="middle">difference (right of 0: higher than '
        f"{escape(found['baseline'])})</text>"
    )
    return "".join([*drawn, "</svg></div>"])


def _tick(mark: float) -> str:
    return "0" if abs(mark) < 1e-12 else f"{mark:+.4g}".replace("-", "−")


def _changed(found: dict[str, Any], one: dict[str, Any]) -> str:
    changed = one["changed"]
    if not changed:
        return ""
    kinds = [kind for kind in HEADS if kind in changed]
    by = "" if changed["by"] == "answer" else f", by {words(changed['by'])} of each row"
    counts = [[HEADS[kind], f"{changed[kind]:,}"] for kind in kinds] + [["the same", f"{changed['same']:,}"]]
    made = "<h3>Rows that changed</h3>" + grid(["", "rows"], counts, f"{found['rows']:,} rows{by}", numbers=(1,))
    for kind in kinds:
        rows = changed["rows"][kind]
        if not rows:
            continue
        texts = any("text" in row for row in rows)
        table = []
        for row in rows:
            values = [number(value) for value in row.get("values") or ()]
            table.append(
                [
                    row["row"],
                    *([row.get("text", "")] if texts else []),
                    row["first"],
                    row["second"],
                    row["reference"],
                    *values,
                ]
            )
        heads = ["row", *(["text"] if texts else []), found["baseline"], one["run"], "right answer"]
        heads += [f"{words(changed['by'])} before", "now"] if changed["by"] != "answer" else []
        caption = f"{HEADS[kind]}: {len(rows)} of {changed[kind]:,} rows"
        opened = " open" if kind == kinds[0] else ""
        made += f"<details{opened}><summary>{text(caption)}</summary>{grid(heads, table, numbers=(0,))}</details>"
    return made


def _seeds(found: dict[str, Any]) -> str:
    made = ""
    for run in found["runs"]:
        if "seeds" not in run:
            continue
        rows = [
            [words(name), number(score["value"]), number(score["std"]), number(score["min"]), number(score["max"])]
            + [number(value) for value in score["values"]]
            for name, score in run["scores"].items()
        ]
        heads = ["score", "mean", "standard deviation", "least", "most", *[f"seed {seed}" for seed in run["seeds"]]]
        made += grid(heads, rows, run["name"], numbers=range(1, len(heads)))
    return made


def _setting(value: Any) -> Any:
    """A setting without the folders of the machine."""
    shown = said(value)
    return Made("–") if value is None else file_name(shown) if "/" in shown or "\\" in shown else shown
