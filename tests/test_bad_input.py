"""Bad input: one paragraph on stderr that names what was found and what to do, the exit code of the design, nothing written.

One test for each item of the list; each runs the command as a person would.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import Command

GOOD = "text\tlabel\n" + "".join(f"a text about thing {i}\t{'yes' if i % 2 else 'no'}\n" for i in range(40))


@pytest.fixture(scope="module")
def body(tiny) -> Path:
    return tiny("bert", auto="AutoModel")


@pytest.fixture
def command(tmp_path, body, capsys) -> Command:
    return Command(tmp_path, body, capsys)


@pytest.fixture
def good(command) -> Path:
    return command.write("good.tsv", GOOD)


@pytest.fixture
def broken_model(body, tmp_path) -> Path:
    return Path(shutil.copytree(body, tmp_path / "broken-model"))


# data -----------------------------------------------------------------------------------------------------------------
def test_missing_file(command, good):
    command.train(command.folder / "goood.tsv")
    command.refused(3, "goood.tsv: there is no such file", "Did you mean", "good.tsv")


def test_missing_validation_and_test_file(command, good):
    for name in ("validation", "test"):
        command.train(good, f"--{name}", command.folder / "nowhere.tsv")
        command.refused(3, "nowhere.tsv: there is no such file")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_file(command, content):
    command.train(command.write("empty.tsv", content))
    command.refused(3, "empty.tsv: the file is empty")


def test_file_with_a_header_only(command):
    command.train(command.write("header.tsv", "text\tlabel\n"))
    command.refused(3, "header.tsv")


def test_wrong_column(command, good):
    command.train(good, "--text", "document")
    command.refused(3, 'good.tsv: there is no column "document" (--text)', '"text" and "label"')


def test_missing_column(command):
    data = command.write("one.tsv", "words\tnumber\n" + "".join(f"some text {i} here\t{i * 7919}\n" for i in range(40)))
    command.train(data)
    command.refused(3, "no column was recognised as the label", '"words"', '"number"', "--label")


def test_one_class_only(command):
    data = command.write("one.tsv", GOOD.replace("\tno", "\tyes"))
    command.train(data)
    command.refused(3, "one class only", '"yes"', "40 rows")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_label_that_training_lacks(command, good, part):
    data = command.write("other.tsv", GOOD.replace("thing 7\tyes", "thing 7\tmaybe"))
    command.train(good, f"--{part}", data)
    command.refused(3, 'other.tsv, row 8: the label "maybe" (1 of 40 rows) is not among the labels', '"no" and "yes"')


def test_empty_text(command):
    data = command.write("empty.tsv", GOOD.replace("a text about thing 7\t", "\t"))
    command.train(data)
    command.refused(3, 'empty.tsv, row 8: the column "text" is empty', "--drop-empty")
    assert command.train(data, "--drop-empty") == 0
    assert json.loads((command.output / "data.json").read_text())["parts"]["train"]["rows"] < 40


def test_empty_label(command):
    data = command.write("empty.tsv", GOOD.replace("thing 7\tyes", "thing 7\t"))
    command.train(data)
    command.refused(
        3,
        'empty.tsv, row 8: the label column "label" is empty. Drop such rows with --drop-empty-labels, or fix the file.',
    )
    assert command.train(data, "--drop-empty-labels") == 0


def test_text_that_is_no_text(command):
    rows = [{"text": f"a text about thing {i}" if i != 7 else {"a": 1}, "label": i % 2} for i in range(40)]
    data = command.write("rows.jsonl", "\n".join(map(json.dumps, rows)))
    command.train(data)
    command.refused(3, "rows.jsonl, row 8", '"text"')


@pytest.mark.parametrize(("line", "said"), [("a text alone", "1 field"), ("a text\tyes\tmore", "3 fields")])
def test_row_with_too_few_or_too_many_fields(command, line, said):
    lines = GOOD.splitlines()
    lines[8] = line
    data = command.write("ragged.tsv", "\n".join(lines) + "\n")
    command.train(data)
    command.refused(3, "ragged.tsv, row 8", said)


def test_label_column_that_looks_like_text(command):
    data = command.write(
        "texts.tsv", "text\tlabel\n" + "".join(f"text {i}\tan answer to {i}, all its own\n" for i in range(60))
    )
    command.train(data)
    command.refused(3, "label", "text")


def test_bad_rows_of_a_prediction_keep_their_line(command, good):
    assert command.train(good) == 0
    data = command.write(
        "rows.jsonl", '{"text": "fine"}\n{"text": ""}\n{"text": 3.5}\n{"text": null}\n{"text": "fine"}\n'
    )
    assert command("predict", command.output, data, "--output", command.folder / "out.jsonl") == 0
    lines = [json.loads(line) for line in (command.folder / "out.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4, 5]
    assert ["error" in line for line in lines][:2] == [False, True] and "prediction" in lines[4]
    assert all(("error" in line) != ("prediction" in line) for line in lines)


# output ---------------------------------------------------------------------------------------------------------------
def test_output_that_exists(command, good):
    command.output.mkdir()
    (command.output / "notes.txt").write_text("mine")
    assert command.train(good) == 2
    for words in ("the folder exists", "--resume", "--overwrite", "another name"):
        assert words in command.error
    for flag in ("--overwrite", "--resume"):
        assert command.train(good, flag) == 2 and "holds no run" in command.error
    assert [path.name for path in command.output.iterdir()] == ["notes.txt"]


def test_overwrite_keeps_the_old_run_until_the_new_one_can_start(command, good):
    assert command.train(good) == 0
    before = (command.output / "metrics.json").read_bytes()
    assert command.train(command.folder / "nowhere.tsv", "--overwrite") == 3
    assert (command.output / "metrics.json").read_bytes() == before
    (command.output / "notes.txt").write_text("mine")
    assert command.train(good, "--overwrite", "--max-steps", "1") == 0
    assert (command.output / "metrics.json").read_bytes() != before
    assert (command.output / "notes.txt").read_text() == "mine", "what is no part of a run is nobody's to remove"


def test_output_that_is_a_file(command, good):
    path = command.write("taken", "")
    command.train(good, output=path)
    command.refused(2, "this is a file")
    command.train(good, output=path / "run")
    command.refused(2, "can't be written to")


def test_output_that_cannot_be_written(command, good, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may write anywhere
    command.train(good)
    command.refused(2, "can't be written to", "--output")


def test_output_of_predict_that_cannot_be_written(command, good):
    assert command.train(good) == 0
    assert command("predict", command.output, good, "--output", command.folder / "no" / "out.jsonl") == 2
    assert "can't be written there" in command.error


# model and tokenizer --------------------------------------------------------------------------------------------------
def test_model_folder_that_is_not_there(command, good):
    command.train(good, model=command.folder / "nowhere")
    command.refused(4, "there is no such folder")


def test_no_model(command, good):
    command("train", "--task", "text-classification", "--train", good, "--output", command.output)
    command.refused(4, "no model is named", "--model")


def test_model_folder_without_weights(command, good, broken_model):
    (broken_model / "model.safetensors").unlink()
    command.train(good, model=broken_model)
    command.refused(4, "there are no weights in it", "model.safetensors")


def test_model_folder_with_weights_of_another_library_only(command, good, broken_model):
    (broken_model / "model.safetensors").rename(broken_model / "tf_model.h5")
    command.train(good, model=broken_model)
    command.refused(4, "TensorFlow weights only")


def test_model_folder_with_damaged_weights(command, good, broken_model):
    (broken_model / "model.safetensors").write_bytes(b"cut off")
    command.train(good, model=broken_model)
    command.refused(4, "its weights are damaged or cut short")


def test_model_folder_without_config(command, good, broken_model):
    (broken_model / "config.json").unlink()
    command.train(good, model=broken_model)
    command.refused(4, "there is no config.json in it")


def test_missing_tokenizer(command, good, broken_model):
    for path in broken_model.iterdir():
        if path.name.startswith(("tokenizer", "vocab", "special")):
            path.unlink()
    command.train(good, model=broken_model)
    command.refused(4, "there is no tokenizer in it", "--tokenizer")


def test_head_for_other_labels_says_what_will_be_new(command, good, tiny):
    model = tiny("bert", labels=["a", "b", "c"])
    assert command.train(good, model=model) == 0
    assert "New weights, to be learnt: classifier.bias, classifier.weight" in command.err
    config = json.loads((command.output / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "no", "1": "yes"}


def test_head_for_another_task_says_what_will_be_new(command, good, tiny):
    model = tiny("bert", auto="AutoModelForMaskedLM")
    assert command.train(good, model=model) == 0
    assert "New weights, to be learnt" in command.err and "classifier.weight" in command.err
    assert "Not used: cls.predictions" in command.err


def test_predicting_with_a_fresh_head_is_refused(command, good):
    for name in ("evaluate", "predict"):
        command(name, command.model, good, "--task", "text-classification")
        command.refused(4, "has no head for text-classification", "would be random", "byeori train")


def test_model_that_does_not_say_its_task(command, good):
    command("evaluate", command.model, good)
    command.refused(4, "doesn't say what it was trained for", "--task")


def test_tokenizer_whose_ids_exceed_the_embedding(command, good, broken_model):
    config = json.loads((broken_model / "config.json").read_text())
    weights = load_file(broken_model / "model.safetensors")
    (name,) = [name for name in weights if "word_embeddings" in name]
    weights[name] = weights[name][:20].clone()
    save_file(weights, broken_model / "model.safetensors", {"format": "pt"})
    (broken_model / "config.json").write_text(json.dumps({**config, "vocab_size": 20}))
    command.train(good, model=broken_model)
    command.refused(4, "the model embeds 20", "don't belong together", "--tokenizer")


def test_max_length_beyond_the_model(command, good):
    command.train(good, "--max-length", "129")
    command.refused(2, "max_length=129", "128 tokens at most", "--max-length 128")
    assert command.train(good, "--max-length", "128") == 0


def test_max_length_of_roberta_is_two_less_than_its_table(command, good, tiny):
    command.train(good, "--max-length", "127", model=tiny("roberta", auto="AutoModel"))
    command.refused(2, "126 tokens at most")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is here")
def test_device_that_is_not_there(command, good):
    command.train(good, "--device", "cuda")
    command.refused(2, "device=cuda", "--device cpu")


def test_float16_on_a_cpu(command, good):
    command.train(good, "--device", "cpu", "--precision", "float16")
    command.refused(2, "precision=float16", "bfloat16")


# settings and training ------------------------------------------------------------------------------------------------
def test_unknown_setting(command, good):
    command.train(good, "--learning-rat", "1")
    command.refused(2, "there is no setting --learning-rat. Did you mean --learning-rate?")
    path = command.write("settings.yaml", f"task: text-classification\ntrain: {good}\nlearning_rat: 1\n")
    command("train", path, "--output", command.output)
    command.refused(2, "there is no setting learning_rat. Did you mean learning_rate?")


def test_nan_loss(command, good, broken_model):
    weights = load_file(broken_model / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name][50:] = float("nan")
    save_file(weights, broken_model / "model.safetensors", {"format": "pt"})
    assert command.train(good, model=broken_model) == 1
    for words in ("step 1: the loss is nan", "good.tsv, row", "not a number in the checkpoint"):
        assert words in command.error
    assert "Traceback" not in command.err
    assert not (command.output / "model").exists() and not (command.output / "metrics.json").exists()
    assert command("predict", command.output, good) == 4, "what is left of it is no run"


def test_diverging_training(command, good):
    assert command.train(good, "--learning-rate", "1e30", "--max-grad-norm", "0", "--max-steps", "9") == 1
    assert "--learning-rate" in command.error and "Traceback" not in command.err
