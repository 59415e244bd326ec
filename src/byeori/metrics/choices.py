"""Multiple choice: accuracy, and the baselines it stands beside.

Invariants: rows may differ in how many choices they have; the trivial baseline reads nothing, the linear one sees each
choice only through how many of its words and syllables the text shares and how long it is.

    linear(["It rains."], [["It rains a lot.", "no"]], [0], ["Snow fell."], [["It rains.", "Snow"]])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byeori.metrics.intervals import Interval, Ratios, check_lengths, collecting, scored

FEATURES = 5


def accuracy(predicted, reference, *, resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """{"accuracy": {"value", "low", "high"}} of chosen against right indices, int64 (rows,). Raises DataError for no rows."""
    check_lengths(predicted, reference)
    right = np.asarray(predicted) == np.asarray(reference)
    if collecting():
        return scored(Ratios({"accuracy": (right, np.ones(len(right)))}), len(right))
    counts = np.array([(~right).sum(), right.sum()])
    return scored(
        lambda rows: {"accuracy": rows[1] / rows.sum()}, len(right), counts=counts, resamples=resamples, seed=seed
    )


def trivial(train_reference, counts) -> np.ndarray:
    """The index that is right most often in training, among those a row has; int64 (rows,).

    train_reference: int64 (n,); counts: how many choices each row to predict has, int64 (rows,).
    """
    often = np.bincount(np.asarray(train_reference, np.int64), minlength=int(np.max(counts, initial=1)))
    return np.array([int(often[:count].argmax()) for count in counts], np.int64)


def linear(
    train_texts: Sequence[str], train_choices: Sequence[Sequence[str]], train_reference,
    texts: Sequence[str], choices: Sequence[Sequence[str]], *, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """The choice that a logistic regression on shared words, shared character pairs and length likes best; int64 (rows,).

    Each choice of the training rows is an example, right or wrong; features are taken less their mean over the row, since
    only the difference to its rivals can decide.
    """
    from sklearn.linear_model import LogisticRegression

    known = [_features(text, row) for text, row in zip(train_texts, train_choices, strict=True)]
    right = np.concatenate([np.arange(len(row)) == at for row, at in zip(train_choices, train_reference, strict=True)])
    model = LogisticRegression(random_state=seed).fit(np.concatenate(known), right)
    return np.array(
        [int((_features(text, row) @ model.coef_[0]).argmax()) for text, row in zip(texts, choices, strict=True)],
        np.int64,
    )


def _features(text: str, choices: Sequence[str]) -> np.ndarray:
    """(choices, FEATURES), centred over the row."""
    words, pairs = _words(text), _pairs(text)
    found = np.zeros((len(choices), FEATURES))
    for place, choice in enumerate(choices):
        own_words, own_pairs = _words(choice), _pairs(choice)
        shared = len(own_words & words)
        found[place] = (
            shared / max(1, len(own_words)), np.log1p(shared), len(own_pairs & pairs) / max(1, len(own_pairs)),
            np.log1p(len(own_pairs & pairs)), np.log1p(len(choice)),
        )  # fmt: skip
    return found - found.mean(0)


def _words(text: str) -> set[str]:
    return set(text.casefold().split())


def _pairs(text: str) -> set[str]:
    """Pairs of characters: what a Korean word shares with itself under another particle (조사)."""
    text = text.casefold()
    return {text[at : at + 2] for at in range(len(text) - 1) if not text[at : at + 2].isspace()}
