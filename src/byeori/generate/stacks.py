"""A transformer's layers without its class: what decoding needs of them, token by token, from the model's own weights.

Invariants: every function takes tokens end to end (tokens, …), whatever rows they are of; only attention knows which
tokens meet, and is handed in. Weights are the model's (projections of one input joined into one matrix), so that a
stack is right until they change.

    stack = stacks.of(model.get_decoder()); hidden = stack.run(ids, places, attend)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F

Map = Callable[[torch.Tensor], torch.Tensor]


class Unfit(Exception):
    """Why a model's layers can't be taken out of it; it then decodes by its own `generate`."""


class Attend(Protocol):
    """Attention of layer `number`: queries (tokens, heads, size), keys and values (tokens, kv_heads, size) of the new tokens
    → (tokens, heads × size). `own` takes the new keys and values in; `across` reads those of the source."""

    def own(self, number: int, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor: ...

    def across(self, number: int, layer: Layer, q: torch.Tensor) -> torch.Tensor: ...


class Layer(ABC):
    """One layer. A family's subclass fills in the functions; residuals and norms are inside them, wherever the family has them."""

    scale: float  # of queries times keys
    softcap: float | None = None  # scores s become cap × tanh(s / cap)
    window: int | None = None  # a token sees so many, itself included

    @abstractmethod
    def own(self, x: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of x (tokens, size) at their places int64 (tokens,), rotated where the family rotates."""

    @abstractmethod
    def after_own(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def feed(self, x: torch.Tensor) -> torch.Tensor: ...

    # Of decoders that read a source.
    def memory(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (tokens, heads, size) of encoded tokens (tokens, size)."""
        raise Unfit("this layer reads no source")

    def query(self, x: torch.Tensor) -> torch.Tensor:
        raise Unfit("this layer reads no source")

    def after_query(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        raise Unfit("this layer reads no source")


class Stack(ABC):
    """Embeddings, layers, last norm. `bias` is what T5 adds to its scores by distance; None elsewhere."""

    layers: list[Layer]
    heads: int
    kv_heads: int
    size: int  # of a head
    causal: bool
    crosses: bool = False  # whether it reads a source
    bias: RelativeBias | None = None

    @abstractmethod
    def embed(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """ids and places int64 (tokens,) → (tokens, size of the model)."""

    @abstractmethod
    def last(self, x: torch.Tensor) -> torch.Tensor:
        """After the last layer."""

    def run(self, ids: torch.Tensor, places: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Hidden states (tokens, size)."""
        x = self.embed(ids, places)
        for number, layer in enumerate(self.layers):
            x = layer.after_own(x, attend.own(number, layer, *layer.own(x, places)))
            if self.crosses:
                x = layer.after_query(x, attend.across(number, layer, layer.query(x)))
            x = layer.feed(x)
        return self.last(x)


class RelativeBias:
    """T5's bias by distance: `table` (distances, heads), row d for a key d tokens before its query; beyond it, the last row.

    An encoder also has `after`, row d for a key d tokens behind.
    """

    def __init__(self, table: torch.Tensor, after: torch.Tensor | None = None):
        self.table, self.after = table, after

    def before(self, distances: torch.Tensor) -> torch.Tensor:
        """Distances int64, at least 0 → (…, heads)."""
        return F.embedding(distances.clamp(0, len(self.table) - 1), self.table)

    def square(self, length: int) -> torch.Tensor:
        """(heads, length, length) of a sequence; what a decoder doesn't see gets the bias of distance 0."""
        places = torch.arange(length, device=self.table.device)
        distance = places[:, None] - places[None, :]
        found = self.before(distance)
        if self.after is not None:
            behind = F.embedding((-distance).clamp(0, len(self.after) - 1), self.after)
            found = torch.where((distance < 0)[..., None], behind, found)
        return found.permute(2, 0, 1).contiguous()


# parts of layers -------------------------------------------------------------------------------------------------
def dense(*modules: nn.Module) -> Map:
    """Linear maps of one input as one: (tokens, in) → (tokens, sum of outs). Raises Unfit for what is no plain linear map.

    Under autocast weights are cast once, here, which autocast does at every call for what is no parameter.
    """
    weights, biases = zip(*(_weights(module) for module in modules), strict=True)
    weight, bias = weights[0] if len(weights) == 1 else torch.cat(weights), None
    if any(one is not None for one in biases):
        filled = [w.new_zeros(len(w)) if b is None else b for w, b in zip(weights, biases, strict=True)]
        bias = filled[0] if len(filled) == 1 else torch.cat(filled)
    if torch.is_autocast_enabled(kind := weight.device.type):
        cast = torch.get_autocast_dtype(kind)
        weight, bias = weight.to(cast), None if bias is None else bias.to(cast)
    return lambda x: F.linear(x, weight, bias)


def _weights(module: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight (out, in) and bias of a Linear, or of GPT-2's Conv1D, whose weight lies the other way."""
    kind = type(module)
    if kind is nn.Linear:
        return module.weight, module.bias
    if kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils":
        return module.weight.t(), module.bias  # a view: as fast, and nothing is held twice
    raise Unfit(f"{kind.__name__} stands where a linear map is expected")


def norm(module: nn.Module) -> Map:
    """A layer norm as a function: nn.LayerNorm by torch's own, any other (RMSNorm…) as the module itself."""
    if type(module) is nn.LayerNorm:
        shape, weight, bias, eps = module.normalized_shape, module.weight, module.bias, module.eps
        return lambda x: F.layer_norm(x, shape, weight, bias, eps)
    return module


def root_mean_square(weight: torch.Tensor, eps: float) -> Map:
    """x / √(mean x² + eps) × weight (Zhang & Sennrich, 2019), x float32 or what autocast left."""
    shape, share = tuple(weight.shape), 1 / weight.numel()
    if weight.device.type != "cpu":
        return lambda x: F.rms_norm(x, shape, weight, eps)

    def apply(x: torch.Tensor) -> torch.Tensor:  # torch's own takes twice as long on a CPU
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        return (x * weight).mul_(length.square_().mul_(share).add_(eps).rsqrt_())

    return apply


def activation(module: nn.Module) -> Map:
    """An activation as one call of torch's where there is one: transformers writes some in Python. Any other as it is."""
    kind = type(module)
    if kind.__module__.partition(".")[0] not in ("transformers", "torch"):
        return module
    return ACTIVATIONS.get(kind.__name__, module)


_tanh = partial(F.gelu, approximate="tanh")
ACTIVATIONS: dict[str, Map] = {
    "GELUActivation": F.gelu, "NewGELUActivation": _tanh, "GELUTanh": _tanh, "FastGELUActivation": _tanh,
    "AccurateGELUActivation": _tanh, "ReLU": F.relu, "SiLU": F.silu, "SiLUActivation": F.silu,
}  # fmt: skip


def split_heads(x: torch.Tensor, *counts: int, size: int) -> list[torch.Tensor]:
    """(tokens, sum of counts × size) → (tokens, count, size) each."""
    return [part.unflatten(1, (-1, size)) for part in x.split([count * size for count in counts], 1)]
