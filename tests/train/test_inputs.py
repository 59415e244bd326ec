"""What `byeori.train` takes in place of names and files: the same rows give the same weights, however they come."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pandas
import pytest
import torch
from safetensors.torch import load_file

import byeori
from byeori.errors import DataError, ModelError
from plain import same as alike

SHORT = {
    "batch_size": 16, "epochs": 1, "learning_rate": 1e-3, "threads": 1, "precision": "float32", "baselines": False,
    "test_size": 0,
}  # fmt: skip


def train(model, data, output, **values):
    return byeori.train("text-classification", model, train=data, output=str(output), **{**SHORT, **values})


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model" / "model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


# rows -----------------------------------------------------------------------------------------------------------------
class MapStyle(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class Streamed(torch.utils.data.IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)


class StreamedWithLength(Streamed):
    def __len__(self):
        return len(self.rows)


FORMS = {
    "list of dicts": list,
    "list of tuples": lambda rows: [(row["text"], row["label"]) for row in rows],
    "dict of columns": lambda rows: {name: [row[name] for row in rows] for name in ("text", "label")},
    "DataFrame": pandas.DataFrame,
    "Dataset": datasets.Dataset.from_list,
    "IterableDataset": lambda rows: datasets.Dataset.from_list(rows).to_iterable_dataset(),
    "torch Dataset": MapStyle,
    "torch IterableDataset": Streamed,
    "torch IterableDataset with a length": StreamedWithLength,
    "generator": lambda rows: (row for row in rows),
}


@pytest.fixture(scope="module")
def from_file(tiny_bert, requests_tsv, tmp_path_factory) -> dict[str, torch.Tensor]:
    run = train(tiny_bert, requests_tsv, tmp_path_factory.mktemp("file") / "run")
    return weights(run.path)


@pytest.mark.parametrize("form", FORMS)
def test_rows_as_objects_train_as_the_file_does(tiny_bert, demo_rows, from_file, tmp_path, form):
    run = train(tiny_bert, FORMS[form](demo_rows), tmp_path / "run")
    assert same(weights(run.path), from_file)


def test_token_store_trains_as_the_file_does(tiny_bert, requests_tsv, from_file, tmp_path):
    rows = byeori.read(requests_tsv)
    task = byeori.tasks.TextClassification()
    model, tokenizer = byeori.load(tiny_bert, byeori.tasks.TextClassification(labels=sorted(set(rows["label"]))))
    store = byeori.encode(rows, task, tokenizer, model=model)
    run = byeori.train(task, model, tokenizer, train=store, output=str(tmp_path / "run"), **SHORT)
    assert same(weights(run.path), from_file)


def test_token_store_keeps_its_length_and_truncation(tiny_bert, requests_tsv, tmp_path):
    task = byeori.tasks.TextClassification()
    _, tokenizer = byeori.load(tiny_bert, byeori.tasks.TextClassification(labels=["a", "b"]))
    store = byeori.encode(byeori.read(requests_tsv), task, tokenizer, max_length=12, truncation="tail")
    run = byeori.train(task, tiny_bert, train=store, output=str(tmp_path / "store"), **SHORT)
    wanted = train(tiny_bert, requests_tsv, tmp_path / "file", max_length=12, truncation="tail")
    assert same(weights(run.path), weights(wanted.path))
    decoding = json.loads((run.folder.model / "byeori.json").read_text())["decoding"]
    assert decoding == {"max_length": 12, "truncation": "tail"}


def test_splits_of_a_dataset_dict_are_taken(tiny_bert, demo_rows, tmp_path):
    parts = datasets.DatasetDict(
        train=datasets.Dataset.from_list(demo_rows[:60]), validation=datasets.Dataset.from_list(demo_rows[60:80]),
        test=datasets.Dataset.from_list(demo_rows[80:]),
    )  # fmt: skip
    run = train(tiny_bert, parts, tmp_path / "dict")
    apart = train(tiny_bert, demo_rows[:60], tmp_path / "apart", validation=demo_rows[60:80], test=demo_rows[80:])
    assert same(weights(run.path), weights(apart.path))
    facts = json.loads(run.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 60, "validation": 20, "test": 16}
    assert run.metrics["test"] == apart.metrics["test"]


def test_class_labels_keep_their_names_and_order(tiny_bert, tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    rows = {"text": [f"word {i}" for i in range(40)], "label": [i % 2 for i in range(40)]}
    run = train(tiny_bert, datasets.Dataset.from_dict(rows, features=features), tmp_path / "run")
    assert json.loads((run.folder.model / "config.json").read_text())["id2label"] == {"0": "pos", "1": "neg"}


def tokenized(rows, tokenizer, **options):
    """As the course prepares its rows: labels as ids, a map over the tokenizer."""
    names = sorted({row["label"] for row in rows})
    found = tokenizer([row["text"] for row in rows], **options)
    labels = [names.index(row["label"]) for row in rows]
    return [{**{n: v[i] for n, v in found.items()}, "labels": label} for i, label in enumerate(labels)]


@pytest.mark.parametrize("tensors", [False, True])
def test_tokenized_rows_with_padding_train_as_those_without(tiny_bert, demo_rows, tmp_path, tensors, notes):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    bare, padded = tokenized(demo_rows, tokenizer), tokenized(demo_rows, tokenizer, padding="max_length", max_length=80)
    count = sum(len(row["input_ids"]) - sum(row["attention_mask"]) for row in padded)
    assert count > 1000
    if tensors:
        padded = MapStyle([{name: torch.tensor(value) for name, value in row.items()} for row in padded])
    values = {"validation_size": 0, "epochs": 2}
    first = train(tiny_bert, bare, tmp_path / "bare", **values)
    second = train(tiny_bert, padded, tmp_path / "padded", progress=notes, **values)
    assert same(weights(first.path), weights(second.path))
    said = " ".join(json.loads(second.folder.data.read_text())["parts"]["train"]["notes"])
    assert f"{count:,} padded places" in said
    assert any(f"{count:,} padded places" in note for note in notes.notes), (
        "what was taken out is said, not only stored"
    )


def test_samples_of_tokenized_rows_are_texts(tiny_bert, demo_rows, tmp_path):
    from transformers import AutoTokenizer

    rows = tokenized(demo_rows, AutoTokenizer.from_pretrained(tiny_bert))
    run = train(tiny_bert, rows, tmp_path / "run")
    sample = run.folder.lines(run.folder.samples)[0]
    assert sample["inputs"]["text"] and "[CLS]" not in sample["inputs"]["text"]


def test_tokenized_rows_without_mask_lose_only_their_tail(tiny_bert, demo_rows):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    rows = [{"input_ids": [2, 0, 7, 3, 0, 0], "labels": 0}, {"input_ids": [2, 7, 3, 0], "labels": 1}]
    store = byeori.encode(rows, byeori.tasks.TextClassification(), tokenizer)
    assert [store[i]["input_ids"] for i in range(2)] == [[2, 0, 7, 3], [2, 7, 3]]


@pytest.mark.parametrize(
    ("data", "said"),
    [(42, "int is not data"), ([], "no rows"), (pandas.DataFrame(), "no rows|no column"), (None, "no training data")],
)
def test_what_is_no_data_is_refused(tiny_bert, tmp_path, data, said):
    with pytest.raises((DataError, byeori.SettingError), match=said):
        train(tiny_bert, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# model and tokenizer --------------------------------------------------------------------------------------------------
def test_loaded_objects_train_as_their_names_do(tiny_bert, requests_tsv, from_file, tmp_path):
    labels = sorted(set(byeori.read(requests_tsv)["label"]))
    model, tokenizer = byeori.load(tiny_bert, byeori.tasks.TextClassification(labels=labels))
    run = train(model, requests_tsv, tmp_path / "run", tokenizer=tokenizer)
    assert same(weights(run.path), from_file)


def test_objects_of_plain_transformers(still_bert, requests_tsv, tmp_path):
    """As people load them, with transformers' own attention; dropout 0, and a large epsilon against AdamW's blown-up noise."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(still_bert, num_labels=4)
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    run = train(model, requests_tsv, tmp_path / "objects", tokenizer=tokenizer, adam_epsilon=1e-3)
    named = train(still_bert, requests_tsv, tmp_path / "names", adam_epsilon=1e-3)
    found, wanted = weights(run.path), weights(named.path)
    assert max(float((found[name] - wanted[name]).abs().max()) for name in wanted) < 1e-6
    assert run.model is model and model.config.id2label[0] == "account"
    assert run.metrics["training"]["packed"], "a model loaded by hand is packed like one loaded by name"


