"""How long the report of a run with a large test set takes, and how large the page is.

Run folders are written by hand with as many test rows as asked: texts, entities and answers are drawn from NSMC's reviews, an
eighth to a quarter of the predictions is wrong; a history of 1,000 lines, 50 previews, 40 evaluations with five watched rows, ten
mistakes of forty words each, forty findings. Each report is made in both languages, in a process that has it imported. What is
asked for is held against the processor's seconds: all of it is one thread. Beside it: what the scores of slices cost at the end
of a training (fifths of the lengths and twelve files, 1,000 resamples each).

    python -m benchmarks.report --rows 30000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np

from byeori.data.rows import FileInfo, Origin
from byeori.report.write import write_report
from byeori.tasks import TextClassification
from byeori.train.slices import slices

from benchmarks.common import DATA  # isort: skip

LABELS = {"two labels": 2, "150 labels": 150}
SECONDS, MEGABYTES = 10, 3


def reviews() -> list[str]:
    lines = (DATA / "nsmc" / "nsmc_30k.txt").read_text(encoding="utf-8").split("\n")[1:]
    return [line.split("\t")[0] for line in lines if line]


def classes(names: list[str], texts: list[str], rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    for _ in texts:
        right = int(rng.integers(len(names)))
        given = right if rng.random() < 0.85 else int(rng.integers(len(names)))
        yield {"label": names[given], "score": float(rng.uniform(0.4, 1))}, names[right]


def entities(texts: list[str], rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    for text in texts:
        words = text.split() or ["-"]
        right = ["O"] * len(words)
        found = []
        for place in rng.integers(0, len(words), 2).tolist():
            right[place] = "B-PER"
            if rng.random() < 0.8:
                found.append({"entity_group": "PER", "score": 0.9, "word": words[place], "start": 0, "end": 1})
        yield found, right


def answers(texts: list[str], rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    for text in texts:
        right = " ".join(text.split()[:3]) or "-"
        given = right if rng.random() < 0.75 else text[:12]
        yield {"score": float(rng.random()), "start": 0, "end": len(given), "answer": given}, [right]


def written(texts: list[str], rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    for text in texts:
        yield {"summary_text": text[: int(rng.integers(5, 80))]}, text


def folder(path: Path, task: str, labels: list[str], lines: Iterator[tuple[Any, Any]], texts: list[str]) -> Path:
    """A run folder as a training leaves it, but for the model's weights."""
    score = {"value": 0.85, "low": 0.84, "high": 0.86}
    named = {"accuracy": score, "macro_f1": score, "loss": score}
    state = {
        "labels": labels,
        "problem_type": "single_label" if task == "text-classification" else None,
        "settings": {},
    }
    words = [[10 * place, 10 * place + 9, -0.1] for place in range(40)]
    rows = [
        {
            "row": row,
            "where": f"a.tsv, row {row}",
            "inputs": {"text": "낱말입니다 " * 70},
            "of": "0",
            "score": 0.9,
            "words": {"text": words},
        }
        for row in range(1, 11)
    ]
    sample = {"inputs": {"text": texts[0]}, "prediction": "0", "score": 0.5, "reference": "1", "right": False}
    finding = {"kind": "near_duplicates", "level": "look", "part": "train", "count": 9, "rows": [1, 2], "said": "Said.", "advice": "Do.",
               "examples": [{"rows": [1], "texts": [text[:300]]} for text in texts[:20]]}  # fmt: skip
    part = {"rows": len(texts), "files": [], "tokens": 9, "labels": dict.fromkeys(labels, 7), "length": {"p0": 1.0}}
    made: dict[str, Any] = {
        "metrics.json": {"task": task, "headline": "accuracy", "test": named, "training": {"seconds": 9}},
        "data.json": {"parts": {"train": part, "test": part}, "findings": [finding] * 40},
        "model/config.json": {"id2label": dict(enumerate(labels))},
        "model/byeori.json": {"task": task, "own_task": None, "state": state, "decoding": {"max_length": 128}},
        "mistakes.json": {"part": "test", "rows": rows},
        "slices.json": {"part": "test", "file": {"slices": [
            {"name": f"{place}.tsv", "rows": 9, "scores": {"accuracy": score}} for place in range(13)
        ]}},
        "history.jsonl": [{"step": step, "loss": 1 / step} for step in range(1, 1_001)],
        "samples.jsonl": [{"step": step, **sample} for step in range(50) for _ in range(5)],
        "watched.jsonl": [{"step": step, "row": row, **sample} for step in range(40) for row in range(5)],
        "predictions/test.jsonl": [
            {"row": row, "prediction": given, "reference": right} for row, (given, right) in enumerate(lines, 1)
        ],
    }  # fmt: skip
    for name, value in made.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        several = value if name.endswith("l") else [value]
        place.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in several), encoding="utf-8")
    (path / "settings.yaml").write_text(f"task: {task}\nprevious: 1\n", encoding="utf-8")
    return path


