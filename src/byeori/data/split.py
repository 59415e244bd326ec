"""Rows → training, validation and test rows: seeded, stratified, and without a text on two sides.

A pure function of (labels, groups, sizes, seed). Rows with the same text stay together, else a score would measure
memory; every class keeps rows in training.

    [len(v) for v in split_indices(["a", "b"] * 50, 0.1, 0.1).values()] == [80, 10, 10]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import disk, mapped
from byeori.data.coded import Coded
from byeori.data.wording import count
from byeori.errors import DataError, SettingError

if TYPE_CHECKING:
    import datasets

# Up to so many bytes of text and rows texts are sorted to find equal ones: the data decide, not the machine.
_SORTED, _RANKED = 1 << 28, 1 << 19
GIVEN = 100  # groups that are looked at for a part that got none


def text_groups(table: datasets.Dataset, columns: Sequence[str] = ("text", "text_pair")) -> np.ndarray:
    """int32 or int64 (n,): the numbers from 0 on, equal ones for rows whose texts are equal in all of `columns` (those the table
    has)."""
    import pyarrow.compute as pc

    groups: np.ndarray | None = None
    for name in columns:
        if not len(table) or name not in table.column_names:
            continue
        size = table.data.column(name).nbytes * len(table) // len(table.data)
        if size > _SORTED or len(table) > _RANKED:
            codes = _hashed(table, name)
        else:
            ranks = pc.rank(disk.column(table, name), tiebreaker="dense").to_numpy()
            codes = (ranks - 1).astype(mapped.index_type(len(table)))
        groups = codes if groups is None else mapped.ranked(groups, codes)[0]
    return np.zeros(len(table), np.int64) if groups is None else groups


def _hashed(table: datasets.Dataset, name: str) -> np.ndarray:
    """(n,): equal numbers for equal texts, by 128 bits of SipHash, which takes no sorting of texts; hashes and numbers lie on disk.

    Two texts of a billion are taken for one with a chance of 1 in 10²⁰.
    """
    from pandas.util import hash_array

    pairs = mapped.zeros((2, len(table)), np.uint64)
    first = 0
    for block in disk.blocks(table, name):
        texts = block.to_numpy()
        for at, key in enumerate(("byeori's first  ", "byeori's second ")):
            pairs[at, first : first + len(texts)] = hash_array(texts, hash_key=key, categorize=False)
        first += len(texts)
    return mapped.ranked(pairs[0], pairs[1])[0]


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
        return {"train": mapped.made(rows, np.int64, _places)}
    short = [part for part, size in wanted.items() if size == 0]
    if short or sum(wanted.values()) >= rows:
        part = (short or list(wanted))[0]
        raise DataError(
            f"{count(rows, 'row')} are too few to split off {' and '.join(wanted)} rows. Give a file with "
            f"--{part}, or more rows."
        )
    classes: np.ndarray | None = None
    if stratify and not isinstance(labels, (int, np.integer)):
        if isinstance(labels, Coded):
            classes = labels.ranks
        else:
            classes = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)[1]
    groups, many = _numbered(groups, rows)
    first = mapped.zeros(many, mapped.index_type(rows))
    sizes = mapped.zeros(many, mapped.index_type(rows))
    for block in reversed([*mapped.spans(rows)]):
        first[groups[block][::-1]] = _places(block)[::-1]  # the last one written is the first row of its group
        np.add.at(sizes, groups[block], 1)
    # A group with several classes counts as that of its first row.
    stratum = mapped.zeros(many, np.int8) if classes is None else mapped.take(classes, first)
    part_of = _draw(stratum, sizes, rows, wanted, np.random.default_rng([seed, 0x5EED]))
    if classes is not None:
        _keep_classes(part_of, groups, classes)
    for number in range(1, len(wanted) + 1):
        if not (part_of == number).any():
            _give_one(part_of, number, groups, classes, sizes)
    result = {part: _rows_of(number, part_of, groups) for number, part in enumerate(("train", *wanted))}
    empty = [part for part, at in result.items() if not len(at)]
    if empty:
        raise DataError(
            f"{count(rows, 'row')} ({many:,} different texts) are too few to split off {empty[0]} rows "
            f"with every class "
            f"left in training. Give a file with --{empty[0]}, or more rows."
        )
    return result


def _rows_of(number: int, part_of: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return mapped.where(len(groups), lambda block: part_of[groups[block]] == number)


def _places(block: slice) -> np.ndarray:
    return np.arange(block.start, block.stop)


def _numbered(groups: np.ndarray | None, rows: int) -> tuple[np.ndarray, int]:
    """The groups as the numbers from 0 on, in their order, and how many there are."""
    if groups is None:
        return mapped.made(rows, mapped.index_type(rows), _places), rows
    groups = np.asarray(groups)
    if np.issubdtype(groups.dtype, np.integer) and rows and groups.min() >= 0 and groups.max() < rows:
        there = np.zeros(int(groups.max()) + 1, bool)
        for block in mapped.spans(rows):
            there[groups[block]] = True
        if there.all():  # as `text_groups` has them
            return groups, len(there)
    different, numbers = np.unique(groups, return_inverse=True)
    return numbers, len(different)


def _rows(size: float | None, rows: int, setting: str) -> int | None:
    if not size:
        return None
    if size < 0 or size != size:
        raise SettingError(f"{setting}: a share below 1 or a number of rows is wanted, not {size}.")
    return round(size * rows) if size < 1 else int(size)


def _draw(
    stratum: np.ndarray, sizes: np.ndarray, rows: int, wanted: dict[str, int], rng: np.random.Generator
) -> np.ndarray:
    """int8 (groups,): 0 train, 1… the parts of `wanted`. Groups in random order fill each part of their stratum."""
    part_of = np.zeros(len(sizes), np.int8)
    many = int(stratum.max()) + 1
    totals = np.zeros(many, np.int64)
    for block in mapped.spans(len(sizes)):
        np.add.at(totals, stratum[block], sizes[block])
    shares = [_apportion(totals, size) for size in wanted.values()]
    shuffled = mapped.keep(rng.permutation(len(sizes)))
    order, bounds = mapped.sorted_into(lambda block: stratum[shuffled[block]], len(sizes), many)
    for number in range(many):
        most = int(totals[number]) - 1  # the last row of a class stays in training
        # No more groups are looked at than rows are wanted: each has one at least.
        asked = min(max(0, most), sum(int(share[number]) for share in shares))
        begin, end = bounds[number], min(bounds[number + 1], bounds[number] + asked)
        members = shuffled[order[begin:end]]
        ends = np.cumsum(sizes[members], dtype=np.int64)
        begins = ends - sizes[members]
        done = 0
        for part, share in enumerate(shares, 1):
            # A group across a boundary stays in training, too.
            limit = min(done + int(share[number]), most)
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


def _give_one(
    part_of: np.ndarray, number: int, groups: np.ndarray, classes: np.ndarray | None, sizes: np.ndarray
) -> None:
    """The smallest group of training for a part that asked for less than any group has, if training keeps most and every class."""
    train = np.flatnonzero(part_of == 0)
    inside = part_of[groups] == 0
    known = 0 if classes is None else len(np.unique(classes[inside]))
    for group in train[np.argsort(sizes[train], kind="stable")][:GIVEN]:
        if 2 * sizes[group] > inside.sum():
            return
        if classes is None or len(np.unique(classes[inside & (groups != group)])) == known:
            part_of[group] = number
            return


def _keep_classes(part_of: np.ndarray, groups: np.ndarray, classes: np.ndarray) -> None:
    """Give training a group of every class that has none there (its rows lay in groups that count as another class)."""
    present = np.zeros(int(classes.max()) + 1, bool)
    for block in mapped.spans(len(groups)):
        present[classes[block][part_of[groups[block]] == 0]] = True
    for missing in np.flatnonzero(~present):
        row = next(
            block.start + at[0]
            for block in mapped.spans(len(groups))
            if len(at := np.flatnonzero(classes[block] == missing))
        )
        part_of[groups[row]] = 0
