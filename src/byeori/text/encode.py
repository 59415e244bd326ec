"""Texts → token ids: flat, unpadded, cut where they are longer than the model takes.

Invariants: the ids are those the tokenizer itself gives for the text (or pair) with its special tokens; `head` and
`tail` cut as transformers does (longest first for pairs, from the right or the left), `middle` keeps both ends. No
sequence is empty: a text that gives no token at all (GPT-2 adds none of its own) is one end token. What is held beside
texts and ids is bounded, however many texts there are.

Two ways lead to the same ids: words that recur are tokenized once (`byeori.text.words`) where the tokenizer reads words
apart and there are many texts; else all of it goes to the tokenizer, and one part's ids are read while the next is at it.

    encoded = Encoder(tokenizer, max_length=128)(["a text", "another"])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.text.ahead import ahead
from byeori.text.laying import Frame, flatten, frame_of, lay
from byeori.text.store import TOKEN, Encoded
from byeori.text.words import Words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS, CHARACTERS = 1_000, 1 << 18  # tokenized at once: the tokenizer's own objects take some 100 bytes a token
FEW = 200  # texts that aren't worth a look at their words
TRIED = 4  # texts of each call that are read both ways


class Encoder:
    """`token_types`: keep segment ids (the model was trained with them); else they are left out."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        truncation: str = "head",
        token_types: bool = False,
    ):
        self.tokenizer, self.max_length, self.truncation, self.token_types = (
            tokenizer, max_length, truncation, token_types,
        )  # fmt: skip
        self.levels = {"token_type_ids": TOKEN} if token_types else {}
        self.pad = {"input_ids": tokenizer.pad_token_id or 0}
        ends = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id, 0)
        self.nothing = next(one for one in ends if one is not None)
        self._words: Words | None = None

    def __call__(self, texts: list[str], pairs: list[str | None] | None = None) -> Encoded:
        """Ids of texts (or text pairs), one sequence each; `columns` holds token_type_ids if they are kept."""
        if not self.tokenizer.is_fast:
            return self._slow(texts, pairs)
        backend = self.tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        found = self._word_by_word(backend, texts, pairs)
        if found is not None:
            return found
        parts = list(_parts(texts, pairs))
        with ahead(map(partial(_whole, backend), parts), int(len(parts) > 1)) as encodings:
            return _joined([self._flattened(one) for one in encodings])

    def forget(self) -> None:
        """Give up the words met so far, some 20 MB at most."""
        self._words = None

    def _word_by_word(self, backend: Any, texts: list[str], pairs: list[str | None] | None) -> Encoded | None:
        """Of words that are tokenized once; None where the tokenizer doesn't read them apart, or it wouldn't pay.

        What the parts of a tokenizer say is not taken on trust alone: a few texts are read both ways.
        """
        if len(texts) < FEW or (pairs is not None and None in pairs):
            return None
        words = vars(self).pop("_words", None)  # no other thread finds them meanwhile
        if words is None or not words.are_of(backend):
            words = Words(backend)
        try:
            frame = frame_of(backend, pairs is not None) if words.wanted() else None
            if frame is None:
                return None
            some = slice(None, None, -(-len(texts) // TRIED))
            part: _Part = texts[some], None if pairs is None else pairs[some]
            if not _same(self._by_words(backend, words, frame, part), self._flattened(_whole(backend, part))):
                words.refuse()
                return None
            return _joined([self._by_words(backend, words, frame, part) for part in _parts(texts, pairs)])
        finally:
            self._words = words

    def _flattened(self, found: list[Any]) -> Encoded:
        """The tokenizer's own encodings, cut."""
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        long = np.flatnonzero(lengths > self.max_length)
        for place in np.flatnonzero(lengths == 0):  # no text, and a tokenizer without special tokens
            found[place], lengths[place] = _Cut([self.nothing], [0]), 1
        for place in long:
            found[place] = _cut(found[place], self.max_length, self.truncation)
            lengths[place] = len(found[place].ids)
        ids = flatten(map(attrgetter("ids"), found), lengths, np.int32)
        columns = {}
        if self.token_types:
            types = bytearray().join(map(bytes, map(attrgetter("type_ids"), found)))
            columns["token_type_ids"] = np.frombuffer(types, np.uint8)
        return Encoded(ids, lengths, columns, truncated=len(long))

    def _by_words(self, backend: Any, words: Words, frame: Frame, part: _Part) -> Encoded:
        """As `_flattened`, of words that are tokenized once."""
        sides = [words.pieces(backend, side) for side in part if side is not None]
        counts = np.stack([side.lengths for side in sides])
        long = shorten(counts, self.max_length - len(frame))
        contents = [side.cut(count, self.truncation) for side, count in zip(sides, counts, strict=True)]
        ids, types, lengths = lay(frame, contents, counts, self.nothing)
        return Encoded(ids, lengths, {"token_type_ids": types} if self.token_types else {}, truncated=long)

    def _slow(self, texts: list[str], pairs: list[str | None] | None) -> Encoded:
        """Tokenizers written in Python: `head` and `tail` are cut by their own code."""
        from transformers.utils import logging

        options: dict[str, Any] = {"return_token_type_ids": self.token_types, "return_attention_mask": False}
        whole = self.tokenizer(texts, pairs, verbose=False, **options)
        long = [place for place, ids in enumerate(whole["input_ids"]) if len(ids) > self.max_length]
        for place in [place for place, ids in enumerate(whole["input_ids"]) if not ids]:
            for name, value in (("input_ids", self.nothing), ("token_type_ids", 0)):
                if name in whole:
                    whole[name][place] = [value]
        before, side = logging.get_verbosity(), self.tokenizer.truncation_side
        logging.set_verbosity_error()  # cutting a pair, it warns of overflowing tokens that nobody asked for
        self.tokenizer.truncation_side = "left" if self.truncation == "tail" else "right"
        try:
            for place in long:
                cut = self._slow_cut(texts[place], None if pairs is None else pairs[place], options)
                for name in whole:
                    whole[name][place] = cut[name]
        finally:
            logging.set_verbosity(before)
            self.tokenizer.truncation_side = side
        lengths = np.array([len(ids) for ids in whole["input_ids"]], np.int64)
        columns = {"token_type_ids": flatten(whole["token_type_ids"], lengths, np.uint8)} if self.token_types else {}
        return Encoded(flatten(whole["input_ids"], lengths, np.int32), lengths, columns, truncated=len(long))

    def _slow_cut(self, text: str, pair: str | None, options: dict[str, Any]) -> Any:
        if self.truncation != "middle":
            return self.tokenizer(text, pair, truncation=True, max_length=self.max_length, **options)
        both = [text] if pair is None else [text, pair]
        found = [self.tokenizer(one, add_special_tokens=False, verbose=False)["input_ids"] for one in both]
        room = self.max_length - self.tokenizer.num_special_tokens_to_add(pair is not None)
        shares = _shares(len(found[0]), len(found[1]) if len(found) > 1 else 0, room)
        kept = [
            np.asarray(ids)[_kept(len(ids), share, "middle")].tolist()
            for ids, share in zip(found, shares, strict=False)
        ]
        return self.tokenizer.prepare_for_model(*kept, verbose=False, **options)


_Part = tuple[list[str], "list[Any] | None"]


def _parts(texts: list[str], pairs: list[Any] | None) -> Iterator[_Part]:
    """Texts and pairs, as many at a time as may be tokenized at once; one part at least."""
    first = size = 0
    for place in range(len(texts)):
        more = len(texts[place]) + (0 if pairs is None or pairs[place] is None else len(pairs[place]))
        if place > first and (size + more > CHARACTERS or place - first == ROWS):
            yield texts[first:place], None if pairs is None else pairs[first:place]
            first, size = place, 0
        size += more
    yield texts[first:], None if pairs is None else pairs[first:]


def _whole(backend: Any, part: _Part) -> list[Any]:
    """Encodings of all of a part, by the tokenizer's own threads."""
    texts, pairs = part
    inputs = texts if pairs is None else [t if p is None else (t, p) for t, p in zip(texts, pairs, strict=True)]
    return backend.encode_batch_fast(inputs, add_special_tokens=True)


def _joined(parts: list[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    ids, lengths = (np.concatenate([getattr(part, name) for part in parts]) for name in ("input_ids", "lengths"))
    return Encoded(ids, lengths, columns, truncated=sum(part.truncated for part in parts))


def _same(one: Encoded, other: Encoded) -> bool:
    columns = [(found.input_ids, found.lengths, *found.columns.values()) for found in (one, other)]
    return all(map(np.array_equal, *columns))


@dataclass
class _Cut:
    """What is left of an encoding that was too long."""

    ids: list[int]
    type_ids: list[int]


def _cut(encoding: Any, max_length: int, truncation: str) -> _Cut:
    """What is left of it."""
    left = kept_places(encoding, max_length, truncation)
    return _Cut(np.asarray(encoding.ids)[left].tolist(), np.asarray(encoding.type_ids)[left].tolist())


def kept_places(encoding: Any, max_length: int, truncation: str) -> np.ndarray:
    """The places of an encoding's tokens that stay, int64: they go from the longer text of a pair first; special tokens stay.

    Not left to the backend: it also makes all the windows that don't fit, for a pair the product of both texts'
    (8,000 tokens each at a max_length of 32 took it 17 seconds, 30,000 all memory).
    """
    if len(encoding.ids) <= max_length:
        return np.arange(len(encoding.ids))
    sides = np.array([-1 if side is None else side for side in encoding.sequence_ids])
    texts = [np.flatnonzero(sides == number) for number in (0, 1)]
    room = max_length - int((sides == -1).sum())
    stays = sides == -1
    for places, share in zip(texts, _shares(len(texts[0]), len(texts[1]), room), strict=True):
        stays[places[_kept(len(places), share, truncation)]] = True
    return np.flatnonzero(stays)


def shorten(counts: np.ndarray, room: int) -> int:
    """Cut `counts`, int64 (sides, sequences), in place to what may stay of `room` tokens; returns how many are too long."""
    long = np.flatnonzero(counts.sum(0) > room)
    if len(counts) == 1:
        counts[0, long] = max(0, room)
    else:
        for place in long:
            counts[:, place] = _shares(int(counts[0, place]), int(counts[1, place]), room)
    return len(long)


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """Tokens that two texts keep of `room`: `longest_first` as the tokenizers library has it."""
    short, long = sorted((first, second))
    room = max(0, room)
    if short + long > room:
        long = max(short, room - short)
        if short + long > room:
            short, long = room // 2, room - room // 2
    return (long, short) if first > second else (short, long)


def _kept(count: int, share: int, truncation: str) -> np.ndarray:
    """Places of the `share` tokens that stay of `count`; in the middle's way the first half is the larger."""
    share = min(count, share)
    head = {"head": share, "tail": 0, "middle": share - share // 2}[truncation]
    return np.r_[0:head, count - (share - head) : count]
