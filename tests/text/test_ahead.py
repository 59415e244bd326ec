"""Items made ahead are the same in the same order; how it ends, all taken, some, or by an error, no thread is left."""

from __future__ import annotations

import threading
import time

import pytest

from byeori.text.ahead import ahead

SIZES = [0, 1, 3, 100]


@pytest.fixture(autouse=True)
def no_thread_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("most", SIZES)
def test_all_of_them_in_their_order(most):
    with ahead((n * n for n in range(50)), most) as found:
        assert list(found) == [n * n for n in range(50)]
        assert list(found) == []


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_lie_ready_than_asked_for(most):
    made = []

    def items():
        for n in range(20):
            made.append(n)
            yield n

    with ahead(items(), most) as found:
        for taken in range(1, 6):
            next(found)
            deadline = time.monotonic() + 5
            while len(made) < taken + most and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.01)
            assert len(made) == taken + most
    assert len(made) <= 6 + most


@pytest.mark.parametrize("most", SIZES)
def test_an_error_comes_where_its_item_would_have(most):
    def items():
        yield 1
        yield 2
        raise ZeroDivisionError("third")

    with ahead(items(), most) as found:
        assert [next(found), next(found)] == [1, 2]
        for _ in range(2 if most else 1):
            with pytest.raises(ZeroDivisionError, match="third") as caught:
                next(found)
        assert caught.traceback[-1].name == "items"


@pytest.mark.parametrize("most", SIZES)
def test_what_is_left_is_not_made(most):
    made, closed = [], []

    def items():
        try:
            for n in range(10_000):
                made.append(n)
                yield n
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt), ahead(items(), most) as found:
        next(found)
        raise KeyboardInterrupt
    assert len(made) <= 2 + most and closed == [True]


def test_what_can_not_be_gone_through_says_so():
    class Nothing:
        def __iter__(self):
            raise OSError("not there")

    with ahead(Nothing(), 2) as found, pytest.raises(OSError, match="not there"):
        next(found)


def test_after_the_block_there_is_nothing_more():
    with ahead(iter(range(10)), 2) as found:
        next(found)
    while next(found, None) is not None:  # what lay ready
        pass
    assert next(found, None) is None
