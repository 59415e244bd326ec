"""A layer of BERT's build as one step of autograd instead of some thirty: what a CPU is quickest at.

Query, key and value come out of one product, residuals are added inside dropout or in place, what is read once is
overwritten, and of the last layer only what the head reads is made. BERT, RoBERTa, XLM-R, CamemBERT and ELECTRA are built so;
whether a layer is, its parts tell, not its name, and a model whose layers answer otherwise is run as transformers has it.

Invariants: weights stay where they are, in the model's own modules, and what these are is looked at each time (of weights that
predictions hold ready, some values: ready.py); the arithmetic, the
gradients and the order in which dropout draws are those of the modules, so that losses are the same, but that a pooled last
layer's attention draws for the queries it makes alone. Under autocast products are in 16 bits, sums and norms in 32.

    with running(layers_of(encoder), starts, pooled): model(input_ids=…, layout=layout)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.modules import module as torch_modules

from byeori.batches.pack import Group, Layout
from byeori.models.attention import places_of, without_gradients
from byeori.models.noise import FastDropout, keep
from byeori.models.products import by_onednn, product
from byeori.models.ready import Ready, forget, ready
from byeori.models.rectangles import Places, attend, attend_backward

# In 16 bits products are of a multiple of so many rows, the last ones zero: oneDNN compiles a kernel for each number it meets, which
# for one of 1,000 rows takes half as long again as the product (docs/log.md).
ROUND = 64
FEW = 256  # tokens up to which copying weights into one takes longer than a product for each
GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


class Fused:
    """The parts of one layer, in the order in which they run."""

    def __init__(self, layer: Any, layers: int):
        inner, after = layer.attention.self, layer.attention.output
        self.layer, self.inner = layer, inner
        self.linears = [inner.query, inner.key, inner.value, after.dense, layer.intermediate.dense, layer.output.dense]
        self.norms = [after.LayerNorm, layer.output.LayerNorm]
        self.dropouts = [inner.dropout, after.dropout, layer.output.dropout]
        self.activation = layer.intermediate.intermediate_act_fn
        self.all = list(layer.modules())
        self.layers = layers  # of its model

    def fits(self) -> bool:
        """Whether the layer is made of these parts alone, each of the plain kind: no adapter, no second attention."""
        linear = all(type(part) is nn.Linear and _plain(part) for part in self.linears)
        norm = all(type(part) is nn.LayerNorm and _plain(part) for part in self.norms)
        gelu = getattr(self.activation, "act", None) is F.gelu
        known = {*self.linears, *self.norms, *self.dropouts, self.activation}
        leaves = {part for part in self.all if not any(part.children())}
        return (
            linear and norm and gelu and leaves == known
            and all(type(part) in (nn.Dropout, FastDropout) for part in self.dropouts)
            and not getattr(self.layer, "is_decoder", False)
            and not getattr(self.layer, "chunk_size_feed_forward", 0)
            and type(self.layer).__module__.startswith("transformers.models.")
        )  # fmt: skip

    def free(self) -> bool:
        """Whether nobody but runners, which pool, listens to its parts or changed what one does."""
        if "forward" in vars(self.layer):
            return False
        for part in self.all[1:]:
            if "forward" in vars(part) or part._forward_hooks or part._backward_hooks or part._backward_pre_hooks:
                return False
            if any(not getattr(hook, "pools", False) for hook in part._forward_pre_hooks.values()):
                return False
        return True

    def __call__(self, hidden: torch.Tensor, layout: Layout, starts: torch.Tensor | None) -> torch.Tensor:
        """(tokens, size) → the same, or of the tokens at `starts` alone (sequences, size)."""
        attention = self.dropouts[0].p if self.inner.training else 0.0
        first, second = (part.p if part.training else 0.0 for part in self.dropouts[1:])
        low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else hidden.dtype
        plan = Plan(
            places_of(layout, None, False, hidden.device), starts, self.inner.num_attention_heads, self.inner.scaling,
            (attention, first, second), (self.norms[0].eps, self.norms[1].eps), low, len(hidden),
        )  # fmt: skip
        if starts is not None:
            plan.places = _one_query(plan.places)
        weights = [tensor for part in (*self.linears, *self.norms) for tensor in (part.weight, part.bias)]
        if torch.is_grad_enabled() and (hidden.requires_grad or any(one.requires_grad for one in weights)):
            forget(self.layer)
            return _Step.apply(hidden, plan, *weights)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            if not any(plan.dropouts) and (prepared := ready(self.layer, self.linears, low, self.layers)) is not None:
                return _predicted(hidden, plan, prepared, weights[12:])
            return _forward(hidden, plan, weights, None)


def _plain(part: nn.Module) -> bool:
    """Whether weight and bias are there and ordinary ones: not quantized or sharded, which are tensors of another class."""
    return all(type(one) is nn.Parameter for one in (part.weight, part.bias))


@dataclass
class Plan:
    """What a layer needs beside hidden states and weights. `low`: the dtype of products."""

    places: Places
    starts: torch.Tensor | None
    heads: int
    scale: float
    dropouts: tuple[float, float, float]  # of attention, after it, after the feed-forward
    eps: tuple[float, float]
    low: torch.dtype
    tokens: int


def layers_of(end: Any) -> list[Fused]:
    """The layers of an encoder, if all of them are of this build, on the CPU, and nobody listens to what is in them."""
    layers = getattr(end, "layer", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers) or len(set(layers)) < len(layers):
        return []
    if any(getattr(torch_modules, name) for name in GLOBAL_HOOKS):
        return []
    try:
        found = [Fused(layer, len(layers)) for layer in layers]
    except AttributeError:
        return []
    if found[0].linears[0].weight.device.type == "cpu" and all(one.fits() and one.free() for one in found):
        return found
    for layer in layers:
        forget(layer)
    return []


@contextmanager
def running(layers: list[Fused], starts: torch.Tensor | None, pooled: Callable[[], None]) -> Iterator[None]:
    """While a pack runs these layers are one step each, the last making only the tokens at `starts`, which `pooled` is told of.

    A layer that is to be computed again for its gradients is so as this one step: its own way of it would find, in the
    backward pass, the layer as transformers has it.
    """
    again = [one.layer for one in layers if getattr(one.layer, "gradient_checkpointing", False)]
    for one in layers:
        last = one is layers[-1] and starts is not None
        one.layer.forward = _forward_of(one, starts if last else None, pooled if last else None)
    for layer in again:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for one in layers:
            vars(one.layer).pop("forward", None)
        for layer in again:
            layer.gradient_checkpointing = True


def _forward_of(
    one: Fused, starts: torch.Tensor | None, pooled: Callable[[], None] | None
) -> Callable[..., torch.Tensor]:
    again = getattr(one.layer, "gradient_checkpointing", False) and one.layer.training

    def forward(hidden_states: torch.Tensor, *args: Any, layout: Layout, **kwargs: Any) -> torch.Tensor:
        if pooled is not None:
            pooled()
        if again and torch.is_grad_enabled():
            return one.layer._gradient_checkpointing_func(one, hidden_states[0], layout, starts)[None]
        return one(hidden_states[0], layout, starts)[None]

    return forward


def _one_query(places: Places) -> Places:
    """The first token of each sequence asks alone."""
    groups, masks, start = [], {}, 0
    for number, group in enumerate(places.groups):
        groups.append(Group(start, group.first, group.count, 1, group.ragged))
        start += group.count
        if number in places.masks:
            masks[number] = places.masks[number]
    return Places(tuple(groups), places.spans, masks)


def _forward(
    hidden: torch.Tensor, plan: Plan, weights: Any, saved: dict[str, torch.Tensor] | None
) -> torch.Tensor:  # fmt: skip
    """A layer's output; what its gradients need goes into `saved`."""
    query, key, value, out, inner, outer = (
        (weights[2 * i].to(plan.low), weights[2 * i + 1].to(plan.low)) for i in range(6)
    )
    norms = weights[12:]
    low = _lowered(hidden, plan.low)
    residual, few = hidden, low
    if plan.starts is None:
        joined, (q, k, v) = _side_by_side(low, [query, key, value], plan.heads, saved is None)
    else:
        residual = hidden.index_select(0, plan.starts)
        few = _lowered(residual, plan.low)
        q = product(few, query[0].t(), query[1]).view(len(few), plan.heads, -1)
        joined, (k, v) = _side_by_side(low, [key, value], plan.heads, saved is None)
    attention, after, last = plan.dropouts
    if saved is None and not attention:
        seen = without_gradients(q, k, v, plan.places, plan.scale)
        kept: list[torch.Tensor] = []
    else:
        seen, kept = attend(q, k, v, plan.places, attention, plan.scale)
    seen = seen.flatten(1)
    del q, k, v
    first, mask = _dropped(product(seen, out[0].t(), out[1]), residual, after)
    normed, mean, deviation = torch.native_layer_norm(first, first.shape[1:], norms[0], norms[1], plan.eps[0])
    between = _lowered(normed, plan.low)
    wide = product(between, inner[0].t(), inner[1])
    active = F.gelu(wide)
    second, other = _dropped(product(active, outer[0].t(), outer[1]), normed, last)
    found = torch.native_layer_norm(second, second.shape[1:], norms[2], norms[3], plan.eps[1])
    if saved is not None:
        saved |= {
            "low": low, "few": few, "joined": joined, "query": query[0], "seen": seen, "out": out[0], "first": first, "mean": mean,
            "deviation": deviation, "normed": between, "inner": inner[0], "wide": wide, "active": active, "outer": outer[0],
            "second": second, "last_mean": found[1], "last_deviation": found[2],
        }  # fmt: skip
        saved |= {name: one for name, one in (("mask", mask), ("other", other)) if one is not None}
        saved |= {f"attention {number}": one for number, one in enumerate(kept)}
    return found[0]


