"""The next one is done while this one is used: in order, one at a time, errors where they belong."""

from __future__ import annotations

import threading

import pytest

from byeori.text.ahead import ahead


def test_in_order_and_never_two_at_once():
    busy, most = 0, 0

    def work(item: int) -> int:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        busy -= 1
        return item * item

    for count in range(6):
        assert list(ahead(work, range(count))) == [item * item for item in range(count)]
    assert most == 1


def test_the_next_one_is_begun_before_this_one_is_used():
    begun = [threading.Event() for _ in range(3)]

    def work(item: int) -> int:
        begun[item].set()
        return item

    for found in ahead(work, range(3)):
        if found < 2:
            assert begun[found + 1].wait(5)


def test_a_single_one_takes_no_thread():
    assert list(ahead(lambda item: threading.current_thread() is threading.main_thread(), [1])) == [True]


def test_an_error_comes_in_its_place():
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("the third")
        return item

    found = []
    with pytest.raises(ValueError, match="the third"):
        for one in ahead(work, range(5)):
            found.append(one)
    assert found == [0, 1] and threading.active_count() < 5
