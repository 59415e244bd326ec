"""What a score stands beside: a trivial baseline and a linear model on character n-grams.

Invariants: both see training rows and the inputs of the rows to predict, never their labels; the linear one is a
function of its arguments and the seed, holds no vocabulary (n-grams are hashed), keeps its training matrix in files where
that is large, and predicts in slices, so its memory is that of the solver. Character n-grams need no word boundaries or
stems, which is what makes the baseline fair to Korean.

    from byeori.metrics.baselines import trivial; trivial("single_label", [0, 1, 1], 2)

N-grams of 1–4 characters, hashed (Weinberger et al. 2009), weighed by TF-IDF with sublinear counts; a linear SVM (Fan
et al. 2008, as scikit-learn's `LinearSVC`), stochastic gradient descent where that would take too long, or ridge
regression. A pair is three hashed spaces, n-grams of the first text alone, of the second alone and of both, and a few
similarities.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from byeori.data import mapped
from byeori.metrics import hashing

NGRAMS = (1, 4)
HASH_BITS = 18  # NSMC: 2^20 columns gained at most 0.2 points of accuracy
MAX_COEFFICIENTS = 2**24  # columns × classes: 128 MB of float64
MAX_CHARACTERS = 1_000  # of a text; the rest of a long one is not read
MAX_TRAIN_CHARACTERS = 8_000_000  # then rows are left out: measured 21 s and 440 MB with long texts
SVM_WORK = 30_000_000  # nonzeros × classes, about seven seconds; beyond it gradient descent, four times as fast
SVM_NONZEROS = 4_000_000  # of which liblinear has a copy of its own in memory, 16 bytes each; gradient descent has none
CHOICE_ROWS = 8_000  # training rows that settle the strength of regularization
SLICE = 4_096  # rows looked at together
LIKENESSES = 7  # of a pair


def trivial(problem_type: str, train_reference, n: int) -> np.ndarray:
    """Predictions for n rows by one that never reads them.

    single_label: the most frequent training class (a tie: the lower id), int64 (n,); regression: the training mean,
    float64 (n,); multi_label: the labels on in more than half of the training rows, or, where there are none, the most
    frequent one, bool (n, L). train_reference: the same shapes over training rows.
    """
    reference = np.asarray(train_reference)
    if problem_type == "regression":
        mean = reference.mean(dtype=np.float64)
        return mapped.made(n, np.float64, lambda _: mean)
    if problem_type == "multi_label":
        share = reference.astype(bool).mean(axis=0)  # (L,)
        row = share > 0.5
        row[share.argmax()] |= not row.any()
        return np.tile(row, (n, 1))
    counts = np.zeros(int(reference.max()) + 1, np.int64)
    for block in mapped.spans(len(reference)):
        counts += np.bincount(reference[block].astype(np.int64), minlength=len(counts))
    return mapped.made(n, np.int64, lambda _: counts.argmax())


def linear(
    problem_type: str,
    train_texts: Sequence[str],
    train_pairs: Sequence[str] | None,
    train_reference,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    *,
    n_labels: int,
    seed: int = 0,
    max_rows: int = 100_000,
    told: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Predictions for `texts` (and `pairs`) by a linear model of the training rows; shapes and dtypes as `trivial`.

    texts, pairs: what can be sliced; train_pairs, pairs: the second texts, or None for single texts. train_reference:
    int64 (n,), bool (n, L) or float (n,). n_labels: L (ignored for regression). Past `max_rows` rows or 8 million
    characters, training rows are left out at random (seeded, in equal shares of each class); a text is read up to its
    1,000th character. The strength of regularization, and for pairs whether n-grams help at all, is settled on a part of
    the training rows. `told` is given how many training rows are used.
    """
    reference = np.asarray(train_reference)
    train_texts = list(train_texts)
    train_pairs = None if train_pairs is None else list(train_pairs)
    rows = _training_rows(problem_type, train_texts, train_pairs, reference, max_rows, seed)
    if told is not None:
        told(len(rows))
    reference = reference[rows]
    train_texts = [train_texts[row] for row in rows]
    train_pairs = None if train_pairs is None else [train_pairs[row] for row in rows]
    targets = 1 if problem_type == "regression" else n_labels
    features = Features(targets, paired=train_pairs is not None)
    matrix = features.fit(train_texts, train_pairs)  # (n, columns)
    siblings = train_pairs is not None and _shares_texts(train_texts, texts)
    columns, strength = _choose(problem_type, matrix, reference, train_texts, targets, features, siblings, seed)
    model = _fit(problem_type, matrix[:, columns] if columns.start else matrix, reference, strength, targets, seed)
    del matrix
    predicted = mapped.Column()
    for part in _slices(len(texts)):
        predicted.add(model(features.transform(texts[part], None if pairs is None else pairs[part])[:, columns]))
    return predicted.done() if len(texts) else trivial(problem_type, reference, 0)


