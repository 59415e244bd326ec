"""Checkpoints beside a training: whole or not at all, some of them kept, damage found, one process a folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import byeori
from byeori.errors import SettingError, TrainingError
from byeori.train import checkpoint, tensors
from byeori.train.tensors import Tensors


class Cut(byeori.Hook):
    def __init__(self, step: int):
        self.step = step

    def step_end(self, run, pack, outputs):
        if run.step == self.step:
            run.keeper.wait()
            raise RuntimeError("power cut")


VALUES = {"log_every": 1, "evaluate_every": 2, "checkpoint_every": 1, "preview_every": 2, "previews": 2}


@pytest.fixture
def cut(train):
    def until(step: int, name: str = "run", **values):
        with pytest.raises(RuntimeError, match="power cut"):
            train(name, hooks=[Cut(step)], **{**VALUES, **values})

    return until


def same(one, other) -> bool:
    ours, theirs = (load_file(run.folder.model / "model.safetensors") for run in (one, other))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def history(run) -> list[dict]:
    return [
        {k: v for k, v in line.items() if "second" not in k and k != "memory_mb"}
        for line in run.folder.lines(run.folder.history)
    ]


def names(folder: Path) -> list[str]:
    return [path.name for path in checkpoint.all_of(folder / "checkpoints")]


def flip(path: Path) -> None:
    """One bit of a byte in the middle."""
    values = bytearray(path.read_bytes())
    values[len(values) // 2] ^= 1
    path.write_bytes(values)


# what is kept ---------------------------------------------------------------------------------------------------------
def test_the_newest_ones_and_the_best_ones_stay(cut, tmp_path):
    cut(7, best_metric="loss", learning_rate=0.05)
    best = json.loads((tmp_path / "run" / "model" / "byeori.json").read_text())["step"]
    kept = [5, 6]  # the one of step 7 was to come
    assert names(tmp_path / "run") == [checkpoint.name(step) for step in sorted({*kept, best} - {7})]
    cut(7, "more", checkpoints_kept=4)
    assert {checkpoint.name(step) for step in (3, 4, 5, 6)} <= set(names(tmp_path / "more"))


def test_what_is_written_is_from_one_moment(train, tmp_path, monkeypatch):
    """The training goes on while it is written: a slow disk must not see later weights."""
    from byeori.train import keeper

    write = checkpoint.write
    seen = {}

    def slow(folder, taken, parts=None):
        before = {name: value.clone() for name, value in taken.files["model"].items()}
        rows = json.dumps(taken.state["done"])
        import time

        time.sleep(0.2)
        same_weights = all(torch.equal(before[name], value) for name, value in taken.files["model"].items())
        seen[folder.name] = same_weights and rows == json.dumps(taken.state["done"])
        write(folder, taken, parts)

    monkeypatch.setattr(keeper.checkpoint, "write", slow)
    whole = train("whole", **VALUES)
    assert len(seen) > 3 and all(seen.values())
    monkeypatch.undo()
    assert same(whole, train("plain", **VALUES)), "and nothing of it reaches the training"


# damage ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "file", ["model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "manifest.json"]
)
def test_a_damaged_one_is_named_and_the_one_before_is_taken(train, cut, tmp_path, notes, file):
    whole = train("whole", **VALUES)
    cut(6)
    flip(tmp_path / "run" / "checkpoints" / "step-00000005" / file)
    resumed = train(resume=True, progress=notes, **VALUES)
    said = next(note for note in notes.notes if "step-00000005: this checkpoint is damaged" in note)
    assert file in said or file == "manifest.json", "a changed sum is found beside the file it is of"
    assert any("Going on from step-00000004" in note for note in notes.notes)
    assert same(whole, resumed) and history(whole) == history(resumed)
    assert whole.metrics["test"] == resumed.metrics["test"]


def test_nothing_of_a_checkpoint_is_code(cut, tmp_path):
    cut(3)
    files = {path.name for path in (tmp_path / "run" / "checkpoints").rglob("*") if path.is_file()}
    assert files == {"model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "manifest.json"}


def test_tensors_in_parts_are_read_as_if_whole(tmp_path):
    """As ranks with uneven shares write them, down to one without rows."""
    whole = {"a": torch.arange(21.0).reshape(7, 3), "b": torch.arange(5.0), "c": torch.tensor(3.0)}
    stretches = {"a": [[0, 4], [4, 7], [7, 7]], "b": [[0, 2], [2, 4], [4, 5]]}
    files = []
    for rank in range(3):
        own = {name: whole[name][slice(*rows[rank])].clone() for name, rows in stretches.items()}
        files.append(tensors.part("model", rank, 3))
        tensors.write(tmp_path / files[-1], {**own, **({"c": whole["c"]} if rank == 0 else {})})
    (tmp_path / tensors.index_of("model")).write_text(json.dumps({"files": files, "rows": stretches}))
    found = Tensors(tmp_path, "model")
    assert set(found) == set(whole) and all(torch.equal(found.read(name), value) for name, value in whole.items())
    for first in range(8):
        for last in range(first, 8):
            assert torch.equal(found.read("a", first, last), whole["a"][first:last])


# the disk -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full .*step-00000002.* is whole"),
        (errno.EROFS, "it can't be written to"),
        (errno.EIO, "the disk fails"),
    ],
)
def test_a_disk_that_refuses_leaves_the_last_good_one(train, tmp_path, monkeypatch, code, said):
    write = tensors.write

    def refused(path, values):
        if "step-00000004" in str(path) and path.name.startswith("optimizer"):
            raise OSError(code, os.strerror(code), str(path))
        write(path, values)

    monkeypatch.setattr(tensors, "write", refused)
    values = {**VALUES, "checkpoint_every": 2}
    with pytest.raises(TrainingError, match=said) as caught:
        train(**values)
    assert "--resume" in str(caught.value)
    place = checkpoint.newest(tmp_path / "run" / "checkpoints", print)
    assert place is not None and place.name == "step-00000002" and names(tmp_path / "run") == ["step-00000002"]
    monkeypatch.undo()
    assert same(train("whole", **values), train(resume=True, **values))


def test_a_folder_that_goes_away(train, tmp_path):
    class Remove(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step == 3:
                run.keeper.wait()
                shutil.rmtree(run.folder.path)

    with pytest.raises(TrainingError, match="run.*: it is gone"):
        train(hooks=[Remove()], **VALUES)


# one process a folder -------------------------------------------------------------------------------------------------
def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(train, tmp_path, requests_tsv):
    folder = tmp_path / "run"

    class Second(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step == 2:
                code = (
                    "import sys, byeori\nfrom byeori.run import RunFolder\n"
                    "with RunFolder(sys.argv[1]).writing(resume=True): pass"
                )
                done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
                self.said = done.stderr
                with pytest.raises(SettingError, match="another process is training into this folder"):
                    train(overwrite=True)

    hook = Second()
    run = train(hooks=[hook], **VALUES)
    assert "SettingError: output" in hook.said and "another process is training into this folder" in hook.said
    assert not run.folder.lock.exists()
    (folder / "metrics.json").unlink()
    run.folder.lock.touch()  # as a killed process leaves it
    train(resume=True, **VALUES)
