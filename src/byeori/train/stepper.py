"""One optimizer step after another, and what came of each: loss, gradient norm, whether float16 overflowed.

A CPU has these numbers at once: they are looked at before a weight moves. A GPU works behind the host, which would have to
wait for it: there they are read some updates later, in order, and an update that is no number is left out on the device
itself, with all that come after it, so that no weight has moved when the host hears of it.

    stepper = Stepper(optimizer, schedule, scaler, told=check, late=True); stepper.step(1, batch, loss, norm); stepper.settle()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from byeori.batches.loader import Batch
from byeori.models.device import Later

LATE = 3  # updates whose numbers may be on their way: enough for the device never to run out of work


@dataclass(frozen=True)
class Update:
    """One that is done: its number from 1, the learning rate it was made with, its rows and what came of it."""

    step: int
    rate: float
    batch: Batch
    loss: float
    norm: float


class Stepper:
    """`told` hears of every update, in order, may raise, and says whether it must not move weights (known in time only where nothing
    is late); `moved` hears of each that did, once that is known."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Any,
        scaler: torch.amp.GradScaler,
        told: Callable[[Update], bool],
        moved: Callable[[], None],
        late: bool,
    ):
        self.optimizer: Any = optimizer
        self.schedule, self.scaler, self.told, self.moved, self.late = schedule, scaler, told, moved, late
        self.coming: deque[tuple[int, float, Batch, Later]] = deque()
        self._bad: torch.Tensor | None = None  # float32 (), 1 from the first update on that was no number

    def step(self, number: int, batch: Batch, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Move the weights by the gradients at hand, unscaled and clipped. loss, norm: 0-dimensional."""
        if self.late:
            self._later(number, batch, loss, norm)
            return
        refused = self.told(Update(number, self._rate, batch, float(loss), float(norm)))
        scaled = self.scaler.is_enabled()
        if refused:
            if scaled:
                self.scaler.update()
            self.schedule.step()  # the others keep their rates
            return
        scale = self.scaler.get_scale() if scaled else 0.0
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if not scaled or self.scaler.get_scale() >= scale:  # else float16 overflowed: left out, and the scale shrunk
            self.moved()

    def settle(self, most: int = 0) -> None:
        """Tell of the updates that nobody was told of, but for the newest `most`."""
        while len(self.coming) > most:
            number, rate, batch, values = self.coming.popleft()
            loss, norm, moved = values.read().tolist()
            self.told(Update(number, rate, batch, loss, norm))
            if self.scaler.is_enabled() and moved:
                self.moved()

    @property
    def _rate(self) -> float:
        return self.schedule.get_last_lr()[0]

    def _later(self, number: int, batch: Batch, loss: torch.Tensor, norm: torch.Tensor) -> None:
        if self.scaler.is_enabled():
            # Whether the update before this one moved decides on its rate; the device has this one's gradients to work at.
            self.settle()
            one = torch.ones_like(loss)
            scale = self.scaler.scale(one)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            moved, rate = (self.scaler.scale(one) >= scale).to(loss.dtype), self._rate
        else:
            moved, rate = torch.ones_like(loss), self._rate
            bad = torch.isfinite(loss + norm).logical_not().float()
            self._bad = bad if self._bad is None else torch.maximum(self._bad, bad)
            self.optimizer.found_inf = self._bad  # as GradScaler hands it to a fused optimizer
            self.optimizer.step()
            self.moved()
        self.coming.append((number, rate, batch, Later(torch.stack([loss, norm.to(loss.dtype), moved]))))
        self.settle(LATE)
