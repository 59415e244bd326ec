"""A device without memory, met by asking it for less: what failed is given up whole, and then halved.

Invariants: nothing of a failed attempt is held when the next begins (its tensors hang on the frames of its traceback); what is halved
is all there, once, in two parts of about equal tokens; one that can't be halved is named.

    found, said = attempted(lambda: model(pack), device)        # found is None where said is a sentence
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from byeori.errors import ByeoriError

if TYPE_CHECKING:
    import torch

Found = TypeVar("Found")
SHORTER = "Cut texts shorter (--max-length), or take another device (--device)."
LESS = (
    "Have fewer tokens written (--max-new-tokens) by fewer beams (--num-beams), cut texts shorter (--max-length), or take another "
    "device (--device)."
)


class OutOfMemory(ByeoriError):
    """One row for which alone there is no memory. `place`: which of those that were given, from 0; `where`: its name, if it has one."""

    def __init__(self, place: int, tokens: int, device: torch.device, said: str, advice: str, where: str | None = None):
        self.place, self.given = place, (tokens, device, said, advice)
        named = where or f"row {place + 1:,}"
        super().__init__(f"{named}: its {tokens:,} tokens alone find no memory on {device} ({said}). {advice}")

    def at(self, place: int, where: str | None = None) -> OutOfMemory:
        """The same of a row that is known by another place, or by name."""
        return OutOfMemory(place, *self.given, where)


@contextmanager
def placed(place: Callable[[int], int], where: Callable[[int], str] | None = None) -> Iterator[None]:
    """Of rows that are some of many: one that is named by its place among these is named by that among all."""
    try:
        yield
    except OutOfMemory as error:
        found = place(error.place)
        raise error.at(found, where(found) if where is not None else None) from error


def attempted(run: Callable[[], Found], device: torch.device) -> tuple[Found | None, str]:
    """What `run` gives, and ""; of one that finds no memory None, and what was said of it. Raises all other errors."""
    import torch

    from byeori.models.device import full

    try:
        return run(), ""
    except (RuntimeError, MemoryError) as error:
        if not full(error):
            raise
        said = " ".join((str(error) or type(error).__name__).splitlines()[0].split())[:200]
        traceback.clear_frames(error.__traceback__)
    # Behind the handler, where the error itself is gone.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return None, said


def halves(tokens: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Places int64 of sequences, ascending, in two parts of about equal tokens, the smaller units in the first.

    tokens: of each sequence; units: what each belongs to and isn't parted from. None where all belong to one.
    """
    known, owner = np.unique(units, return_inverse=True)
    if len(known) < 2:
        return None
    sums = np.bincount(owner, tokens)
    order = np.argsort(sums, kind="stable")
    ends = np.cumsum(sums[order])
    cut = int(np.clip(np.searchsorted(ends, ends[-1] / 2, side="right"), 1, len(known) - 1))
    small = np.isin(owner, order[:cut])
    return np.flatnonzero(small), np.flatnonzero(~small)
