"""Texts → token ids: flat, unpadded, cut where they are longer than the model takes.

Invariants: the ids are those the tokenizer itself gives for the text (or pair) with its special tokens; `head` and
`tail` cut as transformers does (longest first for pairs, from the right or the left), `middle` keeps both ends.

    encoded = Encoder(tokenizer, max_length=128)(["a text", "another"])
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from byeori.text.store import TOKEN, Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TRUNCATIONS = ("head", "tail", "middle")  # the part that is kept


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
        if len(long):
            for place, encoding in zip(long, self._cut([inputs[i] for i in long]), strict=True):
                found[place] = encoding
                lengths[place] = len(encoding.ids)
        ids = _flat((one.ids for one in found), lengths, np.int32)
        columns = {}
        if self.token_types:
            columns["token_type_ids"] = _flat((one.type_ids for one in found), lengths, np.uint8)
        return Encoded(ids, lengths, columns, truncated=len(long))

    def _cut(self, inputs: list) -> list:
        backend = self.tokenizer.backend_tokenizer
        if self.truncation == "middle":
            return [_without_middle(one, self.max_length) for one in backend.encode_batch(inputs)]
        direction = {"head": "right", "tail": "left"}[self.truncation]
        backend.enable_truncation(self.max_length, strategy="longest_first", direction=direction)
        try:
            return backend.encode_batch_fast(inputs, add_special_tokens=True)
        finally:
            backend.no_truncation()

    def _slow(self, texts: list[str], pairs: list[str | None] | None) -> Encoded:
        """Tokenizers written in Python know no `middle`; they cut as transformers does."""
        self.tokenizer.truncation_side = "left" if self.truncation == "tail" else "right"
        types = self.token_types
        whole = self.tokenizer(texts, pairs, return_token_type_ids=types, return_attention_mask=False, verbose=False)
        long = sum(len(ids) > self.max_length for ids in whole["input_ids"])
        if long:
            whole = self.tokenizer(
                texts, pairs, truncation=True, max_length=self.max_length,
                return_token_type_ids=types, return_attention_mask=False,
            )  # fmt: skip
        lengths = np.array([len(ids) for ids in whole["input_ids"]], np.int64)
        columns = {"token_type_ids": _flat(whole["token_type_ids"], lengths, np.uint8)} if types else {}
        return Encoded(_flat(whole["input_ids"], lengths, np.int32), lengths, columns, truncated=long)


class _Cut:
    """What is left of an encoding whose middle was taken out."""

    def __init__(self, ids: list[int], type_ids: list[int]):
        self.ids, self.type_ids = ids, type_ids


def _without_middle(encoding, max_length: int) -> _Cut:
    """Take tokens from the middle of the longer text until all fits; special tokens stay."""
    texts = [np.flatnonzero([s == number for s in encoding.sequence_ids]) for number in (0, 1)]
    kept = [len(places) for places in texts]
    excess = len(encoding.ids) - max_length
    for _ in range(excess):
        kept[0 if kept[0] >= kept[1] else 1] -= 1
    gone: set[int] = set()
    for places, keep in zip(texts, kept, strict=True):
        first = -(-keep // 2)
        gone.update(places[first : len(places) - (keep - first)].tolist())
    left = [i for i in range(len(encoding.ids)) if i not in gone]
    return _Cut([encoding.ids[i] for i in left], [encoding.type_ids[i] for i in left])


def _flat(lists, lengths: np.ndarray, dtype: type) -> np.ndarray:
    return np.fromiter(itertools.chain.from_iterable(lists), dtype, int(lengths.sum()))
