"""Frozen parts beside transformers with `requires_grad_(False)`; layers computed again for their gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import byeori
from beside import Beside
from byeori.batches.loader import Batch, Packing
from byeori.errors import SettingError
from byeori.models.frozen import freeze
from byeori.models.packed import runner
from byeori.train.memory import measured
from byeori.train.partial import compute_again
from families import Family
from gradients import compare_gradients
from plain import JOBS, losses
from plain import train as train_job

RATE = 1e-2


@pytest.mark.parametrize(
    ("job", "name", "parts", "theirs"),
    [
        ("text-classification", "bert", "embeddings,layers.0", ("bert.embeddings.", "bert.encoder.layer.0.")),
        ("text-classification", "bert", "body", ("bert.",)),
        ("text-classification", "roberta", "all-but-last:1", ("roberta.embeddings.", "roberta.encoder.layer.0.")),
        ("text-generation", "llama", "layers.0-0,embed_tokens", ("model.layers.0.", "model.embed_tokens.")),
        ("summarization", "t5", "encoder", ("encoder.", "shared.")),
    ],
)
def test_losses_are_those_of_requires_grad_false(tiny, tmp_path, job, name, parts, theirs):
    labels = {"labels": ["English", "한국어"]} if job == "text-classification" else {}
    task = byeori.tasks.find(JOBS[job].task)(**labels)
    model, tokenizer = byeori.load(str(tiny(name, auto=JOBS[job].auto)), task, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    beside = Beside(model, RATE, frozen=theirs)
    run = train_job(
        job, model, tmp_path / "run", task=task, tokenizer=tokenizer, max_steps=8, learning_rate=RATE, batch_size=4, order="random",
        freeze=parts, hooks=[beside],
    )  # fmt: skip
    assert losses(run) == pytest.approx(beside.losses, rel=1e-5, abs=1e-6)
    moved = {key for key, value in run.model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved and not any(key.startswith(theirs) for key in moved)
    assert all(p.requires_grad for p in model.parameters())


def test_names_and_what_they_stand_for():
    model = Family("bert").model(num_labels=3)

    def left(parts, new=()):
        one = copy.deepcopy(model)
        freeze(one, parts, list(new))
        return {name for name, p in one.named_parameters() if p.requires_grad}

    head = {"classifier.weight", "classifier.bias"}
    pooler = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert left("body") == head
    assert left("body", new=pooler) == head | pooler
    assert left("embeddings,layers.0-1") == left(["embeddings", "encoder"]) == head | pooler
    assert left("all-but-last:0") == head | pooler
    for parts in ("layers.2", "layers.1-0", "layer.0", "all-but-last:3", "embedings"):
        with pytest.raises(SettingError, match="no such part. There are embeddings, layers.0-1, body, all-but-last:N"):
            left(parts)
    with pytest.raises(SettingError, match="nothing is left to train"):
        left("body,classifier")
    with pytest.raises(SettingError, match="nothing is left to train"):
        freeze(Family("gpt2").model("AutoModelForCausalLM"), "body")


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("text-classification", "bert"),
        ("token-classification", "bert"),
        ("text-generation", "llama"),
        ("summarization", "t5"),
    ],
)
def test_gradients_with_layers_computed_again_are_the_same(tiny, job, name):
    """With dropout, too; and less is alive at once, which the budget of packs goes by."""
    work = byeori.tasks.find(JOBS[job].task)()
    model, tokenizer = tiny(name, auto=JOBS[job].auto, dropout=0.1, num_hidden_layers=4, num_layers=4), None
    rows = byeori.api.as_rows(JOBS[job].rows, work)
    work.prepare(rows)
    model, tokenizer = byeori.load(str(model), work, seed=0)
    store = byeori.encode(rows, work, tokenizer, model=model)
    (pack,) = Batch(store, np.arange(len(store)), Packing(pack_tokens=4096), torch.device("cpu"))
    assert runner(model).packs_for(work)

    def gradients():
        torch.manual_seed(1)
        model.train().zero_grad()
        work.losses(work.outputs(model, pack), pack).sum().backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    def cost():
        return measured(model, work, store, Packing(pack_tokens=4096), torch.device("cpu"), "float32", 64)

    expected, whole = gradients(), cost()
    compute_again(model)
    compare_gradients(gradients(), expected)
    assert cost().token < 0.9 * whole.token


@pytest.mark.parametrize("values", [{}, {"adapter": "lora"}, {"freeze": "embeddings,layers.0"}])
def test_it_is_a_setting_and_is_off_afterwards(train, still_bert, values):
    values = {"model": still_bert, "log_every": 1, "max_steps": 4, **values}
    whole, again = train("whole", **values), train("again", gradient_checkpointing=True, **values)
    assert losses(again) == pytest.approx(losses(whole), rel=1e-5)
    assert not any(getattr(part, "gradient_checkpointing", False) for part in again.model.modules())


class Cut(byeori.Hook):
    def step_end(self, run, pack, outputs):
        assert run.compact is not None
        if run.step == 3:
            raise RuntimeError("power cut")


def test_word_vectors_in_use_are_in_a_checkpoint_beside_frozen_layers(train, minilm, tmp_path):
    """All of them, also the idle ones, which shrink."""
    values = {"model": str(minilm), "max_steps": 4, "freeze": "layers.0-5", "validation_size": 0, "learning_rate": 1e-3}
    whole = train("whole", log_every=1, **values)
    with pytest.raises(RuntimeError, match="power cut"):
        train(checkpoint_every=2, hooks=[Cut()], **values)
    (place,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    held = load_file(place / "model.safetensors")
    assert "bert.embeddings.word_embeddings.weight" in held and not any("encoder.layer" in name for name in held)
    resumed = train(resume=True, log_every=1, **values)
    for key, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[key], value, rtol=1e-6, atol=1e-8)


def test_a_family_without_it_is_refused(train, still_bert, monkeypatch):
    from transformers import BertForSequenceClassification

    monkeypatch.setattr(BertForSequenceClassification, "supports_gradient_checkpointing", False)
    with pytest.raises(SettingError, match="BertForSequenceClassification has none"):
        train(model=still_bert, gradient_checkpointing=True)
