"""Attention over the groups of a pack as one differentiable step: what a CPU is quickest at.

One autograd node a layer in place of a chain a group: outputs and gradients are written straight into one row of tokens,
matrices are contiguous before every batched product (torch copies them one by one otherwise: 384 copies for 32 rows of 12
heads), and nothing is cut or joined. The arithmetic is that of softmax(q kᵀ · scale + mask), dropout, v (Vaswani et al., 2017).

    out = rectangles(query, key, value, Places(layout.groups, spans, masks), dropout=0.1, scale=0.18)      # (tokens, heads, size)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from byeori.batches.pack import Group
from byeori.models.noise import keep

BLOCKED = -1e30  # added to scores of padded places; exp() of it is exactly 0
SCORES = 2**20  # made at a time where no gradient asks for them again


@dataclass(frozen=True)
class Places:
    """Which rows of the queries meet which of the keys.

    `groups`: of the queries. `spans`: of each group, where its keys begin and how many a sequence has; together all of them.
    `masks`: group → bool, broadcast to (count, heads, length, others), True = attend.
    """

    groups: tuple[Group, ...]
    spans: tuple[tuple[int, int], ...]
    masks: dict[int, torch.Tensor]

    @property
    def asked(self) -> int:
        """Rows of the queries; there may be more, which belong to no sequence: gradients and what they need are zero there."""
        return max((group.stop for group in self.groups), default=0)

    @property
    def seen(self) -> int:
        """Rows of the keys, likewise."""
        return max(
            (start + group.count * length for group, (start, length) in zip(self.groups, self.spans, strict=True)),
            default=0,
        )


def rectangles(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: Places,
    dropout: float,
    scale: float,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """q (tokens, heads, size), k and v (others, heads, size) → (tokens, heads, size).

    `bias` (1, heads, longest, longest) is added to the scores of each sequence.
    """
    return _Rectangles.apply(query, key, value, bias, places, dropout, scale)


class _Rectangles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query, key, value, bias, places: Places, dropout: float, scale: float) -> torch.Tensor:
        out, saved = attend(query, key, value, places, dropout, scale, bias)
        ctx.save_for_backward(*saved)
        ctx.places, ctx.scale, ctx.dropped = places, scale, bool(dropout)
        ctx.shapes = query.shape, key.shape, value.shape
        ctx.bias = None if bias is None else bias.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        made = [torch.empty(shape, dtype=gradient.dtype) for shape in ctx.shapes]
        d_bias = None
        if ctx.bias is not None and ctx.needs_input_grad[3]:
            d_bias = torch.zeros(ctx.bias, dtype=torch.float32)
        attend_backward(gradient, ctx.saved_tensors, made, ctx.places, ctx.dropped, ctx.scale, d_bias)
        return *made, d_bias, None, None, None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: Places,
    dropout: float,
    scale: float,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """As `rectangles`, outside autograd; returns also what `attend_backward` needs, a fixed number of tensors a group."""
    heads, size = query.shape[1:]
    out = torch.empty(query.shape, dtype=query.dtype)
    saved: list[torch.Tensor] = []
    for number, (group, (start, length)) in enumerate(zip(places.groups, places.spans, strict=True)):
        shape = (group.count, group.length, heads, size)
        q = _matrices(query[group.start : group.stop], shape)
        others = (group.count, length, heads, size)
        k, v = (_matrices(x[start : start + group.count * length], others) for x in (key, value))
        added = _added(places.masks.get(number), bias, (group.count, heads, group.length, length), q.dtype)
        weights = torch.softmax(_scores(q, k, added, scale), -1, dtype=torch.float32).to(q.dtype)
        kept = keep(weights.shape, dropout, weights.dtype) if dropout else None
        found = torch.bmm(weights if kept is None else weights * kept, v)
        rows = out[group.start : group.stop].view(shape)
        rows.copy_(found.view(group.count, heads, group.length, size).transpose(1, 2))
        saved += [q, k, v, weights] if kept is None else [q, k, v, weights, kept]
    out[places.asked :] = 0
    return out, saved


@torch.no_grad()
def attend_alone(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: Places,
    scale: float,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """As `rectangles` without gradients or dropout: so few sequences at a time that their scores stay in the cache."""
    heads, size = query.shape[1:]
    out = torch.empty(query.shape, dtype=query.dtype)
    for number, (group, (start, length)) in enumerate(zip(places.groups, places.spans, strict=True)):
        mask = places.masks.get(number)
        at_once = max(1, SCORES // (heads * group.length * length))
        for first in range(0, group.count, at_once):
            count = min(at_once, group.count - first)
            asking = slice(group.start + first * group.length, group.start + (first + count) * group.length)
            asked = slice(start + first * length, start + (first + count) * length)
            shape = (count, group.length, heads, size)
            q, k, v = (
                _matrices(x[rows], (count, many, heads, size))
                for x, rows, many in ((query, asking, group.length), (key, asked, length), (value, asked, length))
            )
            own = mask if mask is None or len(mask) == 1 else mask[first : first + count]
            scores = _scores(q, k, _added(own, bias, (count, heads, group.length, length), q.dtype), scale)
            found = torch.bmm(torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype), v)
            out[asking].view(shape).copy_(found.view(count, heads, group.length, size).transpose(1, 2))
    return out


def _scores(q: torch.Tensor, k: torch.Tensor, added: torch.Tensor | None, scale: float) -> torch.Tensor:
    if added is None:
        return torch.bmm(q, k.transpose(1, 2)).mul_(scale)
    return torch.baddbmm(added, q, k.transpose(1, 2), alpha=scale)


def attend_backward(
    gradient: torch.Tensor,
    saved: Any,
    made: Any,
    places: Places,
    dropped: bool,
    scale: float,
    d_bias: torch.Tensor | None = None,
) -> None:
    """Write the gradients of q, k and v into `made`, each of their own shape, and add that of the bias to `d_bias`."""
    step = 5 if dropped else 4
    heads = gradient.shape[1]
    for number, (group, (start, length)) in enumerate(zip(places.groups, places.spans, strict=True)):
        q, k, v, weights, *rest = saved[number * step : (number + 1) * step]
        shape = (group.count, group.length, heads, q.shape[-1])
        up = _matrices(gradient[group.start : group.stop], shape)
        through = torch.bmm(up, v.transpose(1, 2))
        if rest:
            d_value = torch.bmm((weights * rest[0]).transpose(1, 2), up)
            through.mul_(rest[0])
        else:
            d_value = torch.bmm(weights.transpose(1, 2), up)
        d_scores = torch._softmax_backward_data(through, weights, -1, weights.dtype)
        if d_bias is not None:
            of_each = d_scores.view(group.count, heads, group.length, length)
            d_bias[0, :, : group.length, :length] += of_each.sum(0, dtype=torch.float32)
        d_scores.mul_(scale)
        d_query = torch.bmm(d_scores, k)
        d_key = torch.bmm(d_scores.transpose(1, 2), q)
        inside = slice(start, start + group.count * length)
        for whole, part, rows, many in (
            (made[0], d_query, slice(group.start, group.stop), group.length),
            (made[1], d_key, inside, length),
            (made[2], d_value, inside, length),
        ):
            own = whole[rows].view(group.count, many, heads, -1)
            own.copy_(part.view(group.count, heads, many, -1).transpose(1, 2))
    for whole, end in zip(made, (places.asked, places.seen, places.seen), strict=True):
        whole[end:] = 0


def _added(
    mask: torch.Tensor | None, bias: torch.Tensor | None, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> torch.Tensor | None:
    """What is added to scores (count · heads, length, others), if anything is."""
    count, heads, length, others = shape
    found = None if bias is None else bias[:, :, :length, :others].to(dtype)
    if mask is not None:
        blocked = torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, max(BLOCKED, torch.finfo(dtype).min))
        found = blocked if found is None else found + blocked
    return None if found is None else found.expand(shape).reshape(count * heads, length, others)


def _matrices(x: torch.Tensor, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """(tokens, heads, size) of one group → contiguous (count · heads, length, size)."""
    count, length, heads, size = shape
    return x.reshape(shape).transpose(1, 2).reshape(count * heads, length, size)
