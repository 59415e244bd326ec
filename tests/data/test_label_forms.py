"""Labels in the forms people have them: each gives the same classes, and what was made of it is said.

The reference is the same rows with labels written plainly.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byeori.data.label_forms import parsed
from byeori.data.labels import encode_labels, masked, resolve_labels
from byeori.data.read import read, read_rows
from byeori.errors import DataError
from byeori.tasks import TextClassification

TEXTS = [
    "영화가 참 좋다",
    "다시는 안 본다",
    "그저 그렇다",
    "배우가 멋지다",
    "너무 지루하다",
    "또 보고 싶다",
]
CHATBOT = Path(__file__).parents[3] / "shared" / "data" / "chatbot"


def learnt(labels, key="label", **settings):
    """(problem type, names, ids, notes) of six rows with these labels."""
    rows = labels if isinstance(labels[0], dict) and "text" in labels[0] else [
        {"text": text, key: label} for text, label in zip(TEXTS, labels, strict=True)
    ]  # fmt: skip
    found = read_rows(rows, SimpleNamespace(**settings), required=("text", "label"))
    task = TextClassification(problem_type=settings.get("problem_type"))
    task.prepare(found)
    return task.problem_type, task.labels, task.label_ids(found.table["label"][:]).tolist(), " ".join(found.notes)


@pytest.mark.parametrize(
    ("one", "other", "names", "said"),
    [
        ("neg", "pos", ["neg", "pos"], ""),
        (1, 2, ["1", "2"], ""),  # from one, as they are
        (-1, 1, ["-1", "1"], ""),
        (0.0, 1.0, ["0", "1"], ""),
        (False, True, ["False", "True"], ""),
        ("N", "Y", ["N", "Y"], ""),
        ("none", "null", ["none", "null"], ""),
        ("NA", "NS", ["NA", "NS"], ""),
        ("nan", "None", ["nan", "None"], ""),
        ({"name": "neg"}, {"name": "pos"}, ["neg", "pos"], '"label.name" was taken'),
        ({"id": 0, "name": "neg"}, {"id": 1, "name": "pos"}, ["neg", "pos"], '"label.name" was taken'),
        ({"label": "neg", "score": 0.2}, {"label": "pos", "score": 0.7}, ["neg", "pos"], '"label.label" was taken'),
        ({"코드": "E10", "이름": "분노"}, {"코드": "E20", "이름": "슬픔"}, ["분노", "슬픔"], '"label.이름" was taken'),
        ('{"id": 0, "name": "neg"}', '{"id": 1, "name": "pos"}', ["neg", "pos"], '"label.name" was taken'),
        ("{'name': 'neg'}", "{'name': 'pos'}", ["neg", "pos"], '"label.name" was taken'),
    ],
)
def test_two_classes(one, other, names, said):
    kind, found, ids, notes = learnt([one, other] * 3)
    assert (kind, found, ids) == ("single_label", names, [0, 1] * 3)
    assert said in notes


@pytest.mark.parametrize(
    "labels",
    [
        [["a"], ["b", "a"], [], ["a"], ["b"], ["b"]],
        ['["a"]', '["b", "a"]', "[]", '["a"]', '["b"]', '["b"]'],
        ["['a']", "['b', 'a']", "[]", "['a']", "['b']", "['b']"],  # what pandas writes to a CSV
        [[{"label": one} for one in row] for row in (["a"], ["b", "a"], [], ["a"], ["b"], ["b"])],
        [{"a": a, "b": b} for a, b in ((1, 0), (1, 1), (0, 0), (1, 0), (0, 1), (0, 1))],
        [{"a": bool(a), "b": bool(b)} for a, b in ((1, 0), (1, 1), (0, 0), (1, 0), (0, 1), (0, 1))],
        ['{"a": 1}', '{"a": 1, "b": 1}', '{"a": 0}', '{"a": 1}', '{"b": 1}', '{"a": 0, "b": 1}'],
    ],
)
def test_several_labels_a_row(labels):
    kind, names, ids, _ = learnt(labels)
    assert (kind, names) == ("multi_label", ["a", "b"])
    assert ids == [[1, 0], [1, 1], [0, 0], [1, 0], [0, 1], [0, 1]]


def test_columns_of_zeros_and_ones():
    rows = [{"text": text, "욕설": at % 2, "비하": int(at > 2)} for at, text in enumerate(TEXTS)]
    kind, names, ids, notes = learnt(rows, label="욕설,비하")
    assert (kind, names) == ("multi_label", ["비하", "욕설"])
    assert ids == [[int(at > 2), at % 2] for at in range(6)]
    assert "joined into one set of labels" in notes
    with pytest.raises(DataError, match='could each be the label.*or several for multi-label: --label "?욕설,비하'):
        learnt(rows)


def test_several_labels_in_one_text_are_pointed_out_not_guessed():
    values = ["a", "b|a", "a", "b", "b|a", "a"]
    kind, names, _, notes = learnt(values)
    assert (kind, names) == ("single_label", ["a", "b", "b|a"])
    assert '("b|a")' in notes and "--problem-type multi_label takes them apart" in notes
    kind, names, ids, notes = learnt(values, problem_type="multi_label")
    assert (kind, names, ids[1]) == ("multi_label", ["a", "b"], [1, 1]) and "look like several" not in notes
    assert "look like several" not in learnt(["빵, 우유", "여행", "책; 글"] * 2)[3]


def test_lists_of_one_label():
    values = [["a"], ["b"]] * 3
    kind, names, _, notes = learnt(values)
    assert kind == "multi_label" and "--problem-type single_label" in notes
    assert learnt(values, problem_type="single_label")[:3] == ("single_label", ["a", "b"], [0, 1] * 3)
    with pytest.raises(DataError, match=r"row 2: the label is a list of 2 \(1 rows have other than one label\)"):
        learnt([["a"], ["b", "a"], ["a"], ["b"], ["a"], ["b"]], problem_type="single_label")


def test_klue_sts_and_ynat():
    values = (1.2, 3.4, 0.5, 4.0, 2.2, 2.7)
    rows = [
        {"guid": f"sts_{at}", "sentence1": one, "sentence2": f"{one}!",
         "labels": {"label": value, "real-label": value + 0.04, "binary-label": int(value > 2.5)}}
        for at, (one, value) in enumerate(zip(TEXTS, values, strict=True))
    ]  # fmt: skip
    found = read_rows(rows)
    assert found.columns == {"text": "sentence1", "text_pair": "sentence2", "label": "labels"}
    assert found.table["label"][:] == list(values) and '"labels.label" was taken' in " ".join(found.notes)
    binary = read_rows(rows, SimpleNamespace(label="labels.binary-label"))
    assert resolve_labels(binary.table["label"][:]) == ("single_label", ["0", "1"])
    rows = [{"guid": f"y{at}", "title": one, "label": ("경제", "사회")[at % 2]} for at, one in enumerate(TEXTS)]
    assert read_rows(rows).columns == {"text": "title", "label": "label"}
    assert 'not used: "guid" (an id)' in " ".join(read_rows(rows).notes)


def test_ai_hub_dialogues_lie_deep():
    """What lies inside is named as it would be given; nothing is taken without being told."""
    rows = [
        {
            "profile": {"persona-id": f"Pro_{at}", "emotion": {"type": f"E{at % 2 + 1}0"}},
            "talk": {"content": {"HS01": one}},
        }
        for at, one in enumerate(TEXTS)
    ]
    with pytest.raises(
        DataError, match=r'Inside the objects there are .*"profile.emotion.type" and "talk.content.HS01"'
    ):
        read_rows(rows)
    found = read_rows(rows, SimpleNamespace(text="talk.content.HS01", label="profile.emotion.type"))
    assert found.table["text"][:] == TEXTS and found.table["label"][:] == ["E10", "E20"] * 3


def test_objects_that_name_no_class_ask():
    with pytest.raises(DataError, match='holds objects with "x" and "y". Name one, for example label.x'):
        learnt([{"x": "neg", "y": "a"}, {"x": "pos", "y": "b"}] * 3)


def test_a_class_that_differs_by_spaces_is_joined_and_said():
    kind, names, ids, notes = learnt(["1", "2", "2   ", "1", "2", "1"])
    assert (kind, names, ids) == ("single_label", ["1", "2"], [0, 1, 1, 0, 1, 0])
    assert 'outer spaces cut from 1 label: "2   " (1) is taken for "2" (2)' in notes
    assert "outer spaces cut from 6 labels." in learnt([" a", "b "] * 3)[3]


@pytest.mark.skipif(not CHATBOT.exists(), reason="../shared is not here")
def test_chatbot_has_three_classes():
    found = read_rows(CHATBOT / "ChatbotData.csv", SimpleNamespace(text="Q", label="label"))
    kind, names = resolve_labels(found.table["label"][:])
    assert (kind, names, len(found)) == ("single_label", ["0", "1", "2"], 11823)
    assert any('"2   " (1) is taken for "2"' in note for note in found.notes)


def test_truth_values_in_every_spelling():
    assert learnt([True, 0, 1, False, True, False])[:3] == ("single_label", ["0", "1"], [1, 0, 1, 0, 1, 0])
    assert learnt(["TRUE", "true", "False", "FALSE", "True", "false"])[1:3] == (["False", "True"], [1, 1, 0, 0, 1, 0])
    names = ["False", "True"]
    assert encode_labels(["true", "FALSE", 1, 0, True, "1"], "single_label", names).tolist() == [1, 0, 1, 0, 1, 1]
    assert encode_labels([True, "false"], "single_label", ["0", "1"]).tolist() == [1, 0]
    with pytest.raises(DataError, match='the label "True"'):
        encode_labels([True], "single_label", ["no", "yes"])


def test_numbers_in_every_spelling():
    assert learnt(["1", "1.0", 1, 2.0, "2", 2])[:3] == ("single_label", ["1", "2"], [0, 0, 0, 1, 1, 1])
    assert encode_labels([1.0, "2.0", "1"], "single_label", ["1", "2"]).tolist() == [0, 1, 0]
    assert learnt([0.5, 1.5, 2.0, 1.0, 0.0, 3.0])[0] == "regression"
    with pytest.raises(DataError, match='row 2: the label column "label" is empty. 3 of 6 rows'):
        learnt([1.0, math.nan] * 3)


def test_text_in_brackets_is_no_list():
    assert learnt(["[공지]", "[광고]"] * 3)[:2] == ("single_label", ["[공지]", "[광고]"])
    assert learnt(["{a}", "{b}"] * 3)[1] == ["{a}", "{b}"]


@given(st.lists(st.lists(st.text(max_size=5), max_size=3), min_size=1, max_size=8))
def test_lists_written_as_text_come_back(rows):
    assert parsed([json.dumps(row) for row in rows]) == rows
    assert parsed([repr(row) for row in rows]) == rows


def test_masked():
    assert masked([-1, -1], [0, 1]) and masked(["-1"], ["a"]) and masked([-1.0], [2.5])
    assert not masked([-1, 0], [0, 1]) and not masked([-1], [-1, 1]) and not masked([], [0])


def test_class_names_survive_reading():
    """`read` gives a data set as it came, ids and the order of names included; what is read again is the same."""
    names = ["not_equivalent", "equivalent"]
    features = datasets.Features(sentence=datasets.Value("string"), label=datasets.ClassLabel(names=names))
    rows = datasets.Dataset.from_dict({"sentence": TEXTS, "label": [0, 1, 1, 0, 1, 0]}, features=features)
    found = read(rows)
    assert found.features["label"].names == names and found[:]["label"] == [0, 1, 1, 0, 1, 0]
    again = read_rows(found.filter(lambda row: row["label"] == 1 or row["text"] == TEXTS[0]))
    assert again.label_names == names and again.table["label"][:] == [names[0], names[1], names[1], names[1]]
    several = datasets.Features(text=datasets.Value("string"), labels=datasets.List(datasets.ClassLabel(names=names)))
    rows = datasets.Dataset.from_dict({"text": TEXTS, "labels": [[0], [0, 1], [], [1], [0], [1]]}, features=several)
    assert read(rows)[:]["label"] == [[0], [0, 1], [], [1], [0], [1]]
    task = TextClassification()
    task.prepare(read_rows(read(rows)))
    assert task.labels == names and task.label_ids(read_rows(read(rows)).table["label"][:]).dtype == np.float32


def test_the_reasoning_is_one_line():
    rows = [{"idx": at, "제목": one, "url": "x", "점수": at % 2} for at, one in enumerate(TEXTS)]
    found = read_rows(rows, SimpleNamespace(text="제목"))
    assert found.notes == [
        'rows: text = "제목" (given), label = "점수" (its name); not used: "idx" and "url" ("idx" is an id).'
    ]
    assert 'label = "y" (its content)' in read_rows([{"text": t, "y": at % 2} for at, t in enumerate(TEXTS)]).notes[0]
