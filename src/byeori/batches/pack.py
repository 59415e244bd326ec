"""A pack: sequences laid end to end in one row of tokens, with their boundaries beside them.

Invariants: sequence `i` of the pack is row `rows[i]` of the store; its tokens stand at `starts[i] : starts[i] +
lengths[i]`; places between are padding that no token attends to and no loss counts. Positions restart at 0 in each
sequence. `padded()` is the same sequences as the rectangle the course teaches.

    pack = build(store, np.array([3, 1]))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches import budget
from byeori.batches.fixed import Shapes
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, SEQUENCE, TOKEN, TokenStore

if TYPE_CHECKING:
    import torch

    from byeori.batches.targets import Laid

Move = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Group:
    """A rectangle inside the pack: `count` sequences of `length` places from token `start` on."""

    start: int
    first: int  # its first sequence in the pack
    count: int
    length: int
    ragged: bool  # some of its sequences are shorter than `length`

    @property
    def stop(self) -> int:
        return self.start + self.count * self.length


@dataclass(frozen=True)
class Layout:
    """The boundaries attention needs: the groups, and what each group's padded places are."""

    groups: tuple[Group, ...]
    lengths: torch.Tensor  # int64 (sequences,)
    starts: torch.Tensor  # int64 (sequences,)
    masks: dict[int, torch.Tensor] = field(default_factory=dict)  # group → bool (count, 1, 1, length), True = attend
    cu_seqlens: torch.Tensor | None = None  # int32 (sequences + 1,), where variable-length attention runs
    max_length: int = 0

    def moved(self, move: Move) -> Layout:
        """The same with each tensor replaced by `move` of it."""
        return replace(
            self,
            lengths=move(self.lengths),
            starts=move(self.starts),
            masks={number: move(mask) for number, mask in self.masks.items()},
            cu_seqlens=None if self.cu_seqlens is None else move(self.cu_seqlens),
        )


