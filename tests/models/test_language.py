"""The head of a language model, applied to some places: the model's own numbers and gradients, a part at a time."""

from __future__ import annotations

import copy
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from byeori.batches.pack import build
from byeori.models import language, vocabulary
from byeori.models.load import load_model
from byeori.models.packed import token_logits
from byeori.tasks.base import Task
from byeori.text.encode import Encoder
from byeori.text.store import TokenStore
from families import DECODERS, ENCODERS, Family, texts
from gradients import compare_gradients, gradients

CASES = [(name, "AutoModelForCausalLM") for name in DECODERS] + [(name, "AutoModelForMaskedLM") for name in ENCODERS]


class AnyTask(Task):
    name: ClassVar[str] = "any"


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{auto[12:]}" for name, auto in CASES])
def model_and_pack(request):
    name, auto = request.param
    family = Family(name)
    loaded = load_model(family.model(auto), AnyTask(), tokenizer=family.tokenizer())
    encoded = Encoder(loaded.tokenizer, 60)(list(texts()[:6]))
    pack = build(
        TokenStore.of(encoded, {}, {"input_ids": loaded.tokenizer.pad_token_id}), np.arange(6), group_cost=20.0
    )
    return name, loaded.model.eval(), pack


def test_logits_likelihoods_and_gradients(model_and_pack, monkeypatch):
    name, model, pack = model_and_pack
    places = torch.arange(1, pack.computed, 3)
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 500, len(places)))
    reference = copy.deepcopy(model)
    with torch.no_grad():
        whole = token_logits(reference, pack)[places]
        torch.testing.assert_close(language.vocabulary_logits(model, pack, places), whole)
        assert language.head_of(model).alone is (name != "gemma2")
    expected = gradients(reference, lambda: F.cross_entropy(token_logits(reference, pack)[places], labels))
    for most in (1 << 26, 7 * whole.shape[1]):
        monkeypatch.setattr(vocabulary, "LOGITS", most)
        nll, best = language.likelihoods(model, pack, places, labels)
        torch.testing.assert_close(nll, F.cross_entropy(whole, labels, reduction="none"))
        assert torch.equal(best, whole.argmax(-1))
        found = gradients(model, lambda: language.likelihoods(model, pack, places, labels)[0].mean())
        compare_gradients(found, expected)


def test_no_place_at_all(model_and_pack):
    _, model, pack = model_and_pack
    none = torch.zeros(0, dtype=torch.int64)
    nll, best = language.likelihoods(model, pack, none, none)
    assert nll.shape == best.shape == (0,)
    assert language.vocabulary_logits(model, pack, none).shape[0] == 0


def test_who_sees_ahead(model_and_pack):
    name, model, _ = model_and_pack
    assert language.sees_ahead(model) is (name in ENCODERS)
