"""Many pairs of few texts: each text is encoded once, however many pairs it stands in.

A question with its choices, a text with every hypothesis about it: tokenizers encode the two texts of a pair apart and
lay special tokens around them, so the parts can be kept and laid together again without any text being read twice.

Invariants: ids and segment ids are those the tokenizer gives for the pair itself (tried on one pair at every call); what
is too long is cut as `Encoder` cuts it, or the first text alone where the second must stay whole.

    encoded = encode_pairs(encoder, ["It rained."], ["It was wet.", "It was dry."], first=[0, 0], second=[0, 1])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.text.encode import Encoder, shorten
from byeori.text.laying import Frame, Pieces, lay
from byeori.text.store import Encoded


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
    long = _shorten_first(kept, room, pairs, second, encoder, len(frame)) if only_first else shorten(kept, room)
    contents = [one.cut(kept[0], encoder.truncation, first), other.cut(kept[1], encoder.truncation, second)]
    ids, types, lengths = lay(frame, contents, kept, encoder.nothing)
    return Encoded(ids, lengths, _columns(encoder, types), truncated=long)


def _shorten_first(
    counts: np.ndarray, room: int, pairs: Sequence[str], second: np.ndarray, encoder: Encoder, special: int
) -> int:
    """As `shorten`, of the first text alone. Raises SettingError where nothing of it would be left."""
    long = np.flatnonzero(counts.sum(0) > room)
    left = room - counts[1, long]
    for place in long[left < np.minimum(1, counts[0, long])][:1]:
        raise SettingError(
            f"{pairs[second[place]]!r}: its {counts[1, place]} tokens and the {special} special ones leave no room for the text: "
            f"{encoder.max_length} are taken in all (--max-length). Make it shorter."
        )
    counts[0, long] = left
    return len(long)


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


def _columns(encoder: Encoder, types: np.ndarray) -> dict[str, np.ndarray]:
    return {"token_type_ids": types} if encoder.token_types else {}
