"""Bootstrap intervals: reproducible, of the right width, and the same whether rows or kinds of rows are drawn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from byeori.errors import DataError, SettingError
from byeori.metrics.classification import distinct, multi_label, single_label
from byeori.metrics.intervals import bootstrap, bootstrap_by_resampling, draws, scored
from byeori.metrics.regression import RegressionScore
from byeori.metrics.scores import scores


def binary(n: int, right: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 2, n)
    return np.where(rng.random(n) < right, reference, 1 - reference), reference


def test_accuracy_interval_is_near_the_normal_approximation():
    predicted, reference = binary(2_000, 0.8)
    found = scores("single_label", predicted, reference, ["a", "b"], resamples=4_000)["accuracy"]
    half = 1.96 * math.sqrt(found["value"] * (1 - found["value"]) / 2_000)
    assert found["low"] == pytest.approx(found["value"] - half, abs=0.15 * half)
    assert found["high"] == pytest.approx(found["value"] + half, abs=0.15 * half)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for trial in range(500):
        right = rng.binomial(300, 0.75)
        counts = np.array([300 - right, right])
        found = bootstrap(lambda w: {"accuracy": w[1] / w.sum()}, 300, resamples=300, seed=trial, counts=counts)
        low, high = found["accuracy"]
        covered += low <= 0.75 <= high
    # 95% less what 300 resamples and whole numbers cost, and three standard errors (1% each) of 500 trials
    assert 0.91 <= covered / 500 <= 0.98


def test_pearson_interval_is_near_fishers():
    rng = np.random.default_rng(2)
    x = rng.normal(size=1_000)
    y = x + rng.normal(size=1_000)
    found = scores("regression", x, y, resamples=2_000)["pearson"]
    z, half = math.atanh(found["value"]), 1.96 / math.sqrt(1_000 - 3)
    assert found["low"] == pytest.approx(math.tanh(z - half), abs=0.006)
    assert found["high"] == pytest.approx(math.tanh(z + half), abs=0.006)


def test_drawing_kinds_has_the_distribution_of_drawing_rows():
    predicted, reference = binary(400, 0.7)
    labels = ["a", "b"]
    rows = bootstrap(lambda w: single_label(predicted, reference, labels, w), 400, resamples=6_000)
    p, r, counts = distinct(predicted, reference)
    kinds = bootstrap(lambda w: single_label(p, r, labels, w), 400, resamples=6_000, seed=1, counts=counts)
    for name, (low, high) in rows.items():
        assert kinds[name] == pytest.approx((low, high), abs=0.08 * (high - low))


def test_counts_have_the_moments_of_a_multinomial():
    # all rows; few kinds of them, drawn directly; nearly as many kinds as rows, where rows are drawn and counted
    for n, counts in ((3, None), (100, [1, 5, 94]), (4, [1, 3])):
        drawn = np.stack(list(draws(n, resamples=20_000, counts=None if counts is None else np.array(counts))))
        share = np.full(n, 1 / n) if counts is None else np.array(counts) / n
        covariance = n * (np.diag(share) - np.outer(share, share))
        assert (drawn.sum(axis=1) == n).all()
        # within 4.5 standard errors: of a mean sqrt(v / R), of a variance about v sqrt(2 / R)
        assert np.abs(drawn.mean(axis=0) - n * share).max() < 4.5 * np.sqrt(covariance.max() / 20_000)
        assert np.abs(np.cov(drawn.T) - covariance).max() < 4.5 * covariance.max() * np.sqrt(2 / 20_000)


def test_a_seed_settles_the_interval():
    predicted, reference = binary(300, 0.7)
    table = scores("single_label", predicted, reference, ["a", "b"])
    assert scores("single_label", predicted, reference, ["a", "b"]) == table
    assert scores("single_label", predicted, reference, ["a", "b"], seed=1) != table
    wide = scores("single_label", predicted, reference, ["a", "b"], level=0.99)
    assert wide["accuracy"]["low"] < table["accuracy"]["low"] < table["accuracy"]["high"] < wide["accuracy"]["high"]


def test_values_are_the_plain_scores():
    predicted, reference = binary(300, 0.7)
    found = scores("single_label", predicted, reference, ["a", "b"])
    plain = single_label(predicted, reference, ["a", "b"])
    assert {name: entry["value"] for name, entry in found.items()} == pytest.approx(plain, rel=1e-12)
    rng = np.random.default_rng(0)
    flags = rng.random((300, 5)) < 0.3
    guessed = flags ^ (rng.random((300, 5)) < 0.1)
    found = scores("multi_label", guessed, flags, list("abcde"))
    plain = multi_label(guessed, flags, list("abcde"))
    assert {name: entry["value"] for name, entry in found.items()} == pytest.approx(plain, rel=1e-12)
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in found.values())


def test_undefined_is_none_and_the_table_is_plain_json():
    found = scores("regression", [0.5] * 20, list(range(20)))
    assert found["pearson"] == {"value": None, "low": None, "high": None}
    assert found["rmse"]["low"] < found["rmse"]["value"] < found["rmse"]["high"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_no_interval_below_100_resamples():
    found = scored(RegressionScore([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]), 3, resamples=99)
    assert found["mae"] == {"value": pytest.approx(1 / 3), "low": None, "high": None}


def test_resamples_without_a_value_are_left_out():
    calls = iter(range(10_000))
    found = bootstrap(lambda w: {"some": float(next(calls) % 3 or math.nan), "never": math.nan}, 5, resamples=300)
    assert found["some"] == (1.0, 2.0)
    assert all(math.isnan(end) for end in found["never"])


@pytest.mark.parametrize("kind", [list, np.array])
def test_resampling_equals_weighing(kind):
    predicted, reference = binary(200, 0.8)
    slow = bootstrap_by_resampling(accuracy, kind(predicted), kind(reference), seconds=60)
    quick = bootstrap(lambda w: single_label(predicted, reference, ["a", "b"], w), 200)["accuracy"]
    assert slow["accuracy"]["value"] == accuracy_score(reference, predicted)
    assert (slow["accuracy"]["low"], slow["accuracy"]["high"]) == quick  # the same draws, too
    assert slow == bootstrap_by_resampling(accuracy, kind(predicted), kind(reference), seconds=60)


def accuracy(predictions, references) -> float:
    return sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)


def test_a_slow_metric_gets_no_interval():
    found = bootstrap_by_resampling(accuracy, [1, 0, 1], [1, 1, 1], seconds=0.0)
    assert found == {"accuracy": {"value": 2 / 3, "low": None, "high": None}}


def test_a_metric_that_fails_on_a_resample():
    def needs_both(predictions, references):
        if len(set(references)) < 2:
            raise ValueError("only one class")
        return {"share": sum(predictions) / len(predictions)}

    found = bootstrap_by_resampling(needs_both, [0, 1, 1, 0, 1], [0, 1, 1, 0, 1], resamples=200)
    assert found["share"]["low"] <= found["share"]["value"] == 0.6 <= found["share"]["high"]


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="no rows"):
        bootstrap(lambda w: {"x": 1.0}, 0)
    with pytest.raises(DataError, match="2 predictions for 1 references"):
        bootstrap_by_resampling(accuracy, [1, 2], [1])
    with pytest.raises(SettingError, match="returned 'high'"):
        bootstrap_by_resampling(lambda p, r: "high", [1], [1])
    with pytest.raises(DataError, match="nothing to score"):
        scores("single_label", [], [], ["a"])
    with pytest.raises(ValueError, match="problem_type='ranking'"):
        scores("ranking", [1], [1], ["a"])


def test_a_ratio_of_very_many_rows_is_drawn_block_by_block(monkeypatch):
    """With the spread that drawing all rows at once has."""
    from byeori.data import mapped
    from byeori.metrics import intervals

    rng = np.random.default_rng(0)
    bottoms = rng.integers(1, 5, 4_000).astype(float)
    tops = bottoms * rng.exponential(size=4_000)
    whole = intervals.scored_ratio("mean", tops, bottoms, resamples=3_000)["mean"]
    monkeypatch.setattr(intervals, "MANY", 100)
    monkeypatch.setattr(mapped, "BLOCK", 700)
    blocks = intervals.scored_ratio("mean", tops, bottoms, resamples=3_000)["mean"]
    assert blocks["value"] == pytest.approx(whole["value"], rel=1e-12) == tops.sum() / bottoms.sum()
    spread = whole["high"] - whole["low"]
    assert blocks["low"] == pytest.approx(whole["low"], abs=0.06 * spread)
    assert blocks["high"] == pytest.approx(whole["high"], abs=0.06 * spread)
    assert intervals.scored_ratio("mean", tops, bottoms, resamples=0)["mean"]["low"] is None
