"""Processes that compute together, as torchrun and accelerate start them: who is who, and plain numbers from one to another.

Invariants: alone, everything is what it would be without; numbers go by the CPU (gloo), so that no GPU is waited for; nothing is
pickled; all ranks call the same in the same order, and get the same.

    world = World.here(); labels, = world.sums(len(mine)); parts = world.gathered(answers)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import distributed

_groups: dict[int, Any] = {}  # by the default group they stand beside


class World:
    """This process among `size`; `main` is the one that writes and speaks."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size

    @classmethod
    def here(cls) -> World:
        """As `torch.distributed` has it; alone where nothing was started."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def main(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1

    def wait(self) -> None:
        """Until all ranks are here."""
        if not self.alone:
            distributed.barrier(group=self._group())

    def sums(self, *numbers: int) -> list[int]:
        """The sum of each over all ranks; exact."""
        return self._reduced(numbers, distributed.ReduceOp.SUM)

    def most(self, *numbers: int) -> list[int]:
        """The largest of each over all ranks."""
        return self._reduced(numbers, distributed.ReduceOp.MAX)

    def added(self, values: np.ndarray) -> np.ndarray:
        """The sum over all ranks, element by element; float64 or int64, the same shape everywhere."""
        if self.alone:
            return values
        given = torch.from_numpy(np.ascontiguousarray(values).copy())
        distributed.all_reduce(given, group=self._group())
        return given.numpy()

    def gathered(self, values: np.ndarray) -> list[np.ndarray]:
        """Each rank's array, in the order of ranks. Their first sizes may differ; dtype and other sizes are the same everywhere, but of
        an array without elements, which need not know them."""
        if self.alone:
            return [values]
        kind = np.dtype(values.dtype).str.encode().ljust(8)
        head = np.array([values.ndim, *values.shape, *[0] * (8 - values.ndim), *kind], np.int64)
        heads = [torch.empty(len(head), dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(heads, torch.from_numpy(head), group=self._group())
        told = [one.tolist() for one in heads]
        shapes = [tuple(one[1 : 1 + one[0]]) for one in told]
        kinds = [np.dtype(bytes(one[9:17]).decode().strip()) for one in told]
        sizes = [int(np.prod(shape)) * kind.itemsize for shape, kind in zip(shapes, kinds, strict=True)]
        room = max(sizes)
        if not room:
            return [np.empty(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
        mine = torch.zeros(room, dtype=torch.uint8)
        mine[: values.nbytes] = torch.from_numpy(np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8).copy())
        parts = [torch.empty(room, dtype=torch.uint8) for _ in range(self.size)]
        distributed.all_gather(parts, mine, group=self._group())
        return [
            np.frombuffer(part.numpy()[:size].tobytes(), kind).reshape(shape)
            for part, size, kind, shape in zip(parts, sizes, kinds, shapes, strict=True)
        ]

    def texts(self, text: str) -> list[str]:
        """Each rank's text, in the order of ranks."""
        found = self.gathered(np.frombuffer(text.encode("utf-8"), np.uint8))
        return [one.tobytes().decode("utf-8") for one in found]

    def _reduced(self, numbers: tuple[int, ...], how: Any) -> list[int]:
        if self.alone:
            return list(numbers)
        given = torch.tensor(numbers, dtype=torch.int64)
        distributed.all_reduce(given, how, group=self._group())
        return given.tolist()

    def _group(self) -> Any:
        """A group whose tensors are on the CPU, whatever the default one's are."""
        default = distributed.group.WORLD
        if distributed.get_backend() == "gloo":
            return default
        if id(default) not in _groups:
            _groups[id(default)] = distributed.new_group(backend="gloo")
        return _groups[id(default)]
