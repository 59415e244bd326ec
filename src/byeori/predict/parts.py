"""What is made of a file's rows a window at a time, by one process or by ranks in turn, in the order of the rows.

Invariants: of several ranks each makes every n-th window, and all of them are given all windows, a round at a time; windows are cut
so fine that all ranks have as many, within one; one process is given what it makes as it makes it.

    for text in in_order(World.here(), spans(run, rows, call), lines, str.encode, bytes.decode): file.write(text)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from byeori.models.world import World
from byeori.predict.rows import WINDOW

if TYPE_CHECKING:
    from byeori.predict.run import Run

Made = TypeVar("Made")


def spans(run: Run, rows: int, call: Any, world: World) -> list[range]:
    """Windows of so many rows at most as the task and a call's settings leave."""
    window = getattr(run.task, "window", lambda *_: None)(call, run.engine.encoder.max_length)
    size = min(WINDOW, window or WINDOW)
    if not world.alone:
        rounds = max(1, -(-rows // (size * world.size)))
        size = max(1, -(-rows // (rounds * world.size)))
    return [range(first, min(first + size, rows)) for first in range(0, rows, size)]


def in_order(
    world: World,
    windows: Sequence[range],
    make: Callable[[range], Made],
    pack: Callable[[Made], bytes],
    unpack: Callable[[bytes], Made],
) -> Iterator[Made]:
    """What `make` gives for each window. Collective; `pack` and `unpack` take it from one rank to the others."""
    if world.alone:
        yield from map(make, windows)
        return
    for first in range(0, len(windows), world.size):
        round = windows[first : first + world.size]
        with world.together():
            mine = b"".join(pack(make(one)) for one in round[world.rank : world.rank + 1])
        parts = world.gathered(np.frombuffer(mine, np.uint8))
        for part in parts[: len(round)]:
            yield unpack(part.tobytes())