def sliced(rows: int, rng: np.random.Generator) -> float:
    """Seconds of the processor for slices.json for so many rows of two labels, lengths and twelve files."""

    class Store:
        def __init__(self) -> None:
            self.given = rng.integers(4, 120, rows)

        def __len__(self) -> int:
            return rows

        def lengths(self, at: np.ndarray) -> np.ndarray:
            return self.given[at]

    task = TextClassification()
    task.labels, task.problem_type = ["0", "1"], "single_label"
    origin = Origin(
        [FileInfo(f"{n}.tsv") for n in range(12)], rng.integers(0, 12, rows).astype(np.int32), np.arange(rows)
    )
    ready: Any = SimpleNamespace(
        task=task,
        rows={"test": SimpleNamespace(origin=origin)},
        stores={"test": Store()},
        settings=SimpleNamespace(seed=0),
    )
    right = rng.integers(0, 2, rows)
    given = np.where(rng.random(rows) < 0.85, right, 1 - right)
    began = time.process_time()
    found = slices(ready, "test", given, right)
    assert len(found["length"]["slices"]) == 5 and len(found["file"]["slices"]) == 12
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    real = reviews()
    texts = [real[at % len(real)] for at in range(asked.rows)]
    kinds: dict[str, tuple[str, list[str], Callable[[], Iterator[tuple[Any, Any]]]]] = {}
    for name, count in LABELS.items():
        labels = [f"레이블 {place}" for place in range(count)]
        kinds[name] = ("text-classification", labels, lambda labels=labels: classes(labels, texts, rng))  # type: ignore[misc]
    kinds["entities"] = ("token-classification", ["O", "B-PER", "I-PER"], lambda: entities(texts, rng))
    kinds["answers"] = ("question-answering", [], lambda: answers(texts, rng))
    kinds["summaries"] = ("summarization", [], lambda: written(texts, rng))
    print(f"{asked.rows:,} rows: seconds (wall, median of {asked.rounds}), of the processor, size of the page")
    with tempfile.TemporaryDirectory() as place:
        for name, (task, labels, lines) in kinds.items():
            run = folder(Path(place) / name.replace(" ", "-"), task, labels, lines(), texts)
            walls, spent = [], []
            for turn in range(asked.rounds):
                began, ran = time.perf_counter(), time.process_time()
                missing = write_report(run, lang=("ko", "en")[turn % 2])
                walls.append(time.perf_counter() - began)
                spent.append(time.process_time() - ran)
                assert missing == [], missing
            size = (run / "report.html").stat().st_size / 1e6
            met = median(spent) <= SECONDS and size <= MEGABYTES
            print(
                f"{name:12}{median(walls):8.2f} s{median(spent):8.2f} s{size:8.3f} MB   {'met' if met else 'NOT MET'}"
            )
    cost = median([sliced(asked.rows, rng) for _ in range(asked.rounds)])
    print(f"slices of two labels, at the end of a training: {cost:.2f} s of the processor")


if __name__ == "__main__":
    main()