def _predicted(hidden: torch.Tensor, plan: Plan, weights: Ready, norms: Sequence[torch.Tensor]) -> torch.Tensor:
    """A layer's output without gradients or dropout, by weights that are ready for it."""
    low, residual = _lowered(hidden, plan.low), hidden
    if plan.starts is None:
        q, k, v = weights.product((0, 1, 2), low).view(len(low), 3, plan.heads, -1).unbind(1)
    else:
        residual = hidden.index_select(0, plan.starts)
        q = weights.product((0,), _lowered(residual, plan.low))
        q = q.view(len(q), plan.heads, -1)
        k, v = weights.product((1, 2), low).view(len(low), 2, plan.heads, -1).unbind(1)
    seen = without_gradients(q, k, v, plan.places, plan.scale).flatten(1)
    del low, q, k, v
    first = weights.product((3,), seen)[: len(residual)].to(residual.dtype).add_(residual)
    normed = torch.native_layer_norm(first, first.shape[1:], norms[0], norms[1], plan.eps[0])[0]
    wide = weights.product((4,), _lowered(normed, plan.low), gelu=True)
    second = weights.product((5,), wide)[: len(normed)].to(normed.dtype).add_(normed)
    return torch.native_layer_norm(second, second.shape[1:], norms[2], norms[3], plan.eps[1])[0]


