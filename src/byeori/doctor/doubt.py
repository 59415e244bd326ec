"""Labels to look at again: rows whose given label a plain model, which never saw the row, finds least likely.

Invariants: a row is judged by a model fitted without it and without any row that has the same (first) text; the result is
a function of rows and seed; time is bounded, and what was left out for that is said. Where the model is hardly better than
guessing (as on entailment), it has no say and nothing is named.

    doubt = suspicious_labels("single_label", texts, None, labels); doubt.rows[0].position, doubt.rows[0].suggested

Out-of-fold probabilities of the given label, ranked (self-confidence in Northcutt, Jiang and Chuang 2021, *Confident
Learning*), from logistic regression (ridge for numbers) on hashed character n-grams: the linear baseline of
metrics/baselines.py with n-grams counted in NumPy (30,000 short reviews: one second). A doubt is a reason to read a row,
no proof: irony and rare words are doubted too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from byeori.data.wording import count
from byeori.doctor.shingles import characters, chunks
from byeori.metrics.baselines import Features
from byeori.metrics.hashing import summed

_WORD = re.compile(r"[^\W_]")  # a letter or a digit
FOLDS = 3
MOST = 20  # rows that are named
DOUBTED = 0.05  # probability of the given label below which a row counts as doubtful
FAR = 3.0  # standard deviations of the residuals beyond which a number does
NGRAMS = (1, 3)  # up to 4: twice the memory and no better on NSMC (0.843 either way)
READ = 500  # characters of a text
CHARACTERS = 2_500_000  # of all texts; beyond, rows are left out at random
FITTED = 10_000_000  # nonzeros × models a fold may be fitted on
MIN_ROWS = 30
MIN_CLASS = 2 * FOLDS  # rows of a class to judge any of them
SKILL = 0.1  # of the way from guessing to always right; below, the model has no say
SURE = (
    1 / 3
)  # share of the labels it is sure of (1 − DOUBTED) that may differ from the given ones; beyond, no say either


@dataclass(slots=True)
class Doubtful:
    """position: from 0. given, suggested: labels (multi_label: the one label whose on or off is doubted, as `x` and
    `not x`; regression: numbers). doubt: 1 − the probability of the given label; for numbers the residual in standard
    deviations."""

    position: int
    given: Any
    suggested: Any
    doubt: float


@dataclass(slots=True)
class Doubt:
    """rows: the most doubtful of those that count, worst first. count: rows as doubtful as `DOUBTED` (or `FAR`) says.

    judged: rows the model was asked about. right: share of them whose label (multi_label: whose labels one by one) it
    gives itself; for regression R². said: what was left out and why nothing is named, "" where there is nothing to say.
    """

    rows: list[Doubtful] = field(default_factory=list)
    count: int = 0
    judged: int = 0
    right: float | None = None
    said: str = ""


def suspicious_labels(
    problem_type: str,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    labels: Sequence[Any],
    *,
    seed: int = 0,
    most: int = MOST,
) -> Doubt:
    """The rows whose labels are most doubtful. labels: one value a row (single_label), a list of values (multi_label) or
    a number (regression); None and NaN are not judged. pairs: second texts, None for single texts."""
    rows = _judgeable(problem_type, texts, labels)
    said = []
    kept = _within(rows, texts, pairs, seed)
    if len(kept) < len(rows):
        said.append(f"{count(len(kept), 'row')} of {len(rows):,} were judged, drawn at random, to bound the time")
    if problem_type == "single_label":
        names, codes, kept = _classes([labels[row] for row in kept.tolist()], kept, said)
    elif problem_type == "multi_label":
        names, codes = _indicators([labels[row] for row in kept.tolist()], said)
    else:
        names, codes = [], np.array([float(labels[row]) for row in kept.tolist()])
    enough = len(kept) >= MIN_ROWS and (
        problem_type == "regression" or len(names) >= (problem_type == "single_label") + 1
    )
    if not enough or (problem_type == "regression" and codes.std() == 0):
        return Doubt(judged=0, said=_sentence([*said, "there are too few rows with different labels to doubt any"]))
    own = [texts[row][:READ] for row in kept.tolist()]
    beside = None if pairs is None else [pairs[row][:READ] for row in kept.tolist()]
    features = _Hashed(max(1, len(names)), paired=beside is not None)
    matrix = features.fit(own, beside)
    folds = _folds(own, seed)
    predicted = np.zeros((len(kept), max(1, len(names))), np.float64)
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any() and not inside.all():
            predicted[inside] = _fitted(problem_type, matrix[~inside], codes[~inside], matrix[inside], seed)
    judge = {"single_label": _single, "multi_label": _multi, "regression": _numbers}[problem_type]
    doubt, given, suggested, doubted, right, skill, reliable = judge(predicted, codes, names)
    if skill < SKILL or not reliable:
        said.append("a plain model of the text can hardly tell these labels apart, so its doubts say nothing")
        return Doubt(judged=len(kept), right=right, said=_sentence(said))
    order = np.lexsort((kept, -doubt))[: min(most, int(doubted.sum()))]
    found = [Doubtful(int(kept[at]), given(at), suggested(at), float(doubt[at])) for at in order.tolist()]
    return Doubt(found, int(doubted.sum()), len(kept), right, _sentence(said))


class _Hashed(Features):
    """The baseline's features, n-grams of texts in normal form counted without a loop over them."""

    def _counts(self, texts: Sequence[str]):
        from scipy import sparse

        bits, parts = np.uint64(self.bits), []
        for start, stop in chunks(texts):
            hashes, owner = characters(texts[start:stop], letters=False).ngrams(*NGRAMS)
            parts.append(summed(owner.astype(np.uint64), hashes >> (np.uint64(64) - bits), stop - start, self.bits))
        return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _judgeable(problem_type: str, texts: Sequence[str], labels: Sequence[Any]) -> np.ndarray:
    """int64 (n,): rows with a label and a text that has a letter or a digit."""
    there = np.fromiter((label is not None and label == label for label in labels), bool, len(labels))
    if problem_type == "regression":
        there &= np.isfinite(np.array([float(one) if ok else 0.0 for one, ok in zip(labels, there, strict=True)]))
    there &= np.fromiter((_WORD.search(text, 0, READ) is not None for text in texts), bool, len(texts))
    return np.flatnonzero(there)


