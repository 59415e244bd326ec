"""The requests of one model that writes: prompts → tokens → the continuous engine → texts, streamed where asked.

Invariants: what is written for a row is what a call of the pipeline gives, decoded by the same code; requests join while others
are being written; the rows of a request are handed over a few at a time, each request in its turn, so that a large one doesn't
keep a small one waiting; one that nobody waits for any more leaves the batch at the next token.

    lane = WritingLane(run); lane.take(asks); lane.turn()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.batches.answers import Answers
from byeori.generate.decoding import own_way
from byeori.generate.together import Event, Together, Wish
from byeori.generate.write import texts as write_texts
from byeori.models.device import autocast
from byeori.models.packed import unwrapped
from byeori.predict.picked import Part, picked
from byeori.predict.streaming import Pieces
from byeori.serve.ask import Ask, Written
from byeori.serve.lane import Lane, too_long

if TYPE_CHECKING:
    from byeori.predict.run import Run
    from byeori.text.store import TokenStore


def writes_so(task: Any) -> bool:
    """Whether a task writes as ours do, so that its rows can be written beside others; an own `generate` is called as it is."""
    order = type(task).__mro__
    own = next((one for one in order if "generate" in vars(one)), None)
    return bool(task.generates) and hasattr(task, "way") and own is not None and "laid" in vars(own)


class Speaker:
    """A stream's pieces: a token is told once the next has come, with the text that is certain by then."""

    def __init__(self, task: Any, prompt: list[int], call: Any, hear: Callable[[dict[str, Any]], None]):
        self.pieces, self.hear = Pieces(task, prompt, call), hear
        self.held: dict[str, Any] | None = None

    def token(self, token: int, logprob: float | None, special: bool) -> None:
        text = "" if special else self.pieces.add(token)
        if self.held is not None:
            self.hear({**self.held, "text": text})
        self.held = {"id": token, "logprob": logprob, "special": special}

    def end(self, whole: Written) -> None:
        rest = self.pieces.rest()
        self.hear({**(self.held or {"id": None, "logprob": None, "special": False}), "text": rest, "last": whole})


