"""BLEU, chrF and chrF++ equal sacrebleu's, value and interval alike."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from byeori.errors import DataError, SettingError
from byeori.metrics.translation import TranslationScore, translation_scores

WORDS = ["The", "cat", "sat", "on", "a", "mat", "quietly", "dogs", "ran,", "2.", "it's", "there"]


def english(seed: int, n: int = 50, several: bool = False):
    rng = np.random.default_rng(seed)
    predicted, references = [], []

    def changed(words):
        return " ".join(str(rng.choice(WORDS)) if rng.random() < 0.25 else word for word in words)

    for _ in range(n):
        words = list(rng.choice(WORDS, rng.integers(5, 12)))
        predicted.append(" ".join(words))
        references.append([changed(words) for _ in range(rng.integers(1, 4) if several else 1)])
    return predicted, references


def streams(references):
    return [[row[k] if k < len(row) else None for row in references] for k in range(max(map(len, references)))]


def values(found):
    return {name: entry["value"] for name, entry in found.items()}


@pytest.mark.parametrize("tokenize", ["13a", "intl", "char", "zh", "none"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("lowercase", [False, True])
def test_equals_sacrebleu(tokenize, several, lowercase):
    predicted, references = english(0, several=several)
    found = translation_scores(predicted, references, tokenize=tokenize, lowercase=lowercase, resamples=0)
    bleu = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
    expected = bleu.corpus_score(predicted, streams(references))
    assert found["bleu"]["value"] == pytest.approx(expected.score, rel=1e-12)
    details = found["bleu"]["details"]
    assert details.pop("signature") == str(bleu.get_signature())
    assert details == {
        name: pytest.approx(getattr(expected, name), rel=1e-12)
        for name in ("counts", "totals", "precisions", "bp", "sys_len", "ref_len")
    }
    for name, order in (("chrf", 0), ("chrf++", 2)):
        chrf = sacrebleu.CHRF(word_order=order, lowercase=lowercase)
        expected = chrf.corpus_score(predicted, streams(references))
        assert found[name]["value"] == pytest.approx(expected.score, rel=1e-12)
        assert found[name]["details"] == {"signature": str(chrf.get_signature())}


def test_the_front_doors_of_sacrebleu():
    predicted, references = english(1)
    found = translation_scores(predicted, references, resamples=0)
    assert found["bleu"]["value"] == pytest.approx(sacrebleu.corpus_bleu(predicted, streams(references)).score)
    assert found["chrf"]["value"] == pytest.approx(sacrebleu.corpus_chrf(predicted, streams(references)).score)


def test_the_published_example():
    # "46.75" of the Hugging Face course's translation chapter
    references = [["This plugin allows you to automatically translate web pages between several languages."]]
    predicted = ["This plugin lets you translate web pages between several languages automatically."]
    found = translation_scores(predicted, references, resamples=0)["bleu"]
    assert found["value"] == pytest.approx(46.750469682990165, rel=1e-12)
    assert found["details"] | {"signature": ""} == {
        "signature": "",
        "counts": [11, 6, 4, 3],
        "totals": [12, 11, 10, 9],
        "precisions": pytest.approx([91.66666666666667, 54.54545454545455, 40.0, 33.333333333333336]),
        "bp": pytest.approx(0.9200444146293233),
        "sys_len": 12,
        "ref_len": 13,
    }


@pytest.mark.parametrize("several", [False, True])
def test_weights_are_repeated_rows(several):
    predicted, references = english(2, several=several)
    score = TranslationScore(predicted, references)
    for seed in range(3):
        rows = np.random.default_rng(seed).integers(0, 50, 50)
        again = TranslationScore([predicted[row] for row in rows], [references[row] for row in rows])
        assert score(np.bincount(rows, minlength=50)) == pytest.approx(again(), rel=1e-12)


def test_intervals():
    predicted, references = english(3)
    found = translation_scores(predicted, references, resamples=300)
    assert found == translation_scores(predicted, references, resamples=300)
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())
    # sacrebleu's own bootstrap (half the width about a mean) is of the same size
    theirs = sacrebleu.BLEU().corpus_score(predicted, streams(references), n_bootstrap=1_000)
    assert (found["bleu"]["high"] - found["bleu"]["low"]) / 2 == pytest.approx(theirs._ci, rel=0.25)


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [
        ("서울은 대한민국의 수도이다.", "char"),
        ("ソウルは首都です。", "char"),
        ("首尔是韩国的首都。", "zh"),
        ("Seoul.", "13a"),
    ],
)
def test_the_automatic_tokenizer(text, tokenizer):
    found = translation_scores([text], [text], resamples=0)["bleu"]
    assert f"|tok:{tokenizer}|" in found["details"]["signature"]
    assert found["value"] == pytest.approx(100)


def test_equal_short_texts_are_not_zero():
    assert sacrebleu.corpus_bleu(["안녕 하세요"], [["안녕 하세요"]]).score == 0.0  # has no 4-gram of eojeol
    found = translation_scores(["안녕 하세요", "네"], ["안녕 하세요", "네"], tokenize="13a", resamples=200)
    assert {name: round(entry["low"], 9) for name, entry in found.items()} == dict.fromkeys(found, 100.0)
    assert "|eff:yes|" in found["bleu"]["details"]["signature"]
    assert translation_scores(["안녕"], ["반가워"], resamples=0)["bleu"]["value"] == 0.0


def test_predictions_that_are_all_empty():
    for references in (["a cat sat on the mat"] * 2, ["경찰이 왔다"] * 2):
        found = translation_scores(["", ""], references, resamples=200)
        assert values(found) == {"bleu": 0.0, "chrf": 0.0, "chrf++": 0.0} and found["bleu"]["details"]["sys_len"] == 0


def test_what_cannot_be_scored_is_refused():
    # sacrebleu scores the first pair of the wrong orientation and says nothing
    predicted, references = ["a cat sat on the mat", "x y z w"], [["a cat sat on the mat", "it rains all day long"]]
    with pytest.raises(DataError, match="one list per set of references"):
        translation_scores(predicted, references)
    with pytest.raises(DataError, match="nothing to score"):
        translation_scores([], [])
    with pytest.raises(DataError, match="2 predictions for 1 references"):
        translation_scores(["a", "b"], ["a"])
    with pytest.raises(SettingError, match="tokenize='moses'"):
        translation_scores(["a"], ["a"], tokenize="moses")


def test_a_tokenizer_that_is_not_installed(monkeypatch):
    from sacrebleu.tokenizers import tokenizer_ko_mecab

    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)
    with pytest.raises(SettingError, match=r"sacrebleu\[ko\]"):
        translation_scores(["가"], ["가"], tokenize="ko-mecab")
