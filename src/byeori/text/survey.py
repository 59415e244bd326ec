"""What texts hold, before anything is learnt from them: their characters, where in words these stand, whether there is Hangul.

One pass. It also gives the trainers the order of their first tokens, which the library would take from a hash table,
another in each process; and a sample, every n-th text, for the report.

    survey(corpus, normalizer, pre_tokenizer).alphabet
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff]")
SAMPLE = 4_000  # texts of the report, at most
LONGEST = 20_000  # characters of one of them
_MANY = 1 << 40

Batches = Iterable[list[str]]


@dataclass
class Survey:
    """alphabet: characters of words, after the normalizer; inner: those that stand inside words, not only at their start.
    marks: how often the special tokens stand in the texts themselves."""

    texts: int = 0
    characters: int = 0
    bytes: int = 0
    hangul: bool = False
    decomposed: bool = False
    words: int = 0
    alphabet: set[str] = field(default_factory=set)
    inner: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    sample: list[str] = field(default_factory=list)
    stride: int = 1
    marks: Counter[str] = field(default_factory=Counter)

    def see(self, batch: list[str], count: bool) -> None:
        """Take a batch into account. count: how often each character occurs too, which costs more than all the rest."""
        for number, text in enumerate(batch, start=self.texts):
            if number % self.stride == 0:
                self.sample.append(text[:LONGEST])
        while len(self.sample) > SAMPLE:
            self.sample, self.stride = self.sample[::2], self.stride * 2
        joined = "\n".join(batch)
        self.texts += len(batch)
        self.characters += len(joined) - len(batch) + 1
        self.bytes += len(joined.encode("utf-8", "surrogatepass")) - len(batch) + 1
        self.hangul = self.hangul or HANGUL.search(joined) is not None
        self.decomposed = self.decomposed or not unicodedata.is_normalized("NFC", joined)
        for mark in self.marks:
            self.marks[mark] += joined.count(mark)
        if count:
            self.counts.update(unicodedata.normalize("NFC", joined))


def survey(
    corpus: Batches, normalizer: Any, pre_tokenizer: Any, *, words: bool = True, count: bool = False,
    marks: Iterable[str] = (), seen: Callable[[Survey], None] | None = None,
) -> Survey:  # fmt: skip
    """One pass over the texts. words: find their words and characters as well; `seen` is called after each batch."""
    from tokenizers import Tokenizer, models, trainers

    found = Survey(marks=Counter(dict.fromkeys(marks, 0)))

    def passing() -> Iterator[list[str]]:
        for batch in corpus:
            found.see(batch, count)
            if seen is not None:
                seen(found)
            yield batch

    if not words:
        for _ in passing():
            continue
        return found
    learner = Tokenizer(models.WordLevel())
    if normalizer is not None:
        learner.normalizer = normalizer
    if pre_tokenizer is not None:
        learner.pre_tokenizer = pre_tokenizer
    learner.train_from_iterator(
        passing(), trainers.WordLevelTrainer(vocab_size=_MANY, min_frequency=0, show_progress=False)
    )
    distinct = learner.get_vocab(with_added_tokens=False)
    found.words = len(distinct)
    for word in distinct:
        found.alphabet.update(word)
        found.inner.update(word[1:])
    return found


class Kept:
    """Texts with only the characters that are kept; others become spaces, as between words."""

    def __init__(self, corpus: Batches, dropped: Iterable[str]):
        self.corpus, self.table = corpus, dict.fromkeys(map(ord, dropped), " ")

    def __iter__(self) -> Iterator[list[str]]:
        for batch in self.corpus:
            yield [unicodedata.normalize("NFC", text).translate(self.table) for text in batch]


def rare(counts: Counter[str], most: int) -> set[str]:
    """The characters past the `most` most frequent ones; of equally frequent ones those that come last in Unicode."""
    kept = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))
    return set(kept[most:])
