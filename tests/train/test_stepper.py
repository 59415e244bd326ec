"""Updates on a device that works by itself: nothing waits for it, and the numbers are those of a CPU's way, bit for bit."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path

import pytest
import torch
import torch.nn.attention.varlen
from safetensors.torch import load_file
from torch.optim.lr_scheduler import LambdaLR

import byeori
from byeori.errors import TrainingError
from byeori.models import device
from byeori.models.packed import Runner
from byeori.tasks import TextClassification
from byeori.train.stepper import LATE, Stepper
from families import Family
from plain import JOBS, TEXTS
from waits import Waits

loop = importlib.import_module("byeori.train.loop")
MASKED = [{"text": text} for text in TEXTS]
CLASSES = [{"text": text, "label": "ab"[place % 2]} for place, text in enumerate(TEXTS)]
PRETRAINING = "AutoModelForPreTraining"

# name → (task, family, its head, rows, settings)
CASES = {
    **{
        f"{task}-{name}": (job.task, name, job.auto, job.rows, job.settings)
        for task, name in (
            ("text-classification", "bert"), ("token-classification", "roberta"),
            ("token-classification", "llama"), ("question-answering", "bert"), ("fill-mask", "modernbert"),
            ("text-generation", "gpt2"), ("text-generation", "gemma3_text"), ("summarization", "t5"), ("summarization", "bart"),
            ("multiple-choice", "bert"),
        )
        for job in (JOBS[task],)
    },
    "weights of classes": ("text-classification", "electra", JOBS["text-classification"].auto, CLASSES,
                           {"class_weights": "a=2,b=1", "label_smoothing": 0.1}),
    "several labels": ("text-classification", "bert", JOBS["text-classification"].auto,
                       [{"text": text, "label": ["a"] if place % 2 else ["a", "b"]} for place, text in enumerate(TEXTS)], {}),
    "numbers": ("text-classification", "bert", JOBS["text-classification"].auto,
                [{"text": text, "label": place / 7} for place, text in enumerate(TEXTS)], {"problem_type": "regression"}),
    "span corruption": ("span-corruption", "t5", "AutoModelForSeq2SeqLM", MASKED, {"mean_noise_span_length": 2.0}),
    "next sentence": ("fill-mask", "bert", PRETRAINING, MASKED, {"next_sentence": True, "whole_words": True}),
}  # fmt: skip


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """The loop's way on a device that works by itself, on the CPU that is here."""
    monkeypatch.setattr(loop, "asynchronous", lambda device: True)
    monkeypatch.setattr(device, "asynchronous", lambda device: True)  # losses over a vocabulary ask, too


def train(case: str, tmp_path: Path, **values):
    task, name, auto, rows, settings = CASES[case]
    family = Family(name)
    folder = family.save(tmp_path / f"model-{values.get('output', 'run').rpartition('/')[2]}", auto=auto)
    small = {
        "validation_size": 0, "test_size": 0, "batch_size": 4, "max_steps": 3, "log_every": 100, "evaluate_every": "end",
        "previews": 0, "baselines": False, "precision": "float32", "threads": 1, "learning_rate": 1e-2,
        "output": str(tmp_path / "run"),
    }  # fmt: skip
    return byeori.train(task, str(folder), train=rows, **{**small, **settings, **values})


def watch(monkeypatch) -> Waits:
    """Count what updates after the first wait for; the first one probes the model and fills caches."""
    waits, update = Waits(), loop.update

    def watched(training, batch):
        if training.step == 0:
            return update(training, batch)
        with waits:
            return update(training, batch)

    monkeypatch.setattr(loop, "update", watched)
    return waits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_a_step_waits_for_nothing(as_on_a_gpu, monkeypatch, tmp_path, case):
    assert LATE >= 3, "no number of these three updates is read before the last is over"
    waits = watch(monkeypatch)
    run = train(case, tmp_path)
    assert run.metrics["training"]["steps"] == 3 and waits.calls == []


