"""Decoding side by side: a tutorial's loop, a tuned one, Byeori's engine and, where it is installed, CTranslate2.

Models are made once, from ../shared/data or BYEORI_DATA, and kept where you say; each contestant runs in a process of its
own, in turn, on two threads, and its texts are compared with the tutorial's.

    python -m benchmarks.generation --make models --shape small,room
    python -m benchmarks.generation --models models --rounds 5 --output generation.jsonl
    python -m benchmarks.generation --table generation.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import measure
from benchmarks.generation.jobs import CONTESTANTS, JOBS, TUNED, Job
from benchmarks.generation.runtime import LAYOUTS, installed
from benchmarks.generation.table import table

MODULE = "benchmarks.generation"


def work(job: dict) -> dict:
    """What a process of its own does: to decode, or to convert a model."""
    if job["who"] == "convert":
        from benchmarks.generation.runtime import convert

        return {"converted": convert(job["model"], job["converted"])}
    from benchmarks.generation.contestants import work

    return work(job)


def make(folder: str, shapes: list[str], names: list[str]) -> None:
    from benchmarks.generation import bodies, room

    Path(folder).mkdir(parents=True, exist_ok=True)
    if "small" in shapes:
        bodies.make(folder, names)
    if "room" in shapes:
        room.make(folder)


def run(name: str, job: Job, options: argparse.Namespace) -> None:
    """All rounds of a job, the contestants in turn; a line of the output for each."""
    model = f"{options.models}/{job.model}"
    common = {
        "model": model, "asked": f"{model}.json", "limit": options.limit, "threads": options.threads,
        "settings": job.settings, "converted": f"{model}.ctranslate2",
    }  # fmt: skip
    run = time.strftime("%Y-%m-%dT%H:%M:%S")
    ways: dict[str, dict[str, Any]] = {}
    for who in _contestants(options.only):
        if who == "ctranslate2":
            measure(MODULE, {**common, "who": "convert"})
        ways[who] = _fastest(name, run, who, job, common, options) if who in TUNED else {}
    for turn in range(options.rounds):
        texts: list[str] | None = None  # of the first contestant, the tutorial unless it is left out
        for who, way in ways.items():
            found = measure(MODULE, {**common, **way, "who": who})
            texts = found["texts"] if texts is None else texts
            said = {"job": name, "run": run, "round": turn, "trial": False, "who": who, "way": way}
            _note(options.output, said, found, texts)


def _contestants(only: str) -> list[str]:
    return [
        who for who in CONTESTANTS
        if any(part in who for part in only.split(",")) and (who != "ctranslate2" or installed())
    ]  # fmt: skip


def _fastest(name: str, run: str, who: str, job: Job, common: dict, options: argparse.Namespace) -> dict[str, Any]:
    """The batch (and precision, or layout of threads) in which it is fastest; each is tried once."""
    import torch

    others: list[dict[str, Any]] = [{}]
    if who == "tuned" and torch.cpu.get_capabilities().get("avx512_bf16"):
        others = [{}, {"precision": "bfloat16"}]
    if who == "ctranslate2" and options.threads > 1:
        others = [{"layout": layout} for layout in LAYOUTS]
    batches = [int(one) for one in options.batches.split(",")] if options.batches else job.batches
    tried: list[tuple[float, dict[str, Any]]] = []
    for way in ({"batch": batch, **other} for other in others for batch in batches):
        found = measure(MODULE, {**common, **way, "who": who})
        _note(options.output, {"job": name, "run": run, "trial": True, "who": who, "way": way}, found, None)
        tried.append((found["seconds"], way))
    return min(tried, key=lambda one: one[0])[1]


def _note(output: str, said: dict, found: dict, texts: list[str] | None) -> None:
    """A line of results: the texts and their lengths as what the table says of them."""
    own, lengths = found.pop("texts"), found.pop("lengths")
    equal = None if texts is None else sum(a == b for a, b in zip(own, texts, strict=True)) / len(own)
    full = sum(length >= JOBS[said["job"]].most for length in lengths) / len(own)  # ended by the maximum alone
    line = {**said, **found, "equal": equal, "rows": len(own), "full": full}
    with open(output, "a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(json.dumps(line, ensure_ascii=False), file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", help="run one contestant (used by the benchmark itself)")
    parser.add_argument("--make", metavar="DIR", help="make the models of --shape in this folder")
    parser.add_argument("--body", default="t5,gpt2", help="which small models to make")
    parser.add_argument("--models", default="models", metavar="DIR", help="the folder they are in")
    parser.add_argument("--shape", default="small", help="small, room or both (a,b)")
    parser.add_argument("--jobs", default="", help="jobs by name (a,b); all of --shape if not given")
    parser.add_argument("--only", default="", help="contestants whose name holds one of these (a,b)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0, help="about so many of the texts, short and long, to try it")
    parser.add_argument("--batches", default="", help="batches to try (a,b) instead of the job's own")
    parser.add_argument("--output", default="generation.jsonl", help="results, a line a run, appended")
    parser.add_argument("--table", metavar="FILE", help="print the table of such a file")
    options = parser.parse_args()
    shapes = options.shape.split(",")
    if options.worker:
        print(json.dumps(work(json.loads(options.worker)), ensure_ascii=False))
    elif options.make:
        make(options.make, shapes, options.body.split(","))
    elif options.table:
        print(table(options.table))
    else:
        wanted = (
            options.jobs.split(",") if options.jobs else [name for name, job in JOBS.items() if job.shape in shapes]
        )
        for name in wanted:
            run(name, JOBS[name], options)


if __name__ == "__main__":
    main()
