"""Memory that doesn't grow with the rows: of training with its evaluations, and of predicting from file to file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

FEW, MANY = 2_000, 8_000
LABELS = 100
# The logits of all test rows would be 200 bytes for each row of the file, a prediction kept of each some 250.
MOST = 180  # bytes a row; some 50 of training and 110 of predicting are what fills up once

_RUN = """
import gc, json, sys, threading, tracemalloc

import pyarrow

import byeori
from byeori.data import clean_rows, disk, mapped, stream
from byeori.doctor import brief, copied
from byeori.predict import engine, evaluate, files, parts
from byeori.text import encode_rows

# What is held at once, so small that the few rows fill it as the many do.
disk.MOST, disk.BATCH, stream.BLOCK, mapped.LEAST, mapped.BLOCK = 1 << 15, 500, 1 << 15, 1 << 11, 500
clean_rows.BLOCK = copied.BLOCK = encode_rows.CHUNK = engine.WINDOW = evaluate.WINDOW = parts.WINDOW = 500
brief.HELD, copied.MOST = 500, 500

def peak(work):
    '''What `work` gives, and the most memory it took at once: of Python and NumPy, of Arrow.'''
    most, done = 0, threading.Event()

    def look():
        nonlocal most
        while not done.wait(0.001):
            most = max(most, pyarrow.total_allocated_bytes())

    gc.collect()
    thread = threading.Thread(target=look)
    arrow, before = pyarrow.total_allocated_bytes(), 0
    if tracemalloc.is_tracing():
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
    thread.start()
    found = work()
    done.set()
    thread.join()
    traced = tracemalloc.get_traced_memory()[1] - before if tracemalloc.is_tracing() else 0
    return found, [traced, most - arrow]

model, *folders = sys.argv[1:]
for out in folders:
    run, training = peak(lambda: byeori.train(
        "text-classification", model, train=out + "/rows.csv", output=out + "/run", max_steps=3, max_length=10, threads=1,
        precision="float32", previews=0, validation_size=0.05, test_size=0.5, baselines=False, cache=False,
    ))
    _, predicting = peak(
        lambda: files.predict_file(run, out + "/rows.csv", out + "/predicted.jsonl", call={}, read={"text": "text"})
    )
    print(json.dumps([training, predicting]))
    if not tracemalloc.is_tracing():  # imports and what is made once lie behind
        tracemalloc.start(1)
"""


def test_rows_cost_no_memory(tiny, tmp_path):
    words = ["seoul", "busan", "film", "book", "train", "winter", "river", "daegu"]
    folders = []
    for place, rows in enumerate((FEW, FEW, MANY)):
        folder = tmp_path / str(place)
        folder.mkdir()
        folders.append(str(folder))
        drawn = np.random.default_rng(0).choice(words, (rows, 6)).tolist()
        lines = [f"{' '.join(some)},{row % LABELS}" for row, some in enumerate(drawn)]
        (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tiny("bert")), *folders], stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    _, few, many = (np.array(json.loads(line)) for line in done.stdout.splitlines()[-3:])
    grown = (many - few) / (MANY - FEW)  # bytes a row of (training, predicting) × (Python and NumPy, Arrow)
    assert (grown < MOST).all(), (grown, few, many)
    predicted = Path(folders[-1], "predicted.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(predicted) == MANY
