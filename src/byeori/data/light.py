"""A table of rows that are only read through, without the `datasets` library: half a second of a prediction's start.

Invariants: what it gives is what `datasets.Dataset` gives; whatever else is asked of it, it becomes one and that answers.

    table = Light(pa.table({"text": ["a", "b"]})); table[0:1] == {"text": ["a"]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa


class Light:
    """Length, names of columns, slices and choices of rows, from Arrow itself; `made` makes the data set of all else."""

    def __init__(self, table: pa.Table, made: Callable[[pa.Table], datasets.Dataset]):
        self._table, self._made = table, made

    @cached_property
    def _whole(self) -> datasets.Dataset:
        return self._made(self._table)

    @property
    def column_names(self) -> list[str]:
        return self._table.column_names

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(len(self))
            return self._table.slice(start, max(0, stop - start)).to_pydict()
        return self._whole[key]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._whole)

    def select(self, indices: Sequence[int] | np.ndarray) -> Light:
        """The rows at these positions, in this order."""
        import pyarrow as pa

        at = np.ascontiguousarray(indices, np.int64)
        if len(at) and at[0] >= 0 and (np.diff(at) == 1).all() and at[-1] < len(self):
            return Light(self._table.slice(int(at[0]), len(at)), self._made)
        first = int(at.min()) if len(at) and at.min() >= 0 else 0
        # Rows of a stretch alone are laid into one for it: of a large table that is in a file, a window of rows, not the whole.
        stretch, at = self._table.slice(first, int(at.max()) + 1 - first if len(at) else 0), at - first
        # `pa.array` would import pandas to ask whether it is one of its own.
        places = pa.Array.from_buffers(pa.int64(), len(at), [None, pa.py_buffer(at)])
        return Light(stretch.take(places), self._made)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_table", "_made", "_whole"):  # of one that is being unpickled
            raise AttributeError(name)
        return getattr(self._whole, name)
