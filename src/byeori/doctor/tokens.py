"""Texts as a tokenizer cuts them: lengths, rows that are too long, pieces it doesn't know and the words they stand for.

Lengths are counted as the task encodes its rows (special tokens, both sides of a pair, each choice beside its text).

    counted = Counted.of(part, tokenizer, 512, "text-classification")
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from byeori.data.wording import count, short
from byeori.doctor.findings import LOOK, NOTE, STOP, Finding, example
from byeori.doctor.parts import Part, share, summary, verb

CHUNK = 10_000
WORDS = 20
TRIED = 5_000  # rows whose unknown words are looked for; of more, these many taken evenly
WINDOWS = ("question-answering",)  # what is too long becomes several sequences
PIECES = ("text-generation", "fill-mask")
WRITES = ("summarization", "translation", "text2text-generation")


@dataclass
class Counted:
    """lengths: int64 (n,), tokens of each row's sequence (of a choice: the longest). unknown: int64 (n,), pieces that are the
    unknown token. tokens: all of them. targets: int64 (n,) of what is written, or None."""

    max_length: int
    lengths: np.ndarray
    unknown: np.ndarray
    tokens: int
    words: list[tuple[str, int]] = field(default_factory=list)
    targets: np.ndarray | None = None
    limit: int | None = None  # of targets

    @classmethod
    def of(cls, part: Part, tokenizer: Any, max_length: int, task: str | None, limit: int | None = None) -> Counted:
        unknown = np.zeros(len(part), np.int64)
        words: Counter[str] = Counter()
        each: dict[str, np.ndarray] = {}
        for role in part.written:
            texts = part.composed(role)
            if role == "choices":
                each[role], lost, together, number = _choices(part, tokenizer)
            else:
                each[role], lost = lengths(texts, tokenizer)
            unknown += lost
            if lost.any() and role != "choices":
                words.update(dict(unknown_words(texts, lost, tokenizer)))
        inputs = [each[role] for role in part.inputs]
        pair = len(inputs) > 1
        around = tokenizer.num_special_tokens_to_add(pair=pair)
        whole = sum(inputs, np.zeros(len(part), np.int64)) + around
        targets = next((each[role] for role in ("target", "completion") if role in each), None)
        if targets is not None:
            targets = targets + tokenizer.num_special_tokens_to_add(pair=False)
        if "completion" in each:
            whole, targets = whole + each["completion"], None
        if "choices" in each:  # a sequence a choice, the text beside each
            tokens = int((together + number * (whole - each["choices"])).sum())
            return cls(max_length, whole, unknown, tokens, words.most_common(WORDS))
        tokens = int(np.minimum(whole, max_length).sum() if task not in (*WINDOWS, *PIECES) else whole.sum())
        if targets is not None:
            tokens += int(np.minimum(targets, limit or max_length).sum())
        return cls(
            max_length,
            whole,
            unknown,
            tokens,
            words.most_common(WORDS),
            targets,
            limit if targets is not None else None,
        )

    @property
    def long(self) -> np.ndarray:
        return np.flatnonzero(self.lengths > self.max_length)

    def facts(self) -> dict[str, Any]:
        """`tokens` of the contract."""
        all_ = max(1, int(self.lengths.sum()))
        told = {"max_length": self.max_length, **summary(self.lengths), "truncated": len(self.long),
                "unknown_rate": round(float(self.unknown.sum()) / all_, 6), "unknown_words": [list(one) for one in self.words]}  # fmt: skip
        if self.targets is not None:
            told["target"] = {**summary(self.targets), "max_length": self.limit}
        return told


def lengths(texts: list[str], tokenizer: Any) -> tuple[np.ndarray, np.ndarray]:
    """int64 (n,) tokens of each text without special ones, and how many of them are unknown."""
    found, lost = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    unk = tokenizer.unk_token_id
    byte = unk is None or not _can_miss(tokenizer)
    for first in range(0, len(texts), CHUNK):
        some = texts[first : first + CHUNK]
        if tokenizer.is_fast:
            backend = tokenizer.backend_tokenizer
            backend.no_padding()
            backend.no_truncation()
            encoded = backend.encode_batch_fast(some, add_special_tokens=False)
            size = np.fromiter(map(len, encoded), np.int64, len(encoded))
            ids = (
                None
                if byte
                else np.fromiter(chain.from_iterable(one.ids for one in encoded), np.int64, int(size.sum()))
            )
        else:
            lists = tokenizer(some, add_special_tokens=False, verbose=False)["input_ids"]
            size = np.fromiter(map(len, lists), np.int64, len(lists))
            ids = None if byte else np.fromiter(chain.from_iterable(lists), np.int64, int(size.sum()))
        found[first : first + CHUNK] = size
        if ids is not None and (at := np.flatnonzero(ids == unk)).size:
            row = np.searchsorted(np.cumsum(size), at, side="right")
            lost[first : first + CHUNK] = np.bincount(row, minlength=len(some))
    return found, lost


def _can_miss(tokenizer: Any) -> bool:
    """Whether some character has no piece: not of byte-level vocabularies, whose unknown token is never made."""
    return not (tokenizer.is_fast and '"ByteLevel"' in tokenizer.backend_tokenizer.to_str()[:20_000]) or _misses(
        tokenizer
    )


def _misses(tokenizer: Any) -> bool:
    return (
        tokenizer.unk_token_id
        in tokenizer("\u4e02\U00010384 \u1109\u1173", add_special_tokens=False, verbose=False)["input_ids"]
    )


def _choices(part: Part, tokenizer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each row's choices int64 (n,): tokens of the longest (a sequence holds one), unknown ones, all tokens, how many."""
    lists = part.table["choices"].to_pylist()
    size, lost = lengths([str(one) for row in lists for one in row], tokenizer)
    number = np.fromiter(map(len, lists), np.int64, len(lists))
    starts = np.cumsum(number) - number
    longest, unknown, together = (np.zeros(len(lists), np.int64) for _ in range(3))
    some = number > 0
    if some.any():
        longest[some] = np.maximum.reduceat(size, starts[some])
        unknown[some] = np.add.reduceat(lost, starts[some])
        together[some] = np.add.reduceat(size, starts[some])
    return longest, unknown, together, number


