"""Span corruption: some runs of a text's tokens are taken out, a sentinel stands for each, and the runs are the target.

    text     Thank you for inviting me to your party last week .
    input    Thank you <extra_id_0> me to your party <extra_id_1> week .
    target   <extra_id_0> for inviting <extra_id_1> last <extra_id_2>

As in Raffel et al. (2020, sections 3.1.4 and 3.3.4): 15% of the tokens in runs of 3 on average, how many of either is
a function of the length alone, so that lengths are known before anything is drawn. The runs' lengths, and those of what
stands between them, are drawn uniformly among all that add up. Other than in T5's own code, what stands before the first
run and behind the last may be empty: there every text of up to 30 tokens loses its last words, and no others.

Invariants: the draw is a function of seed, epoch, the sequence's number and its length, so it is the same in whatever
pack, process or batch the sequence lies; each token stands in input or target, once; two runs never touch.

    found = Corruption(sentinels(tokenizer), [], [1], [1])(ids, lengths, numbers, seed=0, epoch=0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from byeori.text.masking import epoch_key, mix, uniform

DENSITY, SPAN = 0.15, 3.0  # T5's
HIDDEN, SEEN = 0, 1  # what a random number is for: the lengths of the runs, and of what stands between them
NAMES = ("<extra_id_{}>", "▁<extra_id_{}>")  # T5's; mT5's are pieces of its vocabulary


def sentinels(tokenizer: Any) -> list[int]:
    """Ids of <extra_id_0>, <extra_id_1> …, as many as the tokenizer has without a gap."""
    known = tokenizer.get_vocab()
    for name in NAMES:
        found = []
        for number in count():
            if name.format(number) not in known:
                break
            found.append(known[name.format(number)])
        if found:
            return found
    return []


def noise(lengths: np.ndarray, density: float = DENSITY, span: float = SPAN) -> tuple[np.ndarray, np.ndarray]:
    """(tokens that are taken out, in how many runs), int64 (sequences,), of sequences of at least one token.

    At least one of each; of more than one token at least one stays, and one between any two runs.
    """
    lengths = np.asarray(lengths, np.int64)
    hidden = np.clip(np.round(lengths * density).astype(np.int64), 1, np.maximum(1, lengths - 1))
    runs = np.maximum(1, np.round(hidden / span).astype(np.int64))
    return hidden, np.minimum(runs, lengths - hidden + 1)


def whole_length(room: int, density: float = DENSITY, span: float = SPAN) -> int:
    """The most tokens a text can have so that, corrupted, it is at most `room` long (special tokens not counted).

    The corrupted length never falls as a text grows, so the last that fits is it.
    """
    lengths = np.arange(1, max(2, int(room / (1 - density)) + 2))
    hidden, runs = noise(lengths, density, span)
    fits = lengths[lengths - hidden + runs <= max(1, room)]
    return int(fits[-1]) if len(fits) else 1


@dataclass(frozen=True)
class Corrupted:
    """Sequences end to end: `inputs` and `targets` int64, `input_lengths` and `target_lengths` int64 (sequences,)."""

    inputs: np.ndarray
    input_lengths: np.ndarray
    targets: np.ndarray
    target_lengths: np.ndarray


@dataclass(frozen=True)
class Corruption:
    """Call it with sequences end to end. `before`, `after`: special tokens around each input; `end`: behind each target."""

    sentinels: Sequence[int]
    before: Sequence[int]
    after: Sequence[int]
    end: Sequence[int]
    density: float = DENSITY
    span: float = SPAN

    def __call__(self, ids: np.ndarray, lengths: np.ndarray, numbers: np.ndarray, seed: int, epoch: int) -> Corrupted:
        """`ids` int64 (tokens,) without special tokens, `lengths` int64 (sequences,) of at least 1, `numbers` int64
        (sequences,): what the store calls them."""
        ids, lengths = np.asarray(ids, np.int64), np.asarray(lengths, np.int64)
        marks = np.asarray(self.sentinels, np.int64)
        out, first, number, runs = self.places(lengths, numbers, seed, epoch)
        owner = np.repeat(np.arange(len(lengths)), lengths)

        shown = ~out | first
        inputs = np.where(first, marks[number], ids)[shown]
        input_lengths = np.bincount(owner[shown], minlength=len(lengths))

        copies = 1 + first[out]  # the first token of a run has its sentinel before it
        targets = np.repeat(ids[out], copies)
        targets[np.cumsum(copies)[first[out]] - 2] = marks[number[first]]
        target_lengths = np.bincount(owner[out], minlength=len(lengths)) + runs

        inputs = _around(inputs, input_lengths, [self.before] * len(lengths), [self.after] * len(lengths))
        last = [[int(marks[one]), *self.end] for one in runs]
        targets = _around(targets, target_lengths, [[]] * len(lengths), last)
        return Corrupted(
            inputs, input_lengths + len(self.before) + len(self.after), targets, target_lengths + 1 + len(self.end)
        )

    def places(
        self, lengths: np.ndarray, numbers: np.ndarray, seed: int, epoch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each token whether it is taken out, whether it begins a run, and that run's number; the runs of each sequence."""
        hidden, runs = noise(lengths, self.density, self.span)
        key = mix(epoch_key(seed, epoch) + np.asarray(numbers, np.uint64))  # one a sequence
        taken = _parts(hidden, runs, key, HIDDEN)
        kept = _parts(lengths - hidden + 2, runs + 1, key, SEEN)  # both ends may be empty: one more each
        ends = np.cumsum(runs + 1)
        kept[ends - 1] -= 1
        kept[ends - runs - 1] -= 1
        sizes = np.empty(len(taken) + len(kept), np.int64)  # kept, taken, kept, taken … kept, of each sequence
        total = 2 * runs + 1
        of = np.repeat(np.arange(len(runs)), total)
        place = np.arange(len(of)) - np.repeat(np.cumsum(total) - total, total)
        odd = place % 2 == 1
        sizes[odd], sizes[~odd] = taken, kept
        out = np.repeat(odd, sizes)
        number = np.repeat(place // 2, sizes)
        first = np.zeros(len(out), bool)
        first[(np.cumsum(sizes) - sizes)[odd]] = True
        return out, first, number, runs


def _parts(totals: np.ndarray, counts: np.ndarray, key: np.ndarray, purpose: int) -> np.ndarray:
    """Each total cut into so many parts of at least 1, uniformly among all ways; int64 (sum of counts,).

    Of the places between its units those with the smallest random numbers are the cuts.
    """
    gaps = totals - 1
    owner = np.repeat(np.arange(len(totals)), gaps)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(gaps) - gaps, gaps)
    order = np.lexsort((uniform(key[owner], place, purpose), owner))
    cut = np.zeros(len(owner), bool)
    cut[order] = place < (counts - 1)[owner]  # sorted so, the n-th of an owner has rank n
    whose = np.concatenate([owner[cut], np.arange(len(totals))])
    end = np.concatenate([place[cut] + 1, totals])
    order = np.lexsort((end, whose))
    end, whose = end[order], whose[order]
    start = np.concatenate([[0], end[:-1]])
    start[np.cumsum(counts) - counts] = 0
    return end - start


def _around(flat: np.ndarray, lengths: np.ndarray, before: list, after: list) -> np.ndarray:
    """Sequences end to end with these ids before and after each."""
    ends = np.cumsum(lengths)
    pieces: list[Any] = []
    for start, end, front, back in zip(ends - lengths, ends, before, after, strict=True):
        pieces += [front, flat[start:end], back]
    return np.concatenate([np.asarray(piece, np.int64) for piece in pieces]) if pieces else flat
