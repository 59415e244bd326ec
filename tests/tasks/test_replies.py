"""What a prompt leaves room for: what is let through, cut or refused before anything is written."""

from __future__ import annotations

import pytest

from byeori.errors import DataError, SettingError
from byeori.tasks.replies import Call, check_lengths, fitting

PROMPT = list(range(900))


@pytest.mark.parametrize("asked, kept", [
    ({}, 900),
    ({"max_new_tokens": 124}, 900),
    ({"max_length": 1_024}, 900),
    ({"max_length": 901}, 900),
    ({"min_new_tokens": 124}, 900),
    ({"max_length": 1_024, "handle_long_generation": "hole"}, 900),  # 124 are left, as transformers has it
    ({"max_new_tokens": 200, "handle_long_generation": "hole"}, 824),
    ({"max_new_tokens": 124, "handle_long_generation": "hole"}, 900),
    ({"handle_long_generation": "hole"}, 768),  # 256 where nothing is said
])  # fmt: skip
def test_a_prompt_that_leaves_room(asked, kept):
    call = Call(**asked)
    check_lengths(call, 1_024)
    assert fitting(PROMPT, "text", call, 1_024) == PROMPT[-kept:]


@pytest.mark.parametrize("asked, said", [
    ({"max_new_tokens": 125}, "has 900 tokens; the model takes 1,024, the 125 it writes included"),
    ({"min_new_tokens": 125}, "the 125 it writes included"),
    ({"max_length": 900}, "max_length=900 counts them too"),
    ({"max_length": 900, "handle_long_generation": "hole"}, "max_length=900 counts them too"),
    ({"max_length": 910, "min_new_tokens": 11}, "max_length=910 counts them too, which leaves too few"),
])  # fmt: skip
def test_a_prompt_that_leaves_none(asked, said):
    check_lengths(Call(**asked), 1_024)
    with pytest.raises(DataError, match=said):
        fitting(PROMPT, "text", Call(**asked), 1_024)


def test_a_prompt_for_a_model_without_a_limit():
    assert fitting(PROMPT, "text", Call(max_new_tokens=10**6), None) == PROMPT
    with pytest.raises(DataError, match="max_length=900 counts them too"):
        fitting(PROMPT, "text", Call(max_length=900), None)
    with pytest.raises(DataError, match="those it writes included"):
        fitting(PROMPT, "text", Call(), 900)


@pytest.mark.parametrize(
    "asked", [{"max_new_tokens": 1_024}, {"min_new_tokens": 1_024}, {"max_length": 1_025}, {"min_length": 1_025}]
)
def test_lengths_that_no_prompt_leaves_room_for(asked):
    (name,) = asked
    with pytest.raises(SettingError, match=f"^{name}={asked[name]}: the model has room for 1,024 tokens"):
        check_lengths(Call(**asked), 1_024)
    check_lengths(Call(**asked), None)


def test_a_length_said_twice():
    with pytest.raises(SettingError, match="both say how long"):
        check_lengths(Call(max_length=9, max_new_tokens=9), 1_024)
