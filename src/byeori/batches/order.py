"""The order of rows: a pure function of (seed, epoch, position), with no index held in memory.

`random` is a permutation of all rows, computed where it is asked for (a Feistel network over the positions, cycle-walked
down to the number of rows), so that a run of a thousand rows and one of a billion start equally fast and any position
can be resumed by any number of processes. `grouped` cuts that permutation into mega-batches of 50 batches, at most a quarter
of all, sorts each by length and shuffles its batches: rows of a batch are alike in length, batches come in no order. Sorted
whole, a small set would have the same batches in every epoch.

    Order(rows=29_999, batch_size=32, seed=0, mode="grouped", lengths=store.lengths).batch(epoch=0, step=3)

Source of the permutation: Black and Rogaway, "Ciphers with arbitrary finite domains" (2002), the generalized Feistel
cipher with cycle walking; the round function is the finalizer of splitmix64 (Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MEGA_BATCHES = 50
ROUNDS = 6


def permute(positions: np.ndarray, rows: int, seed: int, epoch: int) -> np.ndarray:
    """The rows that stand at these positions of the permutation of `range(rows)`; int64, same shape."""
    half = np.uint64(max(1, ((rows - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    keys = _mix(np.arange(ROUNDS, dtype=np.uint64) + _mix(np.uint64(seed % 2**63) * np.uint64(2) + np.uint64(1)))
    with np.errstate(over="ignore"):
        keys = _mix(keys + _mix(np.uint64(epoch) + np.uint64(0x51_7C_C1_B7_27_22_0A_95)))
    found = np.asarray(positions, dtype=np.uint64).copy()
    walking = np.ones(found.shape, bool)
    while walking.any():  # values past the last row walk on until they land inside; under 4 turns on average
        values = found[walking]
        left, right = values >> half, values & mask
        for key in keys:
            left, right = right, left ^ (_mix(right + key) & mask)
        found[walking] = (left << half) | right
        walking = found >= rows
    return found.astype(np.int64)


def _mix(values: Any) -> Any:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Order:
    """Which rows an update takes. `lengths(rows) -> int64 (rows,)` is needed for "grouped" only."""

    def __init__(
        self,
        rows: int,
        batch_size: int,
        seed: int = 0,
        mode: str = "grouped",
        lengths: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self.rows, self.batch_size, self.seed, self.mode, self.lengths = rows, batch_size, seed, mode, lengths
        self.mega = max(1, min(MEGA_BATCHES, rows // (4 * batch_size)))  # batches sorted together
        self._mega: tuple[tuple[int, int], np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Updates an epoch; the last one takes what is left."""
        return -(-self.rows // self.batch_size)

    def batch(self, epoch: int, step: int) -> np.ndarray:
        """Rows of update `step` of `epoch`; int64 (≤ batch_size,)."""
        start = step * self.batch_size
        if self.mode == "random":
            return permute(np.arange(start, min(start + self.batch_size, self.rows)), self.rows, self.seed, epoch)
        mega, place = divmod(step, self.mega)
        rows = self._mega_batch(epoch, mega)
        return rows[place * self.batch_size : (place + 1) * self.batch_size]

    def _mega_batch(self, epoch: int, mega: int) -> np.ndarray:
        if self._mega is not None and self._mega[0] == (epoch, mega):
            return self._mega[1]
        assert self.lengths is not None
        size = self.mega * self.batch_size
        rows = permute(np.arange(mega * size, min((mega + 1) * size, self.rows)), self.rows, self.seed, epoch)
        rows = rows[np.argsort(-self.lengths(rows), kind="stable")]
        # Only whole batches change places, so that the short one stays last and every row is taken once.
        whole, left = divmod(len(rows), self.batch_size)
        shuffled = permute(np.arange(whole), whole, self.seed + 1 + mega, epoch) if whole else np.arange(0)
        blocks = [rows[b * self.batch_size : (b + 1) * self.batch_size] for b in shuffled.tolist()]
        rows = np.concatenate([*blocks, rows[len(rows) - left :]])
        self._mega = ((epoch, mega), rows)
        return rows
