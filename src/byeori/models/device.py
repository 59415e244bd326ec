"""Device, precision and threads: what `auto` means, and what can't be had.

device = device_for("auto"); precision = precision_for("auto", device)
"""

from __future__ import annotations

import os
import platform
import re
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from byeori.errors import ByeoriError, SettingError

# What errors of a device itself hold, however torch calls their class.
BROKEN = ("CUDA error", "HIP error", "CUBLAS_STATUS", "CUDNN_STATUS", "NCCL error", "MPS backend error")
FULL = ("out of memory", "can't allocate memory")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def device_for(asked: str) -> torch.device:
    """The device of a setting. Raises SettingError where the machine has none such."""
    if asked in ("auto", "cuda") and (own := _own_gpu()) is not None:
        asked = own
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


def _own_gpu() -> str | None:
    """The GPU of this process among those that torchrun started on the machine; None where it is alone, or there is none."""
    place = os.environ.get("LOCAL_RANK", "")
    several = os.environ.get("WORLD_SIZE", "1") != "1" and place.isdecimal()
    return f"cuda:{place}" if several and torch.cuda.is_available() else None


def asynchronous(device: torch.device) -> bool:
    """Whether work is handed to the device and done later, so that asking for a number waits for all of it."""
    return device.type == "cuda"


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """torch's generators that work on a device draws from, its own and the CPU's: uint8, by "cpu", "cuda", "mps"."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Those of `random_states`, put back as far as the device has such."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


class Later:
    """A tensor on its way to the host, which goes on meanwhile."""

    def __init__(self, values: torch.Tensor):
        self._values = values.detach().to("cpu", non_blocking=values.is_cuda)  # pinned, where it comes from a GPU
        self._come = torch.cuda.Event() if values.is_cuda else None
        if self._come is not None:
            self._come.record(torch.cuda.current_stream(values.device))

    def read(self) -> torch.Tensor:
        """The tensor on the CPU; waits for what was handed to the device before it, and for nothing after it."""
        if self._come is not None:
            self._come.synchronize()
        return self._values


def full(error: BaseException | None) -> bool:
    """Whether it says that a device, or the machine, has no memory left."""
    if isinstance(error, ByeoriError) or not isinstance(error, RuntimeError | MemoryError):
        return False
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(part in str(error) for part in FULL)


def lost(error: BaseException | None) -> bool:
    """Whether it says that a device has failed, so that nothing on it can be read any more."""
    if isinstance(error, ByeoriError) or not isinstance(error, RuntimeError) or full(error):
        return False
    return isinstance(error, torch.AcceleratorError) or any(part in str(error) for part in BROKEN)


def failure(error: BaseException, device: torch.device, tokens: int) -> str | None:
    """One sentence for what a device itself says, and what to do then; None for any other error. `tokens`: the budget of a pack."""
    said = " ".join((str(error) or type(error).__name__).splitlines()[0].split())[:200]
    if full(error):
        return (
            f"there is no memory left on {device} ({said}). Give fewer tokens at once (--pack-tokens {max(1, tokens // 2)}; it changes "
            f"no result), or a smaller --max-length."
        )
    if lost(error):
        return (
            f"the device {device} has failed ({said}). Nothing more can be asked of it in this process: start another one once the "
            f"device is there again, or take --device cpu."
        )
    return None


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


@cache
def by_intel() -> bool:
    """Whether the processor is one of Intel's, whose MKL multiplies for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        lines = platform.processor()
    return "GenuineIntel" in lines


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
