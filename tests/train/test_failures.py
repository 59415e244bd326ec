"""A training that fails: nothing is left of one that had nothing yet, and what went wrong is said before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState, PartialState
from safetensors.torch import load_file

import byeori
from byeori.errors import ModelError, SettingError, TrainingError
from byeori.models import embedding
from byeori.tasks import TextClassification
from byeori.train import accelerator

TOO_HIGH = {"learning_rate": 1e30, "max_grad_norm": 0, "warmup_ratio": 0, "max_steps": 5}


# the folder -----------------------------------------------------------------------------------------------------------
def test_a_loss_that_is_no_number_in_the_first_steps_leaves_no_folder(train, tmp_path):
    with pytest.raises(TrainingError, match="step [23]: the loss is nan"):
        train(**TOO_HIGH)
    assert not (tmp_path / "run").exists()
    assert train(max_steps=1).folder.finished, "so that it can simply be tried again"


def test_an_old_run_survives_a_failed_overwrite(train):
    first = train(max_steps=1)
    before = {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()}
    with pytest.raises(TrainingError):
        train(**TOO_HIGH, overwrite=True)
    assert {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()} == before
    assert train(max_steps=2, overwrite=True).metrics["training"]["steps"] == 2


def test_a_failure_after_a_checkpoint_says_how_to_go_on(train, tmp_path):
    with pytest.raises(TrainingError, match="run holds a checkpoint: go on from it with --resume, or .* --overwrite"):
        train(**TOO_HIGH, checkpoint_every=1)
    assert (tmp_path / "run" / "checkpoints" / "step-00000001").is_dir()
    resumed = train(resume=True, accept_changes=True, **{**TOO_HIGH, "learning_rate": 1e-3, "max_steps": 1})
    assert resumed.folder.finished


# hooks ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "nearest"),
    [("on_step_end", "step_end"), ("on_train_begin", "train_start"), ("steps_end", "step_end"), ("evaluate", "evaluate_end"),
     ("epoch_end", "step_end"), ("on_save", "save"), ("train_begin", "train_start")],
)  # fmt: skip
def test_a_misspelt_event_is_refused_with_the_nearest(train, tmp_path, name, nearest):
    hook = type("Print", (byeori.Hook,), {name: lambda self, *arguments: None})()
    with pytest.raises(SettingError, match=rf"Print\.{name} is no event.* Did you mean {nearest}\?"):
        train(hooks=[hook], train="no-such-file.tsv")
    assert not (tmp_path / "run").exists()


def test_helpers_of_a_hook_are_no_events(train):
    class Base(byeori.Hook):
        def path(self):
            return "x"

        def _on_step_end(self):
            return None

    class Writer(Base):
        limit = 5

        def write(self, text):
            return None

        def step_end(self, run, pack, outputs):
            self.write(self.path())

    assert train(hooks=[Writer()], max_steps=1).folder.finished


def test_what_is_no_hook_is_refused(train):
    class Print(byeori.Hook):
        pass

    class Callback:
        def on_step_end(self, args, state, control):
            return None

    for hook, said in (
        (Print, r"Print is a class\. Give an instance: hooks=\[Print\(\)\]"),
        (Callback(), "Derive it from"),
    ):
        with pytest.raises(SettingError, match=said):
            train(hooks=[hook], train="no-such-file.tsv")


# settings and state ---------------------------------------------------------------------------------------------------
def test_a_task_object_takes_no_impossible_settings(train, tmp_path):
    for values in ({"label_smoothing": 1.5}, {"label_smoothing": 1}, {"threshold": 1.5}):
        with pytest.raises(SettingError, match="it must be at most"):
            train(task=TextClassification(), train="no-such-file.tsv", **values)
        with pytest.raises(SettingError, match="it must be at most"):
            TextClassification(**values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"problem_type": "ranking"}, "names the problem type 'ranking'"),
        ({"settings": {"label_smoothing": 7}}, "makes no text-classification .*label_smoothing=7"),
        ({"settings": 3}, "makes no text-classification"),
        ({"weights": KeyError}, "makes no text-classification .*'weights'"),
    ],
)
def test_a_state_that_makes_no_task_is_the_models_fault(change, said):
    task = TextClassification(labels=["a", "b"])
    state = {name: value for name, value in {**task.state(), **change}.items() if value is not KeyError}
    with pytest.raises(ModelError, match=said):
        TextClassification.from_state(state)
    assert TextClassification.from_state(task.state()).labels == ["a", "b"]


def test_labels_with_a_gap_in_config_json_are_the_models_fault():
    from transformers import PretrainedConfig

    with pytest.raises(ModelError, match="id2label numbers its 2 labels 0, 2"):
        TextClassification().adopt(PretrainedConfig(id2label={0: "a", 2: "b"}))


# devices --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def was_on_a_gpu(monkeypatch):
    """As if the last training of this process had run on a GPU."""
    accelerator.accelerator_for(torch.device("cpu"))
    kept = dict(AcceleratorState._shared_state), dict(PartialState._shared_state)
    for state in (AcceleratorState, PartialState):
        state._shared_state["device"] = torch.device("cuda")
    yield
    for state, values in zip((AcceleratorState, PartialState), kept, strict=True):
        state._shared_state.clear()
        state._shared_state.update(values)


def test_another_device_than_the_last_training_had(was_on_a_gpu, train):
    from accelerate import Accelerator

    with pytest.raises(ValueError, match="already been initialized"):
        Accelerator(cpu=True)
    assert train(max_steps=1).folder.finished and PartialState().device.type == "cpu"


def test_a_device_is_not_taken_from_under_a_running_training(was_on_a_gpu):
    said = pytest.raises(SettingError, match="device=cpu: a training runs on cuda in this process")
    with accelerator.running(torch.device("cuda")), said:
        accelerator.accelerator_for(torch.device("cpu"))
    assert accelerator.accelerator_for(torch.device("cpu")).device.type == "cpu"


def test_the_same_device_again_keeps_accelerates_state():
    accelerator.accelerator_for(torch.device("cpu"))
    PartialState._shared_state["mark"] = 1
    accelerator.accelerator_for(torch.device("cpu"))
    assert PartialState._shared_state.pop("mark") == 1


# float16 --------------------------------------------------------------------------------------------------------------
class FakeScaler:
    """GradScaler where the second update overflows: the optimizer is left alone and the scale halves."""

    def __init__(self, *_, **__):
        self.scale_now, self.calls = 1024.0, 0

    def is_enabled(self):
        return True

    def scale(self, loss):
        return loss

    def unscale_(self, optimizer):
        return None

    def get_scale(self):
        return self.scale_now

    def step(self, optimizer):
        self.calls += 1
        if self.calls != 2:
            optimizer.step()

    def update(self):
        if self.calls == 2:
            self.scale_now /= 2

    def state_dict(self):
        return {}


def test_an_update_that_overflowed_moves_neither_schedule_nor_idle_words(train, still_bert, monkeypatch):
    """With a whole vocabulary AdamW decays idle words itself, in the steps it takes: used rows alone must do the same."""
    monkeypatch.setattr(torch.amp, "GradScaler", FakeScaler)
    values = {
        "model": still_bert, "max_steps": 4, "weight_decay": 0.5, "log_every": 1, "warmup_ratio": 0, "adam_epsilon": 1e-3,
        "validation_size": 0, "test_size": 0, "learning_rate": 1e-2,
    }  # fmt: skip
    whole = train("whole", **values)
    monkeypatch.setattr(embedding, "SMALLEST", 0)
    monkeypatch.setattr(embedding, "WORTH", 2.0)
    used = train("used", **values)
    for run in (whole, used):
        rates = [line["learning_rate"] for line in run.folder.lines(run.folder.history)]
        assert rates == pytest.approx([7.5e-3, 7.5e-3, 5e-3, 2.5e-3]), "three of four steps were taken"
    name = "embeddings.word_embeddings.weight"
    left, right = (load_file(run.folder.model / "model.safetensors")[f"bert.{name}"] for run in (whole, used))
    assert float((left - right).abs().max()) < 1e-6
    shrunk = load_file(Path(still_bert) / "model.safetensors")[name] * (1 - 5e-3) * (1 - 3.75e-3) * (1 - 2.5e-3)
    idle = (right - shrunk).abs().max(1).values < 1e-7
    assert 0 < idle.sum() < len(idle)
