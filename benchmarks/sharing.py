"""Ways of sharing an update's rows among ranks, side by side: how near they come to the best there could be, and what they take.

Lengths are lognormal (3.5, 0.8) cut at 512, as rows in random order have them, and 120 to 128, as rows grouped by length do. A cell is the
dearest rank over a bound that nothing passes (the mean, or the longest row, whichever is more): median (most) over updates, and
milliseconds of the processor an update. "Longest first" is what byeori.batches.ranks does.

    python -m benchmarks.sharing
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np

from byeori.batches.ranks import share

CASES = ((16, 2), (32, 8), (64, 8), (256, 8), (512, 8), (256, 32), (512, 64), (512, 128), (512, 512), (16_384, 512))
UPDATES = 12
SLOW = 600  # rows, above which the slow ways are left out
Parts = list[np.ndarray]


def deal(costs: np.ndarray, ranks: int) -> Parts:
    return np.array_split(np.arange(len(costs)), ranks)


def snake(costs: np.ndarray, ranks: int) -> Parts:
    """The longest first, to the ranks in turn, there and back."""
    turn, place = divmod(np.arange(len(costs)), ranks)
    owner = np.empty(len(costs), np.int64)
    owner[np.argsort(-costs, kind="stable")] = np.where(turn % 2 == 0, place, ranks - 1 - place)
    return [np.flatnonzero(owner == rank) for rank in range(ranks)]


def differencing(costs: np.ndarray, ranks: int) -> Parts:
    """Karmarkar and Karp: the two solutions that differ most within become one, the dearest rank of one with the cheapest of the other."""
    heap: list = [
        (-cost, row, [0] * (ranks - 1) + [cost], [[]] * (ranks - 1) + [[row]])
        for row, cost in enumerate(costs.tolist())
    ]
    heapq.heapify(heap)
    for number in range(len(costs), 2 * len(costs) - 1):
        (_, _, first, rows), (_, _, second, others) = heapq.heappop(heap), heapq.heappop(heap)
        order = sorted(range(ranks), key=lambda at: (first[at] + second[ranks - 1 - at], at))
        sums = [first[at] + second[ranks - 1 - at] for at in order]
        merged = [rows[at] + others[ranks - 1 - at] for at in order]
        heapq.heappush(heap, (sums[0] - sums[-1], number, [one - sums[0] for one in sums], merged))
    return [np.array(sorted(part), np.int64) for part in heap[0][3]]


def swapped(costs: np.ndarray, ranks: int, most: int = 200, among: int = 8) -> Parts:
    """Longest first, then the best move or swap between the dearest rank and one of the cheapest, as long as there is one."""
    cost, parts = costs.tolist(), [part.tolist() for part in share(costs, ranks)]
    loads = [sum(cost[row] for row in part) for part in parts]
    for _ in range(most):
        top = max(range(ranks), key=lambda rank: loads[rank])
        best = None
        for rank in sorted(range(ranks), key=lambda rank: loads[rank])[:among]:
            for row in parts[top] if rank != top else ():
                for other in (None, *parts[rank]):
                    less = cost[row] - (0 if other is None else cost[other])
                    left = max(loads[top] - less, loads[rank] + less)
                    if left < loads[top] and (best is None or left < best[0]):
                        best = left, rank, row, other, less
        if best is None:
            break
        _, rank, row, other, less = best
        parts[top].remove(row)
        parts[rank].append(row)
        if other is not None:
            parts[rank].remove(other)
            parts[top].append(other)
        loads[top], loads[rank] = loads[top] - less, loads[rank] + less
    return [np.array(sorted(part), np.int64) for part in parts]


WAYS: dict[str, Callable[[np.ndarray, int], Parts]] = {
    "dealt": deal, "snake": snake, "longest first": share, "and swaps": swapped, "differencing": differencing,
}  # fmt: skip
FAST = ("dealt", "snake", "longest first")


def drawn(kind: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "grouped":
        return rng.integers(120, 129, rows)
    return np.clip(np.rint(rng.lognormal(3.5, 0.8, rows)), 1, 512).astype(np.int64)


def beside_bound(costs: np.ndarray, parts: Parts) -> float:
    bound = max(int(costs.sum()) / len(parts), int(costs.max()))
    return max(int(costs[part].sum()) for part in parts) / bound


def main() -> None:
    print("| lengths | rows | ranks | " + " | ".join(WAYS) + " |\n|" + "---|" * (3 + len(WAYS)))
    for kind in ("random", "grouped"):
        for rows, ranks in CASES:
            rng = np.random.default_rng(0)
            updates = [drawn(kind, rows, rng) for _ in range(UPDATES)]
            cells = []
            for name, way in WAYS.items():
                if rows > SLOW and name not in FAST:
                    cells.append("–")
                    continue
                began = time.process_time()
                found = [way(costs, ranks) for costs in updates]
                taken = (time.process_time() - began) / UPDATES * 1000
                over = [beside_bound(costs, parts) for costs, parts in zip(updates, found, strict=True)]
                cells.append(f"{np.median(over):.4f} ({max(over):.3f}), {taken:.2f} ms")
            print(f"| {kind} | {rows:,} | {ranks} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
