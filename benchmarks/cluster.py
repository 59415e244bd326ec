"""The arithmetic of docs/scale.md: bytes, seconds and failures of a training on 64 nodes of 8 GPUs. Nothing here is measured.

Rates are assumptions, named once, above; formulas have their source beside them. Change a rate and run it again.

    python -m benchmarks.cluster
"""

from __future__ import annotations

import math

NODES, GPUS = 64, 512
TEXT = 1e12  # bytes
BYTES_A_TOKEN = 4.17  # WikiText over bert-base-cased's vocabulary (python -m benchmarks.scale --measure)
TOKENS_A_CORE = (
    0.93e6  # a second, the same; NSMC, words recurring: 8.8e6 tokens in 6.5 s (benchmarks/RESULTS.md, Tokenizing)
)
CORES = 64  # of a node
MODELS = {"110M": 110e6, "1B": 1e9, "7B": 7e9}  # weights
STATES = 12  # bytes a weight of a checkpoint: float32 weights and Adam's two moments
HELD = 16  # bytes a weight in training: gradients too
FLOPS = 0.4 * 989e12  # a second and GPU: 40% of an H100 SXM's bfloat16 rate as its data sheet has it
DISK, SHARED, ONE = (
    3e9,
    20e9,
    1e9,
)  # bytes a second: a node's own NVMe; a shared file system in all; one process writing to it
LINK = 50e9  # bytes a second and GPU between nodes: 400 Gbit/s each
COPY = 25e9  # bytes a second, GPU → pinned memory
GPU_HOURS = (
    16_384 * 54 * 24 / 419
)  # between unexpected interruptions: "The Llama 3 Herd of Models" (2024), section 3.3.4
RESTART = 600.0  # seconds from a failure to the first update again


def young(write: float, between: float) -> float:
    """Seconds of computing between checkpoints. Young, "A first order approximation to the optimum checkpoint interval" (1974)."""
    return math.sqrt(2 * write * between)


def daly(write: float, between: float) -> float:
    """The same, for write < 2 · between: Daly, "A higher order estimate of the optimum checkpoint interval" (2006)."""
    part = write / (2 * between)
    return young(write, between) * (1 + math.sqrt(part) / 3 + part / 9) - write


def lost(write: float, between: float, interval: float, restart: float = RESTART) -> float:
    """Share of the time: writing, half an interval computed again at each failure, and starting again (first order)."""
    return write / (interval + write) + ((interval + write) / 2 + restart) / between


def rows(cells: list[list[str]]) -> None:
    for number, one in enumerate(cells):
        print("| " + " | ".join(one) + " |")
        if not number:
            print("|" + "---|" * len(one))


def duration(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"


def size(count: float) -> str:
    unit, name = next((unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if count >= unit)
    return f"{count / unit:,.3g} {name}"


def main() -> None:
    tokens = TEXT / BYTES_A_TOKEN
    print(
        f"{tokens / 1e9:.0f} billion tokens: int32 {tokens * 4 / 1e9:,.0f} GB, uint16 {tokens * 2 / 1e9:,.0f} GB; blocks of 512: ",
        end="",
    )
    print(f"{tokens / 512 / 1e6:,.0f} million, offsets of 16 bytes {tokens / 512 * 16 / 1e9:.1f} GB")
    core = tokens / TOKENS_A_CORE
    spread = {"one core": 1, f"a node of {CORES}": CORES, f"{NODES} nodes": CORES * NODES}
    print("tokenizing: " + ", ".join(f"{name} {duration(core / cores)}" for name, cores in spread.items()) + "\n")
    table = [["", *MODELS]]
    weights = list(MODELS.values())
    passed = [6 * one * tokens / (FLOPS * GPUS) for one in weights]
    table.append(["one pass over the text, 512 GPUs", *(duration(one) for one in passed)])
    table.append(["tokens a second, all GPUs", *(f"{tokens / one / 1e6:,.0f} million" for one in passed)])
    table.append(
        [
            "ids read at int32, a second: all; a GPU",
            *(f"{size(4 * tokens / one)}; {size(4 * tokens / one / GPUS)}" for one in passed),
        ]
    )
    table.append(
        [
            "blocks of 512 read a second: all; a GPU",
            *(f"{tokens / one / 512:,.0f}; {tokens / one / 512 / GPUS:,.0f}" for one in passed),
        ]
    )
    table.append(["cores that tokenize as fast", *(f"{tokens / one / TOKENS_A_CORE:,.0f}" for one in passed)])
    table.append(["held in training, unsharded", *(size(HELD * one) for one in weights)])
    table.append(["held a GPU, sharded over 512", *(size(HELD * one / GPUS) for one in weights)])
    table.append(
        ["all-reduce of float32 gradients", *(duration(2 * (GPUS - 1) / GPUS * 4 * one / LINK) for one in weights)]
    )
    table.append(["computing 16,384 tokens a GPU", *(duration(6 * one * 16_384 / FLOPS) for one in weights)])
    table.append(["checkpoint", *(size(STATES * one) for one in weights)])
    table.append(["… by one process", *(duration(STATES * one / ONE) for one in weights)])
    table.append(["… sharded, to the shared file system", *(duration(STATES * one / SHARED) for one in weights)])
    table.append(["… sharded, to each node's disk", *(duration(STATES * one / NODES / DISK) for one in weights)])
    table.append(
        ["… in background: the copy that is waited for", *(duration(STATES * one / GPUS / COPY) for one in weights)]
    )
    rows(table)
    between = GPU_HOURS / GPUS * 3600
    print(f"\na failure every {GPU_HOURS:,.0f} GPU-hours: every {duration(between)} on {GPUS} GPUs\n")
    table = [["", *MODELS]]
    for name, rate in (("one process", ONE), ("sharded, shared file system", SHARED)):
        writes = [STATES * one / rate for one in weights]
        table.append([f"{name}: interval (Daly)", *(duration(daly(one, between)) for one in writes)])
        table.append([f"{name}: time lost", *(f"{lost(one, between, daly(one, between)):.2%}" for one in writes)])
    table.append(["failures in one pass", *(f"{one / between:.3f}" for one in passed)])
    rows(table)


if __name__ == "__main__":
    main()
