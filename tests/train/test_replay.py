"""A step run again is the step as it was: its loss, norm and rows, from a checkpoint and from the beginning."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import byeori
from byeori.cli import cli
from byeori.errors import SettingError


@pytest.fixture
def run(train):
    return train(log_every=1, checkpoint_every=3, keep_checkpoints=True, checkpoints_kept=9, evaluate_every=2)


def step(run, number: int) -> dict:
    return next(one for one in run.folder.lines(run.folder.history) if one["step"] == number and "loss" in one)


def test_a_step_is_what_it_was(run, notes):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    for number, begins in ((1, 0), (3, 0), (4, 3), (8, 6)):
        found = byeori.replay(run.path, number, progress=notes)
        line = step(run, number)
        assert (found["loss"], found["grad_norm"], found["from"]) == (line["loss"], line["grad_norm"], begins)
        assert found["learning_rate"] >= 0 and len(found["rows"]) in (20, 16)
        losses = [one["loss"] for one in found["rows"]]
        assert losses == sorted(losses, reverse=True) and sum(losses) / len(losses) == pytest.approx(
            found["loss"], abs=1e-6
        )
        assert all(one["where"].startswith("requests.tsv, row") and one["input"]["text"] for one in found["rows"])
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_no_accelerator_stays(run):
    """accelerate's notebook_launcher refuses to start where one is."""
    from accelerate.state import AcceleratorState, PartialState

    AcceleratorState._reset_state(reset_partial_state=True)  # of another test's
    byeori.replay(run.path, 1)
    assert not PartialState._shared_state and not AcceleratorState._shared_state


def test_updates_that_were_left_out_are_so_again(train, odd):
    odd(2)
    run = train(log_every=1, on_nan="skip")
    assert run.metrics["training"]["left_out"] >= 1
    assert byeori.replay(run.path, 4)["loss"] == step(run, 4)["loss"]


def test_what_ranks_trained_drew_other_numbers(run, notes):
    told = json.loads(run.folder.metrics.read_text())
    for ranks in (1, 2):
        told["training"]["ranks"] = ranks
        run.folder.metrics.write_text(json.dumps(told))
        byeori.replay(run.path, 1, progress=notes)
        assert any("ranks trained it, each with dropout of its own" in note for note in notes.notes) is (ranks == 2)


def test_what_cannot_be_run_again(run, tmp_path):
    for number in (0, 9):
        with pytest.raises(SettingError, match=f"step={number}: the training has 8 steps, counted from 1"):
            byeori.replay(run.path, number)
    with pytest.raises(SettingError, match="there is no settings.yaml in it"):
        byeori.replay(tmp_path, 1)


def test_the_command(run):
    done = CliRunner().invoke(cli, ["replay", str(run.path), "--step", "4", "--rows", "2"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"step 4: loss {step(run, 4)['loss']:.6g}, gradient norm")
    assert (
        all("requests.tsv, row" in line for line in lines[1:3]) and "… and 14 more with smaller losses" in done.output
    )
    done = CliRunner().invoke(cli, ["replay", str(run.path), "--step", "4", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["loss"] == step(run, 4)["loss"]
