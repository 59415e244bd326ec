"""What makes the small trainings of tests quicker and leaves them as they are, in this process and its forks.

quick()     # once everything heavy is imported
"""

from __future__ import annotations

import gc

from byeori.metrics.intervals import FEWEST_RESAMPLES
from byeori.report import card_measured
from byeori.train import fit, slices


def quick() -> None:
    """Intervals of a hundred resamples in place of a thousand; what is imported by now is looked through for garbage once, not after
    each training."""
    for module in (fit, slices, card_measured):
        assert module.RESAMPLES == 1_000
        module.RESAMPLES = FEWEST_RESAMPLES
    froze()


def froze(most: int = 0) -> None:
    """Where more objects than that are looked through by each collection: what is no garbage now is none later."""
    if len(gc.get_objects()) > most:
        gc.collect()
        gc.freeze()
