"""Items made ahead of their turn, in a thread: what comes next lies ready when it is asked for.

Invariants: the same items in the same order as without; at most `most` lie ready beyond the one in use; an exception comes out
where its item would have; the thread ends with the block, whether all was taken or not.

    with ahead(batches, most=2) as ready:
        for batch in ready: ...
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


@contextmanager
def ahead(items: Iterable[Item], most: int) -> Iterator[Iterator[Item]]:
    """`items`, made by a thread up to `most` ahead; made as they are asked for where `most` is 0."""
    if not most:
        found = iter(items)
        try:
            yield found
        finally:
            _close(found)
        return
    maker = _Maker(items, most)
    try:
        yield maker
    finally:
        maker.close()


class _Maker(Generic[Item]):
    def __init__(self, items: Iterable[Item], most: int):
        self._items = items
        self._room = threading.Semaphore(most)
        self._made: queue.SimpleQueue[tuple[Item | None, BaseException | None]] = queue.SimpleQueue()
        self._closed = False
        self._over: BaseException | None = None  # how it ended
        self._thread = threading.Thread(target=self._work, name="byeori-ahead", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        items: Iterator[Item] = iter(())
        try:
            items = iter(self._items)
            while self._room.acquire() and not self._closed:
                self._made.put((next(items), None))
        except BaseException as error:  # StopIteration too: whoever takes the item is told
            self._made.put((None, error))
        finally:
            _close(items)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._over is not None:
            raise self._over
        item, self._over = self._made.get()
        if self._over is not None:
            raise self._over
        self._room.release()
        return item  # type: ignore[return-value]  # None only beside an error

    def close(self) -> None:
        """Wait for the item that is being made, and end."""
        self._closed = True
        self._room.release()
        self._thread.join()
        self._made.put((None, StopIteration()))  # for whoever asks still


def _close(items: Iterator) -> None:
    if isinstance(items, Generator):
        items.close()
