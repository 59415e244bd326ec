"""Trainings that are killed at random moments and resumed until they end, beside one that never was.

Children are forks of a process that has everything imported, so that a training takes a second. What is compared: history but for
times and memory, samples, predictions and final weights, bit for bit; nothing is pickled or left half-written.

    python tests/killed.py FOLDER --task text-classification --model MODEL --kills 20 --seed 0
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import byeori
import byeori.predict.run
import byeori.report.write
import byeori.train.fit
import byeori.train.prepare  # noqa: F401
from byeori.run import RunFolder
from quick import quick

TIMES = ("seconds", "memory_mb", "examples_per_second", "tokens_per_second")
SMALL: dict[str, Any] = {
    "batch_size": 8, "max_steps": 12, "learning_rate": 1e-3, "threads": 1, "precision": "float32", "log_every": 1, "evaluate_every": 4,
    "checkpoint_every": 1, "preview_every": 3, "previews": 2, "baselines": False, "device": "cpu", "cache": False, "keep_checkpoints": True,
    "validation_size": 0.2, "test_size": 0.2,
}  # fmt: skip


TASKS = {
    "text-classification": ("bert", "AutoModel"),
    "text-generation": ("llama", "AutoModelForCausalLM"),
    "summarization": ("t5", "AutoModelForSeq2SeqLM"),
}


def material(folder: Path, task: str, dropout: float = 0.1) -> dict[str, Any]:
    """Task, a tiny model made for it, and rows, as `byeori.train` takes them."""
    from families import Family, texts

    family, auto = TASKS[task]
    model = Family(family).save(folder / "model", auto=auto, dropout=dropout)
    said = [f"{one} {number}" for number, one in enumerate((texts() * 9)[:60])]
    rows: list[dict[str, Any]] = [{"text": one, "label": "ab"[number % 2]} for number, one in enumerate(said)]
    if task == "summarization":
        rows = [{"source": one, "target": one[:20]} for one in said]
    elif task == "text-generation":
        rows = [{"text": one} for one in said]
    data = folder / "rows.json"
    data.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    own = {"max_new_tokens": 4} if task == "summarization" else {}
    return {"task": task, "model": str(model), "train": str(data), **own}


def forked(work: Callable[[], None], log: Path) -> int:
    """A child that does it; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        tempfile.tempdir = str(log.parent / "temporary")  # what a killed one leaves there goes with the folder
        os.makedirs(tempfile.tempdir, exist_ok=True)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def train(values: dict[str, Any], output: Path) -> None:
    resume = output.is_dir() and any(output.iterdir())
    byeori.train(output=str(output), resume=resume, **{**SMALL, **values})


def outcome(folder: RunFolder) -> dict[str, Any]:
    """All of a run that must not depend on how often it was cut."""
    return {
        "history": [{k: v for k, v in line.items() if k not in TIMES} for line in folder.lines(folder.history)],
        "samples": folder.lines(folder.samples),
        "predictions": {path.name: path.read_text() for path in sorted(folder.predictions.glob("*.jsonl"))},
        "test": json.loads(folder.metrics.read_text())["test"],
    }


def same(one: RunFolder, other: RunFolder) -> list[str]:
    """What differs."""
    ours, theirs = outcome(one), outcome(other)
    wrong = [name for name in ours if ours[name] != theirs[name]]
    left, right = (load_file(run.model / "model.safetensors") for run in (one, other))
    if left.keys() != right.keys() or not all(torch.equal(left[name], right[name]) for name in left):
        wrong.append("weights")
    return wrong + [
        path.name for path in one.path.rglob(".*") if path != one.lock
    ]  # a process killed at the end leaves its lock


def _reached(run: Path) -> int:
    """The step of the newest checkpoint, 0 without any."""
    return max((int(path.name[5:]) for path in (run / "checkpoints").glob("step-*")), default=0)


def _ended(child: int) -> int | None:
    """The status of a child that is over."""
    number, status = os.waitpid(child, os.WNOHANG)
    return status if number else None


