"""How much of what a model computes is padding, counted where batches are made or where the model is called.

padding = Padding(); padding.watch(model); model(**batch); padding.share
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Padding:
    """`places` of all batches, and those of them that hold `tokens`."""

    def __init__(self) -> None:
        self.places = self.tokens = 0

    @property
    def share(self) -> float:
        return 1 - self.tokens / max(1, self.places)

    def add(self, batch: Any) -> None:
        """A batch as a model is called with it. Labels of their own length are what a decoder computes."""
        ids, mask, labels = batch["input_ids"], batch.get("attention_mask"), batch.get("labels")
        self.places += ids.numel()
        self.tokens += ids.numel() if mask is None else int(mask.sum())
        if labels is not None and labels.ndim == 2 and labels.shape != ids.shape and not labels.is_floating_point():
            self.places += labels.numel()
            self.tokens += int((labels != -100).sum())

    def collating(self, collator: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
        """The same collator, counted."""

        def counted(features: list[Any]) -> Any:
            batch = collator(features)
            self.add(batch)
            return batch

        return counted

    def watch(self, model: Any) -> None:
        """Count every call of a model from now on."""
        model.register_forward_pre_hook(lambda _, places, named: self.add(named), with_kwargs=True)
