"""Fine-tuning MiniLM beside transformers.Trainer: same rows, same epochs, scored on the same held-out rows.

python -m benchmarks.train --set nsmc --rows 3000 --rounds 3
"""

from __future__ import annotations

import json
import tempfile

from benchmarks.common import SETS, alternate, arguments, korean_bert, median, ratios
from byeori.bench.classes import classes
from byeori.bench.trainer import Recipe

TEST = 1_000
TUTORIAL = {"rate": 5e-5, "warmup": 0.0}  # what the tutorials' TrainingArguments come to
OURS = {"rate": 2e-4, "warmup": 0.1}  # what Byeori's defaults come to for this model at 32 rows
CONTESTANTS = {
    "Trainer, tutorial (8, float32)": {"kind": "trainer", "batch": 8, "grouped": False, "exact": True, **TUTORIAL},
    "Trainer (32, random)": {"kind": "trainer", "batch": 32, "grouped": False, **OURS},
    "Trainer, tuned (32, grouped)": {"kind": "trainer", "batch": 32, "grouped": True, **OURS},
    "Byeori (32, random)": {"kind": "byeori", "settings": {"order": "random"}},
    "Byeori, defaults (32, grouped)": {"kind": "byeori", "settings": {}},
}


def work(job: dict) -> dict:
    from byeori.bench.ours import ours
    from byeori.data.read import read_rows
    from byeori.tasks import TextClassification

    texts, labels = SETS[job["set"]](job["rows"] + TEST)
    rows = read_rows([{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)])
    train, test = rows.select(range(job["rows"])), rows.select(range(job["rows"], len(rows)))
    if job["kind"] == "byeori":
        common = {"epochs": job["epochs"], "seed": job["seed"], "precision": job["precision"]}
        with ours("text-classification", job["model"], train, test, **common, **job["settings"]) as (run, found):
            scores = run.metrics["test"]
    else:
        task = TextClassification()
        task.prepare(train)
        found = classes(_recipe(job), task, train, test)
        scores = found["scores"]
    return {
        "rate": job["rows"] * job["epochs"] / found["seconds"], "accuracy": scores["accuracy"]["value"],
        **{name: found[name] for name in ("seconds", "memory_mb", "padding")},
    }  # fmt: skip


def _recipe(job: dict) -> Recipe:
    import torch

    from byeori.models.device import precision_for

    return Recipe(
        model=job["model"], epochs=job["epochs"], batch_size=job["batch"], learning_rate=job["rate"], seed=job["seed"],
        warmup_ratio=job["warmup"], order="grouped" if job["grouped"] else "random",
        precision=precision_for("float32" if job.get("exact") else job["precision"], torch.device("cpu")),
    )  # fmt: skip


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
    from byeori.demo import model_folder

    folder = tempfile.TemporaryDirectory()
    model = korean_bert(folder.name, width=384, layers=6, heads=12) if options.korean else str(model_folder())
    common = {
        "set": options.set, "rows": options.rows, "epochs": options.epochs, "model": model, "precision": options.precision
    }  # fmt: skip
    jobs = {
        name: {**job, **common}
        for name, job in CONTESTANTS.items()
        if any(part in name for part in options.only.split(","))
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
