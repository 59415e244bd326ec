"""Predicting with a MiniLM classifier beside transformers.pipeline: as it comes, and tuned (sorted by length, batches of 32).

python -m benchmarks.predict --set nsmc --rows 5000 --rounds 3
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.common import SETS, alternate, arguments, median, ratios
from byeori.bench.clock import peak_mb
from byeori.bench.predicting import piped

CONTESTANTS = {
    "pipeline() as it comes": {"kind": "pipeline", "tuned": False},
    "pipeline(), tuned (sorted, 32)": {"kind": "pipeline", "tuned": True},
    "byeori.pipeline()": {"kind": "byeori"},
}


def work(job: dict) -> dict:
    texts, _ = SETS[job["set"]](job["rows"])
    if job["kind"] == "byeori":
        import byeori

        classify = byeori.pipeline("text-classification", job["model"], precision=job["precision"])
        classify(texts[:64])
        started = time.perf_counter()
        found = [classify(text)[0] for text in texts] if job["singly"] else classify(texts)
        labels = [one["label"] for one in found]
        seconds = time.perf_counter() - started
    else:
        import transformers

        transformers.logging.set_verbosity_error()
        import torch

        from byeori.models.device import precision_for

        tuned = {"batch_size": 32} if job["tuned"] else {}
        precision = precision_for(job["precision"] if tuned else "float32", torch.device("cpu"))
        predict, _ = piped("text-classification", job["model"], precision=precision, **tuned)
        rows = [{"text": text} for text in texts]
        predict(rows[:64])
        started = time.perf_counter()
        labels = [predict([row])[0] for row in rows] if job["singly"] else predict(rows)
        seconds = time.perf_counter() - started
    return {
        "rate": len(texts) / seconds,
        "seconds": seconds,
        "memory_mb": peak_mb(),
        "labels": sum(label.endswith("1") for label in labels),
    }


def make_model(folder: str) -> str:
    """A MiniLM with a head of two labels, as transformers saves it."""
    import torch
    import transformers

    from byeori.demo import model_folder

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(model_folder(), num_labels=2)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(model_folder()).save_pretrained(folder)
    return str(Path(folder))


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rows=5_000)
    parser.add_argument("--singly", action="store_true", help="a call a text, which nobody can batch")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    with tempfile.TemporaryDirectory() as folder:
        common = {
            "set": options.set, "rows": options.rows, "model": make_model(folder), "singly": options.singly,
            "precision": options.precision,
        }  # fmt: skip
        jobs = {
            name: {**job, **common}
            for name, job in CONTESTANTS.items()
            if any(part in name for part in options.only.split(","))
        }
        found = alternate("benchmarks.predict", jobs, options.rounds)
    print(f"\n{options.set}, {options.rows} rows, {options.rounds} rounds, medians\n")
    print("| contestant | rows/s | peak MB |\n|---|---|---|")
    for name, results in found.items():
        print(f"| {name} | {median(results, 'rate'):.1f} | {median(results, 'memory_mb'):.0f} |")
    for theirs in list(found):
        if theirs != "byeori.pipeline()" and "byeori.pipeline()" in found:
            print(f"byeori.pipeline() / {theirs}: {ratios(found['byeori.pipeline()'], found[theirs])}")


if __name__ == "__main__":
    main()
