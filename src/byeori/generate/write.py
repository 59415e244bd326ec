"""The door to decoding: prompts or sources → what a model writes after each, by the continuous engine, else by `generate`.

Invariants: each gets what it would get alone, in the order asked; which of the two ways it goes is said once a model where it is
the slower one; a length nobody asked for is never applied in silence.

    ids = write(model, [[5, 9, 2], [7]], Decoding(max_new_tokens=20), pad=0)      # a list of lists of new ids each
    for token in stream(model, [5, 9, 2], Decoding(max_new_tokens=20), pad=0): ...
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import nn

from byeori.errors import DataError, ModelError, SettingError
from byeori.generate.continuous import Continuous
from byeori.generate.decoding import Decoding, resolve, room
from byeori.generate.lean import Lean, evaluating, lean_of
from byeori.generate.lines import Stops, Strand, Text
from byeori.generate.plain import by_generate
from byeori.generate.scores import unfit
from byeori.generate.watching import Progress, watcher
from byeori.models.checks import position_table
from byeori.models.packed import unwrapped
from byeori.models.shortage import LESS, OutOfMemory, attempted

Prompts = Sequence[Sequence[int]]
SEEDS = 1 << 62
MANY, LONG = 16, 32  # texts, of at least so many tokens allowed, none of which ended: the model doesn't know how to


def write(
    model: Any, prompts: Prompts, decoding: Decoding, *, ends: bool = False, **more: Any
) -> list[list[list[int]]]:
    """`num_return_sequences` lists of new ids for each prompt, in order; arguments as `texts` takes them.

    `ends`: with the end token of a text that has one, and an encoder-decoder's start token, as `model.generate` gives them.
    """
    found = texts(model, prompts, decoding, **more)
    if not ends:
        return [[one.ids for one in several] for several in found]
    inner: Any = unwrapped(model)
    start = _start(inner, more) if inner.config.is_encoder_decoder else []
    return [[[*start, *one.ids, *([] if one.end is None else [one.end])] for one in several] for several in found]


def texts(
    model: Any,
    prompts: Prompts,
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    budget: int | None = None,
    progress: Progress | None = None,
    **forced: Any,
) -> list[list[Text]]:
    """What is written for each prompt (an encoder-decoder: source), in order.

    `pad` fills up rectangles where `generate` does the work; `tokenizer` is needed for stop texts; `budget`: bytes of keys and
    values; `forced`: further values of generation_config (decoder_start_token_id, forced_bos_token_id…). Raises SettingError,
    DataError for a prompt that is empty or leaves no room, ModelError where the model can't generate as it is configured, and
    OutOfMemory for one that finds no memory alone.
    """
    if not len(prompts):
        return []
    inner = unwrapped(model)
    progress = progress or watcher()
    with evaluating(inner):
        engine = _engine(inner, prompts, decoding, tokenizer, budget, forced)
        if isinstance(engine, str):
            _say(inner, engine)
            short = partial(_fewer, inner)
            written = by_generate(inner, prompts, decoding, pad=pad, tokenizer=tokenizer, short=short, **forced)
            if progress is not None:
                progress(len(prompts), len(prompts))
            return written
        return _drained(engine, len(prompts), progress, inner)


def stream(
    model: Any,
    prompt: Sequence[int],
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    within: Callable[[], AbstractContextManager[Any]] = nullcontext,
    **forced: Any,
) -> Iterator[int]:
    """The new tokens of one text as they come, without its end token; those of beam search, and of a model that decodes by
    `generate`, when they are all there. `within` is entered for each step (autocast). Raises as `texts`, at once."""
    inner: Any = unwrapped(model)
    with within(), evaluating(inner):
        engine = _engine(inner, [prompt], decoding, tokenizer, None, forced)
        if isinstance(engine, str):
            return iter(write(model, [prompt], decoding, pad=pad, tokenizer=tokenizer, **forced)[0][0])
        if engine.lines.width > 1:
            return iter(_drained(engine, 1, None, inner)[0][0].ids)
    return _stepwise(inner, engine, within)


def _stepwise(model: Any, engine: Continuous, within: Callable[[], AbstractContextManager[Any]]) -> Iterator[int]:
    while engine.busy:
        with within(), evaluating(model):
            stepped, short = attempted(engine.step, engine.lean.device)
        if stepped is None:
            raise _alone(engine.trying[0], engine, short)
        for strand, token in engine.fresh:
            if strand.text == 0 and token not in engine.ends:
                yield token


def _drained(engine: Continuous, count: int, progress: Progress | None, model: Any) -> list[list[Text]]:
    found: list[dict[int, list[Text]]] = [{} for _ in range(count)]
    total, done, endless = len(engine.waiting), 0, 0
    strands = list(engine.waiting)
    while engine.busy:
        stepped, short = attempted(engine.step, engine.lean.device)
        if stepped is None:
            tried = engine.trying[0]
            if not engine.retreat([one for one in strands if one.text not in found[one.request]]):
                raise _alone(tried, engine, short)
            _fewer(model, engine.lean.device)
            continue
        for strand, made in stepped:
            found[strand.request][strand.text] = made
            endless += strand.most >= LONG and all(len(one.ids) == strand.most for one in made)
            done += 1
            if progress is not None:
                progress(done, total)
    if count >= MANY and endless == total and engine.ends and not engine.least and model not in _endless:
        _endless.add(model)
        warnings.warn(
            f"{type(model).__name__}: none of {count:,} texts came to an end by itself; all stop at the most tokens allowed "
            f"(max_new_tokens). Has the model learnt to write its end token ({', '.join(map(str, engine.ends))})?",
            stacklevel=2,
        )
    return [[text for at in sorted(several) for text in several[at]] for several in found]


def _alone(strand: Strand, engine: Continuous, said: str) -> OutOfMemory:
    return OutOfMemory(strand.request, len(strand.source or strand.prompt), engine.lean.device, said, LESS)


_endless: WeakSet[nn.Module] = WeakSet()
_said: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()


def _say(model: Any, reason: str) -> None:
    _once(
        model, f"{type(model).__name__} decodes by transformers' generate, in batches by length: {reason.rstrip('.')}."
    )


def _fewer(model: Any, device: torch.device) -> None:
    _once(
        model,
        f"There is no memory on {device} for so many texts at once: fewer are written together, which changes none.",
    )


def _once(model: Any, sentence: str) -> None:
    said = _said.setdefault(model, set())
    if sentence not in said:
        said.add(sentence)
        warnings.warn(sentence, stacklevel=3)


def _engine(
    model: Any, prompts: Prompts, decoding: Decoding, tokenizer: Any, budget: int | None, forced: dict[str, Any]
) -> Continuous | str:
    """The engine with all strands added; or why it can't."""
    seq2seq = bool(model.config.is_encoder_decoder)
    start = _start(model, forced) if seq2seq else []
    configs: dict[int, Any] = {}
    known = model.get_input_embeddings().num_embeddings
    limit = position_table(model.config, "encoder") if seq2seq else None
    for place, prompt in enumerate(prompts):
        if not len(prompt):
            raise DataError(f"input {place + 1} has no tokens: there is nothing to write from. Leave it out.")
        if (highest := int(max(prompt))) >= known or int(min(prompt)) < 0:
            raise DataError(
                f"input {place + 1} holds the token {highest}, and the model knows {known:,}: another's tokenizer?"
            )
        if limit is not None and len(prompt) > limit:
            raise DataError(f"input {place + 1} has {len(prompt):,} tokens, and the encoder takes {limit:,}. Cut it.")
        taken = len(start) if seq2seq else len(prompt)
        if taken not in configs:
            configs[taken] = _config(decoding, model, taken, forced, place)
    config = configs[max(configs)]
    least = {taken: one.min_new_tokens or 0 for taken, one in configs.items()}
    if len(set(least.values())) > 1:  # counted with the prompt, so that each has its own
        config.min_new_tokens, config.min_length = None, max(taken + one for taken, one in least.items() if one)
    reason = unfit(config)
    lean: Lean | str = reason if reason is not None else lean_of(model)
    if isinstance(lean, str):
        return lean
    engine = Continuous(lean, config, budget=budget, stops=_stops(decoding.stop or config.stop_strings, tokenizer))
    several = (config.num_return_sequences or 1) if engine.lines.width == 1 else 1
    seed = decoding.generation_seed
    drawn = torch.randint(SEEDS, (len(prompts),)).tolist() if config.do_sample and seed is None else None
    strands = []
    for place, prompt in enumerate(prompts):
        before = start if seq2seq else list(prompt)
        most = configs[len(before)].max_new_tokens
        source = list(prompt) if seq2seq else None
        own = drawn[place] if drawn is not None else seed or 0
        strands += [Strand(place, before, most, source, text, own) for text in range(several)]
    engine.add(strands)
    return engine


