"""Lead sentences and the nearest training source."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.metrics import text_baselines
from byeori.metrics.text_baselines import lead, lead_length, nearest, sentences


@pytest.mark.parametrize("text, right", [
    ("그는 웃었다. “왔니?” 하고 물었다.\n둘째 줄", ["그는 웃었다.", "“왔니?”", "하고 물었다.", "둘째 줄"]),
    ("Mr. Kim paid 3.5 dollars. He left!  ", ["Mr. Kim paid 3.5 dollars.", "He left!"]),
    ("#Person1#: Hi! How are you?\n#Person2#: Fine.", ["#Person1#: Hi!", "How are you?", "#Person2#: Fine."]),
    ("一文目。\n二文目！ 三", ["一文目。", "二文目！", "三"]),
    (" \n ", []),
])  # fmt: skip
def test_sentences(text, right):
    assert sentences(text) == right
    assert "".join(right).replace(" ", "") == "".join(text.split()).replace(" ", "")  # nothing is lost


def test_leads_are_as_long_as_the_targets():
    sources = ["가나다. 라마바. 사아자. 차카타.", "하나. 둘. 셋."]
    assert lead(sources, 1) == ["가나다.", "하나."] and lead([" "], 3) == [""]
    assert [
        lead_length(sources, targets) for targets in (["가나다.", "하나."], ["가나다. 라마바. 사", "하나. 둘. 셋"])
    ] == [1, 3]


def test_the_nearest_source_is_that_of_a_full_search():
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    words = ["나는", "너는", "학교에", "집에", "간다", "온다", "비가", "눈이", "많이", "조금"]
    texts = [" ".join(rng.choice(words, 4)) for _ in range(60)]
    known, asked, answers = texts[:40], texts[40:], [f"answer {place}" for place in range(40)]
    full = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True).fit(known)
    alike = (full.transform(asked) @ full.transform(known).T).toarray()
    found = nearest(known, answers, asked)
    for place, answer in enumerate(found):  # hashed n-grams may meet in a column: as near as the best, almost
        assert alike[place, int(answer.split()[1])] >= alike[place].max() - 0.02
    assert nearest(known, answers, known[:5]) == answers[:5]


def test_slices_and_left_out_rows(monkeypatch):
    known, answers = ["나는 학교에 간다", "비가 온다", "밥을 먹는다"], ["I go to school", "It rains", "I eat"]
    asked = ["비가 많이 온다", "학교로 간다", "밥 먹자"]
    right = ["It rains", "I go to school", "I eat"]
    assert nearest(known, answers, asked) == right
    monkeypatch.setattr(text_baselines, "SIMILARITIES", 3)  # a row at a time
    assert nearest(known, answers, asked) == right
    monkeypatch.setattr(text_baselines, "MAX_TRAIN_CHARACTERS", 10)
    assert set(nearest(known, answers, asked, seed=1)) < set(answers)
