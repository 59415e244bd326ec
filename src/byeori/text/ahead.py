"""One thing is done while the one before it is used: for work that lets go of Python's lock (the tokenizer's own threads).

for found in ahead(tokenize, parts): use(found)      # the next part is tokenized meanwhile
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`work(item)` of each, in order, never two at once; a single item takes no thread."""
    rest = iter(items)
    first = next(rest, rest)
    if first is rest:
        return
    second = next(rest, rest)
    if second is rest:
        yield work(first)  # type: ignore[arg-type]
        return
    pool = ThreadPoolExecutor(1, "byeori-ahead")
    try:
        now: Future[R] = pool.submit(work, first)  # type: ignore[arg-type]
        while second is not rest:
            following = pool.submit(work, second)  # type: ignore[arg-type]
            yield now.result()
            now, second = following, next(rest, rest)
        yield now.result()
    finally:
        pool.shutdown(cancel_futures=True)
