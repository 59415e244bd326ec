"""Draws: of the right frequency, a function of seed, text and step alone; what narrows them is transformers' own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare, kstest
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

from byeori.errors import ModelError
from byeori.generate import draws
from byeori.generate.draws import Warps, draw, philox, uniform

MANY = 40_000


def zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.int64)


# Known-answer tests of the paper's authors (Random123, kat_vectors): counter, key, block.
@pytest.mark.parametrize(("counter", "key", "block"), [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
     [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
])  # fmt: skip
def test_the_numbers_are_those_of_the_paper(counter, key, block):
    words = [np.array([high << 32 | low], np.uint64) for low, high in (key, counter[:2], counter[2:])]
    even, odd = philox(*words)
    assert [even[0, 0], odd[0, 0], even[1, 0], odd[1, 0]] == block


def test_numbers_are_uniform_and_know_nothing_of_each_other():
    count = 200
    for axis in range(3):  # neighbouring seeds, texts, steps
        given = np.arange(count * count)
        parts: list[np.ndarray] = [given // count, given % count, zeros(count * count)]
        numbers = uniform(*np.roll(np.array(parts), axis, 0)).reshape(count, count)
        assert kstest(numbers.ravel(), "uniform").pvalue > 1e-3
        assert ((numbers > 0) & (numbers < 1)).all() and len(np.unique(numbers)) == count * count
        for left, right in (
            (numbers[:-1], numbers[1:]), (numbers[:, :-1], numbers[:, 1:]), (numbers[:-1, 1:], numbers[1:, :-1]),
        ):  # fmt: skip
            assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 4 / count
            table = np.histogram2d(left.ravel(), right.ravel(), bins=8, range=[[0, 1], [0, 1]])[0]
            assert chi2_contingency(table).pvalue > 1e-4


def test_the_farthest_numbers_still_find_a_token_that_may_be_drawn():
    banned = -math.inf
    scores = torch.tensor([[banned, 0.0, banned, 1.0, -800.0, banned]], dtype=torch.float32)
    best = scores.amax(1, keepdim=True)
    for bits, token in ((0, 1), (2**52 - 1, 3)):
        share = torch.tensor([[(bits + 0.5) * 2.0**-52]], dtype=torch.float64)
        assert 0 < share < 1
        assert draws._first_above(scores, best, share).tolist() == [token]


def test_scores_of_any_size():
    """An exponential of 5,000 is past float64; scores are taken from the largest on."""
    rows = torch.tensor([[5000.0, 5000.0, -math.inf], [-5000.0, -5000.0, -9000.0]]).repeat(40, 1)
    found = draw(rows, zeros(80), np.arange(80), zeros(80))
    assert all(set(found[at::2].tolist()) == {0, 1} for at in (0, 1))


@pytest.mark.parametrize("along", ["seeds", "texts", "steps"])
@pytest.mark.parametrize("vocabulary", [12, 200])  # two ways of keeping what is left
def test_frequencies(along, vocabulary):
    share = np.array([0.4, 0.0, 0.25, 0.2, 0.1, 0.0, 0.04, 0.01])
    row = torch.full((vocabulary,), -math.inf)
    row[-len(share) :] = torch.from_numpy(share).log().float() + 7.5
    where = {name: np.full(MANY, 3) for name in ("seeds", "texts", "steps")} | {along: np.arange(MANY)}
    found = draw(row.expand(MANY, -1).contiguous(), **where).numpy()
    counts = np.bincount(found, minlength=vocabulary)[-len(share) :]
    assert counts.sum() == MANY and (counts[share == 0] == 0).all()
    assert chisquare(counts[share > 0], MANY * share[share > 0]).pvalue > 1e-3


@pytest.mark.parametrize("left", [1, 2, 40, 500])
def test_the_token_is_the_inverse_of_the_cumulated_softmax(left):
    pick = np.random.default_rng(left)
    count, vocabulary = 300, 500
    scores = torch.from_numpy(pick.normal(0, 4, (count, vocabulary)).astype(np.float32))
    for row in range(count):
        scores[row, pick.permutation(vocabulary)[left - row % min(left, 3) :]] = -math.inf
    where = [pick.integers(0, 2**40, count) for _ in range(3)]
    found = draw(scores, *where)
    cumulated = scores.double().softmax(1).cumsum(1).numpy()
    numbers = uniform(*where)
    expected = [np.searchsorted(line, number, side="right") for line, number in zip(cumulated, numbers, strict=True)]
    assert found.tolist() == expected and found.dtype == torch.int64
    assert scores[torch.arange(count), found].isfinite().all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
def test_a_row_draws_the_same_whatever_its_company(seed, count, narrowed):
    pick = np.random.default_rng(seed)
    vocabulary = 300
    scores = torch.from_numpy(pick.normal(0, 3, (count, vocabulary)).astype(np.float32))
    if narrowed:
        scores[torch.from_numpy(pick.random((count, vocabulary)) < 0.97)] = -math.inf
        scores[:, 5] = 1.0
    seeds, texts, steps = pick.integers(0, 3, (3, count))
    whole = draw(scores, seeds, texts, steps)
    order = pick.permutation(count)
    assert torch.equal(draw(scores[order], seeds[order], texts[order], steps[order]), whole[order])
    alone = [draw(scores[i : i + 1], seeds[i : i + 1], texts[i : i + 1], steps[i : i + 1]) for i in range(count)]
    assert torch.equal(torch.cat(alone), whole)
    wide = torch.cat([scores, torch.zeros(1, vocabulary)])  # a row that has everything left
    more = [np.append(given, 9) for given in (seeds, texts, steps)]
    assert torch.equal(draw(wide, *more)[:-1], whole)


def test_a_large_batch_in_parts(monkeypatch):
    scores = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    where = np.arange(50)
    whole = draw(scores, where, where, where)
    monkeypatch.setattr(draws, "TOGETHER", 120)
    assert torch.equal(draw(scores, where, where, where), whole)


def test_a_seed_is_another_text_and_so_is_a_step():
    scores = torch.zeros(64, 1000)
    same = zeros(64)
    others = [draw(scores, *(np.arange(64) if at == axis else same for at in range(3))) for axis in range(3)]
    assert all(len(set(found.tolist())) > 40 for found in others)
    assert not torch.equal(others[0], others[1]) and not torch.equal(others[1], others[2])
    assert len(set(draw(scores, same, same, same).tolist())) == 1


@pytest.mark.parametrize(("value", "message"), [
    (-math.inf, "text 8, new token 5: every token is banned"),
    (math.nan, "text 8, new token 5: the model's scores are not finite numbers"),
    (math.inf, "text 8, new token 5: the model's scores are not finite numbers"),
])  # fmt: skip
def test_a_row_that_nothing_can_be_drawn_from(value, message):
    scores = torch.zeros(3, 20)
    scores[1] = value
    with pytest.raises(ModelError, match=message):
        draw(scores, zeros(3), np.array([0, 7, 9]), np.array([1, 4, 2]))


def test_no_rows():
    assert draw(torch.zeros(0, 20), zeros(0), zeros(0), zeros(0)).tolist() == []
    assert Warps(GenerationConfig(do_sample=True, top_p=0.5)).apply(torch.zeros(0, 900)).shape == (0, 900)


# what narrows -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def model():
    made = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1, n_positions=16))
    made.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=0)
    return made


def theirs(model, config: GenerationConfig, scores: torch.Tensor) -> torch.Tensor:
    """Row by row, the configuration prepared as `generate` does it."""
    own, _ = model._prepare_generation_config(config)
    model._prepare_special_tokens(own, device="cpu")
    processors = model._get_logits_processor(own, input_ids_seq_length=1, device="cpu", model_kwargs={})
    ids = torch.ones(1, 1, dtype=torch.int64)
    return torch.cat([processors(ids, row[None].clone()) for row in scores])


NARROWS = {
    "temperature": [0.6, 1.7, 2],
    "top_k": [0, 1, 7, 50, 3000],
    "top_p": [0.3, 0.9, 1.0],
    "min_p": [0.02, 0.3],
    "top_h": [0.4],
    "typical_p": [0.5, 0.95],
    "epsilon_cutoff": [0.01],
    "eta_cutoff": [0.05],
}


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in NARROWS.items()}),
    st.sampled_from([30, 900]),
    st.integers(0, 10**6),
)
def test_what_is_left_is_what_transformers_leaves(model, values, vocabulary, seed):
    config = GenerationConfig(do_sample=True, **values)
    pick = np.random.default_rng(seed)
    scores = torch.from_numpy(pick.normal(0, 3, (4, vocabulary)).astype(np.float32))
    scores[0, pick.permutation(vocabulary)[2:]] = -math.inf  # bans have been at it
    before = scores.clone()
    if "temperature" in values:  # theirs takes no whole numbers
        config.temperature = float(config.temperature)
    expected = theirs(model, config, scores)
    if "temperature" in values:
        config.temperature = values["temperature"]
    assert torch.equal(Warps(config).apply(scores), expected)
    assert torch.equal(scores, before)


def test_scores_that_are_equal_stay_together(model):
    scores = torch.zeros(2, 400)
    scores[0, 50:120] = 1.0
    scores[1, 399] = 5.0
    config = GenerationConfig(do_sample=True, top_k=5, min_p=0.1)
    found = Warps(config).apply(scores)
    assert torch.equal(found, theirs(model, config, scores))
    assert found.isfinite().sum(1).tolist() == [70, 1]


def test_nothing_is_narrowed_where_nothing_is_drawn():
    scores = torch.randn(2, 100)
    assert Warps(GenerationConfig(top_k=3, temperature=0.5)).idle
    assert Warps(GenerationConfig(top_k=3, temperature=0.5)).apply(scores) is scores
    assert Warps(GenerationConfig(do_sample=True, top_k=0)).idle
    assert not Warps(GenerationConfig(do_sample=True)).idle  # transformers' own 50


def test_a_value_that_can_t_be_drawn_with():
    config = GenerationConfig(do_sample=True)
    config.temperature = 0.0
    with pytest.raises(ModelError, match="can't draw as it is configured: `temperature`"):
        Warps(config)
