"""Attention on tokens end to end: whole sequences, of which each sees its own.

hidden = stack.run(ids, places, Whole(stack, lengths))     # lengths in ascending order
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized

import torch
from torch.nn import functional as F

from byeori.generate.stacks import Layer, Stack, Unfit

Keep = Callable[[int, torch.Tensor, torch.Tensor], None]


class Whole:
    """Sequences of these lengths, one after the other; runs of equal length go through attention together, so nothing is padded.

    `keep` gets each layer's keys and values (tokens, kv_heads, size).
    """

    def __init__(self, stack: Stack, lengths: list[int], keep: Keep | None = None):
        self.stack, self.keep = stack, keep
        self.runs: list[tuple[int, int, int]] = []  # first token, sequences, length
        start = 0
        for length in filter(None, lengths):
            if self.runs and self.runs[-1][2] == length:
                first, count, _ = self.runs[-1]
                self.runs[-1] = (first, count + 1, length)
            else:
                self.runs.append((start, 1, length))
            start += length
        self.square = stack.bias.square(max(lengths)) if stack.bias is not None else None
        self.masks: dict[tuple[int, int | None], torch.Tensor | None] = {}

    def own(self, number: int, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if self.keep is not None:
            self.keep(number, k, v)
        found = torch.empty(len(q), q.shape[1] * q.shape[2], dtype=q.dtype, device=q.device)
        for start, count, length in self.runs:
            stop = start + count * length
            asked, keys, values = (x[start:stop].unflatten(0, (count, length)).transpose(1, 2) for x in (q, k, v))
            met = meet(layer, asked, keys, values, self._mask(layer, length, q), self.stack.causal)
            found[start:stop] = met.transpose(1, 2).reshape(stop - start, -1)
        return found

    def across(self, number: int, layer: Layer, q: torch.Tensor) -> torch.Tensor:
        raise Unfit("whole sequences are sources and prompts, and neither reads another")

    def _mask(self, layer: Layer, length: int, q: torch.Tensor) -> torch.Tensor | None:
        """(1, heads or 1, length, length) to add, or None where being causal, or nothing, says all."""
        window = layer.window if layer.window is not None and layer.window < length else None
        key = (length, window)
        if key not in self.masks:
            self.masks[key] = self._made(length, window, layer.softcap is not None, q)
        return self.masks[key]

    def _made(self, length: int, window: int | None, capped: bool, q: torch.Tensor) -> torch.Tensor | None:
        if self.square is None and window is None and not (capped and self.stack.causal):
            return None
        mask = torch.zeros(1, length, length, device=q.device)
        if self.square is not None:
            mask = self.square[:, :length, :length].clone()
        if self.stack.causal:
            places = torch.arange(length, device=q.device)
            distance = places[:, None] - places
            hidden = distance < 0
            if window is not None:
                hidden |= distance >= window
            mask.masked_fill_(hidden, -torch.inf)
        return mask[None].to(q.dtype)


def parts(rows: Sequence[Sized], tokens: int, padded: bool = False) -> list[list[int]]:
    """Places of rows by ascending length, cut into parts of at most so many tokens (of one row at least)."""
    made: list[list[int]] = []
    used = 0
    for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
        length = len(rows[place])
        now = (len(made[-1]) + 1) * length if padded and made else used + length
        if made and now <= tokens:
            made[-1].append(place)
            used = now
        else:
            made.append([place])
            used = length
    return made


def meet(
    layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool = False
) -> torch.Tensor:
    """Queries (rows, heads, new, size), keys and values (rows, kv_heads, seen, size) → (rows, heads, new, size).

    `mask` is added to the scores; `causal` counts only where there is none.
    """
    several = q.shape[1] // k.shape[1]
    if several > 1:
        k, v = (x.repeat_interleave(several, 1) for x in (k, v))
    if layer.softcap is None:
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal and mask is None, scale=layer.scale)
    scores = torch.matmul(q, k.transpose(2, 3)) * layer.scale
    scores = layer.softcap * torch.tanh(scores / layer.softcap)
    if mask is not None:
        scores = scores + mask
    return torch.matmul(scores.softmax(-1), v)
