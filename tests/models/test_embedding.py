"""The compact embedding: the same training as the whole one, an ordinary model wherever anybody looks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from byeori.models import embedding
from byeori.models.embedding import CompactEmbedding, full_weights, restore, use_rows, used_ids
from byeori.text.store import Encoded, TokenStore
from families import Family

TOLERANCE = 1e-6
RATE = 1e-2


@pytest.fixture
def small(monkeypatch):
    """Tiny models are below the size where a compact embedding is worth it."""
    monkeypatch.setattr(embedding, "SMALLEST", 0)


def model_of(name: str = "bert", seed: int = 0):
    from transformers import AutoModelForSequenceClassification

    family = Family(name)
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_config(family.config(family.tokenizer(), num_labels=3))


def batches(ids: np.ndarray, pad: int, steps: int) -> list[dict[str, torch.Tensor]]:
    """Batches that use some of the ids each, so that AdamW also moves rows without a gradient."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(steps):
        some = torch.tensor(rng.choice(rng.choice(ids, max(2, len(ids) // 3)), (4, 9)))
        mask = torch.ones_like(some)
        mask[0, 5:] = 0
        some[0, 5:] = pad
        found.append({"input_ids": some, "attention_mask": mask, "labels": torch.tensor(rng.integers(0, 3, 4))})
    return found


def train(model, data, decay: float, compact: CompactEmbedding | None = None, look=lambda step: None) -> None:
    """AdamW as the loop runs it: the rate changes from step to step; the compact embedding is told of each."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=decay)
    model.train()
    for step, batch in enumerate(data):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / len(data))
        model(**batch).loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if compact is not None:
            compact.stepped(optimizer.param_groups[0]["lr"] * decay)
        look(step)


def compare(found: nn.Module, expected: nn.Module) -> None:
    states = [{k: v for k, v in m.state_dict().items() if not k.endswith(".active")} for m in (found, expected)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[1].items():
        torch.testing.assert_close(states[0][name], value, atol=TOLERANCE, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


IDS = np.array([0, 2, 3, 7, 8, 30, 31, 99, 400, 699])


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "xlm-roberta"])
def test_training_equals_that_of_the_whole(small, name, decay):
    plain, ours = model_of(name), model_of(name)
    pad = plain.config.pad_token_id
    used = np.union1d(IDS, [pad])
    data = batches(used[used != pad], pad, 12)
    compact = use_rows(ours, used)
    assert isinstance(compact, CompactEmbedding) and ours.get_input_embeddings() is compact
    before = plain.get_input_embeddings().weight.detach().clone()
    train(plain, data, decay)
    train(ours, data, decay, compact)
    compact.write_back()
    compare(ours, plain)
    idle = np.setdiff1d(np.arange(len(before)), used)
    moved = (plain.get_input_embeddings().weight.detach() - before).abs().amax(1)
    assert moved[used].max() > 1e-2 and (float(moved[idle].max()) == 0) is (decay == 0)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_looking_on_the_way_changes_nothing(small, decay):
    """Evaluation, saving and no_grad passes between steps see the weights of that step."""
    plain, ours = model_of(), model_of()
    data = batches(IDS[1:], 0, 8)
    compact = use_rows(ours, IDS)
    states = []
    train(plain, data, decay, look=lambda step: states.append(copy.deepcopy(plain.state_dict())))
    everything = {"input_ids": torch.arange(700)[None, :128]}

    def look(step: int) -> None:
        if step % 3 == 2:
            return
        reference = model_of()
        reference.load_state_dict(states[step])
        reference.eval()
        ours.eval()
        with torch.no_grad():
            torch.testing.assert_close(ours(**everything).logits, reference(**everything).logits, atol=1e-5, rtol=0)
        compare(ours, reference)
        ours.train()

    train(ours, data, decay, compact, look)
    compact.write_back()
    compare(ours, plain)


def test_gradients_are_those_of_the_rows(small):
    plain, ours = model_of(), model_of()
    (batch,) = batches(IDS[1:], 0, 1)
    batch["input_ids"][2, 4] = 0  # a pad token in a text: nn.Embedding gives it no gradient
    compact = use_rows(ours, IDS)
    for model in (plain, ours):
        model.train()
        model(**batch).loss.backward()
    whole = plain.get_input_embeddings().weight.grad
    torch.testing.assert_close(compact.active.grad, whole[IDS], atol=1e-7, rtol=0)
    assert compact.weight.grad is None


def test_only_the_rows_train(small):
    ours = model_of()
    compact = use_rows(ours, IDS)
    trained = {name: p.shape for name, p in ours.named_parameters() if p.requires_grad}
    assert trained["bert.embeddings.word_embeddings.active"] == (len(IDS), 32)
    assert "bert.embeddings.word_embeddings.weight" not in trained
    assert compact.weight.shape == (ours.config.vocab_size, 32)


def test_an_id_outside_the_rows_is_an_error_in_training(small):
    """Never another word's vector."""
    ours = model_of().train()
    use_rows(ours, IDS)
    with pytest.raises(IndexError):
        ours(input_ids=torch.tensor([[2, 5, 3]]))


@pytest.mark.parametrize("trained", [False, True])
def test_saved_while_compact_it_loads_anywhere(small, tmp_path, trained):
    from transformers import AutoModelForSequenceClassification

    plain, ours = model_of(), model_of()
    data = batches(IDS[1:], 0, 4 if trained else 0)
    compact = use_rows(ours, IDS)
    train(plain, data, 0.1)
    train(ours, data, 0.1, compact)
    active = compact.active
    with full_weights(ours):
        ours.save_pretrained(tmp_path)
    assert (
        compact.active is active and compact.active.requires_grad
    )  # the optimizer's parameter is still the same object
    loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    compare(loaded, plain)
    assert type(loaded.get_input_embeddings()) is nn.Embedding


def test_a_plain_model_is_saved_as_it_is(tmp_path):
    model = model_of()
    before = set(model.state_dict())
    with full_weights(model):
        assert set(model.state_dict()) == before


def test_restored_it_is_an_ordinary_embedding(small):
    plain, ours = model_of(), model_of()
    data = batches(IDS[1:], 0, 5)
    compact = use_rows(ours, IDS)
    train(plain, data, 0.1)
    train(ours, data, 0.1, compact)
    restore(ours)
    found = ours.get_input_embeddings()
    assert type(found) is nn.Embedding and found.weight.requires_grad and found.padding_idx == 0
    assert set(ours.state_dict()) == set(plain.state_dict())
    compare(ours, plain)
    ours.train()(input_ids=torch.tensor([[2, 5, 3]])).logits.sum().backward()  # any word again
    assert found.weight.grad[5].abs().sum() > 0
    restore(ours)  # once more: nothing to do
    assert ours.get_input_embeddings() is found


def test_reading_again_after_other_weights_were_loaded(small):
    ours = model_of()
    compact = use_rows(ours, IDS)
    compact.stepped(0.5)
    with torch.no_grad():
        compact.weight.copy_(torch.arange(compact.weight.numel()).view_as(compact.weight))
    compact.read_again()
    expected = compact.weight.detach().clone()
    assert torch.equal(compact.active, expected[IDS])
    compact.write_back()
    assert torch.equal(compact.weight, expected)


def test_where_it_is_not_exact_or_not_worth_it(small, monkeypatch):
    from transformers import BertForMaskedLM

    family = Family("bert")
    tied = BertForMaskedLM(family.config(family.tokenizer()))
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    assert use_rows(tied, IDS) is None and type(tied.get_input_embeddings()) is nn.Embedding

    frozen = model_of()
    frozen.get_input_embeddings().weight.requires_grad_(False)
    assert use_rows(frozen, IDS) is None

    normed = model_of()
    normed.get_input_embeddings().max_norm = 1.0
    assert use_rows(normed, IDS) is None

    own = model_of()
    own.set_input_embeddings(type("Own", (nn.Embedding,), {})(own.config.vocab_size, 32))
    assert use_rows(own, IDS) is None

    most = model_of()
    assert use_rows(most, np.arange(int(0.9 * most.config.vocab_size))) is None
    monkeypatch.undo()
    assert use_rows(model_of(), IDS) is None  # a tiny table


def test_used_ids():
    store = TokenStore.of(Encoded(np.array([5, 9, 5, 2], np.int32), np.array([3, 1]), {}), {})
    assert used_ids(store, 12, pad=1).tolist() == [1, 2, 5, 9]
