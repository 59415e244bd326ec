"""How long a command takes before it works: help, import, and predicting ten rows beside the least script in plain transformers.

Both predict the same ten rows with the same MiniLM classifier into a file, each time in a fresh process, in turn.

python -m benchmarks.startup --rounds 7
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, arguments
from benchmarks.predict import make_model

WORDS = ("good", "bad", "long", "short", "loud", "quiet", "old", "new", "sad", "funny")
TEXTS = [f"The film was {word}, and so was its end." for word in WORDS]
PLAIN = """
import json, sys
import torch
from transformers import BertForSequenceClassification, BertTokenizerFast
folder, source, output = sys.argv[1:]
tokenizer = BertTokenizerFast.from_pretrained(folder)
model = BertForSequenceClassification.from_pretrained(folder).eval()
texts = open(source, encoding="utf-8").read().splitlines()[1:]
with torch.inference_mode():
    scores = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits.softmax(-1)
with open(output, "w", encoding="utf-8") as file:
    for row in scores:
        file.write(json.dumps({"label": model.config.id2label[int(row.argmax())], "score": float(row.max())}) + "\\n")
"""
# Byte code is kept, as it is of an installed package.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "HF_HUB_OFFLINE": "1"
}
ASKED = {
    "byeori --help": 0.25,
    "import byeori": 0.1,
    "byeori predict": 0.5,
}  # seconds; of predict over plain transformers


def contestants(folder: Path) -> dict[str, list[str]]:
    model = make_model(str(folder / "model"))
    source = folder / "texts.tsv"
    source.write_text("\n".join(["text", *TEXTS]) + "\n", encoding="utf-8")
    command, python = [sys.executable, "-m", "byeori"], [sys.executable, "-c"]
    return {
        "python": [*python, "pass"],
        "import byeori": [*python, "import byeori"],
        "byeori --help": [*command, "--help"],
        "plain transformers": [*python, PLAIN, model, str(source), str(folder / "plain.jsonl")],
        "byeori predict": [*command, "predict", model, str(source), "--output", str(folder / "ours.jsonl"),
                           "--task", "text-classification", "--precision", "float32"],
    }  # fmt: skip


def once(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rounds=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = contestants(folder)
        for command in jobs.values():
            once(command)  # files come from the disk's cache after this
        found: dict[str, list[tuple[float, float]]] = {job: [] for job in jobs}
        for _ in range(options.rounds):
            for job, command in jobs.items():
                found[job].append(once(command))
        same = len((folder / "plain.jsonl").read_text().splitlines()) == len(
            (folder / "ours.jsonl").read_text().splitlines()
        )
    assert same
    print(f"{options.rounds} rounds in turn; median (least–most), seconds\n")
    print("| | clock | processor | asked |\n|---|---|---|---|")
    for job, values in found.items():
        asked = f"{'+' if job == 'byeori predict' else ''}{ASKED[job]}" if job in ASKED else ""
        print(f"| {job} | {spread([one for one, _ in values])} | {spread([one for _, one in values])} | {asked} |")
    for kind, place in (("clock", 0), ("processor", 1)):
        over = [a[place] - b[place] for a, b in zip(found["byeori predict"], found["plain transformers"], strict=True)]
        print(f"byeori predict over plain transformers, {kind}: {spread(over)} s")


if __name__ == "__main__":
    main()
