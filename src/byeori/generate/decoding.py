"""How text is decoded: the settings of a call that writes text, under transformers' names, and what they come to.

Invariants: what nobody names is the checkpoint's generation_config; transformers' own length of 20, which applies where
nobody asked for one, is never taken; the older `max_length` and `min_length` mean what they mean there: all tokens of
the decoder, its prompt or start token included.

    config = resolve(over(call, Decoding(num_beams=4)), model, room=200)
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.models.checks import position_table
from byeori.settings import setting

if TYPE_CHECKING:
    from transformers import GenerationConfig

DEFAULT_NEW_TOKENS = 256  # where neither the call nor the checkpoint says how long


@dataclass(kw_only=True)
class Writing:
    """What decides the tokens where nothing is drawn: evaluation, previews, and what a trained model does by default."""

    max_new_tokens: int | None = setting(
        None, "most tokens to write; the model's own, or 256, if not given", least=1, scores=True
    )
    min_new_tokens: int | None = setting(None, "fewest tokens to write", least=0, scores=True)
    num_beams: int | None = setting(None, "beams of beam search; 1 is greedy", least=1, most=1_000, scores=True)
    length_penalty: float | None = setting(
        None, "above 0 beam search prefers longer texts, below 0 shorter ones", scores=True
    )
    no_repeat_ngram_size: int | None = setting(None, "no run of so many tokens comes twice", least=0, scores=True)
    repetition_penalty: float | None = setting(
        None, "above 1, tokens that stand there already are made rarer", least=0.01, scores=True
    )


@dataclass(kw_only=True)
class Decoding(Writing):
    """What decides the tokens of a call."""

    max_length: int | None = setting(
        None, "as max_new_tokens, counted with the prompt (a decoder's own start token is one); transformers' older name",
        least=1,
    )  # fmt: skip
    min_length: int | None = setting(None, "as min_new_tokens, counted so", least=0)
    early_stopping: bool | str | None = setting(
        None, "end beam search once there are as many texts as beams; never: only when none can get better",
        choices=("never",),
    )  # fmt: skip
    num_return_sequences: int = setting(1, "texts to return for each input", least=1)
    encoder_no_repeat_ngram_size: int | None = setting(
        None, "no run of so many tokens is taken from the source (encoder-decoders)", least=0
    )
    # As transformers 5's text-generation pipeline, which draws anyway, these four are never left without their effect.
    do_sample: bool | None = setting(
        None, "draw tokens instead of taking the likeliest; true if temperature, top_k, top_p or min_p is given"
    )
    temperature: float | None = setting(None, "draw, flattened (above 1) or sharpened", least=0.01)
    top_k: int | None = setting(None, "draw, among so many tokens", least=0)
    top_p: float | None = setting(None, "draw, among the likeliest tokens of this share", least=0, most=1)
    min_p: float | None = setting(None, "draw, among tokens of at least this share of the likeliest's", least=0, most=1)
    stop: str | list[str] | None = setting(None, "end where this text, or one of several, has been written")
    generation_seed: int | None = setting(None, "seed of the draw", least=0, most=(1 << 63) - 1)


OWN = ("stop", "generation_seed")  # not names of transformers' GenerationConfig
LENGTHS = (("max_new_tokens", "max_length"), ("min_new_tokens", "min_length"))  # two names of one thing
DRAWN = ("temperature", "top_k", "top_p", "min_p")
# What transformers takes where nothing is set; a flag of sampling or beams that another way of decoding ignores.
NEUTRAL = {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "length_penalty": 1.0, "early_stopping": False}


def over(*layers: Writing | None) -> Decoding:
    """What the first of several layers says: a call over a model's own settings.

    A length said under one name hides one said under the other further down. Raises SettingError where one layer says both.
    """
    found: dict[str, Any] = {}
    for layer in filter(None, layers):
        said = {
            f.name: value for f in dataclasses.fields(layer)
            if f.name in _FIELDS and (value := getattr(layer, f.name)) is not None
        }  # fmt: skip
        for new, old in LENGTHS:
            if new in said and old in said:
                raise SettingError(f"{new}={said[new]} and {old}={said[old]} both say how long. Give {new} alone.")
            if new in found or old in found:
                said.pop(new, None), said.pop(old, None)
        if "num_return_sequences" in found:  # it has a value in every call
            said.pop("num_return_sequences", None)
        found = {**said, **found}
    return Decoding(**found)


_FIELDS = frozenset(f.name for f in dataclasses.fields(Decoding))


def resolve(decoding: Decoding, model: Any, room: int | None, taken: int = 1) -> GenerationConfig:
    """The checkpoint's generation_config with what is named; lengths in max_new_tokens and min_new_tokens.

    `room`: how many tokens the model's positions leave; `taken`: the tokens of the decoder's prompt, its start token in an
    encoder-decoder. Raises SettingError where more is asked than there is room for, less than the prompt already takes,
    more texts than beams, or a minimum above the maximum.
    """
    config = copy.deepcopy(model.generation_config)
    known = {f.name for f in dataclasses.fields(Decoding)} - {*OWN, "max_length", "min_length"}
    named = {name: value for name in sorted(known) if (value := getattr(decoding, name)) is not None}
    for name, value in named.items():  # not update(), which refuses in its own words what is refused in ours below
        setattr(config, name, value)
    beams = config.num_beams or 1
    drawn = [name for name in DRAWN if name in named]
    if drawn and decoding.do_sample is None:
        if beams > 1:
            raise SettingError(
                f"{drawn[0]}={named[drawn[0]]} draws tokens, and {beams} beams take the likeliest. Give num_beams=1 to draw, leave "
                f"{drawn[0]} out, or say do_sample=true for beams that draw."
            )
        config.do_sample = True
    if decoding.stop is not None and not all([decoding.stop] if isinstance(decoding.stop, str) else decoding.stop):
        raise SettingError(
            f"stop={decoding.stop!r}: an empty text stands everywhere, so nothing could be written. Leave it out."
        )
    if decoding.num_return_sequences > beams and not config.do_sample:
        raise SettingError(
            f"num_return_sequences={decoding.num_return_sequences}: there {'is 1 beam' if beams == 1 else f'are {beams} beams'}. "
            f"Give num_beams of at least as many, or do_sample."
        )
    idle = [*(() if config.do_sample else DRAWN[:3]), *(("length_penalty", "early_stopping") if beams == 1 else ())]
    for name in idle:
        setattr(config, name, NEUTRAL[name])
    config.max_new_tokens = _most(decoding, config, room, taken)
    config.max_length = None
    least, asked = _least(decoding, config, taken)
    if asked and least > config.max_new_tokens:
        said = (
            f"min_length={decoding.min_length} asks for {least}"
            if decoding.min_new_tokens is None
            else f"min_new_tokens={least}"
        )
        raise SettingError(
            f"{said}: more than the {config.max_new_tokens} that may be written. Give less, or a larger max_new_tokens."
        )
    # Not the checkpoint's own above what is asked for: transformers then keeps the end away up to the maximum, and so here.
    config.min_new_tokens, config.min_length = least or None, None
    return config


def _most(decoding: Decoding, config: Any, room: int | None, taken: int) -> int:
    """Most new tokens."""
    if decoding.max_length is not None:
        if decoding.max_length <= taken:
            raise SettingError(
                f"max_length={decoding.max_length}: the prompt is {taken} tokens long, so nothing could be written. It counts the "
                f"prompt too; max_new_tokens doesn't."
            )
        name, asked = "max_length", decoding.max_length - taken
    elif decoding.max_new_tokens is not None:
        name, asked = "max_new_tokens", decoding.max_new_tokens
    else:
        own = config.max_new_tokens
        if own is None and config.max_length is not None and config.max_length > taken:
            own = config.max_length - taken
        own = own or DEFAULT_NEW_TOKENS
        return own if room is None else max(1, min(own, room))
    if room is not None and asked > room:
        raise SettingError(
            f"{name}={getattr(decoding, name)}: the model has room for {room} tokens after this input. Give less, or a shorter "
            f"input."
        )
    return asked


def _least(decoding: Decoding, config: Any, taken: int) -> tuple[int, bool]:
    """Fewest new tokens, and whether somebody asked."""
    if decoding.min_new_tokens is not None:
        return decoding.min_new_tokens, True
    if decoding.min_length is not None:
        return max(0, decoding.min_length - taken), True
    if config.min_new_tokens is not None:
        return config.min_new_tokens, False
    return max(0, (config.min_length or 0) - taken), False


def counts_prompt(decoding: Decoding, config: Any) -> bool:
    """Whether a length is counted with the prompt, so that rows of different prompts have different ones."""
    if decoding.max_length is not None or decoding.min_length is not None:
        return True
    total = decoding.max_new_tokens is None and config.max_new_tokens is None and config.max_length is not None
    return total or (decoding.min_new_tokens is None and config.min_new_tokens is None and bool(config.min_length))


def room(model: Any, taken: int) -> int | None:
    """Positions left in the decoder's table after so many tokens; None for models without one."""
    table = position_table(model.config, "decoder")
    return None if table is None else table - taken


@contextmanager
def own_way(model: Any, said: dict[str, Any]) -> Iterator[None]:
    """The model with these values in its generation_config: how its checkpoint says that it writes for one task (the
    task_specific_params of T5, BART and GPT-2).

    As in transformers 4's pipelines they are its defaults, nothing that was asked for. Names that generation_config
    doesn't know (a prefix) are left; a length hides the one that the model has under its other name.
    """
    config = copy.deepcopy(model.generation_config)
    for names in LENGTHS:
        if any(said.get(name) is not None for name in names):
            for name in names:
                setattr(config, name, None)
    for name, value in said.items():
        if name in vars(config):
            setattr(config, name, value)
    with only(model, config):
        yield


@contextmanager
def only(model: Any, config: Any) -> Iterator[None]:
    """The model with this generation_config: transformers fills what is None from the model's own again."""
    before, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = before