@pytest.mark.parametrize("case", ["text-classification-bert", "text-generation-gpt2", "summarization-bart"])
def test_nor_does_one_in_rectangles(as_on_a_gpu, monkeypatch, tmp_path, case):
    """As of families that don't run packed; what transformers itself waits for to make its masks is its own."""
    waits = watch(monkeypatch)
    monkeypatch.setattr(Runner, "packs_for", lambda self, task: False)
    monkeypatch.setattr(Runner, "_probe", lambda self: False)
    assert not train(case, tmp_path).metrics["training"]["packed"]
    assert waits.calls and not [one for one in waits.calls if "transformers/masking_utils.py" not in one]


@pytest.mark.parametrize("case", ["text-classification-bert", "text-generation-gemma3_text", "summarization-bart"])
def test_nor_does_one_without_padding(as_on_a_gpu, monkeypatch, tmp_path, case):
    """As in 16 bits on a GPU, whose kernel is played by its formula."""
    waits, seen = watch(monkeypatch), []

    def formula(query, key, value, ends, other_ends, longest, other_longest, *, scale, window_size):
        waits.paused = True
        left, right = (reach if reach >= 0 else 10**6 for reach in window_size)
        seen.append((window_size, ends is other_ends))
        found = []
        for (start, stop), (first, last) in zip(
            itertools.pairwise(ends.tolist()), itertools.pairwise(other_ends.tolist()), strict=True
        ):
            q, k, v = (
                query[start:stop].transpose(0, 1),
                key[first:last].transpose(0, 1),
                value[first:last].transpose(0, 1),
            )
            assert stop - start <= longest and last - first <= other_longest
            back = torch.arange(stop - start)[:, None] - torch.arange(last - first)
            scores = (q @ k.transpose(1, 2) * scale).masked_fill((back > left) | (-back > right), -torch.inf)
            found.append((scores.softmax(-1) @ v).transpose(0, 1))
        waits.paused = False
        return torch.cat(found)

    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", formula)
    padded = train(case, tmp_path)
    monkeypatch.setattr(Runner, "varlen", lambda self, precision: True)
    bare = train(case, tmp_path, output=str(tmp_path / "bare"), pack_tokens=10_000)
    assert waits.calls == [] and seen and bare.metrics["training"]["padding"] == 0.0
    if case.endswith("bart"):
        assert {own for _, own in seen} == {True, False}, "itself, and targets among their sources"
    one, other = (json.loads((run.path / "history.jsonl").read_text().splitlines()[0]) for run in (padded, bare))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5), "padded = bare"


# equalities -----------------------------------------------------------------------------------------------------------
HEADS = {"text-classification": "AutoModel", "fill-mask": "AutoModelForMaskedLM"}
VARIED = {"epochs": 2, "batch_size": 20, "log_every": 3, "evaluate_every": 4, "checkpoint_every": 3, "preview_every": 2}


def told(run) -> list[dict]:
    times = {"seconds", "examples_per_second", "tokens_per_second", "memory_mb"}
    return [{k: v for k, v in line.items() if k not in times} for line in run.folder.lines(run.folder.history)]


@pytest.fixture
def train_requests(tiny, demo_rows, tmp_path):
    """`train_requests(name, task)`: a short run of the demo rows, with dropout."""

    def run(name, task, **values):
        model = str(tiny("bert", auto=HEADS[task], dropout=0.1))
        small = {**VARIED, "learning_rate": 1e-3, "threads": 1, "precision": "float32", "baselines": False}
        return byeori.train(task, model, train=demo_rows, output=str(tmp_path / name), **{**small, **values})

    return run


class Losses(byeori.Hook):
    def __init__(self):
        self.losses = []

    def step_end(self, run, pack, outputs):
        if run.step % 2:
            self.losses.append(run.loss)


