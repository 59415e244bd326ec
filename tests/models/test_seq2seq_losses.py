"""Encoder-decoders: what the decoder is fed, and losses and gradients equal to the model's own, one unpadded row at a time."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional as F

from byeori.batches.pack import IGNORED, Pack, build
from byeori.errors import ModelError, SettingError
from byeori.models import attention, seq2seq, vocabulary
from byeori.models.packed import runner, token_logits
from byeori.models.seq2seq import decoder_inputs, pack_losses
from byeori.text.encode import Encoder
from byeori.text.store import LIST, TokenStore
from byeori.text.targets import encode_targets
from families import SEQ2SEQ, Family, texts

LENGTH = 60  # some of the sources are longer
SOURCES = [" ".join(texts()[place : place + 1 + place % 4]) for place in range(8)]
TARGETS = [texts()[30 + place][: 8 + 6 * place] for place in range(8)]
ROWS = range(len(SOURCES))


def stored(tokenizer: Any, words: int | None = None) -> TokenStore:
    """The rows; `words`: targets of a vocabulary of so many."""
    encoder = Encoder(tokenizer, LENGTH)
    encoded = encoder(SOURCES)
    ids, lengths, _ = encode_targets(tokenizer, TARGETS, 100)
    encoded.columns |= {"labels": ids if words is None else ids % (words - 5) + 5, "labels_lengths": lengths}
    return TokenStore.of(encoded, {"labels": LIST}, encoder.pad)


class Made:
    """A tiny model with its tokenizer, and a store of the rows."""

    def __init__(self, name: str, packs: bool = False):
        family = Family(name)
        self.name, self.model, self.tokenizer = name, family.model("AutoModelForSeq2SeqLM").eval(), family.tokenizer()
        if packs:
            self.model.set_attn_implementation(attention.NAME)
        pairs = runner(self.model).pairs
        assert (pairs is not None and pairs.packs) == packs
        self.store = stored(self.tokenizer)

    def pack(self, rows: Any = ROWS, cost: float = 64.0) -> Pack:
        return build(self.store, np.array(rows), group_cost=cost)

    def alone(self, row: int) -> Any:
        """What transformers gives for one row, unpadded, with its loss."""
        one = self.tokenizer(SOURCES[row], truncation=True, max_length=LENGTH, return_tensors="pt")
        inputs = {name: one[name] for name in ("input_ids", "attention_mask")}
        if self.name == "led":  # the first token sees all, as in its summarization checkpoints
            inputs["global_attention_mask"] = torch.zeros_like(inputs["input_ids"])
            inputs["global_attention_mask"][:, 0] = 1
        return self.model(**inputs, labels=torch.tensor([self.tokenizer(text_target=TARGETS[row])["input_ids"]]))


@pytest.fixture(scope="module")
def made():
    known: dict[tuple[str, bool], Made] = {}

    def make(name: str, packs: bool = False) -> Made:
        if (name, packs) not in known:
            known[name, packs] = Made(name, packs)
        return known[name, packs]

    return make


WAYS = [(name, packs) for name in SEQ2SEQ for packs in (True, False) if name != "led" or not packs]


@pytest.mark.parametrize("name, packs", WAYS)
def test_each_token_loses_what_it_loses_alone(made, name, packs):
    """Packed or in rectangles: in one pack of a few groups, in a group a length, and in other company."""
    one = made(name, packs)
    with torch.no_grad():
        alone = [one.alone(row) for row in range(len(SOURCES))]
        for pack in (one.pack(), one.pack(cost=1.0), one.pack([4, 1])):
            nll, _ = pack_losses(one.model, pack)
            assert nll.shape == pack.labels.shape and (nll[pack.labels == IGNORED] == 0).all()
            for place, row in enumerate(pack.rows):
                labels = pack.labels[place][pack.labels[place] != IGNORED]
                right = -alone[row].logits[0].log_softmax(-1).gather(1, labels[:, None])[:, 0]
                assert torch.allclose(nll[place, : len(labels)], right, atol=2e-5)
                assert nll[place].sum() / len(labels) == pytest.approx(float(alone[row].loss), abs=1e-5)


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("name", ["t5", "mt5", "bart", "marian"])  # head tied, not tied, with a bias
def test_gradients_are_the_models_own(made, name, packs, monkeypatch):
    """Also of a vocabulary whose logits are made three tokens at a time, and again in the backward pass."""
    one = made(name, packs)

    def gradients(total: torch.Tensor) -> dict[str, torch.Tensor]:
        one.model.zero_grad()
        total.backward()
        return {name: weight.grad.clone() for name, weight in one.model.named_parameters() if weight.grad is not None}

    counts = np.diff(one.store.list_offsets["labels"])
    expected = gradients(sum(one.alone(row).loss * int(count) for row, count in enumerate(counts)))
    for most in (vocabulary.LOGITS, 3 * one.model.get_output_embeddings().out_features):
        monkeypatch.setattr(vocabulary, "LOGITS", most)
        found = gradients(pack_losses(one.model, one.pack())[0].sum())
        assert found.keys() == expected.keys()
        for name, gradient in found.items():
            assert torch.allclose(gradient, expected[name], atol=2e-4 * max(1.0, float(expected[name].abs().max()))), (
                name
            )
    one.model.zero_grad()


def test_logits_are_made_once_for_each_label_that_counts(made, monkeypatch):
    one = made("bart")
    pack_losses(one.model, one.pack())  # the first time the model is probed
    seen: list[int] = []
    judged = vocabulary.judged
    monkeypatch.setattr(vocabulary, "judged", lambda hidden, *more: seen.append(len(hidden)) or judged(hidden, *more))
    rows: list[int] = []
    handle = one.model.get_output_embeddings().register_forward_hook(
        lambda part, given, found: rows.append(found.shape[1])
    )
    try:
        pack_losses(one.model, one.pack())
    finally:
        handle.remove()
    assert sum(seen) == int((one.pack().labels != IGNORED).sum()) and not any(rows)


def test_a_family_that_does_more_after_its_head_keeps_its_logits(made):
    """Found by trying: nothing is known of this one beforehand."""

    class Capped(type(made("t5").model)):  # type: ignore[misc]
        def forward(self, *given: Any, **named: Any) -> Any:
            found = super().forward(*given, **named)
            found.logits = 3 * torch.tanh(found.logits / 3)
            return found

    one = made("t5")
    capped = Capped(one.model.config).eval()
    capped.load_state_dict(one.model.state_dict())
    nll, _ = pack_losses(capped, one.pack())
    plain, _ = pack_losses(one.model, one.pack())
    assert not seq2seq._head(capped).catches and seq2seq._head(one.model).catches
    pack = one.pack([2])
    logits = 3 * torch.tanh(one.alone(2).logits[0] / 3)
    right = F.cross_entropy(logits, pack.labels[0], reduction="none")
    assert torch.allclose(nll[list(one.pack().rows).index(2), : len(right)], right, atol=1e-5)
    assert not torch.allclose(nll, plain, atol=1e-2)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_minus_100_reaches_no_decoder(made, name):
    """Labels are shifted the family's own way, their padding included."""
    one = made(name)
    pack = one.pack()
    fed: list[torch.Tensor] = []

    def take(module: Any, given: tuple, named: dict[str, Any]) -> None:
        fed.append(named["input_ids"] if "input_ids" in named else given[0])

    handle = one.model.get_decoder().register_forward_pre_hook(take, with_kwargs=True)
    try:
        pack_losses(one.model, pack)
    finally:
        handle.remove()
    assert fed and all(int(ids.min()) >= 0 for ids in fed)
    shifted = decoder_inputs(one.model, pack.labels)
    assert torch.equal(shifted, one.model.prepare_decoder_input_ids_from_labels(pack.labels))
    assert int((pack.labels == IGNORED).sum()) > 0 and int((shifted == IGNORED).sum()) == 0
    for row, labels in zip(shifted, pack.labels, strict=True):
        count = int((labels != IGNORED).sum())
        assert torch.equal(row[1:count], labels[: count - 1])


