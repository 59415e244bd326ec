"""Targets → token ids: what a decoder is to write, as the tokenizer encodes targets (`text_target=`).

Invariants: a target ends in the end token: where the tokenizer adds none (KoBART's doesn't), it is added, or a model
would never learn to stop; a target that is too long is cut before its last special tokens, never after.

    ids, lengths, cut = encode_targets(tokenizer, ["A summary."], max_length=128)
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def encode_targets(tokenizer: Any, texts: list[str], max_length: int) -> tuple[np.ndarray, np.ndarray, int]:
    """(ids int32 (all tokens,), lengths int64 (texts,), how many texts were cut)."""
    end = [] if adds_end(tokenizer) or tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    options = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
    found = tokenizer(text_target=texts, **options)["input_ids"] if texts else []
    room = max_length - len(end)
    long = [place for place, ids in enumerate(found) if len(ids) > room]
    if long:
        again = tokenizer(text_target=[texts[place] for place in long], truncation=True, max_length=room, **options)
        for place, ids in zip(long, again["input_ids"], strict=True):
            found[place] = ids
    found = [list(ids) + end for ids in found]
    lengths = np.array([len(ids) for ids in found], np.int64)
    flat = np.fromiter(itertools.chain.from_iterable(found), np.int32, int(lengths.sum()))
    return flat, lengths, len(long)


def adds_end(tokenizer: Any) -> bool:
    """Whether the tokenizer ends a target in the end token; a language token may follow (mBART)."""
    return tokenizer.eos_token_id in tokenizer(text_target="a", verbose=False)["input_ids"][-2:]


def take_targets(tokenizer: Any, values: list[list[int]], max_length: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Targets that come as ids, with −100 and with the padding that `padding=True` puts behind them (its loss would
    count), as `encode_targets` has them: (ids int32 (all tokens,), lengths int64 (targets,), how many were cut)."""
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    added = [] if adds_end(tokenizer) or end is None else [end]
    kept, cut = [], 0
    for ids in values:
        one = [int(value) for value in ids if value >= 0]
        while (
            len(one) > 1 and one[-1] == pad and (pad != end or one[-2] == pad)
        ):  # of pads that are ends one is the end
            one.pop()
        tail = _tail(one, end, special)
        one, tail = one[: len(one) - len(tail)], tail or added
        room = max_length - len(tail)
        cut += len(one) > room
        kept.append([*one[:room], *tail])
    lengths = np.array([len(one) for one in kept], np.int64)
    return np.fromiter(itertools.chain.from_iterable(kept), np.int32, int(lengths.sum())), lengths, cut


def _tail(ids: list[int], end: int | None, special: set[int]) -> list[int]:
    """The end token and the special tokens behind it (mBART's language); [] where the ids end in none."""
    place = len(ids)
    while place and ids[place - 1] in special:
        place -= 1
    return ids[ids.index(end, place) :] if end in ids[place:] else []