def _side_by_side(
    low: torch.Tensor, parts: list[tuple[torch.Tensor, torch.Tensor]], heads: int, alone: bool
) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
    """Weights one above the other, and what each makes of `low`: (tokens, heads, size) each, of one product.

    `alone`: no gradients will ask for the weights. Few tokens then meet each by itself: to copy it would take longer.
    """
    if alone and len(low) < FEW:
        found = [product(low, weight.t(), bias).view(len(low), heads, -1) for weight, bias in parts]
        return parts[0][0], found
    joined = torch.cat([weight for weight, _ in parts])
    made = product(low, joined.t(), torch.cat([bias for _, bias in parts]))
    return joined, made.view(len(low), len(parts), heads, -1).unbind(1)


def _dropped(
    made: torch.Tensor, residual: torch.Tensor, probability: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """residual + dropout(made), and what it was multiplied by."""
    made = made[: len(residual)].to(residual.dtype)
    if not probability:
        return made.add_(residual), None
    kept = keep(made.shape, probability, made.dtype)
    return torch.addcmul(residual, made, kept, out=made), kept


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, plan: Plan, *weights: torch.Tensor) -> torch.Tensor:
        saved: dict[str, torch.Tensor] = {}
        with torch.autocast("cpu", enabled=False):
            found = _forward(hidden, plan, weights, saved)
        ctx.names, ctx.plan = list(saved), plan
        ctx.save_for_backward(*saved.values(), *weights[12:])
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:
        with torch.autocast("cpu", enabled=False):
            return _backward(ctx, gradient)


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple:
    plan, wanted = ctx.plan, ctx.needs_input_grad[2:]
    tensors = ctx.saved_tensors
    kept = dict(zip(ctx.names, tensors, strict=False))
    norms = tensors[len(ctx.names) :]
    grads: list[torch.Tensor | None] = [None] * 16

    def of_linear(place: int, up: torch.Tensor, given: torch.Tensor) -> None:
        """Of weight and bias, from the gradient (tokens, out) of what a product made of `given` (tokens, in)."""
        if wanted[2 * place]:
            grads[2 * place] = product(up.t(), given).to(norms[0].dtype)
        if wanted[2 * place + 1]:
            grads[2 * place + 1] = _summed(up, norms[0].dtype)

    def of_norm(place: int, up: torch.Tensor, given: torch.Tensor, mean: torch.Tensor, deviation: torch.Tensor) -> Any:
        found, grads[12 + 2 * place], grads[13 + 2 * place] = torch.ops.aten.native_layer_norm_backward(
            up, given, given.shape[1:], mean, deviation, *norms[2 * place : 2 * place + 2], [True, True, True]
        )
        return found

    def undropped(up: torch.Tensor, name: str) -> torch.Tensor:
        return _lowered(up * kept[name] if name in kept else up, plan.low)

    d_second = of_norm(1, gradient.contiguous(), kept["second"], kept["last_mean"], kept["last_deviation"])
    up = undropped(d_second, "other")
    of_linear(5, up, kept["active"])
    d_wide = product(up, kept["outer"])
    torch.ops.aten.gelu_backward.grad_input(d_wide, kept["wide"], grad_input=d_wide)
    of_linear(4, d_wide, kept["normed"])
    d_normed = _plus(d_second, d_wide, kept["inner"])
    d_first = of_norm(0, d_normed, kept["first"], kept["mean"], kept["deviation"])
    up = undropped(d_first, "mask")
    of_linear(3, up, kept["seen"])
    d_seen = product(up, kept["out"]).view(len(up), plan.heads, -1)

    low, few = kept["low"], kept["few"]
    parts = 3 if plan.starts is None else 2
    made = torch.empty(len(low), len(kept["joined"]), dtype=low.dtype)
    sides = list(made.view(len(low), parts, plan.heads, -1).unbind(1))
    if plan.starts is not None:
        sides.insert(0, torch.empty_like(d_seen))
    saved = [kept[name] for name in ctx.names if name.startswith("attention ")]
    attend_backward(d_seen, saved, sides, plan.places, bool(plan.dropouts[0]), plan.scale)
    d_hidden = None
    if plan.starts is None:
        flat = sides[0].shape[1] * sides[0].shape[2]
        if any(wanted[:6]):
            joined, bias = product(made.t(), low).to(norms[0].dtype), _summed(made, norms[0].dtype)
            for place in range(3):
                grads[2 * place] = joined[place * flat : (place + 1) * flat]
                grads[2 * place + 1] = bias[place * flat : (place + 1) * flat]
        if ctx.needs_input_grad[0]:
            d_hidden = _plus(d_first, made, kept["joined"])
    else:
        asked = sides[0].view(len(few), -1)
        flat = asked.shape[1]
        of_linear(0, asked, few)
        if any(wanted[2:6]):
            joined, bias = product(made.t(), low).to(norms[0].dtype), _summed(made, norms[0].dtype)
            for place in range(2):
                grads[2 + 2 * place] = joined[place * flat : (place + 1) * flat]
                grads[3 + 2 * place] = bias[place * flat : (place + 1) * flat]
        if ctx.needs_input_grad[0]:
            d_hidden = product(made, kept["joined"])[: plan.tokens].to(d_first.dtype)
            d_hidden.index_add_(0, plan.starts, _plus(d_first, asked, kept["query"]))
    return d_hidden, None, *(one if need else None for one, need in zip(grads, wanted, strict=True))


def _plus(sum: torch.Tensor, up: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """sum + up · weight, in the place of `sum`."""
    if up.dtype == sum.dtype and not by_onednn(up.dtype):
        return torch.addmm(sum, up, weight, out=sum)
    return sum.add_(product(up, weight)[: len(sum)])


def _summed(up: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Over the tokens; 16 bits are added in 32 and rounded once, as autocast's own. Asked for 32 bits torch copies the whole first."""
    return up.sum(0).to(dtype)


def _lowered(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """In the dtype of products; if that is another, with rows of zeros up to a multiple of `ROUND`, or of 16 where rows are few."""
    if x.dtype == dtype:
        return x
    step = ROUND if len(x) >= 4 * ROUND else max(1, ROUND // 4)
    found = torch.empty(-(-len(x) // step) * step, x.shape[1], dtype=dtype)
    found[: len(x)] = x
    found[len(x) :] = 0
    return found
