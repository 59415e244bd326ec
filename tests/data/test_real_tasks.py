"""The real data sets of the other tasks, each counted a second time here by plain means."""

from __future__ import annotations

import csv
import json
import re
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from byeori.data.read import read_rows, read_splits

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")

NER = {"roles": ("tokens", "tags", "text", "entities"), "forms": (("tokens", "tags"), ("text", "entities"))}
QA = {"roles": ("question", "context", "answers", "id", "title"), "forms": (("question", "context", "answers"),)}
PAIR = {"roles": ("source", "target", "references"), "forms": (("source", "target"),)}
LM = {
    "roles": ("text", "prompt", "completion", "messages"),
    "forms": (("messages",), ("prompt", "completion"), ("text",)),
}


def raw(file):
    return (DATA / file).read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("file", "sentences", "tokens", "unit"),
    [
        ("wnut17/wnut17train.conll", 3_394, 62_730, "word"),
        ("wnut17/emerging.dev.conll", 1_009, 15_733, "word"),
        ("wnut17/emerging.test.annotated", 1_287, 23_394, "word"),
        ("klue/klue-ner-v1.1_dev.tsv", 3_001, 172_554, "character"),
    ],
)
def test_tagged_tokens(file, sentences, tokens, unit):
    lines = [line for line in raw(file).split("\n") if not line.startswith("## ")]
    blocks = [list(block) for full, block in groupby(lines, lambda line: re.search(r"\t\S", line) is not None) if full]
    rows = read_rows(DATA / file, **NER)
    assert len(rows) == len(blocks) == sentences == rows.origin.files[0].rows
    assert rows.table["tokens"][:] == [[line.split("\t")[0] for line in block] for block in blocks]
    assert rows.table["tags"][:] == [[line.split("\t")[1] for line in block] for block in blocks]
    assert sum(map(len, rows.table["tokens"][:])) == tokens
    assert rows.facts["unit"] == unit


def test_what_is_odd_in_wnut():
    train = read_rows(DATA / "wnut17/wnut17train.conll", **NER)
    assert any("left out: 2,394 tab-only lines" in note for note in train.notes)
    dev = read_rows(DATA / "wnut17/emerging.dev.conll", **NER)
    odd = [token for tokens in dev.table["tokens"] for token in tokens if re.search("[​﻿]", token)]
    assert odd == ["watched​was", "Dubbz﻿"]  # invisible characters are part of the token
    parts = read_splits(DATA / "wnut17", **NER)
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 3_394, "validation": 1_009, "test": 1_287}


def test_klue_header_and_spaces():
    rows = read_rows(DATA / "klue/klue-ner-v1.1_dev.tsv", **NER)
    assert rows.columns == {"tokens": "CHAR", "tags": "NE_TAG"}
    text = raw("klue/klue-ner-v1.1_dev.tsv")
    assert sum(tokens.count(" ") for tokens in rows.table["tokens"]) == len(re.findall(r"^ \t", text, re.MULTILINE))
    plain = re.findall(r"^## klue-ner-v1_dev_\d+-\w+\t(.*)$", text, re.MULTILINE)
    joined = ["".join(tokens) for tokens in rows.table["tokens"]]
    marks = re.compile(r":;?[A-Z]{2}>|[<>]")  # the comments mark entities; one sentence keeps such a mark as text
    same = sum(marks.sub("", one) == marks.sub("", other) for one, other in zip(plain, joined, strict=True))
    assert same == len(plain) == 3_001


def test_parts_of_speech():
    text = raw("ud_korean_gsd/ko_gsd-ud-dev.conllu")
    words = [line.split("\t") for line in text.split("\n") if re.match(r"\d+\t", line)]
    for column, at in (("UPOS", 3), ("XPOS", 4)):
        rows = read_rows(DATA / "ud_korean_gsd", SimpleNamespace(label=column), **NER)
        assert len(rows) == text.count("# sent_id") == 300
        assert [token for tokens in rows.table["tokens"] for token in tokens] == [word[1] for word in words]
        assert [tag for tags in rows.table["tags"] for tag in tags] == [word[at] for word in words]
    assert len(words) == 3_800


@pytest.mark.parametrize(
    ("file", "questions", "impossible"), [("squad2/dev-v2.0.json", 6_078, 3_168), ("xquad/xquad.en.json", 1_190, 0)]
)
def test_questions(file, questions, impossible):
    expected = [
        (article["title"], paragraph["context"], one["question"], one["id"], one["answers"])
        for article in json.loads(raw(file))["data"]
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    ]
    rows = read_rows(DATA / file, **QA)
    assert len(rows) == len(expected) == questions == rows.origin.files[0].rows
    for name, at in (("title", 0), ("context", 1), ("question", 2), ("id", 3)):
        assert rows.table[name][:] == [row[at] for row in expected]
    for found, wanted in zip(rows.table["answers"], expected, strict=True):
        assert found["text"] == [one["text"] for one in wanted[4]]
        assert found["answer_start"] == [one["answer_start"] for one in wanted[4]]
    assert sum(not found["text"] for found in rows.table["answers"]) == impossible


