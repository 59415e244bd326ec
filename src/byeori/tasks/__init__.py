"""The tasks, one file each, listed once.

byeori.tasks.find("text-classification")      # or an alias, or "my_task.py:Name"
"""

from __future__ import annotations

import difflib
import hashlib
import sys
from pathlib import Path

from byeori.data.own_file import module_of
from byeori.errors import SettingError
from byeori.tasks.base import Task
from byeori.tasks.feature_extraction import FeatureExtraction
from byeori.tasks.fill_mask import FillMask
from byeori.tasks.multiple_choice import MultipleChoice
from byeori.tasks.names import ABSENT
from byeori.tasks.question_answering import QuestionAnswering
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.span_corruption import SpanCorruption
from byeori.tasks.summarization import Summarization
from byeori.tasks.text_classification import TextClassification
from byeori.tasks.text_generation import TextGeneration
from byeori.tasks.token_classification import TokenClassification
from byeori.tasks.translation import Translation
from byeori.tasks.zero_shot import ZeroShotClassification

TASKS: tuple[type[Task], ...] = (
    TextClassification, TokenClassification, QuestionAnswering, Summarization, Translation, Seq2Seq, TextGeneration,
    FillMask, SpanCorruption, MultipleChoice, ZeroShotClassification, FeatureExtraction,
)  # fmt: skip


def find(name: str) -> type[Task]:
    """The task of a name, an alias, or `FILE.py:CLASS`. Raises SettingError."""
    return named(name)[0]


def named(name: str) -> tuple[type[Task], dict[str, str]]:
    """The task of a name, and the settings that the name carries: those of translation_en_to_ko are its two languages.

    Raises SettingError, for a pipeline of transformers that is not here with the reason.
    """
    if name in ABSENT:
        raise SettingError(f"there is no task {name!r}: {ABSENT[name]}. `byeori tasks` lists what there is.")
    if ".py:" in name:
        return load(name), {}
    for task in TASKS:
        values = task.values_of(name)
        if values is not None:
            return task, values
    near = difflib.get_close_matches(name, [one for task in TASKS for one in (task.name, *task.aliases)], 1, 0.5)
    hint = f"Did you mean {near[0]}?" if near else "`byeori tasks` lists them; an own one is FILE.py:CLASS."
    raise SettingError(f"there is no task {name!r}. {hint}")


def values_in(task: Task | type[Task] | str | None) -> dict[str, str]:
    """The settings that a task's name carries; {} for an own task, and for whatever is no name."""
    return named(task)[1] if isinstance(task, str) and ".py:" not in task else {}


def load(reference: str) -> type[Task]:
    """An own task from its file, which runs once for as long as it stays the same.

    Raises SettingError if the file or the class isn't there or isn't a Task.
    """
    file, _, name = reference.rpartition(":")
    path = Path(file)
    module = module_of(path, f"task={reference!r}")
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise SettingError(f"task={reference!r}: {file} has no class {name} that is a byeori.tasks.Task.")
    found.source = f"{path.resolve()}:{name}"  # type: ignore[attr-defined]
    return found


def source(task: Task) -> dict[str, str] | None:
    """Name and hash of an own task's file, for byeori.json; None for ours. Code itself is never put into a run."""
    module = sys.modules.get(type(task).__module__)
    if type(task) in TASKS:
        return None
    file = getattr(module, "__file__", None)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""
    return {"class": type(task).__name__, "file": Path(file).name if file else "", "sha256": digest}


__all__ = [
    "TASKS", "FeatureExtraction", "FillMask", "MultipleChoice", "QuestionAnswering", "Seq2Seq", "SpanCorruption",
    "Summarization", "Task", "TextClassification", "TextGeneration", "TokenClassification", "Translation",
    "ZeroShotClassification", "find", "load", "named", "source", "values_in",
]  # fmt: skip
