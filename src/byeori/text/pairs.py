"""Many pairs of few texts: each text is encoded once, however many pairs it stands in.

A question with its choices, a text with every hypothesis about it: tokenizers encode the two texts of a pair apart and
lay special tokens around them, so the parts can be kept and laid together again without any text being read twice.

Invariants: ids and segment ids are those the tokenizer gives for the pair itself (tried on one pair at every call); what
is too long is cut as `Encoder` cuts it, or the first text alone where the second must stay whole.

    encoded = encode_pairs(encoder, ["It rained."], ["It was wet.", "It was dry."], first=[0, 0], second=[0, 1])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.text.encode import Encoder, _shares
from byeori.text.store import Encoded


@dataclass(frozen=True)
class Pieces:
    """Texts without special tokens: `ids` int32 (tokens,), `starts` and `lengths` int64 (texts,)."""

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[list[int]]) -> Pieces:
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        ids = np.concatenate([np.asarray(one, np.int32) for one in lists]) if lists else np.zeros(0, np.int32)
        return cls(ids, np.cumsum(lengths) - lengths, lengths)

    def of_text(self, text: int) -> list[int]:
        return self.ids[self.starts[text] : self.starts[text] + self.lengths[text]].tolist()


@dataclass(frozen=True)
class Frame:
    """The special tokens before, between and after the two texts; `types`: segment ids of those three and of the texts."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: dict[str, list[int]]

    def __len__(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


def encode_pairs(
    encoder: Encoder,
    texts: Sequence[str],
    pairs: Sequence[str],
    first: Sequence[int] | np.ndarray,
    second: Sequence[int] | np.ndarray,
    only_first: bool = False,
) -> Encoded:
    """Sequence i is the pair (texts[first[i]], pairs[second[i]]); `columns` holds token_type_ids if they are kept.

    `only_first`: the second text is never cut; SettingError where nothing of the first would be left beside it.
    Raises ModelError for a tokenizer that encodes the texts of a pair otherwise than each alone.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if not encoder.tokenizer.is_fast and not only_first:  # its own code cuts long pairs its own way
        return encoder([texts[place] for place in first], [pairs[place] for place in second])
    one, other = _pieces(encoder, texts), _pieces(encoder, pairs)
    if not len(first):
        return Encoded(one.ids, one.lengths, _columns(encoder, np.zeros(0, np.uint8)))
    some = int(np.argmax(one.lengths > 0)), int(np.argmax(other.lengths > 0))  # texts with tokens, if there are any
    frame = _frame(encoder, texts[some[0]], pairs[some[1]], one.of_text(some[0]), other.of_text(some[1]))
    room = encoder.max_length - len(frame)
    kept = np.stack([one.lengths[first], other.lengths[second]])  # (2, sequences): tokens of each text
    long = np.flatnonzero(kept.sum(0) > room)
    for place in long:
        if not only_first:
            kept[:, place] = _shares(int(kept[0, place]), int(kept[1, place]), room)
            continue
        left = room - kept[1, place]
        if left < min(1, kept[0, place]):
            raise SettingError(
                f"{pairs[second[place]]!r}: its {kept[1, place]} tokens and the {len(frame)} special ones leave no room for the text: "
                f"{encoder.max_length} are taken in all (--max-length). Make it shorter."
            )
        kept[0, place] = left
    lengths = kept.sum(0) + len(frame)
    ids, types = np.zeros(int(lengths.sum()), np.int32), np.zeros(int(lengths.sum()), np.uint8)

    def special(at: np.ndarray, tokens: list[int], kinds: list[int]) -> np.ndarray:
        for token, kind in zip(tokens, kinds, strict=True):
            ids[at], types[at] = token, kind
            at = at + 1
        return at

    def text(at: np.ndarray, pieces: Pieces, taken: np.ndarray, count: np.ndarray, kind: int) -> np.ndarray:
        places = _run(at, count)
        ids[places] = pieces.ids[_kept(pieces.starts[taken], pieces.lengths[taken], count, encoder.truncation)]
        types[places] = kind
        return at + count

    at = special(np.cumsum(lengths) - lengths, frame.before, frame.types["before"])
    at = text(at, one, first, kept[0], frame.types["first"][0])
    at = special(at, frame.between, frame.types["between"])
    at = text(at, other, second, kept[1], frame.types["second"][0])
    special(at, frame.after, frame.types["after"])
    if not lengths.all():  # two texts without any token, and a tokenizer without special ones
        ids, types = _with_nothing(ids, lengths, encoder.nothing), _with_nothing(types, lengths, 0)
        lengths = np.maximum(lengths, 1)
    return Encoded(ids, lengths, _columns(encoder, types), truncated=len(long))


def _pieces(encoder: Encoder, texts: Sequence[str]) -> Pieces:
    tokenizer: Any = encoder.tokenizer
    if not tokenizer.is_fast:
        return Pieces.of([tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts])
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return Pieces.of([one.ids for one in backend.encode_batch_fast(list(texts), add_special_tokens=False)])


def _frame(encoder: Encoder, text: str, pair: str, first: list[int], second: list[int]) -> Frame:
    """What the tokenizer lays around these two texts, whose own ids are known."""
    tokenizer: Any = encoder.tokenizer
    if tokenizer.is_fast:
        found = tokenizer.backend_tokenizer.encode(text, pair, add_special_tokens=True)
        ids, types = found.ids, found.type_ids
    else:
        found = tokenizer(text, pair, return_token_type_ids=True, verbose=False)
        ids, types = found["input_ids"], found["token_type_ids"]
    begin = _find(first, ids, 0)
    end = begin + len(first)
    start = _find(second, ids, end)
    stop = start + len(second)
    if begin < 0 or start < 0 or len(ids) - len(first) - len(second) > 8:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}) gives the pair of {text[:30]!r} and {pair[:30]!r} other tokens than each "
            f"text alone, so pairs can't be laid together. Use the checkpoint's fast tokenizer (tokenizer.json)."
        )
    return Frame(ids[:begin], ids[end:start], ids[stop:], {
        "before": types[:begin], "first": types[begin:end] or [0], "between": types[end:start],
        "second": types[start:stop] or [0], "after": types[stop:],
    })  # fmt: skip


def _find(part: list[int], whole: list[int], start: int) -> int:
    """Where `part` begins in `whole`, from `start` on; −1 if it doesn't."""
    places = range(start, len(whole) - len(part) + 1)
    return next((place for place in places if whole[place : place + len(part)] == part), -1)


def _run(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … for lengths[0] places, then those of the next."""
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + np.arange(int(lengths.sum())) - before


def _kept(starts: np.ndarray, lengths: np.ndarray, count: np.ndarray, truncation: str) -> np.ndarray:
    """Places of the `count` tokens that stay of each text, as `Encoder` chooses them; one after the other."""
    head = {"head": count, "tail": np.zeros_like(count), "middle": count - count // 2}[truncation]
    places = _run(np.zeros_like(count), count)  # 0 … count − 1 in each
    skipped = np.where(places < np.repeat(head, count), 0, np.repeat(lengths - count, count))
    return np.repeat(starts, count) + places + skipped


def _with_nothing(values: np.ndarray, lengths: np.ndarray, fill: int) -> np.ndarray:
    """Flat values with one `fill` for each sequence of length 0."""
    return np.insert(values, np.cumsum(lengths)[lengths == 0], fill)


def _columns(encoder: Encoder, types: np.ndarray) -> dict[str, np.ndarray]:
    return {"token_type_ids": types} if encoder.token_types else {}
