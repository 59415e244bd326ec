"""How text is decoded: the settings of a call that writes text, under transformers' names, and what they come to.

Invariants: what a call doesn't name is the checkpoint's generation_config; transformers' max_length of 20, which applies
where nobody asked for a length, is never taken.

    config = resolve(Decoding(num_beams=4), model, room=200)
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.settings import setting

if TYPE_CHECKING:
    from transformers import GenerationConfig

DEFAULT_NEW_TOKENS = 256  # where neither the call nor the checkpoint says how long


@dataclass(kw_only=True)
class Decoding:
    """What decides the tokens."""

    max_new_tokens: int | None = setting(
        None, "most tokens to write; the checkpoint's own, or 256", least=1
    )
    min_new_tokens: int | None = setting(None, "fewest tokens to write", least=0)
    num_beams: int | None = setting(None, "beams of beam search; 1 is greedy", least=1)
    num_return_sequences: int = setting(1, "texts to return for each input", least=1)
    do_sample: bool | None = setting(None, "draw tokens instead of taking the likeliest")
    temperature: float | None = setting(None, "flattens (above 1) or sharpens the draw", least=0.01)
    top_k: int | None = setting(None, "draw among so many tokens", least=0)
    top_p: float | None = setting(None, "draw among the likeliest tokens of this share", least=0, most=1)
    min_p: float | None = setting(None, "draw among tokens of at least this share of the likeliest's", least=0, most=1)
    repetition_penalty: float | None = setting(None, "above 1, tokens that stand there already are made rarer", least=0.01)
    no_repeat_ngram_size: int | None = setting(None, "no run of so many tokens comes twice", least=0)
    length_penalty: float | None = setting(None, "above 0 beam search prefers longer texts, below 0 shorter ones")
    early_stopping: bool | None = setting(None, "end beam search once there are as many texts as beams")
    stop: str | None = setting(None, "end where this text has been written")
    generation_seed: int | None = setting(None, "seed of the draw", least=0)


OWN = ("stop", "generation_seed")  # not names of transformers' GenerationConfig


def resolve(decoding: Decoding, model: Any, room: int | None) -> GenerationConfig:
    """The checkpoint's generation_config with what the call names; `room` is how many tokens the model's positions leave.

    Raises SettingError where more is asked than there is room for, or more texts than beams.
    """
    config = copy.deepcopy(model.generation_config)
    named = {f.name: getattr(decoding, f.name) for f in dataclasses.fields(Decoding) if f.name not in OWN}
    named = {name: value for name, value in named.items() if value is not None}
    config.update(**named)
    if named.keys() & {"temperature", "top_k", "top_p", "min_p"} and decoding.do_sample is None:
        config.do_sample = True
    beams = config.num_beams or 1
    if decoding.num_return_sequences > beams and not config.do_sample:
        raise SettingError(
            f"num_return_sequences={decoding.num_return_sequences}: there are {beams} beams. Give num_beams of at least as many, or "
            f"do_sample."
        )
    if decoding.max_new_tokens is None and config.max_new_tokens is None:
        asked = config.max_length if config.max_length not in (None, 20) else DEFAULT_NEW_TOKENS
        config.max_new_tokens = asked if room is None else max(1, min(asked, room))
    elif room is not None and config.max_new_tokens > room:
        if decoding.max_new_tokens is not None:
            raise SettingError(
                f"max_new_tokens={decoding.max_new_tokens}: the model has room for {room} after this input. Give less, or a shorter input."
            )
        config.max_new_tokens = room
    config.max_length = None
    if config.min_new_tokens is not None and config.min_new_tokens > config.max_new_tokens:
        raise SettingError(
            f"min_new_tokens={config.min_new_tokens}: more than the {config.max_new_tokens} that may be written."
        )
    return config
