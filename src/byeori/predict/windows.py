"""A stretch of a store's rows as a store of its own, on the same arrays: what is asked of many rows is asked of a few at a time.

window(store, 4_096, 8_192).row(0) == store.row(4_096)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.tasks.base import Task
from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, TokenStore, offsets_of

if TYPE_CHECKING:
    import numpy as np


def window(store: TokenStore, first: int, last: int) -> TokenStore:
    """Rows `first` … `last` − 1, with their source."""
    begin, end = int(store.row_offsets[first]), int(store.row_offsets[last])
    start, stop = int(store.offsets[begin]), int(store.offsets[end])
    inside = {TOKEN: slice(start, stop), SEQUENCE: slice(begin, end), ROW: slice(first, last)}
    arrays: dict[str, np.ndarray] = {
        "input_ids": store.input_ids[start:stop],
        "offsets": store.offsets[begin : end + 1] - start,
        "row_offsets": store.row_offsets[first : last + 1] - begin,
    }
    for name, level in store.levels.items():
        if level == LIST:
            ends = store.list_offsets[name][first : last + 1]
            arrays[name], arrays[offsets_of(name)] = store.columns[name][ends[0] : ends[-1]], ends - ends[0]
        else:
            arrays[name] = store.columns[name][inside[level]]
    made = TokenStore(arrays, store.levels, store.pad)
    made.source, made.given = _some(store.source, first, last), _some(store.given, first, last)
    made.decoding = store.decoding
    return made


def _some(source: Any, first: int, last: int) -> Any:
    if source is None:
        return None
    if isinstance(source, dict):
        return {name: values[first:last] for name, values in source.items()}
    return source.select(range(first, last))


def row_by_row(task: Task) -> bool:
    """Whether what a task makes of a row's answers depends on no other row. An own task's methods may look at all of them."""
    order = type(task).__mro__
    said = next(one for one in order if "row_by_row" in vars(one))
    names = [name for name in ("predictions", "decode", "scores") if hasattr(task, name)]
    written = (next(one for one in order if name in vars(one)) for name in names)
    return task.row_by_row and all(issubclass(said, one) for one in written)
