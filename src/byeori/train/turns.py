"""Evaluations of a model that ranks share (FSDP2), layer by layer, so that none of them ever holds all of it.

Invariants: each forward is one of all ranks; a rank whose packs are done, or one of which has failed, runs a row along that counts
nothing until the others are done too.

    with turns(parallel, engine, row): evaluate(engine, …)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.errors import TrainingError
from byeori.models.device import autocast, full

if TYPE_CHECKING:
    from byeori.batches.answers import Gathered
    from byeori.batches.pack import Pack
    from byeori.predict.engine import Engine
    from byeori.train.parallel import Parallel


class Turns:
    """What an engine asks in the place of its task. `row`: a pack of one row, in no evaluation."""

    def __init__(self, parallel: Parallel, engine: Engine, row: Pack):
        self.parallel, self.engine, self.row = parallel, engine, row
        self.inside = False  # a forward that all ranks have begun

    def outputs(self, model: Any, pack: Pack) -> Any:
        """Of a pack of this rank, (model, pack) as the task's own. Raises what the task raises."""
        self.parallel.world.most(1)
        return self._run(pack)

    def window(self, compute: Callable[[np.ndarray], Gathered], rows: np.ndarray) -> Gathered:
        """What `compute` makes of this rank's rows of a window; returns when all ranks are done with theirs."""
        try:
            return compute(rows)
        finally:
            # One that failed within a forward has left the others in the midst of it: they hear of it by its end.
            while not self.inside and self.parallel.world.most(0)[0]:
                with autocast(self.engine.precision, self.engine.device):
                    self._run(self.row)

    def _run(self, pack: Pack) -> Any:
        self.inside = True
        try:
            # Tensors made in inference mode couldn't be trained with, and a layer's are kept for the next update.
            with torch.inference_mode(False), torch.no_grad():
                found = self.parallel.outputs(self.engine.task, pack)
        except Exception as error:
            # The others wait in the midst of it, and can be asked nothing: that this one has ended is what they see.
            if not full(error):
                vars(error)["agreed"] = True
                raise
            said = TrainingError(
                f"there is no memory left on {self.engine.device} for an evaluation of {pack.computed:,} tokens at once, and with fsdp it "
                f"can't be done in smaller parts, as its processes wait for each other at every layer. Give a smaller --max-length, or "
                f"more processes."
            )
            vars(said)["agreed"] = True
            raise said from error
        self.inside = False
        return found


@contextmanager
def turns(parallel: Parallel, engine: Engine, row: Pack) -> Iterator[None]:
    engine.turns = Turns(parallel, engine, row)
    try:
        yield
    finally:
        engine.turns = None
