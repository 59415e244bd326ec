"""Runs' intervals are of a hundred resamples in place of a thousand: a sixth of the time of the tests' small trainings.

few_resamples()     # from now on, in this process and its forks
"""

from __future__ import annotations

from byeori.metrics.intervals import FEWEST_RESAMPLES
from byeori.report import card_measured
from byeori.train import fit, slices


def few_resamples() -> None:
    for module in (fit, slices, card_measured):
        assert module.RESAMPLES == 1_000
        module.RESAMPLES = FEWEST_RESAMPLES
