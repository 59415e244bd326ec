"""What of a piece of work would make the host wait for a GPU, found on a CPU.

A GPU is waited for where the host asks for a number (item, bool, tolist, cpu, numpy), where the size of a result hangs on
numbers (nonzero, masks as an index, masked_select, unique), and where a tensor made on the host is copied over unpinned.

    with Waits() as found: step()
    assert not found.calls
"""

from __future__ import annotations

import traceback
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
ASKED = {
    torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.item, torch.Tensor.__bool__, torch.Tensor.__float__,
    torch.Tensor.__int__, torch.Tensor.__index__, torch.equal, torch.allclose, torch.tensor, torch.as_tensor, torch.from_numpy,
}  # fmt: skip
SIZED = {
    aten._local_scalar_dense, aten.nonzero, aten.is_nonzero, aten.masked_select, aten._unique2, aten.unique_dim,
    aten.unique_consecutive, aten.bincount, aten.equal, aten.argwhere,
}  # fmt: skip
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index}


class Waits:
    """`calls`: each as "function, in file:line"; `paused` while the fake of a GPU's own kernel runs."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.paused = False
        self._modes = [_Functions(self), _Operations(self)]

    def __enter__(self) -> Waits:
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*raised)

    def note(self, name: Any) -> None:
        if self.paused:
            return
        frames = [
            one for one in traceback.extract_stack() if "/torch/" not in one.filename and __file__ != one.filename
        ]
        self.calls.append(f"{name}, in {frames[-1].filename}:{frames[-1].lineno}")


class _Functions(TorchFunctionMode):
    def __init__(self, waits: Waits):
        super().__init__()
        self.waits = waits

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in ASKED:
            self.waits.note(function.__name__)
        return function(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, waits: Waits):
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = operation.overloadpacket
        index = args[1] if packet in INDEXED else ()
        by_mask = any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in index)
        sized = packet is aten.repeat_interleave and (kwargs or {}).get("output_size") is None and len(args) == 1
        if packet in SIZED or by_mask or sized:
            self.waits.note(f"{packet.__name__}{' by a mask' if by_mask else ''}")
        return operation(*args, **(kwargs or {}))
