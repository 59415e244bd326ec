"""T5 and mT5 as stacks: norms before each part, no biases, scores unscaled but moved by distance (Raffel et al., 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from byeori.generate.stacks import Layer, RelativeBias, Stack, activation, dense, root_mean_square, split_heads


class T5Layer(Layer):
    scale = 1.0

    def __init__(self, block: Any, heads: int, size: int):
        own, feed = block.layer[0], block.layer[-1]
        self.heads, self.size = heads, size
        at = own.SelfAttention
        self.own_norm, self.qkv, self.own_out = _norm(own.layer_norm), dense(at.q, at.k, at.v), dense(at.o)
        if len(block.layer) == 3:
            cross = block.layer[1]
            at = cross.EncDecAttention
            self.cross_norm, self.q, self.kv, self.cross_out = (
                _norm(cross.layer_norm), dense(at.q), dense(at.k, at.v), dense(at.o),
            )  # fmt: skip
        inner = feed.DenseReluDense
        self.feed_norm, self.act, self.shrink = _norm(feed.layer_norm), activation(inner.act), dense(inner.wo)
        self.gated = hasattr(inner, "wi_0")
        self.grow = dense(inner.wi_0, inner.wi_1) if self.gated else dense(inner.wi)
        # Of a float16 model transformers keeps the last matrix in float32.
        first, last = (inner.wi_0 if self.gated else inner.wi).weight.dtype, inner.wo.weight.dtype
        self.wide = last if last != first else None

    def own(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        heads = self.heads
        q, k, v = split_heads(self.qkv(self.own_norm(x)), heads, heads, heads, size=self.size)
        return q, k, v

    def after_own(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return x + self.own_out(attended)

    def memory(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        k, v = split_heads(self.kv(encoded), self.heads, self.heads, size=self.size)
        return k, v

    def query(self, x: torch.Tensor) -> torch.Tensor:
        return self.q(self.cross_norm(x)).unflatten(1, (-1, self.size))

    def after_query(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return x + self.cross_out(attended)

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.grow(self.feed_norm(x))
        if self.gated:
            gate, inner = inner.chunk(2, -1)
            inner = self.act(gate) * inner
        else:
            inner = self.act(inner)
        return x + self.shrink(inner if self.wide is None else inner.to(self.wide))


class T5Stack(Stack):
    def __init__(self, body: Any):
        config = body.config
        self.heads = self.kv_heads = config.num_heads
        self.size = config.d_kv
        self.causal = self.crosses = body.is_decoder
        self.table = body.embed_tokens.weight
        self.layers = [T5Layer(block, self.heads, self.size) for block in body.block]
        self.last_norm = _norm(body.final_layer_norm)
        self.bias = _bias(body.block[0].layer[0].SelfAttention, self.causal)

    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return F.embedding(ids, self.table)

    def last(self, x: torch.Tensor) -> torch.Tensor:
        return self.last_norm(x)


def _norm(module: Any) -> Any:
    return root_mean_square(module.weight, module.variance_epsilon)


def _bias(attention: Any, causal: bool) -> RelativeBias:
    """By the module's own buckets; from max_distance on all distances share one."""
    weight = attention.relative_attention_bias.weight
    distances = torch.arange(attention.relative_attention_max_distance + 1, device=weight.device)

    def rows(relative: torch.Tensor) -> torch.Tensor:
        buckets = attention._relative_position_bucket(
            relative, bidirectional=not causal, num_buckets=attention.relative_attention_num_buckets,
            max_distance=attention.relative_attention_max_distance,
        )  # fmt: skip
        return weight[buckets].float()

    return RelativeBias(rows(-distances), None if causal else rows(distances))
