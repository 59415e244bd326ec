"""The door: each text as `model.generate` writes it alone, token for token, by the engine and by `generate` in rectangles."""

from __future__ import annotations

import pytest
import torch

from byeori.errors import ModelError, SettingError
from byeori.generate import write as door
from byeori.generate.decoding import Decoding, own_way
from byeori.generate.write import write
from families import Family, texts

PROMPTS = [texts()[place][: 6 + 5 * place] for place in range(6)]


@pytest.fixture(scope="module")
def gpt2():
    family = Family("gpt2")
    tokenizer = family.tokenizer()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return family.model("AutoModelForCausalLM").eval(), tokenizer


@pytest.fixture(params=["engine", "rectangles"], autouse=True)
def way(request, monkeypatch):
    """All of it both ways: where the engine can't, rectangles must give the same."""
    if request.param == "rectangles":
        monkeypatch.setattr(door, "unfit", lambda config: "it is asked to")
        monkeypatch.setattr(door, "_say", lambda model, reason: None)
    return request.param


def flat(model, tokenizer, asked: Decoding, **more) -> list[list[int]]:
    """New tokens of all texts of all prompts."""
    prompts = [tokenizer(one)["input_ids"] for one in PROMPTS]
    pad = tokenizer.pad_token_id
    return [ids for several in write(model, prompts, asked, pad=pad, tokenizer=tokenizer, **more) for ids in several]


def alone(model, tokenizer, prompt: str, **values) -> list[list[int]]:
    """New tokens up to the end."""
    one = tokenizer(prompt, return_tensors="pt")
    found = model.generate(**{name: one[name] for name in ("input_ids", "attention_mask")}, **values)
    start = 1 if model.config.is_encoder_decoder else one["input_ids"].shape[1]
    end = model.generation_config.eos_token_id
    return [(row[: row.index(end)] if end in row else row) for row in found[:, start:].tolist()]


@pytest.mark.parametrize("asked", [
    {"max_new_tokens": 8},
    {"max_length": 50, "min_length": 40},  # counted with each prompt's own length
    {"max_new_tokens": 6, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 2.0},
    {"max_new_tokens": 12, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
])  # fmt: skip
def test_a_decoder_writes_each_row_as_if_it_were_alone(gpt2, asked):
    model, tokenizer = gpt2
    found = flat(model, tokenizer, Decoding(**asked))
    expected = [
        row for one in PROMPTS for row in alone(model, tokenizer, one, pad_token_id=tokenizer.pad_token_id, **asked)
    ]
    assert found == expected
    assert len({len(row) for row in found}) > 1 or "max_length" not in asked


def test_a_prompt_as_long_as_the_length_that_counts_it(gpt2):
    model, tokenizer = gpt2
    longest = max(len(tokenizer(one)["input_ids"]) for one in PROMPTS)
    with pytest.raises(SettingError, match=f"max_length={longest}: the prompt is {longest} tokens long"):
        flat(model, tokenizer, Decoding(max_length=longest))


def test_the_same_seed_draws_the_same(gpt2):
    model, tokenizer = gpt2
    asked = Decoding(max_new_tokens=9, temperature=1.5, generation_seed=3)
    before = torch.get_rng_state()
    first, second = (flat(model, tokenizer, asked) for _ in range(2))
    other = flat(model, tokenizer, Decoding(max_new_tokens=9, temperature=1.5, generation_seed=4))
    assert first == second != other
    assert torch.equal(before, torch.get_rng_state())  # training's own numbers are not drawn from


def test_a_stop_text_ends_a_row_and_leaves_no_padding(gpt2):
    model, tokenizer = gpt2
    whole = flat(model, tokenizer, Decoding(max_new_tokens=20))
    stop = next(piece for one in whole[0][2:] if (piece := tokenizer.decode([one])).isascii() and len(piece) > 1)
    asked = Decoding(max_new_tokens=20, stop=stop)
    found = flat(model, tokenizer, asked)
    assert stop in tokenizer.decode(found[0]) and len(found[0]) < len(whole[0])
    assert [row == whole[place][: len(row)] for place, row in enumerate(found)] == [True] * len(PROMPTS)


def test_the_models_own_settings_come_back(gpt2):
    model, tokenizer = gpt2
    before = model.generation_config
    flat(model, tokenizer, Decoding(max_new_tokens=3, num_beams=2))
    assert model.generation_config is before and before.num_beams is None


@pytest.mark.filterwarnings("ignore:Unfeasible length")
def test_the_way_of_a_task_is_a_default(gpt2):
    """What a checkpoint's task_specific_params say: as if its generation_config said it, until a call does."""
    model, tokenizer = gpt2
    own = model.generation_config
    said = {"num_beams": 3, "min_length": 60, "max_length": 70, "no_repeat_ngram_size": 2, "prefix": "summarize: "}
    for asked in ({}, {"max_new_tokens": 5}, {"num_beams": 1, "min_new_tokens": 0, "max_new_tokens": 9}):
        with own_way(model, said):
            found = flat(model, tokenizer, Decoding(**asked))
        assert model.generation_config is own
        values = {name: value for name, value in said.items() if name != "prefix"}
        for new, old in (("max_new_tokens", "max_length"), ("min_new_tokens", "min_length")):
            if new in asked:
                values.pop(old)
        values |= asked
        assert found == [
            row
            for one in PROMPTS
            for row in alone(model, tokenizer, one, pad_token_id=tokenizer.pad_token_id, **values)
        ]
    with own_way(model, {"max_length": 60}):  # the closer one of two names of a length
        assert model.generation_config.max_new_tokens is None and model.generation_config.max_length == 60
    model.generation_config.max_new_tokens = 9
    try:
        with own_way(model, {"max_length": 60}):
            assert model.generation_config.max_new_tokens is None
    finally:
        model.generation_config.max_new_tokens = None


@pytest.mark.parametrize("name", ["gpt2", "t5", "bart"])
def test_with_its_ends_a_row_is_what_the_model_gives_alone(name):
    family = Family(name)
    seq2seq = family.kind == "seq2seq"
    model = family.model("AutoModelForSeq2SeqLM" if seq2seq else "AutoModelForCausalLM").eval()
    tokenizer = family.tokenizer()
    asked = {"max_new_tokens": 8, "num_beams": 1}
    pad = tokenizer.pad_token_id
    # Something that is written shall end a row.
    new = flat(model, tokenizer, Decoding(**asked))
    model.generation_config.eos_token_id = end = new[0][3]
    found = flat(model, tokenizer, Decoding(**asked), ends=True)
    for prompt, row in zip(PROMPTS, found, strict=True):
        one = tokenizer(prompt, return_tensors="pt")
        (right,) = model.generate(
            **{key: one[key] for key in ("input_ids", "attention_mask")}, **asked, pad_token_id=pad
        ).tolist()
        assert row == (right if seq2seq else right[one["input_ids"].shape[1] :])
    assert any(row[-1] == end for row in found)


def test_a_model_that_cannot_begin():
    family = Family("t5")
    model, tokenizer = family.model("AutoModelForSeq2SeqLM").eval(), family.tokenizer()
    model.generation_config.decoder_start_token_id = model.generation_config.bos_token_id = None
    with pytest.raises(ModelError, match="T5ForConditionalGeneration can't generate as it is configured"):
        flat(model, tokenizer, Decoding(max_new_tokens=3))
