"""Scores on real Korean data, Byeori beside a plain Trainer on the same rows, same epochs, same learning rate, tested on the same rows.

The model is a BERT of 2 layers × 128 that starts from nothing, over KoELECTRA's vocabulary: there is no Korean checkpoint
at hand, and an English one sees Hangul as jamo. What is compared is the two programs; NSMC and question_pair are large
enough to teach such a model something, the NLI sets are not.

    python -m benchmarks.real --only korsts
"""

from __future__ import annotations

import argparse
import json
import tempfile
from typing import Any

from benchmarks.common import DATA, korean_bert, measure

KINDS: dict[str, dict[str, Any]] = {
    "nsmc": {"train": "nsmc/nsmc_30k.txt", "test": "nsmc/ratings_rebuilt_10k.txt", "epochs": 3},
    "klue_nli": {"train": "klue/klue-nli-v1.1_dev.json", "test": 0.2},
    "kornli": {"train": "kornli/xnli.dev.ko.tsv", "test": "kornli/xnli.test.ko.tsv"},
    "korsts": {"train": "korsts/sts-train.tsv", "test": "korsts/sts-test.tsv"},
    "question_pair": {"train": "question_pair/kor_pair_train.csv", "test": "question_pair/kor_Pair_test.csv"},
    "hate_speech": {"train": "korean_hate_speech/train.tsv", "test": "korean_hate_speech/dev.tsv", "label": "hate"},
    "hate_speech_bias": {
        "train": "korean_hate_speech/train.tsv",
        "test": "korean_hate_speech/dev.tsv",
        "label": "bias",
    },
    "hate_speech_gender": {
        "train": "korean_hate_speech/train.tsv",
        "test": "korean_hate_speech/dev.tsv",
        "label": "contain_gender_bias",
    },
    "hate_speech_multi": {
        "train": "korean_hate_speech/train.tsv",
        "test": "korean_hate_speech/dev.tsv",
        "label": "contain_gender_bias,bias,hate",
    },
}


def parts(job: dict) -> dict[str, Any]:
    """Byeori's own settings of the data, for both contestants."""
    found: dict[str, Any] = {"train": str(DATA / job["train"]), "validation_size": 0, "drop_empty": True}
    if isinstance(job["test"], str):
        found["test"] = str(DATA / job["test"])
    else:
        found["test_size"] = job["test"]
    return found | ({"label": job["label"]} if "label" in job else {})


def with_byeori(job: dict) -> dict:
    import byeori

    with tempfile.TemporaryDirectory() as folder:
        run = byeori.train(
            "text-classification",
            job["model"],
            output=f"{folder}/run",
            epochs=job["epochs"],
            learning_rate=job["rate"],
            max_length=job["length"],
            weight_decay=0.0,
            warmup_ratio=0.1,
            previews=0,
            seed=job["seed"],
            **parts(job),
        )
    return {"scores": run.metrics["test"], "baseline": run.metrics["baseline"], "training": run.metrics["training"]}


def with_trainer(job: dict) -> dict:
    import datasets
    import numpy as np
    import transformers

    from byeori import settings
    from byeori.batches.answers import Answers
    from byeori.tasks import TextClassification
    from byeori.train.parts import read_parts

    transformers.logging.set_verbosity_error()
    task = TextClassification()
    (chosen,) = settings.read(parts(job), settings.Train)
    rows = read_parts(chosen, task)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])

    def encoded(table: Any) -> datasets.Dataset:
        pairs = table["text_pair"][:] if "text_pair" in table.column_names else None
        ids = tokenizer(table["text"][:], pairs, truncation=True, max_length=job["length"])
        return datasets.Dataset.from_dict({**ids, "labels": task.label_ids(table["label"][:]).tolist()})

    transformers.set_seed(job["seed"])
    config = task.config()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["model"], num_labels=len(config["id2label"]), problem_type=config["problem_type"]
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            num_train_epochs=job["epochs"],
            learning_rate=job["rate"],
            warmup_steps=0.1,
            use_cpu=True,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            seed=job["seed"],
        )
        trainer = transformers.Trainer(
            model, arguments, train_dataset=encoded(rows["train"].table), processing_class=tokenizer
        )
        trainer.train()
        judged = trainer.predict(encoded(rows["test"].table))  # its sampler may reorder: labels come along
    predictions = task.predictions(Answers(np.asarray(judged.predictions)), None)
    ids = np.asarray(judged.label_ids)
    references = ids > 0.5 if task.problem_type == "multi_label" else ids
    return {"scores": task.score(predictions, references, resamples=1000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker")
    parser.add_argument("--only", default="", help="data sets whose name holds this")
    parser.add_argument("--who", default="byeori,trainer", help="which of the two")
    parser.add_argument("--seed", type=int, default=0, help="of the head, the order and dropout")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--output", default="real.jsonl", help="results, a line a run, appended")
    options = parser.parse_args()
    if options.worker:
        job = json.loads(options.worker)
        print(json.dumps({"byeori": with_byeori, "trainer": with_trainer}[job["who"]](job)))
        return
    folder = tempfile.TemporaryDirectory()
    model = korean_bert(folder.name, width=128, layers=2, heads=2)
    for name, kind in KINDS.items():
        if options.only not in name:
            continue
        for who in options.who.split(","):
            job = {"epochs": 6, **kind, "rate": options.rate, "length": options.length, "who": who, "model": model}
            job["seed"] = options.seed
            found = measure("benchmarks.real", job)
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(json.dumps({"data": name, "who": who, **found}) + "\n")
            shown = {k: round(v["value"], 4) for k, v in found["scores"].items() if v["value"] is not None}
            print(name, who, options.seed, shown, flush=True)


if __name__ == "__main__":
    main()
