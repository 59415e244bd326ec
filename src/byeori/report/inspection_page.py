"""The inspection as one HTML page that needs nothing else: no script, no link, no font from outside.

Invariants: every text of the data is escaped and its invisible characters are shown; a page is made whatever the object
lacks; the same object gives the same bytes; colours hold in light and dark, and what is folded away opens in print.

    html = page(inspection)     # the JSON object of `byeori inspect`
"""

from __future__ import annotations

from html import escape
from typing import Any

from byeori.report import plots
from byeori.report.facts import file_name, real, table
from byeori.report.found import articles
from byeori.report.inspection_facts import (
    SIZES,
    cut_line,
    dicts,
    estimate_facts,
    findings,
    label_counts,
    label_shares,
    memory,
    model_name,
    over,
    parts,
    roles,
    several,
    shares,
    size,
    span,
    title,
    verdict,
    verdict_sentence,
)
from byeori.report.markup import Made, grid, text
from byeori.report.plots import percent
from byeori.report.style import STYLE
from byeori.report.visible import clipped, one_line, visible

LABELS = 30  # bars and table rows of labels
FEW = 6  # labels whose counts stand open under their bars
WORDS = 20
SIGNS = {"ready": "✓", "look": "!", "stop": "✕"}

OWN_STYLE = """
td.rows{color:var(--soft);width:1%;min-width:6.5rem}.do code{white-space:nowrap}td.more{color:var(--soft);width:24%}
"""


def page(data: dict[str, Any]) -> str:
    """The whole page."""
    sections = [
        ("Findings", _findings(data)),
        ("Rows and labels", _labels(data)),
        ("Lengths", _lengths(data)),
        ("Scripts and languages", _languages(data)),
        ("Words the tokenizer doesn't know", _unknown(data)),
        ("What a training would take", _estimate(data)),
        ("Files and columns", _files(data)),
    ]
    there = [(place, name, body) for place, (name, body) in enumerate(sections) if body]
    made = [f'<section><h2 id="s{place}">{escape(name)}</h2>{body}</section>' for place, name, body in there]
    ways = "".join(f'<a href="#s{place}">{escape(name)}</a>' for place, name, _ in there)
    kind, name = verdict(data), title(data)
    about = [one_line(data[key]) for key in ("task",) if data.get(key)]
    about += [model_name(data)] if data.get("model") else []
    about += [f"{int(real(data.get('rows')) or 0):,} rows"]
    about += [f"inspected in {span(data['seconds'])}"] if real(data.get("seconds")) else []
    banner = f'<p class="verdict {kind}"><b aria-hidden="true">{SIGNS[kind]}</b> {text(verdict_sentence(data))}</p>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(name)} · Byeori inspection</title><style>{STYLE}{OWN_STYLE}</style></head>\n"
        f'<body><header><h1>{text(name)}</h1><p class="soft">{" · ".join(map(text, about))}</p>{banner}<nav>{ways}</nav></header>\n'
        "<main>" + "\n".join(made) + "</main></body></html>\n"
    )


def _findings(data: dict[str, Any]) -> str:
    found = findings(data)
    return articles(found) if found else "<p>Nothing was found.</p>"


def _labels(data: dict[str, Any]) -> str:
    """Rows of each part; labels as bars beside one another and counted; numbers as histograms."""
    found = parts(data)
    if not found:
        return ""
    made = [
        grid(
            ["part", "rows"],
            [[name, f"{int(real(part.get('rows')) or 0):,}"] for name, part in found.items()],
            numbers=(1,),
        )
    ]
    balance = label_shares(data)
    named = {name: label_counts(part) for name, part in found.items() if label_counts(part)}
    if balance:
        head = [(clipped(one_line(label), 23), values) for label, values in balance[:LABELS]]
        made.append(
            "<h3>Labels</h3>" + plots.bars(f"Shares of {len(balance)} labels in {', '.join(named)}", head, list(named))
        )
        rows = [
            [one_line(label), *[f"{counts.get(label, 0):,}" for counts in named.values()]]
            for label, _ in balance[:LABELS]
        ]
        caption = f"the {LABELS} most frequent of {len(balance):,}" if len(balance) > LABELS else ""
        counted = grid(["label", *named], rows, caption, numbers=range(1, 1 + len(named)))
        made.append(
            counted if len(rows) <= FEW else f"<details><summary>rows of each label</summary>{counted}</details>"
        )
    drawn = []
    for name, part in found.items():
        told = table(part, "labels")
        if chart := _histogram(f"Labels of {name}", table(told, "histogram"), "label"):
            caption = f"{name}: {size(told.get('mean'))} ± {size(told.get('std'))} (mean, standard deviation)"
            drawn.append(_figure(chart, caption))
    return "".join(made) + (f'<h3>Labels</h3><div class="plots">{"".join(drawn)}</div>' if drawn else "")


