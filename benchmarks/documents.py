"""Language models on documents of mixed length beside a Trainer that pads each batch to its longest: causal and masked.

The documents are WikiText-2's paragraphs, one a row (2 to 512 tokens, 150 on average). Causal: a GPT-2 of MiniLM's size (6 × 384) with
fresh weights over MiniLM's words; masked: MiniLM, whose head for it is fresh. The Trainer runs as the tutorials set it (8, random) and
tuned (32, grouped by length); Byeori makes about as many updates as the tutorials' setting does, at its rate. All are scored by Byeori on
the same held-out paragraphs. A round has a seed of its own.

    python -m benchmarks.documents --rows 600 --rounds 3
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

import numpy as np

from benchmarks.common import DATA, alternate, arguments, median, ratios
from byeori.bench.trainer import Recipe, prepared, trained

TEST, LONGEST = 100, 512
RATE = {"causal": 5e-4, "masked": 1e-4}  # of 32 documents an update; the tutorial's 8 take half
TRAINERS = {"tutorial (8)": (8, "random"), "tuned (32, grouped)": (32, "grouped")}


def documents(rows: int) -> list[str]:
    lines = (DATA / "wikitext2" / "valid.txt").read_text(encoding="utf-8").splitlines()
    found = [line.strip() for line in lines if line.strip() and not line.strip().startswith("=")]
    return [found[place] for place in np.random.default_rng(0).permutation(len(found))[:rows]]


def causal_model(folder: str) -> str:
    import torch
    import transformers

    from byeori.demo import model_folder

    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder(), eos_token="[SEP]", bos_token="[CLS]")
    tokenizer.model_max_length = LONGEST
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=LONGEST, n_embd=384, n_layer=6, n_head=12, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def work(job: dict) -> dict:
    import torch

    from byeori.bench.ours import ours
    from byeori.data.read import read_rows
    from byeori.models.device import precision_for
    from byeori.tasks import find

    kind = job["kind"]
    name = {"causal": "text-generation", "masked": "fill-mask"}[kind]
    texts = documents(job["rows"] + TEST)
    train, test = (read_rows([{"text": text} for text in part]) for part in (texts[:-TEST], texts[-TEST:]))
    common = {"epochs": 1.0, "max_length": LONGEST, "seed": job["seed"]}
    asked = precision_for("float32" if job["who"].startswith("tutorial") else job["precision"], torch.device("cpu"))
    if job["who"] == "byeori":
        more: dict[str, Any] = {"block_length": LONGEST} if kind == "causal" else {}
        batch = job["batch"] if kind == "causal" else 8
        settings = {**common, **more, "batch_size": batch, "learning_rate": RATE[kind] / 2, "warmup_ratio": 0.1}
        settings["precision"] = asked
        with ours(name, job["model"], train, test, **settings) as (run, took):
            scores = run.metrics["test"]
    else:
        batch, order = TRAINERS[job["who"]]
        recipe = Recipe(
            model=job["model"], batch_size=batch, order=order, learning_rate=RATE[kind] / (2 if batch == 8 else 1), warmup_ratio=0.1,
            precision=asked, **common,
        )  # fmt: skip
        scores, took = _padded(recipe, find(name)(), kind, train, test)
    return {
        "rate": job["rows"] / took["seconds"], "perplexity": scores["perplexity"]["value"],
        **{key: took[key] for key in ("seconds", "memory_mb", "padding", "steps")},
    }  # fmt: skip


def _padded(recipe: Recipe, task: Any, kind: str, train: Any, test: Any) -> tuple[dict, dict]:
    """A document a row, padded to the longest of its batch; no label at padding."""
    import datasets
    import transformers

    from byeori.predict.run import load_run

    tokenizer = prepared(recipe)
    auto = transformers.AutoModelForCausalLM if kind == "causal" else transformers.AutoModelForMaskedLM
    model = auto.from_pretrained(recipe.model)
    texts = train.table["text"][:]
    texts = [text + tokenizer.eos_token for text in texts] if kind == "causal" else texts
    rows = datasets.Dataset.from_dict(dict(tokenizer(texts, truncation=True, max_length=LONGEST)))
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=kind == "masked")
    with trained(recipe, model, tokenizer, rows, collator) as (trainer, took), tempfile.TemporaryDirectory() as folder:
        trainer.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        run = load_run(folder, task=task, max_length=LONGEST, device="cpu")
        return run.evaluate(test), took


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rows=600)
    parser.add_argument("--kinds", default="causal,masked")
    parser.add_argument(
        "--blocks", type=int, default=2, help="blocks of 512 tokens an update, causal, in Byeori: 2 are 8 documents"
    )
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    from byeori.demo import model_folder

    for kind in options.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model = causal_model(folder) if kind == "causal" else str(model_folder())
            common = {
                "kind": kind,
                "rows": options.rows,
                "model": model,
                "batch": options.blocks,
                "precision": options.precision,
            }
            jobs = {
                name: {**common, "who": name}
                for name in (*TRAINERS, "byeori") if any(part in name for part in options.only.split(","))
            }  # fmt: skip
            found = alternate("benchmarks.documents", jobs, options.rounds)
        print(f"\n{kind}, {options.rows} documents\n")
        print("| contestant | documents/s | perplexity | padding | updates | peak MB |\n|---|---|---|---|---|---|")
        for name, results in found.items():
            print(
                f"| {name} | {median(results, 'rate'):.2f} | {median(results, 'perplexity'):.1f} | {median(results, 'padding'):.0%} | "
                f"{median(results, 'steps'):.0f} | {median(results, 'memory_mb'):.0f} |"
            )
        for name in TRAINERS:
            if name in found and "byeori" in found:
                print(f"byeori / {name}: {ratios(found['byeori'], found[name])}")


if __name__ == "__main__":
    main()