@dataclass
class Pack:
    """Sequences end to end. Tensors on one device; `columns` holds labels and whatever else the task encoded."""

    input_ids: torch.Tensor  # int64 (tokens,)
    position_ids: torch.Tensor  # int64 (tokens,), from 0 in each sequence
    token_type_ids: torch.Tensor | None  # int64 (tokens,)
    rows: np.ndarray  # int64 (sequences,): rows of the store
    sequences: np.ndarray  # int64 (sequences,): sequences of the store
    layout: Layout
    columns: dict[str, torch.Tensor]  # of tokens (tokens,), lists (sequences, longest, …) padded, others (sequences, …)
    levels: dict[str, str]
    tokens: int  # real tokens, padding left out
    pad_token_id: int = 0
    group_cost: float = budget.GROUP["packed"]  # by which it was cut
    shapes: Shapes | None = None  # of which it is one

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> torch.Tensor:
        """(sequences,), (sequences, labels), (tokens,) or (sequences, longest list), as the task encoded them."""
        return self.columns["labels"]

    @property
    def computed(self) -> int:
        """Tokens computed on, padding included."""
        return int(self.input_ids.shape[0])

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each sequence begins, on the host; int64 (sequences,)."""
        return self.layout.starts.cpu().numpy()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each sequence, on the host; int64 (sequences,)."""
        return self.layout.lengths.cpu().numpy()

    @cached_property
    def counted(self) -> torch.Tensor:
        """The places of the labels that count in `labels.flatten()`, ascending; int64."""
        import torch

        return torch.from_numpy(np.flatnonzero(self.labels.cpu().numpy() != IGNORED)).to(self.labels.device)

    @cached_property
    def owners(self) -> torch.Tensor:
        """The row that each sequence belongs to, counted from 0 in this pack; int64 (sequences,)."""
        import torch

        return torch.from_numpy(np.unique(self.rows, return_inverse=True)[1]).to(self.input_ids.device)

    @cached_property
    def targets(self) -> Laid:
        """The lists that are its labels, laid end to end as a decoder takes them."""
        from byeori.batches.targets import laid

        return laid(self)

    def settled(self) -> Pack:
        """Itself, with all that a loss or model asks of it found out: on the host it is at hand, a GPU would be waited for."""
        level, found = self.levels.get("labels"), self.columns.get("labels")
        wanted = ["starts", "lengths"]
        if level in (TOKEN, LIST) and found is not None and not found.is_floating_point():
            wanted += ["counted", "targets"] if level == LIST and found.ndim == 2 else ["counted"]
        if len(np.unique(self.rows)) < len(self.rows):
            wanted.append("owners")
        for name in wanted:
            getattr(self, name)
        return self

    def to(self, device: Any) -> Pack:
        """On another device; a copy to a GPU waits for nothing if the pack is pinned."""
        import torch

        where = torch.device(device)
        if where.type == self.input_ids.device.type == "cpu":
            return self
        ahead = where.type != "cpu"  # what comes back is read at once
        return (self.settled() if ahead else self)._moved(lambda one: one.to(where, non_blocking=ahead))

    def pinned(self) -> Pack:
        """In memory that a GPU copies from by itself."""
        return self.settled()._moved(lambda one: one.pin_memory())

    def _moved(self, move: Move) -> Pack:
        found = replace(
            self,
            input_ids=move(self.input_ids),
            position_ids=move(self.position_ids),
            token_type_ids=None if self.token_type_ids is None else move(self.token_type_ids),
            layout=self.layout.moved(move),
            columns={name: move(values) for name, values in self.columns.items()},
        )
        known = vars(self)
        vars(found).update({name: known[name] for name in ("starts", "lengths") if name in known})
        vars(found).update({name: move(known[name]) for name in ("counted", "owners") if name in known})
        if "targets" in known:
            vars(found)["targets"] = known["targets"].moved(move)
        return found

    def rectangle(self, group: Group) -> dict[str, torch.Tensor]:
        """One group as a batch of its own: input_ids, attention_mask (count, length), token_type_ids where there are."""
        import torch

        inside = slice(group.start, group.stop)
        shape = (group.count, group.length)
        lengths = self.layout.lengths[group.first : group.first + group.count]
        places = torch.arange(group.length, device=lengths.device)
        found = {
            "input_ids": self.input_ids[inside].view(shape),
            "attention_mask": (places < lengths[:, None]).long(),
        }
        if self.token_type_ids is not None:
            found["token_type_ids"] = self.token_type_ids[inside].view(shape)
        return found

    def padded(self) -> dict[str, torch.Tensor]:
        """All sequences as one padded batch, the dict the course teaches: input_ids, attention_mask, labels…

        Shapes (sequences, longest); labels are (sequences, …), or (sequences, longest) padded with −100.
        """
        import torch

        longest = int(self.layout.lengths.max())
        places = torch.arange(longest, device=self.input_ids.device)
        mask = places < self.layout.lengths[:, None]
        index = (self.layout.starts[:, None] + places).clamp(max=self.computed - 1)
        found = {
            "input_ids": self.input_ids[index].masked_fill(~mask, self.pad_token_id),
            "attention_mask": mask.long(),
        }
        if self.token_type_ids is not None:
            found["token_type_ids"] = self.token_type_ids[index].masked_fill(~mask, 0)
        for name, values in self.columns.items():
            fill = IGNORED if name == "labels" else 0
            found[name] = values[index].masked_fill(~mask, fill) if self.levels[name] == TOKEN else values
        return found


