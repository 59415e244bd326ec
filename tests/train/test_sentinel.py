"""Updates without a number, and sudden losses."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from byeori.errors import TrainingError
from byeori.settings import Train
from byeori.train.sentinel import IN_A_ROW, Sentinel
from byeori.train.stepper import Update


def update(step: int, loss: float, norm: float = 1.0) -> Update:
    return Update(step, 1e-3, SimpleNamespace(update=np.array([7, 8])), loss, norm)


def sentinel(**values):
    notes, lines = [], []
    made = Sentinel(Train(learning_rate=1e-3, **values), lambda row: f"a.tsv, row {row}", notes.append, lines.append)
    return made, notes, lines


def test_a_jump_is_noted_once_in_a_while_and_written_each_time():
    ours, notes, lines = sentinel()
    drawn = np.random.default_rng(0)
    for step in range(1, 60):
        assert not ours.refuses(update(step, 1.0 + 0.1 * drawn.standard_normal()), False)
    assert not lines, "noise is no jump"
    for step in (60, 61):
        ours.refuses(update(step, 5.0), False)
    assert [line["step"] for line in lines] == [60, 61] and len(notes) == 1 and ours.spikes == 2
    assert "step 60: the loss jumped to 5, from 1" in notes[0] and "a.tsv, row 7" in notes[0]
    again, more, _ = sentinel()
    again.restore(ours.state())
    again.refuses(update(62, 5.0), False)
    assert again.spikes == 3 and not more, "what was quiet stays so"


def test_float16_may_overflow_but_not_for_ever():
    ours, _, _ = sentinel()
    for step in range(1, IN_A_ROW):
        assert not ours.refuses(update(step, 1.0, math.inf), True)
    with pytest.raises(TrainingError, match=rf"the gradient's norm is inf .*the {IN_A_ROW}th update in a row"):
        ours.refuses(update(IN_A_ROW, 1.0, math.inf), True)


def test_leaving_out_ends_where_nothing_has_a_number():
    ours, notes, lines = sentinel(on_nan="skip")
    for step in range(1, IN_A_ROW):
        assert ours.refuses(update(step, math.nan), False)
    assert len(notes) == len(lines) == ours.left_out == IN_A_ROW - 1
    with pytest.raises(TrainingError, match="a weight that was already not a number"):
        ours.refuses(update(IN_A_ROW, math.nan), False)


def test_an_update_that_is_left_out_moves_nothing_but_the_schedule(train, odd, notes):
    odd(3)
    values = {"log_every": 1, "max_steps": 5, "weight_decay": 0.1}
    with pytest.raises(TrainingError, match=r"step 3: the loss is nan .* \(--on-nan skip leaves such updates out\)"):
        train("stopped", **values)
    run = train("run", on_nan="skip", progress=notes, **values)
    assert run.metrics["training"]["left_out"] == 1 and run.metrics["training"]["steps"] == 5
    assert any("step 3 is left out: the loss is nan. Its rows begin with" in note for note in notes.notes)
    history = run.folder.lines(run.folder.history)
    assert [line["step"] for line in history if "left_out" in line] == [3]
    assert [line["step"] for line in history if "loss" in line] == [1, 2, 4, 5]
    rates = {line["step"]: line["learning_rate"] for line in history if "loss" in line}
    assert rates[4] - rates[5] == pytest.approx((rates[2] - rates[4]) / 2), "the others keep their rates"
    assert all(torch.isfinite(value).all() for value in load_file(run.folder.model / "model.safetensors").values())
