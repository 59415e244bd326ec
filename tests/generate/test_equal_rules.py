"""What is forced, banned and made rarer: greedy and with beams, each prompt as `generate` writes it alone."""

from __future__ import annotations

import pytest
from alone import alone, same
from trained import PAD, UNSEEN, prompts, trained

from byeori.generate.decoding import Decoding
from byeori.generate.write import texts
from families import Family

MOST = 26
BEAMS = {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.6}
RULES = {  # of a call
    "rarer": {"repetition_penalty": 1.5},
    "likelier": {"repetition_penalty": 0.7},
    "no word twice": {"no_repeat_ngram_size": 1},
    "no pair twice": {"no_repeat_ngram_size": 2, "min_new_tokens": 14},
    "no three twice": {"no_repeat_ngram_size": 3, "min_new_tokens": 20},
    "no pair of the source": {"encoder_no_repeat_ngram_size": 2},
    "no word of the source": {"encoder_no_repeat_ngram_size": 1},
    "long": {"min_new_tokens": 15},
    "short": {"max_new_tokens": 4},
    "so long": {"min_new_tokens": 9, "max_new_tokens": 9},
    "several": {
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "encoder_no_repeat_ngram_size": 3,
        "min_new_tokens": 8,
    },
}
FORCED = {  # of a checkpoint
    "last word": {"forced_eos_token_id": 9},
    "last words": {"forced_eos_token_id": [1, 9]},
    "end": {"forced_eos_token_id": 1, "suppress_tokens": [13, 14]},
    "never": {"suppress_tokens": [*range(10, 36, 3), UNSEEN]},
    "not at first": {"begin_suppress_tokens": [1, *range(8, 20)]},
    "bad words": {"bad_words_ids": [[12], [9, 11], [14, 15, 16], [30]]},
    "ends": {"eos_token_id": [1, *range(30, 36), 22]},
    "another end": {"eos_token_id": 25},
    "decaying": {"exponential_decay_length_penalty": (3, 1.3)},
    "of the source": {"encoder_repetition_penalty": 1.6},
}


def spread(name: str, seed: int) -> list[list[int]]:
    """Every second of ten prompts by the length of their texts, so that each rule has something to change."""
    ordered = sorted(prompts(name, 10, seed=seed), key=lambda row: len(plain(name, [row])[0]))
    return ordered[1::2]


def plain(name: str, rows: list[list[int]]) -> list[tuple[int, ...]]:
    return [alone(trained(name), row, max_new_tokens=MOST)[0].ids for row in rows]


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("rule", RULES)
def test_rules_of_a_call(name, rule):
    rows, asked = spread(name, 70), {"max_new_tokens": MOST, **RULES[rule]}
    greedy = texts(trained(name), rows, Decoding(**asked), pad=PAD)
    same(trained(name), rows, greedy, **asked)
    assert [tuple(one.ids) for (one,) in greedy] != plain(name, rows)
    same(trained(name), rows, texts(trained(name), rows, Decoding(**asked, **BEAMS), pad=PAD), **asked, **BEAMS)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("rule", FORCED)
def test_rules_of_a_checkpoint(name, rule):
    rows, forced = spread(name, 71), FORCED[rule]
    most = 7 if "forced_eos_token_id" in forced else MOST
    greedy = texts(trained(name), rows, Decoding(max_new_tokens=most), pad=PAD, **forced)
    same(trained(name), rows, greedy, max_new_tokens=most, **forced)
    assert [tuple(one.ids) for (one,) in greedy] != plain(name, rows)
    found = texts(trained(name), rows, Decoding(max_new_tokens=most, **BEAMS), pad=PAD, **forced)
    same(trained(name), rows, found, max_new_tokens=most, **BEAMS, **forced)


@pytest.mark.parametrize("name", ["t5", "mbart"])
@pytest.mark.parametrize("asked", [{}, BEAMS], ids=["greedy", "beams"])
def test_the_first_token_is_forced(name, asked):
    rows, forced = prompts(name, 3, seed=72), {"forced_bos_token_id": 33, "begin_suppress_tokens": [34, 35, 36]}
    found = texts(trained(name), rows, Decoding(max_new_tokens=MOST, **asked), pad=PAD, **forced)
    same(trained(name), rows, found, max_new_tokens=MOST, **asked, **forced)
    assert {one.ids[0] for several in found for one in several} == {33}


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_another_start(name):
    """A start token other than the one it was trained with, as of a language."""
    rows, forced = prompts(name, 3, seed=73), {"decoder_start_token_id": 20}
    same(
        trained(name), rows, texts(trained(name), rows, Decoding(max_new_tokens=MOST), pad=PAD, **forced),
        max_new_tokens=MOST, **forced,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("asked", [{}, BEAMS], ids=["greedy", "beams"])
def test_lengths_that_count_the_prompt(name, asked):
    """Prompts of 1 to 40 tokens in one batch, each with what its own length leaves it."""
    rows = prompts(name, 8, seed=74)
    lengths = {"max_length": 45, "min_length": 43} if name == "gpt2" else {"max_length": 12, "min_length": 9}
    found = texts(trained(name), rows, Decoding(**lengths, **asked), pad=PAD)
    same(trained(name), rows, found, **lengths, **asked)
    if name == "gpt2":
        assert len({len(one.ids) for several in found for one in several}) >= 8


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("asked", [{}, BEAMS], ids=["greedy", "beams"])
def test_rules_that_a_checkpoint_says(name, asked):
    """What stands in generation_config needs nobody who asks."""
    model, rows = trained(name), prompts(name, 3, seed=75)
    before = model.generation_config
    model.generation_config = type(before)(**{
        **before.to_diff_dict(), "no_repeat_ngram_size": 1, "min_new_tokens": 7, "max_new_tokens": 15, "eos_token_id": [1, 31],
        "suppress_tokens": [17, 18],
    })  # fmt: skip
    try:
        found = texts(model, rows, Decoding(**asked), pad=PAD)
        same(model, rows, found, **asked)
        assert all(7 <= len(one.ids) <= 15 for several in found for one in several)
    finally:
        model.generation_config = before


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@pytest.mark.parametrize("asked", [{}, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("stops", [1, 2, (0, 2)])
def test_stop_texts(name, asked, stops):
    """Taken from what is written, so that they are met: within a token's text, across two tokens, or one of two."""
    tokenizer, model, rows = Family("gpt2").tokenizer(), trained(name), prompts(name, 4, seed=76)
    written = tokenizer.decode(max(plain(name, rows), key=len))
    if isinstance(stops, int):
        stop: str | list[str] = written[2 : 2 + stops]
    else:
        stop = [written[place : place + 1] for place in stops]
    found = texts(model, rows, Decoding(max_new_tokens=MOST, stop=stop, **asked), pad=PAD, tokenizer=tokenizer)
    same(model, rows, found, max_new_tokens=MOST, stop_strings=stop, tokenizer=tokenizer, **asked)
    parts = [stop] if isinstance(stop, str) else stop
    assert any(tokenizer.decode(one.ids).endswith(part) for several in found for one in several for part in parts)
