"""Updates: the rows of one optimizer step, in as many packs as memory asks.

Invariants: which rows an update takes depends on (seed, epoch, position) alone, how they are packed on their lengths and
the budget; `scale` is one over the labels of the whole update, so that summed losses times `scale` give its mean,
whatever the number of packs.

    for batch in batches(store, batch_size=32, seed=0):
        for pack in batch: (task.loss(task.outputs(model, pack), pack).sum() * batch.scale).backward()
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.batches import budget
from byeori.batches.order import Order
from byeori.batches.pack import IGNORED, Pack, build
from byeori.text.store import ROW, TokenStore


@dataclass(frozen=True)
class Packing:
    """How rows become packs: the budget, what one more group costs, whether attention takes variable lengths."""

    pack_tokens: int = budget.AUTO_TOKENS_CPU
    group_cost: float = budget.GROUP["packed"]
    varlen: bool = False


@dataclass(frozen=True)
class Batch:
    """One update. Iterating builds its packs, on `device`."""

    store: TokenStore
    rows: np.ndarray
    packing: Packing
    device: Any = "cpu"

    @property
    def labels(self) -> int:
        """Labels that count: rows, or tokens whose label isn't −100."""
        if self.store.levels.get("labels", ROW) == ROW:
            return len(self.rows)
        sequences = self.store.sequences_of(self.rows)
        labels, offsets = self.store.columns["labels"], self.store.offsets
        return int(sum((labels[offsets[s] : offsets[s + 1]] != IGNORED).sum() for s in sequences))

    @property
    def scale(self) -> float:
        return 1.0 / max(1, self.labels)

    def __iter__(self) -> Iterator[Pack]:
        for part in budget.fill(self.store.lengths(self.rows), self.packing.pack_tokens):
            rows = self.rows[part]
            sequences = self.store.sequences_of(rows)
            counts = self.store.row_offsets[rows + 1] - self.store.row_offsets[rows]
            yield build(
                self.store, sequences, rows=np.repeat(rows, counts),
                group_cost=self.packing.group_cost, varlen=self.packing.varlen,
            ).to(self.device)  # fmt: skip


def batches(
    data: TokenStore,
    batch_size: int = 32,
    seed: int = 0,
    *,
    epoch: int = 0,
    start: int = 0,
    order: str = "grouped",
    packing: Packing | None = None,
    device: Any = "cpu",
) -> Iterator[Batch]:
    """The updates of one epoch, from update `start` on, as `byeori.train` takes them."""
    plan = Order(len(data), batch_size, seed, order, data.lengths)
    for step in range(start, plan.steps):
        yield Batch(data, plan.batch(epoch, step), packing or Packing(), device)
