"""A plain Trainer on the sentence pairs of inference that zero-shot classification asks.

inference(recipe, task, train, test)["scores"]["accuracy"]
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.tasks import asking
from byeori.bench.classes import classes
from byeori.bench.trainer import Recipe

if TYPE_CHECKING:
    from byeori.data.rows import Rows


def inference(recipe: Recipe, task: Any, train: Rows, test: Rows) -> dict[str, Any]:
    """The NLI model by a Trainer, asked by transformers' own zero-shot pipeline."""
    import transformers

    def ask(model: Any, tokenizer: Any) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            pipeline = transformers.pipeline("zero-shot-classification", model=folder, device=-1)
            scores, _ = asking.asked(pipeline, test)
        return {"asked": scores}

    found = classes(recipe, task, train, test, then=ask)
    asked, nli = found.pop("asked"), found["scores"]
    return {**found, "scores": {**asked, "nli_accuracy": nli["accuracy"], "loss": nli["loss"]}}
