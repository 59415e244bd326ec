"""Lead sentences and the nearest training source."""

from __future__ import annotations

import numpy as np

from byeori.metrics import text_baselines
from byeori.metrics.text_baselines import lead, lead_length, nearest


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
