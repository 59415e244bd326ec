"""Texts → tokens with the characters they stand for, and the words or characters (units) that carry tags → their tokens.

Invariants: `starts` and `ends` are characters of the text as it was given, whatever the tokenizer's normalizer made of it
(marks of decomposed text stay with their character, see `byeori.text.marks`); special tokens have −1. A unit's token is
the first one that begins inside it, spaces not counted (a byte-level token takes the space before a word along); several
tokens of one character (bytes, jamo) begin at that character.

    pieces = encode_whole(encoder, ["서울에 산다"]); encoded = pieces.fitted(encoder.max_length, "head").encoded(pieces)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.text.encode import _kept
from byeori.text.laying import flatten
from byeori.text.marks import with_marks
from byeori.text.store import Encoded

if TYPE_CHECKING:
    from byeori.text.encode import Encoder


@dataclass(frozen=True)
class Pieces:
    """Whole texts as tokens, flat, before anything is cut: `ids`, `starts`, `ends` int32 and `types` uint8 (tokens,),
    `lengths` int64 (texts,)."""

    ids: np.ndarray
    types: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray

    def fitted(self, max_length: int, truncation: str, stride: int | None = None) -> Fitted:
        """The tokens that stay of texts that are too long; with `stride`, windows that overlap by so many tokens instead.

        Windows are laid as transformers lays them. Raises SettingError for a stride with which they could not advance.
        """
        ends = np.cumsum(self.lengths)
        places: list[np.ndarray] = []
        counts = np.ones(len(self.lengths), np.int64)
        truncated = 0
        for text, (end, length) in enumerate(zip(ends, self.lengths, strict=True)):
            whole = np.arange(end - length, end)
            if length <= max_length and stride is None:
                places.append(whole)
                continue
            content = whole[self.starts[whole] >= 0]
            room = max_length - (len(whole) - len(content))
            if stride is not None and stride >= room:
                raise SettingError(
                    f"stride={stride}: windows of {max_length} tokens hold {room} of the text, so they would not advance. Give "
                    f"{room - 1} or less."
                )
            if length <= max_length:
                places.append(whole)
                continue
            if stride is None:
                truncated += 1
                stays = self.starts[whole] < 0
                stays[content[_kept(len(content), room, truncation)] - whole[0]] = True
                places.append(whole[stays])
                continue
            before, after = whole[whole < content[0]], whole[whole > content[-1]]
            firsts = range(0, max(1, len(content) - stride), room - stride)
            places += [np.concatenate([before, content[first : first + room], after]) for first in firsts]
            counts[text] = len(firsts)
        lengths = np.fromiter(map(len, places), np.int64, len(places))
        flat = np.concatenate(places) if places else np.zeros(0, np.int64)
        return Fitted(flat, lengths, None if stride is None else counts, truncated)


@dataclass(frozen=True)
class Fitted:
    """What of the pieces goes into the store: `places` int64 (tokens kept,), `lengths` int64 (sequences,), `counts` int64
    (texts,) sequences of each text or None for one each, and how many texts were cut."""

    places: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray | None
    truncated: int

    def encoded(self, pieces: Pieces, token_types: bool = False, **columns: np.ndarray) -> Encoded:
        """The kept tokens with their `starts` and `ends`; further columns have a value a piece."""
        given = {"starts": pieces.starts, "ends": pieces.ends, **columns}
        if token_types:
            given["token_type_ids"] = pieces.types
        kept = {name: values[self.places] for name, values in given.items()}
        return Encoded(pieces.ids[self.places], self.lengths, kept, self.counts, self.truncated)


@dataclass(frozen=True)
class Units:
    """Words or characters of some texts: `starts` and `ends` int64 (units,) in characters of their text, `lengths` int64
    (texts,) how many each text has."""

    texts: list[str]
    starts: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray

    def places_in(self, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`starts` and `ends` counted through all texts, one place left free between two of them."""
        base = np.repeat(_bases(sizes), self.lengths)
        return self.starts + base, self.ends + base


