"""Labelled rows of four tasks, and the tiny model of each; predictions that are compared but for rounding.

family, values, rows = CASES["token-classification"]; close(run.predict(rows), expected)
"""

from __future__ import annotations

from typing import Any

import pytest

from vocabularies import texts

LABELS = ("O", "B-PER", "I-PER")
SPLIT = [one.split()[:9] for one in texts()[:40]]
QUESTIONS = [{
    "question": "누가?", "context": " ".join(texts()[i : i + 5]),
    "answers": {"text": [texts()[i + 1].split()[0]], "answer_start": [len(texts()[i]) + 1]},
} for i in range(12)]  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "text-classification": (
        "bert", {"labels": ("a", "b", "c")}, [{"text": one, "label": "abc"[i % 3]} for i, one in enumerate(texts()[:60])],
    ),
    "token-classification": (
        "bert", {"auto": "AutoModelForTokenClassification", "labels": LABELS},
        [{"tokens": words, "label": [LABELS[(i + k) % 2] for k in range(len(words))]} for i, words in enumerate(SPLIT)],
    ),
    "question-answering": ("bert", {"auto": "AutoModelForQuestionAnswering"}, QUESTIONS),
    "summarization": (
        "t5", {"auto": "AutoModelForSeq2SeqLM"},
        [{"source": one, "target": one[: 5 + i % 20]} for i, one in enumerate(texts()[:24])],
    ),
}  # fmt: skip


def close(one: Any, other: Any) -> bool:
    """Alike down to each number, which may differ by 1e-5."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == pytest.approx(other, abs=1e-5) if isinstance(one, float) else bool(one == other)
