"""The loop stands on equalities: same settings, resumed, split into packs, written by hand: the same weights."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

import byeori
from byeori.errors import ModelError, SettingError, TrainingError
from byeori.models import embedding
from byeori.train.optimize import adamw, schedule_for
from plain import same as alike

# Small and quick, yet with dropout (the configuration's 0.1), several updates an epoch and a last short one.
SHORT = {"batch_size": 20, "epochs": 2, "learning_rate": 1e-3, "threads": 1, "precision": "float32", "baselines": False}
ALL_TRAIN = {"validation_size": 0, "test_size": 0}
TIMES = {"seconds", "examples_per_second", "tokens_per_second", "memory_mb"}


def train(model, data, output, **values):
    settings = {**SHORT, **values}
    task = settings.pop("task", "text-classification")
    return byeori.train(task, model, train=data, output=str(output), **settings)


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model" / "model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def farthest(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def lines(path: Path) -> list[dict]:
    """History without times, rates and memory."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in found]


def evaluations(run) -> list[dict]:
    return [line for line in lines(run.folder.history) if "validation" in line]


class Scripted:
    """A metric that says, evaluation by evaluation, what it was told to; for the headline."""

    def __init__(self, *values: float):
        self.values, self.calls = values, 0

    def __call__(self, predictions, references) -> dict[str, float]:
        value = self.values[min(self.calls, len(self.values) - 1)]
        self.calls += 1
        return {"scripted": value}


class Broken(Exception):
    """Stands for a power cut."""


class Break(byeori.Hook):
    def __init__(self, step: int):
        self.step = step

    def step_end(self, run, pack, outputs):
        if run.step == self.step:
            raise Broken


@pytest.fixture
def small_is_worth(monkeypatch):
    """Even a tiny vocabulary is trained by its used rows only, as a large one is."""
    monkeypatch.setattr(embedding, "SMALLEST", 0)
    monkeypatch.setattr(embedding, "WORTH", 2.0)


# equalities -----------------------------------------------------------------------------------------------------------
def test_same_settings_give_the_same_weights_bit_for_bit(tiny_bert, requests_tsv, tmp_path):
    first = train(tiny_bert, requests_tsv, tmp_path / "a")
    second = train(tiny_bert, requests_tsv, tmp_path / "b")
    assert same(weights(first.path), weights(second.path))
    assert lines(first.folder.history) == lines(second.folder.history)
    assert first.metrics["test"] == second.metrics["test"]
    other = train(tiny_bert, requests_tsv, tmp_path / "c", seed=1)
    assert not same(weights(first.path), weights(other.path))


def test_settings_yaml_repeats_the_run(tiny_bert, requests_tsv, tmp_path):
    first = train(tiny_bert, requests_tsv, tmp_path / "a", label_smoothing=0.1)
    values = byeori.settings.load_yaml(first.folder.settings)
    again = byeori.train(values.pop("task"), **{**values, "output": str(tmp_path / "b")})
    assert same(weights(first.path), weights(again.path))


@pytest.mark.parametrize("max_grad_norm", [1.0, 0])
def test_one_batch_is_four_packs(still_bert, requests_tsv, tmp_path, max_grad_norm):
    """Dropout 0: how many packs an update takes changes nothing but rounding.

    A large epsilon, since AdamW's division blows gradients up that are zero but for rounding (those of key biases).
    """
    made = {}
    for pack_tokens in (100_000, 250):
        packs = Packs()
        made[pack_tokens] = train(
            still_bert, requests_tsv, tmp_path / str(pack_tokens), batch_size=32, pack_tokens=pack_tokens,
            max_grad_norm=max_grad_norm, adam_epsilon=1e-3, hooks=[packs], **ALL_TRAIN,
        )  # fmt: skip
    assert packs.most_tokens <= 250, "the small budget must have cut the batches"
    large, small = (weights(run.path) for run in made.values())
    assert farthest(large, small) <= 1e-6
    losses = [[line["loss"] for line in lines(run.folder.history)] for run in made.values()]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-6)


