"""The command: flags, exit codes, train → evaluate → predict, settings.yaml, consoles that aren't UTF-8."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

import byeori
from byeori import settings
from byeori.cli import cli, main
from byeori.tasks import TASKS

DEMO = Path(byeori.__file__).parent / "data" / "demo"
HEAVY = ("torch", "transformers", "datasets", "pandas", "sklearn", "scipy", "pyarrow", "accelerate")


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of the command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def process(*arguments, input: bytes | None = None, **environment) -> subprocess.CompletedProcess:
    """The command in a process of its own, with bytes for what it reads and writes."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, "-m", "byeori", *map(str, arguments)]
    return subprocess.run(command, input=input, capture_output=True, env={**inherited, **environment}, timeout=120)


@pytest.fixture(scope="module")
def body(tiny) -> Path:
    return tiny("bert", auto="AutoModel", dropout=0.1)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    """80 Korean reviews with the columns 문장 and 라벨."""
    path = tmp_path_factory.mktemp("data") / "리뷰.tsv"
    lines = (DEMO / "reviews_ko.tsv").read_text(encoding="utf-8").splitlines()[:81]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def flags(model, data, output) -> list[str]:
    return [
        "--task", "text-classification", "--model", model, "--train", data, "--output", output, "--max-steps", "3",
        "--batch-size", "16", "--learning-rate", "1e-3", "--threads", "1", "--precision", "float32", "--no-baselines",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(body, reviews, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, flags(body, reviews, output))])
    assert stop.value.code == 0
    return output


# help -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", [[], *([name] for name in cli.commands)], ids=lambda c: " ".join(c) or "byeori")
def test_help(capsys, command):
    code, out, err = run(capsys, *command, "--help")
    assert (code, err) == (0, "") and out.startswith("Usage: byeori")


def test_help_of_train_lists_every_setting_with_its_help_and_default(capsys):
    _, out, _ = run(capsys, "train", "--help")
    flat = " ".join(out.split())
    for kind in (settings.Train, TASKS[0].Training):
        for name, field in settings.names(kind).items():
            if name != "task":
                assert f"--{name.replace('_', '-')} " in flat or f"--{name.replace('_', '-')} /" in flat, name
                assert " ".join(field.metadata["help"].split()) in flat, name
    assert "[default: 1e-08]" in flat and "linear|cosine|constant" in flat


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0 and byeori.__version__ in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(capsys, shell):
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0 and "_BYEORI_COMPLETE" in out


def test_completion_completes():
    found = process("", _BYEORI_COMPLETE="bash_complete", COMP_WORDS="byeori tr", COMP_CWORD="1")
    assert b"train" in found.stdout


def test_tasks(capsys):
    code, out, _ = run(capsys, "tasks")
    assert code == 0 and out.count("text-classification") == 1 and "sentiment-analysis" in out
    listed = json.loads(run(capsys, "tasks", "--json")[1])
    assert [one["name"] for one in listed] == [task.name for task in TASKS]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["train", "--help"], ["tasks"]], ids=" ".join)
def test_light_commands_import_nothing_heavy(arguments):
    program = f"""
import contextlib, io, sys, byeori
if {arguments!r}:
    from byeori.cli import main
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main({arguments!r})
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]", found.stderr


def test_help_is_quick():
    """The issue asks for 0.3 s; twice that leaves room for a busy machine, and the best of three for a cold one."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        assert process("--help").returncode == 0
        taken.append(time.perf_counter() - began)
    assert min(taken) <= 0.6


