"""A user's metric is called as it asks to be, the course's included, and what it returns is checked."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score

from byeori.errors import DataError, SettingError
from byeori.metrics.custom import call_metric, scored_metric
from byeori.metrics.intervals import bootstrap_by_resampling

LOGITS = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 2.0], [4.0, 0.0]])
LABELS = np.array([0, 1, 0, 0])
PREDICTED = LOGITS.argmax(axis=1)


def call(metric):
    return call_metric(metric, PREDICTED, LABELS, LOGITS, LABELS)


def course(eval_pred):
    logits, labels = eval_pred
    predictions = np.argmax(logits, axis=-1)
    return {"accuracy": (predictions == labels).mean()}


def test_the_courses_function_unchanged():
    assert call(course) == {"accuracy": 0.75}
    assert call(lambda x: {"rows": len(x.predictions) + len(x.label_ids)}) == {"rows": 8.0}
    assert call(lambda eval_preds, verbose=False: float(len(eval_preds[0]))) == {"metric": 4.0}


def test_two_parameters_get_predictions_and_references():
    def first_is_predictions(predictions, references):
        return float(predictions is PREDICTED and references is LABELS)

    assert call(first_is_predictions) == {"first_is_predictions": 1.0}
    assert call(lambda p, r: float(p is PREDICTED and r is LABELS)) == {"metric": 1.0}
    assert call(lambda *both: float(both[0] is PREDICTED)) == {"metric": 1.0}
    assert call(lambda *, predictions, references: float(predictions is PREDICTED)) == {"metric": 1.0}
    assert call(lambda predictions, references=None: float(references is LABELS)) == {"metric": 1.0}


def test_sklearns_order_is_kept_by_name():
    assert call(precision_score) == {"precision_score": precision_score(LABELS, PREDICTED)}
    assert precision_score(LABELS, PREDICTED) != precision_score(PREDICTED, LABELS)
    share = functools.partial(accuracy_score, normalize=False)
    assert call(share) == {"accuracy_score": 3.0}


@pytest.mark.parametrize("value", [1, 0.5, True, np.float32(0.5), np.array(0.25), torch.tensor(0.5), np.int64(3)])
def test_scalars_of_any_kind(value):
    assert call(lambda p, r: value) == {"metric": float(value)}
    assert call(lambda p, r: {"a": value}) == {"a": float(value)}


@pytest.mark.parametrize("value", [None, "0.5", [0.5], (0.5, 0.6), np.array([0.5, 0.6]), {"f1": None}, {"f1": [1]}, {}])
def test_anything_else_is_refused(value):
    def mine(predictions, references):
        return value

    with pytest.raises(SettingError, match="The metric mine returned"):
        call(mine)


def test_functions_of_another_shape_are_refused():
    with pytest.raises(SettingError, match="needs a, b, c"):
        call(lambda a, b, c: 0.0)
    with pytest.raises(SettingError, match="takes no parameters"):
        call(lambda: 0.0)
    with pytest.raises(SettingError, match="roc_auc_score asks for y_score"):
        call(roc_auc_score)


def test_scored_metric_draws_the_same_rows_for_all_columns(monkeypatch):
    monkeypatch.setattr(
        "byeori.metrics.intervals.time", SimpleNamespace(perf_counter=lambda: 0.0)
    )  # a busy machine draws fewer
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    logits = np.stack([1.0 - labels, labels], axis=1) + rng.normal(size=(300, 2))
    predicted = logits.argmax(axis=1)
    one = scored_metric(course, predicted, labels, logits, labels, resamples=200)
    two = scored_metric(accuracy_score, predicted, labels, None, None, resamples=200)
    assert one["accuracy"] == pytest.approx(two["accuracy_score"])
    assert one["accuracy"]["low"] < one["accuracy"]["value"] < one["accuracy"]["high"]
    assert one["accuracy"]["value"] == accuracy_score(labels, predicted)
    # text predictions, as lists
    words = scored_metric(lambda p, r: float(p == r), ["a"] * 5, ["a"] * 5, None, None, resamples=100)
    assert words == {"metric": {"value": 1.0, "low": 1.0, "high": 1.0}}


def test_a_metric_that_is_no_number_is_undefined():
    found = scored_metric(
        lambda p, r: {"own": float("nan"), "other": 0.5}, ["a"] * 3, ["b"] * 3, None, None, resamples=100
    )
    assert found["own"] == {"value": None, "low": None, "high": None} and found["other"]["value"] == 0.5


def test_different_lengths_and_no_rows():
    for predictions, references in ((["a"], ["a", "b"]), ([], [])):
        with pytest.raises(DataError, match="can't be matched|nothing to score"):
            bootstrap_by_resampling(lambda p, r: 1.0, predictions, references)
