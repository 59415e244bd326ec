"""The requests of one model that is asked and answers at once: texts → tokens → batches by tokens → predictions.

Invariants: rows of different requests are computed together, and none gets other numbers by it; a batch holds at most
`budget` tokens, unless it is one sequence that is longer; it begins with the oldest request, and each request in turn has a
row in it before one has a second, so that neither a long nor a large request is passed by, nor does it hold others up.
All of it runs in the model's thread.

    lane = Lane(run, window=0.004); lane.take(asks); lane.turn()
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import Answers
from byeori.errors import RowsError
from byeori.predict.picked import Part, parts_of, picked
from byeori.serve.ask import Ask, Refused, refusal
from byeori.tasks.base import Task

if TYPE_CHECKING:
    from byeori.predict.run import Run
    from byeori.text.store import TokenStore

ROWS = 1_024  # of a batch at most
CHARACTERS = 1 << 18  # read at once: some tenths of a second


@dataclass(eq=False)
class Row:
    """A row that is encoded: its parts, most often one, and what was answered of those that are computed."""

    ask: Ask
    place: int
    parts: list[Part]
    found: list[Answers | None] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.parts)


class Lane:
    """`limit`: tokens a request may have in all; `batched` is told rows and tokens of each batch, `failed` an error that has no
    sentence of ours."""

    def __init__(
        self,
        run: Run,
        *,
        window: float = 0.004,
        budget: int | None = None,
        limit: int = 1 << 62,
        batched: Callable[[int, int], None] = lambda rows, tokens: None,
        failed: Callable[[BaseException], None] = lambda error: None,
    ):
        self.run, self.window, self.limit, self.batched, self.failed = run, window, limit, batched, failed
        self.engine = run.engine
        self.budget = min(budget or self.engine.pack_tokens, self.engine.pack_tokens)
        self.coming: deque[tuple[Ask, int]] = deque()  # requests, and their first row that isn't encoded
        self.waiting: deque[deque[tuple[Row, int]]] = (
            deque()
        )  # a request's parts that wait, by request, the oldest first
        self.tokens = 0  # of those
        self._last = 0.0  # when the last batch ended
        self._together = 0  # requests in it
        # Where a model's answers don't hang on how they are decoded, calls of different settings go together.
        self._alike = type(run.task).gather is Task.gather

    # what is taken ------------------------------------------------------------------------------------------------
    def take(self, asks: list[Ask]) -> None:
        """Requests to be answered."""
        self.coming.extend((ask, 0) for ask in asks if not ask.over)

    def _read(self) -> None:
        """Encode some of what has come, a little of each request in turn, those of equal settings together."""
        groups: dict[Any, list[tuple[Ask, int]]] = {}
        room = CHARACTERS
        while self.coming and room > 0:
            ask, first = self.coming.popleft()
            if ask.over:
                continue
            last, size = first, 0
            while last < len(ask.rows) and size < CHARACTERS // 8:
                size += characters(ask.rows[last]) + 1
                last += 1
            groups.setdefault((ask.length, repr(ask.call)), []).extend((ask, place) for place in range(first, last))
            room -= size
            if last < len(ask.rows):
                self.coming.append((ask, last))
        for owners in groups.values():
            self._encode(owners)

    def _encode(self, owners: list[tuple[Ask, int]]) -> None:
        """One that can't be used is refused; the others are not."""
        from byeori.predict.engine import columns

        engine = self.engine_for(owners[0][0].length)
        while owners:
            try:
                store = engine.encode(columns([ask.rows[place] for ask, place in owners]), owners[0][0].call)
            except RowsError as error:
                _refuse_rows(owners, error)
                owners = [one for one in owners if not one[0].ended]
            except Exception as error:
                asks = list(dict.fromkeys(ask for ask, _ in owners))
                if len(asks) == 1:
                    self._fail(asks[0], error)
                    return
                for ask in asks:
                    self._encode([one for one in owners if one[0] is ask])
                return
            else:
                self._admit(owners, store)
                return

    def engine_for(self, length: int | None) -> Any:
        return self.engine if length is None else self.run.cut_to(length).engine

    def _admit(self, owners: list[tuple[Ask, int]], store: TokenStore) -> None:
        for at, ((ask, _), tokens) in enumerate(
            zip(owners, np.diff(store.offsets[store.row_offsets]).tolist(), strict=True)
        ):
            if ask.seen is not None:
                ask.seen += sequences(store, at)
            ask.tokens += tokens
            if ask.tokens > self.limit:
                ask.refuse(too_long(ask.tokens, self.limit))
        self.queue(owners, store)

    def queue(self, owners: list[tuple[Ask, int]], store: TokenStore) -> None:
        lines: dict[Ask, deque[tuple[Row, int]]] = {}
        for at, (ask, place) in enumerate(owners):
            if not ask.ended:
                row = Row(ask, place, parts_of(store, at, self.budget))
                row.found = [None] * len(row.parts)
                lines.setdefault(ask, deque()).extend((row, part) for part in range(len(row.parts)))
                self.tokens += row.tokens
        known = {own[0][0].ask: own for own in self.waiting}
        for ask, line in lines.items():
            if ask in known:
                known[ask].extend(line)
            else:
                self.waiting.append(line)

    def _fail(self, ask: Ask, error: BaseException) -> None:
        ask.refuse(refusal(error))
        if ask.refused is not None and ask.refused.status >= 500:
            self.failed(error)

    # what is computed ---------------------------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        return bool(self.coming or self.waiting)

    @property
    def due(self) -> float:
        """When the next batch should begin: at once for a request that comes alone; where several came together last time, as
        soon as there are as many again, or the window has passed."""
        if self.coming or self.tokens >= self.budget or len(self.waiting) >= self._together:
            return 0.0
        return self._last + self.window

    def turn(self) -> None:
        """What has come is encoded, and, if it is time, one batch of it computed and told."""
        self._read()
        if self.due > time.monotonic():
            return
        batch = self._pick()
        if not batch:
            return
        self._together = len({row.ask for row, _ in batch})
        if self._alike:
            batch.sort(key=lambda one: repr(one[0].ask.call))
            self._compute(batch)
        else:
            groups: dict[str, list[tuple[Row, int]]] = {}
            for one in batch:
                groups.setdefault(repr(one[0].ask.call), []).append(one)
            for group in groups.values():
                self._compute(group)
        self._last = time.monotonic()

    def _pick(self) -> list[tuple[Row, int]]:
        """Parts for the next batch; those of requests that are over are dropped."""
        batch: list[tuple[Row, int]] = []
        tokens, most = 0, self._most_rows()
        line = self.waiting
        held: list[deque[tuple[Row, int]]] = []  # whose next part doesn't fit
        while line and len(batch) < most:
            own = line.popleft()
            if own[0][0].ask.over:
                self.tokens -= sum(row.parts[part].tokens for row, part in own)
                continue
            size = own[0][0].parts[own[0][1]].tokens
            if batch and tokens + size > self.budget:
                held.append(own)
                continue
            batch.append(own.popleft())
            tokens += size
            if own:
                line.append(own)
        self.waiting = deque(sorted([*held, *line], key=lambda own: own[0][0].ask.began))
        self.tokens -= tokens
        return batch

    def _most_rows(self) -> int:
        window = getattr(self.run.task, "window", None)
        if window is None:
            return ROWS
        calls = (own[0][0].ask.call for own in self.waiting)
        return min([ROWS, *(window(call, self.engine.encoder.max_length) or ROWS for call in calls)])

    def _compute(self, batch: list[tuple[Row, int]]) -> None:
        """Raises what ends the thread; what fails for another reason is tried request by request, and refused alone."""
        try:
            found = self._answers(batch)
        except Exception as error:
            from byeori.models.device import lost

            if lost(error) or lost(error.__cause__):
                raise
            asks = list(dict.fromkeys(row.ask for row, _ in batch))
            if len(asks) == 1:
                self._fail(asks[0], error)
                return
            for ask in asks:
                self._compute([one for one in batch if one[0].ask is ask])
            return
        for (row, part), answers in zip(batch, found, strict=True):
            row.found[part] = answers
        self._tell(list(dict.fromkeys(row for row, _ in batch if None not in row.found)))

    def _answers(self, batch: list[tuple[Row, int]]) -> list[Answers]:
        store = picked([row.parts[part] for row, part in batch])
        call = None if self._alike else batch[0][0].ask.call
        answers = self.engine.run(store, call=call)
        self.batched(len(batch), store.tokens)
        return [_of(answers, store, row) for row in range(len(batch))]

    def _tell(self, rows: list[Row]) -> None:
        """Decode rows whose parts are all computed, those of one call together."""
        for group in _by_call(rows):
            call = group[0].ask.call
            store = picked([Part(r.parts[0].store, r.parts[0].row, r.parts[0].first, r.parts[-1].last) for r in group])
            answers = _end_to_end([one for row in group for one in row.found if one is not None])
            try:
                found = self.engine.decode(answers, store, call)
            except Exception as error:
                if len(group) > 1:
                    for row in group:
                        self._tell([row])
                    continue
                self._fail(group[0].ask, error)
                continue
            for row, prediction in zip(group, found, strict=True):
                row.ask.answer(row.place, prediction)

    def clear(self) -> list[Ask]:
        """Gives up all that waits; whose it was."""
        asks = list(dict.fromkeys([*(own[0][0].ask for own in self.waiting if own), *(ask for ask, _ in self.coming)]))
        self.waiting.clear()
        self.coming.clear()
        self.tokens = 0
        return asks


