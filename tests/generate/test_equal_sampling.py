"""Drawn texts: a function of prompt and seed, whatever else is in the batch, and distributed as the model says."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from trained import PAD, prompts, trained

from byeori.generate.decoding import Decoding
from byeori.generate.write import stream, texts, write

MOST = 24
DRAWS = 1500
UNLIKELY = 1e-4  # seeds are fixed, so that what passes once passes always


def drawn(
    name: str, rows: list[list[int]], seed: int = 3, *, budget: int | None = None, **asked
) -> list[list[list[int]]]:
    settings = Decoding(**{"max_new_tokens": MOST, "do_sample": True, "generation_seed": seed, **asked})
    return write(trained(name), rows, settings, pad=PAD, budget=budget)


@pytest.mark.parametrize(
    "asked", [{}, {"temperature": 1.7}, {"top_p": 0.8, "temperature": 2.0}, {"top_k": 7}, {"min_p": 0.05}]
)
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_one_seed_one_text(name, asked):
    """Alone, in a batch, in another order, beside others, one at a time, and drawn again."""
    rows = prompts(name, 8, seed=90)
    found = drawn(name, rows, **asked)
    assert len({tuple(one) for (one,) in found}) >= 6
    assert [drawn(name, [row], **asked)[0] for row in rows] == found
    assert drawn(name, rows[::-1], **asked)[::-1] == found
    assert drawn(name, [*prompts(name, 9, seed=91), *rows], **asked)[9:] == found
    assert drawn(name, rows, budget=1, **asked) == drawn(name, rows, budget=120_000, **asked) == found


@pytest.mark.parametrize("name", ["bart", "led", "llama", "gemma3_text"])
def test_other_families(name):
    rows = prompts(name, 6, seed=90)
    found = drawn(name, rows, temperature=1.3)
    assert [drawn(name, [row], temperature=1.3)[0] for row in rows] == found


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_other_seeds_other_texts(name):
    (row,) = prompts(name, 3, seed=92)[:1]
    several = [tuple(drawn(name, [row], seed, temperature=1.5)[0][0]) for seed in range(30)]
    assert len(set(several)) >= 20
    large = [tuple(drawn(name, [row], seed, temperature=1.5)[0][0]) for seed in (2**31, 2**32, 2**61, 2**61 + 1)]
    assert len({*large, several[0]}) == 5  # no bit of a seed is lost


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_several_texts_of_a_prompt(name):
    """They differ among themselves; the first of them is the one that comes alone, and more of them change none."""
    rows = prompts(name, 6, seed=93)
    single, three, ten = (drawn(name, rows, temperature=1.5, num_return_sequences=count) for count in (1, 3, 10))
    assert all(len(several) == 10 for several in ten)
    assert [several[:1] for several in ten] == single and [several[:3] for several in ten] == three
    assert sum(len({tuple(one) for one in several}) for several in ten) > 48
    assert drawn(name, rows, temperature=1.5, num_return_sequences=10, budget=120_000) == ten
    assert [drawn(name, [row], temperature=1.5, num_return_sequences=10)[0] for row in rows] == ten


def test_no_seed_draws_anew_and_leaves_training_its_own():
    """Without a seed torch's generator says which; with one it isn't touched."""
    rows = prompts("gpt2", 4, seed=94)
    asked = Decoding(max_new_tokens=MOST, temperature=1.5)
    first, second = (write(trained("gpt2"), rows, asked, pad=PAD) for _ in range(2))
    assert first != second
    torch.manual_seed(4)
    again = write(trained("gpt2"), rows, asked, pad=PAD)
    torch.manual_seed(4)
    assert write(trained("gpt2"), rows, asked, pad=PAD) == again
    alike = write(trained("gpt2"), rows[:1] * 8, asked, pad=PAD)
    assert len({tuple(one) for (one,) in alike}) > 4  # nobody asked for the same text eight times
    before = torch.get_rng_state()
    drawn("gpt2", rows)
    assert torch.equal(before, torch.get_rng_state())


def test_a_stream_is_the_same_text():
    row = prompts("gpt2", 3, seed=95)[1]
    asked = Decoding(max_new_tokens=MOST, temperature=1.5, generation_seed=8)
    assert list(stream(trained("gpt2"), row, asked, pad=PAD)) == write(trained("gpt2"), [row], asked, pad=PAD)[0][0]


# distributions ---------------------------------------------------------------------------------------------------
def shares(name: str, prompt: list[int], begun: list[int], **asked) -> torch.Tensor:
    """What transformers would draw the next token from: float64 (vocabulary,)."""
    model = trained(name)
    seq2seq = model.config.is_encoder_decoder
    ids = torch.tensor([prompt if seq2seq else [*prompt, *begun]])
    more = {"decoder_input_ids": torch.tensor([[model.config.decoder_start_token_id, *begun]])} if seq2seq else {}
    made = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), **more, max_new_tokens=1, do_sample=True, output_scores=True,
        return_dict_in_generate=True, **asked,
    )  # fmt: skip
    return made.scores[0][0].double().softmax(-1)


def open_prompt(name: str) -> list[int]:
    """One after which much may come."""
    return max(
        prompts(name, 12, seed=96), key=lambda row: float(torch.special.entr(shares(name, row, [], top_k=0)).sum())
    )


def agree(tokens: list[int], expected: torch.Tensor) -> None:
    """Pearson's test; rare tokens as one; none that can't be drawn."""
    counts = torch.bincount(torch.tensor(tokens), minlength=len(expected)).double()
    assert not counts[expected == 0].any()
    expected = expected * len(tokens)
    often = expected >= 5
    pairs = [(counts[often], expected[often])]
    if float(expected[~often].sum()) >= 5:
        pairs.append((counts[~often].sum()[None], expected[~often].sum()[None]))
    seen, right = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert len(seen) >= 3
    assert chisquare(seen, right * seen.sum() / right.sum()).pvalue > UNLIKELY


def firsts(name: str, row: list[int], length: int, **asked) -> list[list[int]]:
    """The first tokens of many texts of one prompt, ends included."""
    settings = Decoding(max_new_tokens=length, do_sample=True, generation_seed=6, num_return_sequences=DRAWS, **asked)
    (several,) = texts(trained(name), [row], settings, pad=PAD)
    return [[*one.ids, *([] if one.end is None else [one.end])] for one in several]


@pytest.mark.parametrize("asked", [
    {"top_k": 0}, {"temperature": 2.0, "top_k": 0}, {"temperature": 0.6, "top_k": 0}, {"top_k": 5}, {"top_k": 0, "top_p": 0.7},
    {"top_k": 0, "min_p": 0.2, "temperature": 1.5}, {"top_k": 12, "top_p": 0.9, "temperature": 1.4},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_first_tokens_are_distributed_as_the_model_says(name, asked):
    row = open_prompt(name)
    agree([one[0] for one in firsts(name, row, 1, **asked)], shares(name, row, [], **asked))


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_so_are_second_tokens_given_the_first(name):
    """No two draws of a text share their number."""
    row = open_prompt(name)
    found = [one for one in firsts(name, row, 2, top_k=0) if len(one) == 2]
    for first, count in Counter(one[0] for one in found).most_common(2):
        assert count > 60
        agree([one[1] for one in found if one[0] == first], shares(name, row, [first], top_k=0))


def test_and_over_seeds():
    """One text for each of many seeds, as people ask for it."""
    row = open_prompt("gpt2")
    tokens = []
    for seed in range(250):
        (one,) = texts(
            trained("gpt2"), [row], Decoding(max_new_tokens=1, do_sample=True, top_k=0, generation_seed=seed), pad=PAD
        )[0]
        tokens.append(one.ids[0] if one.ids else one.end)
    agree(tokens, shares("gpt2", row, [], top_k=0))
