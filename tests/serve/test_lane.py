"""Who is in the next batch: the oldest always, each request in its turn, no more tokens than the budget; a lone one at once."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from byeori.batches.answers import Answers
from byeori.serve.ask import Ask
from byeori.serve.lane import Lane
from byeori.tasks import TextClassification
from byeori.text.store import TokenStore


class Engine:
    """A text is as many tokens as its length; what it answers is that number. `batches`: the lengths in each."""

    pack_tokens = 100

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def encode(self, rows: dict[str, list], call: Any = None) -> TokenStore:
        lengths = [len(text) for text in rows["text"]]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        arrays = {
            "input_ids": np.zeros(sum(lengths), np.int32),
            "offsets": offsets,
            "row_offsets": np.arange(len(lengths) + 1),
        }
        store = TokenStore(arrays, {}, {"input_ids": 0})
        store.source = rows
        return store

    def run(self, store: TokenStore, call: Any = None) -> Answers:
        self.batches.append(np.diff(store.offsets).tolist())
        return Answers(np.diff(store.offsets)[:, None].astype(np.float32))

    def decode(self, answers: Answers, store: TokenStore, call: Any = None) -> list[int]:
        return answers.values[:, 0].astype(int).tolist()


@pytest.fixture
def lane() -> Lane:
    run: Any = SimpleNamespace(engine=Engine(), task=TextClassification(labels=["a", "b"]))
    return Lane(run, window=5.0)


def ask(*lengths: int, **values: Any) -> Ask:
    return Ask(
        [{"text": "x" * length} for length in lengths],
        None,
        values.pop("deadline", time.monotonic() + 60),
        lambda _: None,
        **values,
    )


def drained(lane: Lane, *asks: Ask) -> list[list[int]]:
    lane.take(list(asks))
    while lane.busy:
        lane._together = 0  # the window is not what is looked at here
        lane.turn()
    assert all(
        one.answers == [len(row["text"]) for row in one.rows] for one in asks if not one.refused and not one.gone
    )
    return lane.engine.batches


def test_a_large_request_doesnt_hold_up_small_ones(lane):
    large, small = ask(*[30] * 40), [ask(5) for _ in range(6)]
    lane.take([large])
    lane.turn()
    lane.take(small)
    lane._together = 0
    lane.turn()
    assert all(one.ended for one in small) and not large.ended
    drained(lane)
    assert large.answers == [30] * 40 and lane.tokens == 0


def test_a_long_text_is_never_passed_by(lane):
    """While short ones keep coming, it is in a batch as soon as it is the oldest; longer than a batch, it is one by itself."""
    for long in (90, 100, 250):
        one = ask(long)
        lane.take([ask(50), one])
        for _ in range(3):
            lane.take([ask(20) for _ in range(5)])
            lane._together = 0
            lane.turn()
        assert one.ended and one.answers == [long]
        drained(lane)
    assert all(sum(batch) <= 100 or len(batch) == 1 for batch in lane.engine.batches)


def test_rows_of_one_request_are_spread_over_batches(lane):
    batches = drained(lane, ask(*[40] * 5), ask(10))
    assert batches == [[40, 10, 40], [40, 40], [40]]


def test_what_is_over_is_not_begun(lane):
    gone, late, fine = ask(10), ask(10, deadline=time.monotonic() - 1), ask(10)
    gone.gone = True
    assert drained(lane, gone, late, fine) == [[10]]
    assert late.refused is not None and late.refused.status == 504


def test_a_lone_request_waits_for_nobody_and_several_for_each_other(lane):
    lane.take([ask(10)])
    assert lane.due <= time.monotonic()
    lane.turn()
    lane.take([ask(10)])
    assert lane.due == 0.0
    lane.take([ask(10), ask(10)])
    lane.turn()
    lane.take([ask(10)])
    lane.turn()  # three were answered together, and one has come: the window is waited for
    assert len(lane.engine.batches) == 2 and lane.due > time.monotonic() + 1
    lane.take([ask(10), ask(10)])
    lane.turn()
    assert lane.engine.batches[2] == [10, 10, 10]


def test_too_many_tokens_are_refused(lane):
    lane.limit = 50
    one, other = ask(30, 30), ask(30)
    drained(lane, one, other)
    assert one.refused is not None and one.refused.status == 413 and other.answers == [30]
