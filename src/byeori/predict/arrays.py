"""What a model gave, and the labels, as arrays whose first axis is rows: for the course's eval_pred, and `arrays=True`.

Invariants: row i of each is row i of the data; a task or data without such arrays is refused with the reason before anything
is computed, never answered with rows that are something else (windows, choices laid flat, likelihoods).

    logits_of(answers, sequences_a_row), labels_of(store)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from byeori.errors import SettingError
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, SEQUENCE, TOKEN, TokenStore

if TYPE_CHECKING:
    from byeori.batches.answers import Answers
    from byeori.tasks.base import Task


def sequences_a_row(store: TokenStore) -> np.ndarray:
    """int64 (rows,)."""
    return np.diff(store.row_offsets)


def logits_of(answers: Answers, counts: np.ndarray, pad: int = IGNORED) -> np.ndarray:
    """float32 (rows, labels), (rows, longest, labels) where there are several a row, padded with −100, or (rows, choices)
    where a row's sequences are its choices; of a task that writes int64 (rows, longest), ids padded with `pad`.

    `counts`: sequences a row, where there are several as many in all.
    """
    values = answers.values
    if answers.offsets is None and len(counts) and counts.max() > 1:
        return values.reshape(len(counts), int(counts[0]), *values.shape[1:])
    return _rectangle(values, answers.offsets, pad if np.issubdtype(values.dtype, np.integer) else IGNORED)


def labels_of(store: TokenStore) -> np.ndarray:
    """(rows,), (rows, labels), (rows, longest) padded with −100; of choices the place of the right one, (rows,)."""
    if _are_choices(store):
        return np.flatnonzero(np.asarray(store.columns["labels"]) != IGNORED) - store.row_offsets[:-1]
    offsets = {TOKEN: store.offsets, LIST: store.list_offsets.get("labels")}.get(store.levels["labels"])
    return _rectangle(np.asarray(store.columns["labels"]), offsets)


def lacking(task: Task, counts: np.ndarray, one_value: bool, written: bool) -> str | None:
    """Why there are no arrays of these rows; None where there are.

    `counts`: sequences a row; `one_value`: each sequence has one; `written`: ids were written, so that they are no logits.
    """
    if written or "labels" not in task.levels:
        return f"{task.name} gives no logits"
    low, high = (int(counts.min()), int(counts.max())) if len(counts) else (1, 1)
    if high == 1 or (low == high and one_value):
        return None
    return f"a row has {low if low == high else f'{low} to {high}'} sequences here (windows, or choices)"


def lacking_labelled(task: Task, store: TokenStore) -> str | None:
    """`lacking`, of an evaluation."""
    choices = "labels" in store.levels and _are_choices(store)
    return lacking(task, sequences_a_row(store), choices, task.teacher_forced)


def check_metrics(task: Task, store: TokenStore, metrics: Sequence[Callable]) -> None:
    """Before anything is computed: raises SettingError for a metric of eval_pred that can't have its arrays, or that no way
    of calling fits."""
    from byeori.metrics.custom import wants_arrays
    from byeori.metrics.intervals import metric_name

    for metric in metrics:
        if wants_arrays(metric) and (why := lacking_labelled(task, store)):
            raise SettingError(
                f"The metric {metric_name(metric)} is one of eval_pred, which holds logits and labels with a place for each row, and "
                f"{why}. Write it as a function of (predictions, references)."
            )


def _are_choices(store: TokenStore) -> bool:
    """Whether a row owns several sequences, one of which is the right one."""
    labels = store.columns["labels"]
    if store.levels["labels"] != SEQUENCE or labels.ndim > 1 or store.one_sequence_a_row:
        return False
    right = np.add.reduceat((np.asarray(labels) != IGNORED).astype(np.int64), np.asarray(store.row_offsets[:-1]))
    return bool((right == 1).all())


def _rectangle(values: np.ndarray, offsets: np.ndarray | None, fill: int = IGNORED) -> np.ndarray:
    """Flat values with their offsets → (sequences, longest, …), padded, with −100 as transformers' Trainer has it."""
    if offsets is None:
        return values
    lengths = np.diff(offsets)
    made = np.full((len(lengths), int(lengths.max(initial=0)), *values.shape[1:]), fill, values.dtype)
    for place, (start, length) in enumerate(zip(offsets, lengths, strict=False)):
        made[place, :length] = values[start : start + length]
    return made
