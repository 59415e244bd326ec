"""Trackers: what they hold is what history.jsonl holds, also of a resumed training; one that fails stops nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

import byeori
from byeori.errors import SettingError
from byeori.train import trackers


class Cut(byeori.Hook):
    """A power cut after three updates."""

    def step_end(self, run, pack, outputs):
        if run.step == 3:
            raise RuntimeError("power cut")


def of_history(run) -> dict[str, list[tuple[int, float]]]:
    """What a tracker should hold, made of the run folder's own files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in run.folder.lines(run.folder.history):
        scores = line.get("validation")
        pairs = {f"validation/{k}": v for k, v in scores.items()} if scores else {
            f"train/{k}": v for k, v in line.items() if k not in ("step", "seconds")
        }  # fmt: skip
        for name, value in pairs.items():
            found.setdefault(name, []).append((line["step"], value))
    for name, score in run.metrics["test"].items():
        found[f"test/{name}"] = [(run.metrics["training"]["steps"], score["value"])]
    return found


def of_tensorboard(run) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder.trackers / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points], name
        # the file holds float32
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in points], rel=1e-6), name


def test_tensorboard_holds_the_history(train):
    run = train(tracker="tensorboard", log_every=1, evaluate_every=2)
    same(of_tensorboard(run), of_history(run))
    assert len(of_history(run)["train/loss"]) == run.metrics["training"]["steps"]
    (told,) = (run.folder.trackers / "tensorboard").glob("*/hparams.yml")
    assert "learning_rate: 0.001" in told.read_text() and "label_smoothing" in told.read_text()


def test_a_resumed_training_goes_on_in_the_same_log(train):
    values = {"tracker": "tensorboard", "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}
    with pytest.raises(RuntimeError, match="power cut"):
        train(hooks=[Cut()], **values)
    run = train(resume=True, **values)
    same(of_tensorboard(run), of_history(run))  # step 3 is there once
    assert len(list((run.folder.trackers / "tensorboard").glob("*/hparams.yml"))) == 1


class Failing:
    """A tracker whose server is gone after two lines."""

    requires_logging_directory, lines = False, 0

    def __init__(self, project: str, **told):
        self.values: list[dict] = []

    def start(self): ...

    def store_init_configuration(self, values):
        json.dumps(values, allow_nan=False)

    def log(self, values, step):
        self.values.append(values)
        if len(self.values) > 2:
            raise ConnectionError("the server is gone")


def test_one_that_fails_is_told_of_once_and_stops_nothing(train, notes, monkeypatch):
    import accelerate.tracking

    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "trackio", Failing)
    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: ["trackio", "tensorboard"])
    run = train(tracker=["trackio", "tensorboard"], log_every=1, progress=notes)
    told = [note for note in notes.notes if "tracker" in note]
    assert len(told) == 1 and "trackio failed" in told[0] and "ConnectionError: the server is gone" in told[0]
    same(of_tensorboard(run), of_history(run))


def test_refused_before_anything_is_read(train, tmp_path, monkeypatch):
    import accelerate.tracking

    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: [])
    for name, said in {
        "tensorbord": "Did you mean tensorboard", "tensorboard": r"pip install 'byeori\[trackers\]'",
        "none,comet_ml": "pip install comet-ml",
    }.items():  # fmt: skip
        with pytest.raises(SettingError, match=said):
            train(tracker=name, train="not-there.tsv")
    assert not (tmp_path / "run").exists()


def test_none_imports_nothing():
    program = (
        "import sys; from byeori.train.trackers import check; check('none'); check(''); "
        "assert not {'accelerate', 'torch', 'tensorboard'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_what_is_no_number_is_left_out():
    record = {"step": 3, "epoch": 1.0, "validation": {"f1": None, "loss": math.nan, "accuracy": 0.5}, "seconds": 2.0}
    assert trackers.metrics(record) == {"validation/accuracy": 0.5}
    assert trackers.metrics({"step": 3, "epoch": 1.0, "loss": 0.7, "grad_norm": math.nan}) == {
        "train/epoch": 1.0, "train/loss": 0.7
    }  # fmt: skip
