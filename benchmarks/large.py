"""Training, prediction and evaluation of few rows and of very many: whether memory grows with the data.

Each job on each number of rows is a process of its own: `byeori.train` on a CSV file, with validation and test rows split off,
both baselines, evaluations on the way and the final scores; `predict` from all of the file to a file; `evaluate` on all of it.
Updates are bounded (`--updates`); reading, checks, splitting, tokenizing and judging see every row. The model is tiny (1 layer
× 32, random weights), so that memory is that of the data's way through the house. Texts have 3 to 12 words of a vocabulary that
grows with the file, as that of real texts does; one in ten is a copy of another row's.

Memory is anonymous memory of the process and of its children (RssAnon of /proc/…/status, looked at fifty times a second): pages
of mapped files can be given back and don't count. The first column of each pair is the highest value in the stage, imports and
model included; the last line's is that of all stages, and its ratio to that of the fewest rows.

    python -m benchmarks.large --rows 30000,3000000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

FREQUENT, ALL = 20_000, 500_000  # words; the rest are drawn seldom
COPIED = 0.1  # share of the rows
SYLLABLES = [head + tail for head in "bdghjkmnprstz" for tail in ("a", "e", "i", "o", "u", "an", "el", "or")]
AT_ONCE = 10_000  # rows written together
SECONDS = 0.02  # between two looks
# (file, function) → the stage that the main thread is in; the first one that is on its stack.
STAGES = {
    ("write.py", "write_report"): "report",
    ("evaluate.py", "evaluate"): "evaluation",
    ("loop.py", "run"): "updates",
    ("brief.py", "brief"): "look at the rows",
    ("encode_rows.py", "encode_rows"): "encode",
    ("prepare.py", "_baselines"): "baselines",
    ("parts.py", "read_parts"): "read, group, split",
    ("run.py", "read"): "read",
    ("files.py", "_write"): "predict and write",
}
OTHER = "the rest"


def write(path: Path, rows: int) -> None:
    """id, text, label; half of the texts' words say the label."""
    rng = np.random.default_rng(0)
    words = [_word(number) for number in range(ALL)]
    kept: list[str] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "text", "label"))
        for first in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - first)
            sizes, labels = rng.integers(3, 13, count), rng.integers(0, 2, count)
            copies = rng.random(count) < COPIED
            total = int(sizes.sum())
            drawn = (FREQUENT * rng.random(total) ** 3).astype(np.int64)
            seldom = rng.random(total) < 0.05
            drawn[seldom] = rng.integers(FREQUENT, ALL, int(seldom.sum()))
            owners = np.repeat(labels, sizes)
            telling = rng.random(total) < 0.5
            drawn[telling] = drawn[telling] // 2 * 2 + owners[telling]
            ends = np.cumsum(sizes).tolist()
            for place, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
                text = " ".join([words[one] for one in drawn[begin:end].tolist()])
                if copies[place] and kept:
                    text = kept[int(rng.integers(len(kept)))]
                elif len(kept) < AT_ONCE:
                    kept.append(text)
                writer.writerow((first + place, text, int(labels[place])))


def _word(number: int) -> str:
    """Another one for each number."""
    found = ""
    while True:
        number, syllable = divmod(number, len(SYLLABLES))
        found += SYLLABLES[syllable]
        if not number:
            return found


def anonymous() -> float:
    """MB, of this process and its children."""
    children = (path.read_text().split() for path in Path("/proc/self/task").glob("*/children"))
    return sum(_anonymous(number) for number in ["self", *(one for some in children for one in some)])


def _anonymous(process: str) -> float:
    try:
        said = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return 0.0
    found = re.search(r"RssAnon:\s+(\d+)", said)
    return int(found[1]) / 1024 if found else 0.0