class Packs(byeori.Hook):
    most_tokens = 0

    def step_end(self, run, pack, outputs):
        self.most_tokens = max(self.most_tokens, pack.computed)


def test_gradients_of_four_packs_are_those_of_one(still_bert, requests_tsv):
    from byeori.batches.loader import Packing

    task = byeori.tasks.TextClassification(labels=["account", "delivery", "payment", "recommendation"])
    model, tokenizer = byeori.load(still_bert, task)
    store = byeori.encode(requests_tsv, task, tokenizer, model=model)
    model.train()
    found = []
    for tokens in (100_000, 250):
        model.zero_grad()
        batch = next(byeori.batches(store, 32, packing=Packing(pack_tokens=tokens)))
        packs = list(batch)
        for pack in packs:
            (task.loss(task.outputs(model, pack), pack).sum() * batch.scale).backward()
        found.append((len(packs), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}))
    assert found[0][0] == 1 and found[1][0] >= 4
    assert farthest(found[0][1], found[1][1]) <= 1e-6


def test_used_rows_alone_train_as_the_whole_vocabulary(still_bert, requests_tsv, tmp_path, monkeypatch):
    whole = train(still_bert, requests_tsv, tmp_path / "whole", weight_decay=0.1, **ALL_TRAIN)
    monkeypatch.setattr(embedding, "SMALLEST", 0)
    monkeypatch.setattr(embedding, "WORTH", 2.0)
    used = train(still_bert, requests_tsv, tmp_path / "used", weight_decay=0.1, **ALL_TRAIN)
    assert farthest(weights(whole.path), weights(used.path)) <= 1e-6


@pytest.mark.parametrize("compact", [False, True], ids=["whole", "used-rows"])
def test_resumed_is_uninterrupted(tiny_bert, requests_tsv, tmp_path, request, compact):
    """Dropout on: weights, best model, scores and history are those of a run that was never cut, bit for bit."""
    if compact:
        request.getfixturevalue("small_is_worth")
    values = {"epochs": 3, "checkpoint_every": 3, "evaluate_every": 2, "log_every": 1, "preview_every": 2}
    whole = train(tiny_bert, requests_tsv, tmp_path / "whole", **values)
    with pytest.raises(Broken):
        train(tiny_bert, requests_tsv, tmp_path / "cut", hooks=[Break(5)], **values)
    assert [p.name for p in (tmp_path / "cut" / "checkpoints").iterdir()] == ["step-00000003"]
    resumed = train(tiny_bert, requests_tsv, tmp_path / "cut", resume=True, **values)
    assert same(weights(whole.path), weights(resumed.path))
    assert lines(whole.folder.history) == lines(resumed.folder.history)
    assert whole.folder.samples.read_text() == resumed.folder.samples.read_text()
    assert whole.metrics["test"] == resumed.metrics["test"]
    assert whole.metrics["training"]["best"] == resumed.metrics["training"]["best"]
    assert not resumed.folder.checkpoints.exists()
    seconds = [line["seconds"] for line in resumed.folder.lines(resumed.folder.history) if "loss" in line]
    assert seconds == sorted(seconds) and resumed.metrics["training"]["seconds"] >= seconds[-1], "the clock goes on"


