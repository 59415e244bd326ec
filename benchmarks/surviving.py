"""What surviving costs: checkpoints beside a training, going on after a cut, and what ranks gain or lose.

Each training is a process of its own, in turn: without checkpoints, with one every 50 updates; started, resumed; one process with two
threads beside two of one thread; memory of a rank that holds the model whole (DDP) beside one that holds a share (FSDP2), for the
model and for a BERT-base that starts from nothing over its vocabulary.

    python -m benchmarks.surviving --model minilm --data nsmc_30k.txt --rounds 3 --only checkpoints,resume,ranks,memory
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

COMMON: dict[str, Any] = {
    "validation_size": 0,
    "test_size": 0,
    "baselines": False,
    "previews": 0,
    "evaluate_every": "end",
}


def one(values: dict[str, Any], output: str, told: dict[str, Any]) -> None:
    """One training in this process; what it took goes to `told["result"]`, of the main rank, and each rank's peak beside it."""
    began = time.perf_counter()
    import byeori

    peak = [0]

    def look() -> None:
        while True:
            with open("/proc/self/status") as file:
                peak[0] = max(
                    peak[0], next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) // 1024
                )
            time.sleep(0.05)

    threading.Thread(target=look, daemon=True).start()
    first: list[float] = []
    processor = [0.0, 0.0]

    class Watch(byeori.Hook):
        def train_start(self, run: Any) -> None:
            processor[0] = time.process_time()

        def train_end(self, run: Any) -> None:
            processor[1] = time.process_time()

        def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
            if not first:
                first.append(time.perf_counter() - began)
            if run.step == told.get("cut"):
                raise SystemExit(0)

    kinds = {key: value for key, value in values.items() if key != "task"}
    run = byeori.train(values["task"], hooks=[Watch()], output=output, **kinds)
    rank = int(os.environ.get("RANK", 0))
    Path(f"{told['result']}.{rank}").write_text(str(peak[0]), encoding="utf-8")
    if rank == 0:
        training = run.metrics["training"]
        found = {
            "seconds": training["seconds"] + training["checkpoint_seconds"], "training": training["seconds"], "first": first[0],
            "rows": training["examples_per_second"] * training["seconds"], "processor": processor[1] - processor[0],
        }  # fmt: skip
        Path(told["result"]).write_text(json.dumps(found), encoding="utf-8")


def measured(
    values: dict[str, Any], output: str, ranks: int = 1, threads: int = 2, cut: int | None = None
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        told = {"result": str(Path(folder) / "result.json"), "cut": cut}
        start = (
            []
            if ranks == 1
            else [
                "-m",
                "torch.distributed.run",
                "--standalone",
                "--nproc-per-node",
                str(ranks),
                "--no-python",
                sys.executable,
            ]
        )
        command = [sys.executable, *start, "-m", "benchmarks.surviving", "--one", json.dumps([values, output, told])]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if cut is not None:
            return {}
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        found = json.loads(Path(told["result"]).read_text(encoding="utf-8"))
        peaks = [int(path.read_text()) for path in Path(folder).glob("result.json.*")]
        return {**found, "memory": max(peaks)}


def told(name: str, values: list[float], unit: str = "×") -> None:
    print(f"{name}: {statistics.median(values):.3f}{unit} ({min(values):.3f}–{max(values):.3f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--data", default="nsmc_30k.txt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=110)
    parser.add_argument("--only", default="checkpoints,resume,ranks,memory")
    parser.add_argument("--precision", default="float32,bfloat16", help="of memory")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*json.loads(given.one))
        return
    base = {**COMMON, "task": "text-classification", "model": given.model, "train": given.data, "max_rows": 4_000}
    with tempfile.TemporaryDirectory() as folder:
        place = (f"{folder}/{number}" for number in range(10_000))
        found: dict[str, list[float]] = {}
        for _ in range(given.rounds):
            if "checkpoints" in given.only:
                plain = measured({**base, "max_steps": given.steps}, next(place))
                kept = measured({**base, "max_steps": given.steps, "checkpoint_every": 50}, next(place))
                found.setdefault("a checkpoint every 50 updates, time", []).append(kept["seconds"] / plain["seconds"])
            if "resume" in given.only:
                short = {**base, "max_steps": 12, "checkpoint_every": 5}
                output = next(place)
                started = measured(short, next(place))
                measured(short, output, cut=11)
                resumed = measured({**short, "resume": True}, output)
                found.setdefault("resumed, to its first update, beside a start; seconds more", []).append(
                    resumed["first"] - started["first"]
                )
            if "ranks" in given.only:
                for size, steps in ((256, 8), (32, 40)):
                    large = {**base, "batch_size": size, "max_steps": steps}
                    alone = measured(large, next(place))
                    two = measured(large, next(place), ranks=2, threads=1)
                    ratio = (two["rows"] / two["training"]) / (alone["rows"] / alone["training"])
                    found.setdefault(
                        f"two processes of one thread beside one of two, {size} rows an update", []
                    ).append(ratio)
            if "memory" in given.only:
                fresh = {"model": None, "from_scratch": "bert-base", "tokenizer": given.model}
                for name, of in ((given.model, {}), ("a BERT-base from nothing", fresh)):
                    for precision in given.precision.split(","):
                        small = {**base, **of, "precision": precision, "max_steps": 6}
                        ddp = measured(small, next(place), ranks=2, threads=1)
                        fsdp = measured({**small, "fsdp": True}, next(place), ranks=2, threads=1)
                        for what, key in (
                            ("peak memory of a rank", "memory"), ("processor's time of a rank", "processor"), ("time", "training"),
                        ):  # fmt: skip
                            ratio = fsdp[key] / ddp[key]
                            found.setdefault(f"{what}, FSDP2 beside DDP, {name}, {precision}", []).append(ratio)
                        print(
                            f"memory of a rank, {name}, {precision}: DDP {ddp['memory']} MB, FSDP2 {fsdp['memory']} MB",
                            flush=True,
                        )
        for name, values in found.items():
            told(name, values, " s" if "seconds more" in name else "×")


if __name__ == "__main__":
    main()
