"""Accelerate's Accelerator for the device a training asked for, also where the last one in this process had another.

Invariants: accelerate keeps one device for a whole process; it is given up for another one only while no training of ours
runs and no other processes hang on it; a training in a process that had none leaves none.

    accelerator = accelerator_for(torch.device("cpu"))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from byeori.errors import SettingError

if TYPE_CHECKING:
    from accelerate import Accelerator

_running: list[torch.device] = []


@contextmanager
def running(device: torch.device) -> Iterator[None]:
    """A training runs on this device: no other kind of device until it is over."""
    _running.append(device)
    try:
        yield
    finally:
        _running.remove(device)


@contextmanager
def given_back() -> Iterator[None]:
    """What accelerate keeps for a whole process is gone again afterwards, unless it was there before: its `notebook_launcher` refuses to
    start where it is, and processes that compute together end before the one that made them."""
    from accelerate.state import AcceleratorState, PartialState

    before = bool(PartialState._shared_state)
    try:
        yield
    finally:
        if not before and not _running:
            AcceleratorState._reset_state(reset_partial_state=True)


def accelerator_for(device: torch.device) -> Accelerator:
    """Raises SettingError while a training runs on another kind of device."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    if PartialState._shared_state:
        before = PartialState()
        if before.num_processes == 1 and before.device.type != device.type:
            if _running:
                raise SettingError(
                    f"device={device.type}: a training runs on {_running[-1].type} in this process. Wait for its end, or start "
                    f"another process."
                )
            # Else Accelerator(cpu=True) is refused after a GPU, and a GPU's training gets its model moved to the CPU.
            AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device.type == "cpu")
