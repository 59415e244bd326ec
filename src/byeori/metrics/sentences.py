"""The sentences of a text, and what a trained reader stands beside: answers that are sentences of the context.

Invariants: a text is cut at the same places for every task; the answers of the rows to predict are never looked at; equal
arguments give equal sentences.

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
# A sentence ends in a mark (and what closes a quotation) before a space, or at the end of a line.
_ENDS = re.compile(r"(?<=[.!?。！？…])[\"'”’)\]」』]*\s+|\s*\n\s*")
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|vs|[A-Z])\.$")


def sentences(text: str) -> list[str]:
    """A text's sentences, in order, none of them empty; lines are never joined."""
    found: list[str] = []
    start = 0
    for end in _ENDS.finditer(text):
        part = text[start : end.end()]
        if "\n" not in end.group() and _ABBREVIATED.search(part.rstrip()[-8:]):
            continue
        found.append(part.strip())
        start = end.end()
    found.append(text[start:].strip())
    return [one for one in found if one]


def of_context(context: str) -> list[str]:
    """The sentences of a context without the tags of a page; at least one, "" where there is nothing."""
    return sentences(_TAGS.sub("\n", context[:MOST_CHARACTERS])) or [""]


def first(contexts: Sequence[str]) -> list[str]:
    """The first sentence of each context."""
    return [of_context(context)[0] for context in contexts]


def closest(questions: Sequence[str], contexts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The sentence of each context that is most like its question, and how much it is (0–1), float64 (n,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = {context: of_context(context) for context in dict.fromkeys(contexts)}
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
