"""What a task is. Training, evaluation, previews, prediction, the pipeline and the server all use these few methods.

Invariants: `encode`, `draw`, `outputs`, `loss` and `decode` never look at anything but their arguments and the task's own
state; that state (`state()`) is all that is saved beside the model, and `from_state` makes the same task of it.
A new task is one file beside this one and one line in `byeori.tasks.TASKS`.

    class TextClassification(Task): ...
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from byeori import settings
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.checks import DEFAULT_LENGTH

if TYPE_CHECKING:
    import datasets
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.cleaning import Cleaner
    from byeori.data.coded import Coded
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import Encoded, TokenStore

Row = dict[str, Any]  # by role
DRAW_SEED = 0  # of `draw` in evaluation: it masks the same words every time


@dataclasses.dataclass(kw_only=True)
class NoSettings:
    """A task without settings of its own."""


def _columns(roles: list[str]) -> type:
    """A dataclass with a setting a role."""
    fields = [
        (r, str | None, settings.setting(None, f"column of the {r}; found by its name if not given")) for r in roles
    ]
    made = dataclasses.make_dataclass("Columns", fields, kw_only=True)
    made.__doc__ = "Which column is what."
    return made


class Task:
    """One kind of work. `settings` are its own for training, `Call` those of a call (pipeline, file, request)."""

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]  # one line for `byeori tasks`
    auto_class: ClassVar[str]  # the Auto class whose head it wants
    roles: ClassVar[tuple[str, ...]]  # the columns it reads
    needed: ClassVar[tuple[str, ...]]  # those a call must give
    answers: ClassVar[tuple[str, ...]] = ("label",)  # those of the right answers, which a call lacks
    forms: ClassVar[tuple[tuple[str, ...], ...]] = ()  # columns that training needs, where there are several ways
    levels: ClassVar[dict[str, str]]  # columns it adds to the store: "token", "sequence", "row" or "list"
    generates: ClassVar[bool] = False  # predictions are written token by token: `generate`, not `gather`
    # of one that generates: evaluation gathers from the right text, and writes nothing
    teacher_forced: ClassVar[bool] = False
    counts_tokens: ClassVar[bool] = False  # its baselines are given token stores instead of rows
    trains: ClassVar[bool] = True  # False: it uses models as they are, and `prepare` raises SettingError
    models_of: ClassVar[tuple[str, ...]] = ()  # other tasks whose trained models it can use; "*" for any
    unread: ClassVar[tuple[str, ...]] = ()  # how weights are called that may be missing, since it never looks at them
    positional: ClassVar[tuple[str, ...]] = ()  # what else a call of the pipeline takes by place, behind its input
    apart: ClassVar[bool] = False  # a row's sequences (windows) may lie in different packs: no loss is over all of them
    in_pieces: ClassVar[bool] = False  # a row's sequences are texts of their own: a sample may be one of them
    row_by_row: ClassVar[bool] = False  # `predictions` and `decode` make the same of some rows as of all
    default_length: ClassVar[int] = DEFAULT_LENGTH  # of --max-length, where the model takes as many tokens
    cut: ClassVar[str] = "texts are longer than {length} tokens and were cut (--max-length, --truncation)"
    Training: ClassVar[type] = NoSettings
    Call: ClassVar[type] = NoSettings
    watched: bool = False  # whether people see the next outputs: more may be kept of them
    labels: list[str] | None  # their names, in the order of the head; only of tasks that have some
    cleaning: Cleaner | None = None  # what was done to the texts of training; it is done to those of a call too
    Columns: ClassVar[type] = NoSettings  # which column is which role, for roles that `settings.Data` doesn't name

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        known = settings.names(settings.Data, cls.Training)
        roles = [role for role in getattr(cls, "roles", ()) if role not in known]
        if roles:
            cls.Columns = _columns(roles)
            cls.Training = dataclasses.make_dataclass("Training", [], bases=(cls.Training, cls.Columns), kw_only=True)
            cls.Training.__doc__ = cls.Training.__mro__[1].__doc__

    def __init__(self, **values: Any):
        (self.settings,) = settings.read(values, type(self).Training, where=self.name)
        self.columns: dict[str, str | list[str]] = {}  # role → its column in the training data

    @classmethod
    def values_of(cls, name: str) -> dict[str, str] | None:
        """The settings that a name of this task carries, most often none; None for a name that isn't its own."""
        return {} if name in (cls.name, *cls.aliases) else None

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

    def reorder(self, labels: list[str]) -> bool:
        """Take the order that the labels have in a head; False where that can't be, and the head is made anew."""
        self.labels = labels
        return True

    def strata(self, rows: Rows) -> list[Any] | Coded | None:
        """A class a row, for splits with the same share of each; None where rows have none."""
        return None

    def groups(self, rows: Rows) -> np.ndarray | None:
        """A number a row: rows of one number must not be parted by a split. None for rows that are already tokenized.

        Equal texts, and pairs with the same first text: an NLI premise stands in three rows with three labels; parted at
        random, the test row's label is the one its siblings lack. Where a few first texts serve all rows, only whole
        rows are kept together.
        """
        from byeori.data.split import text_groups

        texts = [role for role in self.roles if role in rows.table.column_names and role not in self.answers]
        texts = [role for role in texts if getattr(rows.table.features[role], "dtype", None) == "string"]
        if not texts:
            return None
        first = text_groups(rows.table, (texts[0],))
        return first if (int(first.max()) + 1) * 5 >= len(rows) else text_groups(rows.table, tuple(texts))

    def label_ids(self, values: list[Any]) -> np.ndarray:
        """A label column as the store holds it."""
        raise TypeError(f"{type(self).__name__} has no label_ids()")

    # ids --------------------------------------------------------------------------------------------------------
    def meet(self, model: Any, tokenizer: Any) -> None:
        """Look at model and tokenizer once they are loaded, before anything is encoded. Raises ModelError."""

    def notes(self, store: TokenStore) -> list[str]:
        """What there is to say of labelled rows once they are encoded."""
        return []

    def told(self) -> list[str]:
        """What there is to say of the model and of what was encoded since this was last asked."""
        return []

    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """A batch of rows by role → token ids and, if `labels`, the task's columns. `call`: a prediction's settings."""
        raise TypeError(f"{type(self).__name__} has no encode()")

    def draw(self, pack: Pack, seed: int, epoch: int) -> Pack:
        """Stored ids → final ids and labels (masking, corruption); pure. Most tasks have none."""
        return pack

    def drawing(self, seed: int, epoch: int) -> Callable[[Pack], Pack] | None:
        """`draw` for one epoch; None for a task that has none."""
        return None if type(self).draw is Task.draw else lambda pack: self.draw(pack, seed, epoch)

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

    def losses(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """`loss`, as training and evaluation take it. Raises SettingError for a mean, which would be divided twice, and for any
        other shape than that of the labels or, of labels a sequence or row, one with a sequence of the pack each."""
        from byeori.text.store import LIST, TOKEN

        found = self.loss(outputs, pack)
        if found.ndim == 0:
            raise SettingError(
                f'{type(self).__name__}.loss gave one number for {len(pack)} rows. Return one a row (reduction="none"); the '
                f"loop sums them and divides once."
            )
        labels, count = tuple(pack.labels.shape), len(pack)
        whole = pack.levels["labels"] in (TOKEN, LIST)
        if tuple(found.shape) != labels and (whole or len(found) != count):
            wanted = f"one a label, {labels}" if whole else f"one a sequence, ({count},) or ({count}, …)"
            raise SettingError(
                f"{type(self).__name__}.loss gave losses of shape {tuple(found.shape)} for labels of shape {labels}. Return {wanted}."
            )
        return found

    def for_samples(self) -> Task:
        """The task as it answers for the samples of a training: short where texts are written."""
        return self

    def judging(self) -> Task:
        """The task whose `loss` evaluation takes: without what only training wants of it (label smoothing)."""
        return self

    # predictions ------------------------------------------------------------------------------------------------
    def gather(self, outputs: Any, pack: Pack, call: Any | None = None) -> tuple[torch.Tensor, np.ndarray | None]:
        """What `decode` needs of `outputs`: values in the pack's order, and how many a sequence (None: one each)."""
        return outputs.logits, None

    def generate(self, model: torch.nn.Module, tokenizer: Any, pack: Pack, call: Any | None = None) -> tuple:
        """As `gather`, of a task that writes its predictions."""
        raise TypeError(f"{type(self).__name__} has no generate()")

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """What `gather` gave for the sequences of a store → a prediction a row, as the pipeline returns them, JSON-ready."""
        raise TypeError(f"{type(self).__name__} has no decode()")

    def respond(self, predictions: list[Any], given: Any, single: bool, asked: ChainMap[str, Any]) -> Any:
        """What a call of the pipeline returns for its `predictions`, one a row as `decode` gives them.

        `given`: the input as the caller wrote it, a stream included, whose predictions come here one at a time; `single`
        as `inputs` said; `asked`: the arguments by the names the caller used, `asked.maps[0]` those of this call, the
        others those of `pipeline(…)`. Here: one prediction for a single input, else the list.
        """
        return predictions[0] if single and len(predictions) == 1 else predictions

    def given_back(self, prediction: Any, row: Row, given: Row, cleaner: Cleaner, call: Any | None = None) -> Any:
        """A prediction for a row that was cleaned first, said of the row as it was given: its offsets and what it quotes.

        row, given: by role, cleaned and not; `cleaner` made one of the other. Here: as it is.
        """
        return prediction

    def references(self, rows: datasets.Dataset) -> Any:
        """The right answers of rows, as `score` takes them; what can be indexed by row."""
        raise TypeError(f"{type(self).__name__} has no references()")

    def tune(self, answers: Answers, store: TokenStore, references: Any) -> None:
        """Choose on validation rows what decoding needs (a threshold), before they are scored."""

    def predictions(self, answers: Answers, store: TokenStore) -> Any:
        """As `decode`, but what `score` compares with the references: arrays, nothing a person reads."""
        raise TypeError(f"{type(self).__name__} has no predictions()")

    def confidence(self, answers: Answers, store: TokenStore) -> np.ndarray | None:
        """The probability of each row's prediction, float64 (rows,), where it is one of some classes; else None."""
        return None

    def kept(self, prediction: Any, reference: Any) -> Any:
        """What `scored_again` needs of a prediction as `score` takes it, where `decode` doesn't say it; JSON-ready, small."""
        return None

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[Any, Any]:
        """Predictions and references as `score` takes them, from rows as a run folder has them: {"prediction" as `decode` gave
        it, "reference" as `named` said it, "kept"}."""
        raise SettingError(
            f"{type(self).__name__} has no scored_again(), which makes predictions of a run folder's lines again, so its scores can't be "
            f"compared."
        )

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """{name: {"value", "low", "high"}}; low and high are None unless `resamples` of the bootstrap are asked."""
        raise TypeError(f"{type(self).__name__} has no score()")

    @property
    def ranked_scores(self) -> tuple[str, ...]:
        """The names that `score_ranking` gives."""
        return ()

    def ranking(self, answers: Answers, store: TokenStore) -> np.ndarray | None:
        """How much each row looks like each class, float (rows,) or (rows, classes), for `score_ranking`; None for most tasks."""
        return None

    def score_ranking(self, ranked: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """As `score`, of what `ranking` gave: scores that predictions alone can't have, and so no baseline has."""
        return {}

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> Any:
        """Predictions, as `score` takes them, of a model that is no transformer: kind "trivial" or "linear"."""
        raise TypeError(f"{type(self).__name__} has no baseline()")

    @property
    def best(self) -> str:
        """The headline score; higher is better unless it is in `lower_is_better`."""
        raise TypeError(f"{type(self).__name__} has no best")

    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "rmse", "mae", "perplexity", "ece"})

    @property
    def of_class(self) -> dict[str, str]:
        """Scores that are of one class alone, and which one: {"f1": "긍정"}."""
        return {}

    def named(self, value: Any) -> Any:
        """One prediction or reference as `score` takes it → the words for it (label names, a number)."""
        return value

    def right_answer(self, row: dict[str, Any]) -> Any:
        """The right answer of one row by role, in words; None where the row has none."""
        return next((row[role] for role in self.answers if row.get(role) is not None), None)

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """One sample for people: inputs, prediction, reference, right or not; `kind` names the shape it is shown in, and what else
        that shape needs stands beside it (docs/watching.md). Without one all is shown as it is."""
        return {"inputs": row, "prediction": prediction, "reference": reference}

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        """All that byeori.json must hold to make this task again."""
        return {"settings": dataclasses.asdict(self.settings)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` gave."""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Task:
        """Raises ModelError where the state is damaged or of another version."""
        known = settings.names(cls.Training)
        try:
            task = cls(**{name: value for name, value in state.get("settings", {}).items() if name in known})
            task.restore(state)
        except (SettingError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"byeori.json: its state makes no {cls.name} ({type(error).__name__}: {error}). The file is damaged or of another version: "
                f"take it from the training again."
            ) from error
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
            return {role: item[role] for role in roles[:2] if role == roles[0] or item.get(role) is not None}
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
