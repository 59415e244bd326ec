"""The verbs of `datasets` that the tutorials use: `byeori.read` gives a data set that has them, and takes back what they give.

The reference is plain Python on the rows as they were written; ids are those of the tokenizer on the texts that must be left.
"""

from __future__ import annotations

import csv
import html
from pathlib import Path

import datasets
import pytest

import byeori
from byeori.data.read import read_rows

WRITTEN = [
    (at, text, label)
    for at, (text, label) in enumerate(
        [
            ("I&#039;m happy with it", "good"),
            ("It broke on the FIRST day", "bad"),
            ("배송이 빨라요", "good"),
            ("다시는 안 사요", "bad"),
            ("Fine &amp; cheap", "good"),
            ("포장이 찢어져 왔어요", "bad"),
            ("ok", "good"),
            ("The color is not as shown", "bad"),
        ]
    )
]
TEXTS = [text for _, text, _ in WRITTEN]


@pytest.fixture
def rows(tmp_path: Path) -> datasets.Dataset:
    with open(tmp_path / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("uniq", "review", "label"), *WRITTEN])
    return byeori.read(tmp_path / "reviews.csv")


def test_reading_gives_a_data_set(rows):
    assert isinstance(rows, datasets.Dataset)
    assert rows.column_names == ["text", "label", "uniq"] and rows.num_rows == len(WRITTEN)
    assert rows[1] == {"text": TEXTS[1], "label": "bad", "uniq": "1"}
    assert rows[2:4]["text"] == TEXTS[2:4] and rows["text"][:] == TEXTS


def test_unique_tells_an_id(rows):
    assert len(rows.unique("uniq")) == rows.num_rows and sorted(rows.unique("label")) == ["bad", "good"]


def test_each_verb(rows):
    order = rows.shuffle(seed=7)
    assert sorted(order["uniq"][:]) == list("01234567") and order["uniq"][:] == rows.shuffle(seed=7)["uniq"][:]
    assert order.select(range(3))["text"][:] == order["text"][:3]
    assert rows.rename_column("text", "document").column_names == ["document", "label", "uniq"]
    assert rows.filter(lambda row: len(row["text"]) > 2)["uniq"][:] == list("0123457")
    assert rows.map(lambda row: {"text": html.unescape(row["text"])})["text"][0] == "I'm happy with it"
    lower = rows.map(lambda batch: {"text": [one.lower() for one in batch["text"]]}, batched=True)
    assert lower["text"][:] == [one.lower() for one in TEXTS]
    assert rows.add_column("length", [len(one) for one in TEXTS]).sort("length")["text"][0] == "ok"
    parts = rows.train_test_split(test_size=0.25, seed=1)
    assert {name: part.num_rows for name, part in parts.items()} == {"train": 6, "test": 2}
    assert sorted([*parts["train"]["uniq"], *parts["test"]["uniq"]]) == list("01234567")


def test_what_the_verbs_give_is_taken_back(rows, tiny):
    """filter, map and shuffle in a row: the ids are the tokenizer's of the texts left, in their new order."""
    made = (
        rows.filter(lambda row: len(row["text"]) > 2)
        .map(lambda row: {"text": html.unescape(row["text"])})
        .shuffle(seed=3)
        .rename_column("text", "review")
    )
    left = [html.unescape(text) for text in TEXTS if len(text) > 2]
    assert sorted(made["review"][:]) == sorted(left) and made["review"][:] != left
    task = byeori.tasks.TextClassification(labels=["bad", "good"])
    _, tokenizer = byeori.load(str(tiny("bert", auto="AutoModel")), task)
    store = byeori.encode(made, task, tokenizer)
    assert [store[at]["input_ids"] for at in range(len(store))] == tokenizer(made["review"][:])["input_ids"]
    assert store.columns["labels"].tolist() == [["bad", "good"].index(one) for one in made["label"]]
    again = read_rows(made)
    assert again.columns == {"text": "review", "label": "label"}
    assert [again.origin.where(at) for at in (0, 6)] == ["Dataset, row 1", "Dataset, row 7"]


def test_a_split_of_ones_own_is_trained_on(rows, tiny, tmp_path):
    """`train_test_split` gives a dict of splits, which a training takes whole."""
    more = datasets.concatenate_datasets([rows, rows.map(lambda row: {"text": row["text"] + " too"})])
    parts = more.train_test_split(test_size=0.25, seed=1)
    run = byeori.train(
        "text-classification", str(tiny("bert", auto="AutoModel")), train=parts, output=str(tmp_path / "run"),
        validation_size=0.3, max_steps=1, batch_size=4, threads=1, precision="float32", baselines=False,
    )  # fmt: skip
    assert run.task.columns == {"text": "text", "label": "label"} and run.task.labels == ["bad", "good"]
    assert len(run.read(parts["test"])) == 4


def test_a_dict_of_splits_has_them_too(tmp_path):
    for name, part in (("train", WRITTEN[:6]), ("test", WRITTEN[6:])):
        with open(tmp_path / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("uniq", "review", "label"), *part])
    parts = byeori.read(tmp_path)
    assert isinstance(parts, datasets.DatasetDict) and list(parts) == ["train", "test"]
    made = parts.rename_column("text", "review").filter(lambda row: row["label"] == "good")
    assert {name: len(part) for name, part in made.items()} == {"train": 3, "test": 1}
    assert byeori.read(made)["train"]["text"][:] == [t for _, t, label in WRITTEN[:6] if label == "good"]
