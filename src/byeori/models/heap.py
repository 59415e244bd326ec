"""Freed memory is kept for the next tensor of its size while a model runs.

glibc maps each block above a threshold (32 MiB at most) by itself and unmaps it when it is freed, so that the kernel hands
out and zeroes the same pages again for every large tensor of every update: a third of the processor's time with rows of 512
tokens. Here blocks come from the heap, which isn't cut meanwhile; afterwards its free pages go back to the system. What it
costs are gaps in the heap (a few percent of a training's peak: before 2.38 a block that is freed is a little too small for an
aligned one of its own size). Other C libraries keep their ways, and a program whose environment or preloaded allocator says
otherwise is left alone.

Where a model's layers come and go (FSDP2 puts each together when it is its turn) that would keep the room of several of them, as no
gap in the heap is of their size: with `returned` large blocks go back to the system when they are freed.

Compiled kernels are few: oneDNN and torch's layer above it each keep the last 1,024 they made, a kernel for each size they met, and
sizes of packs seldom come again. With 32, peaks are 0.6 of that and an update takes 0.86 of the processor's time (docs/log.md).

    with heap.kept(): train()
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # of malloc.h
# What glibc itself comes to once large blocks were freed; it doesn't any more where one of these was set.
USUAL = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 65_536}
# From the size of a layer's weight on; once said, they stay as they are.
RETURNED = {MMAP_THRESHOLD: 1 << 20, TRIM_THRESHOLD: 64 << 20}
LONG = 1.0  # seconds after which giving pages back costs nothing to speak of
OWN = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")

# Read once, at the first product; oneDNN's name before 2.0 still counts where somebody set it.
KERNELS = {"LRU_CACHE_CAPACITY": (), "ONEDNN_PRIMITIVE_CACHE_CAPACITY": ("DNNL_PRIMITIVE_CACHE_CAPACITY",)}
FEW = "32"

_lock = threading.Lock()
_inside = 0


def few_kernels() -> None:
    """Bound what compiled kernels take, where the environment doesn't say how many stay. Before the first product of a process."""
    for name, others in KERNELS.items():
        if not any(os.environ.get(one) for one in (name, *others)):
            os.environ[name] = FEW


@contextmanager
def returned() -> Iterator[None]:
    """While it is on large blocks go back when they are freed, also where `kept` is asked for inside it."""
    with _set(RETURNED):
        yield


@contextmanager
def kept() -> Iterator[None]:
    """While it is on, in any thread, freed blocks stay with the process."""
    with _set({MMAP_MAX: 0, TRIM_THRESHOLD: -1}):
        yield


@contextmanager
def _set(options: dict[int, int]) -> Iterator[None]:
    """The outermost one's are in force."""
    global _inside
    library = _library()
    if library is None:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            for option, value in options.items():
                library.mallopt(option, value)
            if options is RETURNED:  # what was freed before it as well
                library.malloc_trim(0)
    began = time.perf_counter()
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for option, value in USUAL.items():
                    library.mallopt(option, value)
                if time.perf_counter() - began > LONG:
                    library.malloc_trim(0)


@cache
def _library() -> Any:
    """The C library, if it is glibc with nothing set by its user; else None."""
    if platform.libc_ver()[0] != "glibc" or any(os.environ.get(name) for name in OWN):
        return None
    return ctypes.CDLL(None)
