"""Budgets that are none, batches with next to nothing in them, and devices that fail: each ends well or says one sentence."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

import byeori
from byeori.batches.loader import Batch, Packing
from byeori.batches.pack import build
from byeori.errors import ByeoriError, SettingError, TrainingError
from byeori.models import embedding
from byeori.predict.engine import Engine
from byeori.predict.run import Run
from byeori.settings import Train, read
from byeori.tasks import FillMask, TextClassification, TokenClassification
from byeori.text.encode import Encoder
from byeori.text.store import Encoded, TokenStore
from families import Family
from plain import TEXTS

CUDA = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported later"
ROWS = [{"text": text, "label": "ab"[place % 2]} for place, text in enumerate(TEXTS * 2)]
BARE = {"validation_size": 0, "test_size": 0, "previews": 0, "baselines": False, "threads": 1, "precision": "float32"}


def train(task, folder, output, **values):
    small = {"batch_size": 4, "epochs": 1, "learning_rate": 1e-2, "log_every": 1, "order": "random"}
    rows = values.pop("train", ROWS)
    return byeori.train(task, str(folder), train=rows, output=str(output), **{**BARE, **small, **values})


# budgets --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", [0, -5, "0", "-5", "lots", 1.5])
def test_a_budget_of_nonsense_is_refused(wrong):
    with pytest.raises(SettingError, match=r"pack_tokens=.*: (it must be at least 1|auto or a whole number is needed)"):
        read({"pack_tokens": wrong}, Train)


@pytest.mark.parametrize("wrong", [0, -5, "lots", 1.5, True, None])
def test_nor_does_a_packing_take_one(wrong):
    with pytest.raises(SettingError, match="a whole number from 1 on is needed"):
        Packing(wrong)


@pytest.mark.parametrize("wrong", [0, -5, "lots"])
def test_nor_an_engine(wrong):
    family = Family("bert")
    with pytest.raises(SettingError, match="a whole number from 1 on is needed"):
        Engine(TextClassification(labels=["a", "b"]), family.model(), family.tokenizer(), pack_tokens=wrong)


def losses(run) -> list[float]:
    return [line["loss"] for line in run.folder.lines(run.folder.history) if "loss" in line]


def test_rows_longer_than_the_budget_run_alone(tiny, tmp_path):
    """A budget of one token: every row is a pack, and the losses are those of one pack."""
    folder = tiny("bert", auto="AutoModel")
    alone, together = (
        train("text-classification", folder, tmp_path / str(size), pack_tokens=size) for size in (1, 10_000)
    )
    assert losses(alone) == pytest.approx(losses(together), rel=1e-4)
    first, second = (
        Engine(run.task, run.model, run.tokenizer, pack_tokens=size) for run, size in ((alone, 1), (alone, 10_000))
    )
    found = [engine.run(engine.encode({"text": TEXTS})).values for engine in (first, second)]
    np.testing.assert_allclose(*found, atol=1e-5)


# next to nothing ------------------------------------------------------------------------------------------------------
def test_one_row_in_all(tiny, tmp_path):
    rows = [{"text": "One row.", "label": "a"}]
    run = train(TextClassification(labels=["a", "b"]), tiny("bert", auto="AutoModel"), tmp_path / "run", train=rows)
    assert run.metrics["training"]["steps"] == 1 and np.isfinite(losses(run)).all()
    assert run.predict(["One row."])[0]["label"] in "ab"


class Alone(TextClassification):
    """Without special tokens around a text: one of a letter is one token."""

    def encode(self, rows, encoder, labels=True, call=None):
        count = len(rows["text"])
        columns = {"token_type_ids": np.zeros(count, np.uint8)}
        found = Encoded(np.full(count, 7, np.int32), np.ones(count, np.int64), columns)
        if labels:
            found.columns["labels"] = self._ids(rows["label"])
        return found


def test_a_batch_of_one_token(tiny, tmp_path):
    run = train(Alone(labels=["a", "b"]), tiny("bert", auto="AutoModel"), tmp_path / "run", train=ROWS[:1])
    assert np.isfinite(losses(run)).all() and run.metrics["training"]["tokens_per_second"] > 0
    assert run.predict(["x"])[0]["score"] == pytest.approx(run.predict(["y", "z"])[1]["score"], abs=1e-6)


def finite(model, task, batch) -> float:
    """The loss of a batch, once its gradients are found to be numbers."""
    model.train()
    total = 0.0
    for pack in batch:
        loss = task.losses(task.outputs(model, pack), pack).sum() * batch.scale
        loss.backward()
        total += float(loss.detach())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    return total


def test_a_pack_with_nothing_masked():
    """A text of special tokens alone has nothing that could be hidden; beside others it changes nothing."""
    family = Family("bert")
    model, tokenizer, task = family.model("AutoModelForMaskedLM").eval(), family.tokenizer(), FillMask()
    task.meet(model, tokenizer)
    encoder = Encoder(tokenizer, 40)
    store = TokenStore.of(task.encode({"text": ["", TEXTS[0]]}, encoder), encoder.levels, encoder.pad)
    none, some, both = (Batch(store, np.array(rows), Packing(), draw=task.drawing(0, 0)) for rows in ([0], [1], [0, 1]))
    assert none.labels == 0 and some.labels == both.labels > 0
    assert finite(model, task, none) == 0.0
    assert finite(model, task, both) == pytest.approx(finite(model, task, some), rel=1e-5)
    engine = Engine(task, model, tokenizer)
    assert engine.run(store.select(np.array([0])), each=lambda outputs, pack: None).values.shape == (0, 4)


def test_tokens_without_a_label():
    family = Family("bert")
    model = family.model("AutoModelForTokenClassification", num_labels=3)
    task, encoder = TokenClassification(labels=["O", "B-A", "I-A"]), Encoder(family.tokenizer(), 40)
    encoded = encoder(TEXTS[:3])
    encoded.columns["labels"] = np.full(len(encoded.input_ids), -100)
    store = TokenStore.of(encoded, {**encoder.levels, "labels": "token"}, encoder.pad)
    batch = Batch(store, np.arange(3), Packing())
    assert batch.labels == 0 and finite(model, task, batch) == 0.0


@pytest.mark.parametrize("name", ["t5", "led"])
def test_a_target_without_a_label(name):
    """Packed, and in rectangles: its row's losses are 0, those of the others what they are without it."""
    from byeori.models.seq2seq import pack_losses

    family = Family(name)
    model, tokenizer = family.model("AutoModelForSeq2SeqLM").eval(), family.tokenizer()
    encoder = Encoder(tokenizer, 40)
    encoded = encoder(TEXTS[:3])
    labels = [np.full(4, -100), np.array([5, 6, 7]), np.array([8, 9])]
    encoded.columns |= {"labels": np.concatenate(labels), "labels_lengths": np.array([4, 3, 2])}
    store = TokenStore.of(encoded, {"labels": "list"}, encoder.pad)
    with torch.no_grad():
        found = {}
        for rows in ([0], [1, 2], [0, 1, 2]):
            pack = build(store, np.array(rows), group_cost=0.0)
            nll, _ = pack_losses(model, pack)
            found |= {(len(rows), int(row)): float(nll[place].sum()) for place, row in enumerate(pack.rows)}
    assert found[1, 0] == found[3, 0] == 0.0
    assert [found[3, row] for row in (1, 2)] == pytest.approx([found[2, row] for row in (1, 2)], rel=1e-4)


