"""What is known of each row that was scored, beside its prediction: kept so that scores can be asked for again.

Invariant: predictions/PART.jsonl and predictions/PART.measured.jsonl together give every score of metrics.json that is the
task's own, without a model: a comparison weighs and exchanges rows.

A line is {"row", "key", "loss", "labels", "confidence", "ranked", "kept"}: `key` is a hash of the row's inputs, by which two
runs tell whether they saw the same rows; `loss` the sum of its losses, and `labels` how many they are of; `confidence`, where
classes are told apart, is of the one that was predicted; `ranked` what AUROC puts rows in order by; `kept` what the task's
scores need and the prediction doesn't say. Some eighty bytes a row; a score that isn't a mean over rows (perplexity, F1 of
entities) can't be had from its value alone.

write(folder.predictions / "test.measured.jsonl", task, rows.table, references, judged)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import mapped
from byeori.run import dumps, whole

if TYPE_CHECKING:
    from byeori.predict.evaluate import Judged
    from byeori.tasks.base import Task


def path_of(predictions: Path, part: str) -> Path:
    return predictions / f"{part}.measured.jsonl"


def write(path: Path, task: Task, table: Any, references: Any, judged: Judged) -> None:
    """One line a row; whole or not at all."""
    # Texts that share blocks have no losses of their own but in their sums (`Likelihood`).
    own = len(judged.losses.sums) == len(judged.predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for row, key in enumerate(keys(task, table)):
            if own:
                loss, labels = judged.losses.sums[row], judged.losses.labels[row]
            else:
                loss, labels = judged.predictions[row][:2]
            line = {"row": row + 1, "key": key, "loss": float(loss), "labels": int(labels)}
            if judged.confidence is not None:
                line["confidence"] = float(judged.confidence[row])
            if judged.ranked is not None:
                line["ranked"] = _shortest(judged.ranked[row])
            if (kept := task.kept(judged.predictions[row], references[row])) is not None:
                line["kept"] = kept
            file.write(dumps(line) + "\n")


def _shortest(values: Any) -> Any:
    """float32, () or (classes,), in as few digits as keep their order and their ties."""
    if values.ndim:
        return [_shortest(value) for value in values]
    return float(str(np.float32(values)))


def keys(task: Task, table: Any) -> Iterator[str]:
    """A short hash of the inputs of each row: of what it is asked, without the right answer."""
    names = [role for role in task.roles if role in table.column_names and role not in task.answers]
    names = names or [name for name in table.column_names if name not in task.answers]
    for block in mapped.spans(len(table)):
        columns = table[block.start : block.stop]
        for row in zip(*(columns[name] for name in names), strict=True):
            text = json.dumps(row, ensure_ascii=False, default=str)
            yield hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