def test_model_object_without_tokenizer_or_with_another_head_is_refused(tiny_bert, requests_tsv, tmp_path):
    model, tokenizer = byeori.load(tiny_bert, byeori.tasks.TextClassification(labels=["a", "b"]))
    with pytest.raises(ModelError, match="without its tokenizer"):
        train(model, requests_tsv, tmp_path / "run")
    with pytest.raises(ModelError, match="2 outputs, the data 4 labels .*num_labels=4"):
        train(model, requests_tsv, tmp_path / "run", tokenizer=tokenizer)


# what comes back ------------------------------------------------------------------------------------------------------
def test_arrays(tiny_bert, demo_rows, tmp_path):
    run = train(tiny_bert, demo_rows[:64], tmp_path / "run")
    found = run.evaluate(demo_rows[64:], arrays=True)
    assert set(found) == {"metrics", "predictions", "logits", "label_ids"}
    assert found["logits"].shape == (32, 4) and found["logits"].dtype == np.float32
    assert found["label_ids"].tolist() == [run.task.labels.index(row["label"]) for row in demo_rows[64:]]
    assert found["metrics"]["accuracy"]["value"] == (found["logits"].argmax(-1) == found["label_ids"]).mean()
    assert [one["label"] for one in found["predictions"]] == [run.task.labels[i] for i in found["logits"].argmax(-1)]
    predicted = run.predict([row["text"] for row in demo_rows[64:]], arrays=True)
    assert predicted["predictions"] == found["predictions"]
    np.testing.assert_array_equal(predicted["logits"], found["logits"])


