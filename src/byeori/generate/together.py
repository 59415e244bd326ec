"""Texts of different calls, written together: each joins while others are being written, and leaves when it ends.

Invariants: what is written for a wish is what `write` gives for it alone; wishes that are decoded alike (all settings but how
long and from which seed) share a batch, and the batches take turns, a token each; a token is told once, also of a text that had
to begin again for want of memory.

    together = Together(model, within=lambda: autocast(...)); ticket = together.add(prompt, decoding, most_texts=1)
    while together.busy:
        for event in together.step(): ...
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch

from byeori.errors import ByeoriError, DataError
from byeori.generate.continuous import Continuous
from byeori.generate.decoding import Decoding, own_way
from byeori.generate.lean import Lean, evaluating, lean_of
from byeori.generate.lines import Strand, Text
from byeori.generate.scores import unfit
from byeori.generate.write import SEEDS, _alone, _config, _start, _stops
from byeori.models.checks import position_table
from byeori.models.shortage import attempted

BATCHES = 4  # of different settings that are under way at once; others wait


@dataclass(eq=False)
class Wish:
    """One prompt (or source) to be written from. `texts`: how many; `most`: new tokens of each."""

    prompt: list[int]
    config: Any
    key: str
    stop: str | list[str] | None
    most: int
    texts: int
    seed: int
    before: list[int]
    source: list[int] | None
    scored: bool = False
    done: dict[int, list[Text]] = field(default_factory=dict)
    heard: int = 0  # tokens of the first text that were told
    logprobs: list[float] = field(default_factory=list)  # of the first text, where scored

    @property
    def whole(self) -> bool:
        return len(self.done) == self.texts

    @property
    def written(self) -> list[Text]:
        return [text for place in sorted(self.done) for text in self.done[place]]


@dataclass
class Event:
    """A wish that has a new `token`, or that is done, or (`error`) can't be."""

    wish: Wish
    token: int | None = None
    logprob: float | None = None
    error: ByeoriError | None = None

    @property
    def done(self) -> bool:
        return self.token is None


class Together:
    """`model` as `write` takes it, on its device; `within` is entered for each step (autocast)."""

    def __init__(self, model: Any, tokenizer: Any, within: Callable[[], AbstractContextManager[Any]]):
        self.model, self.tokenizer, self.within = model, tokenizer, within
        self.engines: dict[str, Continuous] = {}
        self.waiting: list[Wish] = []  # whose settings have no batch yet
        self._wishes: dict[int, Wish] = {}
        self._numbers = itertools.count()
        with within(), evaluating(model), torch.inference_mode():
            self.lean: Lean | str = lean_of(model)

    @property
    def busy(self) -> bool:
        return bool(self.engines or self.waiting)

    def wish(
        self, prompt: list[int], decoding: Decoding, own: dict[str, Any], forced: dict[str, Any], scored: bool = False
    ) -> Wish | str:
        """What is asked, checked; or why it can't be written here. Raises SettingError, DataError, ModelError."""
        if isinstance(self.lean, str):
            return self.lean
        model = self.model
        seq2seq = bool(model.config.is_encoder_decoder)
        limit = position_table(model.config, "encoder") if seq2seq else None
        if not prompt:
            raise DataError("input 1 has no tokens: there is nothing to write from. Leave it out.")
        if limit is not None and len(prompt) > limit:
            raise DataError(f"input 1 has {len(prompt):,} tokens, and the encoder takes {limit:,}. Cut it.")
        with own_way(model, own):
            before = _start(model, forced) if seq2seq else list(prompt)
            config = _config(decoding, model, len(before), forced, 0)
            stop = decoding.stop or config.stop_strings
        if (reason := unfit(config)) is not None:
            return reason
        beams = config.num_beams or 1
        texts = (config.num_return_sequences or 1) if beams == 1 else 1
        seed = decoding.generation_seed
        if seed is None:
            seed = int(torch.randint(SEEDS, ())) if config.do_sample else 0
        alike = {name: value for name, value in config.to_dict().items() if name != "max_new_tokens"}
        key = json.dumps([alike, stop, scored], sort_keys=True, default=str)
        source = list(prompt) if seq2seq else None
        return Wish(list(prompt), config, key, stop, config.max_new_tokens, texts, seed, before, source, scored)

    def add(self, wishes: Iterable[Wish]) -> None:
        self.waiting.extend(wishes)

    def room(self, wish: Wish) -> bool:
        """Whether it would soon be begun: else it had better wait outside, where others may pass it."""
        engine = self.engines.get(wish.key)
        if engine is None:
            return len(self.engines) < BATCHES
        return len(engine.waiting) < max(1, engine.most // 8)

    def drop(self, wishes: Iterable[Wish]) -> None:
        """Nobody wants these any more."""
        gone = set(map(id, wishes))
        self.waiting = [one for one in self.waiting if id(one) not in gone]
        numbers = {number for number, one in self._wishes.items() if id(one) in gone}
        for engine in self.engines.values():
            engine.drop(numbers)
        for number in numbers:
            del self._wishes[number]

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """A token for every text that is being written."""
        self.begin()
        found: list[Event] = []
        for key, engine in list(self.engines.items()):
            if engine.busy:
                found += self._step(engine)
            if not engine.busy:
                del self.engines[key]
        return found

    def ends(self, wish: Wish) -> list[int]:
        """The tokens that end its texts."""
        own = wish.config.eos_token_id
        return [] if own is None else list(own) if isinstance(own, list) else [own]

    def begin(self) -> None:
        """Hands those that wait to a batch, as far as there may be further ones."""
        later = []
        for wish in self.waiting:
            engine = self.engines.get(wish.key)
            if engine is None and len(self.engines) >= BATCHES:
                later.append(wish)
                continue
            if engine is None:
                with self.within(), evaluating(self.model):
                    assert isinstance(self.lean, Lean)
                    engine = Continuous(self.lean, wish.config, stops=_stops(wish.stop, self.tokenizer))
                engine.scored = wish.scored
                self.engines[wish.key] = engine
            number = next(self._numbers)
            self._wishes[number] = wish
            engine.add(
                Strand(number, wish.before, wish.most, wish.source, text, wish.seed) for text in range(wish.texts)
            )
        self.waiting = later

    def _step(self, engine: Continuous) -> list[Event]:
        with self.within(), evaluating(self.model):
            stepped, short = attempted(engine.step, engine.lean.device)
        if stepped is None:
            tried = engine.trying[0]
            if engine.retreat([one for one in _strands(engine) if one.text not in self._wishes[one.request].done]):
                return []
            wish = self._wishes[tried.request]
            engine.drop({tried.request})
            del self._wishes[tried.request]
            return [Event(wish, error=_alone(tried, engine, short))]
        found = []
        for place, (strand, token) in enumerate(engine.fresh):
            wish = self._wishes[strand.request]
            if strand.text == 0 and engine.places[place] > wish.heard:
                wish.heard += 1
                logprob = engine.logprobs[place] if wish.scored else None
                if logprob is not None:
                    wish.logprobs.append(logprob)
                found.append(Event(wish, token, logprob))
        for strand, texts in stepped:
            wish = self._wishes[strand.request]
            wish.done[strand.text] = texts
            if wish.whole:
                del self._wishes[strand.request]
                found.append(Event(wish))
        return found


def _strands(engine: Continuous) -> list[Strand]:
    return [*engine.lines.strands, *engine.waiting]