def test_models_that_cannot_say_how_targets_are_shifted(made):
    model = copy.deepcopy(made("bart").model)
    model.config.decoder_start_token_id = None
    with pytest.raises(ModelError, match="can't be shifted for its decoder .*Set decoder_start_token_id"):
        decoder_inputs(model, torch.tensor([[4, 5]]))
    with pytest.raises(ModelError, match="doesn't say how its decoder's input is made"):
        decoder_inputs(SimpleNamespace(config=model.config), torch.tensor([[4, 5]]))


def test_label_smoothing_is_the_mean_over_the_vocabulary(made):
    one = made("t5")
    pack = one.pack([3])
    nll, spread = pack_losses(one.model, pack, smooth=True)
    right = F.cross_entropy(one.alone(3).logits[0], pack.labels[0], reduction="none", label_smoothing=0.1)
    assert torch.allclose((0.9 * nll + 0.1 * spread)[0], right, atol=1e-5)
    assert (pack_losses(one.model, pack)[1] == 0).all()


def test_a_target_longer_than_the_decoder(made):
    one = made("bart")
    encoded = Encoder(one.tokenizer, LENGTH)(["a"])
    encoded.columns |= {"labels": np.full(129, 5, np.int32), "labels_lengths": np.array([129])}
    pack = build(TokenStore.of(encoded, {"labels": LIST}, {"input_ids": 1}), np.array([0]))
    with pytest.raises(
        SettingError, match="129 tokens long, and the decoder .* takes 128. Give --max-target-length 128"
    ):
        pack_losses(one.model, pack)


