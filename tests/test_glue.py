"""GLUE's ten sets in the schema that the Hub's `nyu-mll/glue` has: roles, kinds, names, hidden answers, scores.

References are the schema itself (class names in their order, test labels −1) and the score GLUE judges each set by.
"""

from __future__ import annotations

import io
from typing import Any

import datasets
import pytest

import byeori
from byeori.data.read import read, read_rows, read_splits
from byeori.errors import DataError
from byeori.settings import Train
from byeori.tasks import TextClassification
from byeori.train.parts import read_parts
from hub_server import HubServer

NLI = ("entailment", "neutral", "contradiction")
THREE = ("train", "validation", "test")
# set → the text's column, the pair's, class names in order (None: numbers), splits, the scores GLUE judges by
SETS: dict[str, tuple[str, str | None, tuple[str, ...] | None, tuple[str, ...], tuple[str, ...]]] = {
    "cola": ("sentence", None, ("unacceptable", "acceptable"), THREE, ("mcc",)),
    "sst2": ("sentence", None, ("negative", "positive"), THREE, ("accuracy",)),
    "mrpc": ("sentence1", "sentence2", ("not_equivalent", "equivalent"), THREE, ("accuracy", "f1")),
    "qqp": ("question1", "question2", ("not_duplicate", "duplicate"), THREE, ("accuracy", "f1")),
    "stsb": ("sentence1", "sentence2", None, THREE, ("pearson", "spearman")),
    "mnli": (
        "premise", "hypothesis", NLI,
        ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched"), ("accuracy",),
    ),
    "qnli": ("question", "sentence", ("entailment", "not_entailment"), THREE, ("accuracy",)),
    "rte": ("sentence1", "sentence2", ("entailment", "not_entailment"), THREE, ("accuracy",)),
    "wnli": ("sentence1", "sentence2", ("not_entailment", "entailment"), THREE, ("accuracy",)),
    "ax": ("premise", "hypothesis", NLI, ("test",), ("mcc",)),
}  # fmt: skip
SIZES = {"train": 24, "validation": 8, "test": 6}
TRAINED = [name for name in SETS if name != "ax"]


def part(name: str, split: str) -> datasets.Dataset:
    """Rows of one split as the Hub has them; the answers of test rows are −1, MRPC's aside."""
    first, second, names, _, _ = SETS[name]
    count = SIZES[split.partition("_")[0]]
    hidden = split.startswith("test") and name != "mrpc"
    text = datasets.Value("string")
    label = datasets.Value("float32") if names is None else datasets.ClassLabel(names=list(names))
    features = {first: text, **({second: text} if second else {}), "label": label, "idx": datasets.Value("int32")}
    rows: list[dict[str, Any]] = []
    for at in range(count):
        answer = -1 if hidden else at % len(names) if names else round(at % 26 / 5, 3)
        row = {first: f"The {split} text number {at} of {name}.", "label": answer, "idx": at}
        rows.append(row | ({second: f"Its other text number {at}."} if second else {}))
    return datasets.Dataset.from_list(rows, features=datasets.Features(features))


def local(name: str) -> datasets.DatasetDict:
    return datasets.DatasetDict({split: part(name, split) for split in SETS[name][3]})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    files, card = {}, "---\nconfigs:\n"
    for name in SETS:
        card += f"- config_name: {name}\n  data_files:\n"
        for split, rows in local(name).items():
            stream = io.BytesIO()
            rows.to_parquet(stream)
            files[f"{name}/{split}-00000-of-00001.parquet"] = stream.getvalue()
            card += f"  - {{split: {split}, path: {name}/{split}-*}}\n"
    with HubServer(tmp_path_factory.mktemp("hub")) as hub:
        hub.add("nyu-mll/glue", {"README.md": (card + "---\n").encode(), **files})
        yield hub


@pytest.fixture
def hub(served, monkeypatch):
    served.at_hand(monkeypatch)
    return served


def parts_of(source: Any) -> tuple[dict[str, Any], TextClassification]:
    """What a training reads, and the task it prepares."""
    task = TextClassification()
    return read_parts(Train(train=source), task), task


def check(name: str, parts: dict[str, Any], task: TextClassification) -> None:
    first, second, names, splits, _ = SETS[name]
    assert task.columns == {"text": first, **({"text_pair": second} if second else {}), "label": "label"}
    assert task.labels == (list(names) if names else None)
    assert task.problem_type == ("single_label" if names else "regression")
    sizes = {part: len(rows) for part, rows in parts.items()}
    hidden = name != "mrpc"
    test = SIZES["train"] // 10 if hidden else SIZES["test"]  # where nobody tells it, one is split off
    assert {p: n for p, n in sizes.items() if p in THREE} == {
        "train": SIZES["train"] - test * hidden, "validation": SIZES["validation"], "test": test
    }  # fmt: skip
    notes = " ".join(parts["train"].notes)
    assert '"idx" (an id)' in notes
    gone = SIZES["test"] * sum(split.startswith("test") for split in splits)
    assert (f"Its {gone} test rows have no answers, so they are left out" in notes) is hidden


@pytest.mark.parametrize("name", TRAINED)
def test_from_the_hub_by_name_and_configuration(hub, name):
    parts, task = parts_of(f"glue/{name}")
    check(name, parts, task)
    official = SETS[name][4]
    right = task.references(parts["validation"].table)
    assert set(official) <= set(task.score(right, right))
    assert task.best == official[0]
    said = any("is the headline" in note for note in parts["train"].notes)
    assert said is (name == "cola")


