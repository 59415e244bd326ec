"""Folders of the test's own, to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from byeori.models import attention, rectangles

LABELS = ["bad", "good", "so so"]
KERNEL_FROM = 65


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A BERT with a trained head, in a folder of the test's own."""
    return Path(shutil.copytree(tiny("bert", labels=tuple(LABELS)), tmp_path / "model"))


@pytest.fixture(autouse=True)
def every_path(monkeypatch):
    """Rows of the tests are short: torch's own kernel begins early, and plain products are made of few scores at a time."""
    monkeypatch.setattr(attention, "PLAIN_UP_TO", dict.fromkeys(attention.PLAIN_UP_TO, KERNEL_FROM - 1))
    monkeypatch.setattr(rectangles, "SCORES", 500)


@pytest.fixture
def body(tiny, tmp_path) -> Path:
    """A BERT without any head."""
    return Path(shutil.copytree(tiny("bert", auto="AutoModel"), tmp_path / "body"))
