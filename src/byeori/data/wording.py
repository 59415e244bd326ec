"""Small pieces of message text: lists of names, counts, shortened values, the nearest name.

listed(["text", "label"]) == '"text" and "label"'
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def listed(names: Iterable[object], last: str = "and", most: int = 12) -> str:
    """`"a", "b" and "c"`; past `most` names the rest is counted."""
    quoted = [f'"{name}"' for name in names]
    if len(quoted) > most:
        quoted = [*quoted[:most], f"{len(quoted) - most} more"]
    if len(quoted) < 2:
        return "".join(quoted) or "none"
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def count(number: int, noun: str) -> str:
    """`1 row`, `1,034 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short(value: object, most: int = 40) -> str:
    """The first characters of a value on one line."""
    text = str(value).replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= most else text[: most - 1] + "…"


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant, or None."""
    folded = {n.casefold(): n for n in names}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    return folded[found[0]] if found else None
