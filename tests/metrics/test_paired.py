"""Two models on the same rows: exact tests, sacrebleu's own paired test, and what sums and weights must agree on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from byeori.metrics.calibration import CalibrationScore, calibration_scores
from byeori.metrics.intervals import Ratios, bootstrap, collected
from byeori.metrics.paired import Joint, holm, interval
from byeori.metrics.regression import RegressionScore
from byeori.metrics.scores import scores
from byeori.metrics.translation import TranslationScore


def right_or_wrong(n: int, second: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows that two models have right; they differ in `second` of them."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < 0.7
    other = first.copy()
    rows = rng.choice(n, second, replace=False)
    other[rows] = ~other[rows]
    return first, other


def of_both(first, second) -> Joint:
    return Joint(Ratios({"accuracy": (np.concatenate([first, second]), np.ones(2 * len(first)))}), len(first))


@pytest.mark.parametrize("seed", range(4))
def test_all_swaps_of_few_rows_are_the_exact_binomial_test(seed):
    """McNemar's exact test: of rows where one alone is right each side is as likely as the other."""
    first, second = right_or_wrong(60, 11, seed)
    found = of_both(first, second).difference(0, 1)["accuracy"]
    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    assert found["exact"] and found["permutations"] == 2**11
    assert found["p"] == pytest.approx(stats.binomtest(won, won + lost).pvalue, abs=1e-12)
    assert found["difference"] == pytest.approx(second.mean() - first.mean())


def test_drawn_swaps_come_near_the_exact_test_and_never_say_zero():
    first, second = right_or_wrong(2_000, 60)
    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    found = of_both(first, second).difference(0, 1)["accuracy"]
    assert not found["exact"] and found["permutations"] == 10_000
    assert found["p"] == pytest.approx(stats.binomtest(won, won + lost).pvalue, abs=0.015)
    sure = of_both(np.zeros(500, bool), np.ones(500, bool)).difference(0, 1)["accuracy"]
    assert sure["p"] == 1 / 10_001


