"""Ctrl-C and SIGTERM while a model trains: the update ends, a checkpoint is written, then the training stops.

Invariants: the first signal asks, the second one stops at once; the handlers that were there come back. Only the main
thread may set handlers: elsewhere signals do what they did.

    with asked_to_stop() as asked: ...; if asked(): ...
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether a signal has come."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
