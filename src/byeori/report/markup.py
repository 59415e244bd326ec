"""Pieces of HTML: escaped text, tables, lists.

Invariant: what goes in as a value comes out escaped; only `Made` is taken as HTML.

    grid(["label", "rows"], [["긍정", "1,024"]], "Labels", numbers=[1])
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from byeori.report.facts import HANGUL, real


def said(value: Any) -> str:
    """A prediction, reference or setting in words."""
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else "" if value is None else str(value)


class Made(str):
    """HTML that is finished: not escaped again."""


def grid(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "", numbers: Any = (), head: bool = True
) -> str:
    """A table; the columns in `numbers` stand right."""

    def cell(value: Any, place: int, tag: str) -> str:
        side = ' class="n"' if place in numbers else ""
        scope = ' scope="col"' if tag == "th" else ""
        return (
            f"<{tag}{scope}{side}>{value if isinstance(value, Made) else text('' if value is None else value)}</{tag}>"
        )

    top = (
        "<thead><tr>" + "".join(cell(name, place, "th") for place, name in enumerate(heads)) + "</tr></thead>"
        if head
        else ""
    )
    body = "".join(
        "<tr>" + "".join(cell(value, place, "td") for place, value in enumerate(row)) + "</tr>" for row in rows
    )
    named = f"<caption>{text(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{named}{top}<tbody>{body}</tbody></table></div>'


def text(value: Any) -> str:
    """A value as escaped text, marked where it is Korean."""
    shown = escape(str(value))
    return f'<span lang="ko">{shown}</span>' if HANGUL.search(shown) else shown


def items(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def whole(value: Any) -> str:
    found = real(value)
    return "" if found is None else f"{found:,.0f}"
