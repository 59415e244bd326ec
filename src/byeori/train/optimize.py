"""AdamW and its schedule. Biases and norms are spared from weight decay (Loshchilov and Hutter, 2019).

optimizer = adamw(model, settings); schedule = schedule_for(optimizer, settings, steps=1000)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from byeori.settings import Optimization


def learning_rate_for(batch_size: int, width: int, fresh: bool = False, adapter: bool = False) -> float:
    """What `learning_rate="auto"` stands for; `batch_size` in rows an update, `width` the model's hidden size.

    5e-5 at 8 rows of a model 768 wide (transformers' default, what the tutorials train with), times the root of the
    batch (Adam's scaling, Malladi et al., 2022: fewer updates, each less noisy), over the width (Yang et al., 2022).
    At 32 rows that is 3e-4, 2e-4 and 1e-4 for 256, 384 and 768: what ELECTRA was fine-tuned with at its small and base
    sizes (Clark et al., 2020). Wider models diverge sooner: 2e-5 at 32 rows (Liu et al., 2019, RoBERTa-large: 1e-5 to 3e-5).

    A `fresh` model has further to go: 1e-3 at 32 rows and a width of 256, falling with the root of the width, which is
    about what models of 768 to 1,600 were pretrained with (Brown et al., 2020, table 2.1: 6e-4 to 2e-4).

    An `adapter` wants about ten times the rate of the whole model (Schulman et al., 2025, LoRA Without Regret; docs/adapters.md).
    """
    if adapter:
        return min(5e-3, 10 * learning_rate_for(batch_size, width))
    if fresh:
        return min(2e-3, 1e-3 * math.sqrt(batch_size / 32) * math.sqrt(256 / width))
    if width > 768:
        return 2e-5 * math.sqrt(batch_size / 32)
    return min(1e-3, 5e-5 * math.sqrt(batch_size / 8) * 768 / width)


def adamw(model: nn.Module, settings: Optimization) -> torch.optim.AdamW:
    """One group with decay, one without; the fused kernel where the device has it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=float(settings.learning_rate),
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=all(p.device.type in ("cpu", "cuda", "mps") for p in parameters),
    )


def total_steps(settings: Optimization, steps_an_epoch: int) -> int:
    return settings.max_steps if settings.max_steps is not None else math.ceil(settings.epochs * steps_an_epoch)


def warmup(settings: Optimization, steps: int) -> int:
    return settings.warmup_steps if settings.warmup_steps is not None else math.ceil(settings.warmup_ratio * steps)


def schedule_for(optimizer: torch.optim.Optimizer, settings: Optimization, steps: int):
    """transformers' schedule of that name over `steps` updates."""
    from transformers.optimization import get_scheduler

    name = "constant_with_warmup" if settings.schedule == "constant" else settings.schedule
    return get_scheduler(name, optimizer, num_warmup_steps=warmup(settings, steps), num_training_steps=steps)
