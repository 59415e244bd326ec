"""Attention over packed sequences, registered with transformers under one name.

Invariants: a token attends to the tokens of its own sequence (in a decoder, to those up to it) and to no padding; a
call without a layout (a plain padded batch, also one made by transformers itself) is transformers' own `sdpa`, mask
included. The layout travels as a keyword argument of `model(...)`, so that a recomputed layer (gradient checkpointing)
finds it again. What it can't compute (soft caps; biases by position of a whole pack, or of variable lengths) it refuses.

    model = AutoModel.from_pretrained(folder, attn_implementation=attention.NAME)
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, masking_utils
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from byeori.batches.pack import Group, Layout
from byeori.batches.targets import Memory
from byeori.models.rectangles import Places, attend_alone, rectangles

NAME = "byeori"
# Tokens a sequence up to which torch's flash kernel on a CPU is slower than plain products (docs/log.md).
PLAIN_UP_TO = {torch.float32: 128, torch.bfloat16: 512}
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
    memory: Memory | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    position_bias: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Returns (1, tokens, heads, size): scaled dot products inside each sequence (Vaswani et al., 2017).

    With `memory`, where the module isn't causal, keys and values are the encoder's. `position_bias` (1, heads or 1, longest,
    longest) is of one sequence (T5).
    """
    if softcap:  # in a plain batch too: it must not be left out in silence
        raise ValueError("attention scores with a soft cap have no packed form")
    if layout is None:
        if position_bias is not None:
            kwargs["position_bias"] = position_bias
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    causal = bool(getattr(module, "is_causal", False))
    across = memory if not causal else None
    bias = None if across is not None else position_bias
    if bias is not None and bias.shape[2] > layout.max_length:
        raise ValueError("a bias by position is needed of one sequence, not of a whole pack")
    heads, size = query.shape[1], query.shape[3]
    if key.shape[1] != heads:  # several query heads share a key head (Ainslie et al., 2023)
        key, value = (x.repeat_interleave(heads // x.shape[1], 1) for x in (key, value))
    if layout.cu_seqlens is not None:
        if bias is not None:
            raise ValueError("variable-length attention takes no bias by position")
        return _variable_length(query, key, value, scaling, layout, across, sliding_window, causal), None
    query, key, value = (x[0].transpose(0, 1) for x in (query, key, value))  # (tokens, heads, size)
    if across is None:
        places = places_of(layout, sliding_window, causal, query.device)
    else:
        places = Places(layout.groups, across.spans, across.masks)
    scaling = size**-0.5 if scaling is None else scaling
    given = (query, key, value) if bias is None else (query, key, value, bias)
    recorded = torch.is_grad_enabled() and any(one.requires_grad for one in given)
    if not recorded and not dropout:
        found = without_gradients(query, key, value, places, scaling, bias)
    elif query.device.type == "cpu":
        found = rectangles(query, key, value, places, dropout, scaling, bias)
    else:
        found = by_kernel(query, key, value, places, dropout, scaling, bias)
    return found.unsqueeze(0), None


def without_gradients(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: Places,
    scale: float,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """As `rectangles` without gradients or dropout, by what is quicker: plain products or torch's own kernel."""
    longest = max((length for _, length in places.spans), default=0)
    if query.device.type == "cpu" and longest <= PLAIN_UP_TO.get(query.dtype, 0):
        return attend_alone(query, key, value, places, scale, bias)
    query, key, value = query[: places.asked], key[: places.seen], value[: places.seen]
    return by_kernel(query, key, value, places, 0.0, scale, bias)


def by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: Places,
    dropout: float,
    scale: float,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """As `rectangles`, by torch's own attention kernel, group by group."""
    heads, size = query.shape[1:]
    asked = [group.count * group.length for group in places.groups]  # split, not slices: its backward is one cat
    seen = [group.count * length for group, (_, length) in zip(places.groups, places.spans, strict=True)]
    found = []
    for number, (group, *parts) in enumerate(
        zip(places.groups, query.split(asked), key.split(seen), value.split(seen), strict=True)
    ):
        length = places.spans[number][1]
        q, k, v = (x.reshape(group.count, -1, heads, size).transpose(1, 2) for x in parts)
        mask = places.masks.get(number)
        if bias is not None:
            own = bias[:, :, : group.length, :length].to(q.dtype)
            mask = own if mask is None else own.masked_fill(~mask, -torch.inf)
        out = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale)
        found.append(out.transpose(1, 2).reshape(-1, heads, size))
    return torch.cat(found)


def places_of(layout: Layout, window: int | None, causal: bool, device: torch.device) -> Places:
    """Where the tokens of a pack meet those of their own sequence."""
    spans = tuple((group.start, group.length) for group in layout.groups)
    return Places(layout.groups, spans, _masks(layout, window, causal, device))


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


def _variable_length(
    query, key, value, scaling, layout: Layout, memory: Memory | None, window: int | None, causal: bool
) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    # Under autocast rotary positions leave queries and keys in float32, which the kernel doesn't take; values never are.
    q, k, v = (x[0].transpose(0, 1).to(value.dtype) for x in (query, key, value))
    reach = -1 if window is None else window - 1
    ends: Any = layout.cu_seqlens
    other: Any = ends if memory is None else memory.cu_seqlens
    longest = layout.max_length if memory is None else memory.max_length
    sides = (-1, -1) if memory is not None else (reach, 0 if causal else reach)
    out: Any = varlen_attn(q, k, v, ends, other, layout.max_length, longest, scale=scaling, window_size=sides)
    return out.unsqueeze(0)


def mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    return None if _packed.get() else sdpa_mask(*args, **kwargs)


def _sequences(position_ids: torch.Tensor) -> torch.Tensor | None:
    """In place of transformers' search for sequences in positions, which a GPU is waited for, and no mask is made of here."""
    return None if _packed.get() else _their_sequences(position_ids)


_their_sequences: Any = getattr(masking_utils, "find_packed_sequence_indices", None)
if _their_sequences is not None:  # a function of their own, which may go
    masking_utils.find_packed_sequence_indices = _sequences
AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, mask)
