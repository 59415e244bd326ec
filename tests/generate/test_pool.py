"""Keys and values that are masked must still be numbers, and what nobody comes from must go."""

from __future__ import annotations

import pytest
import torch
from alone import same
from trained import PAD, prompts, trained

from byeori.generate import continuous, pool
from byeori.generate.decoding import Decoding
from byeori.generate.write import texts


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("asked", [{"num_beams": 4}, {}])
def test_nothing_is_read_that_was_not_written(name, asked, monkeypatch):
    """Fresh memory full of NaN: one that is read makes a text differ."""
    empty = pool.Cells._empty
    monkeypatch.setattr(pool.Cells, "_empty", lambda self, *shape: empty(self, *shape).fill_(torch.nan))
    given = prompts(name, 10)
    found = texts(trained(name), given, Decoding(max_new_tokens=20, **asked), pad=PAD, budget=300_000)
    same(trained(name), given, found, max_new_tokens=20, **asked)


def test_columns_of_beams_are_packed_anew(monkeypatch):
    """After sixty tokens of eight beams, of 480 columns those stay that some beam comes from."""
    model, (prompt,) = trained("gpt2"), prompts("gpt2", 1)
    widest = []
    step = continuous.Continuous.step

    def watched(self):
        found = step(self)
        widest.append(self.pool.used)
        return found

    monkeypatch.setattr(continuous.Continuous, "step", watched)
    asked = {"num_beams": 8, "min_new_tokens": 60, "max_new_tokens": 60}
    found = texts(model, [prompt], Decoding(**asked), pad=PAD)
    same(model, [prompt], found, **asked)
    assert max(widest) < 8 * 60 * 0.7 and widest[-1] < max(widest)
