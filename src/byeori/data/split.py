"""Rows → training, validation and test rows: seeded, stratified, and without a text on two sides.

A pure function of (labels, groups, sizes, seed). Rows with the same text stay together, else a score would measure
memory; every class keeps rows in training.

    [len(v) for v in split_indices(["a", "b"] * 50, 0.1, 0.1).values()] == [80, 10, 10]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import disk
from byeori.data.coded import Coded
from byeori.data.wording import count
from byeori.errors import DataError, SettingError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_SORTED = 1 << 28  # bytes of text up to which texts are sorted to find equal ones: the data decides, not the machine
_BLOCK = 100_000


def text_groups(table: datasets.Dataset, columns: Sequence[str] = ("text", "text_pair")) -> np.ndarray:
    """int64 (n,): equal numbers for rows whose texts are equal in all of `columns` (those the table has)."""
    import pyarrow.compute as pc

    groups = np.zeros(len(table), np.int64)
    for name in columns:
        if not len(table) or name not in table.column_names:
            continue
        texts = disk.column(table, name)
        if texts.nbytes > _SORTED:
            codes = _hashed(texts)
        else:
            codes = pc.rank(texts, tiebreaker="dense").to_numpy().astype(np.int64)
        _, groups = np.unique(groups * (int(codes.max()) + 1) + codes, return_inverse=True)
    return groups.astype(np.int64)


def _hashed(texts: pa.ChunkedArray) -> np.ndarray:
    """int64 (n,): equal numbers for equal texts, by 128 bits of SipHash, which takes 16 bytes a row and no sorting of texts.

    Two texts of a billion are taken for one with a chance of 1 in 10²⁰.
    """
    from pandas.util import hash_array

    pairs = np.empty((len(texts), 2), np.uint64)
    for first in range(0, len(texts), _BLOCK):
        block = texts.slice(first, _BLOCK).to_numpy()
        for at, key in enumerate(("byeori's first  ", "byeori's second ")):
            pairs[first : first + len(block), at] = hash_array(block, hash_key=key, categorize=False)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (pairs[order[1:]] != pairs[order[:-1]]).any(1)
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(fresh) - 1
    return codes


def split_indices(
    labels: Sequence[Any] | np.ndarray | Coded | int,
    validation_size: float = 0.1,
    test_size: float = 0.0,
    seed: int = 0,
    groups: np.ndarray | None = None,
    stratify: bool = True,
) -> dict[str, np.ndarray]:
    """Row positions of each part, in rising order: `train`, and `validation` and `test` where their size is not 0.

    labels: (n,) class values, as they are or coded, or the number of rows. sizes: a share of the rows below 1, or a number of rows.
    groups: int (n,), rows that must stay on one side (text_groups). stratify: keep the shares of the classes;
    False for multi-label and regression. Sizes are met to within the size of a group.
    Raises DataError where there are too few rows, SettingError for sizes that leave nothing to train on.
    """
    rows = int(labels) if isinstance(labels, (int, np.integer)) else len(labels)
    asked = {
        "validation": _rows(validation_size, rows, "validation_size"),
        "test": _rows(test_size, rows, "test_size"),
    }
    wanted = {part: size for part, size in asked.items() if size is not None}
    if not wanted:
        return {"train": np.arange(rows)}
    short = [part for part, size in wanted.items() if size == 0]
    if short or sum(wanted.values()) >= rows:
        part = (short or list(wanted))[0]
        raise DataError(
            f"{count(rows, 'row')} are too few to split off {' and '.join(wanted)} rows. Give a file with "
            f"--{part}, or more rows."
        )
    if stratify and not isinstance(labels, (int, np.integer)):
        if isinstance(labels, Coded):
            classes = labels.ranks
        else:
            _, classes = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)
    else:
        classes = np.zeros(rows, np.int64)
    groups = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    first = np.full(int(groups.max()) + 1, rows)
    np.minimum.at(first, groups, np.arange(rows))
    sizes = np.bincount(groups)
    stratum = classes[first]  # a group with several classes counts as that of its first row
    part_of = _draw(stratum, sizes, wanted, np.random.default_rng([seed, 0x5EED]))
    _keep_classes(part_of, groups, classes)
    side = part_of[groups]
    result = {"train": np.flatnonzero(side == 0)}
    result |= {part: np.flatnonzero(side == number) for number, part in enumerate(wanted, 1)}
    empty = [part for part, at in result.items() if not len(at)]
    if empty:
        raise DataError(
            f"{count(rows, 'row')} ({len(sizes):,} different texts) are too few to split off {empty[0]} rows "
            f"with every class "
            f"left in training. Give a file with --{empty[0]}, or more rows."
        )
    return result


def _rows(size: float | None, rows: int, setting: str) -> int | None:
    if not size:
        return None
    if size < 0 or size != size:
        raise SettingError(f"{setting}: a share below 1 or a number of rows is wanted, not {size}.")
    return round(size * rows) if size < 1 else int(size)


def _draw(stratum: np.ndarray, sizes: np.ndarray, wanted: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    """int64 (groups,): 0 train, 1… the parts of `wanted`. Groups in random order fill each part of their stratum."""
    part_of = np.zeros(len(sizes), np.int64)
    totals = np.bincount(stratum, weights=sizes).astype(np.int64)
    shares = [_apportion(totals, size) for size in wanted.values()]
    shuffled = rng.permutation(len(sizes))
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(stratum, minlength=len(totals)))])
    for number in range(len(totals)):
        members = order[bounds[number] : bounds[number + 1]]
        ends = np.cumsum(sizes[members])
        begins = ends - sizes[members]
        done = 0
        for part, share in enumerate(shares, 1):
            # The last row of a class stays in training; a group across a boundary stays there too.
            limit = min(done + int(share[number]), int(totals[number]) - 1)
            inside = (begins >= done) & (ends <= limit)
            part_of[members[inside]] = part
            done = max(done, int(ends[inside].max())) if inside.any() else done
    return part_of


def _apportion(totals: np.ndarray, size: int) -> np.ndarray:
    """`size` rows over the classes in proportion, by largest remainders (Hamilton's method)."""
    exact = totals * (size / totals.sum())
    share = np.floor(exact).astype(np.int64)
    rest = np.argsort(-(exact - share), kind="stable")[: size - int(share.sum())]
    share[rest] += 1
    return share


def _keep_classes(part_of: np.ndarray, groups: np.ndarray, classes: np.ndarray) -> None:
    """Give training a group of every class that has none there (its rows lay in groups that count as another class)."""
    present = np.zeros(int(classes.max()) + 1, bool)
    present[classes[part_of[groups] == 0]] = True
    for missing in np.flatnonzero(~present):
        part_of[groups[np.flatnonzero(classes == missing)[0]]] = 0
