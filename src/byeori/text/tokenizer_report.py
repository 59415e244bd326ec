"""How well a tokenizer fits texts: what it knows, into how many pieces it cuts, how fast, and another one beside it.

Words are eojeol (어절), what stands between spaces. Invariants: special tokens around a text count nowhere; rates are over
running text, a word that occurs twice counts twice; a token that is only a space belongs to the word after it.

    compare([("ours", tokenizer), ("theirs", other)], texts)["tokenizers"][0]["tokens_per_word"]
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

BATCH = 500
WORDS = 20  # unknown words that are listed
_WORD = re.compile(r"\S+")
_MOST_TRIPS = 2_000  # texts that are decoded again


def compare(named: Sequence[tuple[str, Any]], texts: Iterable[str], on: str = "") -> dict[str, Any]:
    """{"on", "texts", "characters", "words", "bytes", "tokenizers": [measure(…)]} for tokenizers on the same texts.

    named: (name, transformers tokenizer) pairs. Memory: the texts; give a sample of many.
    """
    texts = [text for text in texts if text.strip()]
    return {
        "on": on,
        "texts": len(texts),
        "characters": sum(map(len, texts)),
        "words": sum(len(_WORD.findall(text)) for text in texts),
        "bytes": sum(len(text.encode("utf-8", "surrogatepass")) for text in texts),
        "tokenizers": [{"name": name, **measure(tokenizer, texts)} for name, tokenizer in named],
    }


def measure(tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    """What a tokenizer makes of texts.

    tokens_per_word: fertility (Rust et al. 2021, "How Good is Your Tokenizer?"). whole_words: share of words that are one
    token; split_words is the rest. characters_known: share of characters, spaces aside, in no unknown token.
    unknown_tokens: share of tokens. unknown_words: words with an unknown token, the most frequent first, with their
    counts. vocabulary_used: share of the vocabulary that occurs. round_trip: share of texts that decoding gives back;
    round_trip_spaces: but for spaces and composition. mb_per_second, tokens_per_second: of encoding alone, as many
    threads as the machine gives.
    """
    count = _Count(tokenizer)
    seconds = 0.0
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        seconds += _seconds(tokenizer, batch)
        for text, (ids, offsets) in zip(batch, _encode(tokenizer, batch), strict=True):
            count.see(text, np.asarray(ids, np.int64), offsets)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    exact, loose, tried = _trips(tokenizer, texts[:_MOST_TRIPS])
    return {
        "class": type(tokenizer).__name__,
        "vocabulary": len(tokenizer),
        "tokens": count.tokens,
        "tokens_per_word": _share(count.tokens, count.words),
        "tokens_per_character": _share(count.tokens, count.characters),
        "bytes_per_token": _share(size, count.tokens),
        "tokens_per_text": {
            "mean": _share(count.tokens, len(texts)),
            **{f"p{p}": float(np.percentile(count.lengths, p)) for p in (50, 90, 99) if count.lengths},
        },
        "whole_words": _share(count.whole, count.words),
        "characters_known": 1 - _share(count.lost, count.signs),
        "unknown_tokens": _share(count.unknown, count.tokens),
        "unknown_word_share": _share(sum(count.unknown_words.values()), count.words),
        "unknown_words": [list(one) for one in _most(count.unknown_words, WORDS)],
        "unknown_characters": [list(one) for one in _most(count.lost_signs(), WORDS)],
        "vocabulary_used": _share(len(count.used), len(tokenizer)),
        "round_trip": _share(exact, tried),
        "round_trip_spaces": _share(loose, tried),
        "mb_per_second": size / 1e6 / seconds if seconds else 0.0,
        "tokens_per_second": count.tokens / seconds if seconds else 0.0,
    }


class _Count:
    """Sums over texts."""

    def __init__(self, tokenizer: Any):
        self.tokenizer, self.unk = tokenizer, tokenizer.unk_token_id
        # A byte-level tokenizer names an unknown token (GPT-2: its end) that no text becomes.
        self.tokens = self.words = self.characters = self.signs = self.whole = self.lost = self.unknown = 0
        self.lengths: list[int] = []
        self.used: set[int] = set()
        self.unknown_words: Counter[str] = Counter()

    def see(self, text: str, ids: np.ndarray, offsets: np.ndarray | None) -> None:
        words = [match.span() for match in _WORD.finditer(text)]
        self.tokens += len(ids)
        self.lengths.append(len(ids))
        self.used.update(ids.tolist())
        self.words += len(words)
        self.characters += len(text)
        self.signs += sum(end - start for start, end in words)
        if not words:
            return
        if offsets is None:
            self._see_alone(text, words, ids)
            return
        starts = np.array([start for start, _ in words])
        ends = np.array([end for _, end in words])
        last = np.maximum(offsets[:, 1] - 1, offsets[:, 0])
        word_of = np.minimum(np.searchsorted(ends, last, side="right"), len(words) - 1)
        self.whole += int((np.bincount(word_of, minlength=len(words)) == 1).sum())
        if self.unk is None:
            return
        lost = np.flatnonzero(ids == self.unk)
        self.unknown += len(lost)
        covered = np.zeros(len(text) + 1, bool)
        for token in lost:  # an unknown token may reach over several words: SentencePiece fuses them
            start, end = int(offsets[token, 0]), int(offsets[token, 1])
            covered[start:end] = True
        at = np.flatnonzero(covered)
        if len(at):
            self.lost += sum(not text[i].isspace() for i in at)
            for word in np.unique(np.minimum(np.searchsorted(ends, at, side="right"), len(words) - 1)):
                if covered[starts[word] : ends[word]].any():
                    self.unknown_words[text[starts[word] : ends[word]]] += 1

    def _see_alone(self, text: str, words: list[tuple[int, int]], ids: np.ndarray) -> None:
        """Tokenizers written in Python say no places: their words are asked one by one."""
        self.unknown += 0 if self.unk is None else int((ids == self.unk).sum())
        for start, end in words:
            alone = self.tokenizer(text[start:end], add_special_tokens=False, verbose=False)["input_ids"]
            self.whole += len(alone) == 1
            if self.unk is not None and self.unk in alone:
                self.unknown_words[text[start:end]] += 1
                self.lost += end - start

    def lost_signs(self) -> Counter[str]:
        """Characters of unknown words that are unknown by themselves too: what makes these words unknown."""
        found: Counter[str] = Counter()
        for word, times in self.unknown_words.items():
            for sign in word:
                found[sign] += times
        encoded = _encode(self.tokenizer, list(found))
        return Counter(
            {sign: found[sign] for sign, (ids, _) in zip(list(found), encoded, strict=True) if self.unk in ids}
        )


def _encode(tokenizer: Any, texts: list[str]) -> Iterator[tuple[list[int], np.ndarray | None]]:
    """Ids without special tokens, and (n, 2) character offsets where the tokenizer says them. All are encoded at once."""
    if not tokenizer.is_fast:
        found = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        return ((ids, None) for ids in found)
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    encoded = backend.encode_batch(texts, add_special_tokens=False)
    return ((one.ids, np.asarray(one.offsets, np.int64).reshape(-1, 2)) for one in encoded)


def _seconds(tokenizer: Any, texts: list[str]) -> float:
    """What encoding takes when nobody asks where tokens stand, as in training."""
    encode = tokenizer.backend_tokenizer.encode_batch_fast if tokenizer.is_fast else tokenizer
    began = time.perf_counter()
    encode(texts, add_special_tokens=False)
    return time.perf_counter() - began


def _trips(tokenizer: Any, texts: Sequence[str]) -> tuple[int, int, int]:
    """(given back exactly, but for spaces and composition, tried)."""
    exact = loose = 0
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        ids = [list(one) for one, _ in _encode(tokenizer, batch)]
        if tokenizer.is_fast:
            back = tokenizer.backend_tokenizer.decode_batch(ids, skip_special_tokens=False)
        else:
            back = [tokenizer.decode(one) for one in ids]
        for text, again in zip(batch, back, strict=True):
            exact += text == again
            loose += _bare(text) == _bare(again)
    return exact, loose, len(texts)


def _bare(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def _most(counts: Counter[str], most: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
