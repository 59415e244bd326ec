"""Where rows come from by a column that says so (source, domain, genre): scores are told apart by it.

Invariants: only a column that no role has taken, of few different short texts, is one; it changes no row.

    column([sheet], used={"text", "label"})      # "domain"
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data import mapped
from byeori.data.rows import Sheet

NAMES = ("source", "domain", "genre", "corpus", "dataset", "category", "topic", "출처", "분야", "장르", "주제")
MOST = 50  # different values: more are names of rows, not of where they are from
LONGEST = 60  # characters of one
LOOKED = 10_000  # rows that are looked at to choose
COLUMN = "where the row is from"


def column(sheets: list[Sheet], used: Set[str]) -> str | None:
    """The first such column that all sheets have; None for none."""
    first = sheets[0]
    spelled = {name.strip().lower(): name for name in first.columns}
    for name in NAMES:
        found = spelled.get(name)
        if found is None or found in used or not all(found in sheet.columns for sheet in sheets):
            continue
        values = first.columns[found][:LOOKED]
        some = values.to_pylist() if isinstance(values, pa.ChunkedArray) else values
        kinds = {one for one in some if one is not None}
        few = 0 < len(kinds) <= min(MOST, max(2, len(some) // 10))
        if few and all(isinstance(one, str) and len(one) <= LONGEST for one in kinds):
            return found
    return None


def texts(values: Any) -> pa.ChunkedArray:
    """The column as texts; "" for nothing."""
    if isinstance(values, pa.ChunkedArray) and pa.types.is_string(values.type):
        return pc.fill_null(values, "")
    some = values.to_pylist() if isinstance(values, pa.ChunkedArray) else values
    return pa.chunked_array([pa.array(["" if one is None else str(one) for one in some], pa.string())])


def taken_out(table: pa.Table) -> tuple[pa.Table, tuple[np.ndarray, list[str]] | None]:
    """The table without that column, and of each row which of its values it has: int32 (n,), the values."""
    if COLUMN not in table.column_names:
        return table, None
    coded = table[COLUMN].combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    place = np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int32)
    return table.drop_columns([COLUMN]), (mapped.keep(place), coded.dictionary.to_pylist())
