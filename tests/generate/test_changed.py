"""A model taken apart is kept while it stays as it is: whoever changes its weights gets what the new ones write."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from alone import same
from trained import PAD, prompts, trained

from byeori.generate import continuous, lean
from byeori.generate.decoding import Decoding
from byeori.generate.lean import Lean, evaluating, lean_of
from byeori.generate.lines import Strand
from byeori.generate.write import stream, texts

ASKED = {"max_new_tokens": 16}


def stepped(model: Any) -> None:
    """As an optimizer does it."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)


def edited(model: Any) -> None:
    """Past the count of writes."""
    for weight in model.parameters():
        weight.data.mul_(1.05)


def widened(model: Any) -> None:
    """To 16 bits and back: other weights under the same names."""
    model.to(torch.bfloat16)
    assert isinstance(lean_of(model), Lean)
    model.to(torch.float32)


def replaced(model: Any) -> None:
    other = model.get_input_embeddings()
    model.set_input_embeddings(torch.nn.Embedding.from_pretrained(other.weight.flip(1).clone()))
    model.tie_weights()


@pytest.mark.parametrize("change", [stepped, edited, widened, replaced])
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_changed_weights_are_noticed(name: str, change: Callable[[Any], None]):
    model, rows = copy.deepcopy(trained(name)), prompts(name, 6, seed=90)
    before = lean_of(model)
    assert lean_of(model) is before
    found = texts(model, rows, Decoding(**ASKED), pad=PAD)
    change(model)
    changed = texts(model, rows, Decoding(**ASKED), pad=PAD)
    assert lean_of(model) is not before
    same(model, rows, changed, **ASKED)
    if change is not widened:  # which changes next to nothing of what is written
        assert [one.ids for (one,) in found] != [one.ids for (one,) in changed]


def test_a_model_in_training_keeps_nothing():
    """What is there after an evaluation would be of no use after the next update, and is a copy of weights."""
    model = copy.deepcopy(trained("t5")).train()
    model.get_encoder().eval()  # a part that was frozen stays so
    with evaluating(model):
        first = lean_of(model)
        assert not any(part.training for part in model.modules())
    assert model.training and not model.get_encoder().training and model.get_decoder().training
    assert lean_of(model) is not first


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_a_stream_stays_within_autocast(name: str, monkeypatch):
    """Between two tokens the caller's code runs, outside; each step inside, in the kind of numbers that autocast makes."""
    model, kinds = trained(name), set()
    step = continuous.Continuous.step

    def watched(self):
        kinds.add((torch.is_autocast_enabled("cpu"), self.pool.own.dtype))
        return step(self)

    monkeypatch.setattr(continuous.Continuous, "step", watched)
    for row in prompts(name, 3, seed=91):
        with torch.autocast("cpu", torch.bfloat16):
            ((right,),) = texts(model, [row], Decoding(**ASKED), pad=PAD)
        coming = stream(model, row, Decoding(**ASKED), pad=PAD, within=lambda: torch.autocast("cpu", torch.bfloat16))
        found = []
        for token in coming:
            assert not torch.is_autocast_enabled("cpu")
            found.append(token)
        assert found == right.ids
    assert kinds == {(True, torch.bfloat16)}


def engine_of(name: str, rows: list[list[int]], longest_first: bool) -> continuous.Continuous:
    """Two texts of each source, sources of any length."""
    model, config = trained(name), copy.deepcopy(trained(name).generation_config)
    made = continuous.Continuous(lean_of(model), config, budget=200_000)
    start = [model.generation_config.decoder_start_token_id]
    made.add(
        [Strand(place, start, 4, row, text, 0) for place, row in enumerate(rows) for text in range(2)], longest_first
    )
    return made


def test_what_is_encoded_ahead_stays_within_a_pack(monkeypatch):
    """Sources that wait are encoded with those that join, up to a pack's tokens; what joined, or never will, isn't kept."""
    monkeypatch.setattr(continuous, "AHEAD", 1)
    monkeypatch.setitem(lean.PACK, "cpu", 64)
    rows = prompts("t5", 40, seed=92)
    engine, most = engine_of("t5", rows, True), 0
    while engine.busy:
        engine.step()
        waiting = {one.request for one in engine.waiting}
        assert set(engine.encoded) <= waiting
        most = max(most, sum(map(len, engine.encoded.values())))
    assert 0 < most <= 64 + max(map(len, rows)) and not engine.encoded


@pytest.mark.parametrize("longest_first", [True, False])
def test_who_joins_first(longest_first: bool):
    rows = prompts("t5", 12, seed=93)
    engine = engine_of("t5", rows, longest_first)
    order = [one.request for one in engine.waiting]
    lengths = [len(rows[request]) for request in order]
    assert sorted(order) == [place for place in range(12) for _ in range(2)]
    assert lengths == sorted(lengths, reverse=True) if longest_first else order == sorted(order)
