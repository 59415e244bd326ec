"""`byeori inspect` as a person runs it: what it says, what it writes, its exit codes, one JSON object whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import byeori
from commands import Command

THINGS = ("river", "mountain", "kitchen", "engine", "garden", "letter", "window", "bridge")
GOOD = "text\tlabel\n" + "".join(
    f"{THINGS[i % 8]} beside {THINGS[i // 8]} and {THINGS[(i * 3 + i // 8) % 8]} {i}\t{'yes' if i % 2 else 'no'}\n"
    for i in range(40)
)


@pytest.fixture(scope="module")
def body(tiny) -> Path:
    return tiny("bert", auto="AutoModel")


@pytest.fixture
def command(tmp_path, body, capsys) -> Command:
    return Command(tmp_path, body, capsys)


def looked(command: Command, *arguments) -> dict:
    command("inspect", *arguments, "--json", "--no-doubt")
    return json.loads(command.out)


def test_ready(command):
    assert command("inspect", command.write("good.tsv", GOOD), "--no-doubt") == 0
    assert "40" in command.out and "good.tsv" in command.out and "Traceback" not in command.err
    data = looked(command, command.folder / "good.tsv")
    assert command.code == 0 and data["verdict"] == "ready" and data["task"] == "text-classification"
    assert data["columns"] == {"text": "text", "label": "label"}
    (file,) = data["files"]
    assert file["rows"] == 40 and file["format"] == "tsv" and len(file["sha256"]) == 64


def test_bad_rows_are_listed_and_stop(command):
    lines = GOOD.splitlines()
    lines[3] += "\tone\ttoo\tmany"
    lines[9] = "no tab here"
    data = looked(command, command.write("ragged.tsv", "\n".join(lines) + "\n"))
    assert command.code == 3 and data["verdict"] == "stop"
    assert data["rows"] == 40 and data["bad_rows"] == 2
    (bad,) = [one for one in data["findings"] if one["kind"] == "bad_rows"]
    assert bad["rows"] == [3, 9] and bad["count"] == 2 and "ragged.tsv, row 3" in bad["said"]
    assert looked(command, command.folder / "ragged.tsv", "--skip-bad-rows")["verdict"] == "look" and command.code == 0


def test_one_object_also_for_what_can_not_be_read(command):
    data = looked(command, command.folder / "nowhere.tsv")
    assert command.code == 3 and data["verdict"] == "stop" and data["findings"][0]["kind"] == "unreadable"
    assert "there is no such file" in command.error
    command.write("empty.csv", "")
    assert looked(command, command.folder / "empty.csv")["rows"] == 0 and command.code == 3


def test_fail_on(command):
    twice = command.write("twice.tsv", GOOD + GOOD.splitlines()[4] + "\n")
    assert command("inspect", twice, "--no-doubt") == 0
    assert command("inspect", twice, "--no-doubt", "--fail-on", "leakage,duplicate_rows") == 3
    assert command.error == "byeori: exit code 3, for duplicate_rows."
    assert command("inspect", twice, "--no-doubt", "--fail-on", "look") == 3  # 1 of 41 rows
    assert command("inspect", twice, "--fail-on", "leekage") == 2 and "Did you mean leakage?" in command.error


def test_files_that_are_written(command):
    good, page, made = command.write("good.tsv", GOOD), command.folder / "page.html", command.folder / "found.json"
    assert command("inspect", good, "--no-doubt", "--html", page, "--output", made) == 0
    assert json.loads(made.read_text(encoding="utf-8"))["rows"] == 40
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_a_model_counts_tokens_and_makes_the_estimate(command):
    data = looked(
        command, command.write("good.tsv", GOOD), "--model", command.model, "--epochs", "2", "--batch-size", "8"
    )
    tokens = data["parts"]["train"]["tokens"]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(command.model)
    lengths = [len(tokenizer(line.split("\t")[0])["input_ids"]) for line in GOOD.splitlines()[1:]]
    assert (tokens["min"], tokens["max"]) == (min(lengths), max(lengths))
    assert tokens["truncated"] == 0 and data["model"] == str(command.model)
    estimate = data["estimate"]
    assert estimate["updates"] == 8 and estimate["tokens_per_epoch"] == round(0.8 * sum(lengths))  # 32 rows are left
    assert estimate["seconds"] > 0 and estimate["memory_mb"] > 0
    cut = looked(command, command.folder / "good.tsv", "--model", command.model, "--max-length", "5")
    assert cut["parts"]["train"]["tokens"]["truncated"] == sum(length > 5 for length in lengths)
    (finding,) = [one for one in cut["findings"] if one["kind"] == "truncated"]
    assert finding["count"] == cut["parts"]["train"]["tokens"]["truncated"]


def test_texts_without_a_file(command):
    assert command("inspect", "--model", command.model, "--text", "안녕하세요", "--text-pair", "hello") == 0
    assert "[CLS]" in command.out and "안녕" in command.out
    assert command("inspect", "--model", command.model, "--text", "안녕하세요", "--json") == 0
    assert json.loads(command.out)["text"] == "안녕하세요"


def test_rows_as_the_model_sees_them(command):
    good = command.write("good.tsv", GOOD)
    assert command("inspect", good, "--model", command.model, "--rows", "1", "--forward", "--no-doubt") == 0
    assert "good.tsv, row 1" in command.out and "loss" in command.out
    data = looked(command, good, "--model", command.model, "--rows", "2", "--forward")
    assert len(data["sees"]["rows"]) == 2 and data["forward"]


def test_nothing_named(command):
    assert command("inspect") == 2 and "Give DATA" in command.error
    assert command("inspect", command.write("good.tsv", GOOD), "--rows", "2") == 4 and "--model" in command.error
    assert command("inspect", command.folder / "good.tsv", "--model", command.folder / "nothing") == 4


def test_settings_of_a_training(command):
    command.write("good.tsv", GOOD)
    command.write("other.tsv", GOOD.replace(" beside ", " seen from far away, near "))
    settings = command.write(
        "train.yaml", f"task: text-classification\nmodel: {command.model}\ntrain: {command.folder / 'good.tsv'}\n"
        f"validation: {command.folder / 'other.tsv'}\nepochs: 1\nlearning_rate: 1e-4\nmax_length: 6\noutput: run\n",
    )  # fmt: skip
    data = looked(command, settings)
    assert list(data["parts"]) == ["train", "validation"] and data["model"] == str(command.model)
    assert (
        data["parts"]["train"]["tokens"]["max_length"] == 6 and data["estimate"]["updates"] == 2
    )  # 36 of 40 rows in 32s
    assert (
        command("inspect", command.write("bad.yaml", "train: x\nlerning_rate: 1\n")) == 2
        and "learning_rate" in command.error
    )
    assert command("inspect", command.write("none.yaml", "model: x\n")) == 2 and "no training data" in command.error


@pytest.mark.parametrize(
    ("name", "text", "task"),
    [
        ("tags.conll", "Seoul B-LOC\nis O\n\nBusan B-LOC\ntoo O\n", "token-classification"),
        ("qa.jsonl", '{"question": "Who?", "context": "Kim.", "answers": {"text": ["Kim"], "answer_start": [0]}}\n', "question-answering"),
        ("mc.jsonl", '{"text": "2 + 2", "choices": ["3", "4"], "label": 1}\n', "multiple-choice"),
        ("mt.tsv", "ko\ten\n안녕하세요 여러분\thello everyone\n좋은 아침입니다\tgood morning\n", "translation"),
        ("sum.jsonl", json.dumps({"article": "a long article " * 30, "summary": "all of it, short"}) + "\n", "summarization"),
        ("chat.jsonl", '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ah"}]}\n', "text-generation"),
        ("plain.txt", "one line of text\nanother line of it\n", "fill-mask"),
    ],
)  # fmt: skip
def test_the_task_is_told_by_the_columns(command, name, text, task):
    data = looked(command, command.write(name, text))
    assert data["task"] == task and any("No task was named" in note for note in data["notes"])


def test_python_says_the_same(command):
    good = command.write("good.tsv", GOOD)
    said = looked(command, good)
    inspection = byeori.inspect(str(good), doubt=False)
    assert {**inspection.data, "seconds": 0} == {**said, "seconds": 0}
    assert inspection.verdict == "ready" and inspection.findings == said["findings"]


def test_help_names_the_flags(command):
    assert command("inspect", "--help") == 0
    for flag in (
        "--task",
        "--model",
        "--validation",
        "--test",
        "--rows",
        "--forward",
        "--html",
        "--fail-on",
        "--json",
        "--label",
    ):
        assert flag in command.out
