"""Beam search: beams, length penalties, early stopping and n-best lists, each prompt as `generate` searches it alone."""

from __future__ import annotations

import itertools

import pytest
from alone import alone, log_probabilities, same
from trained import PAD, UNSEEN, prompts, trained

from byeori.generate.decoding import Decoding
from byeori.generate.write import texts, write

MOST = 28
GRID = list(itertools.product((4, 5), (0.0, 0.6, 1.0, 2.0), (True, False, "never")))


@pytest.mark.parametrize("number, beams, penalty, early", [(at, *one) for at, one in enumerate(GRID)])
@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_grid(name, number, beams, penalty, early):
    """The whole grid; each point on three of 24 prompts of its own, and the best text alone as well as the best three."""
    rows = prompts(name, 24, seed=60)
    rows = [rows[(3 * number + place) % len(rows)] for place in range(3)]
    asked = {"max_new_tokens": MOST, "num_beams": beams, "length_penalty": penalty, "early_stopping": early}
    found = texts(trained(name), rows, Decoding(**asked, num_return_sequences=3), pad=PAD)
    same(trained(name), rows, found, **asked, num_return_sequences=3)
    single = texts(trained(name), rows, Decoding(**asked), pad=PAD)
    assert [[one.ids for one in several] for several in single] == [[several[0].ids] for several in found]


def test_the_grid_says_something():
    """Its points part: by each of its settings some text becomes another."""
    rows = prompts("t5", 24, seed=60)

    def written(**asked) -> list[tuple[int, ...]]:
        found = texts(trained("t5"), rows, Decoding(max_new_tokens=MOST, num_return_sequences=4, **asked), pad=PAD)
        return [tuple(one.ids) for several in found for one in several]

    usual = {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False}
    for other in ({"num_beams": 5}, {"length_penalty": 0.0}, {"length_penalty": 2.0}, {"early_stopping": True}):
        assert written(**{**usual, **other}) != written(**usual), other


@pytest.mark.parametrize("asked", [
    {"num_beams": 4, "length_penalty": -1.0},  # shorter ones are better still
    {"num_beams": 4, "length_penalty": -0.5, "early_stopping": "never"},
    {"num_beams": 2, "num_return_sequences": 2, "max_new_tokens": 1},
    {"num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 3},  # hardly any ends by itself
    {"num_beams": 12, "num_return_sequences": 12, "max_new_tokens": 9},
    {"num_beams": 36, "max_new_tokens": 6, "num_return_sequences": 20},  # nearly as many as there are words
    {"num_beams": 4, "min_new_tokens": 12, "length_penalty": 2.0},
    {"num_beams": 4, "min_new_tokens": 20, "max_new_tokens": 20},
])  # fmt: skip
@pytest.mark.parametrize("name", ["bart", "llama"])
def test_at_the_edges(name, asked):
    rows, asked = prompts(name, 3, seed=61), {"max_new_tokens": MOST, **asked}
    same(trained(name), rows, texts(trained(name), rows, Decoding(**asked), pad=PAD), **asked)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_several_tokens_end_a_text(name):
    """More candidates a step: three for two end tokens and four for three."""
    rows = prompts(name, 4, seed=62)
    for ends in ([1, 30], [20, 1, 33]):
        asked = {"max_new_tokens": MOST, "num_beams": 4, "num_return_sequences": 4}
        found = texts(trained(name), rows, Decoding(**asked), pad=PAD, eos_token_id=ends)
        same(trained(name), rows, found, **asked, eos_token_id=ends)
    assert len({one.end for several in found for one in several} - {None}) > 1


@pytest.mark.parametrize("name", ["marian", "gemma"])
def test_scores_by_one_forward_pass(name):
    """A score is the sum of the log-probabilities that the model gives the text, over its length to the power of the penalty."""
    rows = prompts(name, 4, seed=63)
    asked = Decoding(max_new_tokens=MOST, num_beams=5, length_penalty=0.6, num_return_sequences=5)
    for prompt, several in zip(rows, texts(trained(name), rows, asked, pad=PAD), strict=True):
        scores = [one.score for one in several]
        assert scores == sorted(scores, reverse=True) and len({tuple(one.ids) for one in several}) == 5
        for one in several:
            new = [*one.ids, *([] if one.end is None else [one.end])]
            right = float(log_probabilities(trained(name), prompt, new).sum()) / len(new) ** 0.6
            assert one.score == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_an_end_that_never_comes(name):
    """An end token the model never learnt, and none at all: all texts are as long as they may be."""
    rows = prompts(name, 2, seed=64)
    for end in (UNSEEN, None):
        for asked in ({"max_new_tokens": 30}, {"max_new_tokens": 30, "num_beams": 4, "num_return_sequences": 2}):
            found = texts(trained(name), rows, Decoding(**asked), pad=PAD, eos_token_id=end)
            same(trained(name), rows, found, **asked, eos_token_id=end)
            assert all(len(one.ids) == 30 and one.end is None for several in found for one in several)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_as_ids_with_start_and_end(name):
    """`write(ends=True)`: what `generate` returns, but for the prompt and padding."""
    rows, model = prompts(name, 4, seed=65), trained(name)
    start = [PAD] if model.config.is_encoder_decoder else []
    for asked in ({"max_new_tokens": 12}, {"max_new_tokens": 12, "num_beams": 4, "num_return_sequences": 2}):
        found = write(model, rows, Decoding(**asked), pad=PAD, ends=True)
        for prompt, several in zip(rows, found, strict=True):
            right = alone(model, prompt, **asked)
            assert several == [[*start, *one.ids, *([] if one.end is None else [one.end])] for one in right]
        plain = write(model, rows, Decoding(**asked), pad=PAD)
        assert [
            [one[len(start) :][: len(new)] for one, new in zip(a, b, strict=True)]
            for a, b in zip(found, plain, strict=True)
        ] == plain
