"""Rows of parts: what is left of one that is too long, the end of a turn, and rows that can't be used."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.data.read import read_rows
from byeori.errors import DataError, RowsError
from byeori.tasks.text_generation import TextGeneration
from byeori.text.blocks import IGNORED, around, token_lists
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.parts import Part, conversation, conversations, encode_parts
from families import Family, texts

PROMPT, COMPLETION = " ".join(texts()[:6]), texts()[2]
TURNS = [{"role": "user", "content": texts()[0]}, {"role": "assistant", "content": texts()[2]}]
OPEN = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"


def learnt(encoded) -> list[int]:
    labels = encoded.columns["labels"]
    return labels[labels != IGNORED].tolist()


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma"])
def test_of_a_prompt_that_fills_the_length_the_end_stays(name):
    """As a call's handle_long_generation=hole reads it: the special tokens before it, its last tokens, all of the completion."""
    tokenizer = Family(name).tokenizer()
    row = [Part(PROMPT, False), Part(COMPLETION, True)]
    whole = encode_parts(tokenizer, [row], 10_000)
    wanted, before = learnt(whole), len(around(tokenizer)[0])
    assert len(whole.input_ids) - len(wanted) > 70 > len(wanted)
    cut = encode_parts(tokenizer, [row], 70)
    ids = whole.input_ids.tolist()
    assert cut.input_ids.tolist() == ids[:before] + ids[before - 70 :]
    assert learnt(cut) == wanted and (cut.truncated, cut.prompts_cut) == (1, 1)
    assert cut.columns["characters"].tolist() == whole.columns["characters"].tolist()


def test_of_a_completion_that_fills_the_length_itself_one_token_of_the_prompt_stays():
    tokenizer = Family("llama").tokenizer()
    whole = encode_parts(tokenizer, [[Part(COMPLETION, False), Part(PROMPT, True)]], 10_000)
    first = len(whole.input_ids) - len(learnt(whole))
    cut = encode_parts(tokenizer, [[Part(COMPLETION, False), Part(PROMPT, True)]], first)
    ids = whole.input_ids.tolist()
    assert cut.input_ids.tolist() == [ids[0], *ids[first - 1 : 2 * first - 2]]  # <s>, a token, what there is room for
    assert learnt(cut) == ids[first : 2 * first - 2]


def test_what_is_cut_elsewhere_is_cut_as_before():
    """A head that holds some of the completion; a tail, which holds its end anyway."""
    tokenizer = Family("gpt2").tokenizer()
    row = [Part(COMPLETION, False), Part(PROMPT, True)]
    ids = encode_parts(tokenizer, [row], 10_000).input_ids.tolist()
    cut = encode_parts(tokenizer, [row], 100)
    assert cut.input_ids.tolist() == ids[:100] and (cut.truncated, cut.prompts_cut) == (1, 0)
    row = [Part(PROMPT, False), Part(COMPLETION, True)]
    ids = encode_parts(tokenizer, [row], 10_000).input_ids.tolist()
    cut = encode_parts(tokenizer, [row], 70, "tail")
    assert cut.input_ids.tolist() == ids[-70:] and (cut.truncated, cut.prompts_cut) == (1, 0)


def test_of_a_long_conversation_the_first_learnt_turn_stays():
    tokenizer = Family("qwen2").tokenizer()
    some = [{**TURNS[0], "content": PROMPT}, TURNS[1], *TURNS]
    cut = encode_parts(tokenizer, [conversation(tokenizer, some)], 70, special=False)
    assert len(cut.input_ids) == 70 and cut.prompts_cut == 1
    assert tokenizer.decode(learnt(cut)) == f"{TURNS[1]['content']}<|im_end|>"


