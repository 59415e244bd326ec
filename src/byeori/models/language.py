"""What a language model thinks of tokens, without a vocabulary's worth of numbers for each of them.

The head of a language model ends in a matrix from its hidden size to the vocabulary: 8,192 tokens of 50,257 words are 1.6 GB
in float32, and a loss by the book holds them three times. Here the hidden states that go into the matrix are taken
instead, and it is applied to the wanted places alone, a chunk at a time (vocabulary.py); where it is no plain matrix, but one
with an adapter, and there is more than one chunk, gradients compute it again (checkpointing: Chen et al., 2016).

Invariants: the numbers are those of the model's own logits. Whether its matrix alone gives them is tried on a few tokens,
not taken from a list of names; a model that does more (Gemma 2's soft cap) is asked for its logits.

    nll, best = likelihoods(model, pack, places, pack.labels[places])
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from byeori.batches.fixed import filled
from byeori.batches.pack import Pack
from byeori.models import vocabulary
from byeori.models.packed import exactly, runner, token_logits, unwrapped

TOLERANCE = 1e-4
PROBED = 5  # tokens


class Head:
    """The matrix of a model, and whether it makes the model's logits all alone."""

    def __init__(self, model: Any):
        self.matrix: Any = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
        self.alone = isinstance(self.matrix, nn.Module) and self._probe(model)

    def hidden(self, model: nn.Module, pack: Pack) -> torch.Tensor:
        """(tokens, size): what goes into the matrix, in the pack's order."""
        with self._caught(empty=True) as found:
            token_logits(model, pack)
        return torch.cat([one.flatten(0, 1) for one in found])

    @contextmanager
    def _caught(self, empty: bool):
        """Keep what goes into the matrix; with `empty` no logits are made of it."""
        found: list[torch.Tensor] = []

        def take(module: nn.Module, inputs: tuple) -> tuple:
            found.append(inputs[0])
            return (inputs[0][:, :0], *inputs[1:]) if empty else inputs

        handle = self.matrix.register_forward_pre_hook(take)
        try:
            yield found
        finally:
            handle.remove()

    @torch.no_grad()
    def _probe(self, model: Any) -> bool:
        run = runner(model)
        pad = model.config.pad_token_id
        ids = [one for one in range(2 * PROBED) if one != pad][:PROBED]
        rectangle = {"input_ids": torch.tensor([ids], device=next(model.parameters()).device)}
        rectangle["attention_mask"] = torch.ones_like(rectangle["input_ids"])
        training = model.training
        model.eval()
        try:
            with self._caught(empty=False) as whole:
                logits = run.plain(rectangle)
            with self._caught(empty=True) as again:
                run.plain(rectangle)
            if len(whole) != 1 or len(again) != 1 or whole[0].shape[:2] != logits.shape[:2]:
                return False
            made = self.matrix(again[0])
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError):
            return False  # what a foreign model does with no tokens at all is its own: it is asked for its logits
        finally:
            model.train(training)
        return made.shape == logits.shape and torch.allclose(made, logits, atol=TOLERANCE, rtol=TOLERANCE)


_heads: WeakKeyDictionary[nn.Module, Head] = WeakKeyDictionary()


def head_of(model: nn.Module) -> Head:
    """The head of a model; made, and the model tried, at the first call."""
    inner = unwrapped(model)
    if inner not in _heads:
        with exactly(inner):
            _heads[inner] = Head(inner)
    return _heads[inner]


def vocabulary_logits(model: nn.Module, pack: Pack, places: torch.Tensor) -> torch.Tensor:
    """Logits (places, vocabulary) of some tokens; `places` int64, counted in the pack's tokens."""
    head, count = head_of(model), len(places)
    if pack.shapes is not None:
        places, _ = filled(places, places, pack.computed)
    found = head.matrix(head.hidden(model, pack)[places]) if head.alone else token_logits(model, pack)[places]
    return found[:count]


def likelihoods(
    model: nn.Module, pack: Pack, places: torch.Tensor, labels: torch.Tensor, states: list[torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """−log p of `labels` int64 (places,) at `places`, float32 (places,) in nats, and the likeliest tokens, int64 (places,).

    `states`, if given, is handed what `several` makes guesses of.
    """
    head, count = head_of(model), len(places)
    if pack.shapes is not None:
        places, labels = filled(places, labels, pack.computed)
    inputs = (head.hidden(model, pack) if head.alone else token_logits(model, pack))[places]
    if states is not None:
        states.append(inputs[:count].detach())
    if head.alone and type(head.matrix) is nn.Linear:
        nll, best = vocabulary.judged(inputs, head.matrix.weight, head.matrix.bias, labels)
        return nll[:count], best[:count]
    width = head.matrix.weight.shape[0] if head.alone else inputs.shape[1]
    rows = max(1, vocabulary.LOGITS // width)
    again = torch.is_grad_enabled() and head.alone and len(places) > rows
    found = []
    for some, wanted in zip(inputs.split(rows), labels.split(rows), strict=True):
        if again:
            found.append(checkpoint(_judge, head, some, wanted, use_reentrant=False, preserve_rng_state=False))
        else:
            found.append(_judge(head, some, wanted))
    return torch.cat([nll for nll, _ in found])[:count], torch.cat([best for _, best in found])[:count]


@torch.no_grad()
def several(model: nn.Module, states: torch.Tensor, most: int) -> torch.Tensor:
    """The likeliest tokens at places whose `states` are known: float32 (places, most, 2), probability and id."""
    head = head_of(model)
    width = head.matrix.weight.shape[0] if head.alone else states.shape[1]
    found = []
    for some in states.split(max(1, vocabulary.LOGITS // width)):
        logits = head.matrix(some) if head.alone else some
        values, ids = logits.float().softmax(-1).topk(min(most, logits.shape[-1]))
        found.append(torch.stack([values, ids.float()], -1))
    return torch.cat(found)


def _judge(head: Head, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = head.matrix(inputs) if head.alone else inputs
    return F.cross_entropy(logits.float(), labels, reduction="none"), logits.detach().argmax(-1)


@torch.no_grad()
def sees_ahead(model: Any) -> bool:
    """Whether a token's logits change with a token after it: an encoder's do, and none can learn to write that way."""
    run, inner = runner(model), unwrapped(model)
    device = next(inner.parameters()).device
    first, second = (torch.tensor([ids], device=device) for ids in ([1, 2, 3, 4], [1, 2, 3, 5]))
    training = inner.training
    inner.eval()
    try:
        both = [run.plain({"input_ids": ids, "attention_mask": torch.ones_like(ids)}) for ids in (first, second)]
    finally:
        inner.train(training)
    # Weights that are no numbers say nothing of it; the first loss will say that.
    return not torch.allclose(both[0][0, :3], both[1][0, :3], atol=TOLERANCE, rtol=TOLERANCE, equal_nan=True)
