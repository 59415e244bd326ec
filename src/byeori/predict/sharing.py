"""The rows of a window shared among ranks, and the answers of all of them on each.

Invariants: every row is answered by one rank, and which one is a function of the store and the number of ranks alone; all ranks
end with the same answers, in the store's order, also those that had no row; where one fails, all raise its sentence.

    answers = shared(world, store, rows, False, compute)       # compute: some of the rows → Gathered
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from byeori.batches.answers import Answers, Gathered
from byeori.batches.ranks import costs, share
from byeori.models.world import World, closed

if TYPE_CHECKING:
    from byeori.text.store import TokenStore


@contextmanager
def ranks(device: str | None = None) -> Iterator[World]:
    """The processes that torchrun started, for a command: their end when it ends; what all of them would say is said by one.

    `device`: the setting. Raises SettingError. An error that was said by another rank has a `said` that is true.
    """
    before = World.here()
    if os.environ.get("WORLD_SIZE", "1") == "1":
        world = before  # what a device is, is asked where a model is loaded: an exported one needs no torch for it
    else:
        from byeori.models.device import device_for

        world = World.start(device_for(device or "auto"))
    if not world.main:
        warnings.simplefilter("ignore")
    try:
        yield world
    except Exception as error:
        told = world.left() if not world.alone and closed(error) else error
        if "said" not in vars(told):  # by another call of it, within this one
            vars(told)["said"] = not world.first(str(told))
        if told is error:
            raise
        raise told from error
    finally:
        if before.alone and not world.alone:  # else whoever started it ends it
            world.stop()


def shared(
    world: World, store: TokenStore, rows: np.ndarray, writes: bool, compute: Callable[[np.ndarray], Gathered]
) -> Answers:
    """The answers of a window's rows, int64 ascending; collective. `writes`: what a row costs isn't told by its tokens."""
    if writes:
        mine = rows[world.rank :: world.size]
    else:
        mine = rows[share(costs(store, rows), world.size)[world.rank]]
    with world.together():
        found = compute(mine)
    places, values, counts = found.flat()
    (several,) = world.most(int(counts is not None))
    counts = np.ones(len(places), np.int64) if counts is None else counts
    whole = Gathered(found.first, found.count)
    for at, part, number in zip(*map(world.gathered, (places, values, counts)), strict=True):
        if len(at):
            whole.put(at, part, number if several else None)
    return whole.done()
