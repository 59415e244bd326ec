"""What a written text stands beside: the first sentences, a copy, and the target of the most similar training source.

Invariants: nothing reads the right answers of the rows it is for; every function is one of its arguments alone; memory is
that of the training matrix and one slice of similarities.

    lead(["First. Second. Third. Fourth."], 3) == ["First. Second. Third."]

Lead-k is the usual baseline of summarization (See, Liu and Manning 2017: hard to beat on news); the nearest training
source by TF-IDF of character n-grams needs no word boundaries, which is what makes it fair to Korean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byeori.metrics import hashing
from byeori.metrics.sentences import sentences

LEADS = (1, 3)  # sentences a lead baseline may take
NGRAMS = (1, 4)
HASH_BITS = 18
MAX_CHARACTERS = 2_000  # of a source; the rest of a long one is not read
MAX_TRAIN_CHARACTERS = 8_000_000  # then training rows are left out
SIMILARITIES = 1 << 24  # computed at once: 64 MB of float32


def lead(texts: Sequence[str], count: int) -> list[str]:
    """The first `count` sentences of each text."""
    return [" ".join(sentences(text)[:count]) for text in texts]


def lead_length(sources: Sequence[str], targets: Sequence[str]) -> int:
    """Of `LEADS`, the number of sentences whose mean length in characters is nearest to that of the targets."""
    wanted = np.mean([len(one) for one in targets])
    gaps = {count: abs(np.mean([len(one) for one in lead(sources, count)]) - wanted) for count in LEADS}
    return min(LEADS, key=lambda count: gaps[count])


def nearest(
    train_sources: Sequence[str], train_targets: Sequence[str], sources: Sequence[str], seed: int = 0
) -> list[str]:
    """For each source the target of the most similar training source: cosine of TF-IDF over character 1–4-grams.

    Past 8 million characters training rows are left out at random (seeded); a tie goes to the earlier row.
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    kept = _within(train_sources, seed)
    weights = TfidfTransformer(sublinear_tf=True)

    def hashed(texts: Sequence[str]):
        return hashing.counts([text[:MAX_CHARACTERS] for text in texts], *NGRAMS, HASH_BITS)

    known = weights.fit_transform(hashed([train_sources[row] for row in kept]))  # (n, columns)
    known = known.T.tocsr()
    size = max(1, SIMILARITIES // len(kept))
    found: list[str] = []
    for start in range(0, len(sources), size):
        alike = (weights.transform(hashed(sources[start : start + size])) @ known).toarray()  # (texts, n)
        found += [train_targets[kept[best]] for best in alike.argmax(1)]
    return found


def _within(texts: Sequence[str], seed: int) -> list[int]:
    """Rows whose texts fit the budget of characters, in order."""
    lengths = np.array([min(len(one), MAX_CHARACTERS) for one in texts])
    if lengths.sum() <= MAX_TRAIN_CHARACTERS:
        return list(range(len(texts)))
    order = np.random.default_rng(seed).permutation(len(texts))
    fits = np.cumsum(lengths[order]) <= MAX_TRAIN_CHARACTERS
    fits[0] = True
    return sorted(order[fits].tolist())
