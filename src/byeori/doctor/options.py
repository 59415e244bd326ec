"""What `byeori inspect` may be told beside columns, reading and the model.

(looking,) = settings.read({"rows": 3}, Looking)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, make_dataclass
from typing import Any

from byeori.settings import Batches, Cleaning, Data, Model, Optimization, hints, names, setting


@dataclass(kw_only=True)
class Looking:
    """What is looked at."""

    validation: Any = setting(None, "validation rows, to be held beside the data", metavar="DATA")
    test: Any = setting(None, "test rows, to be held beside the data", metavar="DATA")
    rows: int | None = setting(None, "show so many rows as the model sees them", least=1)
    forward: bool = setting(False, "run one batch through the model and show its outputs and loss")
    near: bool = setting(True, "look for texts that nearly repeat one another")
    doubt: bool = setting(True, "look for labels that a plain model doubts")


@dataclass(kw_only=True)
class Telling:
    """What comes out."""

    html: str | None = setting(None, "write the page to this file", metavar="FILE")
    output: str | None = setting(None, "write what was found to this file, as JSON", metavar="FILE")
    fail_on: str | None = setting(
        None,
        "kinds of findings, or a level (look, note), that end with exit code 3; stop always does",
        metavar="KIND,…",
    )


@dataclass(kw_only=True)
class Planned:
    """The training that the estimate is for."""

    epochs: float = setting(3.0, names(Optimization)["epochs"].metadata["help"], least=0)
    max_steps: int | None = setting(None, names(Optimization)["max_steps"].metadata["help"], least=1)
    batch_size: int = setting(32, names(Batches)["batch_size"].metadata["help"], least=1)
    pack_tokens: int | str = setting("auto", names(Batches)["pack_tokens"].metadata["help"], choices=("auto",), least=1)
    max_target_length: int = setting(128, "longest target in tokens", least=2)
    validation_size: float = setting(0.1, names(Data)["validation_size"].metadata["help"], least=0)
    test_size: float = setting(0.1, names(Data)["test_size"].metadata["help"], least=0)
    seed: int = setting(0, "seed of the checks that sample rows", least=0)


_ROLES = ("source", "target", "references", "question", "context", "answers", "tokens", "tags", "entities", "choices", "prompt",
          "completion", "messages", "id", "title")  # fmt: skip
Columns: type = make_dataclass(
    "Columns",
    [(role, str | None, setting(None, f"column of the {role}; found by its name if not given")) for role in _ROLES]
    + [
        ("source_lang", str | None, setting(None, "language of the sources, as en, ko…")),
        ("target_lang", str | None, setting(None, "language of the targets")),
        ("problem_type", str | None, setting(None, "single_label, multi_label or regression; read from the labels if not given",
                                             choices=("single_label", "multi_label", "regression"))),
        ("document", str | None, setting(None, "what a document is in a plain text file; recognised if not given",
                                         choices=("line", "paragraph", "file"))),
    ],
    kw_only=True,
)  # fmt: skip
Columns.__doc__ = "Which column is what, in other tasks."

_OF_TRAINING = ("train", "validation", "test", "validation_size", "test_size")
Reading: type = make_dataclass(
    "Reading",
    [(field.name, hints(Data)[field.name], dataclasses.field(default=field.default, metadata=field.metadata))
     for field in dataclasses.fields(Data) if field.name not in _OF_TRAINING],
    kw_only=True,
)  # fmt: skip
Reading.__doc__ = Data.__doc__
KINDS: tuple[type, ...] = (Looking, Reading, Cleaning, Columns, Model, Planned, Telling)