def test_resume_with_another_order_or_other_maths_is_refused_unless_accepted(tiny_bert, requests_tsv, tmp_path, notes):
    with pytest.raises(Broken):
        train(tiny_bert, requests_tsv, tmp_path / "run", checkpoint_every=2, hooks=[Diary(), Break(3)])
    changed = (("batch_size", 10), ("seed", 1), ("order", "random"), ("max_length", 20), ("learning_rate", 1e-4))
    for name, value in changed:
        with pytest.raises(SettingError, match=f"step-00000002: .*{name} .* → {value}"):
            train(tiny_bert, requests_tsv, tmp_path / "run", resume=True, **{name: value})
    with pytest.raises(SettingError, match="rows 76 → 96"):
        train(tiny_bert, requests_tsv, tmp_path / "run", resume=True, **ALL_TRAIN)
    train(
        tiny_bert, requests_tsv, tmp_path / "run", resume=True, accept_changes=True, learning_rate=1e-4, progress=notes
    )
    assert any("learning_rate 0.001 → 0.0001" in note for note in notes.notes)
    assert any("0.Diary" in note for note in notes.notes)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_stops_after_a_checkpoint(tiny_bert, requests_tsv, tmp_path, name):
    class Signal(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step == 4:
                signal.raise_signal(getattr(signal, name))

    whole = train(tiny_bert, requests_tsv, tmp_path / "whole", log_every=1)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(tiny_bert, requests_tsv, tmp_path / "cut", log_every=1, hooks=[Signal()])
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert [p.name for p in (tmp_path / "cut" / "checkpoints").iterdir()] == ["step-00000004"]
    resumed = train(tiny_bert, requests_tsv, tmp_path / "cut", log_every=1, resume=True)
    assert same(weights(whole.path), weights(resumed.path))
    assert lines(whole.folder.history) == lines(resumed.folder.history)


def test_resume_of_a_finished_run_says_so_and_leaves_it(tiny_bert, requests_tsv, tmp_path):
    first = train(tiny_bert, requests_tsv, tmp_path / "run", max_steps=1)
    before = first.folder.metrics.stat().st_mtime_ns
    again = train(tiny_bert, requests_tsv, tmp_path / "run", max_steps=1, resume=True)
    assert first.folder.metrics.stat().st_mtime_ns == before and again.metrics == first.metrics


def test_resume_without_a_checkpoint_starts_at_step_0(tiny_bert, requests_tsv, tmp_path, notes):
    values = {"log_every": 1, "evaluate_every": 2}
    whole = train(tiny_bert, requests_tsv, tmp_path / "whole", **values)
    with pytest.raises(Broken):
        train(tiny_bert, requests_tsv, tmp_path / "cut", hooks=[Break(3)], **values)
    assert (tmp_path / "cut" / "model").is_dir() and not (tmp_path / "cut" / "checkpoints").exists()
    resumed = train(tiny_bert, requests_tsv, tmp_path / "cut", resume=True, progress=notes, **values)
    assert any("starts at step 0" in note for note in notes.notes)
    assert lines(whole.folder.history) == lines(resumed.folder.history)


def test_damaged_checkpoint_is_named(tiny_bert, requests_tsv, tmp_path, notes):
    with pytest.raises(Broken):
        train(tiny_bert, requests_tsv, tmp_path / "run", checkpoint_every=2, hooks=[Break(3)])
    (tmp_path / "run" / "checkpoints" / "step-00000002" / "optimizer.safetensors").write_bytes(b"cut off")
    train(tiny_bert, requests_tsv, tmp_path / "run", checkpoint_every=2, resume=True, progress=notes)
    said = [note for note in notes.notes if "checkpoint" in note]
    assert "step-00000002: this checkpoint is damaged (optimizer.safetensors has 7 bytes instead of" in said[0]
    assert said[1] == "No whole checkpoint in the folder: training starts at step 0."


def test_own_loop_is_byeori_train_bit_for_bit(tiny_bert, requests_tsv, tmp_path):
    """DESIGN's own loop: read, load, encode, batches, and the optimizer and schedule of everyday PyTorch; dropout on."""
    from transformers import get_scheduler

    ours = train(tiny_bert, requests_tsv, tmp_path / "run", warmup_steps=2, **ALL_TRAIN)

    torch.set_num_threads(1)
    rows = byeori.read(requests_tsv)
    task = byeori.tasks.TextClassification(labels=sorted(set(rows["label"])))
    model, tokenizer = byeori.load(tiny_bert, task, seed=0)
    data = byeori.encode(rows, task, tokenizer, model=model)
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    steps = 2 * 5
    scheduler = get_scheduler("linear", optimizer, num_warmup_steps=2, num_training_steps=steps)
    torch.manual_seed(0)
    model.train()
    for epoch in range(2):
        for batch in byeori.batches(data, batch_size=20, seed=0, epoch=epoch):
            for pack in batch:
                (task.loss(task.outputs(model, pack), pack).sum() * batch.scale).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    assert ours.metrics["training"]["steps"] == steps
    assert same(weights(ours.path), {name: value.detach() for name, value in model.state_dict().items()})


def test_load_takes_the_labels_of_a_trained_head_or_those_of_the_task(tiny_bert, requests_tsv, tmp_path):
    run = train(tiny_bert, requests_tsv, tmp_path / "run", max_steps=1)
    model, _ = byeori.load(run.path, "text-classification")
    assert same(dict(model.state_dict()), weights(run.path)) and model.config.id2label[3] == "recommendation"
    fresh, _ = byeori.load(run.path, byeori.tasks.TextClassification(labels=["x", "y"]))
    assert fresh.config.num_labels == 2
    with pytest.raises(ModelError, match="has no head for text-classification.*labels="):
        byeori.load(tiny_bert, "text-classification")


# the loss -------------------------------------------------------------------------------------------------------------
def first_pack(model_name, data, task):
    rows = byeori.read(data) if isinstance(data, str) else data
    task.prepare(byeori.api.as_rows(rows, task))
    model, tokenizer = byeori.load(model_name, task)
    store = byeori.encode(rows, task, tokenizer, model=model)
    batch = next(byeori.batches(store, batch_size=16))
    (pack,) = list(batch)
    return model.eval(), batch, pack


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "regression"])
def test_loss_is_that_of_transformers_on_the_same_rows(tiny_bert, requests_tsv, kind):
    rows = byeori.read(requests_tsv)
    if kind == "multi_label":
        rows = [{"text": row["text"], "label": ["short"] * (len(row["text"]) < 50) + [row["label"]]} for row in rows]
    if kind == "regression":
        rows = [{"text": row["text"], "label": len(row["text"]) / 7} for row in rows]
    task = byeori.tasks.TextClassification()
    model, batch, pack = first_pack(tiny_bert, rows, task)
    assert task.problem_type == kind
    with torch.no_grad():
        ours = task.loss(task.outputs(model, pack), pack).sum() * batch.scale
        theirs = model(**pack.padded()).loss
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_label_smoothing_and_class_weights_are_those_of_torch(tiny_bert, requests_tsv):
    from sklearn.utils.class_weight import compute_class_weight

    task = byeori.tasks.TextClassification(label_smoothing=0.1, class_weights="balanced")
    model, _, pack = first_pack(tiny_bert, requests_tsv, task)
    labels = np.array(byeori.read(requests_tsv)["label"][:])
    balanced = compute_class_weight("balanced", classes=np.array(task.labels), y=labels)
    counts = np.array([(labels == name).sum() for name in task.labels])
    np.testing.assert_allclose(task.weights, balanced / ((balanced * counts).sum() / counts.sum()))
    logits = torch.randn(len(pack), 4, generator=torch.Generator().manual_seed(0))
    wanted = F.cross_entropy(logits, pack.labels, torch.tensor(task.weights), reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(task.loss(SimpleNamespace(logits=logits), pack), wanted)


def test_settings_given_to_train_reach_a_task_object_checked(tiny_bert, requests_tsv, tmp_path):
    task = byeori.tasks.TextClassification()
    train(tiny_bert, requests_tsv, tmp_path / "run", task=task, label_smoothing="0.2", max_steps=1)
    assert task.settings.label_smoothing == 0.2
    with pytest.raises(SettingError, match="label_smoothing='much': a number is needed"):
        train(tiny_bert, requests_tsv, tmp_path / "other", task=task, label_smoothing="much")


def test_class_weights_by_name(tiny_bert, requests_tsv):
    task = byeori.tasks.TextClassification(class_weights="account=2,payment=0.5")
    first_pack(tiny_bert, requests_tsv, task)
    assert task.weights[task.labels.index("account")] == pytest.approx(4 * task.weights[task.labels.index("payment")])
    with pytest.raises(SettingError, match="class_weights='acount=2': acount"):
        first_pack(tiny_bert, requests_tsv, byeori.tasks.TextClassification(class_weights="acount=2"))


# optimisation ---------------------------------------------------------------------------------------------------------
def test_weight_decay_spares_biases_and_norms(tiny_bert):
    from transformers import Trainer

    model, _ = byeori.load(tiny_bert, byeori.tasks.TextClassification(labels=["a", "b"]))
    decayed, spared = adamw(model, byeori.settings.Train(weight_decay=0.3, learning_rate=5e-5)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == set(Trainer.get_decay_parameter_names(None, model))
    assert all("bias" in names[id(p)] or "LayerNorm" in names[id(p)] for p in spared["params"])


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [{"warmup_ratio": 0}, {"warmup_ratio": 0.25}, {"warmup_steps": 3}])
def test_schedules_are_those_of_transformers(schedule, warmup):
    from transformers import get_scheduler

    def rates(made, optimizer):
        found = []
        for _ in range(12):
            found.append(made.get_last_lr()[0])
            optimizer.step()
            made.step()
        return found

    def optimizer():
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)

    ours, theirs = optimizer(), optimizer()
    settings = byeori.settings.Train(schedule=schedule, **warmup)
    steps = warmup.get("warmup_steps", round(12 * warmup.get("warmup_ratio", 0)))
    name = "constant_with_warmup" if schedule == "constant" else schedule
    wanted = rates(get_scheduler(name, theirs, steps, 12), theirs)
    assert rates(schedule_for(ours, settings, 12), ours) == wanted


