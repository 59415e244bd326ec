"""Trainings that meet faults at random until they end, resumed after each, beside one that never failed.

Faults: SIGKILL at a moment or at an operation on the disk, memory that runs out in a pack's forward or backward pass, a disk that is
full, fails or can't be written to, once or for a while, in opening, writing, syncing, renaming and removing. A seed says which, when.

Three ways: "exact", without shortages of memory, with dropout; "again", with such that leave the packs as they are, with dropout: both
bit for bit; "smaller", where they halve the packs, without dropout: to rounding.

    python tests/faults.py FOLDER --seeds 50
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

import byeori
from byeori.errors import ByeoriError
from byeori.run import RunFolder
from byeori.tasks.base import Task
from byeori.train import checkpoint, loop
from gradients import Full
from killed import SMALL, TASKS, forked, material, outcome, same
from quick import quick

WAYS = ("exact", "again", "smaller")
FULL = ("CUDA out of memory. Tried to allocate 2.00 GiB.", "DefaultCPUAllocator: can't allocate memory: 4 bytes")
CHANGES = ("write", "sync", "make", "rename", "remove")
DISKS = {errno.ENOSPC: ("write", "sync", "make"), errno.EROFS: CHANGES, errno.EIO: (*CHANGES, "read")}
WEIGHTS, NUMBERS = 1e-6, 1e-5  # how far weights and losses, and other numbers, may be off after smaller packs


class Disk:
    """Counts what is done below a folder, and fails from one operation on, so many times; `code` None: the process is killed there."""

    def __init__(self, root: Path, at: int, code: int | None, times: int, tell: Callable[..., None]):
        self.root, self.at, self.code, self.left, self.tell, self.calls = str(root), at, code, times, tell, 0

    def meets(self, kind: str, path: Any) -> bool:
        """Whether this operation fails; it may be killed instead."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        if not os.path.abspath(os.fsdecode(path)).startswith(self.root):
            return False
        self.calls += 1
        if self.calls < self.at or self.left <= 0 or (self.code is not None and kind not in DISKS[self.code]):
            return False
        self.left -= 1
        self.tell(fault=self.code, kind=kind, path=os.fsdecode(path))
        if self.code is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def check(self, kind: str, path: Any) -> None:
        if self.meets(kind, path):
            assert self.code is not None
            named = (
                () if isinstance(path, int) else (os.fsdecode(path),)
            )  # as the system's errors name a file, or don't
            raise OSError(self.code, os.strerror(self.code), *named)

    def install(self) -> None:
        """Into what Python, shutil, safetensors and tokenizers write with."""
        opens, low = io.open, os.open

        def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            writes = set(mode) & set("wxa+")
            if not isinstance(file, int):
                self.check("write" if writes else "read", file)
            found = opens(file, mode, buffering, *rest, **named)
            return _watched(found, self) if writes and not isinstance(file, int) else found

        def opened_low(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if named.get("dir_fd") is None:
                self.check("write" if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else "read", path)
            return low(path, flags, *rest, **named)

        builtins.open = io.open = opened
        os.open = opened_low
        for name, kind in (("fsync", "sync"), ("mkdir", "make"), ("replace", "rename"), ("rename", "rename"), ("unlink", "remove"),
                           ("remove", "remove"), ("rmdir", "remove"), ("truncate", "write"), ("scandir", "read")):  # fmt: skip
            setattr(os, name, self._before(kind, getattr(os, name)))
        save, keep = safetensors.torch.serialize_file, PreTrainedTokenizerFast._save_pretrained

        def serialized(tensors: Any, filename: Any, *rest: Any, **named: Any) -> None:
            if self.meets("write", filename):
                Path(filename).write_bytes(b"half")
                raise safetensors.SafetensorError(f"I/O error: {os.strerror(self.code)} (os error {self.code})")
            save(tensors, filename, *rest, **named)

        def kept(own: Any, save_directory: Any, *rest: Any, **named: Any) -> Any:
            if self.meets("write", save_directory):
                raise Exception(f"{os.strerror(self.code)} (os error {self.code})")  # as tokenizers says it
            return keep(own, save_directory, *rest, **named)

        safetensors.torch.serialize_file, PreTrainedTokenizerFast._save_pretrained = serialized, kept

    def _before(self, kind: str, work: Any) -> Any:
        def called(path: Any = ".", *rest: Any, **named: Any) -> Any:
            at = named.get("dir_fd")
            where = path if at is None else os.path.join(os.readlink(f"/proc/self/fd/{at}"), os.fsdecode(path))
            self.check(kind, where)
            return work(path, *rest, **named)

        return called


def _watched(file: Any, disk: Disk) -> Any:
    """The same file, whose writes may fail with half of what was to be written."""
    raw = getattr(file, "buffer", file)
    raw = getattr(raw, "raw", raw)

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            if disk.meets("write", raw.name):
                super().write(bytes(data)[: len(data) // 2])
                raise OSError(disk.code, os.strerror(disk.code))
            return super().write(data)

    made = Raw(os.dup(raw.fileno()), raw.mode)
    buffered = io.BufferedRandom(made) if made.readable() else io.BufferedWriter(made)
    text = io.TextIOWrapper(buffered, file.encoding, newline="") if hasattr(file, "buffer") else buffered
    file.close()
    made.name = raw.name
    return text


def shortage(drawn: random.Random, often: float, tell: Callable[..., None], halves: bool) -> None:
    """From now on some packs of more than one sequence find no memory in a training."""
    losses = Task.losses

    def failing(self: Any, outputs: Any, pack: Any) -> Any:
        found = losses(self, outputs, pack)
        if not found.requires_grad or len(set(pack.rows.tolist())) < 2 or drawn.random() > often:
            return found
        error = RuntimeError(drawn.choice(FULL))
        tell(fault="memory", packed=len(pack))
        if drawn.random() < 0.5:
            raise error
        return Full.apply(found, error)

    Task.losses = failing
    if not halves:
        loop.Loop.shorten = lambda self, tokens: None


class Begins(byeori.Hook):
    def __init__(self, tell: Callable[..., None]):
        self.tell = tell

    def train_start(self, run):
        self.tell(begins=run.step)


def attempt(values: dict[str, Any], output: Path, events: Path, plan: Callable[[Callable[..., None]], None]) -> None:
    """One training, in a process of its own, with its faults; what happens is written down as it does."""
    place = os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(**said: Any) -> None:
        os.write(place, (json.dumps(said) + "\n").encode())

    write = checkpoint.write

    def written(folder: Path, *rest: Any) -> None:
        write(folder, *rest)
        tell(whole=checkpoint.step_of(folder))

    checkpoint.write = written
    plan(tell)
    try:
        byeori.train(output=str(output), resume=True, hooks=[Begins(tell)], **{**SMALL, **values})
    except ByeoriError as error:
        tell(error=type(error).__name__, said=str(error))
    except BaseException as error:
        tell(error=type(error).__name__, said=str(error), bare=True)
        raise
    else:
        tell(done=True)


def survives(
    folder: Path, values: dict[str, Any], way: str, seed: int, met: int, whole: Path, took: float, most: int
) -> dict:
    """{"trainings", "faults", "wrong"} of one seed, of whose trainings so many may have `met` faults; `took`, `most`: seconds and
    operations on the disk of a whole one."""
    drawn, wrong, faults = random.Random(seed), [], {}
    cut, log = folder / "cut", folder / "log.txt"
    run, last, trainings = RunFolder(cut), -1, 0
    values = {**values, "keep_checkpoints": drawn.random() < 0.5, "checkpoint_every": drawn.choice((1, 1, 2))}
    while not run.finished and trainings < 2 * met and not wrong:
        trainings += 1
        events = folder / f"events-{trainings}.jsonl"
        safe = checkpoint.newest(run.checkpoints, lambda damaged: None)
        safe_step = checkpoint.step_of(safe) if safe is not None else 0
        if safe_step < last:
            wrong.append(f"the checkpoint of step {last} was whole, and the newest whole one is of step {safe_step}")
        kind = drawn.choice(("killed", "at a write", "disk", "disk")) if trainings <= met else "none"
        early = 3 if trainings == 1 else 1  # no seed goes by without a fault
        kind = drawn.choice(("at a write", "disk")) if kind == "killed" and early > 1 else kind
        own, at = random.Random(drawn.random()), 1 + int(most / early * drawn.random() ** 2)
        code, times = drawn.choice(list(DISKS)), drawn.choice((1, 1, 5, 40, 10**9))

        def plan(
            tell: Any, kind: str = kind, own: Any = own, at: int = at, code: int = code, times: int = times
        ) -> None:
            if kind != "none" and way != "exact":
                shortage(own, 0.2, tell, way == "smaller")
            if kind in ("disk", "at a write"):
                Disk(cut, at, code if kind == "disk" else None, times, tell).install()

        child = forked(lambda events=events, plan=plan: attempt(values, cut, events, plan), log)
        if kind == "killed":
            time.sleep(own.uniform(0.1, 0.7) * took)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        found = [json.loads(line) for line in events.read_text().splitlines()] if events.is_file() else []
        said = {name: line[name] for line in found for name in line}
        hit = [line["fault"] for line in found if "fault" in line]
        disk = [code for code in hit if code != "memory"]
        for one in hit:
            name = "memory" if one == "memory" else "killed" if one is None else errno.errorcode[one]
            faults[name] = faults.get(name, 0) + 1
        if os.WIFSIGNALED(status):
            faults["killed"] = faults.get("killed", 0) + (kind == "killed")
        elif said.get("bare"):
            at_fault = next((line for line in found if "fault" in line), None)
            wrong.append(
                f"no sentence, {said['error']}: {said['said'][:300]}, at {at_fault}; {log.read_text()[-1500:]}"
            )
        elif "error" in said and not disk:
            wrong.append(f"refused without a fault: {said['said'][:500]}")
        reads = any(line.get("kind") == "read" for line in found)
        if said.get("begins", safe_step) != safe_step and not reads:
            wrong.append(f"it began at step {said['begins']}, and the checkpoint of step {safe_step} was whole")
        last = max([line["whole"] for line in found if "whole" in line], default=said.get("begins", last))
    if not wrong:
        wrong = same(run, RunFolder(whole)) if way != "smaller" else alike(run, RunFolder(whole))
        if disk:  # what it couldn't remove is of no harm
            wrong = [one for one in wrong if not one.startswith(".")]
    return {"trainings": trainings, "faults": faults, "wrong": wrong}


def alike(one: RunFolder, other: RunFolder) -> list[str]:
    """What differs by more than rounding."""
    ours, theirs = outcome(one), outcome(other)
    # A preview shows rows of an update's last pack, and that is another one.
    wrong = [name for name in ours if name != "samples" and not _near(ours[name], theirs[name])]
    left, right = (load_file(run.model / "model.safetensors") for run in (one, other))
    worst = max(float((left[name] - right[name]).abs().max()) for name in right)
    return wrong + ([f"weights, by {worst:.1e}"] if left.keys() != right.keys() or worst > WEIGHTS else [])


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_near(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, str) and isinstance(other, str) and one[:1] == other[:1] == "{":
        ours, theirs = ([json.loads(line) for line in text.splitlines()] for text in (one, other))
        return _near(ours, theirs)
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= NUMBERS * max(1.0, abs(other))
    return bool(one == other)


def reference(folder: Path, values: dict[str, Any]) -> tuple[float, int]:
    """A training that never fails: its seconds, and its operations on the disk."""
    counted, log = folder / "counted.json", folder / "log.txt"

    def count() -> None:
        disk = Disk(folder / "whole", 1 << 62, None, 1, lambda **said: None)
        disk.install()
        byeori.train(output=str(folder / "whole"), hooks=[Begins(lambda **said: None)], **{**SMALL, **values})
        calls, disk.calls = disk.calls, 0
        counted.write_text(str(calls))

    began = time.monotonic()
    _, status = os.waitpid(forked(count, log), 0)
    if status:
        raise RuntimeError(log.read_text())
    return time.monotonic() - began, int(counted.read_text())


def main() -> int:
    quick()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument(
        "--met", type=int, default=5, help="trainings of a seed that meet some, before the rest are left alone"
    )
    parser.add_argument("--steps", type=int, default=SMALL["max_steps"])
    parser.add_argument("--task", choices=list(TASKS), help="only this one, instead of each in turn")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["BYEORI_CACHE"] = str(given.folder / "cache")
    made: dict[tuple[str, float], Any] = {}
    failed, total = 0, {}
    for seed in range(given.first, given.first + given.seeds):
        task = given.task or list(TASKS)[seed % 3]
        way = WAYS[seed // 3 % 3]
        dropout = 0.0 if way == "smaller" else 0.1
        if (task, dropout) not in made:
            folder = given.folder / f"{task}-{dropout}"
            # Of gradients that are nothing but rounding a smaller epsilon makes whole steps.
            values = {
                **material(folder, task, dropout),
                "pack_tokens": 300 if task == "text-generation" else 100,
                "adam_epsilon": 1e-5,
            }
            made[task, dropout] = values, folder / "whole", *reference(folder, values)
        values, whole, took, most = made[task, dropout]
        folder = given.folder / f"seed-{seed}"
        folder.mkdir(parents=True)
        found = survives(folder, values, way, seed, given.met, whole, took, most)
        failed += bool(found["wrong"])
        for name, count in found["faults"].items():
            total[name] = total.get(name, 0) + count
        print(json.dumps({"seed": seed, "task": task, "way": way, **found}), flush=True)
        if not found["wrong"]:
            shutil.rmtree(folder)
    print(json.dumps({"seeds": given.seeds, "faults": total, "wrong": failed}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
