"""What training a part of a model takes beside training all of it: adapters, a frozen body, layers computed again.

`--what adapters`: the demo's MiniLM on texts of `--set`; weights that train, bytes of a checkpoint and of a saved adapter, seconds
an update, accuracy. `--what memory`: a fresh BERT of MiniLM's size (6 layers, 384 wide) on 8 rows of 512 tokens; the peak of updates
after the first, above what was there before the model, and seconds an update.

    python -m benchmarks.adapters --what memory --rounds 3
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import SETS, alternate, arguments, median
from benchmarks.step_memory import rss
from byeori.bench.clock import peak_mb

LORA = {"adapter": "lora", "merge_adapter": False}
JOBS: dict[str, dict[str, dict[str, Any]]] = {
    "adapters": {
        "all weights": {},
        "all weights, rate 1e-3": {"learning_rate": 1e-3},
        "LoRA, rank 8": LORA,
        "LoRA, rank 8, rate 1e-3": {**LORA, "learning_rate": 1e-3},
        "LoRA, rank 8, all-linear, rate 1e-3": {**LORA, "adapter_targets": "all-linear", "learning_rate": 1e-3},
        "body frozen, rate 1e-3": {"freeze": "body", "learning_rate": 1e-3},
        "all but the last 2 layers frozen": {"freeze": "all-but-last:2"},
    },
    "memory": {
        "as it comes": {"pack_tokens": 4_096},
        "computed again": {"pack_tokens": 4_096, "gradient_checkpointing": True},
        "packs of 512": {"pack_tokens": 512},
        "packs of 512, computed again": {"pack_tokens": 512, "gradient_checkpointing": True},
    },
}
LENGTH, ROWS, STEPS = 512, 8, 4


def size(folder: Path, pattern: str) -> float:
    """MiB of files."""
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 2**20


def adapted(job: dict[str, Any]) -> dict[str, Any]:
    import byeori
    from byeori.demo import model_folder

    texts, labels = SETS[job["set"]](job["rows"])
    given = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]

    class Weights(byeori.Hook):
        def train_start(self, run) -> None:
            self.trained = sum(p.numel() for p in run.model.parameters() if p.requires_grad)

    hook = Weights()
    with tempfile.TemporaryDirectory() as folder:
        run = byeori.train(
            "text-classification", str(model_folder()), train=given, output=f"{folder}/run", epochs=2, evaluate_every="end", previews=0,
            baselines=False, hooks=[hook], precision=job["precision"], seed=job["seed"], checkpoint_every=10, keep_checkpoints=True,
            **job["settings"],
        )  # fmt: skip
        steps = run.metrics["training"]["steps"]
        place = Path(folder) / "run"
        return {
            "trained": hook.trained,
            "checkpoint_mb": size(place, "checkpoints/step-*/*"),
            "model_mb": size(place, "model/*.safetensors"),
            "seconds": run.metrics["training"]["seconds"] / steps,
            "accuracy": run.metrics["test"]["accuracy"]["value"],
        }


def kept(job: dict[str, Any]) -> dict[str, Any]:
    import transformers

    import byeori
    from byeori.demo import model_folder

    class Watch(byeori.Hook):
        def step_end(self, run, pack, outputs) -> None:
            if run.step == 1:
                Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from now (proc(5))
                self.seconds = -time.perf_counter()
            if run.step == STEPS:
                self.seconds += time.perf_counter()
                self.above = peak_mb() - before

    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder())
    random = np.random.default_rng(0)
    words = [one for one in tokenizer.get_vocab() if one.isalpha()]
    rows = [{"text": " ".join(random.choice(words, LENGTH)), "label": "ab"[i % 2]} for i in range(ROWS * STEPS)]
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        config = transformers.AutoConfig.from_pretrained(model_folder())
        transformers.BertModel(config).save_pretrained(f"{folder}/model")
        tokenizer.save_pretrained(f"{folder}/model")
        before = rss()
        byeori.train(
            "text-classification", f"{folder}/model", train=rows, validation_size=0, test_size=0, output=f"{folder}/run",
            max_steps=STEPS, batch_size=ROWS, max_length=LENGTH, previews=0, baselines=False, hooks=[watch], learning_rate=1e-4,
            precision=job["precision"], **job["settings"],
        )  # fmt: skip
    return {"above_mb": watch.above, "seconds": watch.seconds / (STEPS - 1)}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--what", choices=list(JOBS), default="adapters")
    options = parser.parse_args()
    if options.worker:
        job = json.loads(options.worker)
        print(json.dumps(adapted(job) if job["what"] == "adapters" else kept(job)))
        return
    jobs = {
        name: {
            "what": options.what,
            "set": options.set,
            "settings": values,
            "rows": options.rows,
            "precision": options.precision,
        }
        for name, values in JOBS[options.what].items()
        if any(part in name for part in options.only.split(","))
    }
    found = alternate("benchmarks.adapters", jobs, options.rounds)
    columns = list(next(iter(found.values()))[0])
    print(f"| | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for name, results in found.items():
        print(f"| {name} | {' | '.join(f'{median(results, column):,.3f}' for column in columns)} |")


if __name__ == "__main__":
    main()