def test_prompts_that_were_cut_are_noted_for_each_part_of_the_data():
    task, encoder = TextGeneration(), Encoder(Family("gpt2").tokenizer(), 70)
    forms = {"roles": TextGeneration.roles, "forms": TextGeneration.forms}
    for prompts in ([PROMPT, "a", PROMPT], ["a", "b", PROMPT]):
        rows = read_rows([{"prompt": prompt, "completion": COMPLETION} for prompt in prompts], **forms)
        encode_rows(rows, task, encoder)
        (note,) = [note for note in rows.notes if "from their left" in note]
        assert note.startswith(f"{prompts.count(PROMPT)} of 3 prompts fill --max-length (70)")


def test_rows_of_which_nothing_can_be_learnt():
    """Some of them do no harm; where there are no others, the first is named."""
    task, encoder = TextGeneration(), Encoder(Family("openai-gpt").tokenizer(), 70)  # it has no end token
    forms = {"roles": TextGeneration.roles, "forms": TextGeneration.forms}
    some = [{"prompt": "a b", "completion": "\u200b"}] * 2
    assert token_lists(encoder.tokenizer, ["\u200b"]) == [[]], "of which the tokenizer makes nothing"
    with pytest.raises(DataError, match=r"^rows, row 1: nothing of it can be learnt, nor of any other row"):
        encode_rows(read_rows(some, **forms), task, encoder)
    store = encode_rows(read_rows([*some, {"prompt": "a b", "completion": "c d"}], **forms), task, encoder)
    assert (np.asarray(store.columns["labels"]) != IGNORED).sum() > 0


# the end of a turn ----------------------------------------------------------------------------------------------------
def test_a_template_without_an_end_token_gets_one():
    task, tokenizer = TextGeneration(), Family("llama").tokenizer()
    tokenizer.chat_template = OPEN
    parts = conversation(tokenizer, [*TURNS, *TURNS])
    encoded = encode_parts(tokenizer, [parts], 10_000, special=False)
    ids = encoded.input_ids.tolist()
    assert encoded.ended == 1 and ids[-1] == tokenizer.eos_token_id == learnt(encoded)[-1]
    assert ids.count(tokenizer.eos_token_id) == 1 and tokenizer.decode(ids[:-1]).rstrip().endswith(TURNS[1]["content"])
    rows = read_rows([{"messages": TURNS}], roles=TextGeneration.roles, forms=TextGeneration.forms)
    encode_rows(rows, task, Encoder(tokenizer, 500))
    assert task.told() == [
        "The chat template writes no end token after the assistant's turn; </s> is added, or the model would not learn to stop."
    ]
    assert task.told() == []


@pytest.mark.parametrize("end", ["</s>", "<|end|>"])
def test_a_template_with_an_end_token_of_any_kind_is_left_as_it_is(end):
    """The tokenizer's own, and one that was added to it."""
    tokenizer = Family("llama").tokenizer()
    tokenizer.add_tokens([end])
    tokenizer.chat_template = OPEN.replace("}}\n", "}}" + end + "\n")
    encoded = encode_parts(tokenizer, [conversation(tokenizer, TURNS)], 10_000, special=False)
    assert encoded.ended == 0 and encoded.input_ids[-1] == tokenizer.convert_tokens_to_ids(end)


# conversations that can't be used -------------------------------------------------------------------------------------
def test_conversations_that_the_template_refuses_are_named_by_their_row():
    tokenizer = Family("qwen2").tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('user first') }}{% endif %}" + OPEN
    )
    some = [TURNS, TURNS[1:], TURNS, TURNS[1:]]
    with pytest.raises(RowsError) as caught:
        conversations(tokenizer, some)
    assert sorted(caught.value.reasons) == [1, 3] and "user first" in caught.value.reasons[3]
    rows = read_rows([{"messages": one} for one in some], roles=TextGeneration.roles, forms=TextGeneration.forms)
    with pytest.raises(DataError, match=r"^rows, row 2: the conversation that begins with .* user first"):
        encode_rows(rows, TextGeneration(), Encoder(tokenizer, 500))