def test_history_holds_the_schedule(tiny_bert, requests_tsv, tmp_path):
    values = {"log_every": 1, "learning_rate": 1e-3, "warmup_ratio": 0, "max_steps": 4, **ALL_TRAIN}
    run = train(tiny_bert, requests_tsv, tmp_path / "run", **values)
    rates = [line["learning_rate"] for line in lines(run.folder.history)]
    np.testing.assert_allclose(rates, [7.5e-4, 5e-4, 2.5e-4, 0])


@pytest.mark.parametrize(
    ("values", "steps"), [({"max_steps": 3}, 3), ({"epochs": 0.5}, 3), ({"epochs": 1}, 5), ({"max_steps": 7}, 7)]
)
def test_updates_asked_for(tiny_bert, requests_tsv, tmp_path, values, steps):
    run = train(tiny_bert, requests_tsv, tmp_path / "run", **ALL_TRAIN, **values)
    assert run.metrics["training"]["steps"] == steps
    assert run.metrics["training"]["epochs"] == steps / 5


def test_no_epoch_writes_the_model_as_it_came(tiny_bert, requests_tsv, tmp_path):
    run = train(tiny_bert, requests_tsv, tmp_path / "run", epochs=0)
    body = load_file(Path(tiny_bert) / "model.safetensors")
    assert all(torch.equal(weights(run.path)[f"bert.{name}"], value) for name, value in body.items())
    assert run.metrics["training"]["steps"] == 0 and run.predict(["hello"])


