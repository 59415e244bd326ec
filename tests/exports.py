"""What the tests of exports share: inputs of every task, an equality of answers, a process that mustn't need torch.

close(ours, theirs)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import byeori
from families import texts

USING = {"device": "cpu", "precision": "float32"}
TEXTS = [*texts()[:6], " ".join(texts()[10:16]), "가"]
GIVEN: dict[str, list[Any]] = {
    "token-classification": TEXTS,
    "question-answering": [{"question": one[:20], "context": " ".join(TEXTS)} for one in TEXTS[:3]],
    "feature-extraction": TEXTS,
    "multiple-choice": [{"text": TEXTS[0], "choices": TEXTS[1:4]}, {"text": TEXTS[1], "choices": TEXTS[3:5]}],
}
AUTO = {
    "token-classification": "AutoModelForTokenClassification", "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM", "feature-extraction": "AutoModel", "multiple-choice": "AutoModelForMultipleChoice",
}  # fmt: skip


def close(one: Any, other: Any) -> None:
    """The same but for numbers, which are 1e-4 apart at most."""
    if isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-4, rel=1e-5)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            close(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            close(a, b)
    else:
        assert one == other


def alone(code: str, given: Path) -> list[str]:
    """What a process of its own prints that runs `code` on a file."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(given)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(byeori.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
