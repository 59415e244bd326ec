"""Llama, Mistral, Qwen 2 and 3, Gemma 1 to 3 as stacks: rotary positions, root-mean-square norms, gated feed-forward parts.

Invariants: angles are the body's own (its rotary_emb, for each type of layer that has its own), kept for places 0, 1, 2…;
keys come out rotated, so that they can be kept; how far a layer sees, and by what its scores are scaled and capped, is in
the layer. A cap on the final logits (Gemma 2 and 3) belongs to the head.

    stack = LlamaStack(model.model)
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from byeori.generate.stacks import Layer, Map, Stack, Unfit, activation, dense, root_mean_square, split_heads

FAMILIES = ("LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "GemmaModel", "Gemma2Model", "Gemma3TextModel")
# Of these, layers are full or sliding, as the config lists.
BY_TYPE = ("Qwen2Model", "Qwen3Model", "Gemma2Model", "Gemma3TextModel")
CHANGING = ("dynamic", "longrope")  # kinds of rotary positions whose angles depend on the longest sequence there is
PLACES = 8_192  # angles made at once on a CPU, where looking for the furthest place costs nothing


class Rotary:
    """Angles by place (Su et al., 2021). `table` (places, 2, half a head): cosines and sines of the model's dtype."""

    def __init__(self, body: Any, kind: str | None, size: int):
        self.module, self.kind, self.half = body.rotary_emb, kind, size // 2
        self.like = body.embed_tokens.weight
        own = self.module.rope_type if kind is None else self.module.rope_type[kind]
        if any(name in own for name in CHANGING):
            raise Unfit(f"its rotary positions ({own}) change with the length of a sequence")
        self.most = body.config.max_position_embeddings
        self.table = self._rows(min(self.most, PLACES) if self.like.device.type == "cpu" else self.most)

    def _rows(self, count: int) -> torch.Tensor:
        places = torch.arange(count, device=self.like.device)[None]
        both = torch.cat(self.module(self.like, places, *(() if self.kind is None else (self.kind,))))
        if both.shape[-1] != 2 * self.half:
            raise Unfit("its rotary positions turn a part of each head")
        return both[..., : self.half].transpose(0, 1).contiguous()  # the second half of each row is the first again

    def reach(self, places: torch.Tensor) -> None:
        """Before a step: angles for all its places. A whole table is not looked into: that would wait for a GPU."""
        if len(self.table) < self.most and len(places) and (last := int(places.max())) >= len(self.table):
            self.table = self._rows(min(self.most, max(last + 1, 2 * len(self.table))))

    def turn(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """x (tokens, heads, size), each token turned by the angles of its place. Raises IndexError beyond the model's places."""
        cos, sin = self.table[places][:, :, None].unbind(1)  # (tokens, 1, half)
        halves = x.unflatten(-1, (2, self.half))
        turned = halves * cos[:, :, None]
        turned[..., 0, :].addcmul_(halves[..., 1, :], sin, value=-1)
        turned[..., 1, :].addcmul_(halves[..., 0, :], sin)
        return turned.flatten(-2).to(x.dtype)  # under autocast the angles are wider than x


class LlamaLayer(Layer):
    def __init__(self, layer: Any, stack: LlamaStack, rotary: Rotary):
        self.heads, self.kv_heads, self.size, self.rotary = stack.heads, stack.kv_heads, stack.size, rotary
        at, inner = layer.self_attn, layer.mlp
        self.scale = at.scaling  # of Gemma 2 and 3 by query_pre_attn_scalar
        self.qkv, self.out = dense(at.q_proj, at.k_proj, at.v_proj), dense(at.o_proj)
        self.turning_norm = _heads_norm(at, self.heads, self.kv_heads) if hasattr(at, "q_norm") else None
        self.grow, self.act, self.shrink = (
            dense(inner.gate_proj, inner.up_proj), activation(inner.act_fn), dense(inner.down_proj),
        )  # fmt: skip
        self.own_norm = _norm(layer.input_layernorm)
        # Where there are four norms, two stand behind the parts, before the sums: the name says "post" in both cases.
        four = hasattr(layer, "pre_feedforward_layernorm")
        self.own_end = _norm(layer.post_attention_layernorm) if four else None
        self.feed_norm = _norm(layer.pre_feedforward_layernorm if four else layer.post_attention_layernorm)
        self.feed_end = _norm(layer.post_feedforward_layernorm) if four else None

    def own(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        turning, v = split_heads(self.qkv(self.own_norm(x)), self.heads + self.kv_heads, self.kv_heads, size=self.size)
        if self.turning_norm is not None:
            turning = self.turning_norm(turning)
        q, k = self.rotary.turn(turning, places).split([self.heads, self.kv_heads], 1)
        return q, k, v

    def after_own(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        found = self.out(attended)
        return x + (found if self.own_end is None else self.own_end(found))

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        gate, inner = self.grow(self.feed_norm(x)).chunk(2, -1)
        found = self.shrink(self.act(gate) * inner)
        return x + (found if self.feed_end is None else self.feed_end(found))


class LlamaStack(Stack):
    """Raises Unfit for attention both ways, unknown types of layers, and rotary positions that change with the length."""

    causal = True

    def __init__(self, body: Any):
        name, config = type(body).__name__, body.config
        if name not in FAMILIES:
            raise Unfit(f"the layers of {name} aren't known here")
        if getattr(config, "use_bidirectional_attention", False):
            raise Unfit("it is configured with use_bidirectional_attention")
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        at = body.layers[0].self_attn
        self.size = at.head_dim
        kinds = config.layer_types if name in BY_TYPE else [""] * len(body.layers)
        if unknown := set(kinds) - {"", "full_attention", "sliding_attention"}:
            raise Unfit(f"its layers are of other types ({', '.join(sorted(unknown))})")
        own = isinstance(body.rotary_emb.rope_type, dict)  # angles by the type of the layer
        self.rotaries = {kind: Rotary(body, kind if own else None, self.size) for kind in (set(kinds) if own else {""})}
        self.layers = []
        for layer, kind in zip(body.layers, kinds, strict=True):
            made = LlamaLayer(layer, self, self.rotaries[kind if own else ""])
            if name == "MistralModel" or kind == "sliding_attention":
                made.window = config.sliding_window
            if name == "Gemma2Model":  # Gemma 3 has the setting too, and makes no use of it
                made.softcap = config.attn_logit_softcapping
            self.layers.append(made)
        self.words, self.last_norm = body.embed_tokens, _norm(body.norm)  # Gemma's words scale themselves

    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        for rotary in self.rotaries.values():
            rotary.reach(places)
        return self.words(ids)

    def last(self, x: torch.Tensor) -> torch.Tensor:
        return self.last_norm(x)


def _weight(module: Any) -> tuple[torch.Tensor, float]:
    """What a norm multiplies by, and its epsilon; Gemma's is 1 + weight, in float32."""
    if type(module).__name__.startswith("Gemma"):
        return 1.0 + module.weight.float(), module.eps
    return module.weight, module.variance_epsilon


def _norm(module: Any) -> Map:
    weight, eps = _weight(module)
    straight = root_mean_square(weight, eps)
    if weight is module.weight:
        return straight
    return lambda x: straight(x.float()).type_as(x)


def _heads_norm(attention: Any, heads: int, kv_heads: int) -> Map:
    """The norms of queries and keys, each head by itself, as one: (tokens, heads + kv_heads, size)."""
    (q, eps), (k, _) = _weight(attention.q_norm), _weight(attention.k_norm)
    weight, shape = torch.cat([q.expand(heads, -1), k.expand(kv_heads, -1)]), tuple(q.shape)
    return lambda x: (F.rms_norm(x.float(), shape, None, eps) * weight).type_as(x)