# watching -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("every", "steps"), [(2, [2, 4, 6, 8]), (3, [3, 6, 8]), ("epoch", [4, 8]), ("end", [8])])
def test_evaluations_come_when_asked(tiny_bert, requests_tsv, tmp_path, every, steps):
    run = train(tiny_bert, requests_tsv, tmp_path / "run", evaluate_every=every)
    assert [line["step"] for line in evaluations(run)] == steps


def test_early_stopping(tiny_bert, requests_tsv, tmp_path):
    run = train(
        tiny_bert, requests_tsv, tmp_path / "run", evaluate_every=1, early_stopping=2,
        metrics=[Scripted(0.3, 0.5, 0.4, 0.5, 0.9)], best_metric="scripted",
    )  # fmt: skip
    assert [line["validation"]["scripted"] for line in evaluations(run)] == [0.3, 0.5, 0.4, 0.5]
    assert run.metrics["training"]["steps"] == 4 and run.metrics["training"]["best"]["step"] == 2
    assert "2 evaluations" in run.metrics["training"]["stopped"]


def test_best_model_is_the_earlier_of_a_tie(tiny_bert, requests_tsv, tmp_path):
    class Snapshots(byeori.Hook):
        taken: dict[int, dict[str, torch.Tensor]] = {}

        def evaluate_end(self, run, metrics):
            self.taken[run.step] = {name: value.clone() for name, value in run.model.state_dict().items()}

    hook = Snapshots()
    run = train(
        tiny_bert, requests_tsv, tmp_path / "run", evaluate_every=2, hooks=[hook],
        metrics=[Scripted(0.5, 0.7, 0.7, 0.6)], best_metric="scripted",
    )  # fmt: skip
    assert run.metrics["training"]["best"] == {"step": 4, "value": 0.7, "metric": "scripted"}
    assert same(weights(run.path), hook.taken[4]) and not same(hook.taken[4], hook.taken[6])
    assert same(dict(run.model.state_dict()), hook.taken[4]), "the run at hand is the best one too"


