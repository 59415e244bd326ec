"""What a call that failed leaves in its process: nothing of its own.

An exception holds its traceback, a traceback its frames, and these all that was in them: model, optimizer, what was computed. A notebook
keeps the last exception (sys.last_exc, sys.last_traceback), so that memory would come back with the next error alone.

Invariants: frames below the call are emptied, also those of a hook, which is handed the training; the traceback keeps its lines; what the
caller was handling before, and his own frames, stay as they are. A model of the caller's own stays, without the gradients.

    @forgetting
    def train(…): ...
"""

from __future__ import annotations

import functools
import gc
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")


def forgetting(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """A function whose errors hold nothing of what it did."""

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        before = sys.exception()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            _empty(error, before)
            raise

    return call


def _empty(error: BaseException, before: BaseException | None) -> None:
    """Clear the frames of an error and of those it came of, but for what was there before."""
    seen, waiting = {id(before)}, [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    # A training and what it calls back know each other. The second time is for what was kept beside a model (its runner, which knows
    # the encoder) and is let go with it.
    gc.collect()
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


@contextmanager
def without_gradients_of(loaded: Any) -> Iterator[None]:
    """Gradients of an update that failed go: the model may be the caller's own. `loaded`: what has it as `.model`, which may come to be
    another one or none meanwhile (of shares, which aren't to be held here)."""
    try:
        yield
    except BaseException:
        if loaded.model is not None:
            for weight in loaded.model.parameters():
                weight.grad = None
        raise
