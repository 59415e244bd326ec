"""text-classification: one text or a pair → one label, several labels, or a number.

The kind is read from the label column (`--problem-type` where that would be wrong): a few distinct values make
single_label, fractions make regression, lists or several columns make multi_label.

    byeori train --task text-classification --model klue/roberta-base --train nsmc.tsv --output run
"""

from __future__ import annotations

import copy
import dataclasses
from collections import ChainMap
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import mapped
from byeori.data.coded import Coded, coded, from_few
from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.metrics.ranking import AUROC, MOST_LABELS, order_of
from byeori.settings import setting
from byeori.tasks.base import Task, texts_from
from byeori.tasks.class_weights import on_device, weights_of
from byeori.tasks.label_names import config_of, names_in
from byeori.tasks.probabilities import softmax
from byeori.tasks.shown import labelled
from byeori.text.store import ROW, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

_MOST_ROWS = 200_000  # that the linear baseline draws its own from
ONE_CLASS = ("f1", "precision", "recall")
SINGLE, MULTI, REGRESSION = "single_label", "multi_label", "regression"
# our kinds, and the words transformers has for them in config.json
PROBLEM_TYPES = {SINGLE: "single_label_classification", MULTI: "multi_label_classification", REGRESSION: "regression"}


@dataclass(kw_only=True)
class Training:
    """What only text classification knows in training."""

    problem_type: str | None = setting(
        None, "single_label, multi_label or regression; read from the labels if not given", choices=tuple(PROBLEM_TYPES)
    )
    label_smoothing: float = setting(0.0, "share of each label spread over all labels", least=0, most=0.99)
    class_weights: str | None = setting(None, "balanced, or label=weight,label=weight")
    threshold: float = setting(
        0.5, "probability from which a label counts as given (multi_label)", least=0, most=1, scores=True
    )
    calibrate: bool = setting(False, "fold a temperature fitted on validation rows into the model (single_label)")


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    top_k: int | str | None = setting(
        "default", "how many labels to return with their scores; none for all", choices=("default", "none"), least=1
    )
    function_to_apply: str | None = setting(
        None, "what turns logits into scores", choices=("sigmoid", "softmax", "none", "default")
    )
    threshold: float | None = setting(None, "return every label from this score on", least=0)


