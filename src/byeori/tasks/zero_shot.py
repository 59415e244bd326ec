"""zero-shot-classification: a text and labels that no model was trained for → the labels, the likeliest first.

A model of natural language inference (NLI) is asked whether the text entails "This example is {label}." (Yin et al.,
2019). A row owns a sequence a label, so that all texts and labels are batched together; text and hypotheses are
tokenized once each and only the text is cut. Any text-classification model with an entailment label can be asked, ours
included: nothing is trained here.

    byeori predict MODEL texts.tsv --task zero-shot-classification --candidate-labels 배송,환불 --output out.jsonl
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError, ModelError, SettingError
from byeori.settings import setting
from byeori.tasks.base import Row, Task, texts_from
from byeori.tasks.multiple_choice import right_ones, row_losses
from byeori.tasks.probabilities import softmax
from byeori.text.store import SEQUENCE, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.cleaning import Cleaner
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore

TEMPLATE = "This example is {}."  # for Korean labels say a Korean one: "이 글은 {}에 관한 것이다."
# What the labels of NLI models begin with, in the languages such models are made for.
ENTAILMENT = ("entail", "implica", "함의", "수반", "함축", "含意", "蕴含", "蕴涵")
CONTRADICTION = ("contrad", "모순", "矛盾")


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    candidate_labels: Any = setting(None, "the labels to choose from: a list, or a,b,c", metavar="LABELS", scores=True)
    hypothesis_template: str | None = setting(
        None, f'the sentence a label is put into  [default: "{TEMPLATE}"]', scores=True
    )
    multi_label: bool | None = setting(None, "each label is judged by itself, several may be true", scores=True)
    entailment_label: str | None = setting(
        None, "the model's label for entailment; found by its name if not given", scores=True
    )


@dataclass(kw_only=True)
class Asked(Call):
    """What is asked where a call doesn't say, as in evaluation."""