class Features:
    """Texts or pairs as sparse float32 rows: TF-IDF of hashed character n-grams, then similarities for pairs."""

    def __init__(self, targets: int, *, paired: bool) -> None:
        from sklearn.feature_extraction.text import TfidfTransformer

        self.paired = paired
        room = MAX_COEFFICIENTS // (targets * (3 if paired else 1))
        self.bits = min(HASH_BITS, max(10, room.bit_length() - 1))
        self._tfidf = TfidfTransformer(sublinear_tf=True)
        self.ngram_columns = (3 if paired else 1) * 2**self.bits

    def fit(self, texts: Sequence[str], pairs: Sequence[str] | None):
        """The training matrix (n, columns); document frequencies are those of first and second texts together."""
        sides = [texts] if pairs is None else [texts, pairs]
        counted = [
            Stacked(self._counts(side[part]) for part in _slices(len(side))).matrix(self._width) for side in sides
        ]
        self._learn(counted)
        if pairs is None and len(texts) <= SLICE:
            return self._rows(texts, counted[0], None, None)

        def rows():
            for part in _slices(len(texts)):
                second = (None, None) if pairs is None else (pairs[part], counted[1][part])
                yield self._rows(texts[part], counted[0][part], *second)

        return Stacked(rows()).matrix(self.ngram_columns + self.paired * 2 * LIKENESSES)

    @property
    def _width(self) -> int:
        return 2**self.bits

    def _learn(self, counted) -> None:
        """As `TfidfTransformer.fit`, which would copy the columns of all n-grams."""
        from scipy import sparse

        self._tfidf.fit(sparse.csr_matrix((1, self._width), dtype=np.float32))
        frequencies = np.zeros(self._width, np.int64)
        for matrix in counted:
            for block in mapped.spans(matrix.nnz):
                frequencies += np.bincount(matrix.indices[block], minlength=self._width)
        rows = sum(matrix.shape[0] for matrix in counted)
        known = frequencies.astype(np.float32) + np.float32(1)
        self._tfidf.idf_ = np.log(np.full_like(known, rows + 1) / known) + np.float32(1)

    def transform(self, texts: Sequence[str], pairs: Sequence[str] | None):
        """The matrix (n, columns) of other rows."""
        return self._rows(texts, self._counts(texts), pairs, self._counts(pairs) if pairs is not None else None)

    def _counts(self, texts: Sequence[str]):
        # no signs: with alternating signs colliding n-grams cancel, and TF-IDF wants counts
        return hashing.counts([text[:MAX_CHARACTERS] for text in texts], *NGRAMS, self.bits)

    def _rows(self, texts, first_counts, pairs, second_counts):
        from scipy import sparse

        first = self._tfidf.transform(first_counts, copy=self.paired)
        if not self.paired:
            return first
        second = self._tfidf.transform(second_counts)
        shared = first.multiply(second).tocsr()
        only_first, only_second = first - first.multiply(second.sign()), second - second.multiply(first.sign())
        alike = sparse.csr_matrix(_similarities(texts, first, pairs, second, shared))
        return sparse.hstack([only_first, only_second, shared.sqrt(), alike], format="csr", dtype=np.float32)


class Stacked:
    """Sparse rows one behind the other, in files where they are many."""

    def __init__(self, parts) -> None:
        self._rows = 0
        self._data, self._indices, self._lengths = (mapped.Column() for _ in range(3))
        for part in parts:
            self._rows += part.shape[0]
            self._data.add(part.data)
            self._indices.add(part.indices)
            self._lengths.add(np.diff(part.indptr))

    def matrix(self, columns: int):
        """CSR (rows, columns)."""
        from scipy import sparse

        if not self._rows:
            return sparse.csr_matrix((0, columns), dtype=np.float32)
        starts = np.concatenate([[0], np.cumsum(self._lengths.done(), dtype=np.int64)]).astype(np.int32)
        return sparse.csr_matrix(
            (self._data.done(), self._indices.done(), starts), shape=(self._rows, columns), copy=False
        )


def _slices(rows: int) -> list[slice]:
    return [slice(start, start + SLICE) for start in range(0, rows, SLICE)]


def _similarities(texts, first, pairs, second, shared) -> np.ndarray:
    """Seven likenesses of each pair and their squares (a linear model bends no line), float32 (n, 14), all in 0–1."""
    cosine = np.asarray(shared.sum(axis=1)).ravel()
    both, ones, twos = (np.diff(matrix.indptr).astype(np.float64) for matrix in (shared, first, second))
    lengths = (
        np.array([[len(a), len(b)] for a, b in zip(texts, pairs, strict=True)], dtype=np.float64).reshape(-1, 2) + 1
    )
    words = [(set(a.split()), set(b.split())) for a, b in zip(texts, pairs, strict=True)]
    values = np.stack(
        [
            cosine,
            both / np.maximum(ones + twos - both, 1),  # Jaccard of n-grams
            both / np.maximum(ones, 1),
            both / np.maximum(twos, 1),
            lengths.min(axis=1) / lengths.max(axis=1),
            lengths[:, 1] / lengths.sum(axis=1),
            [len(a & b) / max(len(a | b), 1) for a, b in words],
        ],
        axis=1,
    )
    return np.hstack([values, values**2]).astype(np.float32)


