"""Device, precision and threads: what `auto` means, and what can't be had.

device = device_for("auto"); precision = precision_for("auto", device)
"""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from typing import Any

import torch

from byeori.errors import SettingError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device_for(asked: str) -> torch.device:
    """The device of a setting. Raises SettingError where the machine has none such."""
    if asked == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(name)
    if not re.fullmatch(r"(cpu|cuda|mps)(:\d+)?", asked):
        raise SettingError(
            f"device={asked!r}: there is no such device. One of auto, cpu, cuda, cuda:1 …, mps is needed."
        )
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError(
            f"device={asked}: PyTorch sees no CUDA device here. Use --device cpu, or install a CUDA build."
        )
    if asked.startswith("mps") and not torch.backends.mps.is_available():
        raise SettingError(f"device={asked}: PyTorch sees no Apple GPU here. Use --device cpu.")
    device = torch.device(asked)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingError(
            f"device={asked}: PyTorch sees {torch.cuda.device_count()} CUDA devices here, counted from 0."
        )
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; emulated on a CPU they are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


def precision_for(asked: str, device: torch.device) -> str:
    """float32, bfloat16 or float16. Raises SettingError for float16 on a CPU, where nothing computes in it."""
    if asked == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    if asked not in ("auto", *DTYPES):
        raise SettingError(f"precision={asked!r}: one of auto, {', '.join(DTYPES)} is needed.")
    if asked == "float16" and device.type == "cpu":
        raise SettingError(
            "precision=float16: a CPU has no float16 arithmetic worth training in. Use bfloat16 where the processor has "
            "it, or float32 (auto chooses)."
        )
    return asked


def autocast(precision: str, device: torch.device) -> Any:
    """The context models run in."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, DTYPES[precision])


def set_threads(threads: int | None) -> int:
    """Threads of PyTorch's CPU work. If None those of OMP_NUM_THREADS, else all cores the process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2": by level of nesting
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or (int(said) if said.isdecimal() else 0) or cores)
    return torch.get_num_threads()


def total_memory(device: torch.device) -> int:
    """Bytes the device has in all. Never the free ones: the same settings must give the same packs."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    import psutil

    return int(psutil.virtual_memory().total)
