"""Attention over the groups of a pack as one differentiable step: what a CPU is quickest at.

One autograd node a layer in place of a chain a group: outputs and gradients are written straight into one row of tokens,
matrices are contiguous before every batched product (torch copies them one by one otherwise: 384 copies for 32 rows of 12
heads), and nothing is cut or joined. The arithmetic is that of softmax(q kᵀ · scale + mask), dropout, v (Vaswani et al., 2017).

    out = rectangles(query, key, value, layout, masks, dropout=0.1, scale=0.18)      # (tokens, heads, size)
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from byeori.batches.pack import Layout
from byeori.models.noise import keep

BLOCKED = -1e30  # added to scores of padded places; exp() of it is exactly 0


def rectangles(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    masks: dict[int, torch.Tensor],
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """q, k, v (tokens, heads, size) → (tokens, heads, size). `masks`: group → bool, broadcast to (count, heads, length, length)."""
    return _Rectangles.apply(query, key, value, layout, masks, dropout, scale)


class _Rectangles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query, key, value, layout: Layout, masks, dropout: float, scale: float) -> torch.Tensor:
        heads, size = query.shape[1:]
        out = torch.empty_like(query)
        saved: list[torch.Tensor] = []
        for number, group in enumerate(layout.groups):
            shape = (group.count, group.length, heads, size)
            q, k, v = (_matrices(x[group.start : group.stop], shape) for x in (query, key, value))
            mask = masks.get(number)
            if mask is None:
                scores = torch.bmm(q, k.transpose(1, 2)).mul_(scale)
            else:
                blocked = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, BLOCKED)
                blocked = blocked.expand(group.count, heads, *mask.shape[2:]).reshape(-1, *mask.shape[2:])
                scores = torch.baddbmm(blocked, q, k.transpose(1, 2), alpha=scale)
            weights = torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype)
            kept = keep(weights.shape, dropout, weights.dtype) if dropout else None
            found = torch.bmm(weights if kept is None else weights * kept, v)
            out[group.start : group.stop].view(shape).copy_(
                found.view(group.count, heads, group.length, size).transpose(1, 2)
            )
            saved += [q, k, v, weights] if kept is None else [q, k, v, weights, kept]
        ctx.save_for_backward(*saved)
        ctx.layout, ctx.heads, ctx.scale, ctx.dropped = layout, heads, scale, bool(dropout)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        saved, step = ctx.saved_tensors, 5 if ctx.dropped else 4
        made = [torch.empty_like(gradient, memory_format=torch.contiguous_format) for _ in range(3)]
        for number, group in enumerate(ctx.layout.groups):
            q, k, v, weights, *rest = saved[number * step : (number + 1) * step]
            shape = (group.count, group.length, ctx.heads, q.shape[-1])
            up = _matrices(gradient[group.start : group.stop], shape)
            through = torch.bmm(up, v.transpose(1, 2))
            if rest:
                d_value = torch.bmm((weights * rest[0]).transpose(1, 2), up)
                through.mul_(rest[0])
            else:
                d_value = torch.bmm(weights.transpose(1, 2), up)
            d_scores = torch._softmax_backward_data(through, weights, -1, weights.dtype).mul_(ctx.scale)
            d_query = torch.bmm(d_scores, k)
            d_key = torch.bmm(d_scores.transpose(1, 2), q)
            for whole, part in zip(made, (d_query, d_key, d_value), strict=True):
                whole[group.start : group.stop].view(shape).copy_(
                    part.view(group.count, ctx.heads, group.length, -1).transpose(1, 2)
                )
        return *made, None, None, None, None


def _matrices(x: torch.Tensor, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """(tokens, heads, size) of one group → contiguous (count · heads, length, size)."""
    count, length, heads, size = shape
    return x.reshape(shape).transpose(1, 2).reshape(count * heads, length, size)