def test_led_is_given_whole_windows_and_a_first_token_that_sees_all(made):
    one = made("led")
    found = seq2seq.globally(
        one.model, {"input_ids": torch.full((2, 11), 5), "attention_mask": torch.ones(2, 11).long()}
    )
    assert found["input_ids"].shape == (2, 16) and found["attention_mask"].sum() == 22
    assert found["global_attention_mask"].sum(0).tolist() == [2] + 15 * [0]
    plain = {"input_ids": torch.full((2, 11), 5), "attention_mask": torch.ones(2, 11).long()}
    assert seq2seq.globally(made("t5").model, plain).keys() == plain.keys()


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_layers_that_are_run_again_have_the_same_gradients(made, name):
    """Gradient checkpointing runs a layer outside the pack's own call: what it needs must come with it."""
    model = Made(name, packs=True).model

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        pack_losses(model, made(name, True).pack())[0].sum().backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters()}

    expected = gradients()
    model.train()  # only then layers are run again; nothing is dropped
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
    model.gradient_checkpointing_enable()
    for name, gradient in gradients().items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family, words", [("bert", None), ("roberta", None), ("bert", 60)])
def test_two_models_joined(family, words):
    """An encoder and a decoder of BERT's build, as `from_encoder_decoder_pretrained` joins them: positions go to both, and the
    decoder may have a vocabulary of its own."""
    encoder, decoder = (Family(family).model("AutoModel").config for _ in range(2))
    decoder.is_decoder = decoder.add_cross_attention = True
    decoder.vocab_size = words or decoder.vocab_size
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, encoder.pad_token_id, 3
    torch.manual_seed(0)
    model = transformers.EncoderDecoderModel(config).eval()
    one = build(stored(Family(family).tokenizer(), words), np.array(ROWS))
    with torch.no_grad():
        plain, _ = pack_losses(model, one)
        model.set_attn_implementation(attention.NAME)
        again = copy.deepcopy(model)
        assert runner(again).pairs.packs, runner(again).reason
        packed, _ = pack_losses(again, one)
    assert torch.allclose(plain, packed, atol=2e-5) and float(plain.sum()) > 1


def test_experts_that_take_so_many_tokens_of_a_row():
    """A pack is one row: most of its tokens would go past the experts, of which three short pairs show nothing."""
    config = transformers.SwitchTransformersConfig(
        vocab_size=90, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, num_experts=2, decoder_start_token_id=0
    )
    model = transformers.SwitchTransformersForConditionalGeneration(config).eval()
    model.set_attn_implementation(attention.NAME)
    assert "experts" in runner(model).reason and not runner(model).pairs.packs


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_packed_model_can_be_pickled(made, name):
    one = Made(name, packs=True)
    with torch.no_grad():
        again = pickle.loads(pickle.dumps(one.model))
        assert runner(again).pairs.packs
        assert torch.equal(pack_losses(again, one.pack())[0], pack_losses(one.model, one.pack())[0])


@pytest.mark.parametrize("name", ["bart", "mbart"])
def test_what_answers_for_each_source_token_stays_in_rectangles(made, name):
    """Filling masks by BART: its decoder is fed the source, which `pack_losses` alone knows how to pack."""
    one, plain = made(name, True), made(name)
    with torch.no_grad():
        assert torch.allclose(token_logits(one.model, one.pack()), token_logits(plain.model, one.pack()), atol=1e-5)


def test_a_wrapped_model_is_called_itself(made):
    """As by DistributedDataParallel: what happens in the wrapper's own forward must happen."""
    one, calls = made("t5", True), []

    class Wrapper(torch.nn.Module):
        def __init__(self, module: torch.nn.Module):
            super().__init__()
            self.module = module

        def forward(self, *given: Any, **named: Any) -> Any:
            calls.append(1)
            return self.module(*given, **named)

    with torch.no_grad():
        found = pack_losses(Wrapper(one.model), one.pack())[0]
        assert calls and torch.allclose(found, pack_losses(one.model, one.pack())[0], atol=2e-5)