class TextClassification(Task):
    name = "text-classification"
    aliases = ("sentiment-analysis",)
    summary = "a text or a pair of texts → one label, several labels, or a number"
    auto_class = "AutoModelForSequenceClassification"
    roles = ("text", "text_pair", "label")
    needed = ("text",)
    row_by_row = True
    levels = {"labels": ROW}
    Training = Training
    Call = Call

    def __init__(self, labels: list[str] | None = None, **values: Any):
        super().__init__(**values)
        self.labels = [str(label) for label in labels] if labels is not None else None
        self.problem_type: str | None = self.settings.problem_type or (SINGLE if labels is not None else None)
        self.pair: bool | None = None  # whether it was trained on pairs; None for a model that doesn't say
        self.weights: list[float] | None = None  # one a label, mean 1 over the training rows
        self.by_place = False  # whether the training data name labels by their place alone
        self.judged_by: str | None = None  # the score by which a data set of that name is judged, where it has its own
        self.temperature: float | None = None  # by which its logits were divided, in its weights
        self.many_by_default = False  # a multi_label model of ours answers with every label over its threshold

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        return texts_from(given, ("text", "text_pair"))

    def prepare(self, rows: Rows) -> None:
        from_few(rows.table, "label", lambda few: self._learn(few.values * 3, rows), lambda all: self._learn(all, rows))

    def _learn(self, values: list[Any], rows: Rows) -> None:
        from byeori.data.labels import resolve_labels

        kind = self.settings.problem_type or self.problem_type
        self.pair = "text_pair" in rows.table.column_names
        self.judged_by = rows.facts.get("judged_by")
        self.problem_type, self.labels = resolve_labels(
            self._by_position(values), kind, self.labels or rows.label_names, rows.origin.where
        )
        self.many_by_default = self.problem_type == MULTI
        self.by_place = self._by_position(values) is not values or (
            self.problem_type == MULTI and isinstance(values[0], list) and all(one in (0, 1) for one in values[0])
        )
        self._weigh(rows)

    def _weigh(self, rows: Rows) -> None:
        asked = self.settings.class_weights
        if asked is None:
            return
        if self.problem_type != SINGLE:
            raise SettingError(
                f"class_weights={asked!r}: they are for single_label; these labels are {self.problem_type}."
            )
        assert self.labels is not None
        counts = np.bincount(self._ids_of(rows.table, rows), minlength=len(self.labels))
        self.weights = weights_of(asked, counts, self.labels)

    def _ids(self, values: list[Any], rows: Rows | None = None) -> np.ndarray:
        from byeori.data.labels import encode_labels

        where = {} if rows is None else {"where": rows.origin.where}
        return encode_labels(self._by_position(values), self.problem_type or SINGLE, self.labels, **where)

    def _ids_of(self, table: Any, rows: Rows | None = None) -> np.ndarray:
        """The labels of a table, found once for each different one where these are few."""
        if self.problem_type == MULTI:
            return self._ids(table["label"][:], rows)
        if self.problem_type == REGRESSION:
            try:
                return mapped.made(len(table), np.float32, lambda block: self._ids(table["label"][block]))
            except DataError:  # only a look at all rows can say which
                return self._ids(table["label"][:], rows)
        return from_few(
            table, "label", lambda few: mapped.take(self._ids(few.values), few.codes), lambda all: self._ids(all, rows)
        )

    def _by_position(self, values: list[Any]) -> list[Any]:
        """Ids 0 … L − 1 in the data and names in the task: the names in their order, as the course's id2label has them."""
        if not self.labels or self.problem_type not in (None, SINGLE):
            return values
        ids = {str(number): name for number, name in enumerate(self.labels)}
        found = {str(value) for value in values} if not set(ids) & set(self.labels) else {""}
        return [ids[str(value)] for value in values] if found <= set(ids) else values

    def label_ids(self, values: list[Any]) -> np.ndarray:
        """Labels of a column as the store holds them: int64 (n,), float32 (n, labels) or float32 (n,)."""
        return self._ids(values)

    def _same_shape(self, pair: bool, where: str) -> None:
        if self.pair is not None and pair != self.pair:
            had, has = ("pairs of texts", "single texts") if self.pair else ("single texts", "pairs of texts")
            raise DataError(
                f"{where}: the model was trained on {had}, and these are {has}. Name the columns with --text and --text-pair."
            )

    def _all_of_one_shape(self, pairs: list[str | None] | None, count: int) -> None:
        """As `_same_shape`, for inputs of which some may be pairs and others not. Raises RowsError for the wrong ones."""
        lone = [place for place, one in enumerate(pairs or ()) if one is None]
        if not lone or self.pair is None:
            self._same_shape(pairs is not None, "the input")
            return
        had, has = ("pairs of texts", "a single text") if self.pair else ("single texts", "a pair of texts")
        wrong = lone if self.pair else sorted(set(range(count)) - set(lone))
        if wrong:
            raise RowsError(dict.fromkeys(wrong, f"the model was trained on {had}, and this is {has}."))

    @property
    def prepared(self) -> bool:
        return self.problem_type == REGRESSION or self.labels is not None

    def count_labels(self, values: np.ndarray) -> dict[str, int] | None:
        if self.problem_type == REGRESSION or self.labels is None:
            return None
        single = self.problem_type == SINGLE
        counts = np.bincount(values, minlength=len(self.labels)) if single else np.asarray(values).sum(0)
        return {name: int(count) for name, count in zip(self.labels, counts, strict=True)}

    def reorder(self, labels: list[str]) -> bool:
        """Not where the data say labels by their place: 0 and 1 would stand for others than before."""
        if self.by_place:
            return False
        if self.weights is not None and self.labels is not None:
            self.weights = [self.weights[self.labels.index(name)] for name in labels]
        self.labels = labels
        return True

    def strata(self, rows: Rows) -> list[Any] | Coded | None:
        return (coded(rows.table, "label") or rows.table["label"][:]) if self.problem_type == SINGLE else None

    def check(self, rows: Rows) -> None:
        """Labels of validation or test rows that training lacks, empty ones, pairs for single texts raise DataError."""
        from byeori.data.labels import refuse_masked

        if "text" in rows.table.column_names:
            self._same_shape("text_pair" in rows.table.column_names, rows.origin.where(0))
        refuse_masked(rows.table, self.problem_type, rows.origin.where)
        self._ids_of(rows.table, rows)

    def adopt(self, config: Any) -> None:
        kinds = {theirs: ours for ours, theirs in PROBLEM_TYPES.items()}
        found = kinds.get(getattr(config, "problem_type", None) or "")
        self.problem_type = self.problem_type or found or SINGLE
        self.labels = names_in(config)

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        pairs = rows.get("text_pair")
        self._all_of_one_shape(pairs, len(rows["text"]))
        encoded = encoder(rows["text"], pairs)
        if labels:
            encoded.columns["labels"] = self._ids(rows["label"])
        return encoded

    # model ------------------------------------------------------------------------------------------------------
    @property
    def num_labels(self) -> int:
        return len(self.labels) if self.labels else 1

    def config(self) -> dict[str, Any]:
        return config_of(self.labels or ["LABEL_0"], PROBLEM_TYPES[self.problem_type or SINGLE])

    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        from byeori.models.outside import pooled_logits

        return SimpleNamespace(logits=pooled_logits(model, pack))

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(sequences,): cross-entropy, mean binary cross-entropy over the labels, or squared error."""
        from torch.nn import functional as F

        logits = outputs.logits.float()
        if self.problem_type == REGRESSION:
            return F.mse_loss(logits.squeeze(-1), pack.labels, reduction="none")
        if self.problem_type == MULTI:
            targets = pack.labels
            if self.settings.label_smoothing:
                targets = targets * (1 - self.settings.label_smoothing) + self.settings.label_smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)
        weights = None if self.weights is None else on_device(tuple(self.weights), logits.device)
        return F.cross_entropy(
            logits, pack.labels, weights, reduction="none", label_smoothing=self.settings.label_smoothing
        )

    def judging(self) -> TextClassification:
        """Class weights stay: they say what the model is wanted for."""
        if not self.settings.label_smoothing:
            return self
        found = copy.copy(self)
        found.settings = dataclasses.replace(self.settings, label_smoothing=0.0)
        return found

    # predictions ------------------------------------------------------------------------------------------------
    def scores(self, logits: np.ndarray, function: str | None = None) -> np.ndarray:
        """Logits (rows, labels) → scores, by the rule of transformers' pipeline; float32."""
        logits = np.asarray(logits, np.float32)
        if function in (None, "default"):
            plain = self.problem_type == REGRESSION
            function = (
                "none" if plain else "sigmoid" if self.problem_type == MULTI or logits.shape[-1] == 1 else "softmax"
            )
        if function == "none":
            return logits
        if function == "sigmoid":
            return 1 / (1 + np.exp(-logits))
        return softmax(logits)

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        call = call or Call()
        names = self.labels or ["LABEL_0"]
        scores = self.scores(answers.values, call.function_to_apply)
        top_k, threshold = call.top_k, call.threshold
        if top_k == "default" and threshold is None and self.many_by_default:
            threshold = self.settings.threshold
        if top_k == "default" and threshold is None:
            best = scores.argmax(-1)
            return [{"label": names[b], "score": float(row[b])} for b, row in zip(best, scores, strict=True)]
        found = []
        for row in scores:
            order = np.argsort(-row, kind="stable")
            if threshold is not None:
                order = order[row[order] >= threshold]
            if isinstance(top_k, int):
                order = order[:top_k]
            found.append([{"label": names[i], "score": float(row[i])} for i in order])
        return found

    def respond(self, predictions: list[Any], given: Any, single: bool, asked: ChainMap[str, Any]) -> Any:
        """As transformers 4 has it: a text is answered in a list, a dict is not, nor a text whose call says top_k.

        `return_all_scores` has the labels in the model's order, where top_k=None has the likeliest first.
        """
        here = asked.maps[0]
        every = bool(asked.get("return_all_scores")) and "top_k" not in here
        if every and self.labels:
            order = {name: place for place, name in enumerate(self.labels)}
            predictions = [sorted(row, key=lambda one: order[one["label"]]) for row in predictions]
        if not single:
            return predictions
        (found,) = predictions
        nested = not isinstance(found, list) or every or ("top_k" in asked and "top_k" not in here)
        return [found] if isinstance(given, str) and nested else found

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """Label ids int64 (rows,), given labels bool (rows, labels), or values float64 (rows,)."""
        if self.problem_type == REGRESSION:
            return answers.values[:, 0].astype(np.float64)
        if self.problem_type == MULTI:
            return self.scores(answers.values) >= self.settings.threshold
        return answers.values.argmax(-1)

    def confidence(self, answers: Answers, store: TokenStore) -> np.ndarray | None:
        single = self.problem_type == SINGLE and len(self.labels or ()) > 1
        return self.scores(answers.values).max(-1).astype(np.float64) if single else None

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        found: list[Any]
        place = {name: number for number, name in enumerate(self.labels or ())}
        if self.problem_type == REGRESSION:
            found = [(one["prediction"]["score"], one["reference"]) for one in lines]
        elif self.problem_type == SINGLE:
            found = [(place[one["prediction"]["label"]], place[one["reference"]]) for one in lines]
        else:
            given = [([label["label"] for label in one["prediction"]], one["reference"]) for one in lines]
            found = [tuple([name in side for name in place] for side in pair) for pair in given]
        predicted, right = zip(*found, strict=True)
        kind = np.float64 if self.problem_type == REGRESSION else None  # null, no number, is nan
        return np.array(predicted, kind), np.array(right, kind)

    def references(self, rows: Any) -> np.ndarray:
        """Label ids int64 (rows,), given labels bool (rows, labels), or values float64 (rows,)."""
        ids = self._ids_of(rows)
        if self.problem_type == MULTI:
            return ids > 0.5
        if self.problem_type == REGRESSION:
            return mapped.made(len(ids), np.float64, lambda block: ids[block])
        return ids

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        from byeori.metrics.scores import scores

        return scores(
            self.problem_type or SINGLE, predictions, references, self.labels or (), resamples=resamples, seed=seed
        )

    @property
    def ranked_scores(self) -> tuple[str, ...]:
        several = self.problem_type != REGRESSION and 1 < len(self.labels or ()) <= MOST_LABELS
        return (AUROC,) if several else ()

    def ranking(self, answers: Answers, store: TokenStore) -> np.ndarray | None:
        """Of two labels how much more of the second, float32 (rows,); else logits less their log-sum, (rows, labels)."""
        if not self.ranked_scores:
            return None
        logits = np.asarray(answers.values, np.float32)
        return logits if self.problem_type == MULTI else order_of(logits)

    def score_ranking(self, ranked: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        from byeori.metrics.ranking import ranking_scores

        return ranking_scores(ranked, references, resamples=resamples, seed=seed)

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> Any:
        from byeori.data import disk
        from byeori.metrics import baselines

        known = self.references(train.table)
        if kind == "trivial":
            return baselines.trivial(self.problem_type or SINGLE, known, len(rows))
        given, all_rows = train, len(train)
        if all_rows > _MOST_ROWS:  # of which a linear model reads at most half; no more texts are held
            some = np.sort(np.random.default_rng(seed).choice(all_rows, _MOST_ROWS, replace=False))
            given, known = train.select(some), known[some]

        def told(used: int) -> None:
            if used < all_rows:
                train.notes.append(
                    f"the linear baseline learns from {used:,} of {all_rows:,} rows, drawn by seed {seed}"
                )

        pairs = "text_pair" in given.table.column_names
        return baselines.linear(
            self.problem_type or SINGLE, disk.column(given.table, "text").to_pylist(),
            disk.column(given.table, "text_pair").to_pylist() if pairs else None, known,
            rows.table["text"], rows.table["text_pair"] if pairs else None,
            n_labels=self.num_labels, seed=seed, told=told,
        )  # fmt: skip

    @property
    def best(self) -> str:
        if self.judged_by and self.problem_type == SINGLE:
            return self.judged_by
        return {SINGLE: "accuracy", MULTI: "micro_f1", REGRESSION: "pearson"}[self.problem_type or SINGLE]

    @property
    def of_class(self) -> dict[str, str]:
        """With two labels f1, precision and recall are those of the second one, which has the id 1."""
        if self.problem_type != SINGLE or self.labels is None or len(self.labels) != 2:
            return {}
        return dict.fromkeys(ONE_CLASS, self.labels[1])

    def right_answer(self, row: dict[str, Any]) -> Any:
        return self.named(self._ids([row["label"]])[0]) if row.get("label") is not None else None

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """Text (and pair), prediction with its score, label, and whether they agree (None for numbers)."""
        return labelled(row, prediction, reference, number=self.problem_type == REGRESSION)

    def named(self, reference: Any) -> Any:
        """A reference as `references` gives it → the words for it."""
        if self.problem_type == REGRESSION:
            return float(reference)
        assert self.labels is not None
        if self.problem_type == MULTI:
            return [name for name, given in zip(self.labels, reference, strict=True) if given]
        return self.labels[int(reference)]

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {
            "settings": dataclasses.asdict(self.settings),
            "labels": self.labels,
            "problem_type": self.problem_type,
            "pair": self.pair,
            "weights": self.weights,
            **({} if self.temperature is None else {"temperature": self.temperature}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.labels, self.problem_type, self.weights = state["labels"], state["problem_type"], state["weights"]
        self.pair, self.temperature = state.get("pair"), state.get("temperature")
        if self.problem_type not in PROBLEM_TYPES:
            raise ModelError(
                f"byeori.json names the problem type {self.problem_type!r}, which this version doesn't know. Update Byeori."
            )
        self.many_by_default = self.problem_type == MULTI
