"""A tiny BERT with dropout, one without, and rows of the demo data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import byeori

DEMO = Path(byeori.__file__).parent / "data" / "demo" / "requests.tsv"


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
