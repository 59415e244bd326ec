"""References are one text or several a row; given as streams, they are refused instead of scored."""

from __future__ import annotations

import pytest

from byeori.errors import DataError
from byeori.metrics.references import by_row, flat

ROWS = [["a cat sat there", "the cat sat there"], ["it rains a lot", "it is raining a lot"]]
STREAMS = [list(stream) for stream in zip(*ROWS, strict=True)]


def test_one_or_several_a_row():
    assert by_row(["x", "y"], ["a", "b"]) == [["a"], ["b"]]
    assert by_row(["x", "y"], ROWS) == ROWS
    assert by_row(["x", "y"], [["a"], "b"]) == [["a"], ["b"]]
    assert by_row(["x", "y"], [("a", "c", "d"), ["b"]]) == [["a", "c", "d"], ["b"]]
    assert by_row(["x"], [["a"]]) == [["a"]]
    assert flat(ROWS) == [*ROWS[0], *ROWS[1]]


def test_streams_are_refused():
    with pytest.raises(DataError, match="1 lists of 2 texts, one list per set of references"):
        by_row(["x", "y"], [["a", "b"]])
    with pytest.raises(DataError, match="3 lists of 2 texts"):
        by_row(["x", "y"], [["a", "b"]] * 3)
    with pytest.raises(DataError, match="2 lists of 2 texts"):  # as many sets as rows: told by what resembles what
        by_row(["x", "y"], STREAMS)


def test_what_is_no_reference_is_refused():
    with pytest.raises(DataError, match="2 predictions for 1 references"):
        by_row(["x", "y"], ["a"])
    with pytest.raises(DataError, match="Row 2 has no reference"):
        by_row(["x", "y"], [["a"], []])
    with pytest.raises(DataError, match="Row 2: a reference is None"):
        by_row(["x", "y"], [["a"], [None]])
    with pytest.raises(DataError, match="Row 1: a reference is 3"):
        by_row(["x"], [3])
    with pytest.raises(DataError, match="Row 1: the prediction is None"):
        by_row([None], ["a"])
    with pytest.raises(DataError, match="nothing to score"):
        by_row([], [])
