"""Fine-tuning MiniLM beside transformers.Trainer: same rows, same epochs, scored on the same held-out rows.

python -m benchmarks.train --set nsmc --rows 3000 --rounds 3
"""

from __future__ import annotations

import json
import tempfile

from benchmarks.common import SETS, alternate, arguments, korean_bert, median, peak_mb, ratios

TEST = 1_000
TUTORIAL = {"rate": 5e-5, "warmup": 0.0}  # what the tutorials' TrainingArguments come to
OURS = {"rate": 2e-4, "warmup": 0.1}  # what Byeori's defaults come to for this model at 32 rows
CONTESTANTS = {
    "Trainer, tutorial (8, float32)": {"kind": "trainer", "batch": 8, "grouped": False, **TUTORIAL},
    "Trainer (32, random)": {"kind": "trainer", "batch": 32, "grouped": False, **OURS},
    "Trainer, tuned (32, grouped)": {"kind": "trainer", "batch": 32, "grouped": True, **OURS},
    "Byeori (32, random)": {"kind": "byeori", "settings": {"order": "random"}},
    "Byeori, defaults (32, grouped)": {"kind": "byeori", "settings": {}},
}


def work(job: dict) -> dict:
    texts, labels = SETS[job["set"]](job["rows"] + TEST)
    cut = job["rows"]
    return {"trainer": with_trainer, "byeori": with_byeori}[job["kind"]](
        job, (texts[:cut], labels[:cut]), (texts[cut:], labels[cut:])
    )


def with_byeori(job: dict, train: tuple, test: tuple) -> dict:
    import byeori

    def rows(part: tuple) -> list[dict]:
        return [{"text": text, "label": label} for text, label in zip(*part, strict=True)]

    with tempfile.TemporaryDirectory() as folder:
        run = byeori.train(
            "text-classification",
            job["model"],
            train=rows(train),
            test=rows(test),
            validation_size=0,
            output=f"{folder}/run",
            epochs=job["epochs"],
            seed=job["seed"],
            previews=0,
            **job["settings"],
        )
    found = run.metrics["training"]
    return {
        "rate": found["examples_per_second"],
        "seconds": found["seconds"],
        "accuracy": run.metrics["test"]["accuracy"]["value"],
        "memory_mb": peak_mb(),
        "padding": found["padding"],
    }


def with_trainer(job: dict, train: tuple, test: tuple) -> dict:
    import datasets
    import numpy as np
    import transformers

    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    names = sorted(set(train[1]))
    transformers.set_seed(job["seed"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(job["model"], num_labels=len(names))

    def encoded(part: tuple) -> datasets.Dataset:
        ids = tokenizer(part[0], truncation=True, max_length=min(512, tokenizer.model_max_length))
        return datasets.Dataset.from_dict({**ids, "labels": [names.index(label) for label in part[1]]})

    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=job["batch"],
            per_device_eval_batch_size=32,
            num_train_epochs=job["epochs"],
            learning_rate=job["rate"],
            warmup_steps=job["warmup"],  # a share, where it is below 1
            bf16=job.get("precision") == "bfloat16",
            use_cpu=True,
            train_sampling_strategy="group_by_length" if job["grouped"] else "random",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            seed=job["seed"],
        )
        trainer = transformers.Trainer(model, settings, train_dataset=encoded(train), processing_class=tokenizer)
        seconds = trainer.train().metrics["train_runtime"]
        judged = trainer.predict(encoded(test))  # its sampler may reorder: labels come along
    rows = len(train[0]) * job["epochs"]
    right = np.mean(judged.predictions.argmax(-1) == judged.label_ids)
    return {"rate": rows / seconds, "seconds": seconds, "accuracy": float(right), "memory_mb": peak_mb()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument(
        "--korean", action="store_true", help="MiniLM's size with fresh weights over a Korean vocabulary"
    )
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    jobs = dict(CONTESTANTS)
    if options.bfloat16:
        jobs["Trainer, tuned, bfloat16"] = {**jobs["Trainer, tuned (32, grouped)"], "precision": "bfloat16"}
    from byeori.demo import model_folder

    folder = tempfile.TemporaryDirectory()
    model = korean_bert(folder.name, width=384, layers=6, heads=12) if options.korean else str(model_folder())
    common = {"set": options.set, "rows": options.rows, "epochs": options.epochs, "model": model}
    jobs = {
        name: {**job, **common} for name, job in jobs.items() if any(part in name for part in options.only.split(","))
    }
    found = alternate("benchmarks.train", jobs, options.rounds)  # a seed a round
    print(f"\n{options.set}, {options.rows} rows, {options.epochs:g} epochs, {options.rounds} rounds, medians\n")
    print("| contestant | rows/s | accuracy | peak MB |\n|---|---|---|---|")
    for name, results in found.items():
        print(
            f"| {name} | {median(results, 'rate'):.1f} | {median(results, 'accuracy'):.4f} | {median(results, 'memory_mb'):.0f} |"
        )
    for ours, theirs in (
        ("Byeori, defaults (32, grouped)", "Trainer, tutorial (8, float32)"),
        ("Byeori (32, random)", "Trainer (32, random)"),
        ("Byeori, defaults (32, grouped)", "Trainer, tuned (32, grouped)"),
    ):
        if ours in found and theirs in found:
            print(f"{ours} / {theirs}: {ratios(found[ours], found[theirs])}")


if __name__ == "__main__":
    main()