class ZeroShotClassification(Task):
    """`ZeroShotClassification(candidate_labels=["배송", "환불"])` holds for every call that names no others."""

    name = "zero-shot-classification"
    summary = "a text and labels of your choice → the labels by likelihood, from any NLI model"
    auto_class = "AutoModelForSequenceClassification"
    roles = ("text", "label")
    needed = ("text",)
    row_by_row = True
    levels = {"labels": SEQUENCE}
    trains = False
    positional = ("candidate_labels",)
    models_of = ("text-classification",)
    Training = Asked
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.ids: dict[str, int] = {}  # the model's labels
        self.labels: list[str] | None = None  # those of the file that is evaluated, where none were given

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        rows, single = texts_from(given, ("text", "text_pair"))
        if any("text_pair" in row for row in rows):
            raise DataError("zero-shot-classification takes single texts; what they are paired with are the labels.")
        return rows, single

    def prepare(self, rows: Rows | None) -> None:
        """Raises SettingError: it is the NLI model that is trained."""
        raise SettingError(
            "zero-shot-classification is not trained itself: it asks a model that was trained on pairs of sentences. Train one with "
            "--task text-classification --text PREMISE --text-pair HYPOTHESIS --label ENTAILMENT_OR_NOT, then predict with it here."
        )

    def check(self, rows: Rows) -> None:
        """Take the labels of the file as candidates where none were given. Raises DataError."""
        from byeori.data.labels import resolve_labels

        where, values = rows.origin.where, rows.table["label"][:]
        given = _labels(self.settings.candidate_labels)
        _, names = resolve_labels(_by_position(values, given), "single_label", given or rows.label_names, where)
        assert names is not None
        if not given and all(name.lstrip("-").replace(".", "", 1).isdecimal() for name in names):
            raise DataError(
                f"{where(0)}: the labels are numbers ({', '.join(names[:6])}), which say nothing to a model. Give their names, in the "
                f'order of the numbers, as candidate_labels of the task: ZeroShotClassification(candidate_labels=["…", "…"]).'
            )
        self.labels = names

    def adopt(self, config: Any) -> None:
        named = {str(name): int(number) for number, name in (getattr(config, "id2label", None) or {}).items()}
        self.ids = named | {
            str(name): int(number) for name, number in (getattr(config, "label2id", None) or {}).items()
        }

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """A sequence a text and label; the column `labels`, int64 (sequences,), is 1 at the right one, −100 elsewhere.

        Raises SettingError for labels or a template that can't be used, ModelError for a model that is none of NLI.
        """
        from byeori.text.pairs import encode_pairs

        asked = self.asked(call)
        self.entailment(asked)
        hypotheses = self._cleaned(_hypotheses(asked.hypothesis_template, asked.candidate_labels))
        texts, each = len(rows["text"]), len(hypotheses)
        first, second = np.repeat(np.arange(texts), each), np.tile(np.arange(each), texts)
        encoded = encode_pairs(encoder, rows["text"], hypotheses, first, second, only_first=True)
        encoded.sequences_a_row = np.full(texts, each, np.int64)
        if labels:
            encoded.columns["labels"] = right_ones(self.references(rows), encoded.sequences_a_row)
        return encoded

    def _cleaned(self, hypotheses: list[str]) -> list[str]:
        """Hypotheses as training cleaned its second texts. Raises SettingError for one that the own function refuses."""
        problems: dict[int, str] = {}
        found = hypotheses if self.cleaning is None else self.cleaning(hypotheses, problems=problems)
        for place, why in problems.items():
            raise SettingError(f"candidate_labels: the hypothesis {hypotheses[place]!r} can't be cleaned: {why}.")
        return found

    def asked(self, call: Any | None = None) -> Any:
        """A call's settings, those it leaves out as the task has them. Raises SettingError without candidate labels."""
        values = {
            name: getattr(self.settings, name) if getattr(call, name, None) is None else getattr(call, name)
            for name in ("candidate_labels", "hypothesis_template", "multi_label", "entailment_label")
        }
        labels = _labels(values["candidate_labels"]) or (self.labels if call is None else None)
        if not labels:
            raise SettingError(
                'candidate_labels: zero-shot-classification needs the labels to choose from. Give candidate_labels=["…", "…"], '
                "--candidate-labels a,b,c."
            )
        return SimpleNamespace(**{**values, "candidate_labels": labels})

    def entailment(self, asked: Any) -> tuple[int, int]:
        """Which outputs stand for entailment and for its contrary. Raises ModelError, SettingError.

        The contrary is the label called contradiction; where none is, transformers' rule: the first output, or the last
        where the first is entailment.
        """
        name = asked.entailment_label
        if name is not None:
            found = next((i for own, i in self.ids.items() if own.casefold() == name.strip().casefold()), None)
            if found is None:
                raise SettingError(f"entailment_label={name!r}: the model's labels are {', '.join(self.ids)}.")
        else:
            found = self._called(ENTAILMENT, "e")
        if found is None:
            raise ModelError(
                f"zero-shot-classification needs a model of natural language inference, and none of this one's labels "
                f"({', '.join(list(self.ids)[:8])}) says entailment: its scores would mean nothing. Name a model trained on NLI pairs, "
                f"or, if one of these labels stands for entailment, say which with entailment_label."
            )
        contrary = self._called(CONTRADICTION, "c")
        if contrary is None or contrary == found:
            contrary = max(self.ids.values()) if found == 0 else 0
        return found, contrary

    def _called(self, beginnings: tuple[str, ...], letter: str) -> int | None:
        names = {name.strip().casefold(): number for name, number in self.ids.items()}
        for name, number in names.items():
            if name.startswith(beginnings):
                return number
        return names.get(letter) if set(names) <= {"e", "n", "c"} else None

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        from byeori.models.outside import pooled_logits

        return SimpleNamespace(logits=pooled_logits(model, pack))

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(sequences,): cross-entropy over the entailment logits of a row's labels, at the right one."""
        found, _ = self.entailment(self.asked())
        return row_losses(outputs.logits[:, found], pack)

    # predictions ------------------------------------------------------------------------------------------------
    def scores(self, logits: np.ndarray, asked: Any) -> np.ndarray:
        """(sequences, outputs) of the model → (rows, labels) float32, as transformers' pipeline has them.

        Shares of 1 among the labels; with `multi_label`, or one label, each label's share against its contrary.
        """
        found, contrary = self.entailment(asked)
        logits = np.asarray(logits, np.float32).reshape(-1, len(asked.candidate_labels), logits.shape[-1])
        if asked.multi_label or logits.shape[1] == 1:
            return softmax(logits[..., [contrary, found]])[..., 1]
        return softmax(logits[..., found])

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """{"sequence": the text, "labels": the likeliest first, "scores": theirs} a row."""
        asked = self.asked(call)
        found = []
        for row, scores in enumerate(self.scores(answers.values, asked)):
            order = np.argsort(scores, kind="stable")[::-1]
            found.append({
                "sequence": store.row(row)["text"],
                "labels": [asked.candidate_labels[i] for i in order],
                "scores": [float(scores[i]) for i in order],
            })  # fmt: skip
        return found

    def given_back(self, prediction: Any, row: Row, given: Row, cleaner: Cleaner, call: Any | None = None) -> Any:
        """The text as it was given."""
        return {**prediction, "sequence": given["text"]}

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """Ids of the likeliest labels, int64 (rows,)."""
        return self.scores(answers.values, self.asked()).argmax(-1)

    def references(self, rows: Any) -> np.ndarray:
        """Ids among the candidate labels, int64 (rows,)."""
        from byeori.data.labels import encode_labels

        names = self.asked().candidate_labels
        return encode_labels(_by_position(rows["label"][:], names), "single_label", names)

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        """accuracy and macro_f1."""
        from byeori.metrics.scores import scores

        names = self.asked().candidate_labels
        found = scores("single_label", predictions, references, names, resamples=resamples, seed=seed)
        return {name: found[name] for name in ("accuracy", "macro_f1")}

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> None:
        """None: there are no training rows."""

    @property
    def best(self) -> str:
        return "accuracy"

    def named(self, value: Any) -> str:
        return self.asked().candidate_labels[int(value)]