# devices --------------------------------------------------------------------------------------------------------------
class Failing(TextClassification):
    """The device fails in the third update."""

    error: Exception = RuntimeError()
    calls = 0

    def loss(self, outputs, pack):
        if outputs.logits.requires_grad:
            type(self).calls += 1
            if type(self).calls == 3:
                raise type(self).error
        return super().loss(outputs, pack)


@pytest.fixture
def failing(monkeypatch):
    def made(error):
        monkeypatch.setattr(Failing, "error", error)
        monkeypatch.setattr(Failing, "calls", 0)
        return Failing(labels=["a", "b"])

    return made


@pytest.mark.parametrize("kind", [torch.AcceleratorError, RuntimeError])
@pytest.mark.parametrize("checkpoint_every", [None, 2])
def test_a_device_that_vanishes(tiny, tmp_path, failing, monkeypatch, kind, checkpoint_every):
    def touched(model):
        if Failing.calls == 3:
            raise kind(CUDA)

    monkeypatch.setattr(embedding, "restore", touched)  # nothing on it can be read any more
    said = r"^step 3: the device cpu has failed \(CUDA error: an illegal memory access was encountered\)\. .*start another one"
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match=said) as caught:
        train(failing(kind(CUDA)), tiny("bert", auto="AutoModel"), folder, checkpoint_every=checkpoint_every)
    assert caught.value.exit_code == 1 and "\n" not in str(caught.value)
    if checkpoint_every is None:
        assert not folder.exists() and "--resume" not in str(caught.value)
        return
    assert f"{folder} holds a checkpoint: go on from it with --resume" in str(caught.value)
    monkeypatch.undo()
    Failing.calls = 10
    resumed = train(Failing(labels=["a", "b"]), tiny("bert", auto="AutoModel"), folder, resume=True)
    assert resumed.folder.finished and resumed.metrics["training"]["steps"] == 4


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
     RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes")],
)  # fmt: skip
def test_a_device_without_memory_for_the_update_itself(tiny, tmp_path, failing, error, monkeypatch):
    """Smaller packs don't help where the optimizer finds no place for its moments."""

    def full(*_, **__):
        raise error

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    said = r"^step 1: there is no memory left on cpu \(.*\)\. Give fewer tokens at once \(--pack-tokens 300; it changes"
    with pytest.raises(TrainingError, match=said):
        train(failing(error), tiny("bert", auto="AutoModel"), tmp_path / "run", pack_tokens=600)


def test_errors_of_other_kinds_stay_what_they_are(tiny, tmp_path, failing):
    with pytest.raises(RuntimeError, match="^mat1 and mat2") as caught:
        train(
            failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied")),
            tiny("bert", auto="AutoModel"),
            tmp_path / "r",
        )
    assert not isinstance(caught.value, ByeoriError)


def test_a_device_that_vanishes_while_it_predicts(tiny, monkeypatch):
    run: Run = byeori.load_run(str(tiny("bert", labels=("a", "b"))), task="text-classification", precision="float32")
    packed = importlib.import_module("byeori.models.packed")

    def failed(model, pack):
        raise torch.AcceleratorError(CUDA)

    monkeypatch.setattr(packed, "pooled_logits", failed)
    with pytest.raises(ByeoriError, match=r"^rows 1 to 8 of 8: the device cpu has failed \(CUDA error") as caught:
        run.predict(TEXTS)
    assert caught.value.exit_code == 1
