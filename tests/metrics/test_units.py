"""Units drop spaces and punctuation and nothing else; the ones that would drop more are refused."""

from __future__ import annotations

import importlib.util
import sys
import types
import unicodedata

import pytest

from byeori.errors import SettingError
from byeori.metrics import units
from byeori.metrics.units import check, choose, eojeol, lost, misread, scripts, syllables, tokenizer

KOREAN = "2023년 삼성 AI 발표"


@pytest.fixture(autouse=True)
def no_analyser_of_before():
    units._morphemes.cache_clear()
    yield
    units._morphemes.cache_clear()


def test_eojeol():
    assert eojeol("삼성이 'AI'를, \"발표\"했다…  (끝)") == ["삼성이", "ai'를", '발표"했다', "끝"]
    assert eojeol("좋아요 😀 C++ 5$") == ["좋아요", "😀", "c++", "5$"]
    assert eojeol("?! --") == ["?!", "--"]  # nothing else: it stands as it is
    assert eojeol(" ") == []


def test_syllables():
    assert syllables("삼성 AI를, 2개 'ㅋㅋ'") == list("삼성ai를2개ㅋㅋ")
    assert syllables("? !") == ["?", "!"]
    assert syllables(unicodedata.normalize("NFD", "한글")) == ["한", "글"]
    assert eojeol(unicodedata.normalize("NFD", "한글")) == ["한글"]


def test_lost_is_what_rouge_score_throws_away():
    assert lost("The cat's 2 hats…") == lost("") == lost("?!") == 0.0
    assert lost("한글") == 1.0
    assert lost(KOREAN) == pytest.approx(5 / 11)
    assert lost("naïve") == pytest.approx(1 / 5)
    assert lost("naïve", "The cat's 2 hats…", "") == pytest.approx(1 / 17) and lost() == 0.0


def test_scripts():
    assert scripts(["한글", "漢字", "かな", "ab"]) == {"hangul": 0.25, "han": 0.25, "kana": 0.25, "other": 0.25}
    assert scripts(["", "12"])["hangul"] == 0.0


@pytest.mark.parametrize(
    ("references", "unit"),
    [
        (["The cat sat.", "“Curly” – quotes’ €5", "A very naïve question about the café in town"], "word"),
        ([KOREAN, "안녕하세요"], "eojeol"),
        (["The cat sat.", "안녕하세요"], "eojeol"),
        (["A cat sat on the mat today."] * 9 + ["naïve"], "word"),  # one word with an accent decides nothing
        (["A cat sat on the mat today."] * 9 + [KOREAN], "word"),
        (["猫が座った", "我们今天去公园"], "syllable"),
        (["Кошка сидела"], "eojeol"),
        (["", "?!"], "word"),
    ],
)
def test_the_automatic_choice(references, unit):
    assert choose(references) == unit
    check(unit, references)


def test_a_unit_that_would_throw_the_text_away_is_refused():
    with pytest.raises(SettingError, match=r'The unit "word".*33% of the letters.*1 of 2 lose.*reference 2, \'2023년'):
        check("word", ["a cat", KOREAN])
    some = ["A cat sat on the mat today."] * 9 + [KOREAN, "naïve"]
    check("word", some)
    assert misread(some) == [9, 10] and misread(["in 서울 of all places, today", "Müller said so twice today"]) == [0]


def test_word_is_rouge_scores_own():
    assert tokenizer("word").tokenize("The cats' 2 hats") == ["the", "cats", "2", "hats"]
    assert tokenizer("word", stemmer=True).tokenize("running cats") == ["run", "cat"]


def test_settings_that_do_not_fit():
    with pytest.raises(SettingError, match="unit='letters'"):
        tokenizer("letters")
    with pytest.raises(SettingError, match="English words only"):
        tokenizer("eojeol", stemmer=True)


def test_morphemes_without_kiwipiepy(monkeypatch):
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(SettingError, match=r"byeori\[ko\]"):
        tokenizer("morpheme")


def test_morphemes_are_kiwis_forms_without_punctuation(monkeypatch):
    class Kiwi:
        def __init__(self, num_workers):
            pass

        def tokenize(self, text):
            return [types.SimpleNamespace(form=form) for form in text.replace(".", " .").split()]

    if importlib.util.find_spec("kiwipiepy") is None:
        monkeypatch.setitem(sys.modules, "kiwipiepy", types.SimpleNamespace(Kiwi=Kiwi))
        assert tokenizer("morpheme").tokenize("삼성 이 AI 를 내 었 다.") == ["삼성", "이", "ai", "를", "내", "었", "다"]
    else:
        assert tokenizer("morpheme").tokenize("삼성이 AI를 샀다.") == ["삼성", "이", "ai", "를", "사", "었", "다"]