# exit codes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "--num-train-epochs", "3"], 2, "It is --epochs here."),
        (["train", "--per_device_train_batch_size", "8"], 2, "It is --batch-size here."),
        (["train", "--evaluation-strategy=epoch"], 2, "It is --evaluate-every here."),
        (["train", "--fp16"], 2, "It is --precision here."),
        (["train", "--learning-rat", "1"], 2, "Did you mean --learning-rate?"),
        (["train"], 2, "no folder is named"),
        (["train", "--output", "x"], 2, "no training data is named"),
        (["train", "--task", "text-clasification"], 2, "Did you mean text-classification?"),
        (["train", "--learning-rate", "fast", "--output", "x"], 2, "learning_rate='fast': auto or a number is needed"),
        (["train", "--batch-size", "0", "--output", "x"], 2, "at least 1"),
        (["train", "--schedule", "linaer", "--output", "x"], 2, "Did you mean linear?"),
        (["train", "missing.yaml"], 2, "missing.yaml: there is no such settings file"),
        (["trian"], 2, "No such command 'trian'"),
        (["evaluate"], 2, "Missing argument"),
        (["completion", "tcsh"], 2, "tcsh"),
        (["evaluate", "./nowhere", "x.tsv"], 4, "./nowhere: there is no such folder"),
        (["predict", "nowhere", "x.tsv"], 4, "nowhere: it is no folder here, and the Hub could not be reached"),
        (["evaluate", "nowhere", "x.tsv", "--max-length", "2"], 2, "max_length='2': it must be at least 3"),
        (["evaluate", "nowhere", "x.tsv", "--truncation", "banana"], 2, "one of head, tail, middle is needed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_use_is_one_paragraph_and_a_code(capsys, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "train" and "--task" not in arguments:
        arguments = [*arguments, "--task", "text-classification"]
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "") and said in err
    assert err.startswith("byeori: ") and "Traceback" not in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_debug_raises(tmp_path):
    flags = f"--task text-classification --model some/model --train nowhere.tsv --output {tmp_path / 'x'}"
    with pytest.raises(byeori.DataError, match="nowhere.tsv"):
        main(["train", "--debug", *flags.split()])


