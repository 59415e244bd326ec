"""Dropout's random numbers on a CPU, five times faster than torch's generator and governed by it.

torch draws one number after the other on one thread (6.4 ms for 448 × 1,536 places); NumPy's SFC64 makes 64 bits at once,
which are four draws of 16 bits (1.3 ms, the mask included), so that a probability is exact to 1/65,536. Each mask starts a
sequence of its own from three words of torch's generator: `torch.manual_seed` seeds it, a checkpoint that holds torch's
state holds it, and a layer recomputed in the backward pass draws the same again. On a GPU torch's own dropout stays.

    torch.manual_seed(0); kept = keep((4, 5), 0.1, torch.float32)      # 0 or 1 / 0.9

Source of the generator: SFC64 of PractRand (Doty-Humphrey), seeded as there with three words and twelve discarded rounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

ROUNDS = 12
_bits = np.random.SFC64(0)
_words = np.random.Generator(_bits)


def keep(shape: tuple[int, ...] | torch.Size, probability: float, dtype: torch.dtype) -> torch.Tensor:
    """What dropout multiplies by: 0 with this probability, else 1 / (1 − p); on the CPU."""
    count = math.prod(shape)
    seeds = torch.randint(-(2**63), 2**63 - 1, (3,)).numpy().view(np.uint64)
    start: Any = {"state": np.array([*seeds, 1], np.uint64)}
    _bits.state = {"bit_generator": "SFC64", "state": start, "has_uint32": 0, "uinteger": 0}
    words = _words.integers(0, 2**64 - 1, ROUNDS + -(-count // 4), np.uint64, endpoint=True)  # each as it is generated
    limit = round(probability * 65_536)
    kept = (words[ROUNDS:].view(np.uint16)[:count] >= limit).astype(np.float32)
    kept *= np.float32(65_536 / (65_536 - limit)) if limit < 65_536 else np.float32(0)
    return torch.from_numpy(kept).view(shape).to(dtype)


class FastDropout(nn.Dropout):
    """nn.Dropout with these numbers, for CPU tensors while training."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0.0 or input.device.type != "cpu":
            return super().forward(input)
        return input * keep(input.shape, self.p, input.dtype)


def use_fast_dropout(model: nn.Module) -> None:
    """Let the model's dropout layers draw from here. They stay nn.Dropout layers and nothing of it is saved."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = FastDropout