def test_dialogues_and_summaries():
    parts = read_splits(DATA / "dialogsum_en", **PAIR)
    for split, file in (("validation", "dev"), ("test", "test")):
        expected = [json.loads(line) for line in raw(f"dialogsum_en/dialogsum.{file}.jsonl").splitlines()]
        rows = parts[split]
        assert len(rows) == len(expected) == 500
        assert rows.table["source"][:] == [row["dialogue"] for row in expected]
        assert rows.table["target"][:] == [row.get("summary", row.get("summary1")) for row in expected]
    assert parts["validation"].table.column_names == ["source", "target"]
    assert parts["test"].table["references"][:] == [[row[f"summary{i}"] for i in (1, 2, 3)] for row in expected]


def test_articles_of_tokens():
    expected = json.loads(raw("cnndm_sample/cnndm_sample.train.0.json"))
    rows = read_rows(DATA / "cnndm_sample/cnndm_sample.train.0.json", **PAIR)
    assert len(rows) == len(expected) == 6
    for row, wanted in zip(rows.table, expected, strict=True):
        assert row["source"].split() == [token for sentence in wanted["src"] for token in sentence]
        assert row["target"].split() == [token for sentence in wanted["tgt"] for token in sentence]


@pytest.mark.parametrize(
    ("stem", "pairs"),
    [
        ("ko_en_jhe/jhe-koen-dev", 720),
        ("ko_en_jhe/jhe-koen-eval", 720),
        ("ko_en_news/korean-english-park.dev", 1_000),
        ("ko_en_news/korean-english-park.test", 2_000),
    ],
)
def test_line_files(stem, pairs):
    ko, en = (raw(f"{stem}.{language}").rstrip("\n").split("\n") for language in ("ko", "en"))
    for source in (DATA / stem, f"{DATA / stem}.ko,{DATA / stem}.en", (DATA / f"{stem}.ko", DATA / f"{stem}.en")):
        rows = read_rows(source, **PAIR)
        assert len(rows) == len(ko) == len(en) == pairs == rows.origin.files[0].rows
        assert (rows.table["source"][:], rows.table["target"][:]) == (ko, en)
        assert rows.facts == {"source_lang": "ko", "target_lang": "en"}


def test_folders_of_line_files():
    news = read_splits(DATA / "ko_en_news", SimpleNamespace(target_lang="ko"), **PAIR)
    assert {split: len(rows) for split, rows in news.items()} == {"validation": 1_000, "test": 2_000}
    assert news["test"].facts == {"source_lang": "en", "target_lang": "ko"}
    assert {split: len(rows) for split, rows in read_splits(DATA / "ko_en_jhe", **PAIR).items()} == {
        "validation": 720,
        "test": 720,
    }


def test_tatoeba():
    with (DATA / "ko_en_tatoeba/kor.txt").open(encoding="utf-8", newline="") as file:
        expected = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = read_rows(DATA / "ko_en_tatoeba", SimpleNamespace(source_lang="ko", target_lang="en"), **PAIR)
    assert len(rows) == len(expected) == 3_798
    assert rows.table["source"][:] == [row[1] for row in expected]
    assert rows.table["target"][:] == [row[0] for row in expected]
    assert rows.facts == {"source_lang": "ko", "target_lang": "en"}


@pytest.mark.parametrize(("file", "documents"), [("valid.txt", 60), ("test_first1500lines.txt", 24)])
def test_wikitext(file, documents):
    text = raw(f"wikitext2/{file}")
    titles = re.findall(r"^ = [^=\n][^\n]* = $", text, re.MULTILINE)
    rows = read_rows(DATA / "wikitext2" / file, **LM)
    assert len(rows) == len(titles) == documents
    assert [one.split("\n")[0] for one in rows.table["text"]] == titles
    words = [word for document in rows.table["text"] for word in document.split()]
    assert words == text.split()  # nothing is lost between documents


def test_korean_text():
    lines = raw("ko_text/ud_kaist_sentences.txt").rstrip("\n").split("\n")
    assert read_rows(DATA / "ko_text/ud_kaist_sentences.txt", **LM).table["text"][:] == lines
    law = raw("ko_text/constitution.txt").replace("\r\n", "\n")
    blocks = [block for block in re.split(r"\n\s*\n", law.strip()) if block.strip()]
    rows = read_rows(DATA / "ko_text/constitution.txt", **LM)
    assert len(rows) == len(blocks) == 13
    assert [one.split() for one in rows.table["text"]] == [block.split() for block in blocks]
    by_line = read_rows(DATA / "ko_text/constitution.txt", SimpleNamespace(document="line"), **LM)
    assert by_line.table["text"][:] == [line for line in law.split("\n") if line.strip()]
    assert len(by_line) == 344


def test_questions_and_answers_as_prompts():
    with (DATA / "chatbot/ChatbotData.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    rows = read_rows(DATA / "chatbot/ChatbotData.csv", **LM)
    assert len(rows) == len(expected) == 11_823
    assert rows.table["prompt"][:] == [row["Q"] for row in expected]
    assert rows.table["completion"][:] == [row["A"] for row in expected]
