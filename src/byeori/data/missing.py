"""Words that stand for a missing value → None, where a person says which: `NA`, `null` and `none` are text otherwise.

blank(sheet, "a.csv", words_of("NA,null"))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.rows import Sheet
from byeori.data.wording import count, listed


def words_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The words of the setting `missing`: a list, or one text with commas."""
    if given is None:
        return ()
    return tuple(word.strip() for word in (given.split(",") if isinstance(given, str) else given) if word.strip())


def blank(sheet: Sheet, name: str, words: Sequence[str]) -> None:
    """Let values that are one of these words, outer spaces aside, be None; a note says how many in which columns.

    Values inside lists and objects (tokens, tags, answers) stay as they are.
    """
    if not words:
        return
    counts = {}
    for column, values in sheet.columns.items():
        sheet.columns[column], number = _without(values, words)
        if number:
            counts[column] = number
    total = sum(counts.values())
    shown = ", ".join(f'{number:,} in "{column}"' for column, number in counts.items())
    said = f"{count(total, 'value')} ({shown}) taken as missing" if total else "no value is one of them"
    sheet.notes.append(f"{name}: {said} (--missing {listed(words, 'or')}).")


def _without(values: Any, words: Sequence[str]) -> tuple[Any, int]:
    if isinstance(values, pa.ChunkedArray):
        if not pa.types.is_string(values.type):
            return values, 0
        found = pc.is_in(pc.utf8_trim_whitespace(values), value_set=pa.array(list(words)))
        number = pc.sum(found).as_py() or 0
        return (pc.if_else(found, pa.scalar(None, pa.string()), values), number) if number else (values, 0)
    known = set(words)
    gone = [isinstance(value, str) and value.strip() in known for value in values]
    return (
        ([None if out else value for value, out in zip(values, gone, strict=True)], sum(gone))
        if any(gone)
        else (values, 0)
    )
