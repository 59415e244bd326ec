"""What a training will take: tokens, updates, seconds and memory, from the token counts and the model's size.

A token costs 6 operations a weight that multiplies it, forward and backward (Kaplan et al., 2020), and attention 12 × layers ×
width × the tokens it looks at. How many operations a second this machine does is measured on a matrix product of the model's own
size, for a fraction of a second; of that rate a training reaches EFFICIENCY. The optimizer costs a fixed time a weight and update.

    estimate(model, tokens=1_000_000, rows=30_000, batch_size=32, epochs=3)
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from byeori.models.outline import Outline

# Of the measured rate. On a CPU in float32, in its own computing time, a MiniLM (6 × 384, 46 tokens a row) reached 0.97 to 1.02 of it:
# the product that is measured is as small as those of a training. In bfloat16 products are faster, all else is not.
EFFICIENCY = {"cpu": 1.0, "cuda": 0.35, "mps": 0.35}
HALF = 0.5  # of that, in 16 bits on a CPU
UPDATE = {"cpu": 1.3e-9, "cuda": 3e-11, "mps": 1e-10}  # seconds a weight: AdamW, gradient norm, zeroing
# Seconds a layer and update of small operations (budget.GROUP: 0.2 ms a group of rows and layer), and of the loop itself.
LAUNCH = {"cpu": 4e-3}
LOOP = 0.01
PROGRAM_MB = 700  # torch, transformers and datasets themselves
STATE_BYTES = 16  # a weight, its gradient and AdamW's two moments, float32
CALIBRATION = 0.15  # seconds


@dataclass(frozen=True)
class Size:
    """weights: all of them; computed: those that multiply every token (embeddings don't); layers, width of the body."""

    weights: int
    computed: int
    layers: int
    width: int
    inner: int

    @classmethod
    def of(cls, model: Any) -> Size:
        """Of a transformers model, on any device, `meta` included, or of its outline."""
        config = model.config
        if isinstance(model, Outline):
            return cls(
                model.weights, model.computed, config.num_hidden_layers, config.hidden_size, config.intermediate_size
            )
        tables = {
            id(p)
            for m in model.modules()
            if type(m).__name__.endswith("Embedding")
            for p in m.parameters(recurse=False)
        }
        weights = sum(p.numel() for p in model.parameters())
        computed = sum(p.numel() for p in model.parameters() if id(p) not in tables and p.ndim >= 2)
        if getattr(config, "tie_word_embeddings", False) and type(model).__name__.endswith(
            ("LM", "LMHeadModel", "ConditionalGeneration")
        ):
            computed += model.get_input_embeddings().weight.numel()
        shared = (
            (getattr(config, "num_hidden_layers", None) or 12) / max(1, getattr(config, "num_hidden_groups", 0) or 0)
            if hasattr(config, "num_hidden_groups")
            else 1
        )
        width = next(
            (found for name in ("hidden_size", "d_model", "n_embd", "dim") if (found := getattr(config, name, None))),
            768,
        )
        inner = next(
            (
                found
                for name in ("intermediate_size", "d_ff", "encoder_ffn_dim", "n_inner", "hidden_dim")
                if (found := getattr(config, name, None))
            ),
            4 * width,
        )
        layers = next(
            (
                found
                for name in ("num_hidden_layers", "n_layer", "n_layers", "encoder_layers")
                if (found := getattr(config, name, None))
            ),
            12,
        )
        return cls(int(weights), int(computed * shared), int(layers), int(width), int(inner))


def operations(size: Size, tokens: float, seen: float) -> float:
    """Of forward and backward over so many tokens, each looking at `seen` others."""
    return tokens * (6.0 * size.computed + 12.0 * size.layers * size.width * seen)


def rate(size: Size, device: str, precision: str, seconds: float = CALIBRATION) -> float:
    """Operations a second of this machine's matrix products, (512, width) × (width, inner)."""
    import torch

    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)
    left = torch.randn(512, size.width, device=device, dtype=kind)
    right = torch.randn(size.width, size.inner, device=device, dtype=kind)

    def once() -> None:
        torch.mm(left, right)

    def wait() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    once()
    wait()
    took, began = [], time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        for _ in range(4):
            once()
        wait()
        took.append((time.perf_counter() - start) / 4)
    middle = sorted(took)[len(took) // 2]  # not the best: what else runs here will run then, too
    return 2.0 * 512 * size.width * size.inner / middle


def activation_bytes(layers: int, width: int) -> int:
    """Kept for the backward pass, a token: about 34 widths a layer in float32, attention aside (Korthikanti et al., 2022, table 2)."""
    return 34 * width * layers * 2


def estimate(
    model: Any,
    *,
    tokens: int,
    rows: int,
    seen: float,
    max_length: int,
    batch_size: int = 32,
    epochs: float = 3.0,
    max_steps: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    pack_tokens: int | str = "auto",
) -> dict[str, Any]:
    """`estimate` of the contract. tokens, rows: of training alone, an epoch; seen: tokens of the mean row's sequence, weighted by
    tokens."""
    from byeori.batches.budget import Cost, auto_pack_tokens
    from byeori.models.device import device_for, precision_for, total_memory

    where = device_for(device)
    how = precision_for(precision, where)
    size = Size.of(model)
    updates_an_epoch = max(1, math.ceil(rows / batch_size))
    updates = max_steps if max_steps is not None else math.ceil(epochs * updates_an_epoch)
    trained = tokens * updates / updates_an_epoch
    speed = rate(size, str(where), how)
    reached = EFFICIENCY.get(where.type, 0.35) * (HALF if where.type == "cpu" and how != "float32" else 1.0)
    seconds = operations(size, trained, seen) / (speed * reached) + updates * (
        size.weights * UPDATE.get(where.type, 1e-10) + size.layers * LAUNCH.get(where.type, 3e-4) + LOOP
    )
    packed = pack_tokens
    if isinstance(packed, str):
        cost = Cost(activation_bytes(size.layers, size.width), fixed=size.weights * STATE_BYTES)
        packed = auto_pack_tokens(where.type, total_memory(where), cost, max_length)
    largest = min(packed, max(max_length, round(batch_size * tokens / max(1, rows))))
    memory = size.weights * STATE_BYTES / 2**20 + largest * activation_bytes(size.layers, size.width) / 2**20
    memory += PROGRAM_MB if where.type == "cpu" else 0
    return {
        "tokens_per_epoch": int(tokens), "updates": int(updates), "seconds": float(f"{seconds:.3g}"), "memory_mb": round(memory),
        "how": f"{rows:,} rows in batches of {batch_size}, {updates / updates_an_epoch:.3g} epochs on {where.type} in {how}: "
        f"{size.weights / 1e6:.1f}M weights, "
        f"6 operations a weight and token, at {reached:.0%} of the {speed / 1e9:,.0f} billion a second that this machine's matrix "
        f"products reach; updates alone, without evaluation.",
    }  # fmt: skip