def _labels(given: Any) -> list[str] | None:
    """Candidate labels as a list: of a list, of a,b,c, of one label. Raises SettingError."""
    if given is None:
        return None
    found = given.split(",") if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else [given]
    wrong = next((one for one in found if not isinstance(one, str)), None)
    if wrong is not None:
        raise SettingError(
            f"candidate_labels: {wrong!r} is {type(wrong).__name__}, not a text. Give a list of texts, or a,b,c."
        )
    found = [one.strip() for one in found if one.strip()] if isinstance(given, str) else found
    if not found or not all(one.strip() for one in found):
        raise SettingError(
            f"candidate_labels={given!r}: {'a label is' if found else 'they are'} empty. Give a list of texts, or a,b,c."
        )
    return found


def _hypotheses(template: str | None, labels: list[str]) -> list[str]:
    """The template with each label in its {}. Raises SettingError for one without."""
    template = TEMPLATE if template is None else template
    try:
        found = [template.format(label) for label in labels]
    except (IndexError, KeyError, ValueError, AttributeError):
        found = [template]
    if found[0] == template:
        raise SettingError(
            f"hypothesis_template={template!r}: it needs {{}} once, the place where the label goes, as in {TEMPLATE!r}."
        )
    return found


def _by_position(values: list[Any], names: list[str] | None) -> list[Any]:
    """Ids 0 … L − 1 in the data and names from a person: the names in their order."""
    ids = {str(number): name for number, name in enumerate(names or ())}
    numbers = not set(ids) & set(names or ()) and {str(value) for value in values} <= set(ids)
    return [ids[str(value)] for value in values] if numbers else values
