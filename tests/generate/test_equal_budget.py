"""Batches that overflow: however few bytes there are and whoever else is in, each prompt gets what it gets alone, in order."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from alone import alone, same
from trained import PAD, prompts, trained

from byeori.generate import cells, continuous
from byeori.generate import write as door
from byeori.generate.continuous import Continuous
from byeori.generate.decoding import Decoding
from byeori.generate.write import stream, texts

MOST = 24
ROWS = 24
# Bytes a beam. A token of T5's or GPT-2's takes 512, one of a source another 512; in pages, a text takes 32,768 at least.
TIGHT, TIGHTER = 280_000, 110_000
PAGES = 3  # times as many where memory comes in pages
GREEDY, BEAMS = {"max_new_tokens": MOST}, {"max_new_tokens": MOST, "num_beams": 4, "num_return_sequences": 2}


class Watched(Continuous):
    """The engine, looked at after each step."""

    made: list[Watched] = []

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.at_most = self.waited = 0
        self.made.append(self)

    def step(self):
        before, pool = self.rows, self.pool
        found = super().step()
        if pool.slots > 1:
            assert pool.bytes_of(pool.filled[: pool.slots], pool.lengths[: pool.slots]) <= self.budget
        self.at_most = max(self.at_most, (self.rows - before) // self.lines.width)
        self.waited = max(self.waited, len(self.waiting))
        return found


@pytest.fixture(params=[True, False], ids=["pages", "rectangles"])
def paged(request, monkeypatch) -> bool:
    """Memory that is given back page by page, and memory that stays as it is everywhere but on Linux's processors."""
    if request.param and not cells.PAGED:
        pytest.skip("pages are given back on Linux")
    monkeypatch.setattr(cells, "PAGED", request.param)
    return request.param


@pytest.fixture
def engines(monkeypatch) -> list[Watched]:
    """Every engine that a test starts."""
    monkeypatch.setattr(Watched, "made", [])
    monkeypatch.setattr(door, "Continuous", Watched)
    return Watched.made


@pytest.mark.parametrize("asked", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_a_budget_changes_nothing(name, asked, paged, engines):
    rows, model = prompts(name, ROWS, seed=80), trained(name)
    wide = texts(model, rows, Decoding(**asked), pad=PAD)
    same(model, rows, wide, **asked)
    times = PAGES if paged else asked.get("num_beams", 1)
    for budget in (TIGHT * times, TIGHTER * times, 1):
        same(model, rows, texts(model, rows, Decoding(**asked), pad=PAD, budget=budget), **asked)
    whole, tight, tighter, one = engines
    assert whole.at_most == ROWS and not whole.evicted
    assert ROWS > tight.at_most > tighter.at_most > one.at_most == 1
    assert one.waited == ROWS - 1 and not one.evicted


# What decoders alone can write fits into the first page of so small a head.
GROWING = [
    *[(name, {"num_beams": 4}, paged) for name in ("t5", "llama") for paged in (True, False)],
    *[(name, {}, False) for name in ("gpt2", "gemma2")],
]


@pytest.mark.parametrize("name, asked, paged", GROWING, ids=str, indirect=["paged"])
def test_texts_that_outgrow_the_budget_begin_again(name, asked, paged, engines, monkeypatch):
    """Short prompts, many of which fit at first, and long texts: the youngest go back, once or more."""
    rows, model = prompts(name, 16, seed=81)[:10], trained(name)
    rows = [row[-6:] for row in rows]
    monkeypatch.setattr(continuous, "AHEAD", 1)
    asked = {"max_new_tokens": 80, "min_new_tokens": 80, **asked}
    found = texts(model, rows, Decoding(**asked), pad=PAD, budget=100_000 * asked.get("num_beams", 1))
    assert engines[0].evicted > 0 and engines[0].at_most > 1
    for place in (0, 9):
        same(model, [rows[place]], [found[place]], **asked)
    wide = texts(model, rows, Decoding(**asked), pad=PAD)
    assert [one.ids for (one,) in found] == [one.ids for (one,) in wide] and not engines[1].evicted


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_no_step_is_spent_on_what_has_ended(name, engines):
    """The rows of all steps are the tokens of all texts, each with its end."""
    rows = prompts(name, ROWS, seed=80)
    found = texts(trained(name), rows, Decoding(**GREEDY), pad=PAD)
    assert engines[0].rows == sum(len(one.ids) + (one.end is not None) for (one,) in found)
    assert engines[0].steps == max(len(one.ids) + (one.end is not None) for (one,) in found)


@pytest.mark.parametrize("budget", [None, TIGHTER])
@pytest.mark.parametrize("asked", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_in_the_order_asked(asked, budget):
    rows = prompts("t5", ROWS, seed=80)
    order = random.Random(0).sample(range(ROWS), ROWS)
    found = texts(trained("t5"), [rows[place] for place in order], Decoding(**asked), pad=PAD, budget=budget)
    same(trained("t5"), [rows[place] for place in order], found, **asked)


def test_none_and_one():
    assert texts(trained("t5"), [], Decoding(**GREEDY), pad=PAD) == []
    (row,) = prompts("t5", 1)
    same(trained("t5"), [row], texts(trained("t5"), [row], Decoding(**GREEDY), pad=PAD), **GREEDY)


def test_it_is_told_how_far_it_is():
    rows, told = prompts("t5", 9, seed=82), []
    texts(trained("t5"), rows, Decoding(**GREEDY), pad=PAD, budget=TIGHTER, progress=lambda *one: told.append(one))
    assert told == [(done, 9) for done in range(1, 10)]


@pytest.mark.parametrize("name", ["t5", "gpt2", "ctrl", "led"])
def test_token_by_token(name, engines):
    """A token is there when it is made; what has come when nobody asks on is all that was computed."""
    for row in prompts(name, 2, seed=83):
        right = list(alone(trained(name), row, **GREEDY)[0].ids)
        assert list(stream(trained(name), row, Decoding(**GREEDY), pad=PAD)) == right
        coming = stream(trained(name), row, Decoding(**GREEDY), pad=PAD)
        for place, one in enumerate(right[:3]):
            assert next(coming) == one and engines[-1].steps == place + 1
        coming.close()


def test_a_stream_of_beams_comes_when_it_is_there():
    row = prompts("t5", 3, seed=83)[1]
    right = list(alone(trained("t5"), row, max_new_tokens=MOST, num_beams=4)[0].ids)
    assert list(stream(trained("t5"), row, Decoding(max_new_tokens=MOST, num_beams=4), pad=PAD)) == right


@pytest.mark.parametrize(("megabytes", "width", "wanted"), [
    (1, 1, 36), (1, 4, 144), (1, 9, 144), (90, 1, 36), (1_000, 1, 400), (1_000, 4, 400), (300, 4, 144),
])  # fmt: skip
def test_where_nobody_says_weights_and_beams_decide(megabytes, width, wanted):
    lean = SimpleNamespace(device=torch.device("cpu"), weight_bytes=megabytes << 20)
    assert continuous._budget(lean, width) == wanted << 20
