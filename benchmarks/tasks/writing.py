"""A plain Seq2SeqTrainer: DataCollatorForSeq2Seq, `predict_with_generate`.

writing(job, task, train, test)["scores"]["chrf"]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.tasks.theirs import RESAMPLES, loss, seeded, trained


def writing(job: dict, task: Any, train: Any, test: Any) -> dict:
    import datasets
    import transformers

    own = job["settings"]
    tokenizer = seeded(job)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(job["model"])
    # `generation_max_length` alone leaves the padding of predictions at the configuration's own length.
    model.generation_config.max_length = own["max_target_length"] + 1

    def encoded(table: Any) -> datasets.Dataset:
        found = tokenizer(table["source"][:], truncation=True, max_length=own["max_length"])
        right = tokenizer(text_target=table["target"][:], truncation=True, max_length=own["max_target_length"])
        return datasets.Dataset.from_dict({**found, "labels": right["input_ids"]})

    collator = transformers.DataCollatorForSeq2Seq(tokenizer, model)
    more = {"predict_with_generate": True, "generation_max_length": own["max_target_length"] + 1}
    with trained(job, model, tokenizer, encoded(train), collator, **more) as (trainer, took):
        judged = trainer.predict(encoded(test))
        ids = np.where(judged.predictions < 0, tokenizer.pad_token_id, judged.predictions)
        written = tokenizer.batch_decode(ids, skip_special_tokens=True)
        scores = task.score(written, task.references(test), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took, "sample": written[:3]}
