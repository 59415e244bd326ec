"""Each example does what it says: its commands run as they stand, on files and data sets of the shapes it names.

Invariants: a settings file is run as it is shipped: what it names is there (models are tiny ones under the same Hub ids,
data is written by hand in the same shape), and only the number of updates is brought down; every setting in it is found
again, with its value, in what the run resolved.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byeori import settings
from byeori.cli import cli
from byeori.tasks import TASKS, find
from example_files import EMOTIONS, FILES, TAGGED, data_sets
from hub import Hub
from together import ranks

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
FEW = ["--max-steps", "2", "--precision", "float32", "--threads", "1"]  # put behind what a training command says
BY_USING = ("zero-shot-classification", "feature-extraction")  # examples of a prediction


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    found = Hub(tmp_path_factory.mktemp("hub"))
    found.data = data_sets()
    return found


@pytest.fixture
def hub(shelf: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    shelf.at_hand(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return shelf


def commands(path: Path) -> list[str]:
    """The command lines of a settings file's head: those set in by three spaces, with the lines they go on in."""
    head = path.read_text(encoding="utf-8").split("\ntask:")[0].replace("\\\n#     ", "")
    return [line[4:] for line in head.splitlines() if re.match(r"#   (byeori|echo|torchrun) ", line)]


def run(words: list[str]) -> dict[str, Any]:
    """One command in this process; returns its parameters as it understood them. Errors are raised, not printed."""
    with cli.commands[words[1]].make_context(words[1], words[2:]) as ctx:
        given = {name: value for name, value in ctx.params.items() if value is not None}
    assert not cli.main(words[1:], prog_name="byeori", standalone_mode=False)
    return given


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def inputs(name: str) -> list[Any]:
    """Rows of an input file: objects, texts, or the last cell of a table's lines."""
    if name.endswith(".jsonl"):
        return lines(name)
    found = Path(name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[-1] for line in found[1:]] if name.endswith(".tsv") else found


def told(task: str) -> set[str]:
    """What stands in code marks in a task's section of docs/tasks.md."""
    sections = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8").split("\n### ")[1:]
    (found,) = [one for one in sections if task in re.split(r"[\s,]+", one.splitlines()[0])]
    return set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", found, flags=re.DOTALL)))


# what a run must have -------------------------------------------------------------------------------------------------
def check_run(folder: Path, asked: dict[str, Any]) -> None:
    """The run did what was asked, scored it beside a baseline, and its model is one of transformers'."""
    import transformers

    resolved, kind = settings.load_yaml(folder / "settings.yaml"), find(asked["task"])
    assert resolved["task"] == kind.name
    for name, value in {**asked, **(kind.values_of(asked["task"]) or {})}.items():
        assert name in ("task", "precision") or resolved[name] == value, name

    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    part, headline = metrics["baseline_of"], metrics["headline"]
    assert headline == asked.get("best_metric", headline)
    for scores in (metrics[part], metrics["validation"], metrics["baseline"]["trivial"]):
        assert math.isfinite(scores[headline]["value"])
    assert {score.split(".")[0] for score in metrics["validation"]} - {"loss"} <= told(kind.name)
    parts = json.loads((folder / "data.json").read_text(encoding="utf-8"))["parts"]
    for one in {"test", "validation"} & set(parts):
        predicted = lines(folder / "predictions" / f"{one}.jsonl")
        assert [line["row"] for line in predicted] == list(range(1, parts[one]["rows"] + 1))
    assert lines(folder / "samples.jsonl") and metrics["training"]["steps"] == 2

    auto = getattr(transformers, kind.auto_class)
    model, info = auto.from_pretrained(folder / "model", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "model")
    assert len(tokenizer) <= model.get_input_embeddings().num_embeddings


def check_search(folder: Path, asked: dict[str, Any]) -> None:
    """Two trials, each with what was searched in its range; the best is a run like any other."""
    found = lines(folder / "trials.jsonl")
    assert len(found) == 2 and all(one["settings"].keys() == asked["tune"]["search"].keys() for one in found)
    check_run(folder / "best", {name: value for name, value in asked.items() if name not in ("tune", "output")})
    assert (
        max(one["score"] for one in found)
        == json.loads((folder / "best/metrics.json").read_text())["training"]["best"]["value"]
    )


# what each predicts ---------------------------------------------------------------------------------------------------
def is_label(one: Any, *names: str) -> bool:
    return set(one) == {"label", "score"} and one["label"] in names and 0 < one["score"] <= 1


def is_entities(found: list[dict[str, Any]], text: str) -> bool:
    kinds = set(re.findall(r":(\w\w)>", "".join(TAGGED)))
    return all(one["entity_group"] in kinds and 0 <= one["start"] < one["end"] <= len(text) for one in found)


def is_answer(one: dict[str, Any], row: dict[str, Any]) -> bool:
    stands = row["context"][one["start"] : one["end"]] == one["answer"]
    return set(one) == {"score", "start", "end", "answer"} and 0 <= one["score"] <= 1 and stands


def is_fillers(found: list[dict[str, Any]], text: str) -> bool:
    scores = [one["score"] for one in found]
    return len(found) == 5 and scores == sorted(scores, reverse=True) and "<mask>" not in found[0]["sequence"]


