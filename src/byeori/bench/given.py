"""The rows all contestants are given: read once by Byeori's reading, drawn once, laid down for each process to load.

Invariants: `digest` is of the rows alone, so two contestants with the same one were given the same; drawing is a pure
function of rows, sizes and seed, and every class of the training rows stays in them.

    lay(folder, "train", rows); digest(load(folder, "train"))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import count
from byeori.errors import DataError
from byeori.run import dumps, read_json, write_json

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.settings import Train
    from byeori.tasks.base import Task

LEAST = {"train": 32, "test": 8, "predict": 8, "generate": 8, "tokenize": 8}  # rows; an update, a batch
MANY = {"train": 1_000, "predict": 1_000, "generate": 100, "tokenize": 20_000}  # where nobody says


def parts_of(settings: Train, task: Task, rows: int | str | None, test_rows: int) -> dict[str, Rows]:
    """{"train", "test"} of a training's sources, drawn. Raises DataError, for too few rows with how many it takes."""
    from byeori.train.parts import read_parts

    found = read_parts(settings, task)
    train = found["train"]
    wanted = len(train) if rows == "all" else int(rows or MANY["train"])
    test = found.get("test", found.get("validation"))
    own = test is not None
    need = LEAST["train"] if own else LEAST["train"] + LEAST["test"]
    if len(train) < need:
        held = "" if own else f" and {LEAST['test']} to score on"
        raise DataError(
            f"{_name(train)}: {count(len(train), 'row')}; a benchmark needs {need}, {LEAST['train']} to train on{held}. Give more rows."
        )
    if test is not None and len(test) < LEAST["test"]:
        raise DataError(
            f"{_name(test)}: {count(len(test), 'row')}; {LEAST['test']} are needed to score on. Give more rows."
        )
    if test is None:
        few = max(LEAST["test"], min(test_rows, len(train) // 5))
        held_out = few if wanted > len(train) - test_rows else min(test_rows, len(train) - wanted)
        train, test = _cut(train, task, held_out, settings.seed)
    if wanted < len(train):
        train = _cut(train, task, len(train) - wanted, settings.seed, apart=False)[0]
    if test_rows < len(test):
        test = drawn(test, test_rows, settings.seed)
    return {"train": train, "test": test}


def _cut(rows: Rows, task: Task, held: int, seed: int, apart: bool = True) -> tuple[Rows, Rows]:
    """Rows with about so many of them held out, as a training splits them off: `apart`, so that no text is on both sides."""
    from byeori.data.split import split_indices

    classes = task.strata(rows)
    cut = split_indices(
        len(rows) if classes is None else classes, 0.0, held, seed, groups=task.groups(rows) if apart else None,
        stratify=classes is not None,
    )  # fmt: skip
    return rows.select(cut["train"]), rows.select(cut["test"])


def drawn(rows: Rows, most: int | str | None, seed: int, what: str = "predict") -> Rows:
    """So many of the rows, in their order."""
    wanted = len(rows) if most == "all" else int(most or MANY[what])
    if wanted >= len(rows):
        return rows
    return rows.select(np.sort(np.random.default_rng([seed, 0xBE7C]).permutation(len(rows))[:wanted]))


def enough(rows: Rows, what: str, source: Any) -> None:
    """Raises DataError for rows too few to be measured on."""
    if len(rows) < LEAST[what]:
        raise DataError(f"{source}: {count(len(rows), 'row')}; a benchmark needs {LEAST[what]}. Give more rows.")


def lay(folder: str | Path, name: str, rows: Rows) -> None:
    """Write rows as `load` takes them."""
    with _still():
        rows.table.save_to_disk(str(Path(folder) / name))
    write_json(Path(folder) / f"{name}.json", {
        "columns": rows.columns, "label_names": rows.label_names, "facts": rows.facts, "source": _name(rows),
    })  # fmt: skip


def load(folder: str | Path, name: str) -> Rows:
    """The rows that were laid down."""
    import datasets

    from byeori.data.rows import Origin, Rows

    with _still():
        table = datasets.load_from_disk(str(Path(folder) / name))
    known = read_json(Path(folder) / f"{name}.json")
    return Rows(
        table, Origin.of(known["source"], len(table)), known["columns"], label_names=known["label_names"], facts=known["facts"]
    )  # fmt: skip


def lines(rows: Rows, path: str | Path) -> None:
    """Write rows as JSONL, for contestants that go from file to file."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(dumps(row) + "\n" for row in rows.table)


def read_lines(path: str | Path) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def digest(*parts: Rows) -> str:
    """Of the rows by role, in their order."""
    found = hashlib.sha256()
    for rows in parts:
        for row in rows.table:
            found.update(json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def _name(rows: Rows) -> str:
    files = rows.origin.files
    return Path(files[0].path).name + (f" and {len(files) - 1} more" if len(files) > 1 else "") if files else "the rows"


@contextmanager
def _still() -> Iterator[None]:
    """Without the bars that datasets shows for each file it writes."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
