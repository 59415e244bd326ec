"""BERT's second objective: does the second sentence follow the first (Devlin et al., 2019)?

Half of the pairs are consecutive sentences of a text, or a row's two texts; in the others the second comes from another row.
Which, is settled when the rows are encoded; 0 stands for "follows", 1 for "from elsewhere", as in `BertForPreTraining`.

    first, second, follows, counts = pairs(["One. Two. Three. Four."], None)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from byeori.batches.pack import Pack
from byeori.errors import ModelError
from byeori.metrics.sentences import sentences
from byeori.models.language import head_of
from byeori.models.packed import runner, unwrapped


def pairs(
    texts: Sequence[str], seconds: Sequence[str | None] | None
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """(first texts, second texts, labels int64 (pairs,), pairs a row int64 (rows,)). A function of the rows alone.

    A text of one sentence is paired with one from elsewhere.
    """
    own: list[list[tuple[str, str | None]]] = []
    for place, text in enumerate(texts):
        second = None if seconds is None else seconds[place]
        if second is not None:
            own.append([(text, second)])
            continue
        found = sentences(text)
        two = [(found[at], found[at + 1]) for at in range(0, len(found) - 1, 2)]
        own.append(list(two) or [(found[0] if found else text, None)])
    counts = np.array([len(one) for one in own], np.int64)
    flat = [pair for one in own for pair in one]
    row = np.repeat(np.arange(len(own)), counts)
    pool = [second or first for first, second in flat]
    rng = np.random.default_rng(len(flat))
    labels = np.array([second is None for _, second in flat], bool) | (rng.random(len(flat)) < 0.5)
    other = rng.integers(0, max(1, len(flat)), len(flat))
    for _ in range(8):  # of another row, unless there is none
        same = row[other] == row
        other[same] = rng.integers(0, max(1, len(flat)), int(same.sum()))
    chosen = [pool[other[at]] if elsewhere else flat[at][1] or "" for at, elsewhere in enumerate(labels)]
    return [first for first, _ in flat], chosen, labels.astype(np.int64), counts


def check(model: Any) -> None:
    """Raises ModelError for a model without the head."""
    if not hasattr(getattr(unwrapped(model), "cls", None), "seq_relationship"):
        raise ModelError(
            f"{type(model).__name__} has no head that says whether a sentence follows: next_sentence is for BERT. Leave it out."
        )


@contextmanager
def answering(model: Any, pack: Pack) -> Iterator[list[torch.Tensor]]:
    """While the pack runs, the head's logits are put into the list: (sequences, 2), in parts, in the pack's order.

    The head reads the first token of a row; a pack is one row of many sequences, each with a first token of its own.
    """
    inner: Any = unwrapped(model)
    head_of(model)  # it is tried at the first call, which is no answer
    found: list[torch.Tensor] = []

    def take(module: Any, inputs: tuple) -> None:
        hidden, pooled = inputs
        if runner(inner).packs:
            pooled = inner.base_model.pooler(hidden[0, pack.layout.starts][:, None])
        found.append(module.seq_relationship(pooled))

    handle = inner.cls.register_forward_pre_hook(take)
    try:
        yield found
    finally:
        handle.remove()
