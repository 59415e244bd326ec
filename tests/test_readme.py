"""What the two READMEs tell people to paste works: the line of each task, the commands, the Python; so do docs/tasks.md's.

Invariants: lines and blocks are run as they stand, Hub ids included; tiny models stand in for those of the Hub, at the
revisions that are pinned; both languages give the same lines.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import byeori
from byeori.cli import cli
from byeori.predict import pipeline as module
from byeori.tasks import TASKS
from example_files import data_sets
from hub import MODELS, Hub

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.ko.md")
TABLE = {"README.md": "Tasks", "README.ko.md": "작업"}
SHELL = {"README.md": "Your own data", "README.ko.md": "내 데이터로"}
PYTHON = {"README.md": "In Python", "README.ko.md": "파이썬에서"}
FILMS = (
    "목소리가 정말 짜증난다",
    "정말 재미있어요",
    "시간이 아까웠다",
    "배우들 연기가 참 좋다",
    "너무 지루하다",
    "또 보고 싶은 영화",
)
# Task → what its answer must have.
KEYS = {
    "text-classification": "label", "token-classification": "entity_group", "question-answering": "answer",
    "summarization": "summary_text", "translation": "translation_text", "text2text-generation": "generated_text",
    "text-generation": "generated_text", "fill-mask": "token_str", "span-corruption": "sequence",
    "zero-shot-classification": "labels",
}  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    found = Hub(tmp_path_factory.mktemp("hub"))
    found.data = data_sets()
    found.make_all_in(" ".join(MODELS))
    return found


@pytest.fixture(autouse=True)
def at_hand(shelf: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shelf.at_hand(monkeypatch)
    monkeypatch.setattr(module, "_said", set())
    monkeypatch.chdir(tmp_path)


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def block(name: str, heading: str, language: str) -> str:
    """The first block of a section in a language."""
    found = re.search(rf"```{language}\n(.*?)```", section(name, heading), re.DOTALL)
    assert found is not None
    return found[1]


def table(name: str) -> list[tuple[list[str], str, list[str]]]:
    """(the task and its aliases, the line, the files it links to) of each row of the table of tasks."""
    rows = []
    for row in re.findall(r"^\| `.*\|$", section(name, TABLE[name]), re.MULTILINE):
        task, _, line, train = (cell.strip() for cell in row.strip("|").split("|"))
        found = re.fullmatch(r"`([^`]+)`", line)
        assert found is not None, line
        rows.append((re.findall(r"`([^`]+)`", task), found[1], re.findall(r"\]\(([^)]+)\)", train)))
    return rows


# the table ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", READMES)
def test_each_task_stands_there_once_with_examples(name):
    found = table(name)
    assert [names[0] for names, _, _ in found] == [task.name for task in TASKS]
    aliases = {task.name: set(task.aliases) for task in TASKS}
    for (task, *others), _, files in found:
        assert set(others) <= aliases[task]
        assert files and all((ROOT / file).is_file() for file in files)


def test_both_languages_give_the_same_lines():
    first, second = (table(name) for name in READMES)
    assert [row[1:] for row in first] == [row[1:] for row in second]


@pytest.mark.parametrize("task", [task.name for task in TASKS])
def test_the_line_of_a_task_works_as_pasted(task):
    line = next(line for (name, *_), line, _ in table("README.md") if name == task)
    found = eval(line, {"byeori": byeori})
    if task == "multiple-choice":
        assert 0 <= found.metrics["test"]["accuracy"]["value"] <= 1
        (answer,) = found.predict([{"text": "Where do fish live?", "choices": ["in water", "in trees"]}])
        assert answer["label"] in ("in water", "in trees")
        return
    if task == "feature-extraction":
        assert len(found) == 32 and sum(number * number for number in found) == pytest.approx(1, abs=1e-5)
        return
    answers = found if isinstance(found, list) else [found]
    assert answers or task == "token-classification"  # a model that learnt nothing may find nothing
    assert all(KEYS[task] in one for one in answers)


# the blocks -----------------------------------------------------------------------------------------------------------
def write_reviews() -> None:
    """nsmc.tsv and test.tsv with NSMC's columns, new.tsv without labels."""
    rows = [(8132799 + at, f"{FILMS[at % 6]} {at}", at % 2) for at in range(60)]
    for name, some in (("nsmc.tsv", rows[:40]), ("test.tsv", rows[40:])):
        made = "".join(f"{number}\t{text}\t{label}\n" for number, text, label in some)
        Path(name).write_text("id\tdocument\tlabel\n" + made, encoding="utf-8")
    made = "".join(f"{number}\t{text}\n" for number, text, _ in rows[:3])
    Path("new.tsv").write_text("id\tdocument\n" + made, encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_the_commands_for_ones_own_data(name):
    write_reviews()
    for line in block(name, SHELL[name], "sh").splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "byeori" and not cli.main(words[1:], prog_name="byeori", standalone_mode=False)
    found = [json.loads(line) for line in Path("predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["row"] for one in found] == [1, 2, 3]
    assert all(one["prediction"]["label"] in ("0", "1") for one in found)

    tree = block(name, SHELL[name], "text")  # the run folder as it is shown
    folder, *files = [one for one in re.split(r"\s{2,}|\n", tree) if re.fullmatch(r"\w+(\.\w+|/)", one)]
    assert folder == "run/" and len(files) == 11
    assert all((Path("run") / one).exists() for one in files)


@pytest.mark.parametrize("name", READMES)
def test_the_python(name):
    write_reviews()
    names: dict[str, Any] = {}
    exec(block(name, PYTHON[name], "python"), names)
    assert names["run"].metrics["headline"] == "accuracy"
    found = names["classify"](["정말 재미있어요", "별로예요"])
    assert [set(one) for one in found] == [{"label", "score"}] * 2
    near = 1e-6 if names["run"].engine.precision == "float32" else 2e-2
    assert found[0]["score"] == pytest.approx(names["run"].predict(["정말 재미있어요"])[0]["score"], abs=near)


# docs/tasks.md --------------------------------------------------------------------------------------------------------
def described() -> dict[str, str]:
    """Heading → section."""
    sections = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8").split("\n### ")[1:]
    return {one.splitlines()[0]: one for one in sections}


def flags_of(command: str, task: str) -> set[str]:
    """What a command takes for a task."""
    places = {"train": [], "evaluate": ["run", "a.tsv"], "predict": ["run", "a.tsv"]}[command]
    with cli.commands[command].make_context(command, ["--task", task, *places]) as ctx:
        return {one for param in ctx.command.params for one in (*param.opts, *param.secondary_opts)}


def test_every_task_is_described_under_its_names():
    headings = " ".join(described()).replace(",", " ").replace("(", " ").replace(")", " ").replace("`", " ").split()
    assert sorted(headings) == sorted(name for task in TASKS for name in (task.name, *task.aliases))


@pytest.mark.parametrize("heading", described())
def test_the_flags_and_commands_described_exist(heading):
    text = described()[heading]
    tasks = [task.name for task in TASKS if task.name in re.split(r"[\s,]+", heading)]
    known = {flag for task in tasks for command in ("train", "evaluate", "predict") for flag in flags_of(command, task)}
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= known
    for line in "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines():
        words = shlex.split(line)
        with cli.commands[words[1]].make_context(words[1], words[2:]) as ctx:
            assert ctx.params
