"""Predicting with a MiniLM classifier beside transformers.pipeline: as it comes, and tuned (sorted by length, batches of 32).

python -m benchmarks.predict --set nsmc --rows 5000 --rounds 3
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.common import SETS, alternate, arguments, median, peak_mb, ratios

CONTESTANTS = {
    "pipeline() as it comes": {"kind": "pipeline", "tuned": False, "precision": "float32"},
    "pipeline(), tuned (sorted, 32)": {"kind": "pipeline", "tuned": True, "precision": "float32"},
    "byeori.pipeline()": {"kind": "byeori", "precision": "float32"},
}


def work(job: dict) -> dict:
    texts, _ = SETS[job["set"]](job["rows"])
    if job["kind"] == "byeori":
        import byeori

        classify = byeori.pipeline("text-classification", job["model"], precision=job["precision"])
        classify(texts[:64])
        started = time.perf_counter()
        found = classify(texts)
        seconds = time.perf_counter() - started
    else:
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[job["precision"]]
        classify = transformers.pipeline("text-classification", job["model"], device=-1, dtype=dtype)
        more = {"truncation": True, "max_length": 512}
        classify(texts[:64], **more)
        started = time.perf_counter()
        if job["tuned"]:
            lengths = [len(ids) for ids in classify.tokenizer(texts, truncation=True, max_length=512)["input_ids"]]
            order = sorted(range(len(texts)), key=lambda i: -lengths[i])
            results = classify([texts[i] for i in order], batch_size=32, **more)
            found = [None] * len(texts)
            for place, one in zip(order, results, strict=True):
                found[place] = one
        else:
            found = classify(texts, **more)
        seconds = time.perf_counter() - started
    return {
        "rate": len(texts) / seconds,
        "seconds": seconds,
        "memory_mb": peak_mb(),
        "labels": sum(one["label"].endswith("1") for one in found),
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
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    jobs = dict(CONTESTANTS)
    if options.bfloat16:
        jobs["pipeline(), tuned, bfloat16"] = {**jobs["pipeline(), tuned (sorted, 32)"], "precision": "bfloat16"}
    with tempfile.TemporaryDirectory() as folder:
        common = {"set": options.set, "rows": options.rows, "model": make_model(folder)}
        jobs = {
            name: {**job, **common}
            for name, job in jobs.items()
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
