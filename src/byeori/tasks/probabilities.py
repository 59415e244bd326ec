"""Logits → probabilities, as every task answers with them.

probabilities = softmax(np.array([[1.0, 2.0], [0.0, 0.0]]))      # [[0.27, 0.73], [0.5, 0.5]]
"""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, float32; of logits of any size, and of arrays without any."""
    logits = np.asarray(logits, np.float32)
    raised = np.exp(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    return raised / raised.sum(-1, keepdims=True)
