"""Byeori: from raw text to a fine-tuned, measured, documented and served transformer.

import byeori
run = byeori.train(task="text-classification", model="klue/roberta-base", train="nsmc.tsv", output="run")
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name → where it lives; nothing is imported before it is asked for
_LAZY = {
    "train": "byeori.api",
    "tune": "byeori.api",
    "replay": "byeori.api",
    "compare": "byeori.api_runs",
    "load": "byeori.api",
    "encode": "byeori.api",
    "evaluate": "byeori.api",
    "predict": "byeori.api",
    "load_run": "byeori.api",
    "push": "byeori.api_runs",
    "export": "byeori.api_runs",
    "pipeline": "byeori.api",
    "card": "byeori.api_runs",
    "serve": "byeori.api_runs",
    "inspect": "byeori.api",
    "train_tokenizer": "byeori.api",
    "report_tokenizer": "byeori.api",
    "read": "byeori.data.read",
    "batches": "byeori.batches.loader",
    "Hook": "byeori.train.hooks",
    "ByeoriError": "byeori.errors",
    "SettingError": "byeori.errors",
    "DataError": "byeori.errors",
    "ModelError": "byeori.errors",
    "TrainingError": "byeori.errors",
    "HubError": "byeori.errors",
}
_MODULES = ("tasks", "settings", "errors")

if TYPE_CHECKING:
    from byeori import errors, settings, tasks
    from byeori.api import (
        encode,
        evaluate,
        inspect,
        load,
        load_run,
        pipeline,
        predict,
        report_tokenizer,
        train,
        train_tokenizer,
        tune,
    )
    from byeori.api_runs import card, compare, export, push, serve
    from byeori.batches.loader import batches
    from byeori.data.read import read
    from byeori.errors import ByeoriError, DataError, HubError, ModelError, SettingError, TrainingError
    from byeori.train.hooks import Hook

__all__ = [
    "ByeoriError",
    "DataError",
    "Hook",
    "HubError",
    "ModelError",
    "SettingError",
    "TrainingError",
    "__version__",
    "batches",
    "card",
    "compare",
    "encode",
    "errors",
    "evaluate",
    "export",
    "inspect",
    "load",
    "load_run",
    "pipeline",
    "predict",
    "push",
    "read",
    "replay",
    "report_tokenizer",
    "serve",
    "settings",
    "tasks",
    "train",
    "train_tokenizer",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"byeori.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'byeori' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(types.ModuleType):
    """`byeori.train`, `byeori.predict` and `byeori.batches` are functions, and the rooms of those names packages: importing
    `byeori.train.loop` would put the package in the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _LAZY and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
