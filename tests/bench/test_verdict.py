"""The arithmetic of ratios, and the sentences made of them: ahead, behind, no difference, one round, a failed contestant."""

from __future__ import annotations

import pytest

from byeori.bench.contestants import contestants
from byeori.bench.options import Running
from byeori.bench.verdict import Ratio, median, ratio, score, scores_said, sentences, warnings

TRAIN = contestants("train", Running())
PREDICT = contestants("predict", Running(), task="text-classification")


def scored(made, value: float, low: float, high: float, name: str = "accuracy") -> list[dict]:
    return [made(scores={name: {"value": value, "low": low, "high": high}})]


def test_ratio_is_taken_round_by_round(made):
    ours = [made(turn, rate) for turn, rate in enumerate((30.0, 20.0, 50.0))]
    theirs = [made(turn, rate) for turn, rate in enumerate((10.0, 10.0, 20.0))]
    assert ratio(ours, theirs) == Ratio(2.5, 2.0, 3.0, 3)
    assert ratio(ours, theirs, turned=True) == Ratio(0.4, pytest.approx(1 / 3), 0.5, 3)
    assert ratio(ours, theirs[1:]) == Ratio(2.25, 2.0, 2.5, 2), "of the rounds that both have"
    assert ratio(ours[:1], theirs[1:]) is None and ratio([], theirs) is None


@pytest.mark.parametrize("found, kind, said", [
    (Ratio(3.1, 3.0, 3.2, 3), "ahead", "3.10× (3.00–3.20)"),
    (Ratio(0.8, 0.7, 0.9, 3), "behind", "0.80× (0.70–0.90)"),
    (Ratio(1.02, 0.98, 1.05, 3), "even", "1.02× (0.98–1.05)"),
    (Ratio(1.0, 1.0, 1.2, 3), "even", "1.00× (1.00–1.20)"),
    (Ratio(1.08, 1.08, 1.08, 1), "even", "1.08×"),
    (Ratio(1.5, 1.5, 1.5, 1), "ahead", "1.50×"),
    (Ratio(0.5, 0.5, 0.5, 1), "behind", "0.50×"),
])  # fmt: skip
def test_a_difference_is_claimed_only_where_the_spread_leaves_out_1(found, kind, said):
    assert (found.kind, found.said) == (kind, said)


def test_the_verdict_says_who_is_ahead_and_who_is_not(made):
    measured = {
        "tutorial": [made(0, 10.0), made(1, 10.0), made(2, 10.0)],
        "tuned": [made(0, 40.0), made(1, 40.0), made(2, 40.0)],
        "byeori": [made(0, 31.0), made(1, 30.0), made(2, 32.0)],
        "random": [made(0, 38.8), made(1, 41.2), made(2, 40.0)],
    }
    assert sentences("train", TRAIN, measured, {}) == [
        "Byeori trains 3.10× (3.00–3.20) as fast as the Trainer as the tutorials set it.",
        "Byeori trains 0.78× (0.75–0.80) as fast as the Trainer, tuned: it is slower here, by 22%.",
        "Byeori in random order trains 4.00× (3.88–4.12) as fast as the Trainer as the tutorials set it.",
        "No difference in speed seen between Byeori in random order and the Trainer, tuned: 1.00× (0.97–1.03).",
    ]


def test_a_contestant_that_failed_is_named_with_its_reason(made):
    measured = {"tutorial": [], "tuned": [made(0, 10.0)], "byeori": [made(0, 20.0)], "random": []}
    said = sentences("train", TRAIN, measured, {"tutorial": "out of memory", "random": "no disk"})
    assert said == [
        "No comparison of Byeori with the Trainer as the tutorials set it: it failed (out of memory).",
        "Byeori trains 2.00× as fast as the Trainer, tuned.",
        "No figures of Byeori in random order: it failed (no disk).",
    ]


def test_memory_is_told_only_where_it_is_more(made):
    measured = {
        "tutorial": [made(0, memory_mb=100.0), made(1, memory_mb=100.0)],
        "tuned": [made(0, memory_mb=300.0), made(1, memory_mb=300.0)],
        "byeori": [made(0, memory_mb=150.0), made(1, memory_mb=160.0)],
    }
    said = [one for one in sentences("predict", PREDICT, measured, {}) if "memory" in one]
    assert said == ["Byeori takes more memory than pipeline() as it comes: 155 MiB against 100, 1.55× (1.50–1.60)."]


