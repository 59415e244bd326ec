"""A comparison's page: whole, with nothing from outside, in one language, by default that of the runs' samples."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from comparisons import comparison, seeds
from english_left import english_left
from report_page import Page

import byeori
from byeori.errors import SettingError
from byeori.report.compare import _better
from byeori.report.compare_page import language, page
from byeori.report.compare_rows import _row

BOTH = pytest.mark.parametrize("found", [comparison(), seeds()], ids=["two", "seeds"])


@BOTH
@pytest.mark.parametrize("lang", ["ko", "en"])
def test_one_page_with_nothing_from_outside(found, lang):
    source = page(found, lang)
    made = Page(source)
    assert ("html", "lang", lang) in made.attributes and made.headings[0] == 1 and made.headings.count(1) == 1
    assert not [one for one in made.attributes if one[1] in ("src", "srcset", "action") or one[1].startswith("on")]
    assert "<script" not in source and "<link" not in source and "\u202e" not in source and "/home/" not in source
    assert made.svgs == len(re.findall(r'<svg role="img"[^>]*><title>[^<]+</title>', source)) >= 2


@BOTH
def test_no_english_sentence_is_left_on_the_korean_page(found):
    assert english_left(found) == set()


def test_what_a_korean_page_says():
    text = Page(page(comparison(), "ko")).text
    assert "fast: 느린보다 낫습니다. 정확도 +0.0500 (+0.0100 ~ +0.0900), p 0.012." in text
    assert "테스트, 50행" in text and "F1 (긍정)" in text and "손실 ↓" in text and "정의되지 않음" in text
    # of a comparison that was kept as JSON, sentences stand as they were written there
    kept = json.loads(json.dumps(comparison()))
    assert "it is an own metric" in Page(page(kept, "ko")).text


def test_the_language_is_that_of_the_samples(single, multi):
    def found(*runs):
        return {"runs": [{"folders": [str(run)]} for run in runs]}

    assert language(found(single)) == "ko" and language(found(multi)) == "en"
    assert language(found(single, multi)) == "ko", "of all samples together"
    with pytest.raises(SettingError, match="ko"):
        byeori.compare(single, multi, html="x.html", lang="de")


def test_a_row_of_several_seeds_says_what_each_answered():
    def run(label, text=None):
        line = {"prediction": {"label": label, "score": 0.9}, "reference": "부정"}
        return SimpleNamespace(lines=[line], mistaken={1: {"text": text}} if text else {})

    first, second = [run("부정"), run("부정"), run("긍정", "돈이 아깝다")], [run("긍정"), run("부정"), run("긍정")]
    found = _row(first, second, 0)
    assert found == {
        "row": 1,
        "text": "돈이 아깝다",
        "first": "부정 × 2, 긍정 × 1",
        "second": "긍정 × 2, 부정 × 1",
        "reference": "부정",
    }
    assert _row(first[:1], second[:1], 0) == {"row": 1, "first": "부정", "second": "긍정", "reference": "부정"}


def test_better_is_said_only_where_interval_and_p_agree():
    def found(low, high, p):
        return {"low": low, "high": high, "p": p}

    assert _better(found(0.1, 0.2, 0.01), False) is True and _better(found(0.1, 0.2, 0.01), True) is False
    assert _better(found(0.1, 0.2, 0.1), False) is _better(found(-0.1, 0.2, 0.01), False) is None
    assert _better(found(None, None, None), False) is None
