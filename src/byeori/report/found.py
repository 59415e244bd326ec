"""Findings of the data doctor as HTML: on the page of an inspection and in the report of a run.

Invariant: sentences stand as they were found, in English; what texts they quote are those of the data, shown, never interpreted.

    html = articles(findings)
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from byeori.report.facts import real
from byeori.report.inspection_facts import dicts, example_rows, kind_words, level, row_numbers, several
from byeori.report.markup import text
from byeori.report.visible import one_line
from byeori.report.words import say

LENGTH = 2_000  # characters of an example's text
HEADS = {"stop": "Stops a training", "look": "To look at", "note": "Notes"}
_FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")


def articles(found: list[dict[str, Any]], language: str = "en", examples: int = 20) -> str:
    """Findings by gravity, each with so many of its examples folded away."""
    made = []
    for name, head in HEADS.items():
        own = [one for one in found if level(one) == name]
        if own:
            inside = "".join(_finding(one, language, examples) for one in own)
            made.append(f"<h3>{text(say(language, head))} ({len(own)})</h3>{inside}")
    return "".join(made)


def _finding(one: dict[str, Any], language: str, examples: int) -> str:
    english = "" if language == "en" else "en"
    number = real(one.get("count"))
    small = [say(language, one_line(one["part"]))] if one.get("part") else []
    small += [say(language, "count {number:,.0f}", number=number)] if number is not None else []
    rows = row_numbers(one.get("rows"))
    word = "row {number}" if rows.startswith("row ") else "rows {number}"
    small += [say(language, word, number=example_rows(one))] if rows else []
    kind = say(language, kind_words(one))
    told = f"<p>{text(one['said'], english)}</p>" if one.get("said") else ""
    if one.get("advice"):
        advice = _FLAG.sub(r"<code>\1</code>", text(one["advice"], english))
        told += f'<p class="do">{advice}</p>'
    name = f"{kind[:1].upper()}{kind[1:]}"
    return (
        f'<article class="{level(one)}"><h4>{text(name)} <small>{text(" · ".join(small))}</small></h4>'
        f"{told}{_examples(one, language, examples)}</article>"
    )


def _examples(one: dict[str, Any], language: str, most: int) -> str:
    examples = dicts(one, "examples")[:most]
    if not examples:
        return ""
    more = any(example.get("more") for example in examples)
    rows = []
    for example in examples:
        shown = "".join(f'<span class="text">{text(str(each)[:LENGTH])}</span>' for each in several(example, "texts"))
        cells = [
            f'<td class="rows">{escape(example_rows(example))}</td>',
            f"<td>{shown}</td>",
        ]
        if more:
            cells.append(f'<td class="more">{text(example.get("more") or "")}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    heads = "".join(
        f'<th scope="col">{text(say(language, name))}</th>' for name in ("row", "text", *(["more"] if more else []))
    )
    word = say(language, "1 example" if len(examples) == 1 else "{count} examples", count=len(examples))
    caption = f"<caption>{text(word)}</caption>"
    return (
        f'<details><summary>{text(word)}</summary><div class="wide"><table>{caption}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )
