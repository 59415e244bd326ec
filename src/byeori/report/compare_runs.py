"""Runs to be compared: what their folders hold of each test row, and whether they are of the same rows.

Invariants: nothing but the folders is read, and no model; a folder that is half-finished or damaged is refused with what is
missing, and so are runs whose numbers stand for different things.

    runs = [read_run("run-a", "test", None), read_run("run-b", "test", None)]; check(runs, "test")
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from byeori.errors import DataError, ModelError, SettingError
from byeori.predict.evaluation import NAME as EVALUATION
from byeori.predict.measured import path_of
from byeori.report.facts import Facts, read_facts, table
from byeori.report.words import told
from byeori.run import RunFolder, read_json
from byeori.tasks import Task, find

SEEDS = "seeds.json"  # of a folder of several seeds
SPLIT = (
    "seed",
    "split_seed",
    "validation_size",
    "test_size",
    "split",
    "max_rows",
)  # what rows that were split off go by


@dataclass
class Compared:
    """One run: `lines` are its rows, what predictions/ says of each in one dict."""

    name: str
    path: Path
    task: Task
    facts: Facts
    lines: list[dict[str, Any]] = field(default_factory=list)
    measured: bool = True  # whether there is a loss and a hash of each row
    mistaken: dict[Any, Any] = field(default_factory=dict)  # row number → inputs, of the few whose texts are kept

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in getattr(self.task, "labels", None) or ()]

    def scores(self, part: str) -> dict[str, Any]:
        return table(self.facts.metrics, part)

    @property
    def of_class(self) -> dict[str, Any]:
        return table(self.facts.metrics, "of_class")

    def numbers(self, name: str) -> np.ndarray:
        """What each row was measured to have, float64 (rows,); null, no number, is nan. Raises ModelError."""
        found = [line.get(name) for line in self.lines]
        for row, value in enumerate(found, 1):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ModelError(f"{self.path}: row {row:,} of its predictions is damaged: {name} is no number.")
        return np.array(found, np.float64)


def members(path: Path) -> list[Path]:
    """The runs of a folder of several seeds; a run is its own only one. Raises ModelError."""
    if not (path / SEEDS).is_file():
        return [path]
    found = read_json(path / SEEDS).get("seeds") or []
    if not found:
        raise ModelError(f"{path / SEEDS}: it names no seed that is done. Go on with `byeori train … --resume`.")
    if len(found) < (asked := len(read_json(path / SEEDS).get("asked") or found)):
        raise ModelError(
            f"{path}: {len(found)} of {asked} seeds are done. Go on with `byeori train {path}/settings.yaml --output {path} --resume`."
        )
    return [path / str(one["folder"]) for one in found]


def read_run(path: str | Path, part: str, task: Task | type[Task] | str | None) -> Compared:
    """A run's rows. Raises ModelError for a folder that isn't a whole run, with what is missing."""
    folder = RunFolder(path)
    if not folder.path.is_dir():
        raise ModelError(f"{path}: there is no such folder. Give the folders of two runs.")
    if not any(one.exists() for one in (folder.settings, folder.metrics, folder.history, folder.model)):
        raise ModelError(
            f"{path}: this is no run folder: there is no settings.yaml, metrics.json, history.jsonl or model in it."
        )
    if not folder.metrics.is_file():
        raise ModelError(
            f"{path}: metrics.json is missing: this run is not finished. Go on with `byeori train {path}/settings.yaml "
            f"--resume`, which needs a checkpoint, or train it again."
        )
    metrics = read_json(folder.metrics)
    if part not in metrics:
        there = [name for name in ("test", "validation") if name in metrics]
        other = f" It has {there[0]} scores: --part {there[0]} compares those." if there else ""
        raise ModelError(f"{path}: metrics.json has no {part} scores.{other}")
    work = _task(folder, task)
    found = Compared(folder.path.resolve().name, folder.path, work, read_facts(folder))
    file = folder.predictions / f"{part}.jsonl"
    found.lines = _lines(file, "prediction", "reference")
    kept = found.facts.mistakes.get("rows") if found.facts.mistakes.get("part") == part else None
    for one in kept if isinstance(kept, list) else []:
        if isinstance(one, dict) and isinstance(one.get("row"), int):
            found.mistaken[one["row"]] = one.get("inputs")
    rows = found.facts.rows(part)
    if rows is not None and rows != len(found.lines):
        raise ModelError(f"{file}: it is damaged: {len(found.lines):,} of {rows:,} rows are in it.")
    more = path_of(folder.predictions, part)
    found.measured = more.is_file()
    if found.measured:
        measured = _lines(more, "key", "loss", "labels")
        if len(measured) != len(found.lines):
            raise ModelError(f"{more}: it is damaged: {len(measured):,} of {len(found.lines):,} rows are in it.")
        for line, known in zip(found.lines, measured, strict=True):
            line.update(known)
    elif type(work).kept is not Task.kept:
        raise ModelError(
            f"{more}: it is missing, and scores of {work.name} can't be had of predictions alone. A run of an earlier version has "
            f"none: train it again, or score its model with `byeori evaluate {path}/model DATA --output FOLDER` and compare that."
        )
    return found


def _task(folder: RunFolder, asked: Task | type[Task] | str | None) -> Task:
    kept = folder.path / EVALUATION
    meta = read_json(file := kept if kept.is_file() else folder.model / "byeori.json")
    own = meta.get("own_task")
    if not isinstance(meta.get("task"), str) or not isinstance(meta.get("state"), dict):
        raise ModelError(f"{file}: it is damaged: it doesn't say the task and its state.")
    if isinstance(asked, Task):
        return asked
    if own is not None and asked is None:
        own = {"file": None, "class": "?", **(own if isinstance(own, dict) else {})}
        raise ModelError(
            f"{folder.path}: it was trained with an own task, {own['class']} of {own['file']}, whose code is not in the folder. Give it: "
            f"--task {own['file'] or 'FILE.py'}:{own['class']}."
        )
    kind = asked if isinstance(asked, type) else find(asked or meta["task"])
    return kind.from_state(meta["state"])


def _lines(path: Path, *names: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines that have these names. Raises ModelError for one that is missing, or where a line is none."""
    if not path.is_file():
        raise ModelError(f"{path}: the file is missing; the folder is not a whole run.")
    found: list[dict[str, Any]] = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: it is damaged, not UTF-8 ({error.reason} at byte {error.start:,}).") from None
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: it cuts at U+2028 inside a text
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except ValueError:
            one = None
        if not isinstance(one, dict) or one.get("row") != len(found) + 1 or not {*names} <= one.keys():
            raise ModelError(f"{path}: line {number:,} is damaged; row, {', '.join(names)} are needed, in row order.")
        found.append(one)
    return found


