"""Updates: the rows of one optimizer step, in as many packs as memory asks.

Invariants: which rows an update takes depends on (seed, epoch, position) alone, how they are packed on their lengths and
the budget; `scale` is one over the labels of the whole update, so that summed losses times `scale` give its mean,
whatever the number of packs.

    for batch in batches(store, batch_size=32, seed=0):
        for pack in batch: (task.loss(task.outputs(model, pack), pack).sum() * batch.scale).backward()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches import budget, fixed
from byeori.batches.order import Order
from byeori.batches.pack import Pack, build
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, SEQUENCE, TOKEN, TokenStore

if TYPE_CHECKING:
    from byeori.tasks.base import Task


@dataclass(frozen=True)
class Packing:
    """How rows become packs: the budget, what one more group costs, whether attention takes variable lengths; of what shapes they are,
    where these are to be few, and then lengths don't vary.

    Raises SettingError for a budget that is none.
    """

    pack_tokens: int = budget.AUTO_TOKENS_CPU
    group_cost: float = budget.GROUP["packed"]
    varlen: bool = False
    shapes: fixed.Shapes | None = None

    def __post_init__(self) -> None:
        budget.checked(self.pack_tokens)


@dataclass(frozen=True)
class Batch:
    """One update. Iterating builds its packs and moves them to `device`; `draw` makes final ids and labels of each (masking…).

    `apart`: a row's sequences may lie in different packs, since no loss is over all of them. `pinned`: packs are built in
    memory that a GPU copies from by itself.
    """

    store: TokenStore
    rows: np.ndarray
    packing: Packing
    device: Any = "cpu"
    draw: Callable[[Pack], Pack] | None = None
    apart: bool = False
    pinned: bool = False
    of_all: np.ndarray | None = None  # the update's rows on all ranks, where `rows` are those of one

    @property
    def update(self) -> np.ndarray:
        """The rows of the whole update."""
        return self.rows if self.of_all is None else self.of_all

    @cached_property
    def labels(self) -> int:
        """Labels that count: rows, windows, items of lists, or tokens whose label isn't −100."""
        store, level = self.store, self.store.levels.get("labels")
        if self.draw is not None and level is None:
            return sum(int((pack.labels != IGNORED).sum()) for pack in self._packs)
        if level == LIST:
            ends = store.list_offsets["labels"]
            return int((ends[self.rows + 1] - ends[self.rows]).sum())
        if level in (TOKEN, SEQUENCE):
            sequences = store.sequences_of(self.rows)
            labels, ends = store.columns["labels"], store.offsets
            if level == SEQUENCE:
                return len(sequences) if labels.ndim > 1 else int((labels[sequences] != IGNORED).sum())
            return int(sum((labels[ends[s] : ends[s + 1]] != IGNORED).sum() for s in sequences))
        return len(self.rows)

    @property
    def scale(self) -> float:
        return 1.0 / max(1, self.labels)

    def __iter__(self) -> Iterator[Pack]:
        for pack in self._built() if self.draw is None and "_packs" not in vars(self) else self._packs:
            yield pack.to(self.device)

    def built(self) -> Batch:
        """Itself, with all that the host does for it done."""
        for pack in self._packs:
            pack.settled()
        self.labels  # noqa: B018
        return self

    @cached_property
    def _packs(self) -> list[Pack]:
        """All packs of the update at once: what is masked must be counted before the first loss is scaled."""
        packs = list(self._built())
        if self.draw is not None:
            packs = [self.draw(pack) for pack in packs]
        return [pack.pinned() for pack in packs] if self.pinned else packs

    def _built(self) -> Iterator[Pack]:
        store, rows = self.store, self.rows
        cost = 0.0 if self.packing.varlen else self.packing.group_cost
        counts = store.row_offsets[rows + 1] - store.row_offsets[rows]
        sequences, owners = store.sequences_of(rows), np.repeat(rows, counts)
        lengths = store.offsets[sequences + 1] - store.offsets[sequences]
        ends = np.cumsum(counts)
        places = [
            np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)
        ]  # of each row's sequences

        def computed(part: np.ndarray) -> int:
            """Tokens a pack of these rows is computed on: padding inside groups, lists as one rectangle."""
            found = budget.computed(lengths[np.concatenate([places[i] for i in part])], cost)
            lists = store.list_offsets.values()
            return found + sum(len(part) * int((end[rows[part] + 1] - end[rows[part]]).max()) for end in lists)

        shapes = self.packing.shapes
        if shapes is not None:
            units = [np.array([place]) for place in range(len(sequences))] if self.apart else places
            of = owners if self.apart else rows
            filled = fixed.fill(store, [sequences[one] for one in units], of, self.packing.pack_tokens, shapes)
            parts = [np.concatenate([units[i] for i in part]) for part in filled]
        elif self.apart:
            parts = budget.fill(lengths, self.packing.pack_tokens, lambda part: budget.computed(lengths[part], cost))
        else:
            sizes = store.lengths(rows) + store.list_lengths(rows)
            filled = budget.fill(sizes, self.packing.pack_tokens, computed)
            parts = [np.concatenate([places[i] for i in part]) for part in filled]
        for part in parts:
            yield build(
                store,
                sequences[part],
                rows=owners[part],
                group_cost=self.packing.group_cost,
                varlen=self.packing.varlen and shapes is None,
                shapes=shapes,
            )


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
    task: Task | None = None,
) -> Iterator[Batch]:
    """The updates of one epoch, from update `start` on, as `byeori.train` takes them.

    A `task` that draws its labels anew each epoch (masking) must be given.
    """
    draw, apart = (None, False) if task is None else (task.drawing(seed, epoch), task.apart)
    plan = Order(len(data), batch_size, seed, order, data.lengths)
    for step in range(start, plan.steps):
        yield Batch(data, plan.batch(epoch, step), packing or Packing(), device, draw, apart)
