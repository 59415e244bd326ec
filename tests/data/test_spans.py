"""Tokens with tags and texts with spans, in rows: equal lengths, exact offsets, and the row of what is wrong."""

from __future__ import annotations

import json
from types import SimpleNamespace

import datasets
import pytest

from byeori.data.read import read, read_rows
from byeori.errors import DataError

NER = {"roles": ("tokens", "tags", "text", "entities"), "forms": (("tokens", "tags"), ("text", "entities"))}
WORDS, TAGS = [["서울에", "간다"], ["집", "에서"]], [["B-LOC", "O"], ["O", "O"]]


@pytest.mark.parametrize(
    ("words", "tags"), [("tokens", "tags"), ("words", "ner_tags"), ("단어", "태그"), ("form", "labels")]
)
def test_names_of_tokens_and_tags(words, tags):
    rows = read_rows({words: WORDS, tags: TAGS, "id": ["a", "b"]}, **NER)
    assert (rows.table["tokens"][:], rows.table["tags"][:]) == (WORDS, TAGS)
    assert rows.columns == {"tokens": words, "tags": tags}


def test_class_ids_become_names(tmp_path):
    names = ["O", "B-LOC"]
    features = datasets.Features(
        tokens=datasets.List(datasets.Value("string")),
        pos_tags=datasets.List(datasets.Value("string")),
        ner_tags=datasets.List(datasets.ClassLabel(names=names)),
    )
    data = datasets.Dataset.from_dict(
        {"tokens": WORDS, "pos_tags": [["N", "V"], ["N", "J"]], "ner_tags": [[1, 0], [0, 0]]}, features=features
    )
    data.to_parquet(tmp_path / "a.parquet")
    for source in (data, tmp_path / "a.parquet", data.to_iterable_dataset()):
        rows = read_rows(source, **NER)
        assert rows.table["tags"][:] == TAGS
        assert (rows.label_names, rows.columns["tags"]) == (names, "ner_tags")
    plain = [{"tokens": ["a", "b"], "tags": [1, 0]}]
    assert read_rows(plain, **NER).table["tags"][0] == ["1", "0"]
    assert read_rows(plain, label_names=names, **NER).table["tags"][0] == ["B-LOC", "O"]


def test_texts_are_cut_at_spaces(tmp_path):
    lines = "".join(f"서울 에 간다 {i}\tLOC-B O O O\n" for i in range(5))
    (tmp_path / "naver.tsv").write_text(lines, encoding="utf-8")
    rows = read_rows(tmp_path / "naver.tsv", **NER)
    assert rows.table["tokens"][4] == ["서울", "에", "간다", "4"] and rows.table["tags"][0] == ["LOC-B", "O", "O", "O"]
    assert any("cut at spaces" in note for note in rows.notes)
    pairs = [(["a", "b"], ["O", "B-X"]), (["c"], ["O"])]
    assert read_rows(pairs, **NER).table["tags"][:] == [["O", "B-X"], ["O"]]


def test_lengths_differ():
    rows = [{"tokens": ["a", "b"], "tags": ["O", "O"]}, {"tokens": ["a", "b", "c"], "tags": ["O", "O"]}]
    with pytest.raises(DataError, match="rows, row 2: 3 tokens and 2 tags.*--skip-bad-rows"):
        read_rows(rows, **NER)
    kept = read_rows(rows, SimpleNamespace(skip_bad_rows=True), **NER)
    assert len(kept) == 1 and any("1 row that can't be used left out (row 2: 3 tokens" in note for note in kept.notes)
    for wrong, what in (
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "token 2 of 2 is empty"),
        ({"tokens": ["a", "b"], "tags": ["O", None]}, 'the tag of token 2 ."b".'),
        ({"tokens": ["a", "b"], "tags": None}, "the tags are missing"),
        ({"tokens": [], "tags": []}, 'the column "tokens" is empty.*--drop-empty'),
    ):
        with pytest.raises(DataError, match=f"row 3: {what}"):
            read_rows([rows[0], rows[0], wrong], **NER)


TEXT = "서울에서 김 씨가 왔다"
WANTED = [{"start": 0, "end": 2, "label": "LOC"}, {"start": 5, "end": 6, "label": "PER"}]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "entities": WANTED},
        {"text": TEXT, "entities": WANTED[::-1]},
        {"text": TEXT, "label": [[0, 2, "LOC"], [5, 6, "PER"]]},
        {"text": TEXT, "labels": [[0, 2, "LOC"], [5, 6, "PER"]]},
        {"text": TEXT, "spans": [{"start": 0, "end": 2, "label": "LOC", "text": "서울"}, {"start": 5, "end": 6, "label": "PER"}]},
        {"text": TEXT, "entities": [{"start_offset": 0, "end_offset": 2, "label": "LOC", "id": 7}, {"begin": 5, "end": 6, "type": "PER"}]},
        (TEXT, {"entities": [(0, 2, "LOC"), (5, 6, "PER")]}),
    ],
)  # fmt: skip
def test_shapes_of_spans(row, tmp_path):
    rows = read_rows([row, row], **NER)
    assert rows.table["entities"][1] == WANTED
    assert rows.table.column_names == ["text", "entities"]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_rows(path, **NER).table["entities"][0] == WANTED
    assert read_rows([{"text": TEXT, "entities": []}], **NER).table["entities"][0] == []


@pytest.mark.parametrize(
    ("entity", "what"),
    [
        ({"start": 5, "end": 40, "label": "X"}, "entity 1 goes from 5 to 40, where the text has 12 characters"),
        ({"start": 5, "end": 5, "label": "X"}, "goes from 5 to 5"),
        ({"start": 0, "end": 1, "label": "X", "text": "서울"}, "ends at 1, its last character; 2 is wanted"),
        ({"start": 3, "end": 5, "label": "X", "text": "서울"}, '"서 " stands there.; the nearest match is at 0'),
        ({"start": 0, "label": "X"}, "entity 1 has no end"),
        ({"start": 0, "end": 2}, "has no label"),
        ("서울", "neither an object nor"),
    ],
)
def test_spans_that_cannot_be_used(entity, what):
    good = {"text": TEXT, "entities": WANTED}
    with pytest.raises(DataError, match=f"rows, row 2: .*{what}"):
        read_rows([good, {"text": TEXT, "entities": [entity]}], **NER)


def test_the_first_complete_form_wins():
    both = {"tokens": WORDS, "tags": TAGS, "text": ["서울에 간다", "집에서"], "entities": [[], []]}
    assert read_rows(both, **NER).table.column_names == ["tokens", "tags"]
    assert read_rows(both, SimpleNamespace(entities="entities"), **NER).table.column_names == ["text", "entities"]
    unlabelled = {"roles": NER["roles"], "forms": (("tokens",), ("text",))}
    assert read_rows(["서울에 간다"], **unlabelled).table.column_names == ["text"]
    assert read_rows({"tokens": WORDS}, **unlabelled).table.column_names == ["tokens"]
    with pytest.raises(DataError) as caught:
        read_rows([{"body": "글", "kind": "x"}], **NER)
    assert str(caught.value) == (
        'rows: no complete set of columns was found: "tokens" and "tags" (not found: "tokens" and "tags"), or "text" and '
        '"entities" (not found: "entities"). The columns are "body" and "kind". Name them: '
        "--tokens COLUMN --tags COLUMN, or --entities COLUMN."
    )


def test_read_takes_the_roles_that_columns_are_named_for():
    rows = read({"w": WORDS, "t": TAGS, "n": [1, 2]}, tokens="w", tags="t")
    assert rows.column_names == ["tokens", "tags", "n"]
