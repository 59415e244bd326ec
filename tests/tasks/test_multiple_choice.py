"""multiple-choice: the model's own loss and scores, whatever the pack; rows of two to five choices; train to file."""

from __future__ import annotations

import copy
import inspect
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import byeori
from byeori.batches.loader import Packing, batches
from byeori.data.read import read_rows
from byeori.errors import DataError, SettingError
from byeori.models.load import load_model
from byeori.predict.engine import Engine, columns
from byeori.tasks.multiple_choice import MultipleChoice
from byeori.text.encode_rows import encode_rows
from families import ENCODERS, Family, texts
from plain import same as alike

AUTO = "AutoModelForMultipleChoice"
ASKED = [
    {"text": texts()[place], "choices": list(texts()[10 + place : 12 + place + place % 4]), "label": place % 2}
    for place in range(9)
]
LENGTH = 100  # some of the pairs are longer


@pytest.fixture(scope="module")
def engines():
    """`engines(family)` → (an engine around the model, a plain model of the same weights with its own attention)."""
    made: dict[str, tuple[Engine, Any]] = {}

    def make(name: str) -> tuple[Engine, Any]:
        if name not in made:
            family = Family(name)
            plain = family.model(AUTO, attn_implementation="eager").eval()
            task = MultipleChoice()
            loaded = load_model(copy.deepcopy(plain), task, tokenizer=family.tokenizer())
            made[name] = Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LENGTH), plain
        return made[name]

    return make


def own(plain: Any, tokenizer: Any, row: dict[str, Any], most: int = 128) -> Any:
    """What transformers gives for one row by itself, all its choices in one padded batch; with the loss."""
    choices = row["choices"]
    pairs = [row["text"]] * len(choices), choices
    found = tokenizer(*pairs, padding=True, truncation=True, max_length=most, return_tensors="pt")
    known = inspect.signature(plain.forward).parameters
    found = {name: values[None] for name, values in found.items() if name in known}
    return plain(**found, labels=torch.tensor([row["label"]]))


@pytest.mark.parametrize("name", ENCODERS)
def test_scores_and_loss_are_the_models_own_in_any_company(engines, name):
    """Packed, in rectangles, row by row, choice by choice: the numbers of the model on one row, unpadded or padded."""
    engine, plain = engines(name)
    rows = read_rows(ASKED, roles=engine.task.roles, required=engine.task.roles)
    store = encode_rows(rows, engine.task, engine.encoder)
    with torch.no_grad():
        expected = [own(plain, engine.tokenizer, row, LENGTH) for row in ASKED]
    losses: dict[int, float] = {}

    def each(outputs: Any, pack: Any) -> None:
        found = engine.task.loss(outputs, pack)
        assert found.shape == pack.labels.shape == (len(pack),)
        for row in set(pack.rows.tolist()):
            mine = found[torch.from_numpy(pack.rows == row)]
            assert int((mine != 0).sum()) <= 1
            losses[row] = float(mine.sum())

    for pack_tokens in (40, 10_000):
        engine.pack_tokens = pack_tokens
        answers = engine.run(store, each)
        for row, theirs in enumerate(expected):
            first, last = store.row_offsets[row : row + 2]
            assert answers.values[first:last] == pytest.approx(theirs.logits[0].numpy(), abs=2e-5)
            assert losses[row] == pytest.approx(float(theirs.loss), abs=2e-5)
        assert engine.task.predictions(answers, store).tolist() == [int(one.logits.argmax()) for one in expected]
    single = [engine.run(engine.encode(columns([row]))).values for row in ASKED]
    assert np.concatenate(single) == pytest.approx(answers.values, abs=2e-5)


def test_gradients_of_an_update_are_those_of_the_mean_over_its_rows(engines):
    engine, plain = engines("bert")
    task = engine.task
    rows = read_rows(ASKED, roles=task.roles, required=task.roles)
    store = encode_rows(rows, task, engine.encoder)
    plain.zero_grad()
    torch.stack([own(plain, engine.tokenizer, row, LENGTH).loss for row in ASKED]).mean().backward()
    for tokens in (60, 10_000):
        engine.model.zero_grad()
        (batch,) = batches(store, batch_size=len(ASKED), packing=Packing(tokens))
        assert batch.labels == len(ASKED) == round(1 / batch.scale)
        packs = list(batch)
        assert sum(len(set(pack.rows.tolist())) for pack in packs) == len(ASKED), "a row lies in one pack"
        assert (len(packs) > 1) == (tokens == 60)
        for pack in packs:
            (task.losses(task.outputs(engine.model, pack), pack).sum() * batch.scale).backward()
        theirs = dict(plain.named_parameters())
        for name, parameter in engine.model.named_parameters():
            if parameter.grad is not None:
                assert torch.allclose(parameter.grad, theirs[name].grad, atol=1e-5), name


