"""Rows that can't be read: how they are said, and those that are the header once more.

irregular("a.csv", [(3, "1 field where the header has 2")], 9)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.wording import count
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.data.delimited import Opening, Parsed

BYTES = "bytes that are not in the file's encoding"


def repeats(columns: Mapping[str, pa.ChunkedArray], opening: Opening) -> np.ndarray:
    """int64: the places of rows that are the header once more, as files laid end to end have it."""
    names = opening.sample[0] if opening.header else []
    if len(names) < 2 or len(columns) != len(names):
        return np.zeros(0, np.int64)
    at = np.zeros(0, np.int64)
    for number, (cell, column) in enumerate(zip(names, columns.values(), strict=True)):
        same = pc.equal(column.take(pa.array(at)) if number else column, cell).fill_null(False)
        if not pc.any(same).as_py():
            return np.zeros(0, np.int64)
        hits = np.flatnonzero(same.to_numpy(zero_copy_only=False))
        at = at[hits] if number else hits
    return at


def without_repeats(parsed: Parsed, opening: Opening, name: str, bad: str) -> Parsed:
    """Rows that are the header once more are bad ones."""
    again = repeats(parsed.columns, opening)
    if not len(again):
        return parsed
    numbers = parsed.numbers if parsed.numbers is not None else np.arange(1, parsed.rows + 1)
    wrong = [(int(numbers[at]), "the header stands here again") for at in again]
    if bad == "raise":
        raise DataError(irregular(name, wrong, parsed.found))
    stay = np.ones(parsed.rows, bool)
    stay[again] = False
    if bad == "keep":
        parsed.bad |= {int(at): wrong[0][1] for at in again}
        mask = pa.array(stay)
        parsed.columns = {n: pc.if_else(mask, column, None) for n, column in parsed.columns.items()}
        return parsed
    parsed.notes.append(left_out(name, wrong))
    parsed.columns = {n: column.filter(pa.array(stay)) for n, column in parsed.columns.items()}
    parsed.numbers, parsed.rows = numbers[stay].astype(np.int64), int(stay.sum())
    return parsed


def irregular(name: str, wrong: Sequence[tuple[int, str]], found: int, many: int | None = None) -> str:
    """The message for rows that can't be read: the first in full, up to four more, and what to do.

    wrong: (row, why) of all, or of the first of `many`.
    """
    number, why = wrong[0]
    many = len(wrong) if many is None else many
    means = "save it as UTF-8, name its --encoding" if why.startswith(BYTES) else "name its --separator"
    message = f"{name}, row {number}: {why}."
    if many > 1:
        more = "; ".join(f"row {n}: {w}" for n, w in wrong[1:5])
        message += f" {many:,} of {found:,} rows can't be read; the next: {more}."
    return f"{message} Fix the file, {means}, or leave such rows out with --skip-bad-rows."


def left_out(name: str, wrong: Sequence[tuple[int, str]], many: int | None = None) -> str:
    """The note for such rows where they are skipped."""
    shown = "; ".join(f"row {number}: {why}" for number, why in wrong[:5])
    return f"{name}: {count(len(wrong) if many is None else many, 'row')} that can't be read left out ({shown})."