def build(
    store: TokenStore,
    sequences: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    group_cost: float = budget.GROUP["packed"],
    varlen: bool = False,
    columns: bool = True,
    shapes: Shapes | None = None,
) -> Pack:
    """Lay these sequences of the store into one pack. `rows` are the rows they belong to (the same, if not given).

    `varlen` lays them with no padding at all, for variable-length attention; without `columns` labels stay behind. `shapes` makes one
    rectangle of them, whose columns are rounded up.
    """
    import torch

    pad_token_id = int(store.pad.get("input_ids", 0))
    sequences = np.asarray(sequences, np.int64)
    rows = sequences if rows is None else np.asarray(rows, np.int64)
    lengths = store.offsets[sequences + 1] - store.offsets[sequences]
    order = np.argsort(lengths, kind="stable")
    if shapes is not None:
        cuts = [slice(0, len(rows))]
    else:
        cuts = [slice(i, i + 1) for i in range(len(rows))] if varlen else budget.groups(lengths[order], group_cost)
    if columns and store.levels.get("labels") == LIST:  # targets of like length beside each other, too
        ends = store.list_offsets["labels"]
        targets = ends[rows + 1] - ends[rows]
        order = np.concatenate([order[cut][np.argsort(targets[order[cut]], kind="stable")] for cut in cuts])
    sequences, rows, lengths = sequences[order], rows[order], np.ascontiguousarray(lengths[order])

    laid: list[Group] = []
    index_parts: list[np.ndarray] = []
    real_parts: list[np.ndarray] = []
    position_parts: list[np.ndarray] = []
    masks: dict[int, torch.Tensor] = {}
    starts = np.zeros(len(rows), np.int64)
    total = 0
    for number, cut in enumerate(cuts):
        inside = lengths[cut]
        count, length = len(inside), int(inside.max())
        length = length if shapes is None else shapes.columns(length)
        places = np.arange(length)
        real = places < inside[:, None]
        ragged = shapes is not None or bool(inside.min() != length)
        laid.append(Group(total, cut.start, count, length, ragged))
        if ragged:
            masks[number] = torch.from_numpy(real)[:, None, None, :]
        index_parts.append((store.offsets[sequences[cut], None] + np.where(real, places, 0)).ravel())
        real_parts.append(real.ravel())
        position_parts.append(np.broadcast_to(places, real.shape).ravel())
        starts[cut] = total + length * np.arange(count)
        total += count * length
    index, real = np.concatenate(index_parts), np.concatenate(real_parts)

    def token_column(values: np.ndarray, fill: int | float) -> torch.Tensor:
        taken = values[index]
        taken[~real] = fill
        return torch.from_numpy(taken.astype(np.int64 if np.issubdtype(taken.dtype, np.integer) else np.float32))

    carried: dict[str, torch.Tensor] = {}
    for name, values in store.columns.items() if columns else ():
        if name == "token_type_ids":
            continue
        fill = IGNORED if name == "labels" else store.pad.get(name, 0)
        if store.levels[name] == TOKEN:
            carried[name] = token_column(values, fill)
        elif store.levels[name] == LIST:
            carried[name] = torch.from_numpy(_padded_lists([store.list_of(name, row) for row in rows], fill, shapes))
        else:
            owners = sequences if store.levels[name] == SEQUENCE else rows
            carried[name] = torch.from_numpy(np.ascontiguousarray(values[owners]))
    types = store.columns.get("token_type_ids")
    cu_seqlens = torch.from_numpy(np.append(starts, total).astype(np.int32)) if varlen else None
    return Pack(
        input_ids=token_column(store.input_ids, pad_token_id),
        position_ids=torch.from_numpy(np.concatenate(position_parts).astype(np.int64)),
        token_type_ids=None if types is None else token_column(types, 0),
        rows=rows,
        sequences=sequences,
        layout=Layout(
            tuple(laid),
            torch.from_numpy(lengths.astype(np.int64)),
            torch.from_numpy(starts),
            masks,
            cu_seqlens,
            max(group.length for group in laid),
        ),
        columns=carried,
        levels=store.levels,
        tokens=int(lengths.sum()),
        pad_token_id=pad_token_id,
        group_cost=group_cost,
        shapes=shapes,
    )


def _padded_lists(lists: list[np.ndarray], fill: int | float, shapes: Shapes | None = None) -> np.ndarray:
    """(lists, longest, …) int64 or float32."""
    kind = np.int64 if np.issubdtype(lists[0].dtype, np.integer) else np.float32
    longest = max(len(one) for one in lists)
    longest = longest if shapes is None else shapes.list_columns(longest)
    made = np.full((len(lists), longest, *lists[0].shape[1:]), fill, kind)
    for place, one in enumerate(lists):
        made[place, : len(one)] = one
    return made