def test_the_store_holds_a_sequence_a_choice(engines):
    engine, _ = engines("roberta")
    rows = read_rows(ASKED, roles=engine.task.roles, required=engine.task.roles)
    store = encode_rows(rows, engine.task, engine.encoder)
    assert np.diff(store.row_offsets).tolist() == [len(row["choices"]) for row in ASKED]
    for row, asked in enumerate(ASKED):
        found = store[row]
        pairs = engine.tokenizer(
            [asked["text"]] * len(asked["choices"]), asked["choices"], truncation=True, max_length=LENGTH
        )["input_ids"]
        assert found["input_ids"] == [token for pair in pairs for token in pair]
        assert found["labels"] == [1 if place == asked["label"] else -100 for place in range(len(asked["choices"]))]


# calls ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipe(tiny):
    return byeori.pipeline(MultipleChoice, str(tiny("bert", auto=AUTO)), device="cpu", precision="float32")


def test_predictions_are_the_softmax_of_the_rows_own_scores(pipe, engines):
    asked = [{"text": row["text"], "choices": row["choices"]} for row in ASKED]
    found, every = pipe(asked), pipe(asked, top_k=None)
    _, plain = engines("bert")
    for row, one, many in zip(ASKED, found, every, strict=True):
        with torch.no_grad():
            chances = F.softmax(own(plain, pipe.tokenizer, row).logits[0], -1).tolist()
        assert one == many[0] and one.keys() == {"choice", "label", "score"}
        assert [part["score"] for part in many] == pytest.approx(sorted(chances, reverse=True), abs=1e-5)
        assert all(part["score"] == pytest.approx(chances[part["choice"]], abs=1e-5) for part in many)
        assert all(part["label"] == row["choices"][part["choice"]] for part in many)
        assert json.loads(json.dumps(many)) == many
    assert [len(one) for one in pipe(asked, top_k=2)] == [2] * len(asked)
    assert pipe([]) == []


def test_a_call_may_be_of_many_shapes(pipe):
    row = {"text": "A?", "choices": ["b", "c", "d"]}
    expected = {**pipe([row])[0]}
    expected["score"] = pytest.approx(expected["score"], abs=1e-5)  # in company a sum is rounded otherwise
    for given in (row, ("A?", ["b", "c", "d"]), {"question": "A?", "choices": ("b", "c", "d")}):
        assert pipe(given) == expected
    assert pipe(text="A?", choices=["b", "c", "d"]) == expected
    assert pipe([("A?", ["b", "c", "d"]), row]) == [expected, expected]
    assert list(pipe(one for one in [row, row])) == [expected, expected]
    with_context = pipe([{"context": "It rained.", "question": "A?", "choices": row["choices"]}])
    assert with_context == pipe([{"text": "It rained.\nA?", "choices": row["choices"]}])
    # Columns of data sets are there in every row, as None where a row has none.
    assert with_context == pipe([{"text": None, "context": "It rained.", "question": "A?", "choices": row["choices"]}])
    assert pipe([{**row, "context": None, "question": None}]) == [expected]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a text"], r'input 1 is str .a text.: \{"text": …, "choices": \[…\]\} is needed'),
        ([{"text": "a"}], "input 1 is dict"),
        ([{"text": None, "choices": ["b", "c"]}], "input 1 is dict"),
        ([{"text": " ", "choices": ["b", "c"]}], "input 1: its text is empty"),
        ([("a", ["b", "c"]), ("", ["b", "c"])], "input 2: its text is empty"),
        ([{"text": "a", "choices": "bc"}], "input 1 is dict"),
        ([{"text": "a", "choices": ["b", 3]}], "input 1: a choice is int '3', not a text"),
        ([("a", ["b", "c"]), ("a", ["b"])], "input 2: it has 1 choices; at least two are needed"),
    ],
    ids=str,
)
def test_inputs_that_are_none(given, said):
    with pytest.raises(DataError, match=said):
        MultipleChoice().inputs(given)


def test_a_misspelled_argument(pipe):
    with pytest.raises(SettingError, match="Did you mean top_k"):
        pipe([{"text": "A?", "choices": ["b", "c"]}], top_kk=1)


# files ----------------------------------------------------------------------------------------------------------