@pytest.mark.parametrize("task", ["text-classification", "fill-mask"])
def test_built_ahead_and_read_late_are_the_same_bit_for_bit(train_requests, monkeypatch, task):
    hooks = [Losses(), Losses(), Losses()]
    plain = train_requests("plain", task, hooks=hooks[:1])
    monkeypatch.setattr(loop, "AHEAD", 0)
    monkeypatch.setattr(loop, "asynchronous", lambda device: True)
    late = train_requests("late", task, hooks=hooks[1:2])
    monkeypatch.setattr(loop, "AHEAD", 3)
    ahead = train_requests("ahead", task, hooks=hooks[2:])
    weights = [load_file(run.folder.model / "model.safetensors") for run in (plain, late, ahead)]
    for run, found, hook in zip((late, ahead), weights[1:], hooks[1:], strict=True):
        assert all(torch.equal(weights[0][name], found[name]) for name in weights[0])
        assert told(run) == told(plain) and hook.losses == hooks[0].losses and len(hook.losses) > 3
        assert run.folder.samples.read_text() == plain.folder.samples.read_text()
        assert run.metrics["training"]["best"] == plain.metrics["training"]["best"]


# what is no number ----------------------------------------------------------------------------------------------------
BAD = 7  # a row


class Bad(TextClassification):
    """The loss of one row is no number."""

    def loss(self, outputs, pack):
        bad = torch.from_numpy(pack.rows == BAD)
        return torch.where(bad, torch.nan, super().loss(outputs, pack))


@pytest.mark.parametrize("checkpoint_every", [None, 2])
def test_a_bad_batch_is_named_and_moves_no_weight(monkeypatch, tmp_path, checkpoint_every):
    """On a GPU the host hears of it later; the weights are those of a CPU's run, which stops before they move."""
    left, said, saved = [], [], []
    for late in (False, True):
        monkeypatch.setattr(loop, "asynchronous", lambda device, late=late: late)
        family = Family("bert")
        model = family.model("AutoModelForSequenceClassification", num_labels=2)
        folder = tmp_path / str(late)
        with pytest.raises(TrainingError, match=r"step \d: the loss is nan at learning rate .* row 8") as caught:
            byeori.train(
                Bad(), model, tokenizer=family.tokenizer(), train=CLASSES * 4, validation_size=0, test_size=0,
                batch_size=4, epochs=1, precision="float32", threads=1, learning_rate=1e-2, output=str(folder), log_every=50,
                evaluate_every="end", order="random", checkpoint_every=checkpoint_every, previews=0, seed=3,
            )  # fmt: skip
        left.append(model.state_dict())
        said.append(str(caught.value).replace(str(folder), ""))
        saved.append([one.name for one in folder.glob("checkpoints/step-*")])
    assert said[0] == said[1] and saved[0] == saved[1] and bool(saved[0]) == bool(checkpoint_every)
    step = int(said[0].split(":")[0].removeprefix("step "))
    assert 2 <= step <= 8 - LATE, "good batches come before it, and some after it before it is heard of"
    for name, value in left[0].items():  # of another place in memory a processor may make the same product another way
        torch.testing.assert_close(value, left[1][name], rtol=0, atol=1e-6, msg=name)


def test_sixteen_bits_that_overflow_late_or_at_once():
    """The scaler leaves the same updates out, and the rates of those after it are the same."""
    found = []
    for late in (False, True):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 5))
        optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
        schedule = LambdaLR(optimizer, lambda step: 1 / (1 + step))
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        updates, moved = [], []

        def move(schedule=schedule, moved=moved):
            moved.append(schedule.last_epoch)
            schedule.step()

        stepper = Stepper(optimizer, schedule, scaler, updates.append, move, late)
        for number in range(1, 8):
            optimizer.zero_grad()
            loss = (weight * torch.arange(5.0)).square().sum() * (torch.inf if number in (3, 4) else 1.0)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norm = torch.nn.utils.clip_grad_norm_([weight], 1.0)
            stepper.step(number, None, loss.detach(), norm)
        stepper.settle()
        assert moved == [0, 1, 2, 3, 4] and scaler.get_scale() == 2.0
        found.append(([(one.step, one.rate, one.loss, one.norm) for one in updates], weight.detach()))
    assert str(found[0][0]) == str(found[1][0]) and torch.equal(found[0][1], found[1][1])
