"""The settings of using a model: what is read, what runs it, what is written. One source for the flags and for Python.

Invariants: a setting that training has too is that of training, but for what its default and help say here.

    (using,) = settings.read({"precision": "float32"}, Using)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.settings import Batches, Cleaning, Data, Model, names, setting

if TYPE_CHECKING:
    from byeori.tasks.base import Task

# What only a task's training settings say of a model, and may be told of one without byeori.json; with its help here.
TOLD = {"problem_type": "what its labels are, for a model that doesn't say"}


def same(kind: type, name: str, default: Any = dataclasses.MISSING, **changed: Any) -> Any:
    """The field of another dataclass, with another default, help or other metadata where given."""
    field = names(kind)[name]
    default = field.default if default is dataclasses.MISSING else default
    return dataclasses.field(default=default, metadata={**field.metadata, **changed})


@dataclass(kw_only=True)
class Reading:
    """Where the rows come from."""

    text: str | None = same(
        Data, "text", help="column of the text; that of training, or found by its name, if not given"
    )
    text_pair: str | None = same(Data, "text_pair")
    label: str | None = same(
        Data, "label", help="column of the label, or several (a,b,c); those of training, or found by name, if not given"
    )
    separator: str | None = same(Data, "separator")
    header: bool | None = same(Data, "header")
    encoding: str | None = same(Data, "encoding")
    field: str | None = same(Data, "field")
    sheet: str | None = same(Data, "sheet")
    missing: str | list[str] | None = same(Data, "missing")
    allow_pickle: bool = same(Data, "allow_pickle")
    streaming: bool = same(Data, "streaming")
    split: str | None = same(Data, "split", help="what of the data to take: train, validation, test, test[:10%]")
    data_revision: str | None = same(Data, "data_revision")
    skip_bad_rows: bool = same(Data, "skip_bad_rows")
    drop_empty: bool = same(Data, "drop_empty")
    drop_empty_labels: bool = same(Data, "drop_empty_labels")
    max_rows: int | None = same(Data, "max_rows", help="use at most the first so many rows")


@dataclass(kw_only=True)
class Using:
    """The model, and what runs it."""

    tokenizer: Any = same(Model, "tokenizer")
    max_length: int | None = same(Model, "max_length", help="longest input in tokens; that of training if not given")
    truncation: str | None = same(
        Model, "truncation", None, help="the part kept of a text that is too long; that of training if not given"
    )
    clean_function: Any = same(
        Cleaning, "clean_function", help="the own function that cleaned the texts of training, where one did"
    )
    device: str = same(Model, "device", choices=(), metavar="auto|cpu|cuda[:N]|mps")
    precision: str = same(Model, "precision")
    pad_to: int | None = same(Batches, "pad_to")
    threads: int | None = same(Model, "threads")
    revision: str | None = same(Model, "revision")
    trust_remote_code: bool = same(Model, "trust_remote_code")


@dataclass(kw_only=True)
class Exporting:
    """What is exported, and what it may cost."""

    to: str = setting("onnx", "the runtime that is to run it", choices=("onnx", "ctranslate2"))
    precision: str = setting("float32", "what it computes in", choices=("float32", "bfloat16", "int8"))
    output: str | None = setting(None, "folder of the export", metavar="DIR")
    tolerance: float = setting(
        0.01, "most that the headline score may get worse, on its own scale; more is refused", least=0
    )
    force: bool = setting(False, "keep an export whose score got worse by more")
    overwrite: bool = setting(False, "replace an export that is in the folder")
    data: Any = setting(
        None,
        "labelled rows that it is judged by; the validation rows of the run's training, if not given",
        metavar="DATA",
    )
    rows: int = setting(1_000, "rows that it is judged by, at most; the first ones", least=1)


@dataclass(kw_only=True)
class Written:
    """What is written."""

    output: str = setting("-", "JSONL file; - is standard output", metavar="FILE")
    with_inputs: bool = setting(False, "put the inputs beside each prediction")


def check_columns(kind: type[Task], asked: Mapping[str, Any], labels: bool = True) -> None:
    """Raises SettingError for a column that is named and would not be read: one of another task, or, without `labels`, one
    of the right answers."""
    for role in dict.fromkeys(("text", "text_pair", "label", *kind.answers)):
        if asked.get(role) is None:
            continue
        if role not in kind.roles and not (role == "label" and "tags" in kind.roles):
            raise SettingError(
                f"{role}={asked[role]!r}: {kind.name} reads no {role}. Its columns are {', '.join(kind.roles)}."
            )
        if not labels and role in ("label", *kind.answers):
            raise SettingError(f"{role}={asked[role]!r}: a prediction reads no right answers. Leave it out.")
