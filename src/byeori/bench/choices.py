"""A plain Trainer on choices: `AutoModelForMultipleChoice`, a row's choices padded together.

choices(recipe, task, train, test)["scores"]["accuracy"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.bench.trainer import RESAMPLES, Recipe, longest, loss, prepared, trained

if TYPE_CHECKING:
    from byeori.data.rows import Rows


def choices(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForMultipleChoice.from_pretrained(recipe.model)
    length = longest(recipe, task, model, tokenizer)

    def encoded(table: Any) -> datasets.Dataset:
        asked = table["choices"][:]
        first = [text for text, row in zip(table["text"][:], asked, strict=True) for _ in row]
        second = [choice for row in asked for choice in row]
        found = tokenizer(first, second, truncation=True, max_length=length)
        each = len(asked[0])
        rows = {name: [ids[at : at + each] for at in range(0, len(ids), each)] for name, ids in found.items()}
        return datasets.Dataset.from_dict({**rows, "labels": table["label"][:]})

    collator = transformers.DataCollatorForMultipleChoice(tokenizer)
    with trained(recipe, model, tokenizer, encoded(train.table), collator) as (trainer, took):
        judged = trainer.predict(encoded(test.table))
        scores = task.score(judged.predictions.argmax(-1), task.references(test.table), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}