def survives(folder: Path, values: dict[str, Any], kills: int, seed: int) -> dict[str, Any]:
    """{"kills", "steps": where each resumed training began, "wrong": what differs from a run that was never cut}."""
    whole, cut, log = folder / "whole", folder / "cut", folder / "log.txt"
    began = time.monotonic()
    _, status = os.waitpid(forked(lambda: train(values, whole), log), 0)
    took = time.monotonic() - began
    if status:
        raise RuntimeError(log.read_text())
    steps = values.get("max_steps", SMALL["max_steps"])
    drawn, done, begins = random.Random(seed), 0, []
    while not RunFolder(cut).finished:  # as it may be before all kills came: it went too fast for them
        child = forked(lambda: train(values, cut), log)
        status = None
        if done < kills:
            # Some while it starts; the others so that all of them are spread over the training, however busy the machine is.
            to = _reached(cut) + drawn.randint(0, 3 * steps // (2 * kills)) if drawn.random() < 0.8 else -1
            while status is None and _reached(cut) < to:
                time.sleep(0.002)
                status = _ended(child)
            time.sleep(drawn.uniform(0, 0.02 * took if to >= 0 else 0.3 * took))
            if status is None:
                os.kill(child, signal.SIGKILL)
                done += 1
        if status is None:
            _, status = os.waitpid(child, 0)
        if status and not os.WIFSIGNALED(status):
            return {"kills": done, "wrong": ["a resumed training failed: " + log.read_text()[-2000:]]}
        begins.append(_reached(cut))
    return {"kills": done, "steps": begins, "wrong": same(RunFolder(cut), RunFolder(whole))}


def crash_at(point: int) -> None:
    """The process ends, as if it were killed, before so many renames and syncs are done; what was written without a sync is lost in part:
    the file that is about to be synced ends in the middle of what is new in it."""
    calls, safe = 0, dict[int, int]()  # inode → bytes that were synced
    replace, fsync = os.replace, os.fsync

    def counted() -> bool:
        nonlocal calls
        calls += 1
        return calls == point

    def renamed(*given: Any, **named: Any) -> None:
        if counted():
            os._exit(9)
        replace(*given, **named)

    def synced(file: Any) -> None:
        path = Path(f"/proc/self/fd/{file if isinstance(file, int) else file.fileno()}")
        facts = path.stat()
        if counted():
            if path.is_file():
                os.truncate(path, (safe.get(facts.st_ino, 0) + facts.st_size) // 2)
            os._exit(9)
        fsync(file)
        safe[facts.st_ino] = facts.st_size

    os.replace, os.fsync = renamed, synced


def survives_points(folder: Path, values: dict[str, Any], points: int, seed: int) -> dict[str, Any]:
    """{"points": the renames and syncs before which it crashed, "wrong": what differs afterwards, by point}."""
    whole, log = folder / "whole", folder / "log.txt"
    _, status = os.waitpid(forked(lambda: train(values, whole), log), 0)
    if status:
        raise RuntimeError(log.read_text())
    counted = folder / "counted.txt"

    def count() -> None:
        calls, replace, fsync = [0], os.replace, os.fsync

        def one(work: Any) -> Any:
            def called(*given: Any, **named: Any) -> Any:
                calls[0] += 1
                return work(*given, **named)

            return called

        os.replace, os.fsync = one(replace), one(fsync)
        train(values, folder / "counting")
        counted.write_text(str(calls[0]))

    os.waitpid(forked(count, log), 0)
    most, wrong = int(counted.read_text()), {}
    chosen = sorted(random.Random(seed).sample(range(1, most + 1), min(points, most)))
    for point in chosen:
        cut = folder / f"point-{point}"

        def crash(point: int = point, cut: Path = cut) -> None:
            crash_at(point)
            train(values, cut)

        os.waitpid(forked(crash, log), 0)
        _, status = os.waitpid(forked(lambda cut=cut: train(values, cut), log), 0)
        found = [log.read_text()[-2000:]] if status else same(RunFolder(cut), RunFolder(whole))
        if found:
            wrong[point] = found
    return {"of": most, "points": chosen, "wrong": wrong}


def main() -> int:
    quick()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--points", type=int, default=0, help="crash before so many renames and syncs, instead of kills"
    )
    parser.add_argument("--steps", type=int, default=SMALL["max_steps"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    own = {"max_new_tokens": 4} if given.task == "summarization" else {}
    values = {"task": given.task, "model": given.model, "train": given.train, **own}
    values["max_steps"] = given.steps
    way = (survives_points, given.points) if given.points else (survives, given.kills)
    found = way[0](given.folder, values, way[1], given.seed)
    print(json.dumps(found))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