def unknown_words(texts: list[str], lost: np.ndarray, tokenizer: Any) -> list[tuple[str, int]]:
    """Words with a piece the tokenizer doesn't know, and how often they stand in the texts, the most frequent first.

    Which words these are is seen on TRIED of the texts that lost something, how often they occur is counted in all of them.
    """
    rows = np.flatnonzero(lost)
    tried = rows[:: max(1, -(-len(rows) // TRIED))]
    unk = tokenizer.unk_token_id
    found: set[str] = set()
    if tokenizer.is_fast:
        encoded = tokenizer.backend_tokenizer.encode_batch([texts[i] for i in tried], add_special_tokens=False)
        for i, one in zip(tried, encoded, strict=True):
            spans = [span for token, span in zip(one.ids, one.offsets, strict=True) if token == unk]
            found.update(_word_at(texts[i], start, end) for start, end in spans)
    else:
        words = {word for i in tried for word in texts[i].split()}
        found.update(
            word for word in words if unk in tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]
        )
    counts = Counter(word for i in rows for word in texts[i].split() if word in found)
    return [(short(word, 40), number) for word, number in counts.most_common(10 * WORDS)]


def _word_at(text: str, start: int, end: int) -> str:
    """The word, between spaces, that holds these characters."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[start:end].strip()


def check(part: Part, counted: Counted, task: str | None) -> list[Finding]:
    """Rows that are cut, and rows with unknown tokens."""
    found = []
    at = counted.long
    if len(at) and task not in (*WINDOWS, *PIECES):
        found.append(_cut(part, at, counted.lengths, counted.max_length, "truncated", "--max-length"))
    if counted.targets is not None and counted.limit:
        over = np.flatnonzero(counted.targets > counted.limit)
        if len(over):
            found.append(
                _cut(part, over, counted.targets, counted.limit, "truncated", "--max-target-length", "a target of ")
            )
    at = np.flatnonzero(counted.unknown)
    if len(at):
        rate = counted.unknown.sum() / max(1, counted.lengths.sum())
        words = ", ".join(word for word, _ in counted.words[:5])
        level = STOP if rate > 0.2 else LOOK if rate > 0.005 else NOTE
        found.append(Finding(
            "unknown_tokens", level, part.name, len(at),
            f"{count(len(at), 'row')} ({share(len(at), len(part))}) {verb(len(at), 'has', 'have')} tokens the tokenizer does not know, "
            f"{share(rate, 1)} of all tokens"
            + (f": {words}." if words else "."),
            "Take a model whose vocabulary has this language." if rate > 0.05 or len(at) > 0.3 * len(part)
            else "The model sees one and the same token for all of these; clean the rare signs if they matter.",
            [part.number(i) for i in at], [example([part.number(i)], part.shown(int(i)), f"{counted.unknown[i]} unknown") for i in at[:20]],
        ))  # fmt: skip
    return found


def _cut(part: Part, at: np.ndarray, sizes: np.ndarray, limit: int, kind: str, flag: str, what: str = "") -> Finding:
    longest = int(sizes[at].max())
    order = at[np.argsort(-sizes[at], kind="stable")]
    return Finding(
        kind, LOOK if len(at) > 0.01 * len(part) else NOTE, part.name, len(at),
        f"{count(len(at), 'row')} ({share(len(at), len(part))}) {'has' if len(at) == 1 else 'have'} {what}more than {limit} tokens and "
        f"{'is' if len(at) == 1 else 'are'} cut; the longest, {part.where(int(order[0]))}, has {longest:,}.",
        f"Give {flag} up to {longest:,} if the model takes it, or choose what is kept with --truncation.",
        [part.number(i) for i in at],
        [example([part.number(i)], part.shown(int(i)), f"{sizes[i]:,} tokens") for i in order[:20]],
    )  # fmt: skip
