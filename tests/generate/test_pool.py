"""Keys and values that are masked must still be numbers, and what nobody comes from must go."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from alone import same
from trained import PAD, prompts, trained

from byeori.generate import cells, continuous
from byeori.generate.decoding import Decoding
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
    own.release(0)
    own.move(2, 0, 2)
    own.release(2)
    assert torch.equal(held(0, 1)[:, :2], new[2][1][:, [8, 3]]) and not held(0, 1)[:, 2:].any()
    assert not held(2, 0).any() and not held(2, 1).any()


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
    for slot in range(64):
        own.release(slot)
    assert resident() - before < 2


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
