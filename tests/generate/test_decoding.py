"""What a call, a model's own settings and its checkpoint say of decoding, and what they come to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from byeori import settings
from byeori.errors import SettingError
from byeori.generate.decoding import DEFAULT_NEW_TOKENS, Decoding, Writing, over, resolve
from byeori.tasks import TASKS


def model(**values):
    from transformers import GenerationConfig

    return SimpleNamespace(generation_config=GenerationConfig(**values))


def test_a_call_wins_over_the_model_and_that_over_the_checkpoint():
    found = over(Decoding(num_beams=2), Writing(num_beams=4, length_penalty=2.0), Decoding(length_penalty=1.0, top_k=5))
    assert (found.num_beams, found.length_penalty, found.top_k) == (2, 2.0, 5)


@pytest.mark.parametrize("first, second", [
    (Decoding(max_length=20), Writing(max_new_tokens=128)),
    (Decoding(max_new_tokens=20), Decoding(max_length=128)),
    (Decoding(min_length=3), Writing(min_new_tokens=9)),
])  # fmt: skip
def test_a_length_hides_the_same_length_under_its_other_name(first, second):
    assert over(first, second) == first


def test_both_names_of_a_length_at_once():
    with pytest.raises(SettingError, match="max_new_tokens=5 and max_length=9 both say how long"):
        over(Decoding(max_new_tokens=5, max_length=9))


@pytest.mark.parametrize("own, asked, taken, most", [
    ({}, {}, 1, DEFAULT_NEW_TOKENS),  # transformers' 20, which nobody asked for, is never taken
    ({"max_length": 142}, {}, 1, 141),  # the decoder's start token is one of them
    ({"max_length": 50}, {}, 30, 20),
    ({"max_length": 20}, {}, 30, DEFAULT_NEW_TOKENS),  # the prompt alone is longer: no wish that can be met
    ({"max_new_tokens": 60, "max_length": 9}, {}, 1, 60),
    ({"max_length": 142}, {"max_new_tokens": 30}, 1, 30),
    ({"max_new_tokens": 60}, {"max_length": 31}, 1, 30),
    ({"max_length": 142}, {"max_length": 40}, 30, 10),
])  # fmt: skip
def test_most_tokens(own, asked, taken, most):
    config = resolve(Decoding(**asked), model(**own), None, taken)
    assert config.max_new_tokens == most and config.max_length is None


@pytest.mark.parametrize("own, asked, taken, least", [
    ({}, {}, 1, None),
    ({"min_length": 56}, {}, 1, 55),
    ({"min_length": 56}, {"min_new_tokens": 0}, 1, None),
    ({"min_length": 56}, {"min_length": 31}, 1, 30),
    ({"min_new_tokens": 4, "min_length": 56}, {}, 1, 4),
    ({}, {"min_length": 10}, 30, None),
])  # fmt: skip
def test_fewest_tokens(own, asked, taken, least):
    assert resolve(Decoding(max_new_tokens=99, **asked), model(**own), None, taken).min_new_tokens == least


def test_the_room_a_model_has():
    assert resolve(Decoding(), model(max_new_tokens=100), 40).max_new_tokens == 40
    with pytest.raises(SettingError, match="max_new_tokens=41: the model has room for 40 tokens"):
        resolve(Decoding(max_new_tokens=41), model(), 40)
    with pytest.raises(SettingError, match="max_length=60: the model has room for 40"):
        resolve(Decoding(max_length=60), model(), 40, 10)


@pytest.mark.parametrize("asked, said", [
    ({"max_length": 30}, "the prompt is 30 tokens long, so nothing could be written"),
    ({"num_return_sequences": 3}, "there is 1 beam. Give num_beams of at least as many, or do_sample"),
    ({"num_return_sequences": 3, "num_beams": 2}, "there are 2 beams"),
    ({"min_new_tokens": 9, "max_new_tokens": 8}, "min_new_tokens=9: more than the 8"),
])  # fmt: skip
def test_what_cannot_be_done(asked, said):
    with pytest.raises(SettingError, match=said):
        resolve(Decoding(**asked), model(), None, 30)


def test_flags_of_another_way_are_neutral():
    """A checkpoint of beam search asked for greedy: transformers would warn of each flag that it ignores."""
    own = model(num_beams=4, length_penalty=2.0, early_stopping=True, do_sample=True, temperature=0.6, top_p=0.9)
    config = resolve(Decoding(num_beams=1, do_sample=False), own, None)
    assert (config.length_penalty, config.early_stopping, config.temperature, config.top_p) == (1.0, False, 1.0, 1.0)
    config.validate(strict=True)
    assert own.generation_config.length_penalty == 2.0  # the model's own is left alone
    assert resolve(Decoding(temperature=0.5), model(), None).do_sample  # drawn from, where a draw is described


@pytest.mark.parametrize("asked", [{"temperature": 0.5}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}])
def test_what_describes_a_draw_draws(asked):
    """And its help says so."""
    (name,) = asked
    assert resolve(Decoding(**asked), model(), None).do_sample
    assert not resolve(Decoding(do_sample=False, **asked), model(), None).do_sample
    known = settings.names(Decoding)
    assert known[name].metadata["help"].startswith("draw") and name in known["do_sample"].metadata["help"]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_no_setting_of_a_task_is_one_of_all_training(task):
    """One flag would mean two things: early_stopping, of beams and of epochs."""
    assert not set(settings.names(task.Training)) & set(settings.names(settings.Train))


def test_words_and_numbers_from_the_command_line():
    (found,) = settings.read({"early_stopping": "never", "num_beams": "4", "length_penalty": "-0.5"}, Decoding)
    assert (found.early_stopping, found.num_beams, found.length_penalty) == ("never", 4, -0.5)
    assert settings.read({"early_stopping": "true"}, Decoding)[0].early_stopping is True
    with pytest.raises(SettingError, match="early_stopping='sometimes'"):
        settings.read({"early_stopping": "sometimes"}, Decoding)
