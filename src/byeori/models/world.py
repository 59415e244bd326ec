"""Processes that compute together, as torchrun and accelerate start them: who is who, and plain numbers from one to another.

Invariants: alone, everything is what it would be without; numbers go by the CPU (gloo), so that no GPU is waited for; nothing is
pickled; all ranks call the same in the same order, and get the same.

    world = World.here(); labels, = world.sums(len(mine)); parts = world.gathered(answers)
    with world.together(): ...          # where one of them fails, all raise what it said
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori import errors
from byeori.errors import ByeoriError, SettingError

if TYPE_CHECKING:
    import torch

# A rank that dies is noticed at once, by its connection or by torchrun, and one that fails says so: this bounds one that hangs.
PATIENCE = timedelta(minutes=30)
CLOSED = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport", "NCCL error")
NEEDED = ("RANK", "MASTER_ADDR", "MASTER_PORT")
_groups: dict[int, Any] = {}  # by the default group they stand beside


def stretch(count: int, rank: int, ranks: int) -> slice:
    """The part of `count` that a rank has, as `torch.chunk` cuts, which is how FSDP2 shares a parameter's first dimension."""
    each = -(-count // ranks)
    return slice(min(count, rank * each), min(count, (rank + 1) * each))


class World:
    """This process among `size`; `main` is the one that writes and speaks."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size

    @classmethod
    def here(cls) -> World:
        """As `torch.distributed` has it; alone where nothing was started."""
        distributed = _started()
        if distributed is None:
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @classmethod
    def start(cls, device: torch.device | str = "cpu") -> World:
        """As torchrun's environment has it: of several processes each is told to the others. Where something was started before
        (accelerate), or there is but one process, nothing is done. `device`: where this rank computes; for the CPU gloo is taken,
        for a GPU nccl. Raises SettingError for an environment that says half of it."""
        size = os.environ.get("WORLD_SIZE", "").strip() or "1"
        if size == "1" or _started() is not None:
            return cls.here()
        import torch
        from torch import distributed

        if not distributed.is_available():
            return cls.here()
        lacking = [name for name in NEEDED if not os.environ.get(name)]
        if lacking or not size.isdecimal():
            without = f" without {', '.join(lacking)}" if lacking else ""
            raise SettingError(
                f"WORLD_SIZE={size} stands in the environment{without}: it says how many processes compute together. Start them with "
                f"torchrun, or unset it."
            )
        where = torch.device(device)
        if where.type == "cuda":
            torch.cuda.set_device(where)
        distributed.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=PATIENCE)
        return cls.here()

    @staticmethod
    def stop() -> None:
        """The end of what `start` began; nothing where nothing was. NCCL complains of a process that leaves without."""
        if (distributed := _started()) is not None:
            _groups.clear()
            distributed.destroy_process_group()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What a rank raises within it (but to stop the program) is raised by all of them, in the same words: the rank's own error there,
        elsewhere one of its kind. They learn of it at its end, or at that of one within it: where more than that is asked of
        others within it, one of these comes before, so that who has failed isn't waited for."""
        if self.alone:
            yield
            return
        failed: Exception | None = None
        try:
            yield
        except Exception as error:
            if _agreed(error):
                raise
            failed = error
        try:
            told = self.texts("" if failed is None else _told(failed))
        except RuntimeError as error:  # how gloo says that a connection was closed
            raise failed or self.left() from error
        if failed is None:
            kind, _, text = next(filter(None, told), "").partition("\n")
            failed = getattr(errors, kind)(text) if kind else None
        if failed is not None:
            vars(failed)["agreed"] = True
            raise failed

    def left(self) -> ByeoriError:
        """What to say where another rank has closed its connection: the same words on all of them."""
        return ByeoriError(
            f"another of the {self.size} processes that compute together has ended before its work was done. Look for what it said, mend "
            f"that, and start all of them again."
        )

    def first(self, text: str) -> bool:
        """Whether this rank is the first to say this; what all of them find is to be said once."""
        if self.alone:
            return True
        try:
            said: int = _store().add(f"byeori/said/{zlib.crc32(text.encode('utf-8', 'replace')):x}", 1)
        except RuntimeError:  # who keeps the store has gone: better twice than never
            return True
        return said == 1

    @property
    def main(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.size == 1

    def wait(self) -> None:
        """Until all ranks are here."""
        if not self.alone:
            from torch import distributed

            distributed.barrier(group=self._group())

    def sums(self, *numbers: int) -> list[int]:
        """The sum of each over all ranks; exact."""
        return self._reduced(numbers, "SUM")

    def most(self, *numbers: int) -> list[int]:
        """The largest of each over all ranks."""
        return self._reduced(numbers, "MAX")

    def added(self, values: np.ndarray) -> np.ndarray:
        """The sum over all ranks, element by element; float64 or int64, the same shape everywhere."""
        if self.alone:
            return values
        import torch
        from torch import distributed

        given = torch.from_numpy(np.ascontiguousarray(values).copy())
        distributed.all_reduce(given, group=self._group())
        return given.numpy()

    def gathered(self, values: np.ndarray) -> list[np.ndarray]:
        """Each rank's array, in the order of ranks. Their first sizes may differ; dtype and other sizes are the same everywhere, but of
        an array without elements, which need not know them."""
        if self.alone:
            return [values]
        import torch
        from torch import distributed

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

    def _reduced(self, numbers: tuple[int, ...], how: str) -> list[int]:
        if self.alone:
            return list(numbers)
        import torch
        from torch import distributed

        given = torch.tensor(numbers, dtype=torch.int64)
        distributed.all_reduce(given, getattr(distributed.ReduceOp, how), group=self._group())
        return given.tolist()

    def _group(self) -> Any:
        """A group whose tensors are on the CPU, whatever the default one's are."""
        from torch import distributed

        default = distributed.group.WORLD
        if distributed.get_backend() == "gloo":
            return default
        if id(default) not in _groups:
            _groups[id(default)] = distributed.new_group(backend="gloo")
        return _groups[id(default)]


def closed(error: BaseException) -> bool:
    """Whether it says that another rank has gone, as gloo, NCCL and torch's store say it."""
    if not isinstance(error, RuntimeError):
        return False
    distributed = _started()
    lost = distributed is not None and isinstance(error, distributed.DistError)
    return lost or any(sign in str(error) for sign in CLOSED)


def _started() -> Any:
    """`torch.distributed` where processes know of each other; None elsewhere, where torch needn't be imported to know it."""
    if "torch" not in sys.modules:
        return None
    from torch import distributed

    return distributed if distributed.is_available() and distributed.is_initialized() else None


def _store() -> Any:
    from torch import distributed

    return distributed.distributed_c10d._get_default_store()


def _told(error: Exception) -> str:
    """The class in `byeori.errors` and the sentence of an error, for other ranks."""
    if isinstance(error, ByeoriError):
        # Of a kind that needs more than a sentence, or that stands elsewhere, the next above that doesn't.
        kind = next(
            one
            for one in type(error).__mro__
            if getattr(errors, one.__name__, None) is one and one is not errors.RowsError
        )
        return f"{kind.__name__}\n{error}"
    return f"ByeoriError\n{type(error).__name__}: {' '.join(str(error).split())[:400]}"


def _agreed(error: BaseException | None) -> bool:
    """Whether all ranks have raised it, or what it was made of."""
    while error is not None:
        if "agreed" in vars(error):
            return True
        error = error.__cause__
    return False
