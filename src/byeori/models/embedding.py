"""Training only the word vectors that the training rows use.

A word that never occurs has a zero gradient at every step, so AdamW leaves its vector alone but for weight decay, which is
one factor a step. Keeping only the rows in use as a parameter gives the same weights with less gradient, less
optimizer state and less time, the more the larger the vocabulary is beside the data.
Not for tied embeddings: the head's softmax sends a gradient to every word.

    compact = use_rows(model, used_ids); ...; compact.write_back()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from byeori.data import mapped
from byeori.models.world import stretch
from byeori.text.store import TokenStore

WORTH = 0.8  # at most this share of the vocabulary in use
SMALLEST = 1_000_000  # parameters: below, nothing is gained


class CompactEmbedding(nn.Embedding):
    """An embedding whose `active` rows train; `weight` (vocabulary, size) is whole and frozen meanwhile."""

    def __init__(self, whole: nn.Embedding, used: torch.Tensor):
        nn.Module.__init__(self)
        self.num_embeddings, self.embedding_dim, self.padding_idx = (
            whole.num_embeddings,
            whole.embedding_dim,
            whole.padding_idx,
        )
        self.max_norm, self.norm_type = whole.max_norm, whole.norm_type
        self.scale_grad_by_freq, self.sparse = whole.scale_grad_by_freq, whole.sparse
        self.weight = whole.weight
        self.weight.requires_grad_(False)
        self.used = used  # int64 (rows,)
        self.place = torch.full((whole.num_embeddings,), -1, dtype=torch.int64, device=used.device)
        self.place[used] = torch.arange(len(used), device=used.device)
        # nn.Embedding gives the pad token no gradient, also where it stands in a text.
        padding = -1 if whole.padding_idx is None else int(self.place[whole.padding_idx])
        self.padding_place = padding if padding >= 0 else None
        self.active = nn.Parameter(self.weight.detach()[used].clone())
        self.decay = 1.0  # by what the idle rows have shrunk since they were last written
        self.stale = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not (self.training and torch.is_grad_enabled()):
            self.write_back()
            return F.embedding(input, self.weight, self.padding_idx)
        return F.embedding(self.place[input], self.active, self.padding_place)

    @torch.no_grad()
    def write_back(self) -> None:
        """Bring `weight` up to date: trained rows from `active`, idle rows shrunk as AdamW would have."""
        if not self.stale:
            return
        if self.decay != 1.0:
            self.weight.mul_(self.decay)
            self.decay = 1.0
        active: Any = self.active.detach()
        # Of ranks that share it all have to be here; inside a forward of theirs it is whole.
        self.weight[self.used] = active.full_tensor() if hasattr(active, "full_tensor") else active
        self.stale = False

    def stepped(self, decay: float) -> None:
        """Tell that the optimizer has moved `active`, with a weight decay of `decay` = learning rate × rate."""
        self.decay *= 1.0 - decay
        self.stale = True

    @torch.no_grad()
    def read_again(self) -> None:
        """Take `active` from `weight`, after other weights were loaded."""
        active: Any = self.active
        if hasattr(active, "to_local"):  # FSDP2's
            mesh = active.device_mesh
            mine = stretch(len(self.used), mesh.get_local_rank(), mesh.size())
            active.to_local().copy_(self.weight[self.used[mine]])
        else:
            active.copy_(self.weight[self.used])
        self.decay, self.stale = 1.0, False


def used_ids(store: TokenStore, vocabulary: int, pad: int) -> np.ndarray:
    """The token ids that occur in a store, and the pad token's; int64, ascending."""
    seen = np.zeros(vocabulary, bool)
    seen[pad] = True
    for block in mapped.spans(store.tokens):
        seen[store.input_ids[block]] = True
    return np.flatnonzero(seen)


_compact: WeakKeyDictionary[nn.Module, CompactEmbedding] = WeakKeyDictionary()


def use_rows(model: Any, used: np.ndarray) -> CompactEmbedding | None:
    """Replace the word embedding by one that trains only these ids; None where that is not exact or not worth it."""
    restore(model)  # of a training that failed
    whole = model.get_input_embeddings()
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tied = head is not None and getattr(head, "weight", None) is whole.weight
    if type(whole) is not nn.Embedding or tied or whole.max_norm is not None or not whole.weight.requires_grad:
        return None
    if whole.weight.numel() < SMALLEST or len(used) > WORTH * whole.num_embeddings:
        return None
    compact = CompactEmbedding(whole, torch.from_numpy(np.asarray(used, np.int64)).to(whole.weight.device))
    compact.train(whole.training)
    model.set_input_embeddings(compact)
    _compact[model] = compact
    return compact


def restore(model: Any) -> None:
    """The ordinary embedding again, with what was learnt."""
    compact = _compact.pop(model, None)
    if compact is None:
        return
    compact.write_back()
    whole = nn.Embedding(
        compact.num_embeddings,
        compact.embedding_dim,
        compact.padding_idx,
        _weight=compact.weight.detach(),
        _freeze=False,
    )
    model.set_input_embeddings(whole)


@contextmanager
def full_weights(model: nn.Module) -> Iterator[None]:
    """The model as transformers knows it, for saving."""
    compact = _compact.get(model)
    if compact is None:
        yield
        return
    compact.write_back()
    active = compact.active
    del compact.active
    try:
        yield
    finally:
        compact.active = active
