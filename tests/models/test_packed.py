"""Packed = padded = each sequence alone, in logits and gradients, for every family; rectangles where it can't be.

The reference is always a second model, as transformers loads it, with transformers' own attention.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from byeori.batches import budget
from byeori.batches.pack import Pack, build
from byeori.models import attention
from byeori.models.load import load_model, uses_token_types
from byeori.models.packed import Runner, pooled_logits, runner
from byeori.tasks import TextClassification
from byeori.text.encode import Encoder
from byeori.text.store import Encoded, TokenStore
from families import NAMES, PACKED, RECTANGLES
from gradients import compare_gradients, gradients

ATOL = 1e-5
LABELS = ["a", "b", "c"]
POOLINGS = [(name, {}) for name in PACKED] + [
    ("modernbert", {"classifier_pooling": "mean"}),
    ("modernbert", {"num_hidden_layers": 2, "local_attention": 4}),  # the last layer is a local one
    ("electra", {"embedding_size": 32}),
    ("albert", {"num_hidden_groups": 2}),
    ("bert", {"num_hidden_layers": 1}),
]
IDS = ["-".join([name, *(f"{k}={v}" for k, v in more.items())]) for name, more in POOLINGS]
COSTS = {"no padding": 0.0, "usual": budget.GROUP["packed"], "one rectangle": 1e9}


@pytest.fixture(scope="module")
def models(tiny):
    """`models(name, **config)` → (ours as loaded, plain as transformers has it, a store of texts, the folder)."""
    made = {}

    def make(name: str, **config):
        key = (name, *sorted(config.items()))
        if key not in made:
            from transformers import AutoModelForSequenceClassification

            folder = tiny(name, labels=tuple(LABELS), **config)
            loaded = load_model(str(folder), TextClassification(labels=LABELS))
            assert not loaded.new_weights
            plain = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
            made[key] = (loaded.model.eval(), plain.eval(), store_for(loaded), folder)
        return made[key]

    return make


def store_for(loaded) -> TokenStore:
    """Thirteen texts and pairs, many lengths twice, from 1 to 60 tokens and more."""
    from families import texts

    encoder = Encoder(loaded.tokenizer, 64, token_types=uses_token_types(loaded.model, loaded.tokenizer))
    firsts = [texts()[i] for i in range(8)] + [texts()[0], texts()[1], "가", "a", "b"]
    seconds = [texts()[20 + i] if i % 2 else None for i in range(8)] + [None, texts()[21], None, "b", "a"]
    return TokenStore.of(encoder(firsts, seconds), encoder.levels, encoder.pad)


def alone(model, store: TokenStore, rows, **inputs) -> torch.Tensor:
    """Logits of each row run by itself."""
    found = []
    for row in rows:
        ids = {name: torch.tensor([values]) for name, values in store[row].items()}
        found.append(model(**ids, attention_mask=torch.ones_like(ids["input_ids"])).logits)
    return torch.cat(found)


def check_spread(logits: torch.Tensor) -> None:
    """That the reference tells sequences apart at all; else agreement says nothing."""
    assert logits.std(0).min() > 1e-2


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("name", "config"), POOLINGS, ids=IDS)
@torch.no_grad()
def test_packed_logits_are_those_of_each_sequence_alone(models, name, config, cost):
    ours, plain, store, _ = models(name, **config)
    assert runner(ours).packs and runner(ours).reason == ""
    assert ours.config._attn_implementation == attention.NAME
    pack = build(store, np.arange(len(store)), group_cost=COSTS[cost])
    expected = alone(plain, store, pack.rows)
    check_spread(expected)
    padded = plain(**pack.padded()).logits
    packed = pooled_logits(ours, pack)
    assert packed.dtype == torch.float32
    torch.testing.assert_close(padded, expected, atol=ATOL, rtol=0)
    torch.testing.assert_close(packed, expected, atol=ATOL, rtol=0)


@pytest.mark.parametrize("cost", ["usual", "one rectangle"])
@pytest.mark.parametrize(("name", "config"), POOLINGS, ids=IDS)
def test_packed_gradients_are_the_sums_of_each_alone(models, name, config, cost):
    ours, plain, store, _ = models(name, **config)
    pack = build(store, np.arange(len(store)), group_cost=COSTS[cost])
    weights = torch.linspace(-1, 1, len(store) * len(LABELS)).view(len(store), -1)
    expected = gradients(plain, lambda: (alone(plain, store, pack.rows) * weights).sum())
    found = gradients(ours, lambda: (pooled_logits(ours, pack) * weights).sum())
    compare_gradients(found, expected)


@pytest.mark.parametrize("name", PACKED)
@torch.no_grad()
def test_a_plain_batch_is_transformers_own(models, name):
    """A model as we load it is still an ordinary one: a padded batch with its mask gives transformers' numbers."""
    ours, plain, store, _ = models(name)
    padded = build(store, np.arange(len(store))).padded()
    torch.testing.assert_close(ours(**padded).logits, plain(**padded).logits, atol=ATOL, rtol=0)
    hidden = [m.base_model(**padded).last_hidden_state * padded["attention_mask"][..., None] for m in (ours, plain)]
    torch.testing.assert_close(hidden[0], hidden[1], atol=ATOL, rtol=0)


