"""A column of few different values as these, each once, and a number a row: so that labels need no Python object a row.

Invariant: `values[codes[i]]` is what the column holds in row i, as Python has it; None is returned for columns of another
kind, which are then read row by row.

    coded(datasets.Dataset.from_dict({"label": ["neg", "pos", "neg", "neg"]}), "label").codes.tolist() == [0, 1, 0, 0]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from byeori.data import mapped
from byeori.errors import DataError

if TYPE_CHECKING:
    import datasets


T = TypeVar("T")


@dataclass(slots=True)
class Coded:
    """values: in the order of their first rows. codes: int32 (n,), the place among them of each row's value."""

    values: list[Any]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def ranks(self) -> np.ndarray:
        """int32 (n,): the place of each row's value in the order of their names."""
        _, ranks = np.unique(np.asarray([str(value) for value in self.values]), return_inverse=True)
        return mapped.take(ranks.astype(np.int32), self.codes)


def coded(table: datasets.Dataset, name: str) -> Coded | None:
    """Texts, whole numbers or truth values of which none is missing and each stands in two rows on average, or more."""
    import pyarrow as pa

    if not len(table) or name not in table.column_names:
        return None
    kind = table.data.schema.field(name).type
    if not (pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return None
    from byeori.data import disk  # brings pyarrow, which `byeori --help` does without

    places: dict[Any, int] = {}  # of each value, in the order of their first rows
    codes, first = mapped.zeros(len(table), np.int32), 0
    for block in disk.blocks(table, name):
        if block.null_count:
            return None
        for chunk in block.dictionary_encode().chunks:
            here = [places.setdefault(value, len(places)) for value in chunk.dictionary.to_pylist()]
            codes[first : first + len(chunk)] = np.asarray(here, np.int32)[chunk.indices.to_numpy()]
            first += len(chunk)
        if 2 * len(places) > len(table):
            return None
    return Coded(list(places), codes)


def from_few(table: Any, name: str, few: Callable[[Coded], T], every: Callable[[list[Any]], T]) -> T:
    """What `few` finds from the different values of a column, or `every` from those of all rows: where they are many, and
    where `few` raises DataError, which only a look at all rows can say the row of."""
    found = coded(table, name)
    if found is not None:
        try:
            return few(found)
        except DataError:
            return every(table[name][:])
    return every(table[name][:])