def _within(rows: np.ndarray, texts: Sequence[str], pairs: Sequence[str] | None, seed: int) -> np.ndarray:
    """All rows, or as many random ones as have CHARACTERS characters."""
    lengths = np.zeros(len(rows), np.int64)
    for column in [texts] if pairs is None else [texts, pairs]:
        lengths += np.minimum(np.fromiter(map(len, column), np.int64, len(column))[rows], READ)
    if lengths.sum() <= CHARACTERS:
        return rows
    order = np.random.default_rng(seed).permutation(len(rows))
    return np.sort(rows[order[: int(np.searchsorted(np.cumsum(lengths[order]), CHARACTERS))]])


def _classes(labels: list[Any], rows: np.ndarray, said: list[str]) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Classes with rows enough, class numbers int64 (n,) and the rows (n,) that have such a class."""
    places: dict[Any, int] = {}
    codes = np.array([places.setdefault(label, len(places)) for label in labels], np.int64)
    counts = np.bincount(codes, minlength=len(places))
    large = counts >= MIN_CLASS
    if not large.all():
        said.append(f"classes of fewer than {MIN_CLASS} rows were not judged")
    number = np.cumsum(large) - 1
    kept = large[codes] if len(codes) else np.zeros(0, bool)
    return [name for name, ok in zip(places, large, strict=True) if ok], number[codes[kept]], rows[kept]


def _indicators(labels: list[list[Any]], said: list[str]) -> tuple[list[Any], np.ndarray]:
    """Labels with rows enough, and which rows have each, bool (n, L)."""
    places = {name: place for place, name in enumerate(dict.fromkeys(name for row in labels for name in row))}
    on = np.zeros((len(labels), len(places)), bool)
    for place, row in enumerate(labels):
        on[place, [places[name] for name in row]] = True
    large = (on.sum(axis=0) >= MIN_CLASS) & ((~on).sum(axis=0) >= MIN_CLASS)
    if not large.all():
        said.append(f"labels of fewer than {MIN_CLASS} rows were not judged")
    return [name for name, ok in zip(places, large, strict=True) if ok], on[:, large]


def _folds(texts: list[str], seed: int) -> np.ndarray:
    """int64 (n,): the fold of each row; rows whose texts have one normal form share theirs."""
    same = np.concatenate(
        [np.zeros(0, np.int64), *(np.array(characters(texts[a:b]).same_texts()) + a for a, b in chunks(texts))]
    )
    first: dict[str, int] = {}  # across chunks, texts that are equal as they are
    same = np.array([first.setdefault(text, int(place)) for text, place in zip(texts, same.tolist(), strict=True)])
    drawn = np.random.default_rng(seed).permutation(len(texts)) % FOLDS
    return drawn[same]


def _fitted(problem_type: str, known, codes: np.ndarray, asked, seed: int) -> np.ndarray:
    """Probabilities (or numbers) for the rows of `asked`, float64 (m, classes)."""
    from sklearn.linear_model import Ridge, SGDClassifier

    models = 1 if codes.ndim == 1 else codes.shape[1]
    if problem_type == "single_label" and (classes := int(codes.max()) + 1) > 2:
        models = classes
    share = FITTED / max(1, known.nnz * models)
    if share < 1:
        rows = np.sort(
            np.random.default_rng(seed).permutation(known.shape[0])[: max(MIN_ROWS, int(known.shape[0] * share))]
        )
        known, codes = known[rows], codes[rows]
    if problem_type == "regression":
        model = Ridge(alpha=1.0, solver="sparse_cg", random_state=seed).fit(known, codes.astype(np.float32))
        return model.predict(asked).astype(np.float64)[:, None]

    def logistic():
        return SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=seed)

    if problem_type == "multi_label":
        return np.stack([_positive(logistic, known, column, asked) for column in codes.T], axis=1)
    found = np.zeros((asked.shape[0], int(codes.max()) + 1))
    present = np.unique(codes)
    if len(present) < 2:
        found[:, present] = 1.0
        return found
    model = logistic().fit(known, codes)
    found[:, model.classes_] = model.predict_proba(asked)
    return found


def _positive(make, known, column: np.ndarray, asked) -> np.ndarray:
    if column.all() or not column.any():
        return np.full(asked.shape[0], float(column[0]))
    return make().fit(known, column).predict_proba(asked)[:, 1]


def _single(predicted: np.ndarray, codes: np.ndarray, names: list[Any]):
    rows = np.arange(len(codes))
    given = predicted[rows, codes]
    others = predicted.copy()
    others[rows, codes] = -1.0
    other = others.argmax(axis=1)
    right = predicted.argmax(axis=1) == codes
    recall = np.array([right[codes == one].mean() for one in range(len(names))])
    skill = (recall.mean() - 1 / len(names)) / (1 - 1 / len(names))
    return (
        1 - given, lambda at: names[codes[at]], lambda at: names[other[at]], given < DOUBTED, float(right.mean()), skill,
        _reliable(predicted.max(axis=1) > 1 - DOUBTED, right),
    )  # fmt: skip


def _multi(predicted: np.ndarray, on: np.ndarray, names: list[Any]):
    given = np.where(on, predicted, 1 - predicted)  # (n, L)
    worst = given.argmin(axis=1)
    least = given.min(axis=1)
    right = (predicted > 0.5) == on
    skill = (
        np.mean([right[column, at].mean() for at in range(on.shape[1]) for column in (on[:, at], ~on[:, at])]) * 2 - 1
    )

    def word(at: int, flipped: bool) -> str:
        return str(names[worst[at]]) if on[at, worst[at]] != flipped else f"not {names[worst[at]]}"

    return (
        1 - least, lambda at: word(at, False), lambda at: word(at, True), least < DOUBTED, float(right.mean()), skill,
        _reliable(np.abs(predicted - 0.5) > 0.5 - DOUBTED, right),
    )  # fmt: skip


def _reliable(sure: np.ndarray, right: np.ndarray) -> bool:
    """Whether what the model is sure of mostly holds; with overlapping classes it is sure of anything."""
    return bool((~right[sure]).sum() <= SURE * sure.sum())


def _numbers(predicted: np.ndarray, numbers: np.ndarray, names: list[Any]):
    residual = numbers - predicted[:, 0]
    spread = residual.std() or 1.0
    explained = 1 - (residual**2).mean() / numbers.var()
    far = np.abs(residual) / spread
    return (
        far, lambda at: float(numbers[at]), lambda at: round(float(predicted[at, 0]), 3), far > FAR, float(explained),
        explained, True,
    )  # fmt: skip


def _sentence(said: list[str]) -> str:
    return "; ".join(said)[:1].upper() + "; ".join(said)[1:] + "." if said else ""
