"""Folders of the test's own, to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

LABELS = ["bad", "good", "so so"]


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A BERT with a trained head, in a folder of the test's own."""
    return Path(shutil.copytree(tiny("bert", labels=tuple(LABELS)), tmp_path / "model"))


@pytest.fixture
def body(tiny, tmp_path) -> Path:
    """A BERT without any head."""
    return Path(shutil.copytree(tiny("bert", auto="AutoModel"), tmp_path / "body"))
