"""What a model answered, a sequence of the store each, in the store's order, whatever packs it was computed in.

Invariants: `of(s)` is what the model gave for sequence `s`: one value (a row of logits) or one a token, generated token
or masked place; nothing is padded.

    answers = Gathered(store, rows); answers.add(pack, values); answers.done().of(0)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from byeori.data import mapped

if TYPE_CHECKING:
    from byeori.batches.pack import Pack


@dataclass(frozen=True)
class Answers:
    """`values` (n, …), float32 or integers; `offsets` int64 (sequences + 1,), None where every sequence has one value."""

    values: np.ndarray
    offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def of(self, sequence: int) -> np.ndarray:
        """(values of the sequence, …); for one value a sequence (…)."""
        if self.offsets is None:
            return self.values[sequence]
        return self.values[self.offsets[sequence] : self.offsets[sequence + 1]]


class Gathered:
    """Collects the answers of packs. `first`: the sequence of the store that comes first among `count`."""

    def __init__(self, first: int, count: int):
        self.first, self.count = first, count
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []

    def add(self, pack: Pack, values: np.ndarray, counts: np.ndarray | None) -> None:
        """`values` in the order of the pack's sequences, `counts` of them a sequence (None: one each)."""
        self.put(pack.sequences - self.first, values, counts)

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """What was added so far, end to end: places of sequences int64, values, and how many of them each has (None: one each)."""
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros(0, np.float32), None
        places, values, counts = zip(*self._parts, strict=True)
        several = None
        if any(one is not None for one in counts):
            ones = (np.ones(len(at), np.int64) if one is None else one for at, one in zip(places, counts, strict=True))
            several = np.concatenate([*ones])
        return np.concatenate(places), np.concatenate(values), several

    def put(self, places: np.ndarray, values: np.ndarray, counts: np.ndarray | None) -> None:
        """As `add`, of places counted from the first sequence on."""
        self._parts.append((places, values, counts))

    def done(self) -> Answers:
        """All of them in the store's order."""
        tail = self._parts[0][1].shape[1:]
        kind = self._parts[0][1].dtype
        if all(counts is None for _, _, counts in self._parts):
            found = np.empty((self.count, *tail), kind)
            for places, values, _ in self._parts:
                found[places] = values
            return Answers(found)
        lengths = np.zeros(self.count, np.int64)
        for places, _, counts in self._parts:
            lengths[places] = 1 if counts is None else counts
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        found = np.empty((int(offsets[-1]), *tail), kind)
        for places, values, _ in self._parts:
            found[spread(offsets[places], lengths[places])] = values
        return Answers(found, offsets)


def of_sequences(pack: Pack, values: np.ndarray, counts: np.ndarray | None, sequences: np.ndarray) -> Answers:
    """The answers of some sequences of a pack, in their order."""
    place = {int(sequence): number for number, sequence in enumerate(pack.sequences)}
    wanted = np.array([place[int(sequence)] for sequence in sequences], np.int64)
    if counts is None:
        return Answers(values[wanted])
    starts = np.cumsum(counts) - counts
    offsets = np.concatenate([[0], np.cumsum(counts[wanted])])
    return Answers(values[spread(starts[wanted], counts[wanted])], offsets)


def spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … for lengths[0] places, then those of the next; int64 (sum of lengths,)."""
    total = int(lengths.sum())
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + np.arange(total) - before


def joined(parts: Iterable[Answers]) -> Answers:
    """Answers of one window after the other, as one; many of them lie in a file. Raises ValueError where there are none."""
    values, lengths, several = mapped.Column(), mapped.Column(), False
    for part in parts:
        values.add(part.values)
        lengths.add(np.ones(len(part), np.int64) if part.offsets is None else np.diff(part.offsets))
        several = several or part.offsets is not None
    if not several:
        return Answers(values.done())
    return Answers(values.done(), mapped.keep(np.concatenate([[0], np.cumsum(lengths.done())])))
