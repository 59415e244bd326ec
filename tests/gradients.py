"""Gradients of a loss, and whether two models of the same weights have the same ones.

compare_gradients(gradients(ours, lambda: …), gradients(plain, lambda: …))
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch

ATOL = 1e-5
KEY_BIAS = re.compile(r"\b(key|key_global|k_lin|key_proj|k_proj|c_attn|Wk)\.bias$")


class Full(torch.autograd.Function):
    """Raises `error` when gradients come back to it: some of the layers above have theirs by then."""

    @staticmethod
    def forward(ctx, values, error):
        ctx.error = error
        return values.clone()

    @staticmethod
    def backward(ctx, *gradients):
        raise ctx.error


def gradients(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> dict[str, torch.Tensor]:
    """In train mode; dropout is 0 in these models."""
    assert all(module.p == 0 for module in model.modules() if isinstance(module, torch.nn.Dropout))
    model.train()
    try:
        model.zero_grad()
        loss().backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    finally:
        model.eval()


def compare_gradients(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Equal to 1e-5 of the largest entry of each parameter's gradient."""
    assert found.keys() == expected.keys() and len(found) > 10
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        # A softmax doesn't see what is added to all keys alike: a key bias has no gradient but rounding.
        scale = largest if KEY_BIAS.search(name) else float(gradient.abs().max())
        assert float((found[name] - gradient).abs().max()) <= ATOL * scale, name
