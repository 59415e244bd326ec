"""Every family through the engine: greedy, beams and rules give each prompt of a batch what `generate` gives it alone."""

from __future__ import annotations

import pytest
from alone import same
from trained import BAR, FAMILIES, PAD, SEQ2SEQ, WORDS, prompts, trained

from byeori.generate.decoding import Decoding
from byeori.generate.lean import Lean, lean_of
from byeori.generate.write import texts

MOST = 28
# Three ways to search a family: in turn, so that all of a kind of model, and each value of each setting, meet.
BEAMS = (
    {"num_beams": 4, "length_penalty": 0.6, "early_stopping": True},
    {"num_beams": 5, "length_penalty": 2.0, "early_stopping": False, "num_return_sequences": 3},
    {"num_beams": 4, "length_penalty": 1.0, "early_stopping": "never", "num_return_sequences": 4},
    {"num_beams": 5, "length_penalty": 0.0, "early_stopping": True, "num_return_sequences": 3},
    {"num_beams": 5, "length_penalty": 0.6, "early_stopping": "never"},
    {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True, "num_return_sequences": 3},
    {"num_beams": 4, "length_penalty": 0.0, "early_stopping": False},
    {"num_beams": 5, "length_penalty": 1.0, "early_stopping": False, "num_return_sequences": 3},
)
RULES = (
    {"repetition_penalty": 1.4, "min_new_tokens": 6},
    {"no_repeat_ngram_size": 2, "num_beams": 2},
    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "num_beams": 3, "early_stopping": True},
)


def own(name: str) -> dict[str, int]:
    """What a family's checkpoints have in their generation_config: mBART begins with the language it writes."""
    return (
        {"forced_bos_token_id": WORDS - 1} if name == "mbart" else {"forced_eos_token_id": 1} if name == "bart" else {}
    )


def check(name: str, count: int, seed: int = 5, **asked) -> None:
    rows, asked = prompts(name, count, seed), {"max_new_tokens": MOST, **asked}
    found = texts(trained(name), rows, Decoding(**asked), pad=PAD, **own(name))
    same(trained(name), rows, found, **asked, **own(name))


@pytest.mark.parametrize("name", FAMILIES)
def test_runs_in_the_engine(name):
    """An equality says nothing of an engine that leaves the work to `generate`."""
    assert isinstance(lean_of(trained(name)), Lean), lean_of(trained(name))


@pytest.mark.parametrize("name", FAMILIES)
def test_greedy(name):
    check(name, 10)


@pytest.mark.parametrize("number, name", list(enumerate(FAMILIES)))
def test_beams(number, name):
    check(name, 4, seed=number, **BEAMS[number % len(BEAMS)])
    check(name, 2, seed=50 + number, **BEAMS[(number * 3 + 2) % len(BEAMS)])


@pytest.mark.parametrize("number, name", list(enumerate(FAMILIES)))
def test_rules(number, name):
    check(name, 3, seed=100 + number, **RULES[number % len(RULES)])


@pytest.mark.parametrize("name", ["gemma2", "gemma3_text", "qwen2", "bart"])
def test_longer_than_the_window(name):
    """Prompts and texts of several windows' length, where a model has one; the end never comes."""
    model = trained(name)
    window = getattr(model.config, "sliding_window", None) or 6
    rows = prompts(name, 3, seed=9)
    asked = {"max_new_tokens": 40, "min_new_tokens": 40}
    assert max(map(len, rows)) > 5 * window
    same(model, rows, texts(model, rows, Decoding(**asked), pad=PAD), **asked)


@pytest.mark.parametrize("name", ["t5", "gpt2", "llama"])
def test_one_by_one_and_all_together(name):
    rows = prompts(name, 10)
    together = texts(trained(name), rows, Decoding(max_new_tokens=MOST), pad=PAD)
    for row, found in zip(rows, together, strict=True):
        assert texts(trained(name), [row], Decoding(max_new_tokens=MOST), pad=PAD) == [found]


def test_the_same_prompt_many_times():
    row = prompts("marian", 4)[2]
    found = texts(trained("marian"), [row] * 9, Decoding(max_new_tokens=MOST, num_beams=4), pad=PAD)
    same(trained("marian"), [row] * 9, found, max_new_tokens=MOST, num_beams=4)
    assert len({tuple(one.ids) for (one,) in found}) == 1


@pytest.mark.parametrize("name", ["t5", "led", "gpt2", "gemma3_text"])
def test_prompts_of_one_token(name):
    rows = [[BAR]] if name not in SEQ2SEQ else [[WORDS - 2], [9]]
    rows += prompts(name, 3)
    same(trained(name), rows, texts(trained(name), rows, Decoding(max_new_tokens=9), pad=PAD), max_new_tokens=9)
