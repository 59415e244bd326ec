"""How many tokens a pack holds, and how its rows are cut into few rectangles.

Both are pure functions of lengths, budget and the fixed table below; nothing is timed and free memory is never read,
so the same settings give the same packs on the same kind of machine. A batch of rows becomes packs of at most
`pack_tokens` computed tokens; a pack becomes groups: rows of like length, laid as a small rectangle, end to end with
the next. Linear layers then see one long row of tokens and attention runs on a view a group. A cut costs about
`GROUP` tokens' worth of small operations, padding costs its tokens: dynamic programming finds the cheapest cuts.

    groups([5, 5, 6, 31, 32], group_cost=4.0)      # → [slice(0, 3), slice(3, 5)]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.errors import SettingError

# Cost of one more group, in tokens. Measured on MiniLM (6 × 384) in float32 on two cores: a group costs about 1.2 ms of
# launches forward and backward, a token 0.45 ms. Rectangles (models that can't run packed) pay the whole model's
# launches again for each group. On a GPU with variable-length attention no padding is worth anything.
# In 16 bits on a CPU tokens are quicker, and oneDNN compiles kernels for the sizes of each group (0.35 ms a product, six of them).
GROUP = {"packed": 3.0, "packed in 16 bits": 32.0, "rectangles": 64.0}
# On a CPU more tokens at once take memory and no less time: 16,384 tokens in rows of 512, MiniLM, 20 to 25 s of processor time with
# 1,024 to 8,192 at once; a T5 over 64,128 words 24 to 28 s an update.
AUTO_TOKENS_CPU = 2_048
AUTO_TOKENS_GPU = 65_536
# Of the device's total memory, for a training: on a machine's own there are other programs, the data and what allocators lose.
MEMORY_SHARE = {"cpu": 0.5, "cuda": 0.8, "mps": 0.5}


def checked(pack_tokens: Any) -> int:
    """A budget of a pack. Raises SettingError for what is no whole number from 1 on."""
    if isinstance(pack_tokens, bool) or not isinstance(pack_tokens, int | np.integer) or pack_tokens < 1:
        raise SettingError(
            f"pack_tokens={pack_tokens!r}: a whole number from 1 on is needed, the tokens computed at once."
        )
    return int(pack_tokens)


def groups(lengths: np.ndarray, group_cost: float) -> list[slice]:
    """Cut rows sorted by length (int (n,), ascending) into groups of the least cost.

    A group of n rows padded to its longest, L, costs n · L + `group_cost` tokens. Exact, O(u²) in the number u of
    different lengths, u ≤ n: equal lengths are never parted.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    values, counts = np.unique(lengths, return_counts=True)
    ends = np.cumsum(counts)  # rows up to and with each distinct length
    starts = ends - counts
    best = np.zeros(len(values) + 1)
    cut = np.zeros(len(values) + 1, np.int64)
    for last in range(len(values)):
        cost = best[: last + 1] + (ends[last] - starts[: last + 1]) * float(values[last]) + group_cost
        cut[last + 1] = int(np.argmin(cost))
        best[last + 1] = cost[cut[last + 1]]
    found: list[slice] = []
    last = len(values)
    while last > 0:
        first = int(cut[last])
        found.append(slice(int(starts[first]), int(ends[last - 1])))
        last = first
    return found[::-1]


def computed(lengths: np.ndarray, group_cost: float) -> int:
    """Tokens computed on, padding included, where sequences of these lengths (any order) make one pack."""
    lengths = np.sort(np.asarray(lengths, dtype=np.int64))
    return sum((cut.stop - cut.start) * int(lengths[cut.stop - 1]) for cut in groups(lengths, group_cost))


def fill(
    lengths: np.ndarray, pack_tokens: int, computed: Callable[[np.ndarray], int] | None = None
) -> list[np.ndarray]:
    """Share rows (tokens each, int (n,)) among the fewest packs of about equal tokens, like lengths together.

    Returns index arrays into `lengths`, each sorted by length. No pack holds more than `pack_tokens`, but one of a single
    row that is longer. `computed` says what a pack of these rows is computed on, padding included; without it real tokens
    are counted.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    count = max(1, -(-int(lengths.sum()) // pack_tokens))
    while True:
        packs = _share(lengths, order, count, pack_tokens)
        if computed is None or all(len(pack) == 1 or computed(pack) <= pack_tokens for pack in packs):
            return packs
        count += 1  # padding made one of them too large


def _share(lengths: np.ndarray, order: np.ndarray, count: int, pack_tokens: int) -> list[np.ndarray]:
    """Cut the rows, in the order of their lengths, into at least `count` packs of equal real tokens."""
    if count == 1 or len(lengths) == 1:
        return [order]
    packs: list[np.ndarray] = []
    share = int(lengths.sum()) / count  # equal shares of the whole: no small pack is left over at the end
    start, tokens, ends = 0, 0, np.cumsum(lengths[order])
    for place, row in enumerate(order):
        length = int(lengths[row])
        if place > start and (tokens + length > pack_tokens or ends[place] - length / 2 > share * (len(packs) + 1)):
            packs.append(order[start:place])
            start, tokens = place, 0
        tokens += length
    packs.append(order[start:])
    return packs


@dataclass(frozen=True)
class Cost:
    """Bytes that a training takes. token: a token; pair: a token and token of its row (attention); wide: a token's logits over a
    vocabulary, of which `most` are made at once; fixed: weights, gradients and optimizer, there at all times."""

    token: float
    pair: float = 0.0
    wide: float = 0.0
    most: float = math.inf
    fixed: float = 0.0

    def of(self, tokens: int, length: int) -> float:
        """Of a pack of so many tokens in rows of such a length, beside what is fixed."""
        return tokens * (self.token + self.pair * length) + min(tokens * self.wide, self.most)


def affordable(wished: int, device: str, total_memory: int, cost: Cost, max_length: int) -> int:
    """So many tokens at once as are wished, less where memory is small, at least one full row.

    `total_memory` in bytes, of the machine or the GPU; never what is free of it.
    """
    return max(max_length, int(min(wished, _possible(device, total_memory, cost, max_length))))


def _possible(device: str, total_memory: int, cost: Cost, max_length: int) -> float:
    room = total_memory * MEMORY_SHARE.get(device, MEMORY_SHARE["cpu"]) - cost.fixed
    a_token = cost.token + cost.pair * max_length
    return max(room / (a_token + cost.wide), (room - cost.most) / a_token)


def auto_pack_tokens(device: str, total_memory: int, cost: Cost, max_length: int) -> int:
    """The budget of `--pack-tokens auto`: `affordable` of what speed asks for."""
    return affordable(fastest(device), device, total_memory, cost, max_length)


def short(device: str, total_memory: int, cost: Cost, max_length: int) -> bool:
    """Whether memory, not speed, limits the budget of `--pack-tokens auto`."""
    return _possible(device, total_memory, cost, max_length) < fastest(device)


def of_a_group(packed: bool, precision: str, device: str) -> float:
    """What one more group costs, in tokens."""
    if not packed:
        return GROUP["rectangles"]
    return GROUP["packed" if precision == "float32" or device != "cpu" else "packed in 16 bits"]


def fastest(device: str) -> int:
    """The budget of `--pack-tokens auto` where memory isn't what limits it."""
    return AUTO_TOKENS_CPU if device == "cpu" else AUTO_TOKENS_GPU
