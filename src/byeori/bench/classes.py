"""A plain Trainer on texts, or pairs of texts, and their labels (the course's chapter on fine-tuning).

classes(recipe, task, train, test)["scores"]["accuracy"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.bench.trainer import RESAMPLES, Recipe, longest, loss, prepared, trained

if TYPE_CHECKING:
    from byeori.data.rows import Rows


def classes(
    recipe: Recipe, task: Any, train: Rows, test: Rows, then: Callable[[Any, Any], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """`then` is given model and tokenizer once they are trained; what it returns goes into the result."""
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        recipe.model, ignore_mismatched_sizes=True, **task.config()
    )
    length = longest(recipe, task, model, tokenizer)

    def encoded(table: Any) -> datasets.Dataset:
        pairs = table["text_pair"][:] if "text_pair" in table.column_names else None
        found = tokenizer(table["text"][:], pairs, truncation=True, max_length=length)
        return datasets.Dataset.from_dict({**found, "labels": task.label_ids(table["label"][:]).tolist()})

    collator = transformers.DataCollatorWithPadding(tokenizer)
    with trained(recipe, model, tokenizer, encoded(train.table), collator) as (trainer, took):
        judged = trainer.predict(encoded(test.table))
        scores = task.score(_given(judged.predictions, task), task.references(test.table), resamples=RESAMPLES)
        more = {} if then is None else then(trainer.model, tokenizer)
        return {"scores": scores | loss(judged.metrics), **took, **more}


def _given(logits: np.ndarray, task: Any) -> np.ndarray:
    """What `task.score` takes: label ids, given labels, or numbers."""
    if task.problem_type == "regression":
        return logits[:, 0].astype(np.float64)
    if task.problem_type == "multi_label":
        return 1 / (1 + np.exp(-logits)) >= task.settings.threshold
    return logits.argmax(-1)
