"""Drawing the next token: what narrows the scores first, and a draw that is a function of seed, text and step alone.

Invariants: no row sees its company: the same row of scores under the same (seed, text, step) is the same token, in any
batch and order; a token of −inf is never drawn. Narrowing is by transformers' own classes, in its order.

    token = draw(Warps(config, device=device).apply(scores), seeds, texts, steps)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.errors import ModelError
from byeori.generate.decoding import NEUTRAL

if TYPE_CHECKING:
    from transformers import GenerationConfig

FEW = 8  # tokens left are put side by side where they are at most one in so many
TOGETHER = 2**22  # float64 numbers held at once where they aren't: 32 MiB
Narrow = Callable[[Any, torch.Tensor], torch.Tensor]


class Warps:
    """Temperature, top_h, top_k, top_p, min_p, typical_p, epsilon and eta; none where nothing is drawn.

    `idle`: it has none. Raises ModelError where transformers refuses a value.
    """

    def __init__(self, config: GenerationConfig, *, device: torch.device | str = "cpu"):
        try:
            self._whole, self._few = _warps(config, device) if config.do_sample else ([], [])
        except ValueError as error:
            raise ModelError(f"The model can't draw as it is configured: {error}") from error
        self.idle = not (self._whole or self._few)

    @torch.no_grad()
    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """float32 (rows, vocabulary) → the same shape; what is ruled out is −inf."""
        for warp in self._whole:
            scores = warp(None, scores)
        few = _Few.of(scores) if self._few else None
        left = scores if few is None else few.scores
        for warp in self._few:
            left = warp(None, left)
        return left if few is None else few.spread(left, scores.shape[1])


def _warps(config: Any, device: torch.device | str) -> tuple[list[Narrow], list[Narrow]]:
    """Up to top_k, which leaves few tokens, and from there on: top_p sorts, and a sort of the vocabulary is dear."""
    from transformers.generation import logits_process as own

    whole: list[Narrow] = []
    few: list[Narrow] = []
    top_k = NEUTRAL["top_k"] if config.top_k is None else config.top_k
    if config.temperature not in (None, 1):
        whole.append(own.TemperatureLogitsWarper(float(config.temperature)))
    if config.top_h is not None:
        whole.append(own.TopHLogitsWarper(top_h=config.top_h))
    if top_k != 0:
        whole.append(own.TopKLogitsWarper(top_k=top_k))
    if config.top_p is not None and config.top_p < 1:
        few.append(own.TopPLogitsWarper(top_p=config.top_p))
    if config.min_p is not None:
        few.append(own.MinPLogitsWarper(min_p=config.min_p))
    if config.typical_p is not None and config.typical_p < 1:
        few.append(own.TypicalLogitsWarper(mass=config.typical_p))
    if config.epsilon_cutoff is not None and 0 < config.epsilon_cutoff < 1:
        few.append(own.EpsilonLogitsWarper(epsilon=config.epsilon_cutoff))
    if config.eta_cutoff is not None and 0 < config.eta_cutoff < 1:
        few.append(own.EtaLogitsWarper(epsilon=config.eta_cutoff, device=device))
    return whole, few


@dataclass
class _Few:
    """The tokens that each row has left, side by side in the vocabulary's order: `scores` (rows, most that any has left).

    Token tokens[i] of row rows[i] stands at place[i]; behind the last of a row is −inf.
    """

    scores: torch.Tensor
    rows: torch.Tensor
    tokens: torch.Tensor
    place: torch.Tensor
    starts: torch.Tensor  # int64 (rows,): where a row's begin in `tokens`

    @classmethod
    def of(cls, scores: torch.Tensor) -> _Few | None:
        """None where they aren't few."""
        rows, vocabulary = scores.shape
        if scores.device.type == "cpu":  # NumPy's search is ten times torch's here
            left = scores.detach().numpy() != -math.inf
            if np.count_nonzero(left) * FEW > left.size:
                return None
            flat = torch.from_numpy(np.flatnonzero(left))
        else:
            flat = (scores != -math.inf).flatten().nonzero()[:, 0]
        of, tokens = flat // vocabulary, flat % vocabulary
        counts = torch.bincount(of, minlength=rows)
        most = int(counts.max()) if rows else 0
        if not 0 < most * FEW <= vocabulary:
            return None
        starts = counts.cumsum(0) - counts
        place = torch.arange(len(of), device=of.device) - starts[of]
        found = scores.new_full((len(scores), most), -math.inf)
        found[of, place] = scores[of, tokens]
        return cls(found, of, tokens, place, starts)

    def spread(self, scores: torch.Tensor, vocabulary: int) -> torch.Tensor:
        """Where they came from: (rows, vocabulary)."""
        whole = scores.new_full((len(scores), vocabulary), -math.inf)
        whole[self.rows, self.tokens] = scores[self.rows, self.place]
        return whole


