"""A source → the parts the doctor looks at: every row found, those that can't be used counted and named.

Invariants: unlike training, nothing is refused for a single row; the rows that are kept are those training would read.

    source = open_source("nsmc.tsv", TextClassification, SimpleNamespace(label="label")); source.parts["train"]
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from byeori.data import disk
from byeori.data.assemble import LABEL_AS_WRITTEN
from byeori.data.labels import masked
from byeori.data.read import read_splits
from byeori.data.rows import Rows
from byeori.data.wish import wanted
from byeori.doctor.findings import Number
from byeori.doctor.parts import Lost, Part
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.tasks.base import Task

PARTS = ("train", "validation", "test")
EMPTY = " is empty"  # how reading says it
ANSWERS = ("the label", "the tags", "the target", "the answers", "the completion", "the entities", "the references")


@dataclass
class Source:
    """What was found: parts by name, the files they come from, and what reading said."""

    name: str
    parts: dict[str, Part] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[dict[str, Any]]:
        seen = {}
        for part in self.parts.values():
            for one in part.rows.origin.files:
                seen[one.path] = {
                    "path": one.path, "rows": one.rows, "format": one.format, "encoding": one.encoding, "sha256": one.sha256,
                    "bytes": one.bytes,
                }  # fmt: skip
        return list(seen.values())

    @property
    def columns(self) -> dict[str, Any]:
        return dict(next(iter(self.parts.values())).rows.columns) if self.parts else {}


def open_source(data: Any, task: type[Task] | Task, asked: Any, others: dict[str, Any] | None = None) -> Source:
    """Read `data` (and `others`: part → its source) as training for this task would, keeping what it would refuse.

    asked: settings of reading, as attributes. Raises DataError where there is nothing to look at.
    """
    found = Source(name_of(data))
    for name, one in {"": data, **(others or {})}.items():
        if one is None:
            continue
        settings = asked if not name else SimpleNamespace(**{**vars(asked), "split": None})
        for split, part in _read(one, task, settings).items():
            key = name or split or "train"
            if name and len(found.parts) and split not in (None, name) and key in found.parts:
                continue  # another split of a source that was named for one part
            part.name = key
            found.parts[key] = part
    for name, part in list(found.parts.items()):
        hidden = len(part.unanswered) == part.found or _masked(part, found.parts.get("train"))
        if name != "train" and part.found and hidden:  # GLUE's test rows
            found.notes.append(f"The {name} rows ({part.found:,}) have no answers; they are left out.")
            del found.parts[name]
    if not found.parts:
        raise DataError(f"{found.name}: no row is left.")
    found.parts = dict(sorted(found.parts.items(), key=lambda one: PARTS.index(one[0]) if one[0] in PARTS else 3))
    for part in found.parts.values():
        found.notes += [note for note in part.rows.notes if note not in found.notes]
    return found


def _masked(part: Part, train: Part | None) -> bool:
    if train is None or part is train or not all("label" in one.table.column_names for one in (part, train)):
        return False
    return masked(part.table["label"].to_pylist(), train.table["label"].to_pylist())


def _read(data: Any, task: type[Task] | Task, asked: Any) -> dict[str | None, Part]:
    if isinstance(data, Rows):
        return {None: part_of(data)}
    want = wanted(task)
    found = read_splits(data, own_settings(task, asked), on_bad="keep", keep=True, judged=True, **want)
    return {split: part_of(rows) for split, rows in found.items()}


def own_settings(task: type[Task] | Task, asked: Any) -> SimpleNamespace:
    """What is asked for, over the task's own settings: as training reads."""
    own = {} if isinstance(task, type) else asdict(task.settings)
    given = {name: value for name, value in vars(asked).items() if value is not None or name not in own}
    return SimpleNamespace(**{**own, **given, "revision": given.get("data_revision")})


def part_of(rows: Rows, name: str = "train") -> Part:
    """Rows as they were read → usable ones in a table, the others named."""
    if rows.table._indices is None:
        table = rows.table.with_format("arrow")[:] if len(rows) else rows.table.data.table
    else:  # the library gathers chosen rows one by one
        table = pa.table({name: disk.column(rows.table, name) for name in rows.table.column_names})
    lost: dict[str, list[Lost]] = {"bad": [], "empty": [], "unanswered": []}
    for at, reason in sorted(rows.errors.items()):
        kind = "bad"
        if reason.endswith(EMPTY):
            kind = "unanswered" if reason.removesuffix(EMPTY) in ANSWERS else "empty"
        lost[kind].append(Lost(Number(rows.origin, at), rows.origin.where(at), reason))
    kept = np.setdiff1d(np.arange(len(rows)), np.fromiter(rows.errors, np.int64, len(rows.errors)))
    origin = rows.origin
    if len(kept) < len(rows):
        table, origin = table.take(kept), origin.select(kept)
    raw = None
    if LABEL_AS_WRITTEN in table.column_names:
        raw = table[LABEL_AS_WRITTEN].to_pylist()
        table = table.drop_columns([LABEL_AS_WRITTEN])
    return Part(name, rows, table, origin, raw, lost["bad"], lost["empty"], lost["unanswered"], len(rows))


def name_of(data: Any) -> str:
    return str(data) if isinstance(data, (str, Path)) else type(data).__name__
