"""Matrix products on a CPU by the library that is quickest there: torch takes MKL's in 32 bits, which on a processor with AVX-512
that isn't Intel's takes twice the time of oneDNN's (docs/log.md; others weren't measured); in 16 bits torch takes oneDNN's by itself.

    product(hidden, weight.t(), bias)      # hidden · weightᵀ + bias
"""

from __future__ import annotations

import torch

from byeori.models.device import by_intel


def by_onednn(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies in this dtype, and as quickly as anything here."""
    ours = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    if not ours or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if dtype == torch.float32:
        wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
        return wide and torch.backends.mkl.is_available() and not by_intel()
    return dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def product(one: torch.Tensor, other: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """one (m, k) · other (k, n) [+ bias (n,)], of one dtype; outside autograd."""
    if one.dtype == torch.float32 and by_onednn(torch.float32):
        return torch.ops.mkldnn._linear_pointwise(one, other.t(), bias, "none", [], "")
    return one @ other if bias is None else torch.addmm(bias, one, other)
