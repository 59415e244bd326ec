"""A plain Trainer on running text, causal (blocks of equal length, `group_texts`) and masked (line by line).

The trained model is scored twice: by the Trainer's own evaluation loss (`own_perplexity`), and by Byeori on the test rows
as Byeori reads them, which is what the table compares: the same tokens asked for, the same words masked.

    causal(job, task, train, test)["scores"]["perplexity"]
"""

from __future__ import annotations

import math
import tempfile
from typing import Any

from benchmarks.tasks.theirs import RESAMPLES, seeded, trained


def causal(job: dict, task: Any, train: Any, test: Any) -> dict:
    import datasets
    import transformers

    tokenizer = seeded(job)
    model = transformers.AutoModelForCausalLM.from_pretrained(job["model"])
    size = job["settings"]["block_length"]

    def blocks(table: Any) -> datasets.Dataset:
        """All texts one after the other, an end token behind each; what is left behind the last whole block is dropped."""
        texts = [text + tokenizer.eos_token for text in table["text"][:]]
        ids = [one for row in tokenizer(texts)["input_ids"] for one in row]
        whole = len(ids) // size * size
        rows = [ids[at : at + size] for at in range(0, whole, size)]
        return datasets.Dataset.from_dict({"input_ids": rows, "labels": rows})

    # Not DataCollatorForLanguageModeling, which takes every end token for padding where a tokenizer has no other pad token.
    collator = transformers.default_data_collator
    return _judged(job, task, test, (model, tokenizer, blocks(train), collator, blocks(test)))


def masked(job: dict, task: Any, train: Any, test: Any) -> dict:
    import datasets
    import transformers

    tokenizer = seeded(job)
    model = transformers.AutoModelForMaskedLM.from_pretrained(job["model"])

    def lines(table: Any) -> datasets.Dataset:
        found = tokenizer(
            table["text"][:], truncation=True, max_length=job["settings"]["max_length"], return_special_tokens_mask=True
        )
        return datasets.Dataset.from_dict(dict(found))

    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    return _judged(job, task, test, (model, tokenizer, lines(train), collator, lines(test)))


def _judged(job: dict, task: Any, test: Any, parts: tuple) -> dict:
    import byeori

    model, tokenizer, rows, collator, asked = parts
    with trained(job, model, tokenizer, rows, collator) as (trainer, took):
        own = trainer.evaluate(asked)["eval_loss"]
        with tempfile.TemporaryDirectory() as folder:
            trainer.model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            run = byeori.load_run(folder, task=task, max_length=job["settings"]["max_length"])
            scores = run.evaluate(job["test"], resamples=RESAMPLES)
        return {"scores": scores, "own_perplexity": math.exp(own), **took}
