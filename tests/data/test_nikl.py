"""모두의 말뭉치: layouts as the institute publishes them, with invented sentences."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from byeori.data.read import read_rows
from byeori.errors import DataError

META = {"title": "시장 소식", "topic": "경제", "date": "20260301", "annotation_level": ["개체명"]}


def corpus(*documents):
    return {"id": "NXXX26", "metadata": {"title": "말뭉치", "creator": "기관"}, "document": list(documents)}


def sentence(number, form, **more):
    return {"id": f"NXXX26.1.{number}", "form": form, **more}


def written(tmp_path, value):
    (tmp_path / "NXXX26.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return tmp_path / "NXXX26.json"


NEWS = corpus(
    {"id": "d1", "metadata": META, "paragraph": [sentence(1, "쌀값이 올랐다."), sentence(2, "정부는 회의를 열었다.")]},
    {"id": "d2", "metadata": {**META, "topic": "문화"}, "paragraph": [sentence(3, "새 영화가 나왔다.")]},
)
TALK = corpus({"id": "d1", "metadata": META, "utterance": [
    sentence(1, "어제 뭐 했어?", original_form="어제 뭐 해써?", speaker_id="1", start=0.0, end=1.5),
    sentence(2, "집에 있었지.", original_form="집에 있었지.", speaker_id="2", start=1.5, end=3.0),
]})  # fmt: skip
NAMED = corpus({"id": "d1", "metadata": META, "sentence": [
    sentence(1, "김가람은 서울에 산다.", word=[{"id": 1, "form": "김가람은", "begin": 0, "end": 4}],
             NE=[{"id": 1, "form": "김가람", "label": "PS_NAME", "begin": 0, "end": 3},
                 {"id": 2, "form": "서울", "label": "LCP_CAPITALCITY", "begin": 5, "end": 7}],
             WSD=[{"word": "살다", "sense_id": 1, "pos": "VV", "begin": 9, "end": 11, "word_id": 3}]),
    sentence(2, "아무 일도 없다.", word=[], NE=[], WSD=[]),
]})  # fmt: skip
MORPHEMES = corpus({"id": "d1", "metadata": META, "sentence": [
    sentence(1, "밥을 먹는다.", morpheme=[
        {"id": 1, "form": "밥", "label": "NNG", "word_id": 1, "position": 1},
        {"id": 2, "form": "을", "label": "JKO", "word_id": 1, "position": 2},
        {"id": 3, "form": "먹", "label": "VV", "word_id": 2, "position": 1},
        {"id": 4, "form": "는다", "label": "EF", "word_id": 2, "position": 2}]),
]})  # fmt: skip
NER = {"roles": ("tokens", "tags", "text", "entities"), "forms": (("tokens", "tags"), ("text", "entities"))}


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (NEWS, ["쌀값이 올랐다.", "정부는 회의를 열었다.", "새 영화가 나왔다."]),
        (TALK, ["어제 뭐 했어?", "집에 있었지."]),
        (NAMED, ["김가람은 서울에 산다.", "아무 일도 없다."]),
    ],
)
def test_a_row_a_form(tmp_path, value, texts):
    rows = read_rows(written(tmp_path, value))
    assert rows.table["text"][:] == texts
    assert rows.origin.files[0].rows == len(rows) == len(texts)
    assert any("모두의 말뭉치" in note for note in rows.notes)


def test_metadata_are_columns(tmp_path):
    rows = read_rows(written(tmp_path, NEWS), SimpleNamespace(label="topic"), keep=True)
    assert rows.table["label"][:] == ["경제", "경제", "문화"]
    assert rows.table["document"][:] == ["d1", "d1", "d2"]
    talk = read_rows(written(tmp_path, TALK), SimpleNamespace(text="original_form", label="speaker_id"))
    assert talk.table[:] == {"text": ["어제 뭐 해써?", "집에 있었지."], "label": ["1", "2"]}


def test_entities(tmp_path):
    rows = read_rows(written(tmp_path, NAMED), **NER)
    assert rows.columns == {"text": "form", "entities": "NE"}
    assert rows.table["entities"][:] == [
        [{"start": 0, "end": 3, "label": "PS_NAME"}, {"start": 5, "end": 7, "label": "LCP_CAPITALCITY"}],
        [],
    ]
    assert any("the entities are those of NE; --entities names another" in note for note in rows.notes)
    senses = read_rows(written(tmp_path, NAMED), SimpleNamespace(entities="WSD"), **NER)
    assert senses.table["entities"][0] == [{"start": 9, "end": 11, "label": "살다__01"}]
    moved = json.loads(json.dumps(NAMED))
    moved["document"][0]["sentence"][0]["NE"][0]["begin"] = 1
    with pytest.raises(DataError, match="NXXX26.json, row 1"):
        read_rows(written(tmp_path, moved), **NER)


def test_morphemes_are_tokens(tmp_path):
    rows = read_rows(written(tmp_path, MORPHEMES), **NER)
    assert rows.table[:] == {"tokens": [["밥", "을", "먹", "는다"]], "tags": [["NNG", "JKO", "VV", "EF"]]}


def test_running_text_is_a_document_a_row(tmp_path):
    rows = read_rows(written(tmp_path, NEWS), SimpleNamespace(document=None), roles=("text",), required=("text",))
    assert rows.table["text"][:] == ["쌀값이 올랐다.\n정부는 회의를 열었다.", "새 영화가 나왔다."]


def test_several_files_and_what_is_broken(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, value in (("a.json", NEWS), ("b.json", NAMED)):
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    assert len(read_rows(folder)) == 5
    with pytest.raises(DataError, match='document 1, sentence 2: it has no text under "form"'):
        read_rows(written(tmp_path, corpus({"id": "d", "sentence": [sentence(1, "가"), {"id": "x"}]})))
    with pytest.raises(DataError, match="no text|row 1"):
        read_rows(written(tmp_path, corpus({"id": "d", "sentence": [sentence(1, "")]})))