def check(runs: list[Compared], part: str) -> list[str]:
    """Notes on what differs and doesn't matter. Raises SettingError and DataError for runs that can't be compared."""
    first = runs[0]
    notes: list[str] = []
    for run in runs[1:]:
        if run.task.name != first.task.name:
            raise SettingError(
                f"{run.path} was trained for {run.task.name} and {first.path} for {first.task.name}: no score of one stands for that in "
                f"the other. Compare runs of one task."
            )
        kinds = [getattr(one.task, "problem_type", None) for one in (first, run)]
        if kinds[0] != kinds[1]:
            raise SettingError(
                f"{run.path} is {kinds[1]} and {first.path} {kinds[0]}. Compare runs of one problem type."
            )
        _same_labels(first, run)
        notes += _same_rows(first, run, part)
    return notes


def _same_labels(first: Compared, run: Compared) -> None:
    if set(run.labels) != set(first.labels):
        more = [f"only {one.path.name} has {_few(set(one.labels) - set(other.labels))}" for one, other in
                ((first, run), (run, first)) if set(one.labels) - set(other.labels)]  # fmt: skip
        raise SettingError(
            f"{run.path} and {first.path} have different labels ({'; '.join(more)}), so being right is another thing in each. Compare "
            f"runs of one set of labels."
        )


def _same_rows(first: Compared, run: Compared, part: str) -> list[str]:
    """Raises DataError where rows or right answers differ, with how many."""
    ours, theirs = run.lines, first.lines
    if len(ours) != len(theirs):
        raise DataError(
            f"{run.path} has {len(ours):,} {part} rows and {first.path} {len(theirs):,}: these are not the same rows. {_advice(first, run)}"
        )
    answers = [at for at, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a["reference"] != b["reference"]]
    keyed = first.measured and run.measured
    others = [at for at, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a["key"] != b["key"]] if keyed else []
    cleaned = [one.facts.data.get("cleaning") for one in (first, run)]
    if others and not answers and cleaned[0] != cleaned[1] and _source(first, part) == _source(run, part):
        return [told("{run}: its texts were cleaned otherwise; the rows are those of the same files.", run=run.name)]
    if others:
        raise DataError(
            f"{len(others):,} of {len(ours):,} {part} rows of {run.path} are other ones than in {first.path}, the first is row "
            f"{others[0] + 1:,}. {_advice(first, run)}"
        )
    if answers:
        raise DataError(
            f"The right answers of {len(answers):,} of {len(ours):,} {part} rows differ between {run.path} and {first.path}, the first in "
            f"row {answers[0] + 1:,}. {_advice(first, run)}"
        )
    if not keyed and _source(first, part) != _source(run, part):
        raise DataError(
            f"{run.path} and {first.path} have the same right answers, but their rows are of other files or of another split, and nothing "
            f"in them says whether they are the same. {_advice(first, run)}"
        )
    return []


def _source(run: Compared, part: str) -> Any:
    """Where the rows come from: the hashes of their files and, of rows that were split off, by what."""
    files = [one.get("sha256") for one in run.facts.parts.get(part, {}).get("files") or []]
    return files, run.facts.rows(part), None if run.facts.settings.get(part) else _split(run)


def _split(run: Compared) -> dict[str, Any]:
    found = {name: run.facts.settings.get(name) for name in SPLIT}
    seed = found.pop("split_seed")
    return {**found, "seed": found["seed"] if seed is None else seed}


def _advice(first: Compared, run: Compared) -> str:
    splits = [_split(one) for one in (first, run)]
    if not any(one.facts.settings.get("test") for one in (first, run)) and splits[0]["seed"] != splits[1]["seed"]:
        return (
            f"They were split off by seed {splits[0]['seed']} there and {splits[1]['seed']} here: train with --test FILE, or with one "
            f"--split-seed."
        )
    return "Score both models on one file: train with --test FILE, or `byeori evaluate RUN FILE --output FOLDER` and compare those."


def _few(names: Any) -> str:
    some = sorted(names)
    return ", ".join(some[:5]) + (" …" if len(some) > 5 else "")
