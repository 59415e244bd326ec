"""A plain Seq2SeqTrainer: DataCollatorForSeq2Seq, `predict_with_generate`.

writing(recipe, task, train, test)["scores"]["chrf"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.bench.trainer import RESAMPLES, Recipe, longest, loss, prepared, trained

if TYPE_CHECKING:
    from byeori.data.rows import Rows


def writing(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    """The checkpoint's own prefix stands before each source, as its card tells people to put it."""
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(recipe.model)
    length, most = longest(recipe, task, model, tokenizer), task.settings.max_target_length
    task.adopt(model.config)
    task.speak(tokenizer, None, True)
    # `generation_max_length` alone leaves the padding of predictions at the configuration's own length.
    model.generation_config.max_length = most + 1

    def encoded(table: Any) -> datasets.Dataset:
        sources = [task.prefix + text for text in table["source"][:]]
        found = tokenizer(sources, truncation=True, max_length=length)
        right = tokenizer(text_target=table["target"][:], truncation=True, max_length=most)
        return datasets.Dataset.from_dict({**found, "labels": right["input_ids"]})

    collator = transformers.DataCollatorForSeq2Seq(tokenizer, model)
    more = {"predict_with_generate": True, "generation_max_length": most + 1}
    with trained(recipe, model, tokenizer, encoded(train.table), collator, **more) as (trainer, took):
        judged = trainer.predict(encoded(test.table))
        ids = np.where(judged.predictions < 0, tokenizer.pad_token_id, judged.predictions)
        written = tokenizer.batch_decode(ids, skip_special_tokens=True)
        scores = task.score(written, task.references(test.table), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}
