"""Flags out of settings: the help in sections, what stands for values, and the answers to flags nobody knows."""

from __future__ import annotations

import re

import pytest

from byeori import settings
from byeori.cli import cli, main
from byeori.commandline import SCORING, title
from byeori.predict.options import Reading, Using
from byeori.tasks import TASKS

WIDTH = 100


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return (stop.value.code, *capsys.readouterr())


@pytest.fixture
def help_of(capsys, monkeypatch):
    """`help_of("train")` → {heading: {flag: its line and help}}, as printed at 100 columns."""

    def read(command: str) -> dict[str, dict[str, str]]:
        monkeypatch.setenv("COLUMNS", str(WIDTH))
        code, out, _ = run(capsys, command, "--help")
        assert code == 0 and max(map(len, out.splitlines())) <= WIDTH
        found: dict[str, dict[str, str]] = {}
        heading = flag = ""
        for line in out.splitlines():
            if re.match(r"\S.*:$", line):
                heading = line[:-1]
                found[heading] = {}
            elif match := re.match(r"  (?:-h, )?--([a-z0-9-]+)", line):
                flag = match[1]
                found[heading][flag] = line.strip()
            elif heading and line.strip():
                found[heading][flag] += " " + line.strip()
        return found

    return read


def test_train_has_a_section_for_each_concern(help_of):
    found = help_of("train")
    own = TASKS[0].Training
    assert list(found) == [
        "Needed, here or in SETTINGS.yaml", *map(title, settings.SECTIONS), title(own), "Other",
    ]  # fmt: skip
    assert list(found.pop("Needed, here or in SETTINGS.yaml")) == ["task", "model", "train", "output"]
    for kind in (*settings.SECTIONS, own):
        wanted = [name.replace("_", "-") for name in settings.names(kind) if name not in ("model", "train", "output")]
        assert list(found[title(kind)]) == wanted


@pytest.mark.parametrize(
    ("command", "sections"),
    [
        ("evaluate", [SCORING, title(Reading), title(Using), "Other"]),
        ("predict", ["What is written", title(TASKS[0].Call), title(Reading), title(Using), "Other"]),
    ],
)
def test_sections_of_using_a_model(help_of, command, sections):
    found = help_of(command)
    assert list(found) == sections
    assert next(iter(found[title(Using)])) == "task"
    for flag in ("field", "split", "data-revision", "text", "max-rows"):
        assert flag in found[title(Reading)]
    assert ("problem-type" in found[title(Using)]) is (command == "evaluate")
    for flag in ("label", "skip-bad-rows", "drop-empty", "drop-empty-labels"):
        # a file's prediction needs no label, and every row keeps its line
        assert (flag in found[title(Reading)]) is (command == "evaluate")


def test_what_stands_for_a_value_names_words_and_numbers(help_of):
    found = {flag: text for section in help_of("train").values() for flag, text in section.items()}
    for flag, value in {
        "pack-tokens": "auto|INTEGER", "evaluate-every": "epoch|end|INTEGER", "learning-rate": "auto|NUMBER",
        "epochs": "NUMBER", "batch-size": "INTEGER", "schedule": "linear|cosine|constant", "train": "DATA", "text": "COLUMN",
    }.items():  # fmt: skip
        assert found[flag].startswith(f"--{flag} {value} ")
    assert help_of("predict")["What a call may ask for"]["top-k"].startswith("--top-k default|none|INTEGER ")


def test_switches_show_the_form_that_changes_something(help_of):
    found = {flag: text for section in help_of("train").values() for flag, text in section.items()}
    assert "--no-" not in found["resume"] and "--no-" not in found["drop-empty"]
    assert found["baselines"].startswith("--baselines / --no-baselines") and "[default: on]" in found["baselines"]
    assert found["header"].startswith("--header / --no-header")


@pytest.mark.parametrize("flag", ["--resume", "--no-resume", "--no-baselines", "--baselines", "--no-header"])
def test_both_forms_of_a_switch_are_taken(capsys, flag):
    code, _, err = run(capsys, "train", "--task", "text-classification", flag)
    assert code == 2 and "no folder is named" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("predict m x --top_k 3", "there is no setting --top_k. Did you mean --top-k?"),
        ("predict m x --top_k=3", "there is no setting --top_k. Did you mean --top-k?"),
        ("train --batch_sise 3", "there is no setting --batch_sise. Did you mean --batch-size?"),
        ("predict m x --zork 1", "there is no setting --zork. `byeori predict --help` lists all settings."),
        ("evaluate m x --zork 1", "there is no setting --zork. `byeori evaluate --help` lists all settings."),
        ("evaluate m x --epochs 1", "there is no setting --epochs here; it is one of `byeori train`."),
        (
            "predict m x --num_train_epochs 1",
            "there is no setting --num_train_epochs here; it is one of `byeori train`.",
        ),
        (
            "predict m x --per_device_eval_batch_size 8",
            "Evaluation is batched by tokens; no batch size needs to be chosen.",
        ),
        (
            "predict --model m x",
            "there is no setting --model. It is given by its place: byeori predict MODEL_OR_RUN INPUT",
        ),
        ("evaluate --model_name_or_path m x", "It is given by its place: byeori evaluate MODEL_OR_RUN DATA"),
        ("evaluate m x --dtype float32", "It is --precision here."),
        ("predict m x --lable 1", "there is no setting --lable. "),
    ],
)
def test_flags_nobody_knows(capsys, arguments, said):
    code, out, err = run(capsys, *arguments.split())
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1
    assert "--modle" not in err and "Did you mean --model?" not in err


def test_flags_of_one_task_do_not_stay_for_the_next(capsys, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom byeori.settings import setting\nfrom byeori.tasks import TextClassification\n"
        "@dataclass(kw_only=True)\nclass More:\n    '''Mine.'''\n    gamma: float = setting(2.0, 'how sharp')\n\n"
        "class Mine(TextClassification):\n    Training = More\n",
        encoding="utf-8",
    )
    assert "--gamma NUMBER" in run(capsys, "train", "--task", f"{file}:Mine", "--help")[1]
    _, out, _ = run(capsys, "train", "--help")
    assert "--gamma" not in out and "--class-weights" in out
    assert len({p.name for p in cli.commands["train"].params}) == len(cli.commands["train"].params)