def too_long(tokens: int, limit: int) -> Refused:
    return Refused(
        413,
        f"this request has {tokens:,} tokens, and this server takes {limit:,} (--max-request-tokens). Ask in parts.",
        "inputs",
    )


def _refuse_rows(owners: list[tuple[Ask, int]], error: RowsError) -> None:
    """The requests of rows that can't be used get the reasons under their own numbers."""
    wrong: dict[Ask, dict[int, str]] = {}
    for at, reason in error.reasons.items():
        ask, place = owners[at]
        wrong.setdefault(ask, {})[place] = reason
    for ask, reasons in wrong.items():
        ask.refuse(refusal(RowsError(reasons)))


def sequences(store: TokenStore, row: int) -> list[tuple[list[int], list[int] | None]]:
    """Ids of each sequence of a row, and its segments, where the model is told them."""
    ends = store.offsets[store.row_offsets[row] : store.row_offsets[row + 1] + 1].tolist()
    segments = store.columns.get("token_type_ids")
    return [
        (store.input_ids[begin:end].tolist(), None if segments is None else segments[begin:end].tolist())
        for begin, end in zip(ends, ends[1:], strict=False)
    ]


def characters(row: Any) -> int:
    """Of all texts in a row."""
    if isinstance(row, str):
        return len(row)
    if isinstance(row, dict):
        return sum(map(characters, row.values()))
    return sum(map(characters, row)) if isinstance(row, list | tuple) else 0


def _by_call(rows: list[Row]) -> Iterator[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(repr(row.ask.call), []).append(row)
    yield from groups.values()


def _of(answers: Answers, store: TokenStore, row: int) -> Answers:
    """The answers of a row's sequences."""
    first, last = int(store.row_offsets[row]), int(store.row_offsets[row + 1])
    if answers.offsets is None:
        return Answers(answers.values[first:last])
    ends = answers.offsets[first : last + 1]
    return Answers(answers.values[ends[0] : ends[-1]], ends - ends[0])


def _end_to_end(found: list[Answers]) -> Answers:
    values = np.concatenate([one.values for one in found])
    if all(one.offsets is None for one in found):
        return Answers(values)
    lengths = [np.ones(len(one), np.int64) if one.offsets is None else np.diff(one.offsets) for one in found]
    return Answers(values, np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))