@pytest.mark.parametrize("equal, said", [
    (1.0, "the same answer in every row as pipeline() as it comes."),
    (0.998, "the same answer in 99.8% of the rows as pipeline() as it comes."),
    (0.99999, "the same answer in 99.9% of the rows as pipeline() as it comes."),
])  # fmt: skip
def test_equal_answers_are_told(made, equal, said):
    measured = {"tutorial": [made(equal=1.0)], "tuned": [made(equal=1.0)], "byeori": [made(equal=equal)]}
    assert sentences("predict", PREDICT, measured, {})[-1] == f"Byeori gives {said}"


def test_scores_that_overlap_and_scores_that_do_not(made):
    measured = {"tutorial": scored(made, 0.86, 0.84, 0.88), "byeori": scored(made, 0.87, 0.85, 0.89), "tuned": []}
    said, warning = scores_said(TRAIN, measured, "accuracy", lower=False)
    assert said == (
        "Byeori's accuracy is 0.870 (0.850–0.890); that of the Trainer as the tutorials set it 0.860 (0.840–0.880): no "
        "difference beyond the intervals."
    )
    assert warning is None
    measured["tuned"] = scored(made, 0.95, 0.94, 0.96)
    said, warning = scores_said(TRAIN, measured, "accuracy", lower=False)
    assert said.endswith("that of the Trainer, tuned 0.950 (0.940–0.960).")
    assert "(Byeori's is worse than that of the Trainer, tuned)" in warning


def test_a_lower_perplexity_is_better(made):
    measured = {
        "tutorial": scored(made, 30.0, 29.0, 31.0, "perplexity"), "byeori": scored(made, 20.0, 19.0, 21.0, "perplexity"),
    }  # fmt: skip
    said, warning = scores_said(TRAIN, measured, "perplexity", lower=True)
    assert (
        "perplexity is 20.0 (19.0–21.0)" in said
        and "better than that of the Trainer as the tutorials set it" in warning
    )


def test_nothing_is_said_of_scores_nobody_has(made):
    assert scores_said(TRAIN, {"byeori": [made()], "tutorial": [made()]}, "accuracy", False) == (None, None)


def test_scores_and_medians_over_rounds(made):
    rounds = [one for value in (0.5, 0.7, 0.9) for one in scored(made, value, value - 0.1, value + 0.1)]
    assert score(rounds, "accuracy") == {"value": 0.7, "low": pytest.approx(0.6), "high": pytest.approx(0.8)}
    assert median([made(padding=0.25), made(padding=None)], "padding") == 0.25
    assert median([made()], "padding") is None


def test_quiet_rounds_enough_of_them_raise_no_warning(made):
    measured = {name: [made(turn) for turn in range(3)] for name in ("tutorial", "byeori")}
    assert warnings(TRAIN, measured, 3) == []


def test_few_rounds_and_short_ones(made):
    one = {"tutorial": [made()], "byeori": [made(rate=1_000.0)]}
    few, short = warnings(TRAIN, one, 1)
    assert few == "One round has no spread: a few percent may be chance. Give --rounds 3 or more."
    assert short.startswith("The shortest measurement took 0.10 s")
    two = {name: [made(0), made(1)] for name in ("tutorial", "byeori")}
    assert warnings(TRAIN, two, 2) == [
        "Two rounds have a spread of two values: a few percent may be chance. Give --rounds 3 or more."
    ]


def test_a_busy_machine_is_told_with_the_ratio_of_processor_seconds(made):
    measured = {
        "tutorial": [made(turn, cpu_seconds=30.0, others=0.4, load=2.5) for turn in range(3)],
        "byeori": [made(turn, cpu_seconds=10.0, others=0.3, load=2.1) for turn in range(3)],
    }
    assert warnings(TRAIN, measured, 3) == [
        "The machine was busy: other programs used 35% of its cores, load average 2.3. Measure again when it is quiet. By "
        "processor seconds, which others disturb less, Byeori is at 3.00× (3.00–3.00) the Trainer as the tutorials set it."
    ]


def test_a_round_that_stood_still_is_noticed(made):
    measured = {"byeori": [made(0), made(1), made(2, seconds=40.0)], "tutorial": [made(turn) for turn in range(3)]}
    (said,) = warnings(TRAIN, measured, 3)
    assert said.startswith("The machine was busy: byeori had the processor for very different shares of the rounds.")


def test_kept_measurements_are_told(made):
    measured = {name: [made(turn) for turn in range(3)] for name in ("tutorial", "byeori")}
    assert warnings(TRAIN, measured, 3, kept=2)[0].startswith("2 of 6 measurements were in the file already")
