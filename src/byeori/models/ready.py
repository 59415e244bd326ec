"""A layer's weights made ready for predictions: cast to 16 bits once, joined, and laid out as oneDNN multiplies by them.

What is ready is kept beside a layer until its weights change, a training takes them or the layer goes, and only where it pays:
in 16 bits, where autocast casts all weights for every pack, and in 32 where torch's own products are slower (products.py).
Weights themselves stay where they are.

    weights = ready(layer, linears, torch.bfloat16)
    if weights is not None: weights.product((0, 1, 2), hidden)      # query, key and value side by side
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from byeori.models.device import total_memory
from byeori.models.products import by_onednn

MEMORY_SHARE = 0.05  # of the machine's, beyond which weights aren't held twice
SAMPLES = 16  # values of each weight that are looked at, for changes through `.data`, which torch doesn't count


class Ready:
    """The linear maps of one layer in one dtype."""

    def __init__(self, linears: Sequence[nn.Linear], dtype: torch.dtype):
        self.linears, self.dtype = list(linears), dtype
        self.maps: dict[tuple[int, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        self.where = _where(linears)
        self.looked = [sampled(tensor) for one in linears for tensor in (one.weight, one.bias)]
        self.values = torch.cat(self.looked)

    def holds(self, linears: Sequence[nn.Linear], dtype: torch.dtype) -> bool:
        """Whether these are still the weights."""
        return (
            dtype == self.dtype and _where(linears) == self.where and torch.equal(torch.cat(self.looked), self.values)
        )

    def product(self, places: tuple[int, ...], given: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        """What the linear maps at these places make of (tokens, in), side by side: (tokens, sum of outs); with GELU, if asked."""
        if places not in self.maps:
            chosen = [self.linears[place] for place in places]
            weight = torch.cat([one.weight for one in chosen]).to(self.dtype)
            bias = torch.cat([one.bias for one in chosen]).to(self.dtype)
            self.maps[places] = torch.ops.mkldnn._reorder_linear_weight(weight, None), bias
        weight, bias = self.maps[places]
        then, kind = ("gelu", "none") if gelu else ("none", "")
        return torch.ops.mkldnn._linear_pointwise(given, weight, bias, then, [], kind)


def ready(layer: nn.Module, linears: Sequence[nn.Linear], dtype: torch.dtype, layers: int) -> Ready | None:
    """The layer's weights as they are now; None where the plain ones do as well. No gradient goes through.

    `layers`: how many there are of its kind.
    """
    whole = all(tensor.is_contiguous() for one in linears for tensor in (one.weight, one.bias))
    if not by_onednn(dtype) or not whole:
        forget(layer)
        return None
    found = _kept.get(layer)
    if found is None or not found.holds(linears, dtype):
        held = layers * dtype.itemsize * sum(one.weight.numel() for one in linears)
        if held > MEMORY_SHARE * total_memory(torch.device("cpu")):
            forget(layer)
            return None
        found = _kept[layer] = Ready(linears, dtype)
    return found


def forget(layer: nn.Module) -> None:
    """Its weights are about to change, or aren't asked for any more."""
    _kept.pop(layer, None)


_kept: WeakKeyDictionary[nn.Module, Ready] = WeakKeyDictionary()


def _where(linears: Sequence[nn.Linear]) -> tuple[Any, ...]:
    return tuple(place(tensor) for one in linears for tensor in (one.weight, one.bias))


def place(weight: torch.Tensor) -> tuple[int, int]:
    """Where it lies and how often it was written to, as far as torch counts that."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version


def sampled(weight: torch.Tensor) -> torch.Tensor:
    """Some of the values, a view of a contiguous weight; not always of one column."""
    stride = max(1, weight.numel() // SAMPLES)
    if stride > 1 and stride % weight.shape[-1] == 0:
        stride += 1
    return weight.detach().reshape(-1)[::stride]
