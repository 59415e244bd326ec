"""The inspection as one HTML page that needs nothing else: no script, no link, no font from outside.

Invariants: every text of the data is escaped and its invisible characters are shown; a page is made whatever the object
lacks; the same object gives the same bytes; colours hold in light and dark, and what is folded away opens in print.

    text = page(inspection)     # the JSON object of `byeori inspect`
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from byeori.report import plots
from byeori.report.facts import HANGUL, file_name, real, table
from byeori.report.html import STYLE
from byeori.report.inspection_facts import (
    SIZES,
    cut_line,
    dicts,
    estimate_facts,
    example_rows,
    findings,
    kind_words,
    label_counts,
    label_shares,
    level,
    memory,
    model_name,
    over,
    parts,
    roles,
    row_numbers,
    several,
    shares,
    size,
    span,
    title,
    verdict,
    verdict_sentence,
)
from byeori.report.markup import Made, grid
from byeori.report.plots import percent
from byeori.report.visible import clipped, one_line, visible

LABELS = 30  # bars and table rows of labels
FEW = 6  # labels whose counts stand open under their bars
WORDS = 20
LENGTH = 2_000  # characters of an example's text
SIGNS = {"ready": "✓", "look": "!", "stop": "✕"}
_FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
HEADS = {"stop": "Stops a training", "look": "To look at", "note": "Notes"}

OWN_STYLE = """
.ready{border-color:var(--good)}.look{border-color:var(--open)}.stop{border-color:var(--bad)}
.verdict b{margin-right:.3rem}
article{margin:.8rem 0;padding:.7rem 1rem .75rem;background:var(--card);border-left:4px solid var(--soft);break-inside:avoid}
article.stop{border-color:var(--bad)}article.look{border-color:var(--open)}
article h4{margin:0;font-size:1rem}article h4 small{font-weight:400;color:var(--soft);font-size:.88rem;margin-left:.4rem}
article p{margin:.3rem 0}.do::before{content:"→ ";color:var(--soft)}
details{margin-top:.35rem}article details table{margin:.4rem 0;background:var(--bg);width:100%}
summary{width:fit-content;font-size:.92rem}
td.rows{color:var(--soft);width:1%;min-width:6.5rem}.do code{white-space:nowrap}td.more{color:var(--soft);width:24%}
.text{white-space:pre-wrap;display:block}.text+.text{margin-top:.35rem;padding-top:.35rem;border-top:1px dotted var(--line)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:.4rem 1.2rem}
.plots figure{margin:0;break-inside:avoid}figcaption{color:var(--soft);font-size:.92rem}
.half svg{min-width:0;max-width:25rem}.bars svg{min-width:26rem}
.bar{fill:var(--accent)}.b1{fill:var(--open)}.b2{fill:var(--good)}.rule{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 3}
svg .word{fill:var(--fg)}svg .tag{font-size:10.5px}
nav{font-size:.92rem;display:flex;flex-wrap:wrap;gap:.2rem 1rem}nav a{color:var(--accent)}
@media print{:root{--bg:#fff;--fg:#000;--soft:#444;--line:#bbb;--card:#f5f5f5}body{max-width:none;padding:0;font-size:11pt}
nav{display:none}details::details-content{content-visibility:visible;block-size:auto;height:auto}h2,h3{break-after:avoid}}
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
    banner = f'<p class="verdict {kind}"><b aria-hidden="true">{SIGNS[kind]}</b> {_text(verdict_sentence(data))}</p>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(name)} · Byeori inspection</title><style>{STYLE}{OWN_STYLE}</style></head>\n"
        f'<body><header><h1>{_text(name)}</h1><p class="soft">{" · ".join(map(_text, about))}</p>{banner}<nav>{ways}</nav></header>\n'
        "<main>" + "\n".join(made) + "</main></body></html>\n"
    )


def _text(value: Any) -> str:
    """Escaped, what is unseen made visible, marked where it is Korean."""
    shown = escape(visible(value))
    return f'<span lang="ko">{shown}</span>' if HANGUL.search(shown) else shown


def _findings(data: dict[str, Any]) -> str:
    found = findings(data)
    if not found:
        return "<p>Nothing was found.</p>"
    made = []
    for name, head in HEADS.items():
        own = [one for one in found if level(one) == name]
        if own:
            made.append(f"<h3>{head} ({len(own)})</h3>" + "".join(map(_finding, own)))
    return "".join(made)


def _finding(one: dict[str, Any]) -> str:
    number = real(one.get("count"))
    small = [one_line(one["part"])] if one.get("part") else []
    small += [f"count {number:,.0f}"] if number is not None else []
    rows = row_numbers(one.get("rows"))
    small += [f"{rows.partition(' ')[0]} {example_rows(one)}"] if rows else []
    kind = kind_words(one)
    said = f"<p>{_text(one['said'])}</p>" if one.get("said") else ""
    if one.get("advice"):
        advice = _FLAG.sub(r"<code>\1</code>", _text(one["advice"]))
        said += f'<p class="do">{advice}</p>'
    return (
        f'<article class="{level(one)}"><h4>{_text(kind[:1].upper() + kind[1:])} <small>{_text(" · ".join(small))}</small></h4>'
        f"{said}{_examples(one)}</article>"
    )


def _examples(one: dict[str, Any]) -> str:
    examples = dicts(one, "examples")
    if not examples:
        return ""
    more = any(example.get("more") for example in examples)
    rows = []
    for example in examples:
        shown = "".join(f'<span class="text">{_text(str(each)[:LENGTH])}</span>' for each in several(example, "texts"))
        cells = [
            f'<td class="rows">{escape(example_rows(example))}</td>',
            f"<td>{shown}</td>",
        ]
        if more:
            cells.append(f'<td class="more">{_text(example.get("more") or "")}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    heads = '<th scope="col">row</th><th scope="col">text</th>' + ('<th scope="col">more</th>' if more else "")
    word = "1 example" if len(examples) == 1 else f"{len(examples)} examples"
    return (
        f'<details><summary>{word}</summary><div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


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
            f"<h3>{_text(head)}</h3>{grid(heads, rows, numbers=range(1, len(heads)))}"
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
    return f"<figure><figcaption>{_text(caption)}</figcaption>{chart}</figure>"


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
    return grid(["", ""], found, numbers=(1,), head=False) + (f'<p class="soft">{_text(how)}</p>' if how else "")


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
    made += f'<p class="soft">Columns that are not used: {_text(", ".join(others))}.</p>' if others else ""
    notes = [one for one in several(data, "notes") if one]
    if notes:
        made += (
            "<h3>What reading found and did</h3><ul>" + "".join(f"<li>{_text(note)}</li>" for note in notes) + "</ul>"
        )
    return made
