"""Answer scores equal SQuAD's and KorQuAD's official scripts, written down again here from their description."""

from __future__ import annotations

import collections
import json
import re
import string
from pathlib import Path

import numpy as np
import pytest

from byeori.errors import DataError, SettingError
from byeori.metrics.answers import AnswerScore, answer_scores, best_threshold, exact_match, f1

SQUAD2 = Path(__file__).parents[3] / "shared" / "data" / "squad2" / "dev-v2.0.json"


def values(found):
    return {name: entry["value"] for name, entry in found.items()}


# SQuAD 2.0, evaluate-v2.0.py: lower, punctuation, articles, white space; over all gold answers the best
def squad_normal(text):
    text = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_pair(gold, predicted):
    exact = float(squad_normal(gold) == squad_normal(predicted))
    gold_words, words = squad_normal(gold).split(), squad_normal(predicted).split()
    if not gold_words or not words:
        return exact, float(gold_words == words)
    same = sum((collections.Counter(gold_words) & collections.Counter(words)).values())
    if not same:
        return exact, 0.0
    precision, recall = same / len(words), same / len(gold_words)
    return exact, 2 * precision * recall / (precision + recall)


def squad_row(predicted, answers):
    golds = [answer for answer in answers if squad_normal(answer)] or [""]
    pairs = [squad_pair(gold, predicted) for gold in golds]
    return max(exact for exact, _ in pairs), max(score for _, score in pairs)


# KorQuAD 1.0, evaluate-v1.0.py: brackets and quotes are spaces; F1 over the characters of the tokens
def korquad_normal(text):
    for mark in "'\"《》<>〈〉()‘’":
        text = text.replace(mark, " ")
    return " ".join("".join(ch for ch in text.lower() if ch not in set(string.punctuation)).split())


def korquad_row(predicted, answers):
    exact = best = 0.0
    for gold in answers:
        exact = max(exact, float(korquad_normal(gold) == korquad_normal(predicted)))
        ours, theirs = ([c for token in korquad_normal(t).split() for c in token] for t in (predicted, gold))
        same = sum((collections.Counter(ours) & collections.Counter(theirs)).values())
        if same:
            precision, recall = same / len(ours), same / len(theirs)
            best = max(best, 2 * precision * recall / (precision + recall))
    return exact, best


def english_case(seed: int, n: int = 300):
    rng = np.random.default_rng(seed)
    words = np.array(["The", "cat", "a", "sat.", "on", "Mat,", "1976", "U.S.", "Paris", "an", "dog's", "-"])

    def answer():
        return " ".join([str(rng.choice(words[[1, 3, 6, 8]])), *rng.choice(words, rng.integers(0, 4))])

    answers = [[answer() for _ in range(rng.integers(0, 4))] for _ in range(n)]
    predicted = [
        "" if rng.random() < 0.2 else rng.choice(right) if right and rng.random() < 0.4 else answer()
        for right in answers
    ]
    return [str(text) for text in predicted], answers


@pytest.mark.parametrize("seed", range(5))
def test_squad_equals_the_official_script(seed):
    predicted, answers = english_case(seed)
    rows = np.array([squad_row(*row) for row in zip(predicted, answers, strict=True)])
    has = np.array([bool(right) for right in answers])
    assert values(answer_scores(predicted, answers, unit="word", resamples=0)) == pytest.approx(
        {
            "exact_match": rows[:, 0].mean(),
            "f1": rows[:, 1].mean(),
            "has_answer_exact_match": rows[has, 0].mean(),
            "has_answer_f1": rows[has, 1].mean(),
            "no_answer_accuracy": rows[~has, 0].mean(),
        },
        rel=1e-12,
    )