def test_lower_is_better_where_the_metric_is_an_error(tiny_bert, tmp_path):
    rows = [{"text": f"word {i} " * (1 + i % 9), "label": i % 9 + 0.5} for i in range(60)]
    run = train(tiny_bert, rows, tmp_path / "run", evaluate_every=1, max_steps=4, best_metric="rmse")
    values = [line["validation"]["rmse"] for line in evaluations(run)]
    assert run.metrics["training"]["best"]["value"] == min(values)


def test_unknown_best_metric_is_refused_before_training(tiny_bert, requests_tsv, tmp_path):
    with pytest.raises(SettingError, match="best_metric='f1': the scores here are accuracy, macro_f1"):
        train(tiny_bert, requests_tsv, tmp_path / "run", best_metric="f1")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wish", [{"early_stopping": 2}, {"best_metric": "accuracy"}])
def test_wishes_that_need_validation_rows_are_refused_without(tiny_bert, requests_tsv, tmp_path, wish):
    with pytest.raises(SettingError, match="there are no validation rows"):
        train(tiny_bert, requests_tsv, tmp_path / "run", **ALL_TRAIN, **wish)


def test_compute_metrics_of_the_course_unchanged(tiny_bert, requests_tsv, tmp_path):
    def compute_metrics(eval_pred):
        logits, labels = eval_pred
        predictions = np.argmax(logits, axis=-1)
        return {"exact": (predictions == labels).mean()}

    run = train(tiny_bert, requests_tsv, tmp_path / "run", compute_metrics=compute_metrics)
    assert run.metrics["test"]["exact"]["value"] == run.metrics["test"]["accuracy"]["value"]
    assert all(line["validation"]["exact"] == line["validation"]["accuracy"] for line in evaluations(run))


def test_metrics_get_words(tiny_bert, requests_tsv, tmp_path):
    seen = set()

    def account_recall(predictions, references):
        seen.update(predictions, references)
        right = [p == r for p, r in zip(predictions, references, strict=True) if r == "account"]
        return sum(right) / max(1, len(right))

    run = train(tiny_bert, requests_tsv, tmp_path / "run", metrics=[account_recall])
    assert seen <= set(run.task.labels) and "account" in seen
    assert set(run.metrics["test"]["account_recall"]) == {"value", "low", "high"}


