"""What a trained reader stands beside: answers that are sentences of the context.

Invariants: the answers of the rows to predict are never looked at; equal arguments give equal sentences.

    closest(["Where?"], ["It is here. Nobody asked where."])[0] == ["Nobody asked where."]

Character n-grams inside words, weighed by TF-IDF over the sentences: a Korean word counts as shared with its particle or
without. The idea, the sentence that has most in common with the question, is that of the sliding window baseline
(Richardson et al., 2013; Rajpurkar et al., 2016).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

NGRAMS = (2, 4)
SLICE = 4_096  # pairs of question and sentence compared at once
MOST_CHARACTERS = 20_000  # of a context; the rest of a long one is not read

_TAGS = re.compile(r"<[^<>]{1,200}>")  # KorQuAD 2's contexts are pages
_ENDS = re.compile(r"(?<=[.!?。])[\"'”’)]*\s+|\n+")


def sentences(context: str) -> list[str]:
    """The sentences of a context, as they stand in it; at least one, "" where there is nothing."""
    parts = [part.strip() for part in _ENDS.split(_TAGS.sub("\n", context[:MOST_CHARACTERS]))]
    return [part for part in parts if part] or [""]


def first(contexts: Sequence[str]) -> list[str]:
    """The first sentence of each context."""
    return [sentences(context)[0] for context in contexts]


def closest(questions: Sequence[str], contexts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The sentence of each context that is most like its question, and how much it is (0–1), float64 (n,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = {context: sentences(context) for context in dict.fromkeys(contexts)}
    flat = [sentence for some in known.values() for sentence in some]
    ends = np.cumsum([len(some) for some in known.values()])
    spans = {
        context: (int(end) - len(some), int(end)) for (context, some), end in zip(known.items(), ends, strict=True)
    }
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS, sublinear_tf=True, dtype=np.float32)
    try:
        vectors = vectorizer.fit_transform(flat)
    except ValueError:  # no letters anywhere
        return first(contexts), np.zeros(len(contexts))
    asked = vectorizer.transform(questions)
    firsts, stops = np.array([spans[context] for context in contexts]).T  # (n,): each row's sentences in `flat`
    sizes = stops - firsts
    starts = np.cumsum(sizes) - sizes
    rows = np.repeat(np.arange(len(contexts)), sizes)
    places = np.arange(len(rows)) + np.repeat(firsts - starts, sizes)
    shared = np.zeros(len(rows))
    for begin in range(0, len(rows), SLICE):
        some = slice(begin, begin + SLICE)
        shared[some] = np.asarray(vectors[places[some]].multiply(asked[rows[some]]).sum(1)).ravel()
    best = [start + int(part.argmax()) for start, part in zip(starts, np.split(shared, starts[1:]), strict=True)]
    return [flat[places[pair]] for pair in best], shared[best]
