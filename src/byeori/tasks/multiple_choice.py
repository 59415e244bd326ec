"""multiple-choice: a text and some choices → the right one.

A row owns a sequence a choice, the pair of text and choice; rows may differ in how many they have. The head gives each
sequence one score, the loss is cross-entropy over the row's own (Radford et al., 2018), so all of a row's choices lie in
one pack and a question of five choices is not padded with a sixth.

    byeori train --task multiple-choice --model klue/roberta-base --train questions.jsonl --output run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError
from byeori.settings import setting
from byeori.tasks.base import Row, Task
from byeori.tasks.probabilities import softmax
from byeori.text.blocks import IGNORED
from byeori.text.store import SEQUENCE, Encoded

if TYPE_CHECKING:
    import torch

    from byeori.batches.answers import Answers
    from byeori.batches.pack import Pack
    from byeori.data.cleaning import Cleaner
    from byeori.data.rows import Rows
    from byeori.text.encode import Encoder
    from byeori.text.store import TokenStore


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    top_k: int | str | None = setting(
        "default", "how many choices to return with their scores; none for all", choices=("default", "none"), least=1
    )


class MultipleChoice(Task):
    name = "multiple-choice"
    summary = "a text and some choices → the right one"
    auto_class = "AutoModelForMultipleChoice"
    roles = ("text", "choices", "label")
    needed = ("text", "choices")
    row_by_row = True
    levels = {"labels": SEQUENCE}
    Call = Call

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.label_base: str | None = None  # how the training labels were read: "0" or "1" where they are indices

    # rows -------------------------------------------------------------------------------------------------------
    def inputs(self, given: Any) -> tuple[list[dict[str, Any]], bool]:
        """{"text": …, "choices": […]} or (text, choices), or a list of them; `context` and `question` make a text."""
        single = isinstance(given, dict | tuple)
        return [_row(item, place) for place, item in enumerate([given] if single else given)], single

    def prepare(self, rows: Rows) -> None:
        """Raises DataError for a row with one choice, or whose right one isn't there."""
        _check(rows)
        self.label_base = rows.facts.get("label_base")

    def check(self, rows: Rows) -> None:
        """As `prepare`; indices that could count from 0 or from 1 are counted as those of training were."""
        base = rows.facts.get("label_base")
        if {base, self.label_base} == {"0", "1"}:
            _count_from(rows, str(base), str(self.label_base))
        _check(rows)

    def groups(self, rows: Rows) -> np.ndarray | None:
        """Rows of one text stay together, or, where a few texts serve all rows, those that are the same row."""
        texts = rows.table["text"][:]
        if len(set(texts)) * 5 < len(texts):
            texts = [(text, *choices) for text, choices in zip(texts, rows.table["choices"][:], strict=True)]
        known = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return np.array([known[text] for text in texts], np.int64)

    # ids --------------------------------------------------------------------------------------------------------
    def encode(self, rows: dict[str, list], encoder: Encoder, labels: bool = True, call: Any | None = None) -> Encoded:
        """A sequence a choice; the column `labels`, int64 (sequences,), is 1 for the right one, −100 elsewhere."""
        from byeori.text.pairs import encode_pairs

        counts = np.array([len(choices) for choices in rows["choices"]], np.int64)
        flat = [choice for choices in rows["choices"] for choice in choices]
        encoded = encode_pairs(
            encoder, rows["text"], flat, np.repeat(np.arange(len(counts)), counts), np.arange(len(flat))
        )
        encoded.sequences_a_row = counts
        if labels:
            encoded.columns["labels"] = right_ones(np.asarray(rows["label"], np.int64), counts)
        return encoded

    # model ------------------------------------------------------------------------------------------------------
    def outputs(self, model: torch.nn.Module, pack: Pack) -> Any:
        from byeori.models.outside import pooled_logits

        return SimpleNamespace(logits=pooled_logits(model, pack).squeeze(-1))

    def loss(self, outputs: Any, pack: Pack) -> torch.Tensor:
        """(sequences,): the row's cross-entropy at its right choice, 0 at the others."""
        return row_losses(outputs.logits, pack)

    # predictions ------------------------------------------------------------------------------------------------
    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """{"choice": index, "label": its text, "score": probability}; with `top_k` a list of them, the best first."""
        top_k = (call or Call()).top_k
        found: list[Any] = []
        for row, scores in enumerate(of_rows(answers.values, store)):
            choices, chances = store.row(row)["choices"], softmax(scores)
            order = np.argsort(-chances, kind="stable")
            if isinstance(top_k, int):
                order = order[:top_k]
            every = [{"choice": int(i), "label": choices[i], "score": float(chances[i])} for i in order]
            found.append(every[0] if top_k == "default" else every)
        return found

    def given_back(self, prediction: Any, row: Row, given: Row, cleaner: Cleaner, call: Any | None = None) -> Any:
        """Choices as they were given."""
        if isinstance(prediction, list):
            return [self.given_back(one, row, given, cleaner, call) for one in prediction]
        return {**prediction, "label": given["choices"][prediction["choice"]]}

    def predictions(self, answers: Answers, store: TokenStore) -> np.ndarray:
        """The index of the best choice, int64 (rows,)."""
        return np.array([scores.argmax() for scores in of_rows(answers.values, store)], np.int64)

    def confidence(self, answers: Answers, store: TokenStore) -> np.ndarray:
        return np.array([softmax(scores).max() for scores in of_rows(answers.values, store)], np.float64)

    def scored_again(self, lines: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        chosen = [one["prediction"]["choice"] for one in lines]
        return np.array(chosen, np.int64), np.array([one["reference"] for one in lines], np.int64)

    def references(self, rows: Any) -> np.ndarray:
        """The index of the right choice, int64 (rows,)."""
        return np.asarray(rows["label"][:], np.int64)

    def score(self, predictions: Any, references: Any, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
        from byeori.metrics.choices import accuracy

        return accuracy(predictions, references, resamples=resamples, seed=seed)

    def baseline(self, kind: str, train: Rows, rows: Rows, seed: int) -> np.ndarray:
        """trivial: the index that is right most often; linear: the choice that shares most with the text."""
        from byeori.metrics import choices

        asked = rows.table["choices"][:]
        if kind == "trivial":
            return choices.trivial(self.references(train.table), [len(one) for one in asked])
        return choices.linear(
            train.table["text"][:], train.table["choices"][:], self.references(train.table), rows.table["text"][:], asked,
            seed=seed,
        )  # fmt: skip

    @property
    def best(self) -> str:
        return "accuracy"

    def named(self, value: Any) -> int:
        """An index, as Python has it."""
        return int(value)

    def right_answer(self, row: dict[str, Any]) -> Any:
        """The text of the right choice."""
        return row["choices"][row["label"]] if row.get("label") is not None and row.get("choices") else None

    def show(self, row: dict[str, Any], prediction: Any, reference: Any = None) -> dict[str, Any]:
        """Text and choices, the chosen one with its score, the right one, and whether they are the same."""
        chosen = prediction[0] if isinstance(prediction, list) else prediction
        right = None if row.get("label") is None else chosen["choice"] == row["label"]
        return {"kind": "choice", "inputs": {"text": row.get("text"), "choices": row.get("choices")},
                "prediction": chosen["label"], "chosen": chosen["choice"], "label": row.get("label"),
                "score": round(chosen["score"], 4), "reference": reference, "right": right}  # fmt: skip

    # saving -----------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {**super().state(), "label_base": self.label_base}

    def restore(self, state: dict[str, Any]) -> None:
        self.label_base = state.get("label_base")


# what a row's sequences share, here and in zero-shot-classification -----------------------------------------------


def right_ones(indices: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """int64 (sequences,): 1 at the sequence of each row's right index, −100 elsewhere."""
    found = np.full(int(counts.sum()), IGNORED, np.int64)
    found[np.cumsum(counts) - counts + indices] = 1
    return found


def row_losses(scores: torch.Tensor, pack: Pack) -> torch.Tensor:
    """Cross-entropy over the scores (sequences,) of each row's sequences, float32 (sequences,), at the right one."""
    import torch

    scores = scores.float()
    owner, rows = pack.owners, len(np.unique(pack.rows))
    highest = scores.new_full((rows,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    sums = scores.new_zeros(rows).index_add(0, owner, (scores - highest[owner]).exp())
    losses = sums.log()[owner] + highest[owner] - scores
    return torch.where(pack.labels != IGNORED, losses, torch.zeros_like(losses))


def of_rows(values: np.ndarray, store: TokenStore) -> list[np.ndarray]:
    """A value a sequence → the values of each row."""
    return np.split(values, np.asarray(store.row_offsets[1:-1])) if len(store) else []


def _row(item: Any, place: int) -> dict[str, Any]:
    if isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str) and not isinstance(item[1], str):
        item = {"text": item[0], "choices": item[1]}
    text = None
    if isinstance(item, dict):
        parts = [item[name] for name in ("context", "question") if item.get(name)]
        text = item.get("text")
        if text is None and parts:
            text = "\n".join(map(str, parts))  # as files are read
    if not isinstance(text, str) or not isinstance(item.get("choices"), Sequence) or isinstance(item["choices"], str):
        raise DataError(
            f'input {place + 1} is {type(item).__name__} {str(item)[:60]!r}: {{"text": …, "choices": […]}} is needed.'
        )
    if not text.strip():
        raise DataError(
            f"input {place + 1}: its text is empty. Give the question, or what the choices go on from, as text."
        )
    choices = list(item["choices"])
    wrong = next((one for one in choices if not isinstance(one, str)), None)
    if wrong is not None:
        raise DataError(f"input {place + 1}: a choice is {type(wrong).__name__} {str(wrong)[:60]!r}, not a text.")
    if len(choices) < 2:
        raise DataError(f"input {place + 1}: it has {len(choices)} choices; at least two are needed.")
    return {"text": text, "choices": choices}


def _check(rows: Rows) -> None:
    if "choices" not in rows.table.column_names:
        raise DataError(
            "multiple-choice: rows that are already tokenized are not taken here. Give them as texts and choices."
        )
    labels = rows.table["label"][:] if "label" in rows.table.column_names else None
    for place, choices in enumerate(rows.table["choices"][:]):
        if len(choices) < 2:
            raise DataError(f"{rows.origin.where(place)}: it has {len(choices)} choices; at least two are needed.")
        if labels is not None and not (isinstance(labels[place], int) and 0 <= labels[place] < len(choices)):
            raise DataError(
                f"{rows.origin.where(place)}: the label {labels[place]!r} is none of its {len(choices)} choices, numbered from 0. "
                f"Correct the row, or leave such rows out with --skip-bad-rows."
            )


def _count_from(rows: Rows, base: str, trained: str) -> None:
    """Labels that were read as counted from `base`, counted from `trained`. Raises DataError where that can't be."""
    moved = np.asarray(rows.table["label"][:], np.int64) + int(base) - int(trained)
    counts = np.array([len(choices) for choices in rows.table["choices"][:]])
    wrong = np.flatnonzero((moved < 0) | (moved >= counts))
    if len(wrong):
        raise DataError(
            f"{rows.origin.where(int(wrong[0]))}: the labels count the choices from {base} here, those of the training data were read as "
            f"counted from {trained}. Give the text of the right choice as the label in both."
        )
    rows.table = rows.table.remove_columns("label").add_column("label", moved.tolist())
    rows.facts["label_base"] = trained
    rows.notes.append(f"the labels were read as an index from {trained}, as in training")
