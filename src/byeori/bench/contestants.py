"""Who takes part: transformers as its tutorials have it, transformers as an expert sets it, and Byeori.

Invariants: all contestants of a benchmark get the same rows, and a training the same epochs; what an expert may choose
(batch, order, precision) is what differs. A contestant is data: `how` is all its process is told of it.

    contestants("train", Running(), batch_size=32)[0].name == "tutorial"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from byeori.bench.options import Measuring, Running
from byeori.errors import SettingError

OURS = "byeori"
TUNED = "tuned"
BATCH = 8  # the tutorials'
RATE = 5e-5  # TrainingArguments' own
MAPPED = 1_000  # rows `datasets.map` hands over at once, if not told


@dataclass(frozen=True)
class Contestant:
    """`shown` as a sentence names it, `how` what its process is told, in Byeori's names."""

    name: str
    shown: str
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.shown.startswith("Byeori")

    @property
    def described(self) -> str:
        """How it is set, in a line."""
        said = [one for one in map(_said, self.how.items()) if one and one not in self.shown]
        return ", ".join([self.shown, *said])


def contestants(what: str, running: Running, *, batch_size: int = 32, task: str = "") -> list[Contestant]:
    """All of a benchmark, in the order they take turns."""
    precision = running.precision
    if what == "train":
        expert = {"batch_size": batch_size, "learning_rate": "auto", "warmup_ratio": 0.1, "precision": precision}
        ours = {"batch_size": batch_size, "precision": precision}
        return [
            Contestant("tutorial", "the Trainer as the tutorials set it", {
                "batch_size": BATCH, "order": "random", "learning_rate": RATE, "precision": "float32",
            }),
            Contestant(TUNED, "the Trainer, tuned", {**expert, "order": "grouped"}),
            Contestant(OURS, "Byeori", {**ours, "order": "grouped"}),
            Contestant("random", "Byeori in random order", {**ours, "order": "random"}),
        ]  # fmt: skip
    if what == "predict":
        plain = "the course's loop" if task == "question-answering" else "pipeline()"
        return [
            Contestant("tutorial", f"{plain} as it comes", {"batch_size": BATCH if "loop" in plain else 1, "precision": "float32"}),
            Contestant(TUNED, f"{plain}, tuned", {"batch_size": batch_size, "order": "sorted", "precision": precision}),
            Contestant(OURS, "Byeori", {"precision": precision}),
        ]  # fmt: skip
    if what == "generate":
        return [
            Contestant("tutorial", "the tutorials' loop", {"batch_size": BATCH, "precision": "float32"}),
            Contestant(TUNED, "a tuned loop", {"batch_size": batch_size, "order": "sorted", "precision": precision}),
            Contestant(OURS, "Byeori", {"precision": precision}),
        ]  # fmt: skip
    return [
        Contestant("tutorial", "datasets.map as it comes", {"batch_size": MAPPED}),
        Contestant(TUNED, "datasets.map, tuned", {"batch_size": 4 * MAPPED, "processes": "threads"}),
        Contestant("rust", "the Rust tokenizer alone"),
        Contestant(OURS, "Byeori"),
    ]


def chosen(every: list[Contestant], measuring: Measuring) -> list[Contestant]:
    """Those of --only. Raises SettingError for a name that none has."""
    if measuring.only is None:
        return every
    names = words(measuring.only)
    known = [one.name for one in every]
    for name in names:
        if name not in known:
            raise SettingError(
                f"only={','.join(names)!r}: there is no contestant {name!r} here; there are {', '.join(known)}."
            )
    return [one for one in every if one.name in names]


def sizes(measuring: Measuring) -> list[int]:
    """The batch sizes of --try-batches. Raises SettingError for what is none."""
    if measuring.try_batches is None:
        return []
    found = words(measuring.try_batches)
    wrong = next((one for one in found if not one.isdecimal() or int(one) < 1), None)
    if wrong is not None or not found:
        raise SettingError(f"try_batches={','.join(found)!r}: batch sizes are needed, as 16,64.")
    return [int(one) for one in found]


def words(given: str | list[str]) -> list[str]:
    """a,b or ["a", "b"], without spaces and empty ones."""
    parts = given.split(",") if isinstance(given, str) else given
    return [part.strip() for part in parts if part.strip()]


def _said(one: tuple[str, Any]) -> str:
    name, value = one
    if name == "batch_size":
        return "one at a time" if value == 1 else f"batches of {value:,}"
    if name == "order":
        return {"grouped": "grouped by length", "sorted": "sorted by length", "random": "random order"}[value]
    if name == "learning_rate":
        return "learning rate as Byeori's" if value == "auto" else f"learning rate {value:g}"
    if name == "precision":
        return "bfloat16 where the processor has it" if value == "auto" else value
    if name == "processes":
        return "as many processes as threads"
    return ""
