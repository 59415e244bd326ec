"""Continuous decoding: a text that ends leaves the batch at once, and one that waits takes its place.

Invariants: every strand that was added comes back once, with what it would get alone; no step computes on a text that has
ended; keys and values stay within `budget` bytes (of one strand, as many as it needs): where they would not, the
youngest strand goes back to those that wait and begins again later, which changes nothing of what it gets. Where a step finds
no memory for them, `retreat` has all that are not done begin again, half as many at a time.

    engine = Continuous(lean, config, budget=1 << 28); engine.add(strands)
    while engine.busy:
        for strand, texts in engine.step(): ...
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from byeori.generate.lines import Stops, Strand, Text, lines_of
from byeori.generate.pool import Pool
from byeori.generate.scores import Rules

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from byeori.generate.lean import Lean

# Rows (texts × beams) of a step at most: more make no step faster a row, and logits larger than LOGITS bytes neither.
ROWS = {"cpu": 256, "cuda": 2_048, "mps": 512}
LOGITS = {"cpu": 1 << 26, "cuda": 1 << 30, "mps": 1 << 28}
# Bytes of keys and values; on a processor for each beam, up to BEAMS.
BUDGET = {"cpu": 36 << 20, "cuda": 1 << 33, "mps": 1 << 30}
BEAMS = 4
SHARE = 0.4  # on a processor as many bytes as this share of the weights, where that is more
FREE = 0.5  # of what is free on a GPU they take at most
AHEAD = 16  # steps of all that there must be room for when another joins
JOINING = 8  # so many times fewer than are in must fit before others join: encoding one at a time is slow


class Continuous:
    def __init__(self, lean: Lean, config: GenerationConfig, *, budget: int | None = None, stops: Stops | None = None):
        kind = lean.device.type
        ends = config.eos_token_id
        self.ends: list[int] = [] if ends is None else list(ends) if isinstance(ends, list) else [ends]
        self.least = config.min_new_tokens or config.min_length or 0
        self.lean = lean
        self.rules = Rules(config, ends=self.ends, vocabulary=lean.vocabulary, device=lean.device)
        self.lines = lines_of(config, self.ends, lean.device, stops)
        self.budget = budget or _budget(lean, self.lines.width)
        self.tokens = lean.pack  # of sources and prompts that are run at once
        self.pool = Pool(lean, self.lines.width, self.budget, self.tokens)
        self._lines = partial(lines_of, config, self.ends, lean.device, stops)
        self.trying: list[Strand] = []  # what the step that is under way is for
        self.most = max(
            1, min(ROWS.get(kind, 256), LOGITS.get(kind, 1 << 26) // (4 * lean.vocabulary)) // self.lines.width
        )
        self.waiting: deque[Strand] = deque()
        self.open: Counter[int] = Counter()  # strands of each request that wait
        self.encoded: dict[int, torch.Tensor] = {}  # request → hidden states of its source, for those that wait
        self.ages: list[int] = []  # a slot each: the larger, the younger
        self._age = itertools.count()
        self.fresh: list[tuple[Strand, int]] = []  # tokens of the last step, where there are no beams
        self.places: list[int] = []  # of each of them: which of its text's new tokens it is, from 1
        self.scored = False  # whether the model's log-probability of each of them is kept
        self.logprobs: list[float] = []
        self.steps = self.rows = self.evicted = 0  # of all steps so far

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.pool.slots)

    def add(self, strands: Iterable[Strand], longest_first: bool = True) -> None:
        """To be written; those with the longest sources or prompts first, so that those that go together are alike, or as they come."""
        given = list(strands)
        if longest_first:
            given.sort(key=lambda one: -len(one.source or one.prompt))
        self.waiting.extend(given)
        self.open.update(one.request for one in given)

    @torch.no_grad()
    def step(self) -> list[tuple[Strand, list[Text]]]:
        """One token for every strand that is in; those that are done with it, and their texts."""
        self.trying = list(self.lines.strands)
        self._shrink()
        self._join()
        lines, pool = self.lines, self.pool
        hidden = pool.step(torch.from_numpy(lines.next).to(self.lean.device))
        logits = self.lean.head(hidden)
        before = logits.log_softmax(-1) if self.scored and lines.width == 1 else None  # rules may write into the logits
        tokens, parents = lines.choose(logits, self.rules)
        self.steps, self.rows = self.steps + 1, self.rows + tokens.size
        if parents is not None and (parents != np.arange(lines.width)).any():
            pool.inherit(torch.from_numpy(parents).to(self.lean.device))
        if lines.width == 1:
            self.fresh = list(zip(lines.strands, tokens[:, 0].tolist(), strict=True))
            self.places = (lines.lengths[: len(lines)] - lines.begun[: len(lines)]).tolist()
            if before is not None:
                taken = torch.from_numpy(tokens).to(before.device)
                self.logprobs = before.gather(1, taken)[:, 0].tolist()
        found = [(lines.strands[slot], texts) for slot, texts in lines.done.items()]
        if lines.done:
            self._leave(list(lines.done))
        return found

    def retreat(self, strands: list[Strand]) -> bool:
        """After a step that found no memory, with all that are not done: they wait again, and from here on at most half as many, of
        half their tokens and bytes, are in. False, with nothing held any more, where the step was for one alone."""
        tried, width = self.trying, self.lines.width
        columns = np.array([len(one.prompt) + min(AHEAD, one.most) * width for one in tried], np.int64)
        lengths = np.array([len(one.source or ()) for one in tried], np.int64)
        filled = self.pool.filled[: self.pool.slots]
        bytes = max(self.pool.bytes_of(columns, lengths), self.pool.bytes_of(filled, lengths[: len(filled)]))
        self.most = min(self.most, max(1, len(tried) // 2))
        self.tokens = min(self.tokens, max(1, sum(len(one.source or one.prompt) for one in tried) // 2))
        self.budget = min(self.budget, max(1, bytes // 2))
        self.encoded, self.ages, self.fresh = {}, [], []
        self.lines = self._lines()
        self.pool = Pool(self.lean, self.lines.width, self.budget, self.tokens)
        self.waiting.clear()
        self.open.clear()
        self.add(strands)
        return len(tried) > 1

    def drop(self, requests: set[int]) -> None:
        """Nobody wants what is written for these any more."""
        if slots := [slot for slot, one in enumerate(self.lines.strands) if one.request in requests]:
            self._leave(slots)
        self.waiting = deque(one for one in self.waiting if one.request not in requests)
        for request in requests:
            self.open.pop(request, None)
            self.encoded.pop(request, None)

    def _leave(self, slots: list[int]) -> None:
        for slot in sorted(slots, reverse=True):
            self.lines.leave(slot)
        self.ages = [self.ages[slot] for slot in self.pool.leave(slots)]

    # who is in ----------------------------------------------------------------------------------------------------
    def _join(self) -> None:
        """Takes in as many of those that wait as there is room for."""
        slots = self.pool.slots
        free = min(self.most - slots, len(self.waiting))
        wanted = min(len(self.waiting), max(1, slots // JOINING))
        if not free or free < wanted:
            return
        coming = list(itertools.islice(self.waiting, free))
        count = bisect_left(range(1, free + 1), True, key=lambda many: not self._fits(coming[:many]))
        if not count or (slots and count < wanted):
            return
        strands = coming[:count]
        for one in strands:
            self.waiting.popleft()
            self.open[one.request] -= 1
        self.trying += strands
        sources = None
        if self.lean.encode is not None:
            self._encode(strands)
            sources = [self.encoded[one.request] for one in strands]
            for one in strands:
                if not self.open[one.request]:
                    self.encoded.pop(one.request, None)
        self.pool.join([one.prompt[:-1] for one in strands], sources)
        self.lines.join(strands)
        self.ages += [next(self._age) for _ in strands]

    def _fits(self, joining: list[Strand]) -> bool:
        """Whether these would still fit beside those that are in, with some steps' room; one alone always does."""
        pool = self.pool
        if pool.slots + len(joining) == 1:
            return True
        coming = [len(one.prompt) + min(AHEAD, one.most) * pool.width for one in joining]
        filled = np.append(pool.filled[: pool.slots] + AHEAD * pool.width, coming)
        lengths = np.append(pool.lengths[: pool.slots], [len(one.source or ()) for one in joining])
        return pool.bytes_of(filled, lengths) <= self.budget

    def _shrink(self) -> None:
        """The youngest go back to those that wait while the next step would not fit."""
        pool = self.pool
        if pool.slots > 1 and pool.width > 1 and self._over() and 4 * pool.longest > 5 * pool.packed:
            pool.pack()
        while pool.slots > 1 and self._over():
            slot = int(np.argmax(self.ages))
            self.waiting.appendleft(self.lines.strands[slot])
            self.open[self.waiting[0].request] += 1
            self.evicted += 1
            self._leave([slot])

    def _over(self) -> bool:
        pool = self.pool
        return pool.bytes_of(pool.filled[: pool.slots] + pool.width, pool.lengths[: pool.slots]) > self.budget

    def _encode(self, strands: list[Strand]) -> None:
        """The sources of these, and of as many that come next as are worth encoding together."""
        assert self.lean.encode is not None
        if all(one.request in self.encoded for one in strands):
            return
        wanted: dict[int, list[int]] = {}
        tokens = sum(map(len, self.encoded.values()))
        for strand in itertools.chain(strands, self.waiting):
            if strand.request in self.encoded or strand.request in wanted or strand.source is None:
                continue
            if len(wanted) >= len(strands) and tokens + len(strand.source) > self.tokens:
                break
            wanted[strand.request] = strand.source
            tokens += len(strand.source)
        if wanted:
            self.trying += [one for one in self.waiting if one.request in wanted and one.text == 0]
            self.encoded |= dict(zip(wanted, self.lean.encode(list(wanted.values()), self.tokens), strict=True))


def _budget(lean: Lean, width: int) -> int:
    """Bytes of keys and values, where nobody says: on a processor a share of what the weights have, if that is more."""
    kind = lean.device.type
    if kind == "cuda":
        return min(BUDGET[kind], int(FREE * torch.cuda.mem_get_info(lean.device)[0]))
    if kind == "cpu":
        return max(BUDGET[kind] * min(width, BEAMS), int(SHARE * lean.weight_bytes))
    return BUDGET.get(kind, BUDGET["cpu"])
