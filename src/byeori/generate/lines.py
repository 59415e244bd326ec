"""What the slots of a batch have written so far, and which token each goes on with: the likeliest, or one that is drawn.

Invariants: line i is slot i of the pool: they join, leave and are replaced together. A line's next token depends on nothing
but its own scores, seed and place.

    lines = Lines(config, ends=[1]); lines.join(strands); ids, _ = lines.choose(logits, rules); lines.done
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.generate.scores import Rows, Rules, Warps, draw
from byeori.models.vocabulary import best

if TYPE_CHECKING:
    from transformers import GenerationConfig

COLUMNS = 64  # tokens a line has room for at first
Stops = Callable[[list[int]], bool]  # new tokens → whether they end in a stop text


@dataclass
class Strand:
    """One text to be written (by beam search: `width` of them). `prompt`: what the decoder has before it, start tokens included."""

    request: int
    prompt: list[int]
    most: int  # new tokens
    source: list[int] | None = None
    text: int = 0  # which of several texts of one prompt
    seed: int = 0


@dataclass
class Text:
    """New tokens without start, end and padding; `score` as transformers' sequences_scores (beam search), else None; `end`: the
    end token, None for a text that stopped otherwise."""

    ids: list[int]
    score: float | None = None
    end: int | None = None


class Lines:
    """One line a slot."""

    width = 1
    kept: tuple[str, ...] = ("lengths", "begun", "most")  # arrays of a value a slot

    def __init__(self, config: GenerationConfig, ends: list[int], device: torch.device, stops: Stops | None = None):
        self.ends, self.stops, self.device = np.array(ends, np.int64), stops, device
        self.warps = Warps(config, device=device) if config.do_sample else None
        self.strands: list[Strand] = []
        self.sources: list[
            np.ndarray
        ] = []  # of each slot; the same arrays from step to step, by which rules keep what they found
        self.done: dict[int, list[Text]] = {}  # of the last step: slot → its texts
        self.ids = np.zeros((0, self.width, COLUMNS), np.int64)
        self.lengths = np.zeros(0, np.int64)
        self.begun = np.zeros(0, np.int64)
        self.most = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.strands)

    @property
    def next(self) -> np.ndarray:
        """The newest token of each row, int64 (slots, width)."""
        count = len(self)
        return self.ids[np.arange(count)[:, None], np.arange(self.width), self.lengths[:count, None] - 1]

    def join(self, strands: list[Strand]) -> None:
        first, total = len(self), len(self) + len(strands)
        longest = max(len(one.prompt) for one in strands) + COLUMNS
        slots = max(0, total - len(self.ids))
        columns = max(0, longest - self.ids.shape[2])
        if slots or columns:
            self.ids = np.pad(self.ids, ((0, slots), (0, 0), (0, columns)))
            for name in self.kept:
                values = getattr(self, name)
                setattr(self, name, np.pad(values, ((0, slots), *((0, 0) for _ in values.shape[1:]))))
        self.sources += [np.asarray(one.source) for one in strands if one.source is not None]
        for slot, strand in enumerate(strands, start=first):
            length = len(strand.prompt)
            self.ids[slot, :, :length] = strand.prompt
            self.lengths[slot] = self.begun[slot] = length
            self.most[slot] = length + strand.most
        self.strands += strands

    def leave(self, slot: int) -> None:
        """The last slot takes its place."""
        last = self.strands.pop()
        source = self.sources.pop() if self.sources else None
        if slot < len(self.strands):
            self.strands[slot] = last
            if source is not None:
                self.sources[slot] = source
            self.ids[slot] = self.ids[len(self.strands)]
            for name in self.kept:
                values = getattr(self, name)
                values[slot] = values[len(self.strands)]

    def rows(self) -> Rows:
        """As the rules see them: slots × width rows."""
        count, width = len(self), self.width
        sources = [one for one in self.sources for _ in range(width)] or None
        lengths, begun, most = (np.repeat(values[:count], width) for values in (self.lengths, self.begun, self.most))
        return Rows(self.ids[:count].reshape(count * width, -1), lengths, begun, most, sources)

    def choose(self, logits: torch.Tensor, rules: Rules) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits float32 (slots × width, vocabulary) → the tokens taken, int64 (slots, width), and the row of its slot that each
        goes on from (None: its own). What has ended stands in `done`."""
        if not rules.idle:
            logits = rules.apply(logits, self.rows())
        if self.warps is None:
            taken = best(logits, 1)[1][:, 0]
        else:
            seeds, texts = (np.array([getattr(one, name) for one in self.strands]) for name in ("seed", "text"))
            taken = draw(self.warps.apply(logits), seeds, texts, self.lengths[: len(self)] - self.begun[: len(self)])
        tokens = taken.cpu().numpy()
        self._write(tokens[:, None])
        self.done = {}
        ended = np.isin(tokens, self.ends)
        for slot in np.flatnonzero(ended | (self.lengths[: len(self)] >= self.most[: len(self)])).tolist():
            self.done[slot] = [self._text(slot, bool(ended[slot]))]
        if self.stops is not None:
            for slot in range(len(self)):
                if slot not in self.done and self.stops(self._new(slot)):
                    self.done[slot] = [self._text(slot, False)]
        return tokens[:, None], None

    def _write(self, tokens: np.ndarray) -> None:
        """Each row's next token, (slots, width)."""
        count = len(self)
        if int(self.lengths[:count].max()) >= self.ids.shape[2]:
            self.ids = np.pad(self.ids, ((0, 0), (0, 0), (0, self.ids.shape[2])))
        self.ids[np.arange(count)[:, None], np.arange(self.width), self.lengths[:count, None]] = tokens
        self.lengths[:count] += 1

    def _new(self, slot: int, row: int = 0) -> list[int]:
        found: list[int] = self.ids[slot, row, self.begun[slot] : self.lengths[slot]].tolist()
        return found

    def _text(self, slot: int, ended: bool) -> Text:
        new = self._new(slot)
        return Text(new[:-1], end=new[-1]) if ended else Text(new)


def lines_of(config: Any, ends: list[int], device: torch.device, stops: Stops | None) -> Lines:
    """By how the configuration decodes."""
    if (config.num_beams or 1) > 1:
        from byeori.generate.beams import Beams

        return Beams(config, ends, device, stops)
    return Lines(config, ends, device, stops)
