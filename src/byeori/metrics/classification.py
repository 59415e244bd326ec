"""Scores of single-label and multi-label classification, from counts alone.

Invariants: every score is a function of how often each (prediction, reference) pair occurs, so a row of weight k is
worth k equal rows; values equal scikit-learn's with `zero_division=0` (Pedregosa et al. 2011,
scikit-learn.org/stable/modules/ model_evaluation.html) and are always finite. A confusion matrix has references down
and predictions across.

    from byeori.metrics.classification import single_label; single_label([0, 1, 1], [0, 1, 0], ["no", "yes"])
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from byeori.data import mapped
from byeori.errors import DataError
from byeori.metrics.intervals import SumScore, check_lengths


def single_label(predicted, reference, labels: Sequence[str], weights=None) -> dict[str, float]:
    """Scores of one class a row.

    predicted, reference: int64 (n,), ids into `labels`; weights: (n,), how often each row counts (None: once each).
    Returns accuracy, macro_f1, weighted_f1 and mcc, all in 0–1 but mcc in −1–1; for two labels also f1, precision and
    recall of the class with id 1, for more macro_precision and macro_recall. Macro averages are over the classes that
    occur in references or predictions (scikit-learn's default), so a class absent from a test set does not pull them
    down. Micro averages of one class a row are the accuracy.
    `mcc` is the multi-class coefficient of Gorodkin (2004), 0.0 where its denominator is 0.
    Raises DataError for no rows, for different lengths and for ids outside the labels.
    """
    predicted, reference = check_ids(predicted, reference, len(labels))
    return _single(*_counts(predicted, reference, len(labels), weights))


class SingleLabelScore(SumScore):
    """`single_label` as sums over rows: each is right, found and wanted in one cell of (3, L)."""

    def __init__(self, predicted, reference, labels: Sequence[str]) -> None:
        from scipy import sparse

        predicted, reference = check_ids(predicted, reference, len(labels))
        n, size = len(reference), len(labels)
        right = np.flatnonzero(predicted == reference)
        cells = np.concatenate([reference[right], size + predicted, 2 * size + reference])
        rows = np.concatenate([right, np.arange(n), np.arange(n)])
        self.matrix = sparse.csr_matrix((np.ones(len(cells)), (cells, rows)), shape=(3 * size, n))

    def of(self, sums: np.ndarray) -> dict[str, float]:
        return _single(*sums.reshape(3, -1))


def _single(right: np.ndarray, found: np.ndarray, support: np.ndarray) -> dict[str, float]:
    total = support.sum()
    precision, recall, f1 = _precision_recall_f1(right, found, support)
    occurring = (found + support) > 0
    scores = {
        "accuracy": right.sum() / total,
        "macro_f1": f1[occurring].mean(),
        "weighted_f1": f1 @ support / total,
        "mcc": _mcc(right, found, support),
    }
    if len(support) == 2:
        scores |= {"f1": f1[1], "precision": precision[1], "recall": recall[1]}
    else:
        scores |= {"macro_precision": precision[occurring].mean(), "macro_recall": recall[occurring].mean()}
    return {name: float(value) for name, value in scores.items()}


def multi_label(predicted, reference, labels: Sequence[str], weights=None) -> dict[str, float]:
    """Scores of any number of labels a row.

    predicted, reference: bool (n, L), one column a label; weights: (n,) or None.
    Returns micro_f1, macro_f1 (the mean over all L labels), weighted_f1 (by how often each is wanted), micro_precision,
    micro_recall and exact_match (the share of rows whose whole label set is right, scikit-learn's subset accuracy), all in
    0–1. Raises DataError as `single_label`.
    """
    return MultiLabelScore(predicted, reference, labels)(weights)


class MultiLabelScore(SumScore):
    """`multi_label` prepared for many weightings of the same rows: call it with weights (n,).

    Right, found and wanted labels, exact rows and rows stand in one sparse matrix (3L + 2, n), so that a weighting is one
    sparse product, in time proportional to the labels that are on.
    """

    def __init__(self, predicted, reference, labels: Sequence[str]) -> None:
        from scipy import sparse

        predicted, reference = check_flags(predicted, reference, len(labels))
        exact = (predicted == reference).all(axis=1)
        stacked = np.vstack(
            [(predicted & reference).T, predicted.T, reference.T, exact[None], np.ones((1, len(exact)))]
        )
        self.matrix = sparse.csr_matrix(stacked, dtype=np.float64)  # (3L + 2, n)

    def of(self, sums: np.ndarray) -> dict[str, float]:
        right, found, wanted = sums[:-2].reshape(3, -1)
        _, _, f1 = _precision_recall_f1(right, found, wanted)
        precision, recall, micro = _precision_recall_f1(right.sum(), found.sum(), wanted.sum())
        return {
            "micro_f1": float(micro),
            "macro_f1": float(f1.mean()),
            "weighted_f1": float(f1 @ wanted / wanted.sum()) if wanted.any() else 0.0,
            "micro_precision": float(precision),
            "micro_recall": float(recall),
            "exact_match": float(sums[-2] / sums[-1]),
        }


def confusion(predicted, reference, n_labels: int, weights=None) -> np.ndarray:
    """The confusion matrix (L, L), references down and predictions across; int64, or float64 when weights are given."""
    predicted, reference = check_ids(predicted, reference, n_labels)
    cells = np.bincount(reference * n_labels + predicted, weights=weights, minlength=n_labels * n_labels)
    return cells.reshape(n_labels, n_labels)


def per_class(predicted, reference, labels: Sequence[str], weights=None) -> dict[str, dict[str, float]]:
    """{label: {"precision", "recall", "f1", "support"}} in label order; support is the int number of reference rows.

    Takes ids (n,) or flags (n, L), and weights (n,) or None, as `single_label` and `multi_label`
    do. A label that never occurs scores 0 with
    support 0.
    """
    if np.ndim(reference) == 2:
        predicted, reference = check_flags(predicted, reference, len(labels))
        each = np.ones(len(reference)) if weights is None else np.asarray(weights, dtype=np.float64)
        right, found, support = (each @ flags for flags in (predicted & reference, predicted, reference))
    else:
        predicted, reference = check_ids(predicted, reference, len(labels))
        right, found, support = _counts(predicted, reference, len(labels), weights)
    columns = zip(*_precision_recall_f1(right, found, support), support, strict=True)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for label, (p, r, f, s) in zip(labels, columns, strict=True)
    }


def distinct(predicted, reference) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different (prediction, reference) pairs and how often each occurs: (predicted, reference, counts int64 (K,)).

    Takes ids (n,) or flags (n, L). Rows of one pair are all the same to the scores of this file: they may be weighed,
    and drawn, together.
    """
    predicted, reference = np.asarray(predicted), np.asarray(reference)
    most = 0 if predicted.ndim == 2 else int(predicted.max()) + 1

    def keys(block: slice) -> np.ndarray:
        if predicted.ndim == 1:
            return reference[block].astype(np.int64) * most + predicted[block]
        found = np.packbits(np.hstack([predicted[block], reference[block]]).astype(bool), axis=1)  # (rows, bytes)
        return np.ascontiguousarray(found).view([("", np.void, found.shape[1])]).ravel()

    blocks = [*mapped.spans(len(reference))]
    each = [np.unique(keys(block), return_index=True, return_counts=True) for block in blocks]
    places = np.concatenate([block.start + first for block, (_, first, _) in zip(blocks, each, strict=True)])
    _, first, number = np.unique(np.concatenate([one[0] for one in each]), return_index=True, return_inverse=True)
    counts = np.zeros(len(first), np.int64)
    np.add.at(counts, number, np.concatenate([one[2] for one in each]))
    return predicted[places[first]], reference[places[first]], counts


def _counts(predicted, reference, n_labels: int, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The diagonal, the column sums and the row sums of the confusion matrix, each float64 (L,), without the matrix:
    with many labels it is mostly empty and would cost more than the rows."""
    weights = np.ones(len(reference)) if weights is None else np.asarray(weights, dtype=np.float64)
    same = predicted == reference
    right = np.bincount(reference[same], weights[same], n_labels)
    return right, np.bincount(predicted, weights, n_labels), np.bincount(reference, weights, n_labels)


def _precision_recall_f1(right, found, support) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # 0 / 0 is 0, scikit-learn's zero_division=0
    return tuple(
        np.divide(top, bottom, out=np.zeros(np.shape(right)), where=np.asarray(bottom) > 0)
        for top, bottom in ((right, found), (right, support), (2 * right, found + support))
    )


def _mcc(right, found, support) -> float:
    total = support.sum()
    covariance = right.sum() * total - found @ support
    spread = (total * total - found @ found) * (total * total - support @ support)
    return covariance / np.sqrt(spread) if spread > 0 else 0.0


def check_ids(predicted, reference, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    predicted, reference = np.asarray(predicted), np.asarray(reference)
    check_lengths(predicted, reference)
    for ids, what in ((predicted, "prediction"), (reference, "label")):
        outside = mapped.where(len(ids), partial(_outside, ids, n_labels))
        if len(outside):
            row = outside[0]
            raise DataError(
                f"Row {row + 1}: the {what} has the id {ids[row]}, but there are {n_labels} labels "
                f"(ids 0 to {n_labels - 1}); {len(outside)} rows are like that. Drop them, or name all the labels."
            )
    return predicted.astype(np.int64, copy=False), reference.astype(np.int64, copy=False)


def _outside(ids: np.ndarray, n_labels: int, block: slice) -> np.ndarray:
    return (ids[block] < 0) | (ids[block] >= n_labels)


def check_flags(predicted, reference, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    predicted, reference = np.asarray(predicted), np.asarray(reference)
    check_lengths(predicted, reference)
    for flags, what in ((predicted, "predictions"), (reference, "labels")):
        if flags.ndim != 2 or flags.shape[1] != n_labels:
            raise DataError(
                f"Multi-label {what} must be a table of {n_labels} columns, one a label; found the shape "
                f"{flags.shape}. Give one true or false a row and label."
            )
    return predicted.astype(bool, copy=False), reference.astype(bool, copy=False)