def test_a_training_on_cola_is_headed_by_its_own_score(hub, tiny, tmp_path):
    values = {"max_steps": 1, "batch_size": 4, "threads": 1, "precision": "float32", "baselines": False}
    model = str(tiny("bert", auto="AutoModel"))
    run = byeori.train("text-classification", model, train="glue/cola", output=str(tmp_path / "run"), **values)
    assert run.metrics["headline"] == "mcc" and {"mcc", "accuracy", "f1"} <= set(run.metrics["validation"])
    other = byeori.train(
        "text-classification",
        model,
        train="glue/cola",
        best_metric="accuracy",
        output=str(tmp_path / "other"),
        **values,
    )
    assert other.metrics["headline"] == "accuracy"


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_rows_as_a_dict_of_splits(name):
    """Without its name nobody can tell CoLA from another set of two classes: accuracy, and mcc beside it."""
    parts, task = parts_of(local(name))
    check(name, parts, task)
    assert task.best == ("accuracy" if name == "cola" else SETS[name][4][0])


def test_splits_of_mnli(hub):
    """The matched rows choose the best model; the mismatched ones are read by their name, which a note says."""
    parts = read_splits("glue/mnli", secret=True)
    assert set(parts) == {"train", "validation", "validation_mismatched"}
    said = '"validation_mismatched" and "test_mismatched" are read where --split or the id names them'
    assert any(said in note for note in parts["train"].notes)
    other = read_rows("glue/mnli:validation_mismatched", label_names=list(NLI))
    assert other.table["text"][0] == "The validation_mismatched text number 0 of mnli."
    assert other.label_names == list(NLI)


def test_a_set_without_answers_is_for_prediction(hub):
    """AX is scored by those who made it: its rows can be predicted, and are no training rows."""
    with pytest.raises(DataError, match="label"):
        parts_of("glue/ax")
    rows = read_rows("glue/ax", roles=("text", "text_pair"))
    assert len(rows) == SIZES["test"] and rows.columns == {"text": "premise", "text_pair": "hypothesis"}


@pytest.mark.parametrize("name", ["mrpc", "stsb"])
def test_answers_of_minus_one_where_the_schema_is_lost(name, tmp_path):
    """Written to CSV the −1 of hidden answers is a number like any other; in test rows alone it is none."""
    folder = tmp_path / name
    folder.mkdir()
    for split, rows in local(name).items():
        if split == "test":
            rows = rows.cast_column("label", datasets.Value("float32" if name == "stsb" else "int64"))
            rows = rows.map(lambda row: {"label": -1})
        rows.to_csv(str(folder / f"{split}.csv"))
    parts, task = parts_of(str(folder))
    assert len(parts["test"]) == 2 and len(parts["train"]) == 22
    assert any("test rows have no answers" in note for note in parts["train"].notes)
    assert task.problem_type == ("regression" if name == "stsb" else "single_label")
    keep = read(str(folder))  # reading alone leaves nothing out
    assert set(keep) == set(THREE) and len(keep["test"]) == SIZES["test"]


@pytest.mark.parametrize("name", ["cola", "stsb"])
def test_what_reading_gives_is_whole_and_trains_alike(name):
    """`read` keeps every row, hidden answers too, and the order of the names; a training on it finds what it found before."""
    found = read(local(name))
    assert {split: len(rows) for split, rows in found.items()} == SIZES
    assert all(row["label"] in (None, -1) for row in found["test"])
    if name == "cola":
        assert [found[split].features["label"].names for split in THREE] == [list(SETS[name][2])] * 3
    parts, task = parts_of(found)
    assert task.labels == (list(SETS[name][2]) if name == "cola" else None) and len(parts["test"]) == 2
    assert found["validation"][1]["idx"] == 1 and parts["validation"].table["text"][1] == found["validation"][1]["text"]


def test_hidden_answers_are_not_scored():
    """STS-B's test rows named by themselves: correlations with −1 would look like scores."""
    data = local("stsb")
    task = TextClassification()
    with pytest.raises(DataError, match="row 1: the label is −1 in every one of 6 rows.*nothing to score"):
        read_parts(Train(train=data["train"], validation=data["validation"], test=data["test"]), task)


def test_minus_one_is_an_answer_where_training_has_it():
    rows = [{"text": f"글 {at}", "label": at % 3 - 1} for at in range(30)]
    test = [{"text": f"다른 글 {at}", "label": -1} for at in range(5)]
    parts, task = parts_of({"train": rows, "test": test})
    assert task.labels == ["-1", "0", "1"] and len(parts["test"]) == 5
    numbers = [{"text": f"글 {at}", "label": at / 7 - 2} for at in range(30)]
    test[0]["label"] = -1.5
    assert len(parts_of({"train": numbers, "test": test})[0]["test"]) == 5


@pytest.mark.parametrize("name", ["cola", "stsb", "mrpc"])
def test_the_inspection_leaves_hidden_answers_out_too(name):
    found = byeori.inspect(local(name), task="text-classification").data
    assert set(found["parts"]) == ({*THREE} if name == "mrpc" else {"train", "validation"})
    assert any("have no answers" in note for note in found["notes"]) is (name != "mrpc")