def is_filled(found: dict[str, Any], text: str) -> bool:
    return set(found) == {"sequence", "spans"} and len(found["spans"]) == text.count("<extra_id_")


def is_topics(found: dict[str, Any], text: str) -> bool:
    whole = sum(found["scores"]) == pytest.approx(1, abs=1e-5)
    return found["sequence"] == text and sorted(found["labels"]) == ["결제", "배송", "칭찬", "환불"] and whole


# Example → whether a prediction is one for its row.
SHAPES: dict[str, Callable[[Any, Any], bool]] = {
    "mrpc": lambda one, row: is_label(one, "equivalent", "not_equivalent"),
    "sst2": lambda one, row: is_label(one, "positive", "negative"),
    "lora": lambda one, row: is_label(one, "0", "1"),
    "tune": lambda one, row: is_label(one, "positive", "negative"),
    "go_emotions": lambda found, row: all(is_label(one, *EMOTIONS) for one in found),
    "token-classification": is_entities,
    "question-answering": is_answer,
    "summarization": lambda one, row: isinstance(one["summary_text"], str),
    "translation": lambda one, row: isinstance(one["translation_text"], str),
    "text2text-generation": lambda one, row: isinstance(one["generated_text"], str),
    "text-generation": lambda found, row: found[0]["generated_text"].startswith(row),
    "fsdp": lambda found, row: found[0]["generated_text"].startswith(row),
    "fill-mask": is_fillers,
    "span-corruption": is_filled,
    "bert-from-scratch": is_fillers,
    "multiple-choice": lambda one, row: row["choices"][one["choice"]] == one["label"],
    "zero-shot-classification": is_topics,
}


def check_predictions(name: str, rows: list[Any], output: str) -> None:
    """A line a row, in order, each of the task's shape."""
    numbers = list(range(1, len(rows) + 1))
    if name == "feature-extraction":
        from pyarrow import parquet

        table = parquet.read_table(output).to_pydict()
        assert table["row"] == numbers and not any(table["error"])
        lengths = [math.fsum(number * number for number in vector) for vector in table["vector"]]
        assert lengths == pytest.approx([1.0] * len(rows), abs=1e-5)
        return
    found = lines(output)
    assert [one["row"] for one in found] == numbers
    assert all(SHAPES[name](one["prediction"], row) for one, row in zip(found, rows, strict=True)), found


@pytest.mark.parametrize("name", NAMES)
def test_its_commands_run_as_they_stand(hub, capsys, monkeypatch, name):
    path = EXAMPLES / f"{name}.yaml"
    asked = settings.load_yaml(path)
    hub.make_all_in(path.read_text(encoding="utf-8"))
    for file, text in FILES[name].items():
        Path(file).write_text(text, encoding="utf-8")
    trained = predicted = 0
    for line in commands(path):
        words = shlex.split(line.replace(f"examples/{path.name}", str(path)))
        if words[0] == "echo":
            assert words[2] == ">"
            Path(words[3]).write_text(words[1] + "\n", encoding="utf-8")
        elif words[0] == "torchrun":
            monkeypatch.setenv("HF_HUB_CACHE", str(hub.folder))
            ranks(int(words[words.index("--nproc-per-node") + 1]), *words[words.index("-m") :], *FEW)
            check_run(Path(asked["output"]), asked)
            trained += 1
        elif words[1] == "train":
            given = run(words + FEW)
            if "file" in given:
                check_run(Path(asked["output"]), asked)
                trained += 1
            else:  # what an example is made of: a model that it uses
                check_run(Path(given["output"]), {key: given[key] for key in ("task", "model", "train", "output")})
        elif words[1] == "tune":
            run([*words, *FEW, "--trials", "2"])
            check_search(Path(asked["output"]), asked)
            trained += 1
        elif words[1] == "tokenizer":  # what an example is made of: a tokenizer of its texts
            assert not cli.main(words[1:], prog_name="byeori", standalone_mode=False)
        elif words[1] == "evaluate":
            capsys.readouterr()
            run([*words, "--json"])
            headline = json.loads(Path(words[2], "metrics.json").read_text(encoding="utf-8"))["headline"]
            assert math.isfinite(json.loads(capsys.readouterr().out)[headline]["value"])
        else:
            given = run(words)
            check_predictions(name, inputs(given["input"]), given["output"])
            predicted += 1
            if name in BY_USING:  # the settings file and the command say the same
                assert {key: str(given[key]).lower() for key in asked} == {k: str(v).lower() for k, v in asked.items()}
    assert predicted and trained == (name not in BY_USING)


# all of them ----------------------------------------------------------------------------------------------------------
def test_every_task_has_one():
    assert {find(settings.load_yaml(EXAMPLES / f"{name}.yaml")["task"]) for name in NAMES} == set(TASKS)
    assert set(FILES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_says_why(name):
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if not line.startswith("#")]
    assert len([line for line in told if line[0] != " "]) == len(settings.load_yaml(EXAMPLES / f"{name}.yaml"))
    assert all(re.search(r"\S +# \S", line) for line in told)