def questions(count: int = 60) -> list[dict[str, Any]]:
    """Which of two to four texts is the one asked about: it begins with the same word."""
    made = []
    for place in range(count):
        some = [texts()[(3 * place + step) % 160] for step in range(2 + place % 3)]
        made.append(
            {"context": "", "question": " ".join(some[place % 2].split()[:3]), "choices": some, "label": place % 2}
        )
    return made


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A short run from a JSONL file."""
    folder = tmp_path_factory.mktemp("choices")
    file = folder / "questions.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in questions()), encoding="utf-8")
    run = byeori.train(
        MultipleChoice, str(tiny("bert", auto="AutoModel")), train=str(file), output=str(folder / "run"), epochs=6, batch_size=8,
        learning_rate=2e-3, threads=1, precision="float32", log_every=1,
    )  # fmt: skip
    return run, file


def test_training_learns_and_writes_a_run(trained):
    run, file = trained
    losses = [json.loads(line) for line in (run.path / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in losses if "loss" in line]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    metrics = json.loads((run.path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["headline"] == "accuracy" and set(metrics["test"]) == {"accuracy", "ece", "loss"}
    assert (
        set(metrics["baseline"]) == {"trivial", "linear"}
        and metrics["baseline"]["linear"]["accuracy"]["low"] is not None
    )
    line = json.loads((run.path / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert line["prediction"].keys() == {"choice", "label", "score"} and isinstance(line["reference"], int)
    sample = json.loads((run.path / "samples.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert sample["reference"] in sample["inputs"]["choices"] and sample["prediction"] in sample["inputs"]["choices"]
    assert sample["right"] == (sample["prediction"] == sample["reference"])


def test_what_is_saved_is_an_ordinary_model(trained):
    """Loaded by Byeori and by transformers alone: the same scores."""
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    run, file = trained
    asked = [{"text": row["question"], "choices": row["choices"]} for row in questions(6)]
    again = byeori.load_run(run.path, task=MultipleChoice, precision="float32")
    assert again.task.label_base == "0"
    found = again.predict(asked, top_k=None)
    plain = AutoModelForMultipleChoice.from_pretrained(run.path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(run.path / "model")
    for one, row in zip(found, questions(6), strict=True):
        with torch.no_grad():
            chances = F.softmax(own(plain, tokenizer, {**row, "text": row["question"]}).logits[0], -1)
        assert {part["choice"]: part["score"] for part in one} == pytest.approx(
            dict(enumerate(chances.tolist())), abs=1e-5
        )
    alike(found, run.predict(asked, top_k=None))


def test_evaluation_is_right_rows_and_the_mean_of_their_losses(trained):
    run, file = trained
    scores = run.evaluate(str(file))
    rows = questions()
    found = run.predict([{"text": row["question"], "choices": row["choices"]} for row in rows], top_k=None)
    right = [one[0]["choice"] == row["label"] for one, row in zip(found, rows, strict=True)]
    assert scores["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert scores["accuracy"]["low"] <= scores["accuracy"]["value"] <= scores["accuracy"]["high"]
    chance = [
        next(p["score"] for p in one if p["choice"] == row["label"]) for one, row in zip(found, rows, strict=True)
    ]
    assert scores["loss"]["value"] == pytest.approx(-np.mean([math.log(one) for one in chance]), abs=1e-4)


def test_a_file_is_predicted_line_by_line(trained, tmp_path):
    from byeori.predict.files import predict_file

    run, _ = trained
    rows = [{"text": row["question"], "choices": row["choices"]} for row in questions(5)]
    rows[2]["choices"] = ["one"]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    predict_file(run, str(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", call={}, read={})
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4, 5]
    assert "one choice only" in lines[2]["error"]
    good = [rows[place] for place in (0, 1, 3, 4)]
    assert [line["prediction"] for line in lines if "prediction" in line] == run.predict(good)


# labels ---------------------------------------------------------------------------------------------------------


def read(rows: list[dict[str, Any]]) -> Any:
    return read_rows(rows, roles=MultipleChoice.roles, required=MultipleChoice.roles)


def rows_with(labels: list[int]) -> list[dict[str, Any]]:
    return [{"text": "A?", "choices": ["b", "c", "d"], "label": label} for label in labels]


def test_indices_are_counted_as_in_training():
    """A file in which both readings are possible follows the training file; one in which they are not is told."""
    task = MultipleChoice()
    task.prepare(read(rows_with([1, 3, 2])))  # 3 of three choices: from 1
    assert task.label_base == "1"
    doubtful = read(rows_with([1, 2, 2]))
    task.check(doubtful)
    assert task.references(doubtful.table).tolist() == [0, 1, 1] and "as in training" in doubtful.notes[-1]
    task.check(doubtful)
    assert task.references(doubtful.table).tolist() == [0, 1, 1]
    again = MultipleChoice.from_state(task.state())
    with pytest.raises(DataError, match="row 2: the labels count the choices from 0 here"):
        again.check(read(rows_with([1, 0, 2])))


def test_a_right_choice_that_is_not_there():
    rows = read(rows_with([0, 1, 2]))
    rows.table = rows.table.remove_columns("label").add_column("label", [0, 3, 1])
    with pytest.raises(DataError, match="row 2: the label 3 is none of its 3 choices, numbered from 0"):
        MultipleChoice().prepare(rows)


# the example ----------------------------------------------------------------------------------------------------