class Watched:
    """The highest anonymous memory, and the CPU seconds, of each stage that the main thread goes through."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self._done, self._main = threading.Event(), threading.main_thread().ident
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        before = time.process_time()
        while not self._done.wait(SECONDS):
            stage = _stage(sys._current_frames().get(self._main or 0))
            now = time.process_time()
            self.peaks[stage] = max(self.peaks.get(stage, 0.0), anonymous())
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - before
            before = now


def _stage(frame: FrameType | None) -> str:
    on_stack = set()
    while frame is not None:
        on_stack.add((Path(frame.f_code.co_filename).name, frame.f_code.co_name))
        frame = frame.f_back
    return next((stage for place, stage in STAGES.items() if place in on_stack), OTHER)


def model(folder: Path) -> Path:
    """A tiny BERT with the vocabulary of the demo's model."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from byeori.demo import model_folder

    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def one(job: str, folder: Path, rows: int, updates: int | None) -> dict[str, Any]:
    """Peaks and seconds by stage of one job, in this process."""
    import byeori
    from byeori.predict.files import predict_file

    data = folder / f"{rows}.csv"
    with Watched() as watched:
        if job == "train":
            byeori.train(
                "text-classification", str(folder / "model"), train=str(data), output=str(folder / f"run-{rows}"), overwrite=True, epochs=1,
                max_steps=updates, max_length=64, validation_size=0.05, test_size=0.05,
            )  # fmt: skip
        else:
            run = byeori.load_run(folder / f"run-{rows}")
            if job == "predict":
                predict_file(run, data, folder / "predicted.jsonl", call={}, read={})
            else:
                run.evaluate(data)
    return {"peaks": watched.peaks, "seconds": watched.seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="30000,3000000", help="numbers of rows, the fewest first")
    parser.add_argument("--jobs", default="train,predict,evaluate")
    parser.add_argument("--updates", type=int, default=200, help="of a training; 0: an epoch")
    parser.add_argument("--folder", type=Path, help="where files are written and stay, else a temporary one")
    parser.add_argument("--one", nargs=3, metavar=("JOB", "FOLDER", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        job, folder, rows = given.one
        print(json.dumps(one(job, Path(folder), int(rows), given.updates or None)))
        return
    numbers = [int(number) for number in given.rows.split(",")]
    if not given.jobs.startswith("train") and not all(
        given.folder and (given.folder / f"run-{rows}").exists() for rows in numbers
    ):
        parser.error(
            "predictions and evaluations are those of a trained run: put train first, or name the --folder of an earlier call"
        )
    with tempfile.TemporaryDirectory() as temporary:
        top = given.folder or Path(temporary)
        top.mkdir(exist_ok=True)
        model(top / "model")
        for rows in numbers:
            if not (top / f"{rows}.csv").exists():
                write(top / f"{rows}.csv", rows)
        environment = {**os.environ, "BYEORI_CACHE": str(top / "cache")}
        for job in given.jobs.split(","):
            found = []
            for rows in numbers:
                command = [
                    sys.executable, "-m", "benchmarks.large", "--updates", str(given.updates), "--one", job, str(top), str(rows),
                ]  # fmt: skip
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
                found.append(json.loads(said.splitlines()[-1]))
            table(job, numbers, found)


def table(job: str, numbers: list[int], found: list[dict[str, Any]]) -> None:
    """A line a stage, and the highest of all with its ratio to that of the fewest rows."""
    print(f"\n| {job} | " + " | ".join(f"{rows:,} rows, MB | CPU s" for rows in numbers) + " |")
    print("|---|" + "---|---|" * len(numbers))
    for stage in found[-1]["peaks"]:
        cells = (f"{one['peaks'].get(stage, 0):,.0f} | {one['seconds'].get(stage, 0):,.1f}" for one in found)
        print(f"| {stage} | " + " | ".join(cells) + " |")
    peaks = [max(one["peaks"].values()) for one in found]
    cells = (
        f"**{peak:,.0f}** ({peak / peaks[0]:.2f}×) | {sum(one['seconds'].values()):,.1f}"
        for peak, one in zip(peaks, found, strict=True)
    )
    print("| **highest** | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
