"""Attention over packed sequences, registered with transformers under one name.

Invariants: a token attends to the tokens of its own sequence (in a decoder, to those up to it) and to no padding; a
call without a layout (a plain padded batch, also one made by transformers itself) is transformers' own `sdpa`, mask
included. The layout travels as a keyword argument of `model(...)`, so that a recomputed layer (gradient checkpointing)
finds it again. What it can't compute (soft caps; in a pack, biases by position) it refuses.

    model = AutoModel.from_pretrained(folder, attn_implementation=attention.NAME)
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from byeori.batches.pack import Group, Layout
from byeori.models.rectangles import rectangles

NAME = "byeori"
FLASH_FROM = 64  # tokens a sequence: below, torch's flash kernel on the CPU is slower than plain products
_packed: ContextVar[bool] = ContextVar("packed", default=False)


@contextmanager
def packed():
    """While a pack runs, no mask is built: over a whole pack it would be a square of all its tokens."""
    token = _packed.set(True)
    try:
        yield
    finally:
        _packed.reset(token)


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # (1, heads, tokens, size)
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Returns (1, tokens, heads, size): scaled dot products inside each sequence (Vaswani et al., 2017)."""
    if softcap:  # in a plain batch too: it must not be left out in silence
        raise ValueError("attention scores with a soft cap have no packed form")
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if kwargs.get("position_bias") is not None:  # T5's: small in a fresh model, where the probe would not miss it
        raise ValueError("attention scores with a bias by position have no packed form")
    causal = bool(getattr(module, "is_causal", False))
    heads, size = query.shape[1], query.shape[3]
    if key.shape[1] != heads:  # several query heads share a key head (Ainslie et al., 2023)
        key, value = (x.repeat_interleave(heads // x.shape[1], 1) for x in (key, value))
    if layout.cu_seqlens is not None:
        return _variable_length(query, key, value, scaling, layout, sliding_window, causal), None
    query, key, value = (x[0].transpose(0, 1) for x in (query, key, value))  # (tokens, heads, size)
    masks = _masks(layout, sliding_window, causal, query.device)
    scaling = size**-0.5 if scaling is None else scaling
    recorded = torch.is_grad_enabled() and query.requires_grad
    if query.device.type == "cpu" and (recorded or dropout or layout.max_length <= FLASH_FROM):
        return rectangles(query, key, value, layout, masks, dropout, scaling).unsqueeze(0), None
    sizes = [group.count * group.length for group in layout.groups]  # split, not slices: its backward is one cat
    found = []
    for number, (group, *parts) in enumerate(
        zip(layout.groups, *(x.split(sizes) for x in (query, key, value)), strict=True)
    ):
        q, k, v = (x.reshape(group.count, group.length, heads, size).transpose(1, 2) for x in parts)
        out = scaled_dot_product_attention(q, k, v, attn_mask=masks.get(number), dropout_p=dropout, scale=scaling)
        found.append(out.transpose(1, 2).reshape(-1, heads, size))
    return torch.cat(found).unsqueeze(0), None


def _masks(layout: Layout, window: int | None, causal: bool, device: torch.device) -> dict[int, torch.Tensor]:
    """The mask of each group that needs one: padded places, what is to come, what a sliding window doesn't reach."""
    if window is None and not causal:
        return layout.masks
    masks = dict(layout.masks)
    for number, group in enumerate(layout.groups):
        if causal or (window is not None and group.length > window):
            masks[number] = _band(group, window, causal, device, layout.masks.get(number))
    return masks


def _band(
    group: Group, window: int | None, causal: bool, device: torch.device, mask: torch.Tensor | None
) -> torch.Tensor:
    """Distance < window, on both sides or only back: how transformers' layers state theirs to the attention function."""
    places = torch.arange(group.length, device=device)
    back = places[:, None] - places
    near = back >= 0 if causal else torch.ones_like(back, dtype=torch.bool)
    if window is not None:
        near = near & (back.abs() < window)
    return near[None, None] if mask is None else near & mask


def _variable_length(query, key, value, scaling, layout: Layout, window: int | None, causal: bool) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    reach = -1 if window is None else window - 1
    ends: Any = layout.cu_seqlens
    sides = (reach, 0 if causal else reach)
    out: Any = varlen_attn(q, k, v, ends, ends, layout.max_length, layout.max_length, scale=scaling, window_size=sides)
    return out.unsqueeze(0)


def mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    return None if _packed.get() else sdpa_mask(*args, **kwargs)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, mask)
