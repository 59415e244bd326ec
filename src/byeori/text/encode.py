"""Texts → token ids: flat, unpadded, cut where they are longer than the model takes.

Invariants: the ids are those the tokenizer itself gives for the text (or pair) with its special tokens; `head` and
`tail` cut as transformers does (longest first for pairs, from the right or the left), `middle` keeps both ends. No
sequence is empty: a text that gives no token at all (GPT-2 adds none of its own) is one end token.

    encoded = Encoder(tokenizer, max_length=128)(["a text", "another"])
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.text.store import TOKEN, Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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

    def __call__(self, texts: list[str], pairs: list[str | None] | None = None) -> Encoded:
        """Ids of texts (or text pairs), one sequence each; `columns` holds token_type_ids if they are kept."""
        if not self.tokenizer.is_fast:
            return self._slow(texts, pairs)
        backend = self.tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        inputs = texts if pairs is None else [t if p is None else (t, p) for t, p in zip(texts, pairs, strict=True)]
        found = backend.encode_batch_fast(inputs, add_special_tokens=True)
        lengths = np.fromiter((len(one) for one in found), np.int64, len(found))
        long = np.flatnonzero(lengths > self.max_length)
        for place in np.flatnonzero(lengths == 0):  # no text, and a tokenizer without special tokens
            found[place], lengths[place] = _Cut([self.nothing], [0]), 1
        for place in long:
            found[place] = _cut(found[place], self.max_length, self.truncation)
            lengths[place] = len(found[place].ids)
        ids = _flat((one.ids for one in found), lengths, np.int32)
        columns = {}
        if self.token_types:
            columns["token_type_ids"] = _flat((one.type_ids for one in found), lengths, np.uint8)
        return Encoded(ids, lengths, columns, truncated=len(long))

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
        columns = {"token_type_ids": _flat(whole["token_type_ids"], lengths, np.uint8)} if self.token_types else {}
        return Encoded(_flat(whole["input_ids"], lengths, np.int32), lengths, columns, truncated=len(long))

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


def _flat(lists, lengths: np.ndarray, dtype: type) -> np.ndarray:
    return np.fromiter(itertools.chain.from_iterable(lists), dtype, int(lengths.sum()))
