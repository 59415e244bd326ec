"""Documents → blocks: running text end to end in rows of so many tokens, without one document seeing another.

A block is a row of the store that owns several sequences: the documents that fall into it, the last of them going on in
the next block as a sequence of its own.

Invariants: the tokens of all documents stand in the store once and in order; every block but the last of a call holds
`block_length` tokens; a document begins and ends with the special tokens its tokenizer gives a text, and with the end token
in any case, if there is one; the label of a place is the token after it in its sequence (−100 at the last).

    encoded = encode_documents(tokenizer, ["One text.", "Another."], block_length=512)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from byeori.text.store import SEQUENCE, TOKEN, Encoded

IGNORED = -100  # the label of places that count for nothing, as torch.nn.functional.cross_entropy has it
LEVELS = {"labels": TOKEN, "begins": SEQUENCE, "characters": SEQUENCE}
CHARACTERS = 1 << 20  # of texts tokenized at once: the tokenizer's own objects take some 100 bytes a token


def encode_documents(tokenizer: Any, texts: Sequence[str], block_length: int) -> Encoded:
    """Texts → sequences, and how many of them each block owns.

    Columns: labels int32 (tokens,); begins uint8 (sequences,), 1 where a document begins; characters float32 (sequences,), of
    the text that the labels are of (a tokenizer written in Python doesn't say where its tokens stand: there each counts for
    as many as the others of its document).
    """
    before, after = around(tokenizer)
    after = after or ([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])
    nothing = [tokenizer.unk_token_id or 0]  # a text without tokens, in a tokenizer without special ones
    ids: list[np.ndarray] = []
    lengths: list[int] = []
    begins: list[int] = []
    characters: list[float] = []
    at = 0  # tokens so far
    for text, tokens, ends in _tokenized(tokenizer, texts):
        whole = [*before, *tokens, *after] or nothing
        ids.append(np.asarray(whole, np.int32))
        cuts = [0, *range(block_length - at % block_length, len(whole), block_length), len(whole)]
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            first, last = (min(max(place - len(before), 0), len(tokens)) for place in (start + 1, stop))
            lengths.append(stop - start)
            begins.append(start == 0)
            characters.append(_upto(last, tokens, text, ends) - _upto(first, tokens, text, ends))
        at += len(whole)
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    sizes = np.array(lengths, np.int64)
    columns = {
        "labels": shifted(flat, sizes),
        "begins": np.array(begins, np.uint8),
        "characters": np.array(characters, np.float32),
    }
    block = (np.cumsum(sizes) - sizes) // block_length
    return Encoded(flat, sizes, columns, np.bincount(block, minlength=0) if len(block) else None)


def shifted(ids: np.ndarray, lengths: np.ndarray, learnt: np.ndarray | None = None) -> np.ndarray:
    """Labels int32 (tokens,): the next token of the sequence, −100 at its last place and before tokens not `learnt`."""
    labels = np.full(len(ids), IGNORED, np.int32)
    labels[:-1] = ids[1:] if learnt is None else np.where(learnt[1:], ids[1:], IGNORED)
    labels[np.cumsum(lengths) - 1] = IGNORED
    return labels


def around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and after a text."""
    text = next((one for one in ("a", "가") if token_lists(tokenizer, [one])[0]), "")
    own = token_lists(tokenizer, [text])[0]
    whole = list(tokenizer(text, verbose=False)["input_ids"])
    place = next((at for at in range(len(whole)) if whole[at : at + len(own)] == own), None)
    return ([], []) if place is None else (whole[:place], whole[place + len(own) :])


def token_lists(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text, without the special tokens around it."""
    if not tokenizer.is_fast:
        return [list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts]
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return [one.ids for one in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def _tokenized(tokenizer: Any, texts: Sequence[str]) -> Iterator[tuple[str, list[int], Any]]:
    """Each text, its ids, and a function from a token's place to the character after it."""
    if not tokenizer.is_fast:
        for text, ids in zip(texts, token_lists(tokenizer, texts), strict=True):
            share = len(text) / max(1, len(ids))
            yield text, ids, lambda place, share=share: share * (place + 1)
        return
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    for some in _parts(texts):
        for text, found in zip(some, backend.encode_batch(some, add_special_tokens=False), strict=True):
            yield text, found.ids, lambda place, found=found: found.token_to_chars(place)[1]


def _upto(place: int, tokens: list[int], text: str, ends: Callable[[int], float]) -> float:
    """Characters of the text before the token at `place`, spaces in front of it left to that token."""
    return 0 if place == 0 else len(text) if place == len(tokens) else ends(place - 1)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for text in texts:
        if part and size + len(text) > CHARACTERS:
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part
