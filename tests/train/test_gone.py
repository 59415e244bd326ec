"""Data and models whose files go, or change, while a training runs or before it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import byeori
from byeori.errors import DataError, ModelError, SettingError

VALUES = {"log_every": 1, "evaluate_every": 2, "checkpoint_every": 1}


class Hook(byeori.Hook):
    """Something happens after an update: a power cut, or what is done."""

    def __init__(self, step: int, do=None):
        self.step, self.do = step, do

    def step_end(self, run, pack, outputs):
        if run.step == self.step:
            run.keeper.wait()
            if self.do is None:
                raise RuntimeError("power cut")
            self.do()


@pytest.fixture
def files(requests_tsv, tiny_bert, tmp_path):
    """Copies that may go: rows to train on, to validate and to test, and a model."""
    lines = Path(requests_tsv).read_text(encoding="utf-8").splitlines(keepends=True)
    found = {}
    for name, first, last in (("train", 1, 60), ("validation", 60, 78), ("test", 78, 97)):
        found[name] = tmp_path / f"{name}.tsv"
        found[name].write_text("".join([lines[0], *lines[first:last]]), encoding="utf-8")
    found["model"] = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    return found


def settings(files) -> dict:
    return {**VALUES, **{name: str(path) for name, path in files.items()}}


def same(one, other) -> bool:
    ours, theirs = (load_file(run.folder.model / "model.safetensors") for run in (one, other))
    return all(torch.equal(ours[name], theirs[name]) for name in theirs) and (
        one.metrics["test"] == other.metrics["test"]
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_goes_while_it_trains(train, files):
    """What it needs of them is on disk in a form of its own, or in memory: it goes on."""
    whole = train("whole", **settings(files))

    def remove():
        for path in files.values():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    run = train(hooks=[Hook(2, remove)], **settings(files))
    assert not any(path.exists() for path in files.values()) and same(run, whole)


def test_what_is_gone_before_it_goes_on_is_named(train, files, tmp_path):
    whole = train("whole", **settings(files))
    with pytest.raises(RuntimeError, match="power cut"):
        train(hooks=[Hook(4)], **settings(files))
    before = contents(tmp_path / "run")
    for name, path in files.items():
        away = path.rename(tmp_path / "away")
        said = pytest.raises(
            ModelError if name == "model" else DataError, match=rf"{path}.*(no such file|is not there|there is no)"
        )
        with said:
            train(resume=True, **settings(files))
        assert contents(tmp_path / "run") == before, f"without its {name} the run is as it was"
        away.rename(path)
    assert same(train(resume=True, **settings(files)), whole)


def test_a_changed_file_is_refused_before_it_goes_on(train, files, tmp_path):
    """One word of one row: as many rows, as many bytes."""
    with pytest.raises(RuntimeError, match="power cut"):
        train(hooks=[Hook(4)], **settings(files))
    before = contents(tmp_path / "run")
    text = files["train"].read_text(encoding="utf-8")
    word = text.splitlines()[5].split("\t")[0].split()[0]
    files["train"].write_text(text.replace(word, word[::-1], 1), encoding="utf-8")
    with pytest.raises(SettingError, match=r"made with other rows.*data \w{16} → \w{16}.*--accept-changes"):
        train(resume=True, **settings(files))
    assert contents(tmp_path / "run") == before
    assert train(resume=True, accept_changes=True, **settings(files)).folder.finished
