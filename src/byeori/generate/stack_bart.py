"""BART, mBART, Marian, Pegasus and LED's decoder as stacks: absolute positions, layer norms before or after each part.

Invariants: norms stand after each part in BART (Lewis et al., 2020), Marian and LED, before it in mBART and Pegasus, which
end in one more; positions come from the body's own table, learned or sinusoidal, from its own offset on.

    stack = BartStack(model.get_decoder())
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from byeori.generate.stacks import Layer, Map, Stack, Unfit, activation, dense, norm, split_heads

# class of a body → whether its norms stand before each part. LED's encoder attends in windows with global tokens: not here.
BEFORE = {
    "BartEncoder": False, "BartDecoder": False, "MarianEncoder": False, "MarianDecoder": False, "LEDDecoder": False,
    "MBartEncoder": True, "MBartDecoder": True, "PegasusEncoder": True, "PegasusDecoder": True,
}  # fmt: skip


class BartLayer(Layer):
    def __init__(self, layer: Any, heads: int, size: int, before: bool, crosses: bool):
        self.heads, self.size, self.scale = heads, size, size**-0.5
        at = layer.self_attn
        self.qkv, self.own_out = dense(at.q_proj, at.k_proj, at.v_proj), dense(at.out_proj)
        self.own_in, self.own_end = _around(layer.self_attn_layer_norm, before)
        if crosses:
            at = layer.encoder_attn
            self.q, self.kv, self.cross_out = dense(at.q_proj), dense(at.k_proj, at.v_proj), dense(at.out_proj)
            self.cross_in, self.cross_end = _around(layer.encoder_attn_layer_norm, before)
        self.grow, self.act, self.shrink = dense(layer.fc1), activation(layer.activation_fn), dense(layer.fc2)
        self.feed_in, self.feed_end = _around(layer.final_layer_norm, before)

    def own(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        heads = self.heads
        q, k, v = split_heads(self.qkv(self.own_in(x)), heads, heads, heads, size=self.size)
        return q, k, v

    def after_own(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return self.own_end(x + self.own_out(attended))

    def memory(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        k, v = split_heads(self.kv(encoded), self.heads, self.heads, size=self.size)
        return k, v

    def query(self, x: torch.Tensor) -> torch.Tensor:
        return self.q(self.cross_in(x)).unflatten(1, (-1, self.size))

    def after_query(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return self.cross_end(x + self.cross_out(attended))

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        return self.feed_end(x + self.shrink(self.act(self.grow(self.feed_in(x)))))


class BartStack(Stack):
    def __init__(self, body: Any):
        name, config = type(body).__name__, body.config
        if name not in BEFORE:
            raise Unfit(f"the layers of {name} aren't known here")
        before = BEFORE[name]
        self.causal = name.endswith("Decoder")
        # A decoder alone (BartForCausalLM) has the weights that would read a source, and none to read.
        self.crosses = self.causal and (config.is_encoder_decoder or getattr(config, "add_cross_attention", False))
        self.heads = self.kv_heads = config.decoder_attention_heads if self.causal else config.encoder_attention_heads
        self.size = config.d_model // self.heads
        self.layers = [BartLayer(layer, self.heads, self.size, before, self.crosses) for layer in body.layers]
        self.words = body.embed_tokens  # called, not read: BART's and mBART's multiply by their scale themselves
        self.scale = getattr(body, "embed_scale", 1.0)
        self.table, self.offset = body.embed_positions.weight, getattr(body.embed_positions, "offset", 0)
        self.first_norm = norm(body.layernorm_embedding) if hasattr(body, "layernorm_embedding") else _same
        self.last_norm = norm(body.layer_norm) if before else _same

    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Places beyond the table of positions raise IndexError, as in the model."""
        return self.first_norm(self.words(ids) * self.scale + F.embedding(places + self.offset, self.table))

    def last(self, x: torch.Tensor) -> torch.Tensor:
        return self.last_norm(x)


def _around(module: Any, before: bool) -> tuple[Map, Map]:
    """What stands before a part and what behind the sum with it."""
    return (norm(module), _same) if before else (_same, norm(module))


def _same(x: torch.Tensor) -> torch.Tensor:
    return x