@pytest.mark.skipif(not SQUAD2.exists(), reason="the SQuAD file is not here")
def test_squad_on_its_own_dev_file_equals_the_official_script():
    questions = [
        (question, paragraph["context"])
        for article in json.loads(SQUAD2.read_text(encoding="utf-8"))["data"][:6]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    rng = np.random.default_rng(0)
    answers = [[answer["text"] for answer in question["answers"]] for question, _ in questions]
    predicted = []
    for right, (_, context) in zip(answers, questions, strict=True):
        words = context.split()
        start = rng.integers(0, len(words))
        some = " ".join(words[start : start + rng.integers(0, 6)])
        predicted.append(right[0] + rng.choice(["", ".", " the", " war"]) if right and rng.random() < 0.6 else some)
    rows = np.array([squad_row(*row) for row in zip(predicted, answers, strict=True)])
    score = AnswerScore(predicted, answers)
    assert score.unit == "word" and len(rows) > 1_000
    assert (score.exact == rows[:, 0]).all()
    assert score.f1 == pytest.approx(rows[:, 1], rel=1e-12)


def test_korquad_equals_the_official_script():
    rng = np.random.default_rng(1)
    pieces = np.array(["《겨울왕국》", "경찰", "은", " ", "이순신", "‘나’", "(1976년)", "AI", "·", "서울", "대학교"])

    def text():
        return "서" + "".join(rng.choice(pieces, rng.integers(1, 5)))

    answers = [[text() for _ in range(rng.integers(1, 4))] for _ in range(400)]
    predicted = [str(rng.choice(right)) if rng.random() < 0.3 else text() for right in answers]
    score = AnswerScore(predicted, answers)
    rows = np.array([korquad_row(*row) for row in zip(predicted, answers, strict=True)])
    assert score.unit == "syllable"
    assert (score.exact == rows[:, 0]).all() and 0.2 < rows[:, 0].mean() < 0.9
    assert score.f1 == pytest.approx(rows[:, 1], rel=1e-12)


def test_a_particle_costs_a_syllable_not_a_word():
    found = answer_scores(["경찰은"], [["경찰"]], resamples=0)
    assert values(found) == {"exact_match": 0.0, "f1": pytest.approx(0.8)}
    assert found["f1"]["details"] == {"unit": "syllable"}
    assert values(answer_scores(["경찰은"], [["경찰"]], unit="word", resamples=0))["f1"] == 0.0
    assert values(answer_scores(["《기생충》"], [["기생충", "영화 기생충"]], resamples=0))["exact_match"] == 1.0


@pytest.mark.parametrize("unit", ["word", "syllable"])
@pytest.mark.parametrize("answer", ["경찰", "《》", "?", "…", "The", "a", "C++", "서울 특별시", "2023", "e\u0301"])
def test_an_equal_answer_scores_one(unit, answer):
    assert exact_match(answer, answer, unit) == f1(answer, answer, unit) == 1.0
    assert values(answer_scores([answer], [[answer]], unit=unit, resamples=0)) == {"exact_match": 1.0, "f1": 1.0}


@pytest.mark.parametrize("unit", ["word", "syllable"])
@pytest.mark.parametrize(("one", "other"), [("경찰", "검찰"), ("?", "!"), ("《", "》"), ("The", "a"), ("…", "·")])
def test_a_different_answer_scores_less(unit, one, other):
    assert exact_match(one, other, unit) == exact_match(other, one, unit) == 0.0
    assert f1(one, other, unit) < 1.0


def test_korean_in_jamo_is_korean_in_syllables():
    assert values(answer_scores(["\u1112\u1161\u11ab\u1100\u1173\u11af"], [["한글"]], resamples=0)) == {
        "exact_match": 1.0,
        "f1": 1.0,
    }


def official_threshold(values, predicted, has, likeness):
    """SQuAD 2.0's find_best_thresh, in hundredths."""
    current = best = sum(not answerable for answerable in has)
    threshold = 0.0
    for row in sorted(range(len(has)), key=lambda row: likeness[row]):
        current += values[row] if has[row] else -1 if predicted[row] else 0
        if current > best:
            best, threshold = current, likeness[row]
    return best / len(has), threshold


@pytest.mark.parametrize("seed", range(6))
def test_best_threshold_equals_the_official_search(seed):
    predicted, answers = english_case(seed, 120)
    predicted = [text or "cat" for text in predicted] if seed % 2 else predicted
    likeness = np.random.default_rng(seed).random(120) + 0.01
    score = AnswerScore(predicted, answers, unit="word")
    found = best_threshold(predicted, answers, likeness, unit="word")
    for name, own in (("exact_match", score.exact), ("f1", score.f1)):
        best, threshold = official_threshold(own, predicted, score.answerable, likeness)
        assert found[name] == pytest.approx({"value": best, "threshold": threshold}, rel=1e-12)
        again = answer_scores(
            predicted, answers, unit="word", no_answer=likeness, threshold=found[name]["threshold"], resamples=0
        )
        assert again[name]["value"] == pytest.approx(best, rel=1e-12)


def test_a_threshold_is_one_that_can_be_had():
    # equal scores fall on one side together; negative scores need a threshold below all of them
    answers, predicted = [["a cat"], [], [], ["x"]], ["cat", "dog", "dog", "dog"]
    for likeness in ([0.5, 0.5, 0.5, 0.5], [-3.0, -3.0, -2.0, -1.0]):
        found = best_threshold(predicted, answers, likeness)["exact_match"]
        assert found["value"] == 0.5 and found["threshold"] < min(likeness)
        asked = answer_scores(predicted, answers, no_answer=likeness, threshold=found["threshold"], resamples=0)
        assert asked["exact_match"]["value"] == 0.5


def test_intervals_and_weights():
    predicted, answers = english_case(7)
    found = answer_scores(predicted, answers, unit="word", resamples=300)
    assert found == answer_scores(predicted, answers, unit="word", resamples=300)
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())
    score, weights = AnswerScore(predicted, answers, unit="word"), np.random.default_rng(0).integers(0, 3, 300)
    rows = np.repeat(np.arange(300), weights)
    again = AnswerScore([predicted[row] for row in rows], [answers[row] for row in rows], unit="word")
    assert score(weights) == pytest.approx(again(), rel=1e-12)


def test_answers_that_are_all_empty():
    found = values(answer_scores(["", ""], [["경찰"], []], resamples=0))
    assert (
        found["exact_match"] == found["f1"] == 0.5
        and found["has_answer_f1"] == 0.0
        and found["no_answer_accuracy"] == 1.0
    )


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="1 predictions for 2 references"):
        answer_scores(["a"], [["a"], ["b"]])
    with pytest.raises(DataError, match="Row 1: the answers are the text 'a'"):
        answer_scores(["a"], ["a"])
    with pytest.raises(DataError, match="Row 2: None"):
        answer_scores(["a", None], [["a"], ["b"]])
    with pytest.raises(SettingError, match="unit='jamo'"):
        answer_scores(["a"], [["a"]], unit="jamo")
    with pytest.raises(SettingError, match="go together"):
        answer_scores(["a"], [["a"]], threshold=0.5)
    with pytest.raises(DataError, match="Row 1: the no-answer score is nan"):
        answer_scores(["a"], [["a"]], no_answer=[float("nan")], threshold=0.5)
