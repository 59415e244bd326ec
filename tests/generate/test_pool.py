"""Keys and values that are masked must still be numbers, and what nobody comes from must go."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from alone import same
from trained import PAD, START, prompts, trained

from byeori.generate import cells, continuous, pool
from byeori.generate.decoding import Decoding
from byeori.generate.lean import lean_of
from byeori.generate.write import texts


@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("asked", [{"num_beams": 4}, {}])
def test_nothing_is_read_that_is_of_another_text(name, asked, paged, monkeypatch):
    """Memory that is given back where the system takes it, and memory that stays; texts that leave, and others in their place."""
    monkeypatch.setattr(cells, "PAGED", cells.PAGED and paged)
    given = prompts(name, 10)
    found = texts(trained(name), given, Decoding(max_new_tokens=20, **asked), pad=PAD, budget=300_000)
    same(trained(name), given, found, max_new_tokens=20, **asked)


def made(size: int) -> cells.Cells:
    """Two layers of three heads."""
    stack = SimpleNamespace(layers=[None, None], size=size)
    return cells.Cells(SimpleNamespace(decoder=stack, device=torch.device("cpu"), dtype=torch.float32), heads=3)


@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize("size", [6, 64])
def test_what_is_in_use_is_kept_and_the_rest_is_zero(size, paged, monkeypatch):
    monkeypatch.setattr(cells, "PAGED", cells.PAGED and paged)
    own, filled = made(size), np.array([5, 0, 9])
    own.fit(3, 9, np.zeros(0, np.int64))
    new = {slot: torch.randn(2, 2, int(count), 3, size) for slot, count in enumerate(filled)}
    for slot, layers in new.items():
        for number, (k, v) in enumerate(layers):
            own.fill(number, slot, k, v)

    def held(slot: int, number: int) -> torch.Tensor:
        return torch.stack([own.keys[number][slot], own.values[number][slot]]).transpose(1, 2)

    def rows(slot: int, *columns: int) -> torch.Tensor:
        return own.rows(torch.full((len(columns),), slot), torch.tensor(columns))

    own.fit(6, 700, filled)  # anew, and larger
    for slot, layers in new.items():
        for number in range(2):
            assert torch.equal(held(slot, number)[:, : filled[slot]], layers[number])
            assert not held(slot, number)[:, filled[slot] :].any()
    token = torch.randn(2, 1, 3, size)
    own.write(1, rows(0, 5), *token)
    assert torch.equal(held(0, 1)[:, 5], token[:, 0]) and not held(0, 0)[:, 5].any()
    own.shift(rows(2, 8, 3), rows(2, 0, 1))
    assert torch.equal(held(2, 0)[:, :2], new[2][0][:, [8, 3]])
    own.leave(2, 3, [(0, 2)], np.array([6, 0, 2]))
    assert torch.equal(held(0, 1)[:, :2], new[2][1][:, [8, 3]])
    assert not held(2, 0)[:, :6].any() and not held(2, 1)[:, :6].any()
    if own.paged:  # a rectangle takes along what lies behind
        assert not held(0, 1)[:, 2:].any() and not held(2, 0).any()


@pytest.mark.skipif(not cells.PAGED, reason="pages are given back on Linux")
def test_memory_is_what_slots_hold_and_is_given_back():
    """64 slots of 4,096 columns, 16 of which are filled, then none."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE / 2**20

    own, before = made(64), resident()
    own.fit(64, 4_096, np.zeros(0, np.int64))
    assert resident() - before < 2  # 768 MiB if all of it were there
    for slot in range(64):
        for number in range(2):
            own.fill(number, slot, *torch.ones(2, 16, 3, 64))
    expected = own.bytes_of(np.full(64, 16)) / 2**20
    assert expected == 3 and expected - 1 < resident() - before < expected + 2
    own.leave(0, 64, [], np.full(64, 16))
    assert resident() - before < 2


@pytest.mark.skipif(not cells.PAGED, reason="pages are given back on Linux")
def test_a_long_text_before_many_short_ones_is_forgotten():
    """Not so many columns for all of them: a quarter of a terabyte."""
    own = made(64)
    own.fit(1, 600_000, np.zeros(0, np.int64))
    own.leave(0, 1, [], np.array([600_000]))
    own.fit(256, 64, np.zeros(0, np.int64))
    assert own.slots == 256 and own.columns < 200
    own.fit(300, 64, np.full(256, 60))
    assert own.slots == 300 and own.columns < 200


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("left", [[4], [0], [0, 4], [3, 1], [1, 2, 3], [0, 1, 2, 3, 4], [4, 2, 0]])
def test_the_last_ones_take_the_places_of_those_that_leave(left, name):
    """All at once as one after the other, from the last: sources with them, and prompts."""
    model = trained(name)
    sourced = name == "t5"
    prefixes = [[] if sourced else [START] * (2 + place) for place in range(5)]
    sources = [torch.randn(3 + place, model.config.d_model) for place in range(5)] if sourced else None
    together, single = (pool.Pool(lean_of(model)) for _ in range(2))
    for one in (together, single):
        one.join(prefixes, sources)
    order = together.leave(left)
    alone = list(range(5))
    for slot in sorted(left, reverse=True):
        alone = [alone[place] for place in single.leave([slot])]
    assert order == alone and set(order) == set(range(5)) - set(left)
    if not order:
        return
    ids = torch.full((len(order), 1), 9)
    found, expected = together.step(ids), single.step(ids)
    assert torch.equal(found, expected)
    for row, place in enumerate(order):
        own = pool.Pool(lean_of(model))
        own.join([prefixes[place]], [sources[place]] if sources else None)
        assert torch.allclose(found[row], own.step(ids[:1])[0], atol=1e-5)


def test_rectangles_shrink_when_most_of_them_is_unused(monkeypatch):
    monkeypatch.setattr(cells, "PAGED", False)
    own = made(16)
    own.fit(64, 400, np.zeros(0, np.int64))
    own.fit(8, 100, np.full(8, 90))
    assert (own.slots, own.columns) == (8, 100)
    own.fit(6, 90, np.full(6, 90))
    assert (own.slots, own.columns) == (8, 100)


def test_columns_of_beams_are_packed_anew(monkeypatch):
    """After sixty tokens of eight beams, of 480 columns those stay that some beam comes from."""
    model, (prompt,) = trained("gpt2"), prompts("gpt2", 1)
    widest = []
    step = continuous.Continuous.step

    def watched(self):
        found = step(self)
        widest.append(self.pool.longest)
        return found

    monkeypatch.setattr(continuous.Continuous, "step", watched)
    asked = {"num_beams": 8, "min_new_tokens": 60, "max_new_tokens": 60}
    found = texts(model, [prompt], Decoding(**asked), pad=PAD)
    same(model, [prompt], found, **asked)
    assert max(widest) < 8 * 60 * 0.7 and widest[-1] < max(widest)
