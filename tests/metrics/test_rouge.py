"""ROUGE equals rouge-score's in English, and is right in Korean where rouge-score's own words are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from byeori.errors import DataError, SettingError
from byeori.metrics.rouge import MEASURES, RougeScore, rouge_scores
from byeori.metrics.units import tokenizer

WORDS = ["The", "cat", "cats", "sat", "on", "a", "mat.", "running", "ran,", "2", "dogs", "it's", "\n"]


def english(seed: int, n: int = 60):
    rng = np.random.default_rng(seed)

    def text():
        return " ".join(rng.choice(WORDS, rng.integers(0, 14)))

    return [text() for _ in range(n)], [[text() + " cat" for _ in range(rng.integers(1, 4))] for _ in range(n)]


def values(found):
    return {name: entry["value"] for name, entry in found.items()}


@pytest.mark.parametrize("stemmer", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_english_equals_rouge_score(seed, stemmer):
    predicted, references = english(seed)
    scorer = RougeScorer(list(MEASURES), use_stemmer=stemmer)
    expected = [scorer.score_multi(row, text) for text, row in zip(predicted, references, strict=True)]
    score = RougeScore(predicted, references, stemmer=stemmer)
    assert score.unit == "word"
    assert score.rows == pytest.approx(np.array([[row[name] for name in MEASURES] for row in expected]), rel=1e-12)
    found = rouge_scores(predicted, references, stemmer=stemmer, resamples=0)
    assert values(found) == pytest.approx({k: np.mean([row[k].fmeasure for row in expected]) for k in MEASURES})
    assert found["rouge1"]["details"]["recall"] == pytest.approx(np.mean([row["rouge1"].recall for row in expected]))


def test_the_published_example():
    # rouge-score's own documentation: precision 6/8 … of "The quick brown fox …", Lin 2004 for the definitions
    found = RougeScore(["The quick brown dog jumps on the log."], ["The quick brown fox jumps over the lazy dog"]).rows
    assert found[0, 0] == pytest.approx([6 / 8, 6 / 9, 12 / 17])
    assert found[0, 2] == pytest.approx([5 / 8, 5 / 9, 10 / 17])


def test_korean_by_hand():
    predicted, references = ["경찰이 범인을 잡았다."], ["경찰이 도둑을 잡았다"]
    found = rouge_scores(predicted, references, resamples=0)
    assert values(found) == pytest.approx({"rouge1": 2 / 3, "rouge2": 0, "rougeL": 2 / 3, "rougeLsum": 2 / 3})
    assert found["rougeL"]["details"]["unit"] == "eojeol"
    found = rouge_scores(predicted, references, unit="syllable", resamples=0)
    assert values(found) == pytest.approx({"rouge1": 7 / 9, "rouge2": 5 / 8, "rougeL": 7 / 9, "rougeLsum": 7 / 9})


def test_rouge_scores_own_words_are_refused_for_korean():
    # on their own they give 0.0 to equal texts and 1.0 to these two
    first, second = "2023년 삼성 AI 발표", "2023년 현대 AI 공개"
    assert RougeScorer(["rouge1"]).score(first, second)["rouge1"].fmeasure == 1.0
    with pytest.raises(SettingError, match="a–z"):
        rouge_scores([second], [first], unit="word")
    for unit in ("auto", "eojeol", "syllable"):
        assert 0 < values(rouge_scores([second], [first], unit=unit, resamples=0))["rouge1"] < 1


@pytest.mark.parametrize("unit", ["auto", "eojeol", "syllable"])
@pytest.mark.parametrize(
    "text", ["안녕하세요", "네", "안녕 하세요.", "가나다\n라마바", "ㅋㅋ", "?!", "2023년 AI", "가\n--"]
)
def test_equal_texts_score_one(unit, text):
    # (the automatic choice sees a Korean row beside it, as in a Korean set)
    score = RougeScore([text, "서울은 수도이다"], [text, "서울은 수도이다"], unit=unit)
    assert score() == pytest.approx(dict.fromkeys(MEASURES, 1.0))


def test_rows_that_words_cannot_stand_for_are_counted_in_eojeol():
    """They decide nothing about the others, whose scores stay rouge-score's."""
    predicted, references = english(4, 40)
    both = ["2023년 삼성 AI 발표", "2023년 현대 AI 공개"]
    score = RougeScore(
        [*predicted, both[0], both[1], "a naïve cat"], [*references, [both[0]], [both[0]], ["a naïve cat"]]
    )
    assert score.unit == "word"
    assert (score.rows[:40] == RougeScore(predicted, references).rows).all()
    assert (score.rows[40] == 1).all() and (score.rows[42, :, 2] == 1).all()
    assert score.rows[41, 0, 2] == 0.5 and RougeScorer(["rouge1"]).score(*both)["rouge1"].fmeasure == 1.0
    note = score.details("rouge1")["note"]
    assert "3 of 43 rows" in note and note.endswith("(rows 41, 42, 43).")
    assert "note" not in RougeScore(predicted, references).details("rouge1")
    # one Korean word may be all the difference
    assert RougeScore(["He lives and works in 서울 today"], ["He lives and works in 부산 today"]).rows[0, 0, 2] < 1


