"""Which task rows are for, where nobody says: by the columns a person names, then by those there are.

Invariants: only the first rows are looked at, of a large text file only its first bytes; what can be read but once (standard
input) is not read here.

    guess("nsmc.tsv", SimpleNamespace())[0] == "text-classification"
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.columns import sample
from byeori.data.forms import choose
from byeori.data.names import NAMES
from byeori.data.places import is_pipe
from byeori.data.roles import fold
from byeori.data.rows import Rows
from byeori.data.sources import sheets
from byeori.data.wish import Wish, wanted
from byeori.data.wording import listed
from byeori.doctor.source import name_of
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.tasks.base import Task

FIRST = 200  # rows
HEAD = 2**20  # bytes of a text file
LINES = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".conll", ".conllu", ".bio", ".iob")
LABELS = frozenset(("label", *NAMES["label"][0]))
FEW = 20  # values of a column that may be a label
ROLES = ("tokens", "tags", "entities", "question", "context", "answers", "choices", "messages", "prompt", "completion", "source",
         "target", "text", "text_pair", "label")  # fmt: skip
# task → roles of which a person names some; → of which one must be there
NAMED = {
    "token-classification": ("tokens", "tags", "entities"), "question-answering": ("question", "context"),
    "multiple-choice": ("choices",), "translation": ("source", "target"), "text-generation": ("messages", "prompt", "completion"),
}  # fmt: skip
NEEDED = {
    "token-classification": {"tags", "entities"}, "question-answering": {"answers"}, "multiple-choice": {"choices"},
    "translation": {"source"}, "text-generation": {"messages", "prompt"},
}  # fmt: skip


def guess(data: Any, asked: Any) -> tuple[str, str]:
    """(task, the sentence how it was told). Raises DataError where nothing is recognised."""
    named = {role for role in ROLES if getattr(asked, role, None)}
    for name, roles in NAMED.items():
        if named & set(roles):
            name = _kind_of_writing(asked) if name == "translation" else name
            return name, _said(name, "by the columns that were named")
    if isinstance(data, (str, Path)) and (str(data) == "-" or is_pipe(str(data))):
        what = "Standard input" if str(data) == "-" else f"{data}: a pipe"
        raise DataError(
            f"{what} can be read but once, so its task can't be told from its columns: name it with --task."
        )
    with _head(data) as first:
        return _by_columns(first, asked, named, name_of(data))


def _by_columns(data: Any, asked: Any, named: set[str], source: str) -> tuple[str, str]:
    from byeori.tasks import find

    error: DataError | None = None
    for name in () if named & {"label", "text_pair"} else NEEDED:
        try:
            found = _columns(data, find(name), asked, source)
        except DataError as one:
            error = one
            continue
        if found is None or not NEEDED[name] & set(found[0]):
            continue
        kind = _kind_of_pairs(*found) if name == "translation" else name
        if kind is not None:
            return kind, _said(kind, f"it has {_roles(found[0])}", _others(*found, kind))
    found = _columns(data, find("text-classification"), asked, source)
    if found is None:
        raise error or DataError(f"{source}: no column was recognised. Name one with --text, or the task with --task.")
    name = "text-classification" if "label" in found[0] else "fill-mask"
    has = f"it has {_roles(found[0])}" + ("" if "label" in found[0] else " and no label")
    return name, _said(name, has, _others(*found, name))


def _said(name: str, why: str, others: str = "") -> str:
    return f"No task was named; it is taken for {name}: {why}. {others or '--task says another.'}"


def _roles(columns: dict[str, Any]) -> str:
    """`text ("document"), label`."""
    return ", ".join(role if column == role else f'{role.replace("_", " ")} ({listed(column if isinstance(column, list) else [column])})'
                     for role, column in columns.items())  # fmt: skip


def _others(columns: dict[str, Any], samples: dict[str, Any], name: str) -> str:
    """How to ask for another reading, where a column that isn't used has few values, as labels have; "" without."""
    used = {one for column in columns.values() for one in (column if isinstance(column, list) else [column])}
    likely = [
        column
        for column, values in samples.items()
        if column not in used and (fold(column) in LABELS or _is_few(values))
    ]
    if name not in ("fill-mask", "text-generation", "text2text-generation") or not likely:
        return ""
    text = next((str(columns[role]) for role in ("text", "prompt", "source") if role in columns), "COLUMN")
    which = f"{listed(likely)} could be {'a label' if len(likely) == 1 else 'labels'}"
    return f"{which}: --task text-classification --text {text} --label {likely[0]}."


def _is_few(values: Any) -> bool:
    """Whether values recur, as labels do."""
    there = [one for one in values if isinstance(one, (str, int)) and one != ""]
    distinct = set(there)
    short = all(len(one) <= 30 for one in distinct if isinstance(one, str))
    return len(there) >= 10 and 2 <= len(distinct) <= min(FEW, len(there) // 3) and short


@contextmanager
def _head(data: Any) -> Iterator[Any]:
    """The data; of a large file of lines a file of its first ones, whole, under its name."""
    path = Path(data).expanduser() if isinstance(data, (str, Path)) else None
    if path is None or path.suffix.casefold() not in LINES or not path.is_file() or path.stat().st_size <= HEAD:
        yield data
        return
    with path.open("rb") as file:
        first = file.read(HEAD)
    if (
        first[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\n" not in first or b"\0" in first[:4096]
    ):  # no lines of single bytes
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="byeori-") as folder:
        made = Path(folder) / path.name
        made.write_bytes(first[: first.rindex(b"\n") + 1])
        yield str(made)


def _columns(data: Any, task: type[Task], asked: Any, source: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(role → column, column → first values) of the first rows for a task; None where a form of it isn't complete."""
    from byeori.data.roles import Absent
    from byeori.data.shapes import reshape

    few = SimpleNamespace(**{**vars(asked), "max_rows": FIRST})
    if isinstance(data, Rows):
        first = data.table[: min(FIRST, len(data))]
        return {role: role for role in data.table.column_names if role in task.roles}, first
    want = wanted(task)
    needed = ("text",) if task.name == "text-classification" else tuple(want["required"])
    wish = Wish(few, tuple(want["roles"]), needed, None, "keep", True, {}, want["forms"], judged=True)
    sheet = reshape(next(iter(sheets(data, wish).values()))[0], source, wish)
    samples = {column: sample(values, FIRST) for column, values in sheet.columns.items()}
    try:
        matched = choose(samples, wish, source, sheet.suggested).columns
    except Absent:
        return None
    return matched, samples


def _kind_of_writing(asked: Any) -> str:
    spoken = getattr(asked, "source_lang", None) or getattr(asked, "target_lang", None)
    return "translation" if spoken else "text2text-generation"


def _kind_of_pairs(columns: dict[str, Any], samples: dict[str, Any]) -> str | None:
    """translation, summarization or text2text-generation by what source and target hold; None where there is a better reading."""
    from byeori.data.languages import code, script

    if "target" not in columns:
        return None
    source, target = (samples.get(str(columns[role]), []) for role in ("source", "target"))
    texts = [[one for one in some if isinstance(one, str) and one.strip()] for some in (source, target)]
    if not all(texts):
        return None
    if script(texts[0]) != script(texts[1]) or code(str(columns["source"])) and code(str(columns["target"])):
        return "translation"
    sizes = [float(np.mean([len(one) for one in some])) for some in texts]
    recur = len(texts[1]) >= 10 and len(set(texts[1])) <= len(texts[1]) // 5
    if recur or sizes[1] < 4:  # a label
        return None
    return "summarization" if sizes[0] > 3 * sizes[1] else "text2text-generation"
