"""Classification scores equal scikit-learn's, as they are and under integer weights = repeated rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as reference_scores

from byeori.errors import DataError
from byeori.metrics.classification import confusion, distinct, multi_label, per_class, single_label

CLOSE = {"rel": 1e-12, "abs": 1e-15}


def single_case(n_labels: int, seed: int, n: int = 200):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, n_labels, n)
    predicted = np.where(rng.random(n) < 0.6, reference, rng.integers(0, n_labels, n))
    return predicted, reference, rng.integers(0, 4, n), [f"label{i}" for i in range(n_labels)]


def expected_single(predicted, reference, n_labels):
    scores = {
        "accuracy": reference_scores.accuracy_score(reference, predicted),
        "macro_f1": reference_scores.f1_score(reference, predicted, average="macro", zero_division=0),
        "weighted_f1": reference_scores.f1_score(reference, predicted, average="weighted", zero_division=0),
        "mcc": reference_scores.matthews_corrcoef(reference, predicted),
    }
    if n_labels == 2:
        for name in ("f1", "precision", "recall"):
            scores[name] = getattr(reference_scores, f"{name}_score")(reference, predicted, zero_division=0)
    else:
        for name in ("precision", "recall"):
            score = getattr(reference_scores, f"{name}_score")
            scores[f"macro_{name}"] = score(reference, predicted, average="macro", zero_division=0)
            assert scores["accuracy"] == pytest.approx(score(reference, predicted, average="micro"))
    return scores


@pytest.mark.parametrize("n_labels", [2, 3, 7, 150])
@pytest.mark.parametrize("seed", [0, 1])
def test_single_label_equals_sklearn(n_labels, seed):
    predicted, reference, weights, labels = single_case(n_labels, seed)
    assert single_label(predicted, reference, labels) == pytest.approx(
        expected_single(predicted, reference, n_labels), **CLOSE
    )
    repeated = expected_single(np.repeat(predicted, weights), np.repeat(reference, weights), n_labels)
    assert single_label(predicted, reference, labels, weights) == pytest.approx(repeated, **CLOSE)


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [([0, 0, 0], [0, 0, 1]), ([0, 0], [0, 0]), ([1, 1], [0, 0]), ([1], [1]), ([0, 1, 0, 1], [1, 0, 1, 0])],
)
def test_undefined_values_are_zero_as_in_sklearn(predicted, reference):
    found = single_label(predicted, reference, ["no", "yes"])
    assert found == pytest.approx(expected_single(np.array(predicted), np.array(reference), 2), **CLOSE)
    assert all(math.isfinite(value) for value in found.values())


def test_macro_f1_leaves_out_a_class_that_never_occurs():
    assert single_label([0, 1], [0, 1], ["a", "b", "absent"])["macro_f1"] == 1.0


def test_confusion_equals_sklearn():
    predicted, reference, weights, _ = single_case(5, 3)
    assert (confusion(predicted, reference, 5) == reference_scores.confusion_matrix(reference, predicted)).all()
    weighted = reference_scores.confusion_matrix(reference, predicted, sample_weight=weights)
    assert (confusion(predicted, reference, 5, weights) == weighted).all()
    assert confusion([0], [2], 3).tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]  # references down


def check_per_class(found, predicted, reference, labels):
    columns = reference_scores.precision_recall_fscore_support(
        reference, predicted, labels=range(len(labels)), zero_division=0
    )
    assert list(found) == labels
    for i, label in enumerate(labels):
        names = zip(("precision", "recall", "f1", "support"), (column[i] for column in columns), strict=True)
        assert found[label] == pytest.approx(dict(names), **CLOSE)
        assert type(found[label]["support"]) is int


def test_per_class_equals_sklearn():
    predicted, reference, _, labels = single_case(4, 5)
    check_per_class(per_class(predicted, reference, [*labels, "absent"]), predicted, reference, [*labels, "absent"])


def multi_case(seed: int, n: int = 150, n_labels: int = 6):
    rng = np.random.default_rng(seed)
    reference = rng.random((n, n_labels)) < np.linspace(0.0, 0.6, n_labels)  # the first label never occurs
    predicted = reference ^ (rng.random((n, n_labels)) < np.linspace(0.0, 0.2, n_labels))
    return predicted, reference, rng.integers(0, 4, n), [f"label{i}" for i in range(n_labels)]


def expected_multi(predicted, reference):
    score = {name: getattr(reference_scores, f"{name}_score") for name in ("f1", "precision", "recall")}
    return {
        "micro_f1": score["f1"](reference, predicted, average="micro", zero_division=0),
        "macro_f1": score["f1"](reference, predicted, average="macro", zero_division=0),
        "weighted_f1": score["f1"](reference, predicted, average="weighted", zero_division=0),
        "micro_precision": score["precision"](reference, predicted, average="micro", zero_division=0),
        "micro_recall": score["recall"](reference, predicted, average="micro", zero_division=0),
        "exact_match": reference_scores.accuracy_score(reference, predicted),
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_multi_label_equals_sklearn(seed):
    predicted, reference, weights, labels = multi_case(seed)
    assert multi_label(predicted, reference, labels) == pytest.approx(expected_multi(predicted, reference), **CLOSE)
    repeated = expected_multi(np.repeat(predicted, weights, axis=0), np.repeat(reference, weights, axis=0))
    assert multi_label(predicted, reference, labels, weights) == pytest.approx(repeated, **CLOSE)
    check_per_class(per_class(predicted, reference, labels), predicted, reference, labels)


def test_multi_label_without_any_label_on():
    nothing = np.zeros((3, 2), dtype=bool)
    assert multi_label(nothing, nothing, ["a", "b"]) == expected_multi(nothing, nothing)


def test_distinct_rows_weigh_what_all_rows_weigh():
    predicted, reference, _, labels = single_case(7, 2)
    kinds = distinct(predicted, reference)
    assert kinds[2].sum() == len(reference) and len(kinds[2]) <= 49
    assert single_label(kinds[0], kinds[1], labels, kinds[2]) == pytest.approx(
        single_label(predicted, reference, labels), **CLOSE
    )
    predicted, reference, _, labels = multi_case(2, n_labels=3)
    kinds = distinct(predicted, reference)
    assert kinds[2].sum() == len(reference) and len(kinds[2]) <= 64
    assert multi_label(kinds[0], kinds[1], labels, kinds[2]) == pytest.approx(
        multi_label(predicted, reference, labels), **CLOSE
    )


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="2 predictions for 3 references"):
        single_label([0, 1], [0, 1, 1], ["a", "b"])
    with pytest.raises(DataError, match="nothing to score"):
        single_label([], [], ["a", "b"])
    with pytest.raises(DataError, match="Row 2: the label has the id -100"):
        single_label([0, 1], [0, -100], ["a", "b"])
    with pytest.raises(DataError, match="Row 1: the prediction has the id 2"):
        single_label([2, 1], [0, 1], ["a", "b"])
    with pytest.raises(DataError, match="3 columns"):
        multi_label(np.ones((2, 2)), np.ones((2, 3)), ["a", "b", "c"])


@pytest.mark.parametrize("several", [False, True])
def test_pairs_are_counted_in_blocks(monkeypatch, several):
    from byeori.data import mapped
    from byeori.metrics.classification import distinct, per_class

    rng = np.random.default_rng(0)
    predicted, reference = rng.integers(0, 2 if several else 5, (2, 200, 3) if several else (2, 200))
    if several:
        predicted, reference = predicted > 0, reference > 0
    whole = distinct(predicted, reference)
    monkeypatch.setattr(mapped, "BLOCK", 7)
    for one, other in zip(whole, distinct(predicted, reference), strict=True):
        assert (one == other).all() and one.dtype == other.dtype
    assert whole[2].sum() == 200
    labels = list("abcde")[: 3 if several else 5]
    assert per_class(predicted, reference, labels) == per_class(*whole[:2], labels, whole[2])
