"""Sentences as answers: where contexts are cut, and which is the closest."""

from __future__ import annotations

import numpy as np

from byeori.metrics.sentences import closest, first, sentences


def test_sentences():
    """Korean and English ends, lines, quotes after the end; the tags of a page are none of it."""
    assert sentences("<p>가 나.</p>\n다!  <b>라</b>") == ["가 나.", "다!", "라"]
    assert sentences('He said "Go." Then 3.5 m.') == ['He said "Go.', "Then 3.5 m."] and sentences(" ") == [""]
    assert first(["가. 나.", "\n다"]) == ["가.", "다"]


def test_the_closest_sentence_is_that_of_its_own_context():
    contexts = [
        "산에 갔다. 강에서 물고기를 잡았다.",
        "강에 갔다. 산에서 나물을 캤다.",
        "강에 갔다. 산에서 나물을 캤다.",
    ]
    found, likeness = closest(["강에서 무엇을 잡았나?", "나물은 어디서?", "xyz"], contexts)
    assert found == ["강에서 물고기를 잡았다.", "산에서 나물을 캤다.", "강에 갔다."]
    assert likeness[2] == 0 < likeness[0] < 1 and likeness.dtype == np.float64
    assert closest(["?"], ["!"])[1].tolist() == [0.0]
