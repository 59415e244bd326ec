"""Words that recur are tokenized once: of a text only those not seen before go to the tokenizer.

Most tokenizers read a text a word at a time: nothing that normalizes, splits or merges looks across the space between
two words. Where that can be shown of every part of a tokenizer, its ids of a text are those of its words, one after the
other, and of a large file's words few are new. Where it can't be shown (Unigram over spaces, an unknown part, own
code), they are not `wanted`.

Invariants: a word's ids are the tokenizer's own for it; a tokenizer whose parts, options or added tokens were changed is
noticed at the next call (a vocabulary put in the place of another of its size need not be); what is kept is bounded.

    words = Words(backend); pieces = words.pieces(backend, ["so good", "so so"])      # "so" and "good" are tokenized
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.text.laying import Pieces, run

MOST = 1 << 16  # words kept, some 20 MB; then the half longest unused is forgotten
CHARACTERS = 1 << 22  # of them all
JOINED = 32  # new words tokenized as one text: alone each costs two thirds more
MARKS = "|^~{}`\\§¶©→★"  # of which one that no new word holds stands between them
ENOUGH = 1 << 14  # words known, from which on …
NEW = 0.6  # … texts of which more is new are as quickly tokenized whole, and so are …
REST = 16  # … so many batches after them

# What is said of each part holds for U+0020 between two words: it is dropped (`WORDS`), or opens the second (`BYTES`).
# Forms: a space is a starter that takes part in no canonical composition, so no form looks across it. BertNormalizer's
# other steps, Lowercase and StripAccents go character by character; Strip takes only spaces, which are dropped anyway.
_FORMS = {"NFC", "NFD"}
_NORMALIZERS = {"BertNormalizer", "Lowercase", "StripAccents", "Strip", "NFKC", "NFKD", *_FORMS}
# The first of these splits at spaces and drops them; those that may follow see one word at a time.
_SPLITTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_FOLLOWERS = {*_SPLITTERS, "Punctuation", "Digits", "UnicodeScripts"}
_MODELS = {"WordPiece", "WordLevel", "BPE"}
_AROUND = {"BertProcessing", "RobertaProcessing", "TemplateProcessing", "ByteLevel"}
WORDS, BYTES = "words", "bytes"


class Words:
    """The words of one tokenizer, as far as they were met."""

    def __init__(self, backend: Any):
        self.signature = _signature(backend)
        self.kind = None if self.signature is None else _kind(backend, self.signature)
        self._resting = self._turn = 0
        unknown = getattr(backend.model, "unk_token", None)
        self._unknown = None if unknown is None else backend.token_to_id(unknown)
        self._number = _Numbers()
        self._ids = np.zeros(0, np.int32)
        self._starts, self._lengths, self._used = (np.zeros(0, np.int64) for _ in range(3))
        self._odd = np.zeros(0, bool)
        self._words = self._tokens = self._characters = 0

    def are_of(self, backend: Any) -> bool:
        """Whether the tokenizer is still as it was."""
        return self.signature == _signature(backend)

    def wanted(self) -> bool:
        """Whether words are read apart, and enough of them recurred of late."""
        self._resting -= self._resting > 0
        return self.kind is not None and not self._resting

    def refuse(self) -> None:
        """They are not read apart after all."""
        self.kind = None
        self._forget()

    def pieces(self, backend: Any, texts: Sequence[str]) -> Pieces:
        """Ids of texts, without special tokens."""
        if len(self._number) > MOST or self._characters > CHARACTERS:
            self._forget_half()
        self._turn += 1
        met = len(self._number)
        lists = self._split(texts)
        counts = np.fromiter(map(len, lists), np.int64, len(lists))
        numbers = self._numbers(backend, lists, int(counts.sum()))
        firsts = np.cumsum(counts) - counts
        if self.kind == BYTES and len(counts):
            # Of a run of spaces the last goes with the next word, the others together: such a text is read whole.
            odd = np.flatnonzero(np.logical_or.reduceat(self._odd[numbers], firsts))
            if len(odd):
                for place in odd.tolist():
                    lists[place], counts[place] = [texts[place]], 1
                numbers = self._numbers(backend, lists, int(counts.sum()))
                firsts = np.cumsum(counts) - counts
        if met > ENOUGH and len(self._number) - met > NEW * len(numbers):
            self._resting = REST
        self._used[numbers] = self._turn
        sizes = self._lengths[numbers]
        ids = self._ids[run(self._starts[numbers], sizes)]
        lengths = np.add.reduceat(sizes, firsts) if len(firsts) else np.zeros(0, np.int64)
        return Pieces(ids, np.cumsum(lengths) - lengths, lengths)

    def _split(self, texts: Sequence[str]) -> list[list[str]]:
        """Each text as its words, at least one."""
        if self.kind == WORDS:
            return [text.split(" ") for text in texts]
        return [[text] if "\0" in text else text.replace(" ", "\0 ").split("\0") for text in texts]

    def _numbers(self, backend: Any, lists: list[list[str]], count: int) -> np.ndarray:
        """The number of each word, int64 (count,); the new ones are tokenized."""
        met = len(self._number)
        try:
            numbers = np.fromiter(map(self._number.__getitem__, itertools.chain.from_iterable(lists)), np.int64, count)
            new = list(itertools.islice(reversed(self._number), len(self._number) - met))
            new.reverse()
            self._take(backend, new)
        except BaseException:  # numbers without ids
            self._forget()
            raise
        return numbers

    def _take(self, backend: Any, new: list[str]) -> None:
        if not new:
            return
        apart = np.fromiter(map(_is_odd, new), bool, len(new)) if self.kind == BYTES else np.zeros(len(new), bool)
        found, lengths = self._tokenized(backend, new, apart)
        starts = self._tokens + np.cumsum(lengths) - lengths
        first, last = self._words, self._words + len(new)
        self._ids = _with(self._ids, self._tokens, found)
        self._starts, self._lengths = _with(self._starts, first, starts), _with(self._lengths, first, lengths)
        self._odd, self._used = _with(self._odd, first, apart), _with(self._used, first, np.zeros(len(new), np.int64))
        self._words, self._tokens = last, self._tokens + int(lengths.sum())
        self._characters += sum(map(len, new))

    def _tokenized(self, backend: Any, new: list[str], odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids of words, flat, and how many each has."""
        joins = np.ones(len(new), bool)  # a text can be made of them
        if self.kind == BYTES:
            joins = ~odd & np.fromiter((word[:1] == " " for word in new), bool, len(new))
        lengths = np.zeros(len(new), np.int64)
        inner, lengths[joins] = self._together(backend, list(itertools.compress(new, joins.tolist())))
        outer, lengths[~joins] = _apart(backend, list(itertools.compress(new, (~joins).tolist())))
        found = np.empty(int(lengths.sum()), np.int32)
        own = np.repeat(joins, lengths)
        found[own], found[~own] = inner, outer
        return found, lengths

    def _together(self, backend: Any, new: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Many words to a text, after each a mark that none of them holds; alone where there is no such mark."""
        behind = "" if self.kind == BYTES else " "
        held = "".join(new)
        for mark in (one for one in MARKS if one not in held):
            ids = backend.encode(" " + mark, add_special_tokens=False).ids
            if len(ids) != 1 or ids[0] == self._unknown:
                continue
            between = f" {mark}{behind}"
            texts = [between.join(new[at : at + JOINED]) + between for at in range(0, len(new), JOINED)]
            found = _apart(backend, texts)[0]
            marks = found == ids[0]
            ends = np.flatnonzero(marks)
            if len(ends) == len(new):  # else the normalizer makes the mark of something else
                return found[~marks], np.diff(ends, prepend=-1) - 1
        return _apart(backend, new)

    def _forget_half(self) -> None:
        """Those longest unused."""
        names = list(self._number)
        kept = np.sort(np.argsort(self._used[: self._words], kind="stable")[self._words // 2 :])
        ids = self._ids[run(self._starts[kept], self._lengths[kept])]
        lengths, odd, used = self._lengths[kept], self._odd[kept], self._used[kept]
        self._forget()
        some = [names[place] for place in kept.tolist()]
        self._number.update(zip(some, range(len(some)), strict=True))
        self._ids, self._starts, self._lengths = ids, np.cumsum(lengths) - lengths, lengths
        self._odd, self._used = odd, used
        self._words, self._tokens, self._characters = len(some), len(ids), sum(map(len, some))

    def _forget(self) -> None:
        self._number = _Numbers()
        self._words = self._tokens = self._characters = 0  # what lies behind them is written over


class _Numbers(dict):
    """Word → its number, in the order in which they are first asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def _apart(backend: Any, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    found = Pieces.of([one.ids for one in backend.encode_batch_fast(texts, add_special_tokens=False)])
    return found.ids, found.lengths


def _with(array: np.ndarray, used: int, values: np.ndarray) -> np.ndarray:
    """The array with values behind what is used of it, twice as large where they don't fit."""
    if used + len(values) > len(array):
        array = np.concatenate([array[:used], np.empty(max(len(values), used), array.dtype)])
    array[used : used + len(values)] = values
    return array


def _is_odd(unit: str) -> bool:
    """Whether spaces stand beside the one it may open with, or it is empty."""
    word = unit[1:] if unit[:1] == " " else unit
    return not word or word[0].isspace() or word[-1].isspace()


def _signature(backend: Any) -> tuple | None:
    """What its ids depend on beside the model's own words; None where a part is written in Python."""
    try:
        parts = [
            None if part is None else part.__getstate__()
            for part in (backend.normalizer, backend.pre_tokenizer, backend.post_processor)
        ]
    except Exception as error:  # the library's own, of no other class: "Custom PreTokenizer cannot be serialized"
        if "Custom" not in str(error):
            raise
        return None
    added = tuple(sorted((number, repr(token)) for number, token in backend.get_added_tokens_decoder().items()))
    model = backend.model
    options = tuple(getattr(model, name, None) for name in ("dropout", "unk_token", "max_input_chars_per_word"))
    return (*parts, added, type(model).__name__, backend.get_vocab_size(), options, backend.encode_special_tokens)


def _kind(backend: Any, signature: tuple) -> str | None:
    """How words stand apart in it, if it can be shown that they do."""
    normalizers, splitters, processors = (_parts(state) for state in signature[:3])
    model, added = backend.model, backend.get_added_tokens_decoder().values()
    if type(model).__name__ not in _MODELS or getattr(model, "dropout", None):
        return None
    if any(part["type"] not in _AROUND for part in processors):
        return None
    # An added token that holds a space, as written or as normalized, could be found across two words.
    for token in added:
        normal = backend.normalizer.normalize_str(token.content) if backend.normalizer else token.content
        if not normal or any(one.isspace() for one in token.content + normal):
            return None
    kinds = [part["type"] for part in normalizers]
    if splitters and splitters[0]["type"] in _SPLITTERS and set(kinds) <= _NORMALIZERS:
        return WORDS if {part["type"] for part in splitters} <= _FOLLOWERS else None
    byte = [part["type"] for part in splitters] == ["ByteLevel"] and splitters[0].get("use_regex", True)
    if byte and set(kinds) <= _FORMS and not any(token.rstrip for token in added):  # one that takes the space after it
        return BYTES
    return None


def _parts(state: bytes | None) -> list[dict[str, Any]]:
    """The members of a sequence, or the one part there is."""
    if state is None:
        return []
    part = json.loads(state)
    inner = next((part[name] for name in ("normalizers", "pretokenizers", "processors") if name in part), None)
    if inner is None:
        return [part]
    return [one for each in inner for one in _parts(json.dumps(each).encode())]
