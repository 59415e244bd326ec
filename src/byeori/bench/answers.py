"""Whether contestants gave the same answers, row by row.

share(["a", "b"], ["a", "c"]) == 0.5
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

LIKE = 0.999  # cosine from which two vectors count as the same; bfloat16 alone moves it by some 1e-4
NEAR = 0.02  # what bfloat16 may move a number by


def share(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Of the rows, those with the same answer: equal ones, numbers near each other, or vectors that point the same way."""
    return sum(map(_same, first, second)) / max(1, len(first))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)
    if not _is_vector(one) or not _is_vector(other):
        return one == other
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape:
        return False
    return float(a @ b) >= LIKE * float(np.linalg.norm(a) * np.linalg.norm(b))


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, float) for one in value)