def _lengths(data: dict[str, Any]) -> str:
    """Characters of each role and tokens of each row: a table over all parts, histograms side by side."""
    found, made = parts(data), []
    groups = [(f"Characters: {one_line(role)}", "characters", role) for role in roles(data)] + [
        ("Tokens a row", "tokens", "")
    ]
    for head, what, role in groups:
        own = {name: table(table(part, what), role) if role else table(part, what) for name, part in found.items()}
        own = {name: summary for name, summary in own.items() if summary}
        if not own:
            continue
        rows = [[name, *[size(summary.get(key)) for key, _ in SIZES]] for name, summary in own.items()]
        heads = ["part", *[word for _, word in SIZES]]
        if what == "tokens":
            heads += ["rows cut" if over(data) == "cut at" else "rows over max_length", "unknown tokens"]
            for row, name in zip(rows, own, strict=True):
                rate = real(own[name].get("unknown_rate"))
                row += [cut_line(found[name]), percent(rate) if rate is not None else ""]
        drawn = []
        for name, summary in own.items():
            limit = real(summary.get("max_length"))
            edges = several(table(summary, "histogram"), "edges") or [0]
            line = (
                (limit, f"max_length {limit:,.0f}") if limit is not None and limit <= (real(edges[-1]) or 0) else None
            )
            unit = "tokens" if what == "tokens" else "characters"
            if chart := _histogram(f"{head} in {name}: rows by {unit}", table(summary, "histogram"), unit, line):
                drawn.append(
                    _figure(chart, name + ("" if line or limit is None else f", all within max_length {limit:,.0f}"))
                )
        made.append(
            f"<h3>{text(head)}</h3>{grid(heads, rows, numbers=range(1, len(heads)))}"
            f'<div class="plots">{"".join(drawn)}</div>'
        )
    return "".join(made)


def _histogram(name: str, made: dict[str, Any], x: str, line: tuple[float, str] | None = None) -> str:
    edges, counts = made.get("edges"), made.get("counts")
    if not isinstance(edges, list) or not isinstance(counts, list) or len(edges) != len(counts) + 1:
        return ""
    if any(real(value) is None for value in [*edges, *counts]) or any(
        b <= a for a, b in zip(edges, edges[1:], strict=False)
    ):
        return ""
    return plots.histogram(visible(name), edges, counts, x=x, line=line)


def _figure(chart: str, caption: str) -> str:
    return f"<figure><figcaption>{text(caption)}</figcaption>{chart}</figure>"


def _languages(data: dict[str, Any]) -> str:
    names = [one_line(name) for name in parts(data)]
    made = []
    for what, head in (
        ("languages", "Rows by the language most of their letters are of"),
        ("scripts", "Letters by script"),
    ):
        found = [(clipped(one_line(word), 23), values) for word, values in shares(data, what, 1e-4)]
        if found:
            made.append(f"<h3>{head}</h3>" + plots.bars(head, found[:12], names))
    return "".join(made)


def _unknown(data: dict[str, Any]) -> str:
    made = []
    for name, part in parts(data).items():
        rows = [
            [one_line(one[0]), f"{int(one[1]):,}"]
            for one in several(table(part, "tokens"), "unknown_words")
            if isinstance(one, list | tuple) and len(one) == 2 and real(one[1]) is not None
        ]
        if rows:
            made.append(_figure(grid(["word", "times"], rows[:WORDS], numbers=(1,)), name))
    return f'<div class="plots">{"".join(made)}</div>' if made else ""


def _estimate(data: dict[str, Any]) -> str:
    found = estimate_facts(data)
    if not found:
        return ""
    how = table(data, "estimate").get("how")
    return grid(["", ""], found, numbers=(1,), head=False) + (f'<p class="soft">{text(how)}</p>' if how else "")


def _files(data: dict[str, Any]) -> str:
    files = dicts(data, "files")
    rows = [
        [
            one_line(file_name(one.get("path") or "")), size(one.get("rows")), one_line(one.get("format") or ""),
            one_line(one.get("encoding") or ""), memory((real(one.get("bytes")) or 0) / 2**20),
            Made(f"<code>{escape(one_line(one.get('sha256') or '')[:16])}</code>"),
        ]
        for one in files
    ]  # fmt: skip
    made = grid(["file", "rows", "format", "encoding", "size", "SHA-256 begins"], rows, numbers=(1, 4)) if rows else ""
    columns = [[one_line(role), ", ".join(map(one_line, name)) if isinstance(name, list) else one_line(name)]
               for role, name in table(data, "columns").items()]  # fmt: skip
    made += grid(["role", "column"], columns) if columns else ""
    others = [one_line(name) for name in several(data, "other_columns")]
    made += f'<p class="soft">Columns that are not used: {text(", ".join(others))}.</p>' if others else ""
    notes = [one for one in several(data, "notes") if one]
    if notes:
        made += (
            "<h3>What reading found and did</h3><ul>" + "".join(f"<li>{text(note)}</li>" for note in notes) + "</ul>"
        )
    return made
