"""A plain Trainer on choices, and on the sentence pairs of inference that zero-shot classification asks.

choices(job, task, train, test)["scores"]["accuracy"]
"""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks.tasks import asking
from benchmarks.tasks.theirs import RESAMPLES, loss, seeded, trained


def choices(job: dict, task: Any, train: Any, test: Any) -> dict:
    import datasets
    import transformers

    tokenizer = seeded(job)
    model = transformers.AutoModelForMultipleChoice.from_pretrained(job["model"])

    def encoded(table: Any) -> datasets.Dataset:
        asked = table["choices"][:]
        first = [text for text, row in zip(table["text"][:], asked, strict=True) for _ in row]
        second = [choice for row in asked for choice in row]
        found = tokenizer(first, second, truncation=True, max_length=job["settings"]["max_length"])
        each = len(asked[0])
        rows = {name: [ids[at : at + each] for at in range(0, len(ids), each)] for name, ids in found.items()}
        return datasets.Dataset.from_dict({**rows, "labels": table["label"][:]})

    collator = transformers.DataCollatorForMultipleChoice(tokenizer)
    with trained(job, model, tokenizer, encoded(train), collator) as (trainer, took):
        judged = trainer.predict(encoded(test))
        scores = task.score(judged.predictions.argmax(-1), task.references(test), resamples=RESAMPLES)
        return {"scores": scores | loss(judged.metrics), **took}


def inference(job: dict, task: Any, train: Any, test: Any) -> dict:
    """The NLI model by a Trainer, asked by transformers' own zero-shot pipeline."""
    import datasets
    import transformers

    tokenizer = seeded(job)
    names = task.labels
    ids = {name: number for number, name in enumerate(names)}
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["model"], id2label=dict(enumerate(names)), label2id=ids
    )

    def encoded(table: Any) -> datasets.Dataset:
        found = tokenizer(
            table["text"][:], table["text_pair"][:], truncation=True, max_length=job["settings"]["max_length"]
        )
        return datasets.Dataset.from_dict({**found, "labels": [ids[label] for label in table["label"][:]]})

    collator = transformers.DataCollatorWithPadding(tokenizer)
    with trained(job, model, tokenizer, encoded(train), collator) as (trainer, took):
        judged = trainer.predict(encoded(test))
        nli = task.score(judged.predictions.argmax(-1), task.references(test), resamples=RESAMPLES)
        with tempfile.TemporaryDirectory() as folder:
            trainer.model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            pipeline = transformers.pipeline("zero-shot-classification", model=folder, device=-1)
            scores, _ = asking.asked(pipeline, job["test"])
        return {"scores": {**scores, "nli_accuracy": nli["accuracy"]} | loss(judged.metrics), **took}
