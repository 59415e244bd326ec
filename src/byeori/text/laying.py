"""Texts without special tokens → whole sequences: cut, with the special tokens around and between them, flat.

Invariants: what is laid are the ids and segment ids that the tokenizer itself gives for the text or pair; nothing is done
a row at a time.

    frame = frame_of(backend, pair=False); ids, types, lengths = lay(frame, [pieces.ids], pieces.lengths[None])
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PROBES = ("a", "가", "1")  # one of them has a token in any tokenizer that is used


@dataclass(frozen=True)
class Pieces:
    """Texts without special tokens: `ids` int32 (tokens,), `starts` and `lengths` int64 (texts,)."""

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[list[int]]) -> Pieces:
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        return cls(flatten(lists, lengths, np.int32), np.cumsum(lengths) - lengths, lengths)

    def of_text(self, text: int) -> list[int]:
        return self.ids[self.starts[text] : self.starts[text] + self.lengths[text]].tolist()

    def cut(self, count: np.ndarray, truncation: str, taken: np.ndarray | None = None) -> np.ndarray:
        """`count` tokens of each text of `taken` (all of them, in order, if not given), flat: int32 (count.sum(),).

        `truncation` as `Encoder` has it: the head of a text stays, its tail, or both ends, the first half the larger.
        """
        starts, lengths = (self.starts, self.lengths) if taken is None else (self.starts[taken], self.lengths[taken])
        if taken is None and np.array_equal(count, lengths):
            return self.ids
        head = {"head": count, "tail": np.zeros_like(count), "middle": count - count // 2}[truncation]
        places = run(np.zeros_like(count), count)  # 0 … count − 1 in each
        skipped = np.where(places < np.repeat(head, count), 0, np.repeat(lengths - count, count))
        return self.ids[np.repeat(starts, count) + places + skipped]


@dataclass(frozen=True)
class Frame:
    """The special tokens before, between and after one or two texts; `types`: segment ids of those three and of the texts
    ("before", "first", "between", "second", "after")."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: dict[str, list[int]]

    def __len__(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


def frame_of(backend: Any, pair: bool) -> Frame | None:
    """What a fast tokenizer lays around any text, or pair of texts; None for one that does otherwise."""
    probe = next((one for one in PROBES if backend.encode(one, add_special_tokens=False).ids), None)
    if probe is None:
        return None
    alone = backend.encode(probe, add_special_tokens=False).ids
    found = backend.encode(probe, probe if pair else None, add_special_tokens=True)
    sides, ids, types = found.sequence_ids, found.ids, found.type_ids
    groups = [(side, len(list(run))) for side, run in itertools.groupby(sides)]
    ends = list(itertools.accumulate((count for _, count in groups), initial=0))
    at = {side: (ends[place], ends[place + 1]) for place, (side, _) in enumerate(groups) if side is not None}
    texts = [0, 1] if pair else [0]
    if [side for side, _ in groups if side is not None] != texts or any(
        ids[slice(*at[side])] != alone for side in texts
    ):
        return None
    cuts = [0, *at[0], *(at[1] if pair else ()), len(ids)]
    spans = [slice(*both) for both in itertools.pairwise(cuts)]
    names = ["before", "first", "between", "second", "after"] if pair else ["before", "first", "after"]
    kinds = {name: types[span] for name, span in zip(names, spans, strict=True)}
    if any(len(set(kinds[name])) != 1 for name in names if name in ("first", "second")):
        return None
    tokens = {name: ids[span] for name, span in zip(names, spans, strict=True)}
    return Frame(tokens["before"], tokens.get("between", []), tokens["after"], kinds)


def lay(
    frame: Frame, contents: Sequence[np.ndarray], counts: np.ndarray, nothing: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids int32 and segment ids uint8 (tokens,), lengths int64 (sequences,) of framed texts.

    contents: for one or both sides the tokens of all sequences, flat; counts: int64 (sides, sequences), how many each has.
    A sequence without any token is one `nothing`.
    """
    sequences = counts.shape[1]
    names = ["before", "first", "between", "second", "after"] if len(counts) == 2 else ["before", "first", "after"]
    special = [frame.before, frame.between, frame.after] if len(counts) == 2 else [frame.before, frame.after]
    sizes = np.empty((sequences, len(names)), np.int64)
    sizes[:, 0::2], sizes[:, 1::2] = [len(tokens) for tokens in special], counts.T
    kinds = np.repeat(np.tile(np.arange(len(names), dtype=np.uint8), sequences), sizes.ravel())
    ids, types = np.empty(len(kinds), np.int32), np.zeros(len(kinds), np.uint8)
    segmented = any(any(frame.types[name]) for name in names)
    for kind, name in enumerate(names):
        here = kinds == kind
        if kind % 2:
            ids[here] = contents[kind // 2]
            if segmented:
                types[here] = frame.types[name][0]
        elif tokens := special[kind // 2]:
            ids[here] = np.tile(np.asarray(tokens, np.int32), sequences)
            if segmented:
                types[here] = np.tile(np.asarray(frame.types[name], np.uint8), sequences)
    lengths = sizes.sum(1)
    if not lengths.all():  # texts without any token, and a tokenizer without special ones
        at = np.cumsum(lengths)[lengths == 0]
        ids, types, lengths = np.insert(ids, at, nothing), np.insert(types, at, 0), np.maximum(lengths, 1)
    return ids, types, lengths


def flatten(lists: Iterable[Sequence[int]], lengths: np.ndarray, dtype: type) -> np.ndarray:
    """The values of all lists, one after the other."""
    return np.fromiter(itertools.chain.from_iterable(lists), dtype, int(lengths.sum()))


def run(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … for lengths[0] places, then those of the next; int64 (lengths.sum(),)."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