# hooks ----------------------------------------------------------------------------------------------------------------
class Diary(byeori.Hook):
    def __init__(self):
        self.events: list[str] = []
        self.steps = 0

    def train_start(self, run):
        self.events.append(f"train_start {run.step}")

    def step_end(self, run, pack, outputs):
        assert outputs.logits.shape == (len(pack), 4) and not outputs.logits.requires_grad
        assert np.isfinite(run.loss)
        self.steps += 1
        self.events.append(f"step_end {run.step}")

    def evaluate_end(self, run, metrics):
        assert 0 <= metrics["accuracy"] <= 1
        self.events.append(f"evaluate_end {run.step}")

    def preview(self, run, samples):
        assert samples and set(samples[0]) >= {"inputs", "prediction", "reference"}
        self.events.append(f"preview {run.step}")

    def save(self, run, folder):
        assert (folder / "state.json").is_file()
        self.events.append(f"save {run.step}")

    def train_end(self, run):
        self.events.append(f"train_end {run.step}")

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]


def test_hooks_get_their_events_in_order(tiny_bert, requests_tsv, tmp_path):
    diary = Diary()
    train(tiny_bert, requests_tsv, tmp_path / "run", max_steps=4, evaluate_every=2, checkpoint_every=3,
          preview_every=2, hooks=[diary])  # fmt: skip
    assert diary.events == [
        "train_start 0", "step_end 1", "step_end 2", "preview 2", "evaluate_end 2", "step_end 3", "save 3",
        "step_end 4", "preview 4", "evaluate_end 4", "train_end 4",
    ]  # fmt: skip


