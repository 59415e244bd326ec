"""Loading a model and using it: every option is checked, the columns of training are found again, tokenized rows run."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import byeori
from byeori import settings
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.device import set_threads
from byeori.predict.files import predict_file
from byeori.predict.model_folder import save_model
from byeori.predict.options import Reading, Using
from byeori.settings import Data
from byeori.tasks import TextClassification
from families import texts

LABELS = ["bad", "good", "so so"]
COLUMNS = {"text": "body of it", "label": "verdict"}
USING = {"device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> Path:
    """A model as training leaves it: 40 tokens, the tail, columns that nobody would guess."""
    source = tiny("bert", labels=LABELS)
    task = TextClassification(labels=LABELS)
    task.pair, task.columns = False, {**COLUMNS, "attention_mask": "attention_mask"}
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    path = tmp_path_factory.mktemp("trained") / "model"
    save_model(path, model, tokenizer, task, {"max_length": 40, "truncation": "tail"})
    return path


@pytest.fixture(scope="module")
def run(folder):
    return byeori.load_run(folder, **USING)


@pytest.fixture(scope="module")
def labelled() -> list[dict[str, str]]:
    """Rows that could mislead: two columns of texts, two of labels."""
    rows = zip(texts()[:30], texts()[30:60], strict=True)
    return [
        {"body of it": text, "remark of another": other, "verdict": LABELS[i % 3], "round": LABELS[i % 2]}
        for i, (text, other) in enumerate(rows)
    ]


# options --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"truncation": "banana"}, "truncation='banana': one of head, tail, middle"),
        ({"max_length": 0}, "max_length=0: it must be at least 3"),
        ({"max_length": -1}, "max_length=-1"),
        ({"max_length": "x"}, "max_length='x': a whole number is needed"),
        ({"max_length": 9999}, "max_length=9999: .* takes 128 tokens at most. Give --max-length 128 or less"),
        ({"precision": "int4"}, "precision='int4': one of auto, float32"),
        ({"threads": 0}, "threads=0: it must be at least 1"),
        ({"device": "gpu"}, "device='gpu': there is no such device"),
        ({"device": "meta"}, "device='meta': there is no such device"),
        ({"trust_remote_code": "perhaps"}, "true or false is needed"),
        ({"precison": "float32"}, "there is no setting precison. Did you mean precision?"),
        ({"top_k": 3}, "there is no setting top_k. There are tokenizer, max_length, "),
        ({"problem_type": "regression"}, "problem_type='regression': it is 'single_label' for "),
    ],
    ids=str,
)
@pytest.mark.parametrize("use", ["load_run", "evaluate", "pipeline"])
def test_a_wrong_option_is_refused(folder, option, said, use):
    if use == "pipeline":
        if "top_k" in option:
            return  # a setting of its calls
        said = said.replace("one of head, tail, middle", "one of longest_first, .* head, tail, middle")  # theirs, ours
    calls = {
        "load_run": lambda: byeori.load_run(folder, **option),
        "evaluate": lambda: byeori.evaluate(folder, [{"text": "a", "label": "bad"}], **option),
        "pipeline": lambda: byeori.pipeline("text-classification", folder, **option),
    }
    if use == "evaluate" and not set(option) & {*settings.names(Using), "problem_type"}:
        said = "there is no setting"  # of reading, then
    with pytest.raises(SettingError, match=said):
        calls[use]()


def test_options_given_as_text_are_taken(folder):
    found = byeori.load_run(folder, max_length="16", truncation="middle", threads="1", device="cpu").engine.encoder
    assert (found.max_length, found.truncation) == (16, "middle")


def test_what_is_not_given_is_that_of_training(run, folder, tiny):
    assert (run.engine.encoder.max_length, run.engine.encoder.truncation) == (40, "tail")
    assert json.loads((folder / "byeori.json").read_text())["columns"] == COLUMNS
    plain = byeori.load_run(tiny("bert", labels=LABELS), task="text-classification").engine.encoder
    assert (plain.max_length, plain.truncation) == (128, "head"), "else the smaller of 512 and what the model takes"


@pytest.mark.parametrize(("kind", "of"), [(Using, settings.Train), (Reading, Data)])
def test_settings_shared_with_training_are_one(kind, of):
    for name, field in settings.names(kind).items():
        theirs = settings.names(of)[name]
        assert field.metadata["least"] == theirs.metadata["least"]
        assert settings.hints(kind)[name] in (settings.hints(of)[name], settings.hints(of)[name] | None)


def test_a_model_object_is_loaded_as_its_folder_is(folder, run):
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    given = byeori.load_run(
        model, task="text-classification", tokenizer=tokenizer, max_length=40, truncation="tail", **USING
    )
    assert given.folder is None and given.model is model
    expected, found = (one.predict(list(texts()[:9]), arrays=True)["logits"] for one in (run, given))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nowhere", "there is no such folder. Give a run, a model folder or a Hub id"),
        ("{beside}/modle", "there is no such folder. Did you mean {beside}/model?"),
        ("nowhere-at-all", "nowhere-at-all: it is no folder here, and the Hub could not be reached"),
    ],
)
def test_a_model_that_is_not_there_is_not_one_without_a_task(folder, name, said):
    with pytest.raises(ModelError) as error:
        byeori.load_run(name.format(beside=folder.parent))
    assert said.format(beside=folder.parent) in str(error.value) and "byeori.json" not in str(error.value)


def test_a_problem_type_for_a_model_that_does_not_say(tiny):
    folder = tiny("bert", labels=LABELS)
    options = {"task": "text-classification", **USING}
    single, multi = (byeori.load_run(folder, **options, problem_type=kind) for kind in ("single_label", "multi_label"))
    logits = single.predict(["a text"], arrays=True)["logits"]
    (best,) = multi.predict(["a text"])
    assert best["score"] == pytest.approx(1 / (1 + np.exp(-logits.max())), abs=1e-5)
    rows = [{"text": text, "label": [LABELS[i % 3]]} for i, text in enumerate(texts()[:9])]
    assert "micro_f1" in byeori.evaluate(folder, rows, problem_type="multi_label", **options)


# threads --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def threads(monkeypatch):
    before = torch.get_num_threads()
    yield monkeypatch
    torch.set_num_threads(before)


def cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("asked", "environment", "expected"),
    [(None, None, None), (None, "3", 3), (None, "3,2", 3), (2, "3", 2), (2, None, 2), (None, "many", None), (None, "", None)],
)  # fmt: skip
def test_threads(threads, asked, environment, expected):
    """All cores, unless OMP_NUM_THREADS says otherwise, unless the setting does."""
    threads.delenv("OMP_NUM_THREADS", raising=False)
    if environment is not None:
        threads.setenv("OMP_NUM_THREADS", environment)
    assert set_threads(asked) == torch.get_num_threads() == (expected or cores())


def test_loading_sets_threads_as_training_does(threads, folder):
    threads.setenv("OMP_NUM_THREADS", "3")
    byeori.load_run(folder)
    assert torch.get_num_threads() == 3
    byeori.load_run(folder, threads=2)
    assert torch.get_num_threads() == 2


# the columns of training ----------------------------------------------------------------------------------------------
def test_columns_of_training_are_found_again(run, labelled, tmp_path):
    with pytest.raises(DataError):  # by themselves they say nothing
        byeori.read(labelled)
    rows = run.read(labelled)
    assert rows.columns == COLUMNS and any("(as in training)" in note for note in rows.notes)
    named = run.evaluate(labelled, text="body of it", label="verdict")
    assert run.evaluate(labelled) == named
    expected = run.predict([row["body of it"] for row in labelled])
    assert run.predict(labelled) == run.predict(datasets.Dataset.from_list(labelled)) == expected
    predict_file(run, labelled, tmp_path / "out.jsonl", call={}, read={})
    lines = [json.loads(line)["prediction"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one["label"] for one in lines] == [one["label"] for one in expected]


def test_a_named_column_goes_before_that_of_training(run, labelled):
    assert run.read(labelled, text="remark of another").columns == {"text": "remark of another", "label": "verdict"}
    assert run.read(labelled, label="round").columns == {"text": "body of it", "label": "round"}
    with pytest.raises(DataError, match='no column "nothing"'):
        run.read(labelled, text="nothing")


def test_other_columns_are_told(run):
    rows = run.read([{"sentence": text, "label": "bad", "id": i} for i, text in enumerate(texts()[:9])])
    assert rows.columns == {"text": "sentence", "label": "label"}
    (note,) = [note for note in rows.notes if "training data had" in note]
    assert '"body of it"' in note and '"verdict"' in note and "--text and --label" in note
    only = run.read([{"text": text} for text in texts()[:9]], labels=False)
    assert not any("training data had" in note for note in only.notes), "a single column leaves no choice"


# reading --------------------------------------------------------------------------------------------------------------
def test_settings_of_reading(run, tmp_path):
    rows = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(texts()[:6])]
    nested = tmp_path / "nested.json"
    nested.write_text(json.dumps({"a": {"b": rows}}), encoding="utf-8")
    parts = {"train": rows[:4], "test": rows[4:]}
    assert len(run.read(str(nested), field="a.b")) == 6
    assert len(run.read(parts, split="test")) == 2
    assert run.evaluate(parts, split="test")["accuracy"] == run.evaluate(rows[4:])["accuracy"]
    assert len(run.predict(parts, read={"split": "test"})) == 2
    assert len(run.read(rows, max_rows="3")) == 3


def test_the_revision_of_data_has_the_name_it_has_in_training(run, monkeypatch):
    from byeori.data import sources

    asked = []

    def load(name, split, revision, streaming):
        asked.append((name, split, revision))
        return {"test": []}, name, {"id": name}

    monkeypatch.setattr(sources, "load", load)
    with pytest.raises(DataError):
        run.evaluate("somebody/data", data_revision="v1", split="test")
    assert asked == [("somebody/data", "test", "v1")]
    with pytest.raises(SettingError, match="there is no setting revision. Did you mean data_revision?"):
        run.evaluate("somebody/data", revision="v1")


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({"max_rows": 0}, "max_rows=0"),
        ({"header": "perhaps"}, "true or false"),
        ({"top_k": 2}, "there is no setting top_k. There are text, "),
        ({"lable": "a"}, "Did you mean label?"),
    ],
    ids=str,
)
def test_a_wrong_setting_of_reading(run, labelled, reading, said):
    for use in (lambda: run.evaluate(labelled, **reading), lambda: run.predict("a.tsv", read=reading)):
        with pytest.raises(SettingError, match=said):
            use()


def test_rows_that_were_read_take_no_settings(run, labelled):
    rows = run.read(labelled)
    assert run.evaluate(rows) == run.evaluate(labelled)
    with pytest.raises(SettingError, match="these rows were read already"):
        run.evaluate(rows, label="round")


# calls ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([None, "a"], "input 1 is NoneType 'None'"),
        (["a", None], "input 2 is NoneType 'None'"),
        (["a", 3.5], "input 2 is float '3.5'"),
        ([{"text": None}], "input 1: text is NoneType"),
        ((["a", "b", "c"],), "input 1 is list"),
    ],
    ids=str,
)
def test_inputs_that_are_no_texts(run, inputs, said):
    with pytest.raises(DataError, match=said):
        run.predict(inputs)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"top_k": "x"}, "top_k='x': one of default, none or a whole number is needed"),
        ({"zork": 1}, "there is no setting zork. There are top_k, function_to_apply, threshold."),
        ({"topk": 1}, "Did you mean top_k?"),
    ],
    ids=str,
)
def test_a_wrong_setting_of_a_call_points_to_those_of_a_call(run, folder, call, said):
    pipe = byeori.pipeline("text-classification", folder)
    for use in (lambda: run.predict(["a"], **call), lambda: pipe("a", **call)):
        with pytest.raises(SettingError) as error:
            use()
        assert said in str(error.value) and "train" not in str(error.value)


@pytest.mark.parametrize("padded", [False, True])
def test_rows_that_are_tokenized_already(run, tmp_path, padded):
    """Ids in place of texts: the same predictions from a list, a data set and a file; labels are not needed."""
    inputs = ["a", *sorted(texts(), key=len)[:11]]
    found = run.tokenizer(inputs, padding=padded)
    assert 3 <= len(found["input_ids"][0]) <= 40
    rows = [{name: found[name][i] for name in found} for i in range(len(inputs))]
    expected = run.predict(inputs, arrays=True)["logits"]
    for data in (rows, datasets.Dataset.from_list(rows)):
        np.testing.assert_allclose(run.predict(data, arrays=True)["logits"], expected, atol=1e-5)
    source, output = tmp_path / "ids.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert predict_file(run, str(source), output, call={}, read={})["errors"] == 0
    lines = [json.loads(line)["prediction"]["label"] for line in output.read_text().splitlines()]
    assert lines == [LABELS[i] for i in expected.argmax(1)]


def test_a_token_id_that_the_model_lacks(run, tmp_path):
    rows = [{"input_ids": [2, 5, 3]}, {"input_ids": [2, 99_999, 3]}]
    with pytest.raises(ModelError, match="row 2: .* id 99,999"):
        run.predict(rows)
    with pytest.raises(ModelError, match="row 2: .* id 99,999"):
        predict_file(run, rows, tmp_path / "out.jsonl", call={}, read={})


def test_what_was_cut_is_told(run, tmp_path):
    said: list[str] = []
    rows = [{"text": "a"}, {"text": " ".join(texts()[:9])}]
    predict_file(run, rows, tmp_path / "out.jsonl", call={}, read={}, note=said.append)
    assert any(line.startswith("1 of 2 texts are longer than 40 tokens and were cut") for line in said)
