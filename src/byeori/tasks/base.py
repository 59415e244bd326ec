"""What a task is. Training, evaluation, previews, prediction, the pipeline and the server all use these few methods.

Invariants: `encode`, `draw`, `outputs`, `loss` and `decode` never look at anything but their arguments and the task's own
state; that state (`state()`) is all that is saved beside the model, and `from_state` makes the same task of it.
A new task is one file beside this one and one line in `byeori.tasks.TASKS`.

    class TextClassification(Task): ...
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from byeori import settings
from byeori.errors import DataError

if TYPE_CHECKING:
    import datasets
    import torch

    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import Encoded


@dataclasses.dataclass(kw_only=True)
class NoSettings:
    """A task without settings of its own."""


class Task:
    """One kind of work. `settings` are its own for training, `Call` those of a call (pipeline, file, request)."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]  # one line for `byeori tasks`
    auto_class: ClassVar[str]  # the Auto class whose head it wants
    roles: ClassVar[tuple[str, ...]]  # the columns it reads
    needed: ClassVar[tuple[str, ...]]  # those a call must give
    levels: ClassVar[dict[str, str]]  # columns it adds to the store: "token" or "row"
    Training: ClassVar[type] = NoSettings
    Call: ClassVar[type] = NoSettings

    def __init__(self, **values: Any):
        (self.settings,) = settings.read(values, type(self).Training, where=self.name)

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """What a call was given → rows by role, and whether it was a single one. Raises DataError."""
        raise TypeError(f"{type(self).__name__} has no inputs()")

    def prepare(self, rows: Rows) -> None:
        """Learn from the training rows what must be saved with the model (label names…). Raises DataError."""

    def adopt(self, config: Any) -> None:
        """Take from a trained model's config what `prepare` would have learnt."""

    @property
    def prepared(self) -> bool:
        """Whether it knows what `prepare` learns."""
        return True

    def count_labels(self, values: np.ndarray) -> dict[str, int] | None:
        """How often each label stands in the store's label column; None where labels are not few."""
        return None

    def check(self, rows: Rows) -> None:
        """Look at validation or test rows before anything is spent. Raises DataError."""

    def label_ids(self, values: list[Any]) -> np.ndarray:
        """A label column as the store holds it."""
        raise TypeError(f"{type(self).__name__} has no label_ids()")

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True) -> Encoded:
        """A batch of rows by role → token ids and, if `labels`, the task's columns."""
        raise TypeError(f"{type(self).__name__} has no encode()")

    def draw(self, pack: Pack, seed: int, epoch: int) -> Pack:
        """Stored ids → final ids and labels (masking, corruption); pure. Most tasks have none."""
        return pack

    # model ------------------------------------------------------------------------------------------------------
    def config(self) -> dict[str, Any]:
        """What the model's config must say (num_labels, id2label, problem_type…)."""
        return {}

    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        """What loss and decode need; an object with `.logits`, a sequence (or token) of the pack each."""
        raise TypeError(f"{type(self).__name__} has no outputs()")

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """Unreduced losses, one a label (row or token). The loop sums over an update and divides once."""
        raise TypeError(f"{type(self).__name__} has no loss()")

    # predictions ------------------------------------------------------------------------------------------------
    def decode(self, outputs: np.ndarray, call: Any | None = None) -> list[Any]:
        """Logits in row order → predictions as the pipeline returns them, JSON-ready."""
        raise TypeError(f"{type(self).__name__} has no decode()")

    def references(self, rows: datasets.Dataset) -> Any:
        """The right answers of rows, as `score` takes them."""
        raise TypeError(f"{type(self).__name__} has no references()")

    def predictions(self, outputs: np.ndarray) -> Any:
        """Logits in row order → what `score` compares with the references: arrays, nothing a person reads."""
        raise TypeError(f"{type(self).__name__} has no predictions()")

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """{name: {"value", "low", "high"}}; low and high are None unless `resamples` of the bootstrap are asked."""
        raise TypeError(f"{type(self).__name__} has no score()")

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> Any:
        """Predictions, as `score` takes them, of a model that is no transformer: kind "trivial" or "linear"."""
        raise TypeError(f"{type(self).__name__} has no baseline()")

    @property
    def best(self) -> str:
        """The headline score; higher is better unless it is in `lower_is_better`."""
        raise TypeError(f"{type(self).__name__} has no best")

    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "rmse", "mae", "perplexity"})

    def named(self, value: Any) -> Any:
        """One prediction or reference as `score` takes it → the words for it (label names, a number)."""
        return value

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """One sample for people: inputs, prediction, reference, right or not."""
        return {"inputs": row, "prediction": prediction, "reference": reference}

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        """All that byeori.json must hold to make this task again."""
        return {"settings": dataclasses.asdict(self.settings)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave."""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Task:
        known = settings.names(cls.Training)
        task = cls(**{name: value for name, value in state.get("settings", {}).items() if name in known})
        task.restore(state)
        return task

    def call_settings(self, values: dict[str, Any]) -> Any:
        """The settings of a call from its arguments. Raises SettingError on an unknown one."""
        (call,) = settings.read(values, type(self).Call, where=self.name)
        return call


def texts_from(given: Any, roles: tuple[str, ...]) -> tuple[list[dict[str, Any]], bool]:
    """A text, a pair, a dict, or a list of them → rows with the first one or two of `roles` (text, text_pair).

    A tuple or a two-item list inside a list is a pair, as `{"text": …, "text_pair": …}` is. Raises DataError.
    """

    def one(item: Any, place: int) -> dict[str, Any]:
        if isinstance(item, str):
            return {roles[0]: item}
        if isinstance(item, dict) and roles[0] in item:
            return {role: item[role] for role in roles[:2] if item.get(role) is not None}
        if isinstance(item, list | tuple) and len(item) == 2 and all(isinstance(part, str) for part in item):
            return dict(zip(roles, item, strict=False))
        raise DataError(
            f"input {place + 1} is {type(item).__name__} {str(item)[:60]!r}: a text, a pair of texts or "
            f'{{"{roles[0]}": …, "{roles[1]}": …}} is needed.'
        )

    single = isinstance(given, str | dict | tuple)
    items = [given] if single else list(given)
    rows = [one(item, place) for place, item in enumerate(items)]
    for place, row in enumerate(rows):
        for role, text in row.items():
            if not isinstance(text, str):
                raise DataError(f"input {place + 1}: {role} is {type(text).__name__} {str(text)[:60]!r}, not a text.")
    return rows, single
