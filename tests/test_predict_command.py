"""`byeori predict` and `byeori evaluate`: settings files in the place of the model, flags that a task has and has not."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import yaml

import byeori
from byeori.tasks import TASKS
from commands import Command
from families import texts

USING = {"device": "cpu", "precision": "float32", "threads": 1}


@pytest.fixture
def command(tmp_path, tiny, capsys) -> Command:
    found = Command(tmp_path, tiny("bert", labels=("bad", "good", "so so")), capsys)
    rows = [f"{text}\t{('bad', 'good')[i % 2]}" for i, text in enumerate(texts()[:6])]
    found.write("rows.tsv", "\n".join(["text\tlabel", *rows]) + "\n")
    return found


def settings_file(command: Command, **values) -> Path:
    """A settings file of a prediction, or an evaluation."""
    whole = {"task": "text-classification", "model": str(command.model), **USING, **values}
    return command.write("settings.yaml", yaml.safe_dump(whole, allow_unicode=True))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# settings files -------------------------------------------------------------------------------------------------------
def test_a_settings_file_predicts_as_flags_do(command):
    data, output = command.folder / "rows.tsv", command.folder / "out.jsonl"
    file = settings_file(command, input=str(data), output=str(output), top_k=2, **{"with-inputs": True})
    assert command("predict", file) == 0, command.err
    found = lines(output)
    flags = [f"--{name}={value}" for name, value in USING.items()]
    assert (
        command(
            "predict", command.model, data, "--task", "text-classification", "--top-k", "2", "--with-inputs", *flags
        )
        == 0
    )
    assert found == [json.loads(line) for line in command.out.splitlines()] and len(found[0]["prediction"]) == 2
    assert command("predict", file, "--top-k", "1", "--output", "-") == 0, "flags go before what the file says"
    assert [len(json.loads(line)["prediction"]) for line in command.out.splitlines()] == [1] * 6
    other = command.write("other.txt", "a\nb\n")
    assert command("predict", file, other, "--output", "-") == 0
    assert len(command.out.splitlines()) == 2, "and so does what stands in its place"


def test_a_settings_file_evaluates_as_flags_do(command):
    data = command.folder / "rows.tsv"
    file = settings_file(command, data=str(data), max_rows=4)
    assert command("evaluate", file, "--json") == 0, command.err
    expected = byeori.evaluate(str(command.model), str(data), task="text-classification", max_rows=4, **USING)
    assert json.loads(command.out) == expected


def test_the_flags_are_those_of_the_model_in_the_file(command, tiny):
    """A run says its task, and the file need not."""
    folder = tiny("bart", auto="AutoModelForSeq2SeqLM")
    file = command.write("settings.yaml", yaml.safe_dump({
        "task": "summarization", "model": str(folder), "input": str(command.write("a.txt", "a text\n")), "max_new_tokens": 3, **USING,
    }))  # fmt: skip
    assert command("predict", file, "--num-beams", "1") == 0, command.err
    assert set(json.loads(command.out)["prediction"]) == {"summary_text"}


@pytest.mark.parametrize(
    ("name", "values", "arguments", "said"),
    [
        ("predict", {"input": "x", "top_kk": 2}, (), "settings.yaml: there is no setting top_kk. Did you mean top_k?"),
        ("predict", {"input": "x", "epochs": 2}, (), "there is no setting epochs here; it is one of `byeori train`"),
        ("predict", {"input": "x", "model_name_or_path": "m"}, (), "It is model here."),
        ("predict", {"input": "x", "label": "y"}, (), "there is no setting label here; it is one of `byeori train`"),
        ("predict", {}, (), "Missing argument 'INPUT'"),
        ("evaluate", {}, (), "Missing argument 'DATA'"),
        ("evaluate", {"data": "x", "epochs": 2}, (), "there is no setting epochs here"),
        ("predict", {"input": "x", "model": None}, (), "Missing argument 'MODEL_OR_RUN'"),
    ],
)
def test_what_a_settings_file_cannot_say(command, name, values, arguments, said):
    assert command(name, settings_file(command, **values), *arguments) == 2
    assert said in command.err and command.err.count("\n") == 1


# flags ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_every_flag_stands_once_and_does_something(command, task, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # click's, of a name used twice
        assert command(name, "--task", task.name, "--help") == 0
    flags = [line.split()[0] for line in command.out.splitlines() if line.startswith("  --")]
    assert len(flags) == len(set(flags))
    answers = {f"--{role.replace('_', '-')}" for role in task.answers}
    assert name != "predict" or not answers & set(flags), "a prediction reads no right answers"


def test_max_length_of_a_task_that_writes(command, tiny):
    folder, data = tiny("bart", auto="AutoModelForSeq2SeqLM"), command.write("a.txt", "a text\nanother\n")
    flags = ("--task", "summarization", "--precision", "float32", "--threads", "1")
    assert command("predict", folder, data, *flags, "--max-length", "5") == 0
    found = [json.loads(line)["prediction"] for line in command.out.splitlines()]
    pipe = byeori.pipeline("summarization", str(folder), precision="float32", device="cpu")
    assert found == pipe(["a text", "another"], max_length=5) != pipe(["a text", "another"], max_length=12)


@pytest.mark.parametrize("flag", ["--text", "--text-pair"])
@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_a_column_of_another_task(command, tiny, name, flag):
    folder = tiny("bart", auto="AutoModelForSeq2SeqLM")
    assert command(name, folder, command.folder / "rows.tsv", "--task", "summarization", flag, "text") == 2
    assert "summarization reads no text" in command.error


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_inputs_beside_an_array(command, tiny, suffix):
    output = command.folder / f"vectors.{suffix}"
    flags = ("--task", "feature-extraction", "--pooling", "mean", "--with-inputs", "--output", output)
    assert command("predict", tiny("bert", auto="AutoModel"), command.folder / "rows.tsv", *flags) == 2
    assert "--with-inputs" in command.error and ".parquet" in command.error and not output.exists()


def test_json_of_predict_is_on_stdout_where_the_predictions_are_not(command):
    data, output = command.folder / "rows.tsv", command.folder / "out.jsonl"
    flags = ("--task", "text-classification", "--threads", "1", "--json")
    assert command("predict", command.model, data, *flags, "--output", output) == 0
    assert json.loads(command.out)["rows"] == 6 and len(lines(output)) == 6
    assert command("predict", command.model, data, *flags) == 0
    assert len(command.out.splitlines()) == 6 and json.loads(command.err.splitlines()[-1])["rows"] == 6


def test_debug_is_a_flag_of_every_command(command):
    assert command("tasks", "--debug") == 0
    with pytest.raises(byeori.ByeoriError):
        from byeori.cli import main

        main(["report", str(command.folder / "nowhere"), "--debug"])
    assert command("demo", "--debug", "--help") == 0 and "--debug" in command.out
