"""Columns find their roles: by name, by pair, by content; ambiguity asks."""

from __future__ import annotations

import pytest

from byeori.data.read import read_rows
from byeori.data.roles import match
from byeori.errors import DataError

TEXT = ["오늘은 날씨가 참 좋다", "영화가 정말 재미없었다", "배우들의 연기가 좋다", "다시는 안 본다"]
CODE = ["1", "0", "1", "0"]
NEED = {"required": ("text", "label")}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("sentence label idx", {"text": "sentence", "label": "label"}),  # GLUE: CoLA, SST-2
        ("sentence1 sentence2 label idx", {"text": "sentence1", "text_pair": "sentence2", "label": "label"}),  # MRPC…
        ("question1 question2 label idx", {"text": "question1", "text_pair": "question2", "label": "label"}),  # QQP
        ("premise hypothesis label idx", {"text": "premise", "text_pair": "hypothesis", "label": "label"}),  # MNLI
        ("question sentence label idx", {"text": "question", "text_pair": "sentence", "label": "label"}),  # QNLI
        ("Text LABEL", {"text": "Text", "label": "LABEL"}),
        ("문장 라벨", {"text": "문장", "label": "라벨"}),
        ("본문 분류", {"text": "본문", "label": "분류"}),
        ("리뷰 감정", {"text": "리뷰", "label": "감정"}),
        ("전제 가설 정답", {"text": "전제", "text_pair": "가설", "label": "정답"}),
        ("질문 카테고리", {"text": "질문", "label": "카테고리"}),
        ("title content label", {"text": "content", "label": "label"}),
        ("text label label_text", {"text": "text", "label": "label"}),
    ],
)
def test_known_names(names, expected):
    columns = {name: CODE if expected.get("label") == name or name == "idx" else TEXT for name in names.split()}
    assert match(columns, {}, **NEED).columns == expected


def test_decomposed_names_are_known():
    import unicodedata

    name = unicodedata.normalize("NFD", "문장")
    assert match({name: TEXT, "라벨": CODE}, {}).columns == {"text": name, "label": "라벨"}


def test_by_content():
    found = match({"x": TEXT, "y": CODE}, {}, **NEED)
    assert found.columns == {"text": "x", "label": "y"}
    assert "its content" in found.reason
    assert match({"a": CODE, "b": TEXT}, {"label": "a"}, **NEED).columns["text"] == "b"


def test_ambiguity_asks():
    with pytest.raises(DataError, match='"review" and "comment" could each be the text.*--text review'):
        match({"review": TEXT, "comment": TEXT, "label": CODE}, {}, **NEED)
    with pytest.raises(DataError, match='"p" and "q2" could each be the label.*--label p,q2'):
        match({"text": TEXT, "p": CODE, "q2": CODE}, {}, **NEED)
    assert match({"text": TEXT, "p": CODE, "q2": CODE}, {}).columns == {"text": "text"}


def test_a_name_given_decides():
    columns = {"text": TEXT, "other": TEXT, "label": CODE, "code": CODE}
    found = match(columns, {"text": "other", "label": "code"}, **NEED)
    assert found.columns == {"text": "other", "label": "code"}
    assert match(columns, {"label": "label,code"}).columns["label"] == ["label", "code"]
    with pytest.raises(DataError, match="is given for --text and for --label"):
        match(columns, {"text": "text", "label": "text"})
    with pytest.raises(DataError, match="names a column twice"):
        match(columns, {"label": "code,code"})


def test_no_label_column():
    with pytest.raises(DataError, match='no column was recognised as the label. The only column is "text".*--label'):
        match({"text": TEXT}, {}, **NEED)


BEFORE = {"text": "b", "label": "d"}


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        ("a b c d", {}, {"text": "b", "label": "d"}),
        ("text b label d", {}, {"text": "b", "label": "d"}),  # before columns with telling names
        ("a b c d", {"text": "a"}, {"text": "a", "label": "d"}),  # what is named goes first
        ("a b c d", {"label": "c"}, {"text": "b", "label": "c"}),
        ("text b label", {}, {"text": "b", "label": "label"}),  # one of them is not there
        ("text label d", {}, {"text": "text", "label": "d"}),
        ("text label", {}, {"text": "text", "label": "label"}),
    ],
)
def test_columns_of_training(names, given, expected):
    columns = {name: CODE if name in ("c", "d", "label") else TEXT for name in names.split()}
    found = match(columns, given, before=BEFORE, **NEED)
    assert found.columns == expected
    named = {role: column for role, column in expected.items() if BEFORE[role] == column and role not in given}
    assert found.reason.count("as in training") == len(named)
    gone = [f'{role} = "{column}"' for role, column in BEFORE.items() if column not in columns]
    assert all(one in found.reason for one in gone) and ("training data had" in found.reason) is bool(gone)


def test_text_and_pair_of_training_go_together():
    pair = {"text": "a", "text_pair": "b"}
    columns = {name: TEXT for name in ("a", "b", "sentence1", "sentence2")}
    assert match(columns, {}, before=pair).columns == pair
    del columns["b"]
    assert match(columns, {}, before=pair).columns == {"text": "sentence1", "text_pair": "sentence2"}
    assert match(columns, {"text": "sentence2"}, before=pair).columns == {"text": "sentence2"}


def test_several_label_columns_of_training():
    columns = {"a": TEXT, "x": CODE, "y": CODE, "label": CODE}
    before = {"text": "a", "label": ["x", "y"]}
    assert match(columns, {}, before=before, **NEED).columns == before
    del columns["y"]
    assert match(columns, {}, before=before, **NEED).columns == {"text": "a", "label": "label"}


def test_the_form_of_training_goes_first_only_where_its_columns_are():
    """A model that learnt from texts with spans is asked about words: they are not its text."""
    forms = {
        "roles": ("tokens", "text"),
        "forms": (("tokens",), ("text",)),
        "before": {"text": "text", "entities": "entities"},
    }
    assert read_rows([{"tokens": ["서울", "은"]}], **forms).columns == {"tokens": "tokens"}
    both = [{"tokens": ["서울", "은"], "text": "서울은"}]
    assert read_rows(both, **forms).columns == {"text": "text"}
    assert read_rows(both, **{**forms, "before": {"tokens": "tokens", "tags": "tags"}}).columns == {"tokens": "tokens"}
