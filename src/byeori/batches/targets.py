"""The targets of a pack laid end to end for a decoder, beside the sources that lie end to end for an encoder.

Invariants: targets lie in the order of their sources, each group of them within one group of sources, so that a source and its
target meet as views; each is cut to its own length, or to one place where it has none; all of it is found out on the host.

    targets = pack.targets; logits = pairs.forward(pack, targets, fed).logits[0, targets.index]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from byeori.batches import budget
from byeori.batches.pack import Group, Layout, Move, Pack
from byeori.text.blocks import IGNORED

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Memory:
    """What each group of targets meets in the encoder's row: `spans` (first token, tokens a sequence) a group."""

    spans: tuple[tuple[int, int], ...]
    masks: dict[int, torch.Tensor]  # group → bool (count, 1, 1, tokens a sequence), True = attend
    cu_seqlens: torch.Tensor | None
    max_length: int


@dataclass(frozen=True)
class Laid:
    """Targets end to end. Place p of the row is token `places[p]` of the target of sequence `owners[p]`."""

    layout: Layout
    memory: Memory
    owners: torch.Tensor  # int64 (computed,)
    places: torch.Tensor  # int64 (computed,)
    index: torch.Tensor  # int64 (labels that count,): their places in the row, in the order of `pack.counted`
    lengths: np.ndarray  # int64 (sequences,): of each target, at least 1
    labels: np.ndarray  # int64 (sequences,): how many of its labels count

    def moved(self, move: Move) -> Laid:
        """The same with each tensor replaced by `move` of it."""
        ends = self.memory.cu_seqlens
        memory = replace(
            self.memory,
            masks={number: move(mask) for number, mask in self.memory.masks.items()},
            cu_seqlens=None if ends is None else move(ends),
        )
        owners, places, index = (move(one) for one in (self.owners, self.places, self.index))
        return replace(self, layout=self.layout.moved(move), memory=memory, owners=owners, places=places, index=index)


def laid(pack: Pack) -> Laid:
    """The targets of a pack (labels (sequences, longest), −100 where there is none), cut to their own length."""
    import torch

    counted = pack.labels.cpu().numpy() != IGNORED
    lengths = np.maximum(1, (counted * np.arange(1, counted.shape[1] + 1)).max(1, initial=0)).astype(np.int64)
    varlen = pack.layout.cu_seqlens is not None
    groups: list[Group] = []
    spans: list[tuple[int, int]] = []
    total = 0
    masks: dict[int, torch.Tensor] = {}
    source_masks: dict[int, torch.Tensor] = {}
    for number, group in enumerate(pack.layout.groups):
        inside = lengths[group.first : group.first + group.count]
        fixed = pack.shapes is not None
        for cut in [slice(0, len(inside))] if fixed else _cuts(inside, varlen, pack.group_cost):
            several = inside[cut]
            count, longest = len(several), counted.shape[1] if fixed else int(several.max())
            ragged = fixed or bool(several.min() != longest)
            if ragged:
                masks[len(groups)] = torch.from_numpy(np.arange(longest) < several[:, None])[:, None, None]
            if number in pack.layout.masks:
                source_masks[len(groups)] = pack.layout.masks[number][cut]
            groups.append(Group(total, group.first + cut.start, count, longest, ragged))
            spans.append((group.start + cut.start * group.length, group.length))
            total += count * longest
    starts = np.concatenate([g.start + g.length * np.arange(g.count) for g in groups])
    owners = np.concatenate([np.repeat(np.arange(g.first, g.first + g.count), g.length) for g in groups])
    cu_seqlens = torch.from_numpy(np.append(starts, total).astype(np.int32)) if varlen else None
    ends = torch.from_numpy(lengths)
    layout = Layout(tuple(groups), ends, torch.from_numpy(starts), masks, cu_seqlens, max(g.length for g in groups))
    sequence, place = counted.nonzero()
    memory = Memory(tuple(spans), source_masks, pack.layout.cu_seqlens, pack.layout.max_length)
    found = Laid(
        layout, memory, torch.from_numpy(owners), torch.from_numpy(np.arange(total) - starts[owners]),
        torch.from_numpy(starts[sequence] + place), lengths, counted.sum(1),
    )  # fmt: skip
    device = pack.labels.device
    return found if device.type == "cpu" else found.moved(lambda one: one.to(device))


def _cuts(lengths: np.ndarray, varlen: bool, group_cost: float) -> list[slice]:
    """Runs of targets that make a rectangle each, in the order they have."""
    if varlen:
        return [slice(place, place + 1) for place in range(len(lengths))]
    if (np.diff(lengths) >= 0).all():
        return budget.groups(lengths, group_cost)
    return [slice(0, len(lengths))]
