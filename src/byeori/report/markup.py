"""Pieces of HTML: escaped text, tables, lists.

Invariants: what goes in as a value comes out escaped, with what can't be seen or would turn the direction of writing made
visible; only `Made` is taken as HTML; a table's heads have a scope, and a wide one can be scrolled with the keyboard.

    grid(["label", "rows"], [["긍정", "1,024"]], "Labels", numbers=[1])
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from byeori.report.facts import HANGUL, real
from byeori.report.visible import visible

WIDE = 3  # columns a narrow screen hardly holds


class Made(str):
    """HTML that is finished: not escaped again."""


def said(value: Any) -> str:
    """A prediction, reference or setting in words."""
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else "" if value is None else str(value)


def grid(
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    caption: str = "",
    numbers: Any = (),
    head: bool = True,
    kind: str = "",
) -> str:
    """A table; the columns in `numbers` stand right, the first column names its row. `kind`: a class of its own."""

    def cell(value: Any, place: int, tag: str, scope: str = "") -> str:
        side = ' class="n"' if place in numbers else ""
        way = f' scope="{scope}"' if scope else ""
        return f"<{tag}{way}{side}>{_cell(value)}</{tag}>"

    tops = (cell(name, place, "th", "col") if name else "<td></td>" for place, name in enumerate(heads))
    top = f"<thead><tr>{''.join(tops)}</tr></thead>" if head else ""
    body = "".join(
        "<tr>"
        + "".join(cell(value, place, *(("td",) if place else ("th", "row"))) for place, value in enumerate(row))
        + "</tr>"
        for row in rows
    )
    named = f"<caption>{text(caption)}</caption>" if caption else ""
    style = f' class="{kind}"' if kind else ""
    inside = f"<table{style}>{named}{top}<tbody>{body}</tbody></table>"
    return wide(inside, caption if len(heads) >= WIDE or kind else "")


def wide(inside: str, name: str = "") -> str:
    """What scrolls by itself where the screen is too narrow; with a name it is reached by the keyboard."""
    reach = f' tabindex="0" role="region" aria-label="{escape(visible(name))}"' if name else ""
    return f'<div class="wide"{reach}>{inside}</div>'


def _cell(value: Any) -> str:
    return value if isinstance(value, Made) else text("" if value is None else value)


def text(value: Any, language: str = "") -> str:
    """A value as escaped text, marked where it is Korean, or in the language that is named."""
    shown = escape(visible(value))
    language = "ko" if HANGUL.search(shown) else language
    return f'<span lang="{language}">{shown}</span>' if language else shown


def items(lines: Sequence[str], language: str = "") -> str:
    return "<ul>" + "".join(f"<li>{text(line, language)}</li>" for line in lines) + "</ul>"


def folded(title: str, inside: str, opened: bool = False) -> str:
    """What is opened by a click, in print open."""
    return f"<details{' open' if opened else ''}><summary>{text(title)}</summary>{inside}</details>"


def whole(value: Any) -> str:
    found = real(value)
    return "" if found is None else f"{found:,.0f}"