def _training_rows(problem_type, texts, pairs, reference, max_rows: int, seed: int) -> np.ndarray:
    """Which training rows are used, sorted: all, or a seeded sample within the limits on rows and characters."""
    n = len(reference)
    characters = sum(min(len(text), MAX_CHARACTERS) for column in (texts, pairs or ()) for text in column)
    share = min(1.0, max_rows / max(n, 1), MAX_TRAIN_CHARACTERS / max(characters, 1))
    if share == 1.0:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    if problem_type != "single_label":
        return np.sort(order[: max(1, int(n * share))])
    # the first share of each class in the shuffled order, one row at least
    order = order[np.argsort(reference[order], kind="stable")]
    counts = np.bincount(reference)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[place < np.maximum(1, np.floor(counts * share))[reference[order]]])


def _shares_texts(train_texts: Sequence[str], texts: Sequence[str]) -> bool:
    known = set(train_texts)
    return sum(text in known for part in _slices(len(texts)) for text in texts[part]) * 2 > len(texts)


def _choose(
    problem_type, matrix, reference, texts, targets, features, siblings: bool, seed: int
) -> tuple[slice, float]:
    """Which columns and what regularization, by the score on a fifth of (at most CHOICE_ROWS of) the training rows.

    In sets like NLI a premise stands in several rows with different labels. Whether having seen it misleads (a row of
    its own premise left over by a random split has the label the others have not) depends on whether the rows to
    predict share premises with training, so the fifth is cut the same way: by rows when they do (`siblings`), else by
    first text.
    """
    strengths = (0.3, 1.0, 3.0, 10.0) if problem_type == "regression" else (0.1, 0.3, 1.0)
    every, alike = slice(0, None), slice(features.ngram_columns, None)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(reference))[:CHOICE_ROWS]
    if features.paired and not siblings:
        names = {text: place for place, text in enumerate(dict.fromkeys(texts[row] for row in rows))}
        held = np.array([names[texts[row]] for row in rows]) % 5 == 0
    else:
        held = np.arange(len(rows)) % 5 == 0
    fitted, judged = rows[~held], rows[held]
    default = (every, 1.0 if problem_type == "regression" else 0.3)
    if len(fitted) < 10 or len(judged) < 10:
        return default
    best, best_score = default, -np.inf
    for columns in (every, alike) if features.paired else (every,):
        known, asked = matrix[fitted][:, columns], matrix[judged][:, columns]
        for strength in strengths:
            predicted = _fit(problem_type, known, reference[fitted], strength, targets, seed)(asked)
            if problem_type == "regression":
                score = -np.mean((predicted - reference[judged]) ** 2)
            else:
                score = np.mean(predicted == reference[judged])
            if score > best_score:
                best, best_score = (columns, strength), score
    return best


def _fit(problem_type, matrix, reference, strength: float, targets: int, seed: int):
    """A function from feature rows to predictions. strength: C of the SVM, alpha of the ridge."""
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Ridge, SGDClassifier
    from sklearn.svm import LinearSVC

    exact = matrix.nnz * targets <= SVM_WORK and matrix.nnz <= SVM_NONZEROS
    if exact and problem_type != "regression":  # liblinear counts in float64: a copy of its own would stay in memory
        wide = mapped.made(matrix.nnz, np.float64, lambda block: matrix.data[block])
        matrix = sparse.csr_matrix((wide, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)

    def classifier():
        if exact:
            return LinearSVC(C=strength, random_state=seed)
        return SGDClassifier(loss="modified_huber", alpha=3e-5, max_iter=5, tol=None, n_jobs=-1, random_state=seed)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline stopped at its limit is a baseline still
        if problem_type == "regression":
            model = Ridge(alpha=strength, copy_X=False, solver="sparse_cg", random_state=seed).fit(
                matrix, reference.astype(np.float32)
            )
            return lambda asked: model.predict(asked).astype(np.float64)
        if problem_type == "multi_label":
            models = [
                bool(column[0]) if column.all() or not column.any() else classifier().fit(matrix, column)
                for column in reference.astype(bool).T
            ]
            return lambda asked: np.stack(
                [np.full(asked.shape[0], m) if isinstance(m, bool) else m.predict(asked) for m in models], axis=1
            )
        if (reference == reference[0]).all():
            return lambda asked: np.full(asked.shape[0], reference[0], dtype=np.int64)
        model = classifier().fit(matrix, reference)
        return lambda asked: model.predict(asked).astype(np.int64)
