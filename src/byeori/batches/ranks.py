"""An update shared among ranks: which rows each one computes, found by each for itself.

Invariants: every row is on exactly one rank; all of it is a pure function of whole numbers, so that all ranks find the same
without asking each other, on any machine; the rows of a rank keep the order that the update has them in. With fewer rows than
ranks some ranks get none: they have no gradients of their own, and must still take part in adding them up.

    mine = rows[share(costs(store, rows), ranks)[rank]]
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import SettingError

if TYPE_CHECKING:
    from byeori.text.store import TokenStore


def share(costs: np.ndarray, ranks: int) -> list[np.ndarray]:
    """Share an update's rows (whole numbers (rows,), none below 0) among ranks, the dearest rank as cheap as can be.

    Returns `ranks` arrays of indices into `costs`, int64, ascending, some of them empty where there are fewer rows than ranks.
    The dearest rank is at most 4/3 − 1/(3 · ranks) of the best there is, at most one row above the mean, and never above a deal
    in equal stretches. Raises SettingError.

    Source: the longest first, each to the rank with the least so far (Graham, "Bounds on multiprocessing timing anomalies", SIAM
    Journal on Applied Mathematics 17, 1969). Largest differencing (Karmarkar and Karp, 1982) gains 0.5% at best and takes up to
    30 times as long, swaps afterwards gain 1% (benchmarks/sharing.py, docs/scale.md).
    """
    _check(ranks)
    given = np.asarray(costs)
    if given.ndim != 1 or not (np.issubdtype(given.dtype, np.integer) or not given.size) or (given < 0).any():
        raise SettingError(
            f"costs: {given.dtype} of shape {given.shape} where whole numbers from 0 on are needed, one a row: sums of fractions come out "
            f"otherwise on another machine. Give tokens (byeori.batches.ranks.costs)."
        )
    ends = [len(given) * rank // ranks for rank in range(ranks + 1)]
    dealt = [np.arange(first, last) for first, last in itertools.pairwise(ends)]
    greedy = _longest_first(given.astype(np.int64), ranks)
    return greedy if _dearest(given, greedy) <= _dearest(given, dealt) else dealt


def costs(store: TokenStore, rows: np.ndarray, even: int | None = None) -> np.ndarray:
    """What computing each of these rows costs; int64 (rows,): its tokens, those of its lists (targets) included.

    `even`: the length at which attention's own products cost as much as all else of a layer, about 6 × hidden size; the unit is then
    1 / `even` of a token, and a sequence of n tokens costs n · even + n². Leave it out where rows are much shorter than that.
    Raises SettingError for an `even` below 1.

    Source: the factor 1 + s / 6h in the count of operations of Narayanan et al., "Efficient Large-Scale Language Model Training on GPU
    Clusters Using Megatron-LM" (2021): 24 h² a token and layer in its products with weights, 4 h s in attention's own.
    """
    rows = np.asarray(rows, np.int64)
    tokens = store.lengths(rows) + store.list_lengths(rows)
    if even is None:
        return tokens
    if even < 1:
        raise SettingError(f"even={even}: a length from 1 token on is needed, about 6 × the model's hidden size.")
    sequences = store.sequences_of(rows)
    squares = (store.offsets[sequences + 1] - store.offsets[sequences]) ** 2
    ends = np.cumsum(np.concatenate([[0], store.row_offsets[rows + 1] - store.row_offsets[rows]]))
    pairs = np.concatenate([[0], np.cumsum(squares)])
    return tokens * int(even) + pairs[ends[1:]] - pairs[ends[:-1]]


def _longest_first(costs: np.ndarray, ranks: int) -> list[np.ndarray]:
    """Ties: of rows the earlier, of ranks the lower."""
    order = np.argsort(-costs, kind="stable")
    owner = np.empty(len(costs), np.int64)
    loads = [(0, rank) for rank in range(ranks)]  # a heap as it stands
    for row, cost in zip(order.tolist(), costs[order].tolist(), strict=True):
        load, rank = loads[0]
        owner[row] = rank
        heapq.heapreplace(loads, (load + cost, rank))
    by_owner = np.argsort(owner, kind="stable")
    return np.split(by_owner, np.cumsum(np.bincount(owner, minlength=ranks))[:-1])


def _dearest(costs: np.ndarray, parts: list[np.ndarray]) -> int:
    return max(int(costs[part].sum()) for part in parts)


def _check(ranks: Any) -> None:
    if isinstance(ranks, bool) or not isinstance(ranks, int | np.integer) or ranks < 1:
        raise SettingError(f"ranks={ranks!r}: a whole number from 1 on is needed, the processes that train together.")