# the four kinds -------------------------------------------------------------------------------------------------------
def asks(row) -> str:
    return "question" if "?" in row["text"] else "statement"


def single(rows):
    return [
        {"text": row["text"], "label": asks(row)} for row in rows
    ], lambda p: p["label"] in ("question", "statement")


def pair(rows):
    both = zip(rows, rows[1:] + rows[:1], strict=True)
    made = [{"text": row["text"], "text_pair": other["text"], "label": asks(other)} for row, other in both]
    return made, lambda p: set(p) == {"label", "score"}


def multi_label(rows):
    made = [{"text": row["text"], "label": [row["label"], asks(row)]} for row in rows]
    return made, lambda p: isinstance(p, list)


def regression(rows):
    made = [{"text": row["text"], "label": len(row["text"]) / 50} for row in rows]
    return made, lambda p: isinstance(p["score"], float)


@pytest.mark.parametrize("kind", [single, pair, multi_label, regression], ids=lambda kind: kind.__name__)
def test_each_kind_learns_saves_loads_and_predicts(still_bert, demo_rows, tmp_path, kind):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows, shaped = kind(demo_rows[:60])  # few enough to be learnt by heart, whatever the tokenizer's training came to
    run = train(still_bert, rows, tmp_path / "run", epochs=40, learning_rate=2e-3, log_every=1, test_size=0.1)
    losses = [line["loss"] for line in run.folder.lines(run.folder.history) if "loss" in line]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])

    texts = [{name: row[name] for name in ("text", "text_pair") if name in row} for row in rows[:20]]
    predicted = run.predict(texts, arrays=True)
    again = byeori.load_run(run.path, precision="float32")
    assert again.task.problem_type == run.task.problem_type and again.metrics == run.metrics
    loaded = again.predict(texts, arrays=True)
    # A processor may take another way to the same product where what was read lies otherwise in memory.
    np.testing.assert_allclose(loaded["logits"], predicted["logits"], atol=1e-6, rtol=0)
    alike(loaded["predictions"], predicted["predictions"])
    assert all(map(shaped, predicted["predictions"]))

    # The folder is an ordinary one: plain transformers gives the same numbers.
    folder = run.folder.model
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        plain = [
            model(**tokenizer(*row.values(), truncation=True, return_tensors="pt")).logits[0].numpy() for row in texts
        ]
    np.testing.assert_allclose(np.array(plain), predicted["logits"], atol=1e-5)
    kinds = {"single_label": "single_label_classification", "multi_label": "multi_label_classification"}
    assert model.config.problem_type == kinds.get(run.task.problem_type, "regression")


def test_a_negative_id_is_no_token(train):
    rows = [{"input_ids": [2, 15 + n, 3], "label": n % 2} for n in range(20)]
    rows[7]["input_ids"] = [2, 15, -100, 3]
    with pytest.raises(DataError, match="rows, row 8: input_ids hold -100, which is no token"):
        train(train=rows, validation_size=0, test_size=0)


@pytest.mark.parametrize("ids", [[2, "x", 3], [2, 2**70, 3], "2 3"], ids=str)
def test_ids_that_are_no_numbers_are_named_with_their_row(train, ids):
    rows = [{"input_ids": [2, 15 + n, 3], "label": n % 2} for n in range(20)]
    rows[7]["input_ids"] = ids
    with pytest.raises(DataError, match="rows, row 8: input_ids is .*, not a list of whole numbers"):
        train(train=rows, validation_size=0, test_size=0)
    run = train(train=rows, validation_size=0, test_size=0, skip_bad_rows=True)
    assert json.loads(run.folder.data.read_text())["parts"]["train"]["rows"] == 19
