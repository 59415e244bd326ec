"""What the settings do to the scores of the next token, for rows of any age and prompt in one batch.

Invariants: a row gets what transformers' logits processors give that row alone, in their order (generation/utils.py,
`_get_logits_processor`), and nothing of its company; scores are changed in place. What settings only a sampler has is
in draws.py.

    rules = Rules(config, ends=[1], vocabulary=32_000, device=device)
    if not rules.idle: scores = rules.apply(scores, rows)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from byeori.errors import ModelError
from byeori.generate.decoding import NEUTRAL
from byeori.generate.draws import Warps, draw

if TYPE_CHECKING:
    from transformers import GenerationConfig

__all__ = ["Rows", "Rules", "Warps", "draw", "unfit"]

Pairs = tuple[np.ndarray, np.ndarray]  # rows and tokens, int64, side by side


@dataclass
class Rows:
    """What the rows of a batch have written so far, as transformers' input_ids would be.

    `ids` int64 (rows, capacity): row r holds ids[r, : lengths[r]], its prompt or decoder start included, and rubbish
    behind. `begun` int64 (rows,): tokens of that prompt or start, so that lengths − begun are new; `most` int64 (rows,):
    begun + most new tokens, transformers' max_length of that row alone. `sources`: of an encoder-decoder each row's
    source ids, else None.
    """

    ids: np.ndarray
    lengths: np.ndarray
    begun: np.ndarray
    most: np.ndarray
    sources: list[np.ndarray] | None = None


class Rules:
    """The rules of a configuration. `idle`: it has none.

    `ends`: its end tokens; `vocabulary`: scores of a row, which may be fewer than there are ids (those can't be written).
    Raises ModelError where a token that is forced or banned isn't in the vocabulary.
    """

    def __init__(
        self, config: GenerationConfig, *, ends: list[int], vocabulary: int, device: torch.device | str = "cpu"
    ):
        self._rules = list(_rules(config, sorted({end for end in ends if 0 <= end < vocabulary}), vocabulary, device))
        self.idle = not self._rules

    @torch.no_grad()
    def apply(self, scores: torch.Tensor, rows: Rows) -> torch.Tensor:
        """float32 (rows, vocabulary), in place: logits of greedy decoding and sampling, log-probabilities of beams."""
        scores = scores.contiguous()
        for rule in self._rules:
            rule.apply(scores, rows)
        return scores


def unfit(config: GenerationConfig) -> str | None:
    """Why this configuration can't run here, in a sentence that names the setting; None if it can."""

    def value(name: str) -> Any:
        return getattr(config, name, None)

    beams = value("num_beams") or 1
    for name in _ELSEWHERE:
        if value(name) not in (None, False):
            return f"{name} is set, and this engine has no rule for it."
    if value("guidance_scale") not in (None, 1):
        return f"guidance_scale={value('guidance_scale')} runs the model twice a token, which this engine doesn't."
    if (value("num_beam_groups") or 1) > 1:
        return f"num_beam_groups={value('num_beam_groups')}: this engine has no groups of beams."
    if beams > 1 and value("do_sample"):
        return f"do_sample with num_beams={beams}: this engine draws without beams, or has beams without drawing."
    if beams > 1 and value("renormalize_logits"):
        return f"renormalize_logits with num_beams={beams}: this engine doesn't normalize twice."
    width = NEUTRAL["top_k"] if value("top_k") is None else value("top_k")
    if (value("penalty_alpha") or 0) > 0 and beams == 1 and not value("do_sample") and width > 1:
        return f"penalty_alpha={value('penalty_alpha')} asks for contrastive search, which this engine doesn't have."
    ends = _listed(value("forced_eos_token_id"))
    for name, tokens in (
        ("suppress_tokens", {*_listed(value("forced_bos_token_id")), *ends}),
        ("begin_suppress_tokens", {*ends}),
    ):
        if clash := sorted(tokens & {*(value(name) or ())}):
            return f"{name} bans token {clash[0]}, which another setting forces, so that nothing could be written."
    return None


_ELSEWHERE = (
    "sequence_bias", "watermarking_config", "constraints", "force_words_ids", "token_healing", "max_time",
    "prompt_lookup_num_tokens", "assistant_early_exit", "use_mtp", "dola_layers",
)  # fmt: skip


# the rules -------------------------------------------------------------------------------------------------------
class _Rule(Protocol):
    def apply(self, scores: torch.Tensor, rows: Rows) -> None: ...


def _rules(config: Any, ends: list[int], vocabulary: int, device: torch.device | str) -> Iterator[_Rule]:
    """In transformers' order; None is what it takes where nothing is set."""
    if config.encoder_repetition_penalty not in (None, 1):
        yield _Repetition(1 / config.encoder_repetition_penalty, _Sources())
    if config.repetition_penalty not in (None, 1):
        yield _Repetition(float(config.repetition_penalty), None)
    if config.no_repeat_ngram_size:
        yield _Runs(config.no_repeat_ngram_size, None)
    if config.encoder_no_repeat_ngram_size:
        yield _Runs(config.encoder_no_repeat_ngram_size, _Sources())
    if words := [list(word) for word in config.bad_words_ids or () if list(word) not in [[end] for end in ends]]:
        yield _Words(words, vocabulary, device)
    # generate() overwrites min_length where min_new_tokens is given, be it 0.
    total = config.min_new_tokens is None
    if ends and (least := (config.min_length if total else config.min_new_tokens) or 0) > 0:
        yield _Least(least, total, ends)
    if config.forced_bos_token_id is not None or config.forced_eos_token_id is not None:
        yield _Forced(config.forced_bos_token_id, _listed(config.forced_eos_token_id), vocabulary)
    if config.remove_invalid_values is True:
        yield _Numbers()
    if config.exponential_decay_length_penalty is not None and ends:
        start, factor = config.exponential_decay_length_penalty
        yield _Decay(start, factor, ends)
    if config.suppress_tokens:
        yield _Suppressed([token for token in config.suppress_tokens if 0 <= token < vocabulary], device)
    if config.begin_suppress_tokens:
        tokens = sorted({token for token in config.begin_suppress_tokens if 0 <= token < vocabulary})
        yield _Begun(tokens, config.forced_bos_token_id is not None)


class _Sources:
    """The ids that an encoder has read, side by side; a decoder's are its prompt, as in transformers.

    Built anew when the company changes, which is seldom.
    """

    def __init__(self) -> None:
        self.of: list[np.ndarray] = []
        self.ids, self.lengths = np.zeros((0, 0), np.int64), np.zeros(0, np.int64)

    def __call__(self, rows: Rows) -> Pairs:
        """ids (rows, longest) and lengths (rows,)."""
        if rows.sources is None:
            return rows.ids, rows.begun
        if len(self.of) != len(rows.sources) or any(a is not b for a, b in zip(self.of, rows.sources, strict=True)):
            self.of = list(rows.sources)  # held, so that no other array can come to have its identity
            self.lengths = np.array([len(source) for source in self.of], np.int64)
            self.ids = np.zeros((len(self.of), self.lengths.max(initial=0)), np.int64)
            for row, source in zip(self.ids, self.of, strict=True):
                row[: len(source)] = source
        return self.ids, self.lengths


@dataclass
class _Repetition:
    """Scores of tokens that stand there are divided by the penalty, multiplied below 0 (Keskar et al., 2019, CTRL)."""

    penalty: float
    sources: _Sources | None  # None: what the row itself has written

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        ids, lengths = self.sources(rows) if self.sources else (rows.ids, rows.lengths)
        ids = ids[:, : lengths.max(initial=0)]
        at = _at(scores, np.repeat(np.arange(len(ids)), lengths), ids[np.arange(ids.shape[1]) < lengths[:, None]])
        flat = scores.view(-1)
        found = flat[at]
        flat[at] = torch.where(
            found < 0, found * self.penalty, found / self.penalty
        )  # one value however often it stands


@dataclass
class _Runs:
    """No run of `size` tokens that stands there already, in the row itself or in its source, is completed again."""

    size: int
    sources: _Sources | None

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        ids, lengths = self.sources(rows) if self.sources else (rows.ids, rows.lengths)
        ends = _tails(rows, self.size - 1)
        windows = np.where(rows.lengths >= self.size - 1, lengths - self.size + 1, 0)
        reach = max(0, windows.max(initial=0))
        alike = np.arange(reach) < windows[:, None]
        if self.size > 1:  # one dense comparison, of the token before; the others where it holds
            alike &= ids[:, self.size - 2 : self.size - 2 + reach] == ends[:, -1:]
        of, places = np.nonzero(alike)
        for back in range(self.size - 2):
            same = ids[of, places + back] == ends[of, back]
            of, places = of[same], places[same]
        _ban(scores, of, ids[of, places + self.size - 1])


class _Words:
    """Runs of tokens that must not be written: their last token is banned where the others stand before it.

    So too where its score is no number, which in transformers stays none.
    """

    def __init__(self, words: list[list[int]], vocabulary: int, device: torch.device | str):
        if wrong := sorted({token for word in words for token in word if not 0 <= token < vocabulary}):
            raise ModelError(f"bad_words_ids names token {wrong[0]}; the model has tokens 0 to {vocabulary - 1}.")
        single = sorted({word[0] for word in words if len(word) == 1})
        self.single = torch.tensor(single, dtype=torch.int64, device=device)
        longer = sorted({len(word) for word in words if len(word) > 1})
        self.longer = [np.array([word for word in words if len(word) == length], np.int64) for length in longer]

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        if len(self.single):
            scores.index_fill_(1, self.single, -math.inf)
        for words in self.longer:
            size = words.shape[1] - 1
            ends = _tails(rows, size)
            alike = (rows.lengths >= size)[:, None] & (ends[:, -1:] == words[:, -2])
            of, which = np.nonzero(alike)
            for place in range(size - 1):
                same = ends[of, place] == words[which, place]
                of, which = of[same], which[same]
            _ban(scores, of, words[which, -1])


@dataclass
class _Least:
    """No end token before so many tokens."""

    least: int
    total: bool  # counted with the prompt
    ends: list[int]

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        written = rows.lengths if self.total else rows.lengths - rows.begun
        _ban_all(scores, np.flatnonzero(written < self.least), self.ends)


class _Forced:
    """The first token after a start token, and the last one there is room for."""

    def __init__(self, first: int | None, last: list[int], vocabulary: int):
        self.first, self.last = [] if first is None else [first], sorted(set(last))
        for name, tokens in (("forced_bos_token_id", self.first), ("forced_eos_token_id", self.last)):
            if wrong := [token for token in tokens if not 0 <= token < vocabulary]:
                raise ModelError(f"{name}={wrong[0]}: the model has tokens 0 to {vocabulary - 1}.")

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        for tokens, now in self._now(rows):
            if tokens and now.any():
                scores[torch.from_numpy(now).to(scores.device)] = -math.inf
                of = np.flatnonzero(now)
                scores.view(-1)[_at(scores, np.repeat(of, len(tokens)), np.tile(tokens, len(of)))] = 0.0

    def _now(self, rows: Rows) -> tuple[tuple[list[int], np.ndarray], ...]:
        """The end comes second: where both are due it is the end."""
        return (self.first, rows.lengths == 1), (self.last, rows.lengths == rows.most - 1)


class _Numbers:
    """What is no number becomes 0, what is infinite the largest or smallest number."""

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        finite = torch.finfo(scores.dtype)
        scores.nan_to_num_(0.0, finite.max, finite.min)


@dataclass
class _Decay:
    """From `start` new tokens on, an end token's score s becomes s + |s| × (factor^tokens since − 1)."""

    start: int
    factor: float
    ends: list[int]

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        since = rows.lengths - rows.begun - self.start
        late = np.flatnonzero(since > 0)
        if not len(late):
            return
        with np.errstate(over="ignore"):
            grown = np.power(float(self.factor), since[late]) - 1
        at = _at(scores, np.repeat(late, len(self.ends)), np.tile(self.ends, len(late)))
        weight = torch.from_numpy(np.repeat(grown, len(self.ends)).astype(np.float32)).to(scores.device)
        flat = scores.view(-1)
        found = flat[at]
        flat[at] = found + (found.abs() * weight).masked_fill(~torch.isfinite(found), 0.0)


class _Suppressed:
    """Tokens that are never written."""

    def __init__(self, tokens: list[int], device: torch.device | str):
        self.tokens = torch.tensor(sorted(set(tokens)), dtype=torch.int64, device=device)

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        scores.index_fill_(1, self.tokens, -math.inf)


@dataclass
class _Begun:
    """Tokens that don't come first; where a first token is forced after a single start token, that don't come second."""

    tokens: list[int]
    after_forced: bool

    def apply(self, scores: torch.Tensor, rows: Rows) -> None:
        first = rows.begun + (self.after_forced & (rows.begun <= 1))
        _ban_all(scores, np.flatnonzero(rows.lengths == first), self.tokens)


# pairs of rows and tokens ----------------------------------------------------------------------------------------
def _at(scores: torch.Tensor, of: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
    """Places of the pairs in the flat scores; ids past the vocabulary have none."""
    vocabulary = scores.shape[1]
    known = tokens < vocabulary
    if not known.all():
        of, tokens = of[known], tokens[known]
    return torch.from_numpy(of * vocabulary + tokens).to(scores.device)


def _ban(scores: torch.Tensor, of: np.ndarray, tokens: np.ndarray) -> None:
    if len(of):
        scores.view(-1)[_at(scores, of, tokens)] = -math.inf


def _ban_all(scores: torch.Tensor, of: np.ndarray, tokens: list[int]) -> None:
    """All the tokens in each of the rows."""
    _ban(scores, np.repeat(of, len(tokens)), np.tile(tokens, len(of)))


def _tails(rows: Rows, size: int) -> np.ndarray:
    """The last `size` ids of each row (rows, size); rubbish where a row is shorter."""
    places = np.maximum(rows.lengths[:, None] - size + np.arange(size), 0)
    return np.take_along_axis(rows.ids, places, 1)


def _listed(tokens: int | list[int] | None) -> list[int]:
    return [] if tokens is None else [tokens] if isinstance(tokens, int) else list(tokens)
