"""A plain Trainer on running text, causal (blocks of equal length, `group_texts`) and masked (line by line).

The trained model is scored twice: by the Trainer's own evaluation loss (`own_perplexity`), and by Byeori on the test rows
as Byeori reads them, which is what is compared: the same tokens asked for, the same words masked.

    causal(recipe, task, train, test)["scores"]["perplexity"]
"""

from __future__ import annotations

import math
import tempfile
from typing import TYPE_CHECKING, Any

from byeori.bench.trainer import RESAMPLES, Recipe, longest, prepared, trained
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.data.rows import Rows


def causal(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    """Raises DataError for texts that make no whole block together."""
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForCausalLM.from_pretrained(recipe.model)
    size = task.settings.block_length or longest(recipe, task, model, tokenizer)

    def blocks(rows: Rows) -> datasets.Dataset:
        """All texts one after the other, an end token behind each; what is left behind the last whole block is dropped."""
        texts = [text + tokenizer.eos_token for text in rows.table["text"][:]]
        ids = [one for row in tokenizer(texts)["input_ids"] for one in row]
        whole = len(ids) // size * size
        if not whole:
            raise DataError(
                f"{rows.origin.where(0)}: all {len(rows):,} texts have {len(ids):,} tokens, and a block is {size}. Give more rows, or "
                f"a smaller --block-length."
            )
        made = [ids[at : at + size] for at in range(0, whole, size)]
        return datasets.Dataset.from_dict({"input_ids": made, "labels": made})

    # Not DataCollatorForLanguageModeling, which takes every end token for padding where a tokenizer has no other pad token.
    collator = transformers.default_data_collator
    return _judged(recipe, task, test, (model, tokenizer, blocks(train), collator, blocks(test)))


def masked(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    import datasets
    import transformers

    tokenizer = prepared(recipe)
    model = transformers.AutoModelForMaskedLM.from_pretrained(recipe.model)
    length = longest(recipe, task, model, tokenizer)

    def lines(rows: Rows) -> datasets.Dataset:
        texts = rows.table["text"][:]
        found = tokenizer(texts, truncation=True, max_length=length, return_special_tokens_mask=True)
        return datasets.Dataset.from_dict(dict(found))

    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=task.settings.mlm_probability)
    return _judged(recipe, task, test, (model, tokenizer, lines(train), collator, lines(test)))


def _judged(recipe: Recipe, task: Any, test: Rows, parts: tuple) -> dict[str, Any]:
    from byeori.predict.run import load_run

    model, tokenizer, rows, collator, asked = parts
    with trained(recipe, model, tokenizer, rows, collator) as (trainer, took):
        own = trainer.evaluate(asked)["eval_loss"]
        with tempfile.TemporaryDirectory() as folder:
            trainer.model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            run = load_run(
                folder, task=task, max_length=recipe.max_length, device=recipe.device, precision=recipe.precision
            )
            scores = run.evaluate(test, resamples=RESAMPLES)
        return {"scores": scores, "own_perplexity": math.exp(own), **took}
