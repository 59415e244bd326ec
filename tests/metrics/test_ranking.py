"""AUROC equals scikit-learn's, ties and weights included; a class absent from a test set leaves the mean."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from byeori.errors import DataError
from byeori.metrics import ranking
from byeori.metrics.ranking import RankingScore, ranking_scores


def two(seed: int, n: int = 200, step: float | None = None):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 2, n)
    ranked = rng.normal(size=n) + reference
    return (ranked if step is None else np.round(ranked / step) * step), reference, rng.integers(0, 4, n)


def value(ranked, reference) -> float:
    return ranking_scores(ranked, reference, resamples=0)["auroc"]["value"]


@pytest.mark.parametrize("step", [None, 0.3, 2.0])  # ties: none, some, nearly all
@pytest.mark.parametrize("seed", [0, 1])
def test_two_classes_equal_sklearn(seed, step):
    ranked, reference, weights = two(seed, step=step)
    assert value(ranked, reference) == pytest.approx(roc_auc_score(reference, ranked), rel=1e-12)
    repeated = roc_auc_score(np.repeat(reference, weights), np.repeat(ranked, weights))
    assert RankingScore(ranked, reference)(weights)["auroc"] == pytest.approx(repeated, rel=1e-12)


def test_the_published_example():
    assert value([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75  # scikit-learn's documentation of roc_auc_score


def test_several_classes_are_one_against_the_rest():
    rng = np.random.default_rng(3)
    reference = rng.integers(0, 4, 300)
    logits = rng.normal(size=(300, 4)) + np.eye(4)[reference]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert value(chances, reference) == pytest.approx(roc_auc_score(reference, chances, multi_class="ovr"), rel=1e-12)


def test_several_labels_a_row():
    rng = np.random.default_rng(4)
    flags = rng.random((200, 3)) < 0.3
    ranked = rng.normal(size=(200, 3)) + flags
    assert value(ranked, flags) == pytest.approx(roc_auc_score(flags, ranked, average="macro"), rel=1e-12)


def test_a_class_absent_from_test_leaves_the_mean():
    ranked = np.array([[3.0, 1.0, 9.0], [2.0, 5.0, 1.0], [4.0, 2.0, 2.0], [1.0, 3.0, 3.0]])
    reference = np.array([0, 1, 0, 1])
    by_class = [roc_auc_score(reference == place, ranked[:, place]) for place in (0, 1)]
    assert value(ranked, reference) == pytest.approx(np.mean(by_class))
    with warnings.catch_warnings(), pytest.raises(ValueError):  # where scikit-learn gives up
        warnings.simplefilter("error")
        roc_auc_score(reference, ranked / ranked.sum(1, keepdims=True), multi_class="ovr")
    assert value([0.1, 0.9], [1, 1]) is None  # one class alone: nothing to be told apart
    assert value([0.1, math.nan], [0, 1]) is None  # of a model that diverged
    found = ranking_scores([0.5, 0.5, 0.5], [0, 1, 1], resamples=200)["auroc"]
    assert found == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_intervals_whichever_way_they_are_found(monkeypatch):
    ranked, reference, _ = two(5, n=2_000)
    exact = ranking_scores(ranked, reference)["auroc"]
    assert exact == ranking_scores(ranked, reference)["auroc"]
    # Hanley and McNeil 1982
    area, ones, zeros = exact["value"], reference.sum(), (1 - reference).sum()
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (ones - 1) * (first - area**2) + (zeros - 1) * (second - area**2)
    half = 1.96 * math.sqrt(spread / ones / zeros)
    assert exact["high"] - exact["low"] == pytest.approx(2 * half, rel=0.15)
    monkeypatch.setattr(ranking, "WORK", 1)
    binned = ranking_scores(ranked, reference)["auroc"]
    assert binned["value"] == exact["value"]
    for end in ("low", "high"):
        assert binned[end] == pytest.approx(exact[end], abs=0.15 * half)
    several = np.stack([-ranked, ranked, 0 * ranked], axis=1)
    assert ranking_scores(several, reference)["auroc"]["low"] is None  # too much work even for 100 resamples
    monkeypatch.setattr(ranking, "WORK", 2_000 * 2 * 100)
    assert ranking_scores(several, reference)["auroc"]["low"] is not None


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(DataError, match="2 predictions for 3 references"):
        ranking_scores([0.1, 0.2], [0, 1, 1])
    with pytest.raises(DataError, match="nothing to score"):
        ranking_scores([], [])
    with pytest.raises(DataError, match="can't be ranked"):
        ranking_scores(np.zeros((2, 3)), np.zeros((2, 2), bool))