@pytest.mark.parametrize("name", PACKED)
@torch.no_grad()
def test_every_token_is_that_of_its_sequence_alone(models, name):
    """Not only the pooled place: the hidden state of each token, and padding changes none of them."""
    ours, plain, store, _ = models(name)
    pack = build(store, np.arange(len(store)), group_cost=5.0)
    run = runner(ours)
    states: list[torch.Tensor] = []
    hook = ours.base_model.register_forward_hook(lambda module, inputs, output: states.append(output[0]))
    try:
        run.forward(pack, pool=False)
    finally:
        hook.remove()
    assert states[0].shape[:2] == (1, pack.computed)
    for i, row in enumerate(pack.rows):
        ids = {n: torch.tensor([v]) for n, v in store[row].items()}
        expected = plain.base_model(**ids).last_hidden_state[0]
        start = int(pack.layout.starts[i])
        torch.testing.assert_close(states[0][0, start : start + len(expected)], expected, atol=ATOL, rtol=0)


@pytest.mark.parametrize("name", PACKED)
def test_gradient_checkpointing_changes_nothing(models, tiny, name):
    """A recomputed layer finds the boundaries again."""
    _, _, store, folder = models(name)
    ours = load_model(str(folder), TextClassification(labels=LABELS)).model
    if not ours.supports_gradient_checkpointing:
        assert name == "albert"
        return
    pack = build(store, np.arange(len(store)))
    expected = gradients(ours, lambda: pooled_logits(ours, pack).pow(2).sum())
    ours.activation_checkpointing_enable()
    found = gradients(ours, lambda: pooled_logits(ours, pack).pow(2).sum())
    compare_gradients(found, expected)


@pytest.mark.parametrize("name", RECTANGLES)
def test_rectangles_say_so_and_give_the_same(models, name):
    ours, plain, store, folder = models(name)
    run = runner(ours)
    assert not run.packs and run.reason
    notes = load_model(str(folder), TextClassification(labels=LABELS)).notes
    said = [note for note in notes if "rectangles, not packed" in note]
    assert len(said) == 1 and run.reason in said[0] and type(ours).__name__ in said[0]
    assert ours.config._attn_implementation != attention.NAME
    for cost in (0.0, budget.GROUP["rectangles"], 1e9):
        pack = build(store, np.arange(len(store)), group_cost=cost)
        with torch.no_grad():
            expected = alone(plain, store, pack.rows)
            check_spread(expected)
            torch.testing.assert_close(pooled_logits(ours, pack), expected, atol=ATOL, rtol=0)
    compare_gradients(
        gradients(ours, lambda: pooled_logits(ours, pack).pow(2).sum()),
        gradients(plain, lambda: alone(plain, store, pack.rows).pow(2).sum()),
    )


