"""The tasks, one file each, listed once.

byeori.tasks.find("text-classification")      # or an alias, or "my_task.py:Name"
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from pathlib import Path

from byeori.errors import SettingError
from byeori.tasks.base import Task
from byeori.tasks.feature_extraction import FeatureExtraction
from byeori.tasks.fill_mask import FillMask
from byeori.tasks.multiple_choice import MultipleChoice
from byeori.tasks.question_answering import QuestionAnswering
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.summarization import Summarization
from byeori.tasks.text_classification import TextClassification
from byeori.tasks.text_generation import TextGeneration
from byeori.tasks.token_classification import TokenClassification
from byeori.tasks.translation import Translation
from byeori.tasks.zero_shot import ZeroShotClassification

TASKS: tuple[type[Task], ...] = (
    TextClassification, TokenClassification, QuestionAnswering, Summarization, Translation, Seq2Seq, TextGeneration,
    FillMask, MultipleChoice, ZeroShotClassification, FeatureExtraction,
)  # fmt: skip


def find(name: str) -> type[Task]:
    """The task of a name, an alias, or `FILE.py:CLASS`. Raises SettingError."""
    if ".py:" in name:
        return load(name)
    known = {alias: task for task in TASKS for alias in (task.name, *task.aliases)}
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else "`byeori tasks` lists them; an own one is FILE.py:CLASS."
        raise SettingError(f"there is no task {name!r}. {hint}")
    return known[name]


def load(reference: str) -> type[Task]:
    """An own task from its file. Raises SettingError if the file or the class isn't there or isn't a Task."""
    file, _, name = reference.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SettingError(f"task={reference!r}: there is no file {file}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickling look their module up by name
    spec.loader.exec_module(module)
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
    "TASKS", "FeatureExtraction", "FillMask", "MultipleChoice", "QuestionAnswering", "Seq2Seq", "Summarization", "Task",
    "TextClassification", "TextGeneration", "TokenClassification", "Translation", "ZeroShotClassification", "find", "load",
    "source",
]  # fmt: skip
