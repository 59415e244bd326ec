"""Rows of a run's own data as examples: those its folder keeps, of the test set first.

Invariants: each says which part of the data it is from; what isn't kept isn't made up: a model without a run has none.

    examples(form, run)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from byeori.serve.playground_forms import Form, fields_of

MOST, EACH = 8, 5  # in all, and of the rows that the model got wrong
LINES = 2_000  # of a file that are looked at


@dataclass(frozen=True)
class Example:
    first: str
    second: str
    reference: str
    part: str  # "test", "validation", "train"
    wrong: bool = False  # what the model gave for it then


def examples(form: Form, run: Any) -> list[Example]:
    """At most `MOST`, test rows first."""
    folder = run.folder
    if folder is None:
        return []
    found: dict[tuple[str, str], Example] = {}
    for part, line in (*_kept(folder), *_written(folder.watched, "validation"), *_written(folder.samples, "train")):
        inputs = line.get("inputs")
        if not isinstance(inputs, dict):
            continue
        if form.task == "token-classification" and line.get("kind") == "entities":
            inputs = {"text": line.get("text")}  # what `inputs` has marked
        elif form.task == "fill-mask" and isinstance(inputs.get("text"), str) and form.hint not in inputs["text"]:
            continue
        fields = fields_of(form, inputs)
        if fields is not None and fields not in found:
            wrong = line.get("right") is False
            if wrong and sum(one.wrong for one in found.values()) >= EACH:
                continue
            found[fields] = Example(*fields, _said(line.get("reference")), part, wrong)
    order = {"test": 0, "validation": 1, "train": 2}
    return sorted(found.values(), key=lambda one: order[one.part])[:MOST]


def _kept(folder: Any) -> list[tuple[str, dict[str, Any]]]:
    """mistakes.json and lines of predictions that have their inputs."""
    found = []
    for part in ("test", "validation"):
        lines = _lines(folder.predictions / f"{part}.jsonl")
        found += [(part, one) for one in lines if "inputs" in one]
        right = {one.get("row"): one.get("reference") for one in lines}
        mistakes = _json(folder.mistakes)
        if mistakes.get("part") == part and isinstance(mistakes.get("rows"), list):
            rows = [one for one in mistakes["rows"] if isinstance(one, dict) and "kind" not in one]
            found += [
                (part, {"reference": right.get(one.get("row")), **one, "kind": _kind(one), "right": False})
                for one in rows
            ]
    return found


def _kind(one: dict[str, Any]) -> str | None:
    return "entities" if isinstance(one.get("reference"), list) and "text" in one else None


def _written(path: Path, part: str) -> list[tuple[str, dict[str, Any]]]:
    lines = _lines(path)
    last = max((one["step"] for one in lines if isinstance(one.get("step"), int)), default=None)
    return [(part, one) for one in lines if one.get("step") == last]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = []
    with open(path, encoding="utf-8") as file:
        for line in islice(file, LINES):
            one = _parsed(line)
            if one:
                found.append(one)
    return found


def _json(path: Path) -> dict[str, Any]:
    return _parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _parsed(text: str) -> dict[str, Any]:
    """{} for half a line, which a run that was stopped may leave."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(reference: Any) -> str:
    if isinstance(reference, list):
        return ", ".join(dict.fromkeys(map(str, reference)))[:120]
    return "" if reference is None else str(reference)[:120]