def test_the_interval_is_the_bootstrap_of_the_difference():
    first, second = right_or_wrong(300, 40)
    found = of_both(first, second).difference(0, 1)["accuracy"]
    change = second.astype(float) - first
    low, high = bootstrap(lambda w: {"d": float(w @ change / w.sum())}, 300)["d"]
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_equal_runs_have_no_difference_and_p_one():
    first, _ = right_or_wrong(50, 5)
    found = of_both(first, first).difference(0, 1)["accuracy"]
    assert (found["difference"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


@pytest.mark.parametrize("labels", [2, 4])
def test_sums_and_weights_give_the_same(labels):
    """The classification scores as sums, and as the plain functions that metrics.json is made by."""
    rng = np.random.default_rng(0)
    n = 40
    right = rng.integers(0, labels, n)
    sides = [np.where(rng.random(n) < share, right, rng.integers(0, labels, n)) for share in (0.8, 0.7)]
    sides[1] = np.where(np.arange(n) < 30, sides[0], sides[1])
    names = [str(number) for number in range(labels)]
    with collected() as asked:
        scores("single_label", np.concatenate(sides), np.concatenate([right, right]), names)
    ((score, rows),) = asked
    assert rows == 2 * n
    fast, plain = Joint(score, n), Joint(lambda weights: score(weights), n)
    assert fast.sums and not plain.sums
    for name, value in scores("single_label", sides[0], right, names).items():
        assert fast.values[0][name] == pytest.approx(value["value"], abs=1e-12)
    one, other = (joint.difference(0, 1, permutations=2_000) for joint in (fast, plain))
    for name in one:
        for key in ("difference", "low", "high"):
            assert one[name][key] == pytest.approx(other[name][key], abs=1e-12), (name, key)
        assert one[name]["p"] == pytest.approx(other[name]["p"], abs=0.05)


def test_correlations_are_swapped_row_by_row():
    """Spearman is no sum: of few rows all swaps are made, and each is what SciPy says of the swapped columns."""
    rng = np.random.default_rng(1)
    n = 7
    right = rng.normal(size=n)
    sides = [right + rng.normal(size=n) * spread for spread in (0.3, 1.5)]
    found = Joint(RegressionScore(np.concatenate(sides), np.concatenate([right, right])), n).difference(0, 1)[
        "spearman"
    ]
    every = []
    for swap in range(2**n):
        mask = np.array([swap >> row & 1 for row in range(n)], bool)
        pair = np.where(mask, sides[1], sides[0]), np.where(mask, sides[0], sides[1])
        every.append(stats.spearmanr(pair[1], right)[0] - stats.spearmanr(pair[0], right)[0])
    assert found["difference"] == pytest.approx(every[0])
    assert found["exact"] and found["p"] == np.mean(np.abs(every) >= abs(every[0]) - 1e-12)


def test_bleu_and_chrf_have_sacrebleus_p():
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    rng = np.random.default_rng(3)
    words = ["the", "a", "cat", "dog", "sat", "on", "mat", "under", "tree", "and", "saw", "bird", "big", "small", "red"]
    right = [" ".join(rng.choice(words, 9)) for _ in range(80)]

    def noisy(share: float) -> list[str]:
        return [" ".join(w if rng.random() > share else str(rng.choice(words)) for w in one.split()) for one in right]

    sides = noisy(0.30), noisy(0.34)
    joint = Joint(TranslationScore([*sides[0], *sides[1]], [*right, *right], tokenize="13a"), len(right))
    found = joint.difference(0, 1)["bleu"]
    systems = [("first", sides[0]), ("second", sides[1])]
    _, theirs = PairedTest(systems, {"BLEU": BLEU(references=[right])}, None, test_type="ar", n_samples=5_000)()
    first, second = theirs["BLEU"]
    assert found["first"] == pytest.approx(first.score) and found["second"] == pytest.approx(second.score)
    assert found["p"] == pytest.approx(second.p_value, abs=0.025)


def test_several_seeds_widen_the_interval():
    """Rows alone would say two settings differ where a seed of one is as far from its other seeds."""
    rng = np.random.default_rng(0)
    n, chances = 400, (0.70, 0.80, 0.72, 0.82)
    hard = rng.random(n)
    runs = [hard < chance for chance in chances]
    score = Ratios({"accuracy": (np.concatenate(runs), np.ones(4 * n))})
    joint = Joint(score, n, 4)
    alone, several = joint.difference(0, 3)["accuracy"], joint.groups([0, 1], [2, 3])["accuracy"]
    assert several["difference"] == pytest.approx(np.mean(runs[2:]) - np.mean(runs[:2]))
    assert several["low"] < 0 < several["high"] and several["p"] > 0.3
    assert alone["low"] > 0 and alone["p"] < 0.01
    single = joint.groups([0], [3])["accuracy"]  # groups of one: the paired bootstrap
    assert (single["low"], single["high"]) == pytest.approx((alone["low"], alone["high"]))


def sure(n: int, heat: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and hits of a model whose logits are `heat` times as far apart as the truth has them."""
    margin = rng.exponential(1.2, n)
    return 1 / (1 + np.exp(-heat * margin)), rng.random(n) < 1 / (1 + np.exp(-margin))


def of_sure(first, second) -> Joint:
    pairs = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    return Joint(CalibrationScore(*pairs), len(first[0]))


def test_a_difference_of_ece_from_none_has_the_interval_of_a_single_run():
    model = sure(500, 2.0, np.random.default_rng(1))
    faultless = np.ones(500), np.ones(500, bool)  # its ECE is 0 in each resample
    found, alone = of_sure(faultless, model).difference(0, 1)["ece"], calibration_scores(*model)["ece"]
    assert (found["low"], found["high"]) == pytest.approx((alone["low"], alone["high"]))
    grouped = of_sure(faultless, model).groups([0], [1])["ece"]
    assert (grouped["low"], grouped["high"]) == pytest.approx((alone["low"], alone["high"]))


def test_how_often_the_interval_of_a_difference_of_ece_holds_the_true_one():
    rng = np.random.default_rng(0)

    def held(first: float, second: float) -> tuple[float, float]:
        """Shares of the intervals that hold the difference of many rows: moved as they are, and not moved."""
        ends = [sure(1_000_000, heat, rng) for heat in (first, second)]
        true = of_sure(*ends).values
        true = true[1]["ece"] - true[0]["ece"]
        hits = []
        for seed in range(150):
            joint = of_sure(sure(500, first, rng), sure(500, second, rng))
            drawn = joint.resampled(200, seed)
            one = joint.difference(0, 1, permutations=1, drawn=drawn)["ece"]
            low, high = interval(drawn[1]["ece"] - drawn[0]["ece"])
            hits.append((one["low"] <= true <= one["high"], low <= true <= high))
        return tuple(np.mean(hits, 0))

    assert held(2.0, 2.0)[0] >= 0.9
    moved, still = held(1.0, 3.0)
    assert moved > still + 0.1


def test_holm_as_statsmodels_has_it():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.6]) == [1.0, None, 1.0]
