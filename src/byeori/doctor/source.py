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

from byeori.data.assemble import LABEL_AS_WRITTEN
from byeori.data.columns import sample
from byeori.data.forms import choose
from byeori.data.read import read_splits
from byeori.data.rows import Rows
from byeori.data.sources import sheets
from byeori.data.wish import Wish, wanted
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
    found = Source(_name(data))
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
        if name != "train" and len(part.unanswered) == part.found and part.found:  # GLUE's test rows
            found.notes.append(f"The {name} rows ({part.found:,}) have no answers; they are left out.")
            del found.parts[name]
    if not found.parts:
        raise DataError(f"{found.name}: no row is left.")
    found.parts = dict(sorted(found.parts.items(), key=lambda one: PARTS.index(one[0]) if one[0] in PARTS else 3))
    for part in found.parts.values():
        found.notes += [note for note in part.rows.notes if note not in found.notes]
    return found


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
    table = rows.table.with_format("arrow")[:] if len(rows) else rows.table.data.table
    lost: dict[str, list[Lost]] = {"bad": [], "empty": [], "unanswered": []}
    for at, reason in sorted(rows.errors.items()):
        kind = "bad"
        if reason.endswith(EMPTY):
            kind = "unanswered" if reason.removesuffix(EMPTY) in ANSWERS else "empty"
        lost[kind].append(Lost(int(rows.origin.row_of[at]), rows.origin.where(at), reason))
    kept = np.setdiff1d(np.arange(len(rows)), np.fromiter(rows.errors, np.int64, len(rows.errors)))
    origin = rows.origin
    if len(kept) < len(rows):
        table, origin = table.take(kept), origin.select(kept)
    raw = None
    if LABEL_AS_WRITTEN in table.column_names:
        raw = table[LABEL_AS_WRITTEN].to_pylist()
        table = table.drop_columns([LABEL_AS_WRITTEN])
    return Part(name, rows, table, origin, raw, lost["bad"], lost["empty"], lost["unanswered"], len(rows))


def _name(data: Any) -> str:
    return str(data) if isinstance(data, (str, Path)) else type(data).__name__


ROLES = ("tokens", "tags", "entities", "question", "context", "answers", "choices", "messages", "prompt", "completion", "source",
         "target", "text", "text_pair", "label")  # fmt: skip


def guess(data: Any, asked: Any) -> tuple[str, str]:
    """(task, why) by the columns a person names and those there are. Raises DataError where nothing is recognised."""
    from byeori.tasks import find

    named = {role for role in ROLES if getattr(asked, role, None)}
    tried = (
        ("token-classification", ("tokens", "tags", "entities")), ("question-answering", ("question", "context")),
        ("multiple-choice", ("choices",)), ("translation", ("source", "target")),
        ("text-generation", ("messages", "prompt", "completion")),
    )  # fmt: skip
    for name, roles in tried:
        if named & set(roles):
            name = _kind_of_writing(asked) if name == "translation" else name
            return name, f"{name}: by the columns that were named"
    order = (
        "token-classification",
        "question-answering",
        "multiple-choice",
        "translation",
        "text-generation",
        "text-classification",
    )
    errors: list[DataError] = []
    samples: dict[str, dict[str, Any]] = {}
    if not named & {"label", "text_pair"}:
        for name in order[:-1]:
            try:
                found = _columns(data, find(name), asked)
            except DataError as error:
                errors.append(error)
                continue
            if found is None:
                continue
            columns, samples[name] = found
            if name == "token-classification" and not {"tags", "entities"} & set(columns):
                continue
            if name == "question-answering" and "answers" not in columns:
                continue
            if name == "text-generation" and not {"messages", "prompt"} & set(columns):
                continue
            if name == "translation":
                kind = _kind_of_pairs(samples[name], columns)
                if kind is None:
                    continue
                name = kind
            return name, f"{name}: it has {', '.join(columns)}"
    try:
        found = _columns(data, find("text-classification"), asked)
    except DataError as error:
        raise error from None
    if found is None:
        raise (
            errors[-1]
            if errors
            else DataError(f"{_name(data)}: no column was recognised. Name one with --text, or the task with --task.")
        )
    columns, _ = found
    name = "text-classification" if "label" in columns else "fill-mask"
    return name, f"{name}: it has {', '.join(columns)}" + ("" if "label" in columns else " and no label")


def _columns(data: Any, task: type[Task], asked: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(role → column, column → first values) of the first rows for a task; None where a form of it isn't complete."""
    from byeori.data.roles import Absent
    from byeori.data.shapes import reshape

    few = SimpleNamespace(**{**vars(asked), "max_rows": 200})
    if isinstance(data, Rows):
        few_rows = data.table[: min(200, len(data))]
        return {role: role for role in data.table.column_names if role in task.roles}, few_rows
    want = wanted(task)
    needed = ("text",) if task.name == "text-classification" else tuple(want["required"])
    wish = Wish(few, tuple(want["roles"]), needed, None, "keep", True, {}, want["forms"], judged=True)
    sheet = reshape(next(iter(sheets(data, wish).values()))[0], _name(data), wish)
    samples = {column: sample(values, 200) for column, values in sheet.columns.items()}
    try:
        matched = choose(samples, wish, _name(data), sheet.suggested).columns
    except Absent:
        return None
    return matched, samples


def _kind_of_writing(asked: Any) -> str:
    return (
        "translation"
        if getattr(asked, "source_lang", None) or getattr(asked, "target_lang", None)
        else "text2text-generation"
    )


def _kind_of_pairs(samples: dict[str, Any], columns: dict[str, Any]) -> str | None:
    """translation, summarization or text2text-generation by what source and target hold; None where there is a better reading."""
    from byeori.data.languages import code, script

    source, target = (samples.get(str(columns[role]), []) for role in ("source", "target"))
    texts = [[one for one in some if isinstance(one, str) and one.strip()] for some in (source, target)]
    if not all(texts):
        return None
    if script(texts[0]) != script(texts[1]) or code(str(columns["source"])) and code(str(columns["target"])):
        return "translation"
    sizes = [float(np.mean([len(one) for one in some])) for some in texts]
    if (
        len(texts[1]) >= 10 and len(set(texts[1])) <= len(texts[1]) // 5 or sizes[1] < 4
    ):  # few values that recur: a label
        return None
    return "summarization" if sizes[0] > 3 * sizes[1] else "text2text-generation"
