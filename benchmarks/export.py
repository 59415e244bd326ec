"""Exports beside the model they were made of: an int8 ONNX classifier and our bfloat16, int8 CTranslate2 texts and our float32.

The classifier is MiniLM, fine-tuned on NSMC here, so that the gate has something to lose; its export must pass before it is timed.
Texts are those of `python -m benchmarks.generation --make MODELS`. "ready" is a new process: imports, the pipeline, the first answer.

    python -m benchmarks.export --rows 3000 --rounds 3
    python -m benchmarks.export --models models --job room-greedy --limit 100
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import SETS, alternate, arguments, median, ratios

READY = """
import time; began = time.perf_counter()
import json, sys
import byeori
byeori.pipeline(sys.argv[1], sys.argv[2])(json.loads(sys.argv[3]))
print(time.perf_counter() - began, "torch" in sys.modules)
"""


def work(job: dict) -> dict:
    """Rate of one pipeline over the texts; all of them once before the clock runs, a few of those that are written."""
    import byeori

    pipe = byeori.pipeline(job["task"], job["model"], precision=job["precision"], threads=job["threads"])
    texts, call = json.loads(Path(job["texts"]).read_text(encoding="utf-8")), job["call"]
    pipe(texts[: 16 if call else len(texts)], **call)
    started = time.perf_counter()
    found = pipe(texts, **call)
    seconds = time.perf_counter() - started
    return {"rate": len(texts) / seconds, "seconds": seconds, "answers": len(found)}


def exported(source: str, folder: str, **options: Any) -> str:
    """The gate's sentences on standard error, and the folder."""
    import byeori
    from byeori.predict.export import lines

    print("\n".join(lines(byeori.export(source, output=folder, **options))), file=sys.stderr)
    return folder


def kept(texts: list[str], folder: str) -> str:
    """A file of the texts: they are too many for a command line."""
    Path(folder, "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    return f"{folder}/texts.json"


def ready(task: str, folder: str, text: str, rounds: int) -> list[float]:
    """Seconds from a process's first line to its first answer."""
    command = [sys.executable, "-c", READY, task, folder, json.dumps(text)]
    found = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(rounds)]
    assert all(torch == "False" for _, torch in found)
    return [float(seconds) for seconds, _ in found]


def classifier(options: Any, folder: str) -> None:
    import byeori
    from byeori.demo import model_folder

    texts, labels = SETS["nsmc"](options.rows + options.learnt)
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    source = options.run or f"{folder}/run"
    if options.run is None:
        byeori.train(
            "text-classification", str(model_folder()), train=rows[options.rows :], output=source, epochs=1, max_length=128,
            baselines=False, previews=0, test_size=0, validation_size=0.25,
        )  # fmt: skip
    out = exported(source, f"{folder}/int8", precision="int8", data=rows[: min(1_000, options.rows)])
    common = {
        "task": "text-classification",
        "texts": kept(texts[: options.rows], folder),
        "call": {},
        "threads": options.threads,
    }
    found = alternate(MODULE, {
        "ours, bfloat16": {**common, "model": source, "precision": "bfloat16"},
        "ONNX, int8": {**common, "model": out, "precision": "auto"},
    }, options.rounds)  # fmt: skip
    show(f"MiniLM, NSMC, {options.rows} rows", found)
    times = ready("text-classification", out, texts[0], options.rounds)
    print(f"ready from the ONNX export: {statistics.median(times):.2f} s ({min(times):.2f}–{max(times):.2f})")


def written(options: Any, folder: str) -> None:
    from benchmarks.generation.jobs import JOBS

    job = JOBS[options.job]
    source = f"{options.models}/{job.model}"
    task = "text-generation" if job.model == "gpt2" else "text2text-generation"
    asked = json.loads(Path(f"{source}.json").read_text(encoding="utf-8"))[: options.limit]
    out = exported(source, f"{folder}/int8", task=task, to="ctranslate2", precision="int8")
    common = {"task": task, "texts": kept(asked, folder), "call": job.settings, "threads": options.threads}
    found = alternate(MODULE, {
        "ours, float32": {**common, "model": source, "precision": "float32"},
        "CTranslate2, int8": {**common, "model": out, "precision": "auto"},
    }, options.rounds)  # fmt: skip
    show(f"{job.shown}, {len(asked)} texts", found)


MODULE = "benchmarks.export"


def show(title: str, found: dict[str, list[dict]]) -> None:
    print(f"\n{title}, medians\n\n| contestant | rows/s |\n|---|---|")
    for name, results in found.items():
        print(f"| {name} | {median(results, 'rate'):.1f} |")
    first, second = found
    print(f"{second} / {first}: {ratios(found[second], found[first])}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--learnt", type=int, default=2_000, help="rows that the classifier learns from")
    parser.add_argument("--run", help="a run of such a classifier, instead of training one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", help="folder of the generation benchmark's models: texts instead of classes")
    parser.add_argument("--job", default="room-greedy", help="which of them, and how")
    parser.add_argument("--limit", type=int, default=100, help="texts that are written")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    with tempfile.TemporaryDirectory() as folder:
        (written if options.models else classifier)(options, folder)


if __name__ == "__main__":
    main()