def _config(decoding: Decoding, model: Any, taken: int, forced: dict[str, Any], place: int) -> Any:
    left = room(model, taken)
    if left is not None and left < 1:
        raise DataError(
            f"input {place + 1} has {taken:,} tokens and the model takes {taken + left:,}, what it writes included. Shorten it."
        )
    config = resolve(decoding, model, left, taken)
    for name, value in forced.items():
        setattr(config, name, value)
    return config


def _start(model: Any, forced: dict[str, Any]) -> list[int]:
    """What a decoder that reads a source begins with."""
    own = model.generation_config
    start = forced.get("decoder_start_token_id", own.decoder_start_token_id)
    start = own.bos_token_id if start is None else start
    if start is None:
        raise ModelError(
            f"{type(model).__name__} can't generate as it is configured: nothing says what its decoder begins with. Set "
            f"decoder_start_token_id in generation_config.json."
        )
    if isinstance(start, list) and len(start) != 1:
        raise ModelError(f"decoder_start_token_id={start}: a decoder begins with one token here. Give one.")
    return [int(start[0] if isinstance(start, list) else start)]


def _stops(stop: str | list[str] | None, tokenizer: Any) -> Stops | None:
    """Whether new tokens end in a stop text, which may begin and end within a token."""
    wanted = [stop] if isinstance(stop, str) else list(stop or [])
    if not wanted:
        return None
    if tokenizer is None:
        raise SettingError("stop is a text, and there is no tokenizer to read one by. Give tokenizer=.")
    tail = 4 * max(len(one) for one in wanted) + 8  # a token is a byte at least, a character four at most

    def ended(new: list[int]) -> bool:
        text = tokenizer.decode(new[-tail:])
        return any(one in text for one in wanted)

    return ended
