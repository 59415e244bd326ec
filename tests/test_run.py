"""The run folder: what fails early leaves nothing, a run that is being replaced is not lost, files are written whole."""

from __future__ import annotations

import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from byeori.errors import ModelError, SettingError, TrainingError
from byeori.run import RunFolder, read_json, refusals, write_folder, write_json


def content(path: Path) -> dict[str, str]:
    """Every file under a folder by its relative name."""
    return {str(p.relative_to(path)): p.read_text(encoding="utf-8") for p in sorted(path.rglob("*")) if p.is_file()}


def fill(folder: RunFolder, word: str, *names: str) -> None:
    """Write these parts of a run: "model", "checkpoint", or a file's name."""
    for name in names:
        known = {"model": "model/byeori.json", "checkpoint": "checkpoints/step-00000001/state.json"}
        path = folder.path / known.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(word, encoding="utf-8")


def attempt(folder: RunFolder, *names: str, error: BaseException | None = None, **how: bool) -> None:
    """A training that writes these parts and then fails, or doesn't."""
    with folder.writing(**how):
        fill(folder, "new", *names)
        if error is not None:
            raise error


@pytest.fixture
def old(tmp_path) -> RunFolder:
    """A finished run, with a file of somebody's own beside it."""
    folder = RunFolder(tmp_path / "run")
    fill(folder, "old", "model", "settings.yaml", "metrics.json", "history.jsonl", "predictions/test.jsonl", "mine.txt")
    return folder


EARLY = ("settings.yaml", "data.json", "history.jsonl")


@pytest.mark.parametrize("error", [TrainingError("nan"), RuntimeError("own hook"), KeyboardInterrupt()])
def test_failing_early_leaves_nothing(tmp_path, error):
    folder = RunFolder(tmp_path / "runs" / "today" / "run")
    with pytest.raises(type(error)):
        attempt(folder, *EARLY, error=error)
    assert not list(tmp_path.iterdir()), "the folders made for it go too"
    attempt(folder, *EARLY, "model")
    assert content(folder.path).keys() == {*EARLY, "model/byeori.json"}


def test_failing_early_leaves_what_was_there(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(TrainingError, match="^nan$"):
        attempt(RunFolder(tmp_path / "run"), *EARLY, error=TrainingError("nan"))
    assert list(tmp_path.iterdir()) == [tmp_path / "run"] and not list((tmp_path / "run").iterdir())
    with pytest.raises(TrainingError):
        attempt(RunFolder(tmp_path / "new" / "run"), "my-hook.txt", *EARLY, error=TrainingError("nan"))
    assert content(tmp_path / "new") == {"run/my-hook.txt": "new"}, (
        "a file that is no part of a run is not ours to remove"
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("model",), "holds the best model so far and no checkpoint: start anew with --overwrite"),
        (("checkpoint",), "holds a checkpoint: go on from it with --resume, or start anew with --overwrite"),
        (("model", "checkpoint"), "holds a checkpoint: go on from it with --resume"),
    ],
)
def test_failing_later_keeps_the_run_and_says_how_to_go_on(tmp_path, names, said):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match=f"^step 7: nan. .*run {said}"):
        attempt(folder, *EARLY, *names, error=TrainingError("step 7: nan."))
    assert content(folder.path).keys() >= set(EARLY) and (folder.has_model or folder.has_checkpoint)


def test_an_error_that_says_it_already_and_a_strange_one_stay_as_they_are(tmp_path):
    for number, error in enumerate((SettingError("Start anew with --overwrite."), RuntimeError("own hook"))):
        with pytest.raises(type(error), match=f"^{error}$"):
            attempt(RunFolder(tmp_path / str(number)), "checkpoint", error=error)


def test_overwriting_replaces_the_run_alone(old):
    attempt(old, *EARLY, "model", overwrite=True)
    found = content(old.path)
    assert found.pop("mine.txt") == "old"
    assert found == dict.fromkeys((*EARLY, "model/byeori.json"), "new") and not old.before.exists()


@pytest.mark.parametrize("error", [TrainingError("nan"), KeyboardInterrupt()])
def test_overwriting_that_fails_early_puts_the_old_run_back(old, error):
    before = content(old.path)
    with pytest.raises(type(error)):
        attempt(old, *EARLY, error=error, overwrite=True)
    assert content(old.path) == before and not old.before.exists()


def test_overwriting_that_fails_with_a_checkpoint_keeps_the_new_run(old):
    with pytest.raises(TrainingError, match="--resume"):
        attempt(old, *EARLY, "checkpoint", error=TrainingError("nan."), overwrite=True)
    assert content(old.path)["settings.yaml"] == "new" and not old.has_model and not old.before.exists()


