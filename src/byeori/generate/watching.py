"""Who is told how many texts are written: set around a call that writes, deep inside of which the engine runs.

with watched(lambda done, total: ...): task.generate(model, tokenizer, pack)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[int, int], None]  # texts written, texts to write
_watcher: ContextVar[Progress | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(progress: Progress | None) -> Iterator[None]:
    """Within it `progress` is told; None: nobody."""
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)


def watcher() -> Progress | None:
    return _watcher.get()
