"""GPT-2 and CTRL as stacks: absolute positions, learned or sinusoidal, layer norms before each part and after the last.

Invariant: scores are scaled as the attention module says, so that GPT-2's two settings of it (by the head's size, by the
layer's number) hold as they are set.

    stack = Gpt2Stack(model.transformer)
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from byeori.generate.stacks import Layer, Map, Stack, Unfit, activation, dense, norm, split_heads


class GptLayer(Layer):
    """`parts`: queries, keys and values; attention's output; the two maps of the feed-forward part. `norms`: one before each."""

    def __init__(self, heads: int, size: int, scale: float, norms: tuple[Any, Any], parts: tuple[Map, ...], act: Map):
        self.heads, self.size, self.scale, self.act = heads, size, scale, act
        self.own_norm, self.feed_norm = norm(norms[0]), norm(norms[1])
        self.qkv, self.out, self.grow, self.shrink = parts

    def own(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        heads = self.heads
        q, k, v = split_heads(self.qkv(self.own_norm(x)), heads, heads, heads, size=self.size)
        return q, k, v

    def after_own(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return x + self.out(attended)

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.shrink(self.act(self.grow(self.feed_norm(x))))


class Gpt2Stack(Stack):
    """Radford et al., 2019. Raises Unfit for cross attention, and for scores computed in float32 in another order."""

    causal = True

    def __init__(self, body: Any):
        config = body.config
        for name in ("add_cross_attention", "reorder_and_upcast_attn"):
            if getattr(config, name, False):
                raise Unfit(f"it is configured with {name}")
        self.heads = self.kv_heads = heads = config.num_attention_heads
        self.size = size = config.hidden_size // heads
        self.words, self.table, self.last_norm = body.wte, body.wpe.weight, norm(body.ln_f)
        self.layers = [
            GptLayer(
                heads, size, block.attn.scaling, (block.ln_1, block.ln_2),
                (dense(block.attn.c_attn), dense(block.attn.c_proj), dense(block.mlp.c_fc), dense(block.mlp.c_proj)),
                activation(block.mlp.act),
            )
            for block in body.h
        ]  # fmt: skip

    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Places beyond the table of positions raise IndexError, as in the model."""
        return self.words(ids) + F.embedding(places, self.table)

    def last(self, x: torch.Tensor) -> torch.Tensor:
        return self.last_norm(x)


class CtrlStack(Stack):
    """Keskar et al., 2019: words times the root of their size, plus sines and cosines. Without segments, as in generation."""

    causal = True

    def __init__(self, body: Any):
        config = body.config
        self.heads = self.kv_heads = heads = config.n_head
        self.size = size = config.n_embd // heads
        self.words, self.scale, self.last_norm = body.w, math.sqrt(config.n_embd), norm(body.layernorm)
        self.table = body.pos_encoding.to(body.w.weight)  # device and dtype, as its forward does
        self.layers = []
        for block in body.h:
            at, (grow, act, shrink) = block.multi_head_attention, block.ffn
            parts = (dense(at.Wq, at.Wk, at.Wv), dense(at.dense), dense(grow), dense(shrink))
            norms = (block.layernorm1, block.layernorm2)
            self.layers.append(GptLayer(heads, size, at.scaling, norms, parts, activation(act)))

    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Places beyond the table of positions raise IndexError, as in the model."""
        return self.words(ids) * self.scale + F.embedding(places, self.table)

    def last(self, x: torch.Tensor) -> torch.Tensor:
        return self.last_norm(x)
