"""One update: its packs forward and backward, in less memory where there isn't enough, then one step of the optimizer.

Invariants: summed losses are scaled by one over the labels of the whole update; an update that ran out of memory is done again from
its first pack, with the random state it began with and smaller packs, so that rows, schedule and order stay; what it had added up is
forgotten. Nothing of it waits for a GPU.

    pack, outputs = update(loop, batch)
"""

from __future__ import annotations

import dataclasses
import gc
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.batches.loader import Batch
from byeori.batches.pack import Pack
from byeori.errors import TrainingError
from byeori.models.device import autocast, full, random_states, set_random_states
from byeori.train.parallel import Elsewhere

if TYPE_CHECKING:
    from byeori.train.loop import Loop


def update(loop: Loop, batch: Batch) -> tuple[Pack, Any]:
    """Move the weights by one batch; returns its last pack and what the task made of it, detached. Raises TrainingError."""
    random = random_states(loop.device)
    while True:
        if batch.packing.pack_tokens > loop.packing.pack_tokens:  # packed, maybe ahead, before memory ran out
            batch = dataclasses.replace(batch, packing=loop.packing)
        account = loop.account.copy()
        failed: tuple[Pack | None, str] | None = None
        at: list[Pack] = []
        try:
            backward = _backward if loop.world.alone else loop.parallel.backward
            pack, outputs, total = backward(loop, batch, at)
        except (RuntimeError, MemoryError) as error:
            elsewhere = isinstance(error, Elsewhere)
            if (
                not full(error) or loop.parallel.sharded or not (at or elsewhere)
            ):  # shares are waited for at every layer
                raise
            own = None if elsewhere else at[-1]
            failed = own, " ".join(str(error).splitlines()[0].split())[:200] if str(error) else type(error).__name__
            at.clear()
        # Out of the except clause: the error held the frames, and they all that was computed.
        if failed is None:
            break
        loop.account = account
        loop.optimizer.zero_grad()
        _shrink(loop, *failed)
        set_random_states(random, loop.device)
    loop.scaler.unscale_(loop.optimizer.optimizer)
    limit = loop.settings.max_grad_norm or math.inf
    norm = loop.parallel.norm(torch.nn.utils.clip_grad_norm_(loop.model.parameters(), limit, foreach=True))
    loop.stepper.step(loop.step + 1, batch, total, norm)
    loop.optimizer.zero_grad()
    return pack, SimpleNamespace(**{k: v.detach() if torch.is_tensor(v) else v for k, v in vars(outputs).items()})


def _backward(loop: Loop, batch: Batch, at: list[Pack]) -> tuple[Pack, Any, torch.Tensor]:
    """Gradients of all packs; the last one, its outputs and the loss of the whole update. `at`: the pack it is at."""
    total: Any = 0.0
    pack = outputs = None
    for pack in batch:
        at[:] = [pack]
        with autocast(loop.precision, loop.device):
            outputs = loop.task.outputs(loop.model, pack)
        loss = loop.task.losses(outputs, pack).sum() * batch.scale
        loop.accelerator.backward(loop.scaler.scale(loss))
        total = total + loss.detach()
        loop.account.tokens(pack.tokens, pack.computed)
    assert pack is not None and outputs is not None
    return pack, outputs, total


def _shrink(loop: Loop, pack: Pack | None, said: str) -> None:
    """Smaller packs from now on, on all ranks. Raises TrainingError where this one can't be cut. `pack`: None if it is another rank's."""
    with loop.world.together():
        tokens = loop.packing.pack_tokens if pack is None else _half(loop, pack, said)
    tokens = -loop.world.most(-tokens)[0]
    loop.shorten(tokens)
    loop.remember(tokens)
    loop.progress.note(
        f"step {loop.step + 1}: there is no memory left on {loop.device} ({said}); it is done again in packs of {tokens:,} tokens."
    )
    gc.collect()
    if loop.device.type == "cuda":
        torch.cuda.empty_cache()


def _half(loop: Loop, pack: Pack, said: str) -> int:
    rows = np.unique(pack.rows)
    if len(pack) == 1 or (len(rows) == 1 and not loop.task.apart):
        raise TrainingError(
            f"there is no memory left on {loop.device} ({said}) for one row alone, {loop.where(int(rows[0]))}: {pack.tokens:,} tokens. "
            f"Give a smaller --max-length, or leave the row out; --gradient-checkpointing needs less memory in more time."
        )
    return max(1, min(loop.packing.pack_tokens, pack.computed) // 2)