@pytest.mark.parametrize("name", NAMES)
def test_probing_leaves_no_trace(models, name):
    """Neither mode, gradients, random numbers nor weights change."""
    ours, _, _, _ = models(name)
    ours.zero_grad()
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    for mode in (True, False):
        ours.train(mode)
        torch.manual_seed(3)
        state = torch.get_rng_state()
        Runner(ours)
        assert ours.training is mode and torch.equal(torch.get_rng_state(), state)
        assert all(p.grad is None for p in ours.parameters())
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())
    ours.eval()


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("spread", [0.02, 0.25])
def test_every_size_of_vocabulary_packs(name, spread):
    """The probe's own ids must not decide: a pad token among them would shift RoBERTa's positions."""
    from transformers import AutoModelForSequenceClassification

    from families import Family

    family = Family(name)
    tokenizer = family.tokenizer()
    for vocabulary in (8, 15, 29, 50, 700, 30_522):
        config = family.config(tokenizer, vocab_size=vocabulary, initializer_range=spread, num_labels=2)
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention.NAME)
        assert Runner(model).packs, (vocabulary, Runner(model).reason)


@pytest.mark.parametrize("pad", [0, 1, 5])
def test_positions_start_behind_the_pad_id(pad):
    """RoBERTa's table is numbered from pad_token_id + 1 on, whatever that id is."""
    from transformers import AutoModelForSequenceClassification

    from families import Family

    family = Family("roberta")
    config = family.config(family.tokenizer(), pad_token_id=pad)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention.NAME)
    assert Runner(model).packs and Runner(model).first_position == pad + 1


@pytest.mark.parametrize("name", RECTANGLES)
@pytest.mark.parametrize("seed", range(4))
def test_the_probe_is_not_fooled_by_small_weights(name, seed):
    """A fresh head of 0.02 leaves all logits near 0: the probe must still see that the numbers differ."""
    from transformers import AutoModelForSequenceClassification

    from families import Family

    family = Family(name)
    torch.manual_seed(seed)
    config = family.config(family.tokenizer(), initializer_range=0.02, num_labels=2)
    model = AutoModelForSequenceClassification.from_config(config)
    model.config._attn_implementation = attention.NAME
    assert not Runner(model).packs


def test_a_run_that_fails_leaves_the_model_usable(models):
    """After an exception inside a pack, masks are built again and no pack is pooled."""
    ours, plain, store, _ = models("bert")
    pack = build(store, np.arange(len(store)))
    broken = Pack(**{**pack.__dict__, "input_ids": pack.input_ids + 10**6})
    with pytest.raises(IndexError):
        pooled_logits(ours, broken)
    with torch.no_grad():
        padded = pack.padded()
        torch.testing.assert_close(ours(**padded).logits, plain(**padded).logits, atol=ATOL, rtol=0)


def test_a_pack_that_begins_with_the_pad_token_is_not_warned_of(monkeypatch):
    """As a GPT-2 with the end token for padding sees them: no token of a pack is padding."""
    from transformers import modeling_utils

    from families import Family

    said = []
    monkeypatch.setattr(modeling_utils.logger, "warning_once", said.append)
    model = Family("gpt2").model("AutoModelForCausalLM", attn_implementation=attention.NAME).eval()
    model.config.pad_token_id = 3
    with torch.no_grad():
        model(input_ids=torch.tensor([[3, 5, 6]]))  # as transformers has it
    assert "attention_mask" in said.pop()
    encoded = Encoded(np.array([3, 5, 6, 3], np.int32), np.array([2, 2]), {})
    pack = build(TokenStore.of(encoded, {}, {"input_ids": 3}), np.arange(2), group_cost=4.0)
    with torch.no_grad():
        runner(model).forward(pack, pool=False)
    assert runner(model).packs and not said