@torch.no_grad()
def draw(scores: torch.Tensor, seeds: np.ndarray, texts: np.ndarray, steps: np.ndarray) -> torch.Tensor:
    """One token a row, int64 (rows,), by its softmax: the first whose cumulated share is above `uniform`'s number.

    scores float (rows, vocabulary); seeds, texts, steps integers (rows,), at least 0. Raises ModelError where a row has no
    token left, or a score that is not a number.
    """
    best = scores.amax(1)
    if not bool(best.isfinite().all()):
        row = int((~best.isfinite()).nonzero()[0])
        if best[row] == -math.inf:
            found = "every token is banned, so that none can be drawn. Ban or suppress fewer"
        else:
            found = "the model's scores are not finite numbers. Write in float32, and look at the model's weights"
        raise ModelError(f"text {int(texts[row]) + 1}, new token {int(steps[row]) + 1}: {found}.")
    few = _Few.of(scores)
    left = scores if few is None else few.scores
    share = torch.from_numpy(uniform(seeds, texts, steps)).to(scores.device)[:, None]
    some = max(1, TOGETHER // left.shape[1])
    parts = zip(left.split(some), best[:, None].split(some), share.split(some), strict=True)
    place = torch.cat([_first_above(*part) for part in parts]) if len(left) else left.new_zeros(0, dtype=torch.int64)
    return place if few is None else few.tokens[few.starts + place]


def _first_above(scores: torch.Tensor, best: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Below 1 a share of the total is below the total in float64 too, so that there is always one, and it has weight."""
    cumulated = scores.double().sub_(best).exp_().cumsum_(1)
    return torch.searchsorted(cumulated, share * cumulated[:, -1:], right=True)[:, 0]


# Philox4x32-10 (Salmon, Moraes, Dror & Shaw, 2011, "Parallel random numbers: as easy as 1, 2, 3"), words 0 and 2, 1 and 3.
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_TIMES = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)


def uniform(seeds: np.ndarray, texts: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """float64 (rows,) in (0, 1): 52 bits of Philox4x32-10 under the key `seed` at the counter (text, step), 64 bits each.

    A counter's block is a bijection of it, so that no two steps or texts of a seed share one.
    """
    even, odd = philox(*(np.asarray(given).astype(np.uint64) for given in (seeds, texts, steps)))
    bits = (even[0] << _HALF | odd[0]) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def philox(key: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint64 (rows,) thrice, key and counter → the block's words 0 and 2, and 1 and 3, each uint64 (2, rows) below 2³²."""
    keys = np.stack([key & _WORD, key >> _HALF])
    even, odd = np.stack([low & _WORD, high & _WORD]), np.stack([low >> _HALF, high >> _HALF])
    for _ in range(10):
        product = _TIMES * even
        even, odd = (product >> _HALF)[::-1] ^ odd ^ keys, (product & _WORD)[::-1]
        keys = (keys + _WEYL) & _WORD
    return even, odd