class WritingLane(Lane):
    def __init__(self, run: Run, **options: Any):
        super().__init__(run, **options)
        self.model: Any = unwrapped(run.model)
        self._within = partial(autocast, self.engine.precision, self.engine.device)
        self.together = Together(self.model, run.tokenizer, self._within)
        self.lines: deque[tuple[Ask, deque[tuple[int, TokenStore, int]]]] = deque()  # requests' rows that aren't begun
        self.under_way: dict[Wish, tuple[Ask, int, TokenStore, int]] = {}
        self.speakers: dict[Wish, Speaker] = {}

    @property
    def busy(self) -> bool:
        return bool(self.coming or self.lines or self.together.busy)

    @property
    def due(self) -> float:
        return 0.0

    def queue(self, owners: list[tuple[Ask, int]], store: TokenStore) -> None:
        known = dict(self.lines)
        for at, (ask, place) in enumerate(owners):
            if ask.ended:
                continue
            if ask not in known:
                known[ask] = deque()
                self.lines.append((ask, known[ask]))
            known[ask].append((place, store, at))

    def turn(self) -> None:
        """What has come is encoded, as much is begun as there is room for, and each text gets its next token."""
        self._read()
        self._drop()
        self._begin()
        if not self.together.busy:
            return
        heard = self.together.step()
        for event in heard:
            self._hear(event)
        self.batched(len(self.under_way), sum(not event.done for event in heard))

    def _drop(self) -> None:
        gone = [wish for wish, (ask, *_) in self.under_way.items() if ask.over]
        if gone:
            self.together.drop(gone)
        for wish in gone:
            self._forget(wish)

    def _forget(self, wish: Wish) -> tuple[Ask, int, TokenStore, int]:
        self.speakers.pop(wish, None)
        return self.under_way.pop(wish)

    def _begin(self) -> None:
        """Rows of requests in turn, while there is room; those whose settings have none wait, and are passed."""
        later: deque[tuple[Ask, deque[tuple[int, TokenStore, int]]]] = deque()
        while self.lines:
            ask, rows = self.lines.popleft()
            if ask.over or not rows:
                continue
            place, store, at = rows.popleft()
            try:
                wish = ask.wishes.pop(place, None) or self._wish(ask, store, at)
            except Exception as error:
                self._fail(ask, error)
                continue
            if isinstance(wish, str):
                self._write_alone(ask, [(place, store, at), *rows])
                continue
            ask.new_tokens += wish.most * wish.texts
            if ask.tokens + ask.new_tokens > self.limit:
                ask.refuse(too_long(ask.tokens + ask.new_tokens, self.limit))
                continue
            if not self.together.room(wish):
                ask.new_tokens -= wish.most * wish.texts
                ask.wishes[place] = wish
                rows.appendleft((place, store, at))
                later.append((ask, rows))
                continue
            self.under_way[wish] = (ask, place, store, at)
            if ask.heard is not None:
                self.speakers[wish] = Speaker(self.run.task, wish.prompt, ask.call, ask.heard)
            self.together.add([wish])
            self.together.begin()
            if rows:
                self.lines.append((ask, rows))
        self.lines = later

    def _wish(self, ask: Ask, store: TokenStore, at: int) -> Wish | str:
        begin, end = store.offsets[store.row_offsets[at]], store.offsets[store.row_offsets[at] + 1]
        task: Any = self.run.task
        decoding, own, forced = task.way(self.model, self.run.tokenizer, ask.call)
        return self.together.wish(store.input_ids[begin:end].tolist(), decoding, own, forced, ask.scored)

    def _hear(self, event: Event) -> None:
        wish = event.wish
        if wish not in self.under_way:
            return
        speaker = self.speakers.get(wish)
        if event.token is not None:
            if speaker is not None:
                special = event.token in self.together.ends(wish)
                speaker.token(event.token, event.logprob, special)
            return
        ask, place, store, at = self._forget(wish)
        if event.error is not None:
            self._fail(ask, event.error)
            return
        written = Written(wish.prompt, wish.written, wish.most, wish.logprobs if wish.scored else None)
        self._answer(ask, place, store, at, written, wish.before, speaker)

    def _answer(
        self,
        ask: Ask,
        place: int,
        store: TokenStore,
        at: int,
        written: Written,
        start: list[int],
        speaker: Speaker | None,
    ) -> None:
        task: Any = self.run.task
        ask.new_tokens = sum(len(text.ids) for one in [*ask.written, written] if one is not None for text in one.texts)
        start = start if self.model.config.is_encoder_decoder else []
        ends = task.with_ends(ask.call)
        ids = [
            [*start, *text.ids, *([] if text.end is None else [text.end])] if ends else text.ids
            for text in written.texts
        ]
        laid = task.laid(ids)
        one = picked([Part(store, at, int(store.row_offsets[at]), int(store.row_offsets[at + 1]))])
        try:
            (found,) = self.engine.decode(Answers(np.array(laid, np.int64), np.array([0, len(laid)])), one, ask.call)
        except Exception as error:
            self._fail(ask, error)
            return
        ask.written[place] = written
        if speaker is not None:
            speaker.end(written)
        ask.answer(place, found)

    def _write_alone(self, ask: Ask, rows: list[tuple[int, TokenStore, int]]) -> None:
        """By `generate`, for models and settings that the continuous engine can't run: all rows of a request at once."""
        task: Any = self.run.task
        prompts = []
        for _, store, at in rows:
            begin, end = store.offsets[store.row_offsets[at]], store.offsets[store.row_offsets[at] + 1]
            prompts.append(store.input_ids[begin:end].tolist())
        try:
            decoding, own, forced = task.way(self.model, self.run.tokenizer, ask.call)
            with own_way(self.model, own), self._within(), torch.inference_mode():
                found = write_texts(
                    self.model,
                    prompts,
                    decoding,
                    pad=int(rows[0][1].pad["input_ids"]),
                    tokenizer=self.run.tokenizer,
                    **forced,
                )
        except Exception as error:
            self._fail(ask, error)
            return
        from byeori.generate.write import _start

        start = _start(self.model, forced) if self.model.config.is_encoder_decoder else []
        for (place, store, at), prompt, texts in zip(rows, prompts, found, strict=True):
            speaker = None
            if ask.heard is not None:
                speaker = Speaker(task, prompt, ask.call, ask.heard)
                for token in texts[0].ids:
                    speaker.token(token, None, False)
            most = max(len(text.ids) + (text.end is not None) for text in texts)
            self._answer(ask, place, store, at, Written(prompt, texts, most), start, speaker)

    def clear(self) -> list[Ask]:
        asks = [*super().clear(), *(ask for ask, _ in self.lines), *(ask for ask, *_ in self.under_way.values())]
        self.lines.clear()
        self.under_way.clear()
        self.speakers.clear()
        self.together = Together(self.model, self.run.tokenizer, self._within)
        return list(dict.fromkeys(asks))


def lane_for(run: Run, **options: Any) -> Lane:
    """The lane of a model, by what its task does."""
    return WritingLane(run, **options) if writes_so(run.task) else Lane(run, **options)