@dataclass(frozen=True)
class Alignment:
    """Where tokens and units meet. All int64; −1 for none.

    unit: (tokens,) the unit, counted through all texts, that a token begins in; first: bool (tokens,) whether it is the
    first one there; covered: (units,) the token that carries a unit, or that a unit lies in without one of its own.
    """

    unit: np.ndarray
    first: np.ndarray
    covered: np.ndarray


def align(units: Units, starts: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> Alignment:
    """`starts` and `ends` (tokens,) as `Pieces` has them, `lengths` int64 (texts,) tokens of each text."""
    sizes = np.fromiter(map(len, units.texts), np.int64, len(units.texts))
    base = np.repeat(_bases(sizes), lengths)
    real = starts >= 0
    following = _next_visible(units.texts)
    begin = np.where(real, following[np.where(real, starts + base, 0)], 0)
    end = ends + base
    real &= begin < end  # else nothing but spaces
    unit_starts, unit_ends = units.places_in(sizes)
    unit = np.where(real, np.searchsorted(unit_starts, begin, side="right") - 1, -1)
    unit[(unit >= 0) & (begin >= unit_ends[unit] if len(unit_ends) else True)] = -1
    first = np.zeros(len(starts), bool)
    tokens = np.flatnonzero(unit >= 0)
    owners, at = np.unique(unit[tokens], return_index=True)
    first[tokens[at]] = True
    covered = np.full(len(unit_starts), -1, np.int64)
    # What a token reaches beyond the unit it begins in, then each unit's own token: the latter wins.
    reached = np.maximum(np.searchsorted(unit_starts, end[tokens], side="left") - unit[tokens] - 1, 0)
    before = np.repeat(np.cumsum(reached) - reached, reached)
    covered[np.repeat(unit[tokens] + 1, reached) + np.arange(len(before)) - before] = np.repeat(tokens, reached)
    covered[owners] = tokens[at]
    return Alignment(unit, first, covered)


def carriers(
    text: str,
    places: Sequence[tuple[int, int]],
    starts: np.ndarray,
    ends: np.ndarray,
    lengths: np.ndarray,
    sure: np.ndarray,
) -> np.ndarray:
    """The token that carries each unit of one text, −1 for none: int64 (units,).

    places: first character of each unit and the one behind it. starts, ends: (tokens,), of the windows of the text one
    behind the other, each of `lengths` tokens; sure: float (tokens,). Of windows that share a unit's first token the surest
    counts; where a window begins inside a unit, what it has of it does not.
    """
    windows, size = len(lengths), len(places)
    firsts, behinds = np.tile(np.array(places, np.int64).reshape(-1, 2).T, windows)
    met = align(Units([text] * windows, firsts, behinds, np.full(windows, size)), starts, ends, lengths)
    of_unit = np.full(windows * size, -1)
    of_unit[met.unit[met.first]] = np.flatnonzero(met.first)
    tokens = of_unit.reshape(windows, size)
    begins = np.where(tokens >= 0, starts[tokens], len(text))
    surest = np.where((tokens >= 0) & (begins == begins.min(0)), sure[tokens], -1.0).argmax(0)
    return tokens[surest, np.arange(size)]


def encode_whole(encoder: Encoder, texts: Sequence[str]) -> Pieces:
    """All tokens of texts, none cut, special tokens included. Raises ModelError where a tokenizer gives no offsets."""
    tokenizer = encoder.tokenizer
    if not tokenizer.is_fast:
        parts = [_slow(tokenizer, text) for text in texts]
    else:
        backend = tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        parts = [
            _Whole(one.ids, one.type_ids, one.offsets, one.special_tokens_mask)
            for one in backend.encode_batch(list(texts), add_special_tokens=True)
        ]
    parts = [part if part.ids else _Whole([encoder.nothing], [0], [(0, 0)], [1]) for part in parts]
    lengths = np.fromiter((len(part.ids) for part in parts), np.int64, len(parts))
    offsets = itertools.chain.from_iterable(itertools.chain.from_iterable(part.offsets for part in parts))
    spans = np.fromiter(offsets, np.int32, 2 * int(lengths.sum())).reshape(-1, 2)
    special = flatten((part.special for part in parts), lengths, np.uint8) > 0
    spans[special] = -1
    ids, types = (flatten((getattr(part, name) for part in parts), lengths, kind)
                  for name, kind in (("ids", np.int32), ("types", np.uint8)))  # fmt: skip
    starts, ends = (np.ascontiguousarray(side) for side in spans.T)
    last = 0
    for text, length in zip(texts, lengths.tolist(), strict=True):
        first, last = last, last + length
        ends[first:last] = with_marks(text, starts[first:last], ends[first:last])
    return Pieces(ids, types, starts, ends, lengths)


def place(words: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Where words stand in their text, one after the other; None unless only spaces stand between them."""
    found = []
    end = 0
    for word in words:
        start = text.find(word, end)
        if start < 0 or text[end:start].strip():
            return None
        end = start + len(word)
        found.append((start, end))
    return None if text[end:].strip() else found


@dataclass(frozen=True)
class _Whole:
    ids: list[int]
    types: list[int]
    offsets: list[tuple[int, int]]
    special: list[int]


def _slow(tokenizer: Any, text: str) -> _Whole:
    """A tokenizer written in Python has no offsets: its tokens are looked for in the text, one after the other."""
    content = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    whole = tokenizer(text, verbose=False, return_token_type_ids=True)
    ids = whole["input_ids"]
    at = next((i for i in range(len(ids) - len(content) + 1) if ids[i : i + len(content)] == content), None)
    if at is None:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}, written in Python) gives other tokens with special tokens than without, "
            f"so they can't be placed in {text[:40]!r}. Give the checkpoint's fast tokenizer (a tokenizer.json) with --tokenizer."
        )
    spans = _found(tokenizer.convert_ids_to_tokens(content), text)
    special = [int(not at <= i < at + len(content)) for i in range(len(ids))]
    offsets = [(0, 0)] * at + spans + [(0, 0)] * (len(ids) - at - len(content))
    return _Whole(ids, whole.get("token_type_ids") or [0] * len(ids), offsets, special)


def _found(tokens: Sequence[str], text: str) -> list[tuple[int, int]]:
    """The characters of each token; tokens not written as the text is (unknown ones) share what lies up to the next one."""
    low = text.casefold() if len(text.casefold()) == len(text) else text
    spans: list[tuple[int, int]] = []
    end, waiting = 0, 0
    for token in tokens:
        surface = token.replace("▁", " ").strip().removeprefix("##").removesuffix("@@").removesuffix("</w>")
        surface = surface.casefold() if low is not text else surface
        begin = end + len(text[end:]) - len(text[end:].lstrip())
        start = low.find(surface, begin) if surface else begin
        if start < 0 or (start > begin and not waiting):
            spans.append((-1, -1))
            waiting += 1
            continue
        for back in range(len(spans) - waiting, len(spans)):
            spans[back] = (begin, begin + len(text[begin:start].rstrip()))
        waiting, end = 0, start + len(surface)
        spans.append((start, end))
    for back in range(len(spans) - waiting, len(spans)):
        spans[back] = (end + len(text[end:]) - len(text[end:].lstrip()), len(text.rstrip()))
    return spans


def _bases(sizes: np.ndarray) -> np.ndarray:
    return np.cumsum(sizes + 1) - sizes - 1


def _next_visible(texts: Sequence[str]) -> np.ndarray:
    """For each place of the texts laid end to end with a line feed after each: the next one that is no space."""
    codes = np.frombuffer("".join(f"{text}\n" for text in texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds, which = np.unique(codes, return_inverse=True)
    space = np.fromiter((chr(kind).isspace() for kind in kinds), bool, len(kinds))[which]
    found = np.where(space, len(codes), np.arange(len(codes)))
    return np.append(np.minimum.accumulate(found[::-1])[::-1], len(codes))
