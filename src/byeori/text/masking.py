"""Masking: which tokens a masked language model is asked for, and what it sees in their places.

Of the places asked for, 80% become the mask token, 10% a random other token, 10% stay (Devlin et al., 2019); whole words
are masked with all their pieces (BERT's whole-word masking; a Korean word is an eojeol, what stands between spaces).

Invariants: the draw is a function of seed, epoch, the sequence's number and the place in it, so it is the same in whatever
pack, process or batch the sequence lies; special tokens are never asked for nor put in; a sequence with any other token is
asked for at least one.

    ids, labels = Masking(Pieces(tokenizer), rate=0.15)(ids, lengths, numbers, seed=0, epoch=0)

Random numbers are counted, not drawn in turn (Salmon et al., 2011), by the finalizer of splitmix64 (Steele et al., 2014).
"""

from __future__ import annotations

import string
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.text.blocks import IGNORED

MASKED, RANDOM = 0.8, 0.1
ASK, KIND, WORD = 0, 1, 2  # what a random number is for


class Pieces:
    """What the tokens of a tokenizer are, by id: bool (tokens,) each.

    special: no text; inside: goes on with the word before it, where a mark says so (##, or no ▁ or Ġ in front); open: the next
    piece goes on with its word (@@, or no </w> behind); alone: punctuation, a word of its own. `ordinary`: ids int64 of text.
    """

    def __init__(self, tokenizer: Any):
        size = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values()))
        names = tokenizer.convert_ids_to_tokens(list(range(size)))
        text = [name or "" for name in names]
        self.mask = tokenizer.mask_token_id
        special = set(tokenizer.all_special_tokens)
        self.special = np.array([not name or name in special for name in names])
        marks = {
            "##": sum(name.startswith("##") for name in text),
            "▁": sum(name.startswith("▁") for name in text),
            "Ġ": sum(name.startswith("Ġ") for name in text),
            "@@": sum(name.endswith("@@") for name in text),
            "</w>": sum(name.endswith("</w>") for name in text),
        }
        mark = max(marks, key=lambda one: marks[one]) if any(marks.values()) else ""
        self.inside = self.open = np.zeros(len(names), bool)
        if mark == "##":
            self.inside = np.array([name.startswith("##") for name in text])
        elif mark in ("▁", "Ġ"):
            self.inside = np.array([not name.startswith((mark, "Ċ")) for name in text])
        elif mark == "@@":
            self.open = np.array([name.endswith("@@") for name in text])
        elif mark == "</w>":
            self.open = np.array([not name.endswith("</w>") for name in text])
        self.alone = np.array([_is_punctuation(name, mark) for name in text])
        self.ordinary = np.flatnonzero(~self.special)

    def words(self, ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """The number of the word each token belongs to, counted over all sequences; int64 (tokens,)."""
        first = np.zeros(len(ids), bool)
        first[starts] = True
        before = np.concatenate([ids[:1], ids[:-1]])
        goes_on = (self.inside[ids] | self.open[before]) & ~self.alone[ids] & ~self.alone[before]
        goes_on &= ~(first | self.special[ids] | self.special[before])
        return np.cumsum(~goes_on) - 1


def _is_punctuation(name: str, mark: str) -> bool:
    bare = name.replace(mark, "") if mark else name
    if mark == "Ġ":  # letters of this vocabulary stand for bytes: only those of ASCII are themselves
        return bool(bare) and all(letter in string.punctuation for letter in bare)
    return bool(bare) and all(unicodedata.category(letter)[0] in "PS" for letter in bare)


@dataclass(frozen=True)
class Masking:
    """Call it with sequences end to end."""

    pieces: Pieces
    rate: float = 0.15
    whole_words: bool = False

    def __call__(
        self, ids: np.ndarray, lengths: np.ndarray, numbers: np.ndarray, seed: int, epoch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(ids as the model sees them, labels): int64 (tokens,), −100 where nothing is asked.

        `ids` int64 (tokens,), `lengths` int64 (sequences,), `numbers` int64 (sequences,): what the store calls them.
        """
        ids = np.asarray(ids, np.int64)
        labels = np.full(len(ids), IGNORED, np.int64)
        if not len(ids):
            return ids, labels
        starts = np.cumsum(lengths) - lengths
        owner = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(ids)) - starts[owner]
        words = self.pieces.words(ids, starts)
        unit = words - words[starts][owner] if self.whole_words else place
        key = mix(epoch_key(seed, epoch) + np.asarray(numbers, np.uint64))[owner]  # one a sequence
        draw = uniform(key, unit, ASK)
        free = ~self.pieces.special[ids]
        asked = free & (draw < self.rate)
        least = np.minimum.reduceat(np.where(free, draw, 2.0), starts)
        none = ~np.logical_or.reduceat(asked, starts)
        asked |= free & none[owner] & (draw == least[owner])
        kind = uniform(key, place, KIND)
        other = self.pieces.ordinary[(uniform(key, place, WORD) * len(self.pieces.ordinary)).astype(np.int64)]
        seen = np.where(kind < MASKED, self.pieces.mask, np.where(kind < MASKED + RANDOM, other, ids))
        return np.where(asked, seen, ids), np.where(asked, ids, labels)


def epoch_key(seed: int, epoch: int) -> np.uint64:
    """What all random numbers of an epoch begin with."""
    with np.errstate(over="ignore"):
        return mix(mix(np.uint64(seed % 2**63)) + np.uint64(epoch) * np.uint64(2) + np.uint64(1))


def uniform(key: np.ndarray, counter: np.ndarray, purpose: int) -> np.ndarray:
    """float64 in [0, 1) for each (key, counter)."""
    with np.errstate(over="ignore"):
        value = mix(key + mix(counter.astype(np.uint64) * np.uint64(4) + np.uint64(purpose)))
    return (value >> np.uint64(11)) * 2.0**-53


def mix(values: Any) -> Any:
    """uint64 → uint64, each bit of which hangs on all bits of the other."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
