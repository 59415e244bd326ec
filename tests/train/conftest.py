"""A tiny BERT with dropout, one without, and rows of the demo data."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import byeori
from byeori.batches.order import Order
from byeori.tasks import TextClassification
from byeori.train.progress import Quiet

DEMO = Path(byeori.__file__).parent / "data" / "demo" / "requests.tsv"


class Notes(Quiet):
    """Progress that remembers what it was told: sentences, evaluations, and the steps whose samples were shown."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.evaluations: list[dict] = []
        self.shown: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def evaluation(self, record: dict, headline: str, better: bool) -> None:
        self.evaluations.append({**record["validation"], "headline": headline, "better": better})

    def samples(self, step: int, samples: list[dict]) -> None:
        self.shown.append(step)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="session")
def tiny_bert(tiny) -> str:
    """A body without a head, dropout 0.1."""
    return str(tiny("bert", auto="AutoModel", dropout=0.1))


@pytest.fixture(scope="session")
def still_bert(tiny) -> str:
    """The same weights, dropout 0."""
    return str(tiny("bert", auto="AutoModel"))


@pytest.fixture(scope="session")
def demo_rows() -> list[dict[str, str]]:
    """96 rows of four classes."""
    with open(DEMO, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = sorted({row["label"] for row in rows})[:4]
    return [row for row in rows if row["label"] in labels][:96]


@pytest.fixture(scope="session")
def requests_tsv(demo_rows, tmp_path_factory) -> str:
    """The same rows in a file."""
    path = tmp_path_factory.mktemp("data") / "requests.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{r['text']}\t{r['label']}\n" for r in demo_rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def train(tiny_bert, requests_tsv, tmp_path) -> Callable[..., Any]:
    """`train(name="run", **values)` → a short run of the 96 rows, in the folder of that name."""

    def run(name: str = "run", **values):
        small = {"batch_size": 20, "epochs": 2, "learning_rate": 1e-3, "threads": 1, "precision": "float32"}
        values = {**small, "baselines": False, "train": requests_tsv, "output": str(tmp_path / name), **values}
        return byeori.train(values.pop("task", "text-classification"), values.pop("model", tiny_bert), **values)

    return run


@pytest.fixture
def odd(monkeypatch) -> Callable[[int], None]:
    """`odd(3)`: from now on the loss of the third update of an epoch is no number."""

    def spoil(number: int) -> None:
        loss, batch, at = TextClassification.loss, Order.batch, []

        def watched(self, epoch, step):
            at[:] = [step]
            return batch(self, epoch, step)

        def spoilt(self, outputs, pack):
            found = loss(self, outputs, pack)
            return found * math.nan if outputs.logits.requires_grad and at == [number - 1] else found

        monkeypatch.setattr(Order, "batch", watched)
        monkeypatch.setattr(TextClassification, "loss", spoilt)

    return spoil
