"""The models that equalities stand on write texts that differ, and the comparison tells a tie from a mistake."""

from __future__ import annotations

import copy

import pytest
import torch
from alone import Hypothesis, alone, log_probabilities, same
from trained import END, FAMILIES, SEQ2SEQ, WORDS, prompts, trained

from byeori.generate.write import Text

MOST = {"max_new_tokens": 28}
SHORT = {"max_new_tokens": 6}


@pytest.mark.parametrize("name", FAMILIES)
def test_texts_differ_and_end_by_themselves(name):
    found = [alone(trained(name), prompt, **MOST)[0] for prompt in prompts(name, 10)]
    ended = [one for one in found if one.end == END]
    assert len({one.ids for one in found}) >= 8
    assert len({len(one.ids) for one in ended}) >= 5
    assert len(ended) > len(found) / 2


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_the_source_is_read(name):
    """A text is more than what its own beginning says: most of its words are in the source, where few of all words are."""
    model, inside, words, kinds = trained(name), 0, 0, 0
    for prompt in prompts(name, 10):
        ids = alone(model, prompt, **MOST)[0].ids
        inside, words = inside + len(set(ids) & set(prompt)), words + len(set(ids))
        kinds += len(set(ids)) * len(set(prompt)) / (WORDS - 8)
    assert inside / words > 1.5 * kinds / words


def as_texts(found: list[list[Hypothesis]]) -> list[list[Text]]:
    return [[Text(list(one.ids), one.score, one.end) for one in several] for several in found]


@pytest.mark.parametrize(
    "asked", [SHORT, {**SHORT, "num_beams": 4, "num_return_sequences": 3}], ids=["greedy", "beams"]
)
def test_what_is_the_same_and_what_is_not(asked):
    model, rows = trained("gpt2"), prompts("gpt2", 4)
    right = as_texts([alone(model, row, **asked) for row in rows])
    same(model, rows, right, **asked)
    for spoil in (
        lambda text: text.ids.__setitem__(-1, text.ids[-1] + 1),
        lambda text: text.ids.pop(),
        lambda text: setattr(text, "end", None if text.end == END else END),
        *([lambda text: setattr(text, "score", text.score + 3e-4)] if "num_beams" in asked else []),
    ):  # fmt: skip
        wrong = copy.deepcopy(right)
        spoil(wrong[3][-1])
        with pytest.raises((AssertionError, pytest.fail.Exception), match="prompt 3"):
            same(model, rows, wrong, **asked)


@pytest.mark.parametrize("asked", [MOST, {**MOST, "num_beams": 4}], ids=["greedy", "beams"])
@pytest.mark.parametrize("apart, tie", [(0.0, True), (1e-6, True), (1e-3, False)])
def test_rivals_that_stand_close(asked, apart, tie):
    """Two words of one weight, the second a little less likely: which of them is written is nobody's mistake."""
    row = prompts("bart", 4)[1]
    first = alone(trained("bart"), row, **asked)[0]
    model = copy.deepcopy(trained("bart"))
    word, other = first.ids[0], next(one for one in range(8, WORDS) if one not in first.ids)
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())  # no longer the embeddings'
        model.lm_head.weight[other] = model.lm_head.weight[word]
        model.final_logits_bias[0, other] = model.final_logits_bias[0, word] - apart
        model.model.decoder.embed_tokens.weight[other] = model.model.decoder.embed_tokens.weight[word]
    (right,) = as_texts([alone(model, row, **asked)])
    swapped = copy.deepcopy(right)
    swapped[0].ids = [{word: other, other: word}.get(one, one) for one in swapped[0].ids]
    assert swapped[0].ids != right[0].ids
    if tie:
        same(model, [row], [swapped], **asked)
    else:
        with pytest.raises(pytest.fail.Exception, match="not written as alone"):
            same(model, [row], [swapped], **asked)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_scores_are_log_probabilities(name):
    """What `sequences_scores` are, said by one forward pass: the reference's own reference."""
    model = trained(name)
    for prompt in prompts(name, 4):
        for one in alone(model, prompt, **MOST, num_beams=4, length_penalty=0.6, num_return_sequences=3):
            new = [*one.ids, *([] if one.end is None else [one.end])]
            assert float(log_probabilities(model, prompt, new).sum()) / len(new) ** 0.6 == pytest.approx(
                one.score, abs=1e-4
            )


def test_no_model_is_written_to():
    """They are shared by all the tests of a session: `trained` gives the same object, which no test leaves changed."""
    for name in ("t5", "gpt2"):
        assert trained(name) is trained(name) and not trained(name).training
        assert not any(one.requires_grad for one in trained(name).parameters())
    assert set(SEQ2SEQ) < set(FAMILIES)