def test_a_hook_may_stop_and_save(tiny_bert, requests_tsv, tmp_path):
    class Stop(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step == 2:
                run.save()
            if run.step == 3:
                run.stop("enough")

    diary = Diary()
    run = train(
        tiny_bert, requests_tsv, tmp_path / "run", hooks=[Stop(), diary], evaluate_every="end", keep_checkpoints=True
    )
    assert diary.events[-5:] == ["save 2", "step_end 3", "preview 3", "evaluate_end 3", "train_end 3"]
    assert run.metrics["training"]["stopped"] == "enough" and run.metrics["training"]["steps"] == 3
    assert (run.folder.checkpoints / "step-00000002" / "state.json").is_file()
    assert run.folder.finished


def test_state_of_hooks_is_in_the_checkpoint_and_comes_back(tiny_bert, requests_tsv, tmp_path):
    with pytest.raises(Broken):
        train(tiny_bert, requests_tsv, tmp_path / "run", checkpoint_every=3, hooks=[Diary(), Break(5)])
    state = json.loads((tmp_path / "run" / "checkpoints" / "step-00000003" / "state.json").read_text())
    assert state["hooks"]["0.Diary"] == {"steps": 3}
    diary = Diary()
    train(tiny_bert, requests_tsv, tmp_path / "run", checkpoint_every=3, resume=True, hooks=[diary])
    assert diary.events[0] == "train_start 3" and diary.steps == 8
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert f"#   sha256: {digest}" in (tmp_path / "run" / "settings.yaml").read_text(), "whose hook it was is kept"


def test_samples_from_outputs_at_hand(tiny_bert, requests_tsv, tmp_path):
    """The second tutorial's hook."""
    found = []

    class Print(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step % 2 == 0:
                found.extend(run.samples(pack, outputs, 10))

    train(tiny_bert, requests_tsv, tmp_path / "run", max_steps=2, hooks=[Print()])
    known = {row["text"]: row["label"] for row in byeori.read(requests_tsv)}
    assert len(found) == 10 and all(known[one["inputs"]["text"]] == one["reference"] for one in found)
    assert all(one["right"] == (one["prediction"] == one["reference"]) for one in found)


# own loss, own task ---------------------------------------------------------------------------------------------------
class Focal(byeori.tasks.TextClassification):
    def loss(self, outputs, pack):
        ce = F.cross_entropy(outputs.logits, pack.labels, reduction="none")
        return (1 - (-ce).exp()) ** 2 * ce


def test_own_loss(tiny_bert, requests_tsv, tmp_path):
    plain = train(tiny_bert, requests_tsv, tmp_path / "plain", log_every=1)
    focal = train(tiny_bert, requests_tsv, tmp_path / "focal", log_every=1, task=Focal())
    first = [lines(run.folder.history)[0]["loss"] for run in (plain, focal)]
    assert first[1] < first[0] and not same(weights(plain.path), weights(focal.path))
    meta = json.loads((focal.folder.model / "byeori.json").read_text())
    assert meta["own_task"]["class"] == "Focal"
    assert meta["own_task"]["sha256"] == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    again = byeori.load_run(focal.path, task=Focal)
    assert isinstance(again.task, Focal) and again.predict(["hello"])


OWN = """
import byeori
from torch.nn import functional as F

class Shouting(byeori.tasks.TextClassification):
    summary = "text classification that reads capitals"

    def encode(self, rows, encoder, labels=True, call=None):
        return super().encode({**rows, "text": [text.upper() for text in rows["text"]]}, encoder, labels, call)
"""


def test_own_task_in_a_file(tiny_bert, requests_tsv, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(OWN, encoding="utf-8")
    run = train(tiny_bert, requests_tsv, tmp_path / "run", task=f"{file}:Shouting", max_steps=2)
    meta = json.loads((run.folder.model / "byeori.json").read_text())
    assert meta["own_task"] == {
        "class": "Shouting", "file": "my_task.py", "sha256": hashlib.sha256(OWN.encode()).hexdigest(),
    }  # fmt: skip
    assert "SHOUT" not in "".join(p.read_text(errors="ignore") for p in run.folder.model.glob("*.py"))
    with pytest.raises(ModelError, match="own task, Shouting of my_task.py.*--task my_task.py:Shouting"):
        byeori.load_run(run.path)
    with pytest.raises(ModelError, match="own task"):
        byeori.load_run(run.path, task="text-classification")
    again = byeori.load_run(run.path, task=f"{file}:Shouting", precision="float32")
    alike(again.predict(["why"]), run.predict(["why"]))
    assert yaml_task(run).endswith("my_task.py:Shouting")


def yaml_task(run) -> str:
    return byeori.settings.load_yaml(run.folder.settings)["task"]


def test_changed_file_of_an_own_task_is_said(tiny_bert, requests_tsv, tmp_path):
    file = tmp_path / "my_task.py"
    file.write_text(OWN, encoding="utf-8")
    run = train(tiny_bert, requests_tsv, tmp_path / "run", task=f"{file}:Shouting", max_steps=2)
    file.write_text(OWN.replace("upper", "lower"), encoding="utf-8")
    with pytest.warns(UserWarning, match="my_task.py has changed"):
        byeori.load_run(run.path, task=f"{file}:Shouting")


def test_settings_of_a_class_given_in_python_name_its_file(tiny_bert, requests_tsv, tmp_path):
    run = train(tiny_bert, requests_tsv, tmp_path / "run", task=Focal, max_steps=1)
    assert yaml_task(run) == f"{Path(__file__).resolve()}:Focal"


# bad ends -------------------------------------------------------------------------------------------------------------
def test_nan_loss_stops_with_the_rows(tiny_bert, requests_tsv, tmp_path):
    with pytest.raises(TrainingError) as error:
        train(tiny_bert, requests_tsv, tmp_path / "run", learning_rate=1e30, max_grad_norm=0, max_steps=5)
    assert "requests.tsv, row" in str(error.value) and "--learning-rate" in str(error.value)
