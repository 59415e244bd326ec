"""Damaged checkpoints beside whole ones: which stay, when new ones come."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from byeori.models.world import World
from byeori.train import checkpoint
from byeori.train.keeper import Keeper


def taken(held: object = None) -> checkpoint.Snapshot:
    files = {name: {"a": torch.arange(9.0)} for name in ("model", "optimizer", "random")}
    return checkpoint.Snapshot(files, {"step": 0})


def whole(folder: Path) -> list[int]:
    return [checkpoint.step_of(one) for one in checkpoint.all_of(folder) if checkpoint.damage(one) is None]


@pytest.fixture
def resumed(tmp_path) -> Keeper:
    """Of a training with the whole checkpoint of step 4 and the damaged one of step 6, that goes on from 4."""
    keeper = Keeper(tmp_path, 2, World())
    for step in (2, 4, 6):
        keeper.save(step, taken, now=True)
    with open(tmp_path / checkpoint.name(6) / "model.safetensors", "r+b") as file:
        file.truncate(50)
    assert whole(tmp_path) == [4]
    return Keeper(tmp_path, 2, World())


def test_the_last_whole_one_stays_until_another_is_whole(resumed, tmp_path, monkeypatch):
    write = checkpoint.write

    def refused(folder, *rest):
        assert whole(tmp_path) == [4]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write", refused)
    with pytest.raises(OSError, match="No space left"):
        resumed.save(7, taken, now=True)
    assert whole(tmp_path) == [4]
    monkeypatch.setattr(checkpoint, "write", write)
    resumed.save(7, taken, now=True)
    assert whole(tmp_path)[-1] == 7