def test_error_without_a_message_of_its_own_is_1(capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(byeori, "train", broken, raising=False)
    code, _, err = run(capsys, "train", "--task", "text-classification")
    assert code == 1 and "ZeroDivisionError: by zero" in err and "--debug" in err


def test_ctrl_c_is_130(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(byeori, "train", interrupted, raising=False)
    assert run(capsys, "train", "--task", "text-classification")[0] == 130


# the way through ------------------------------------------------------------------------------------------------------
def test_run_folder_is_the_one_of_the_design(trained):
    assert {path.name for path in trained.iterdir()} == {
        "settings.yaml", "model", "metrics.json", "history.jsonl", "samples.jsonl", "predictions", "data.json", "report.html",
        "watched.jsonl", "slices.json", "mistakes.json",
    }  # fmt: skip
    inside = {path.name for path in (trained / "model").iterdir()}
    assert inside >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "byeori.json",
        "README.md",
    }
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert {"test", "validation", "training"} <= set(metrics)
    assert set(metrics["test"]["accuracy"]) == {"value", "low", "high"}
    for name in ("metrics.json", "data.json", "model/byeori.json"):
        assert json.loads((trained / name).read_text(encoding="utf-8"))["format"] == 1
    assert not [path for path in trained.rglob(".*")], "nothing half-written is left"


def test_train_evaluate_predict(capsys, trained, reviews, tmp_path):
    code, out, _ = run(capsys, "evaluate", trained, reviews, "--threads", "1")
    assert code == 0 and "accuracy" in out
    code, out, _ = run(capsys, "evaluate", trained, reviews, "--json", "--precision", "float32", "--threads", "1")
    scores = json.loads(out)
    assert (
        code == 0 and 0 <= scores["accuracy"]["low"] <= scores["accuracy"]["value"] <= scores["accuracy"]["high"] <= 1
    )

    output = tmp_path / "out.jsonl"
    using = ("--precision", "float32", "--threads", "1")
    code, out, err = run(capsys, "predict", trained, reviews, "--output", output, "--with-inputs", *using)
    assert (code, out) == (0, "") and "80 rows, 0 with errors" in err
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    with open(reviews, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [line["row"] for line in lines] == list(range(1, 81))
    assert [line["inputs"]["text"] for line in lines] == [row["문장"] for row in rows]
    right = sum(line["prediction"]["label"] == row["라벨"] for line, row in zip(lines, rows, strict=True))
    assert right / 80 == pytest.approx(scores["accuracy"]["value"])

    code, out, _ = run(capsys, "predict", trained, reviews, "--top-k", "none", *using)
    every = [json.loads(line)["prediction"] for line in out.splitlines()]
    assert [one[0] for one in every] == [line["prediction"] for line in lines]
    assert {one["label"] for one in every[0]} == {"긍정", "부정"}


def test_a_run_finds_its_columns_again(capsys, body, reviews, tmp_path):
    """Columns that had to be named in training need no name later, and their places are said."""
    data = tmp_path / "columns.tsv"
    rows = [line.split("\t") for line in reviews.read_text(encoding="utf-8").splitlines()[1:]]
    lines = ["a\tb\tc\td", *(f"{i % 3}\t{text}\t{text[::-1]}\t{label}" for i, (text, label) in enumerate(rows))]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    output, using = tmp_path / "run", ("--threads", "1", "--precision", "float32")
    assert run(capsys, "train", *flags(body, data, output))[0] == 3, "by themselves they say nothing"
    assert run(capsys, "train", *flags(body, data, output), "--text", "b", "--label", "d")[0] == 0
    kept = json.loads((output / "model" / "byeori.json").read_text(encoding="utf-8"))
    assert kept["columns"] == {"text": "b", "label": "d"}
    code, out, err = run(capsys, "evaluate", output, data, "--json", *using)
    assert code == 0 and '{"note": ' in err
    assert 'text = "b" (as in training), label = "d" (as in training)' in json.loads(err.splitlines()[-1])["note"]
    named = run(capsys, "evaluate", output, data, "--json", *using, "--text", "b", "--label", "d")[1]
    assert out == named
    code, out, err = run(capsys, "predict", output, data, "--with-inputs", *using)
    assert code == 0 and 'text = "b" (as in training)' in err
    assert [json.loads(line)["inputs"]["text"] for line in out.splitlines()] == [text for text, _ in rows]


def test_model_of_the_hub_says_its_task_too(trained, reviews, tmp_path):
    """Out of the Hub's cache, as a download would have left it."""
    cache = tmp_path / "hub" / "models--me--reviews"
    shutil.copytree(trained / "model", cache / "snapshots" / "abc")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    found = process("evaluate", "me/reviews", reviews, "--json", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert found.returncode == 0, found.stderr.decode()
    assert b"(as in training)" in found.stderr and "accuracy" in json.loads(found.stdout)


def test_json_of_train_is_metrics_on_stdout_and_lines_on_stderr(capsys, body, reviews, tmp_path):
    code, out, err = run(capsys, "train", *flags(body, reviews, tmp_path / "run"), "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3]
    assert any("validation" in line for line in lines) and any("note" in line for line in lines)


def test_wrong_values_of_using_a_run(capsys, trained, reviews):
    """Exit code 2 and the sentence training has for them."""
    for arguments, said in (
        (["predict", "--max-length", "9999"], "takes 128 tokens at most. Give --max-length 128 or less"),
        (["evaluate", "--max-length", "9999"], "takes 128 tokens at most"),
        (["predict", "--top-k", "x"], "top_k='x': one of default, none or a whole number is needed"),
        (["evaluate", "--problem-type", "regression"], "problem_type='regression': it is 'single_label' for "),
        (["evaluate", "--max-rows", "0"], "max_rows='0': it must be at least 1"),
    ):
        code, out, err = run(capsys, arguments[0], trained, reviews, *arguments[1:])
        assert (code, out) == (2, "") and said in err.splitlines()[-1]
    code, out, _ = run(capsys, "evaluate", trained, reviews, "--problem-type", "single_label", "--split", "train")
    assert code == 0 and "accuracy" in out


def test_settings_yaml_repeats_the_run(capsys, trained, tmp_path):
    code, _, _ = run(capsys, "train", trained / "settings.yaml", "--output", tmp_path / "again")
    assert code == 0
    first, again = (load_file(path / "model" / "model.safetensors") for path in (trained, tmp_path / "again"))
    assert first.keys() == again.keys() and all(bool((first[name] == again[name]).all()) for name in first)


def test_flags_go_before_a_settings_file(capsys, trained, tmp_path):
    code, _, _ = run(capsys, "train", trained / "settings.yaml", "--output", tmp_path / "more", "--max-steps", "1")
    assert code == 0
    assert json.loads((tmp_path / "more" / "metrics.json").read_text(encoding="utf-8"))["training"]["steps"] == 1


def test_repeating_never_overwrites_by_itself(capsys, body, reviews, tmp_path):
    output = tmp_path / "run"
    for _ in range(2):
        assert run(capsys, "train", *flags(body, reviews, output), "--overwrite")[0] == 0
    code, _, err = run(capsys, "train", output / "settings.yaml")
    assert code == 2 and "--overwrite" in err


def test_own_task_in_a_file(capsys, body, reviews, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(
        "import byeori\n\nclass Mine(byeori.tasks.TextClassification):\n    summary = 'mine'\n", encoding="utf-8"
    )
    task = f"{file}:Mine"
    values = [task if one == "text-classification" else one for one in flags(body, reviews, tmp_path / "run")]
    assert run(capsys, "train", *values)[0] == 0
    code, _, err = run(capsys, "evaluate", tmp_path / "run", reviews)
    assert code == 4 and "--task my_task.py:Mine" in err
    assert run(capsys, "evaluate", tmp_path / "run", reviews, "--task", task, "--threads", "1")[0] == 0
    assert run(capsys, "train", tmp_path / "run" / "settings.yaml", "--output", tmp_path / "again")[0] == 0


@pytest.mark.parametrize(
    ("task", "said"), [("nowhere.py:Mine", "there is no file nowhere.py"), ("{file}:Other", "has no class Other")]
)
def test_own_task_that_is_not_there(capsys, tmp_path, task, said):
    file = tmp_path / "my_task.py"
    file.write_text("class Mine: ...\n", encoding="utf-8")
    code, _, err = run(capsys, "train", "--task", task.format(file=file), "--output", tmp_path / "run")
    assert code == 2 and said in err


# consoles -------------------------------------------------------------------------------------------------------------
HARD = ["정말 재미있다 …→≠ 뷁", "지루하다 😀"]  # two lines with signs that cp949 lacks


def on_console(monkeypatch, encoding, *arguments, input: str = "") -> tuple[int, bytes, bytes]:
    """As `run`, on a console of an encoding of its own."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    streams["stdin"] = io.TextIOWrapper(io.BytesIO(input.encode()), encoding=encoding)
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as stop:
            main([str(one) for one in arguments])
    for name in ("stdout", "stderr"):
        streams[name].flush()
    return stop.value.code, streams["stdout"].buffer.getvalue(), streams["stderr"].buffer.getvalue()


def test_whole_way_under_lc_all_c(body, reviews, tmp_path):
    """A Korean path, Korean columns, Korean labels, and a console that says it knows ASCII only."""
    found = process("train", *flags(body, reviews, tmp_path / "실행"), "--preview-every", "1", LC_ALL="C")
    assert found.returncode == 0, found.stderr.decode()
    assert "긍정" in found.stderr.decode("utf-8") and (tmp_path / "실행" / "report.html").is_file()


def test_process_under_cp949(trained):
    given = "\n".join(HARD).encode()
    found = process("predict", trained, "-", "--with-inputs", input=given, PYTHONIOENCODING="cp949")
    assert found.returncode == 0, found.stderr.decode("cp949")
    lines = [json.loads(line) for line in found.stdout.decode("cp949").splitlines()]
    assert [line["inputs"]["text"] for line in lines] == HARD


@pytest.mark.parametrize(
    ("encoding", "written"), [("cp949", "cp949"), ("ascii", "utf-8"), ("latin-1", "utf-8"), ("utf-8", "utf-8")]
)
def test_console_of_another_encoding(monkeypatch, trained, reviews, encoding, written):
    code, out, _ = on_console(
        monkeypatch, encoding, "predict", trained, "-", "--with-inputs", "--threads", "1", input="\n".join(HARD)
    )
    lines = [json.loads(line) for line in out.decode(written).splitlines()]
    assert code == 0 and [line["inputs"]["text"] for line in lines] == HARD
    assert {line["prediction"]["label"] for line in lines} <= {"긍정", "부정"}
    code, out, _ = on_console(monkeypatch, encoding, "evaluate", trained, reviews, "--threads", "1")
    assert code == 0 and "accuracy" in out.decode(written)
    code, _, err = on_console(monkeypatch, encoding, "evaluate", trained, reviews, "--label", "없는 열 😀")
    assert code == 3 and "라벨" in err.decode(written)


def test_closed_pipe_is_no_complaint():
    found = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m byeori train --help | true"], capture_output=True, timeout=60
    )
    assert found.stderr == b""
