"""A text piece by piece: joined it is what a call gives, and its pieces come while it is being written."""

from __future__ import annotations

import pytest

import byeori
from byeori.errors import SettingError
from byeori.generate.continuous import Continuous
from byeori.predict.streaming import HALF
from families import Family

PROMPT = "오늘은 날씨가 the best 좋다"


def pipe(name: str) -> byeori.Pipeline:
    family = Family(name)
    seq2seq = family.kind == "seq2seq"
    model = family.model("AutoModelForSeq2SeqLM" if seq2seq else "AutoModelForCausalLM").eval()
    return byeori.pipeline(
        "text2text-generation" if seq2seq else "text-generation", model, tokenizer=family.tokenizer()
    )


@pytest.mark.parametrize("name", ["gpt2", "llama", "bart"])
@pytest.mark.parametrize("asked", [{}, {"num_beams": 3}, {"temperature": 1.3, "generation_seed": 4}])
def test_pieces_make_the_text_of_a_call(name, asked):
    generator = pipe(name)
    (whole,) = generator(PROMPT, max_new_tokens=12, **asked)
    pieces = list(generator.stream(PROMPT, max_new_tokens=12, **asked))
    said = whole["generated_text"]
    assert "".join(pieces) == (said if name == "bart" else said.removeprefix(PROMPT)) != ""
    assert len(pieces) > 1 or "num_beams" in asked or set(said) == {HALF}


def test_the_first_piece_comes_before_the_rest_is_written(monkeypatch):
    generator, steps = pipe("llama"), []
    step = Continuous.step
    monkeypatch.setattr(Continuous, "step", lambda self: (steps.append(1), step(self))[1])
    pieces = generator.stream(PROMPT, max_new_tokens=30)
    next(pieces)
    assert len(steps) < 5
    list(pieces)
    assert len(steps) == 30


def test_what_cannot_be_streamed():
    generator = pipe("gpt2")
    for given, asked, said in (
        ([PROMPT, PROMPT], {}, "a list of inputs can't be streamed"),
        (PROMPT, {"num_return_sequences": 2, "do_sample": True}, "num_return_sequences=2: one text can be streamed"),
    ):
        with pytest.raises(SettingError, match=said):
            generator.stream(given, **asked)
    family = Family("bert")
    model = family.model("AutoModelForMaskedLM").eval()
    with pytest.raises(SettingError, match="fill-mask writes no text"):
        byeori.pipeline("fill-mask", model, tokenizer=family.tokenizer()).stream("a")
