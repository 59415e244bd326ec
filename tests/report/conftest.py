"""Run folders written by hand: what a training leaves, in Korean and English, for the three kinds of label."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # report_page.py

NASTY = '<b>&"'

SETTINGS = """# byeori train THIS_FILE --output NEW_FOLDER repeats the run
task: text-classification

# Where the rows come from.
train: {train}
validation: null
test: /home/someone/secret project/ratings_test.tsv
text: null

# What is trained, and on what.
model: {model}
device: cpu
precision: bfloat16
threads: 2
max_length: 128
truncation: head

# How weights move.
epochs: 3.0
batch_size: 32
learning_rate: 5.0e-05
schedule: linear
seed: 0

# Found while running; not settings.
# versions:
#   byeori: 0.1.0
#   torch: 2.13.0
# model_revision: {revision}
# data_sha256:
#   /home/someone/secret project/ratings_train.tsv: 3f1a
#   /home/someone/secret project/ratings_test.tsv: 9c2b
# model_licence: cc-by-sa-4.0
# model_languages: [ko]
"""


def scored(value, low, high):
    return {"value": value, "low": low, "high": high}


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, list):
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def make_run(path: Path, kind: str, labels: list[str] | None, metrics: dict, predictions: list, samples: list) -> Path:
    """A run folder of that kind; scores, predictions and samples as given, the rest the same for all."""
    files = {name: f"/home/someone/secret project/ratings_{name}.tsv" for name in ("train", "test")}
    write(
        path / "settings.yaml",
        SETTINGS.format(train=json.dumps(files["train"]), model="klue/roberta-base", revision="02f94ba5"),
    )
    headline = next(iter(metrics["test"]))
    training = {
        "seconds": 184.2,
        "steps": 300,
        "epochs": 3.0,
        "examples_per_second": 52.1,
        "tokens_per_second": 1480.3,
        "padding": 0.013,
        "peak_memory_mb": 1711.4,
        "evaluate_seconds": 14.0,
        "checkpoint_seconds": 3.2,
        "tokenize_seconds": 0.4,
        "total_seconds": 211.0,
        "stopped": None,
        "packed": True,
        "best": {"step": 200, "value": 0.871, "metric": headline},
    }
    write(
        path / "metrics.json",
        {
            "format": 1,
            "task": "text-classification",
            "headline": headline,
            "baseline_of": "test",
            **metrics,
            "training": training,
        },
    )
    counts = {name: 40 - 7 * place for place, name in enumerate(labels)} if labels else None
    part = {
        "columns": {"text": "document", "label": "label"},
        "tokens": 3120,
        "truncated": 2,
        "labels": counts,
        "length": {"p0": 4.0, "p50": 22.0, "p90": 51.0, "p99": 96.0, "p100": 128.0},
    }
    file = {"sha256": "3f1a", "bytes": 9120, "format": "tsv", "encoding": "utf-8"}
    write(
        path / "data.json",
        {
            "format": 1,
            "parts": {
                "train": {
                    **part,
                    "rows": 3200,
                    "files": [{**file, "path": files["train"], "rows": 3200}],
                    "notes": [f"{files['train']}: 3 empty lines left out.", 'label column "label" found by its name'],
                },
                "validation": {
                    **part,
                    "rows": 320,
                    "files": [{**file, "path": files["train"], "rows": 3200}],
                    "notes": ["split off the training rows (seed 0, stratified)"],
                },
                "test": {
                    **part,
                    "rows": len(predictions),
                    "files": [{**file, "path": files["test"], "rows": 12}],
                    "notes": [],
                },
            },
        },
    )
    history = []
    for step in range(10, 301, 10):
        history.append(
            {
                "step": step,
                "epoch": step / 100,
                "loss": 0.7 * 0.99**step + 0.08,
                "grad_norm": 1.2,
                "learning_rate": 5e-5,
                "examples_per_second": 52.0,
                "tokens_per_second": 1480.0,
                "memory_mb": 1711.0,
                "seconds": step * 0.6,
            }
        )
        if step % 100 == 0:
            value = {100: 0.832, 200: 0.871, 300: 0.866}[step]
            history.append(
                {
                    "step": step,
                    "epoch": step / 100,
                    "validation": {headline: value, "mcc": value - 0.1, "loss": 1 - value},
                    "seconds": 4.1,
                }
            )
    write(path / "history.jsonl", history)
    write(path / "samples.jsonl", samples)
    for part in metrics.keys() & {"test", "validation"}:
        write(path / "predictions" / f"{part}.jsonl", predictions)
    write(
        path / "model" / "config.json",
        {
            "architectures": ["RobertaForSequenceClassification"],
            "model_type": "roberta",
            "id2label": {str(i): name for i, name in enumerate(labels or ["LABEL_0"])},
        },
    )
    write(
        path / "model" / "byeori.json",
        {
            "format": 1,
            "byeori": "0.1.0",
            "task": "text-classification",
            "own_task": None,
            "state": {"labels": labels, "problem_type": kind, "settings": {}},
            "decoding": {"max_length": 128},
        },
    )
    return path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    labels = ["부정", "긍정", NASTY]
    pairs = [
        ("부정", "부정", 0.98),
        ("긍정", "긍정", 0.97),
        ("부정", "긍정", 0.93),
        ("긍정", "긍정", 0.9),
        (NASTY, "부정", 0.71),
        ("부정", "부정", 0.88),
        (NASTY, NASTY, 0.66),
        ("긍정", "부정", 0.55),
        ("긍정", "긍정", 0.99),
        ("부정", "부정", 0.8),
    ]
    predictions = [
        {"row": i, "prediction": {"label": given, "score": score}, "reference": wanted}
        for i, (wanted, given, score) in enumerate(pairs, 1)
    ]
    metrics = {
        "test": {
            "accuracy": scored(0.875, 0.861, 0.889),
            "macro_f1": scored(0.86, 0.84, 0.88),
            "mcc": scored(None, None, None),
            "loss": scored(0.331, 0.302, 0.362),
        },
        "validation": {"accuracy": scored(0.871, 0.85, 0.89)},
        "baseline": {
            "trivial": {
                "accuracy": scored(0.5, 0.48, 0.52),
                "macro_f1": scored(0.33, 0.32, 0.34),
                "mcc": scored(None, None, None),
            },
            "linear": {
                "accuracy": scored(0.842, 0.83, 0.86),
                "macro_f1": scored(0.83, 0.81, 0.85),
                "mcc": scored(None, None, None),
            },
        },
    }
    samples = [
        {
            "step": 30,
            "inputs": {"text": "예전 표본"},
            "prediction": "부정",
            "score": 0.5,
            "reference": "부정",
            "right": True,
        },
        {
            "step": 300,
            "inputs": {"text": "정말 오랜만에 극장에서 울었다. 강력 추천!"},
            "prediction": "긍정",
            "score": 0.98,
            "reference": "긍정",
            "right": True,
        },
        {
            "step": 300,
            "inputs": {"text": f"돈이 아깝다 {NASTY}"},
            "prediction": NASTY,
            "score": 0.61,
            "reference": "부정",
            "right": False,
        },
    ]
    return make_run(tmp_path / "영화평", "single_label", labels, metrics, predictions, samples)


@pytest.fixture
def multi(tmp_path: Path) -> Path:
    labels = ["toxic", "insult", "threat"]
    given = [
        (["toxic"], ["toxic"]),
        (["toxic", "insult"], ["toxic"]),
        ([], ["threat"]),
        ([], []),
        (["insult"], ["insult", "toxic"]),
    ]
    predictions = [
        {"row": i, "prediction": [{"label": name, "score": 0.9 - 0.1 * i} for name in p], "reference": r}
        for i, (p, r) in enumerate(given, 1)
    ]
    metrics = {
        "test": {"micro_f1": scored(0.7, 0.6, 0.8)},
        "baseline": {"trivial": {"micro_f1": scored(0.4, 0.3, 0.5)}, "linear": {"micro_f1": scored(0.72, 0.62, 0.8)}},
    }
    samples = [
        {"step": 300, "inputs": {"text": "You are a fool"}, "prediction": [], "reference": ["insult"], "right": False}
    ]
    return make_run(tmp_path / "comments", "multi_label", labels, metrics, predictions, samples)


@pytest.fixture
def regression(tmp_path: Path) -> Path:
    values = [(0.2, 0.0), (3.2, 3.0), (4.8, 5.0), (1.1, 2.6), (2.4, 2.2)]
    predictions = [
        {"row": i, "prediction": {"label": "LABEL_0", "score": p}, "reference": r} for i, (p, r) in enumerate(values, 1)
    ]
    metrics = {
        "test": {"pearson": scored(0.61, 0.55, 0.66), "rmse": scored(0.71, 0.6, 0.8)},
        "baseline": {
            "trivial": {"pearson": scored(None, None, None), "rmse": scored(1.7, 1.6, 1.8)},
            "linear": {"pearson": scored(0.7, 0.65, 0.75), "rmse": scored(0.9, 0.8, 1.0)},
        },
    }
    samples = [
        {
            "step": 300,
            "inputs": {"text": "A man eats", "text_pair": "A man is eating"},
            "prediction": 4.61,
            "reference": 5.0,
            "right": None,
        }
    ]
    return make_run(tmp_path / "sts", "regression", None, metrics, predictions, samples)
