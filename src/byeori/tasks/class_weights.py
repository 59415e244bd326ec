"""What each class weighs in a loss: as asked, scaled so that neither loss nor learning rate changes its scale.

weights_of("balanced", np.array([3, 1]), ["neg", "pos"]) == [2 / 3, 2.0]
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from byeori.errors import SettingError

if TYPE_CHECKING:
    import torch


def weights_of(asked: str, counts: np.ndarray, labels: list[str]) -> list[float]:
    """One weight a label, of mean 1 over the training rows. asked: `balanced`, or `label=weight,label=weight`.

    counts: int64 (L,), rows of each label. Raises SettingError.
    """
    if asked == "balanced":
        weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    else:
        given = dict(part.rpartition("=")[::2] for part in asked.split(","))
        wrong = [name for name in given if name not in labels]
        try:
            weights = np.array([float(given.get(name, 1.0)) for name in labels])
        except ValueError:
            wrong = [asked]
        if wrong or (weights <= 0).any():
            raise SettingError(
                f"class_weights={asked!r}: {wrong[0] if wrong else 'a weight'} is not usable. Give balanced, or "
                f"label=weight for labels among {', '.join(labels)}, weights above 0."
            )
    return [float(w) for w in weights * counts.sum() / (weights * counts).sum()]


@lru_cache(maxsize=8)
def on_device(weights: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """They as float32 (L,) on a device, copied there once: a GPU is waited for."""
    import torch

    with torch.inference_mode(False):  # what an evaluation asks for first, a training takes too
        return torch.tensor(weights, device=device)
