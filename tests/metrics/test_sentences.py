"""Where texts and contexts are cut into sentences, and which sentence is the closest to a question."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.metrics.sentences import closest, first, of_context, sentences


@pytest.mark.parametrize("text, right", [
    ("그는 웃었다. “왔니?” 하고 물었다.\n둘째 줄", ["그는 웃었다.", "“왔니?”", "하고 물었다.", "둘째 줄"]),
    ("Mr. Kim paid 3.5 dollars. He left!  ", ["Mr. Kim paid 3.5 dollars.", "He left!"]),
    ('He said "Go." Dr. No came from the U.S. in May.', ['He said "Go."', "Dr. No came from the U.S. in May."]),
    ("#Person1#: Hi! How are you?\n#Person2#: Fine.", ["#Person1#: Hi!", "How are you?", "#Person2#: Fine."]),
    ("一文目。\n二文目！ 三", ["一文目。", "二文目！", "三"]),
    (" \n ", []),
])  # fmt: skip
def test_sentences(text, right):
    assert sentences(text) == right
    assert "".join(right).replace(" ", "") == "".join(text.split())  # nothing is lost


def test_every_task_cuts_at_the_same_places():
    from byeori.metrics import text_baselines
    from byeori.tasks import next_sentence

    assert text_baselines.sentences is next_sentence.sentences is sentences
    text = "Mr. Kim left. Dr. No stayed."
    assert first([text]) == text_baselines.lead([text], 1) == next_sentence.pairs([text], None)[0] == ["Mr. Kim left."]


def test_sentences_of_a_context():
    """The tags of a page are none of it."""
    assert of_context("<p>가 나.</p>\n다!  <b>라</b>") == ["가 나.", "다!", "라"] and of_context(" ") == [""]
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
