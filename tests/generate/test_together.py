"""Texts of different calls written together are those of `write`, whoever joins, leaves or is dropped meanwhile."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from byeori.generate.decoding import Decoding
from byeori.generate.together import Together
from byeori.generate.write import write
from families import Family

CALLS = (
    Decoding(max_new_tokens=9), Decoding(max_new_tokens=3), Decoding(max_new_tokens=9, no_repeat_ngram_size=1),
    Decoding(max_new_tokens=7, do_sample=True, generation_seed=3, num_return_sequences=2), Decoding(max_new_tokens=6, num_beams=3),
    Decoding(max_new_tokens=9, repetition_penalty=1.3), Decoding(max_new_tokens=8, top_k=4, generation_seed=5),
)  # fmt: skip


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "t5", "bart"])
def test_is_what_is_written_alone(name):
    family = Family(name)
    model = family.model("AutoModelForCausalLM" if family.kind == "decoder" else "AutoModelForSeq2SeqLM").eval()
    prompts = [list(range(5 + place, 9 + 2 * place)) for place in range(len(CALLS))]
    expected = [write(model, [prompt], call, pad=0)[0] for prompt, call in zip(prompts, CALLS, strict=True)]
    together = Together(model, family.tokenizer(), nullcontext)
    wishes = [together.wish(prompt, call, {}, {}, scored=False) for prompt, call in zip(prompts, CALLS, strict=True)]
    told: dict[int, list[int]] = {}
    waiting, steps = list(wishes), 0
    while waiting or together.busy:
        if steps % 2 == 0 and waiting:  # one joins every other step, and one that nobody wants
            unwanted = together.wish(prompts[0], Decoding(max_new_tokens=50, min_new_tokens=50), {}, {})
            together.add([waiting.pop(0), unwanted])
        for event in together.step():
            if event.token is not None:
                told.setdefault(id(event.wish), []).append(event.token)
        together.drop([unwanted])
        steps += 1
    assert [[text.ids for text in wish.written] for wish in wishes] == expected
    for wish, call, texts in zip(wishes, CALLS, expected, strict=True):
        if (call.num_beams or 1) == 1:
            end = wish.written[0].end
            assert told[id(wish)] == [*texts[0], *([] if end is None else [end])]
    assert not together.engines and not together._wishes
