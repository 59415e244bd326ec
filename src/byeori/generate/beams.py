"""Beam search, slot by slot, each at its own length.

Invariants: what a slot writes is what transformers' beam search writes for its prompt alone: 2 × beams candidates a step (more
where several tokens end a text), a text counts if it ends among the best `beams` of them, its score is the sum of log p
over its length to the power of the penalty, and a slot ends by `early_stopping` as there.

    beams = Beams(config, [1], device); beams.join(strands); ids, parents = beams.choose(logits, rules); beams.done
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from byeori.generate.lines import Lines, Stops, Strand, Text
from byeori.generate.scores import Rules
from byeori.models.vocabulary import best

if TYPE_CHECKING:
    from transformers import GenerationConfig

WORST = np.float32(-1e9)  # of a beam that is none yet


@dataclass
class Ended:
    """The texts of a slot that have ended, the best first, at most as many as beams."""

    texts: list[Text] = field(default_factory=list)

    def add(self, text: Text, most: int) -> None:
        self.texts.append(text)
        self.texts.sort(key=lambda one: -(one.score or 0.0))  # stable: of equal ones the earlier
        del self.texts[most:]


class Beams(Lines):
    kept = ("lengths", "begun", "most", "scores")

    def __init__(self, config: GenerationConfig, ends: list[int], device: torch.device, stops: Stops | None = None):
        self.width = config.num_beams
        super().__init__(config, ends, device, stops)
        self.scores = np.zeros((0, self.width), np.float32)  # sums of log p
        self.penalty = config.length_penalty if config.length_penalty is not None else 1.0
        self.early = config.early_stopping
        self.texts = config.num_return_sequences or 1
        self.candidates = max(2, 1 + len(ends)) * self.width
        self.ended: list[Ended] = []

    def join(self, strands: list[Strand]) -> None:
        first = len(self)
        super().join(strands)
        self.scores[first : len(self)] = 0
        self.scores[first : len(self), 1:] = WORST  # at first all beams are the same
        self.ended += [Ended() for _ in strands]

    def leave(self, slot: int) -> None:
        last = self.ended.pop()
        if slot < len(self.ended):
            self.ended[slot] = last
        super().leave(slot)

    def choose(self, logits: torch.Tensor, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
        scores, tokens, parents = self._candidates(logits, rules)
        count = len(self)
        length = self.lengths[:count] + 1 - self.begun[:count]  # new tokens, this one included
        stopped = np.isin(tokens, self.ends)
        by_end = stopped.copy()
        stopped |= (self.lengths[:count] + 1 >= self.most[:count])[:, None]
        if self.stops is not None:
            self._stop(stopped, tokens, parents)
        for slot in np.flatnonzero(stopped[:, : self.width].any(1)).tolist():
            self._end(slot, scores[slot], tokens[slot], parents[slot], stopped[slot], by_end[slot], int(length[slot]))

        # Those that go on: the best that haven't stopped.
        order = np.argsort(stopped, 1, kind="stable")[:, : self.width]
        tokens, parents = (np.take_along_axis(values, order, 1) for values in (tokens, parents))
        going = np.take_along_axis(scores + np.where(stopped, WORST, np.float32(0)), order, 1)
        self.scores[:count] = going
        self.ids[:count] = np.take_along_axis(self.ids[:count], parents[..., None], 1)
        self._write(tokens)
        self._close(going[:, 0], length, np.asarray(stopped.all(1)))
        return tokens, parents

    def _candidates(self, logits: torch.Tensor, rules: Rules) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best continuations of each slot, the best first: scores float32, tokens and parents int64 (slots, candidates)."""
        count, width, most = len(self), self.width, min(self.candidates, self.width * logits.shape[1])
        each = min(most, logits.shape[1])
        found = logits.log_softmax(-1)
        values, ids = best(found if rules.idle else rules.apply(found, self.rows()), each)
        running = torch.from_numpy(self.scores[:count]).to(values.device)
        values = (values.view(count, width, each) + running[..., None]).flatten(1)
        scores, at = values.topk(most)
        tokens = ids.view(count, width * each).gather(1, at)
        return scores.cpu().numpy(), tokens.cpu().numpy(), (at // each).cpu().numpy()

    def _stop(self, stopped: np.ndarray, tokens: np.ndarray, parents: np.ndarray) -> None:
        assert self.stops is not None
        for slot, place in zip(*np.nonzero(~stopped), strict=True):
            new = [*self._new(int(slot), int(parents[slot, place])), int(tokens[slot, place])]
            stopped[slot, place] = self.stops(new)

    def _end(
        self, slot: int, scores: np.ndarray, tokens: np.ndarray, parents: np.ndarray, stopped: np.ndarray,
        by_end: np.ndarray, length: int,
    ) -> None:  # fmt: skip
        """Takes the texts of a slot that ended now."""
        if self.early is True and len(self.ended[slot].texts) == self.width:
            return
        found = []
        for place in np.flatnonzero(stopped[: self.width]).tolist():
            new, token = self._new(slot, int(parents[place])), int(tokens[place])
            score = float(scores[place] / np.float32(length**self.penalty))
            found.append(Text(new, score, token) if by_end[place] else Text([*new, token], score))
        for text in found:
            self.ended[slot].add(text, self.width)

    def _close(self, running: np.ndarray, length: np.ndarray, nothing_left: np.ndarray) -> None:
        """Which slots are done: nothing goes on, or what does can't get better than the worst text there is."""
        self.done = {}
        for slot, ended in enumerate(self.ended):
            over = bool(nothing_left[slot])
            if len(ended.texts) == self.width and not over:
                hoped = int(length[slot])
                if self.early == "never" and self.penalty > 0:
                    hoped = int(self.most[slot] - self.begun[slot])
                worst = np.float32(ended.texts[-1].score)
                over = self.early is True or not running[slot] / np.float32(hoped**self.penalty) > worst
            if over:
                self.done[slot] = (ended.texts + [Text([], float(WORST))] * self.texts)[: self.texts]
