"""Words of English on a comparison's Korean page that are neither names of its runs nor Latin in the Korean itself.

english_left(found)      # an empty set
"""

from __future__ import annotations

import re
from typing import Any

from report_page import Page

from byeori.report.compare_page import page
from byeori.report.facts import words
from byeori.report.korean import KOREAN


def english_left(found: dict[str, Any]) -> set[str]:
    source = page(found, "ko")
    spoken = " ".join([*Page(source).words, *re.findall(r'aria-label="([^"]*)"', source)])
    spoken = spoken.replace(f"predictions/{found['part']}.jsonl", "")
    names = [found["task"], found["baseline"], *found["of_class"].values()]
    for run in found["comparisons"]:
        names += [run["run"], *(str(value) for name, pair in run["settings"].items() for value in (name, *pair))]
        for rows in run["changed"].get("rows", {}).values():
            names += [str(row.get(key)) for row in rows for key in ("text", "first", "second", "reference")]
        names += [one for name in run["scores"] for one in words(name).split() if one != one.lower()]
    names += [
        one for name in found["not_compared"] for one in words(name).split() if one != one.lower() or name == "own"
    ]
    known = {word for one in (*names, *KOREAN.values()) for word in _words(one)}
    return _words(spoken) - known


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{2,}", text))
