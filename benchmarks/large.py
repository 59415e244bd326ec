"""A file that counts as larger than memory, from reading to shuffled batches: how much memory each stage takes.

The machine is made out to have `--memory-gb` of memory, so that a file of some hundred megabytes is read in blocks. Memory is
anonymous memory (RssAnon) over what the imports and the tokenizer take; pages of mapped files can be given back and don't count.

    python -m benchmarks.large --rows 3000000 --memory-gb 2
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reading import DISTINCT, sentence

STEPS = 1_000


def anonymous() -> float:
    """MB."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    sentences = [sentence(rng) for _ in range(min(rows, DISTINCT))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "text", "label"))
        for i in range(rows):
            writer.writerow((i, f"{sentences[int(rng.integers(len(sentences)))]} {i}", int(rng.integers(2))))


class Watched:
    """Runs a stage and prints its peak, what it holds afterwards, and its seconds."""

    def __init__(self) -> None:
        self.base = anonymous()

    def __call__(self, name: str, stage: Callable[[], Any]) -> Any:
        peak, done = anonymous(), threading.Event()

        def look() -> None:
            nonlocal peak
            while not done.wait(0.02):
                peak = max(peak, anonymous())

        looking = threading.Thread(target=look)
        looking.start()
        clock, cpu = time.perf_counter(), time.process_time()
        found = stage()
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        done.set()
        looking.join()
        print(
            f"| {name} | {peak - self.base:,.0f} | {anonymous() - self.base:,.0f} | {clock:.1f} ({cpu:.1f}) |",
            flush=True,
        )
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--memory-gb", type=float, default=2.0)
    given = parser.parse_args()

    import datasets  # noqa: F401 - imports are not counted
    from transformers import AutoTokenizer

    from byeori.batches.order import Order
    from byeori.data import disk
    from byeori.demo import model_folder
    from byeori.settings import Train
    from byeori.tasks import find
    from byeori.text.encode import Encoder
    from byeori.text.encode_rows import encode_rows
    from byeori.train.parts import read_parts

    disk._total = lambda: int(given.memory_gb * (1 << 30))  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path, given.rows)
        task = find("text-classification")()
        encoder = Encoder(AutoTokenizer.from_pretrained(model_folder()), 128, "head", True)
        print(f"{given.rows:,} rows, {os.path.getsize(path) / 1e6:,.0f} MB, as on {given.memory_gb:g} GB\n")
        print("| stage | peak MB | held MB | s (CPU) |\n|---|---|---|---|")
        watched = Watched()
        parts = watched("read, prepare, group, split", lambda: read_parts(Train(train=str(path)), task))
        store = watched(f"encode {len(parts['train']):,} rows", lambda: encode_rows(parts["train"], task, encoder))
        print(f"| ({store.tokens:,} ids, {store.tokens * 4 / 1e6:,.0f} MB) | | | |")
        for mode in ("random", "grouped"):
            order = Order(len(store), 32, 0, mode, store.lengths)
            watched(
                f"{STEPS:,} batches, {mode}",
                lambda order=order: [store.lengths(order.batch(0, at)).sum() for at in range(STEPS)],
            )


if __name__ == "__main__":
    main()
