"""Losses over a vocabulary of tens of thousands of words, a few hundred tokens at a time.

The logits of 8,192 tokens and 50,257 words are 1.6 GB in float32, and a loss by the book holds them three times. Here a chunk of
them is made, judged and overwritten by its gradient, which goes into those of hidden states and matrix at once: no logits are
kept, and none are made twice where every token's loss is scaled alike, as a mean's are (Hsu et al., 2024, Liger Kernel).

    nll, likeliest = judged(hidden, matrix.weight, matrix.bias, labels)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from byeori.models import device

LOGITS = 1 << 24  # of float32: 64 MiB; what one chunk of tokens may take
BLOCK = 64
NONE = (None,) * 4  # gradients of labels, shift and the rest


def judged(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    shift: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """−log p of `labels`, float32 (tokens,) in nats, and the likeliest words, int64 (tokens,).

    `hidden` (tokens, size), `weight` (vocabulary, size), `bias` (vocabulary,), `labels` int64 (tokens,). Products are in autocast's
    dtype, softmax and sums in float32. `shift` (vocabulary,) is added to logits in float32, and learns nothing.
    """
    kind = hidden.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    with torch.autocast(kind, enabled=False):
        return _Judged.apply(hidden, weight, bias, labels, shift, low, torch.is_grad_enabled())


class _Judged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden, weight, bias, labels, shift, low: torch.dtype, recorded: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wanted = ctx.needs_input_grad[:3]
        # Reading whether all tokens weigh the same would wait for a GPU.
        at_once = recorded and any(wanted) and not device.asynchronous(hidden.device)
        made = _Gradients(hidden, weight, bias, wanted, low) if at_once else None
        nll = hidden.new_empty(len(hidden), dtype=torch.float32)
        likeliest = torch.empty_like(labels)
        for part, some, logs in _chunks(hidden, weight, bias, shift, low):
            right = labels[part, None]
            nll[part] = -logs.gather(1, right)[:, 0]
            likeliest[part] = best(logs, 1)[1][:, 0]
            if made is not None:
                made.add(part, some, logs, right, None)
        ctx.low, ctx.made = low, made
        ctx.save_for_backward(hidden, weight, bias, labels, shift)
        ctx.mark_non_differentiable(likeliest)
        return nll, likeliest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor, _: Any) -> tuple:
        hidden, weight, bias, labels, shift = ctx.saved_tensors
        made, ctx.made = ctx.made, None
        if made is not None and len(gradient) and bool((gradient == gradient[0]).all()):
            return *made.scaled(gradient[0]), *NONE
        if made is not None and not any(ctx.needs_input_grad[1:3]):
            return *made.scaled(gradient[:, None]), *NONE
        made = _Gradients(hidden, weight, bias, ctx.needs_input_grad[:3], ctx.low)
        for part, some, logs in _chunks(hidden, weight, bias, shift, ctx.low):
            made.add(part, some, logs, labels[part, None], gradient[part, None])
        return *made.scaled(None), *NONE


class _Gradients:
    """Those of hidden states, matrix and bias (None where not wanted), added up chunk by chunk."""

    def __init__(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: Any, wanted: tuple[bool, ...], low: torch.dtype
    ):
        self.low = low
        self.weight = weight.to(low)
        self.of_hidden = torch.empty_like(hidden) if wanted[0] else None
        self.of_weight = torch.zeros_like(weight) if wanted[1] else None
        self.of_bias = torch.zeros_like(bias) if wanted[2] else None

    def add(
        self, part: slice, hidden: torch.Tensor, logs: torch.Tensor, labels: torch.Tensor, scale: torch.Tensor | None
    ) -> None:
        """`logs` (tokens, vocabulary), the logs of probabilities, are overwritten."""
        probabilities = logs.exp_()
        probabilities.scatter_add_(1, labels, probabilities.new_full(labels.shape, -1.0))
        if scale is not None:
            probabilities.mul_(scale)
        if self.of_bias is not None:
            self.of_bias.add_(probabilities.sum(0))
        probabilities = probabilities.to(self.low)
        if self.of_hidden is not None:
            self.of_hidden[part] = probabilities @ self.weight
        if self.of_weight is not None:
            if self.of_weight.dtype == self.low:
                self.of_weight.addmm_(probabilities.t(), hidden)
            else:
                self.of_weight.add_(probabilities.t() @ hidden)

    def scaled(self, scale: torch.Tensor | None) -> list[torch.Tensor | None]:
        every = [self.of_hidden, self.of_weight, self.of_bias]
        return every if scale is None else [None if one is None else one.mul_(scale) for one in every]


def _chunks(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, shift: torch.Tensor | None, low: torch.dtype
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Part by part its places, its hidden states in `low` and its logs of probabilities (tokens, vocabulary) in float32, one memory
    for all."""
    rows = max(1, LOGITS // len(weight))
    turned, own = weight.to(low).t(), None if bias is None else bias.to(low)
    made = hidden.new_empty(min(rows, len(hidden)), len(weight), dtype=low)
    logs = torch.empty_like(made, dtype=torch.float32)
    for start in range(0, len(hidden), rows):
        some = hidden[start : start + rows].to(low)
        logits = made[: len(some)]
        if own is None:
            torch.mm(some, turned, out=logits)
        else:
            torch.addmm(own, some, turned, out=logits)
        if shift is not None:
            logits = logits + shift.float()
        found = logs[: len(some)]
        torch.log_softmax(logits, -1, dtype=torch.float32, out=found)
        yield slice(start, start + len(some)), some, found


def best(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The best of each row and their places: as `scores.topk(count)`, several times faster over a large vocabulary.

    The best of all stand in the blocks whose best are the best: only those are sorted.
    """
    rows, size = scores.shape
    blocks = size // BLOCK
    if blocks < 4 * count:
        return scores.topk(count)
    whole, rest = scores[:, : blocks * BLOCK].view(rows, blocks, BLOCK), scores[:, blocks * BLOCK :]
    chosen = whole.amax(-1).topk(count).indices  # (rows, count)
    inside = whole.gather(1, chosen[..., None].expand(-1, -1, BLOCK)).flatten(1)
    found, at = torch.cat([inside, rest], 1).topk(count)
    first = chosen.gather(1, (at // BLOCK).clamp(max=count - 1)) * BLOCK
    behind = at - count * BLOCK
    return found, torch.where(behind >= 0, blocks * BLOCK + behind, first + at % BLOCK)