KOREAN = st.text("가나다라마 각낙 은는.,?!1AB", min_size=1, max_size=12).filter(
    lambda text: any("가" <= c <= "힣" for c in text)
)


@settings(max_examples=150, deadline=None)
@given(one=KOREAN, other=KOREAN, unit=st.sampled_from(["auto", "eojeol", "syllable"]), english=st.integers(0, 40))
def test_equal_korean_never_scores_zero_and_different_never_one(one, other, unit, english):
    """Different: of other units in another order than the reference's, which is what ROUGE-L compares."""
    beside = ["The cat sat on the mat and the dog ran there."] * english  # auto takes words where these are most
    score = RougeScore([one, other, *beside], [one, one, *beside], unit=unit)
    assert score.rows[0] == pytest.approx(np.ones((4, 3)))
    count = tokenizer("eojeol" if score.unit == "word" else score.unit).tokenize
    assert (score.rows[1, 2, 2] == 1.0) == (count(one) == count(other))


def test_predictions_that_are_all_empty():
    found = rouge_scores(["", " "], ["경찰이 왔다", "비가 온다"], resamples=200)
    assert all(entry["value"] == entry["low"] == entry["high"] == 0.0 for entry in found.values())
    assert found["rouge1"]["details"]["empty_predictions"] == 2


def test_different_texts_of_one_eojeol_score_zero():
    assert values(rouge_scores(["안녕"], ["반가워"], unit="eojeol", resamples=0)) == dict.fromkeys(MEASURES, 0.0)


def test_lines_are_the_sentences_of_lsum():
    predicted, references = ["둘째 문장이다\n첫째 문장이다"], ["첫째 문장이다\n둘째 문장이다"]
    found = values(rouge_scores(predicted, references, resamples=0))
    assert found["rougeLsum"] == 1.0 and found["rougeL"] < 1.0


def test_the_best_reference_counts():
    assert values(rouge_scores(["가 나 다"], [["라 마", "가 나 다"]], resamples=0))["rougeL"] == 1.0


def test_intervals_weights_and_empty_predictions():
    predicted, references = english(3, 80)
    predicted[4] = " "
    found = rouge_scores(predicted, references, resamples=200)
    assert found == rouge_scores(predicted, references, resamples=200) != rouge_scores(predicted, references, seed=1)
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())
    assert found["rougeL"]["details"]["empty_predictions"] == sum(not text.strip() for text in predicted)
    weights = np.random.default_rng(0).integers(0, 3, 80)
    rows = np.repeat(np.arange(80), weights)
    again = RougeScore([predicted[row] for row in rows], [references[row] for row in rows])
    assert RougeScore(predicted, references)(weights) == pytest.approx(again(), rel=1e-12)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="one list per set of references"):
        rouge_scores(["가", "나"], [["가", "나"]])
    with pytest.raises(SettingError, match="English words only"):
        rouge_scores(["가"], ["가"], unit="eojeol", stemmer=True)
    assert rouge_scores(["가"], ["가"], stemmer=True, resamples=0)["rouge1"]["details"]["stemmer"] is False
    with pytest.raises(SettingError, match="unit='kkma'"):
        rouge_scores(["가"], ["가"], unit="kkma")


def test_texts_without_letters_are_compared_as_they_are():
    """rouge-score's words leave nothing of them, and equal ones would score 0."""
    written = ["the cat sat on the mat", "👍", "?!"]
    assert rouge_scores(written, written, resamples=0)["rouge1"]["value"] == 1
    assert rouge_scores(["👎"], ["👍"], resamples=0)["rougeL"]["value"] == 0
    empty = rouge_scores(["", "the cat"], ["the cat", "the cat"], resamples=0)["rouge1"]
    assert empty["value"] == 0.5 and "note" not in empty["details"]  # an empty prediction is no such text