def test_the_old_run_survives_a_process_that_was_killed(old, monkeypatch):
    """No exception is raised then: the old parts lie aside, the new ones half made, and it is tried again."""
    monkeypatch.setattr(
        RunFolder, "_alone", lambda self: nullcontext()
    )  # the system lets go of what a killed process held
    before = content(old.path)
    killed = [old.writing(overwrite=True) for _ in range(2)]  # held: a collected one would clean up after itself
    killed[0].__enter__()
    fill(old, "new", *EARLY)
    assert old.before.is_dir() and not old.has_model
    with pytest.raises(SettingError, match="--resume.*--overwrite"):
        RunFolder(old.path).check()
    with pytest.raises(TrainingError):
        attempt(RunFolder(old.path), "settings.yaml", error=TrainingError("nan"), overwrite=True)
    assert content(old.path) == before
    killed[1].__enter__()
    fill(old, "killed", "checkpoint", "settings.yaml")
    attempt(RunFolder(old.path), "model", overwrite=True)
    assert content(old.path) == {"mine.txt": "old", "model/byeori.json": "new"}


def test_resuming_that_fails_removes_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run")
    fill(folder, "old", *EARLY)
    with pytest.raises(TrainingError):
        attempt(folder, error=TrainingError("nan"), resume=True)
    assert content(folder.path) == dict.fromkeys(EARLY, "old")
    with pytest.raises(TrainingError):
        attempt(RunFolder(tmp_path / "other"), *EARLY, error=TrainingError("nan"), resume=True)
    assert not (tmp_path / "other").exists(), "there was nothing to resume"


@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
def test_a_folder_without_a_run_is_left_alone(tmp_path, how):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingError, match="holds no run"):
        attempt(RunFolder(tmp_path), **how)
    assert content(tmp_path) == {"thesis.txt": "mine"}


def test_folders_and_files_are_written_whole_or_not_at_all(tmp_path):
    def broken(path: Path) -> None:
        (path / "half").write_text("half")
        raise RuntimeError("disk full")

    write_folder(tmp_path / "model", lambda path: write_json(path / "config.json", {"a": float("nan")}))
    with pytest.raises(RuntimeError):
        write_folder(tmp_path / "model", broken)
    with pytest.raises(TypeError):
        write_json(tmp_path / "metrics.json", {"a": object()})
    assert content(tmp_path) == {"model/config.json": '{\n  "a": null\n}\n'}


def test_a_later_format_is_refused_with_its_number(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"format": 9}))
    with pytest.raises(ModelError, match="format 9 was written by a later version"):
        read_json(tmp_path / "metrics.json")


def test_lines_are_those_of_json(tmp_path):
    folder = RunFolder(tmp_path)
    for text in ("one\u2028two", "three\x85four"):
        folder.append(folder.samples, {"text": text})
    assert [one["text"] for one in folder.lines(folder.samples)] == ["one\u2028two", "three\x85four"]
    assert folder.lines(folder.history) == []


def test_what_tokenizers_and_safetensors_say_of_a_disk_is_the_error_that_it_was(tmp_path):
    from safetensors import SafetensorError
    from tokenizers import Tokenizer, models

    with pytest.raises(IsADirectoryError), refusals(tmp_path):
        Tokenizer(models.BPE()).save(str(tmp_path))
    with pytest.raises(OSError, match="Read-only file system"), refusals(Path("x")):
        raise SafetensorError("I/O error: Read-only file system (os error 30)")
    for other in (ValueError("os error 28"), Exception("No merges"), SafetensorError("header too large")):
        with pytest.raises(type(other), match=str(other)), refusals(Path("x")):
            raise other


def test_a_folder_that_cant_be_looked_at_is_refused_in_a_sentence(tmp_path, monkeypatch):
    def fails(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    (tmp_path / "settings.yaml").write_text("")
    monkeypatch.setattr(os, "scandir", fails)
    with pytest.raises(SettingError, match=r"the disk refuses it \(Input/output error\)\. Make it readable"):
        RunFolder(tmp_path).check(resume=True)


def test_a_clearing_that_fails_hides_no_error_and_leaves_a_run(tmp_path, monkeypatch):
    """What a disk that went read-only keeps of a training without a checkpoint is known for a run: --resume takes it."""
    unlink = os.unlink

    def read_only(path, **named):
        if Path(path).name in ("history.jsonl", "settings.yaml"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        unlink(path, **named)

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RuntimeError, match="what was wrong first"), folder.writing():
        for path in (folder.settings, folder.history, folder.data):
            path.write_text("{}\n")
        monkeypatch.setattr(os, "unlink", read_only)
        raise RuntimeError("what was wrong first")
    monkeypatch.undo()
    assert folder.settings.is_file()
    folder.check(resume=True)
