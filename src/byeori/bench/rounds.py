"""Rounds in which contestants take turns, each in a fresh process; every measurement is written down as it comes.

Invariants: a contestant that failed is not asked again, and the others go on; in every second round they take turns the
other way round, so that a machine which gets slower harms all alike; a measurement found in the file is not made again.

    found = take_turns(jobs, rounds=3, log=Log(None, "key"), note=print)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import byeori
from byeori.bench.given import read_lines
from byeori.errors import SettingError
from byeori.run import dumps, read_json, whole, write_json

Job = dict[str, Any]
Measure = Callable[[Job, Path], dict[str, Any]]


class Failed(Exception):
    """A contestant's process ended without a result; the message is its last line."""


@dataclass
class Turns:
    """`measured`: contestant → a result a round; `failed`: why; `stopped` by Ctrl-C; `kept`: results the file had already."""

    measured: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    kept: int = 0


class Log:
    """A file of measurements, a line each, of one benchmark: `key` says which. None for no file."""

    def __init__(self, path: str | None, key: str, overwrite: bool = False):
        """Raises SettingError for a file of something else, and for one that can't be written."""
        self.path, self.key = Path(path) if path is not None else None, key
        self.lines: list[dict[str, Any]] = []
        if self.path is None:
            return
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            raise SettingError(
                f"output {path}: it can't be written there. Give --output FILE.jsonl in a folder that exists."
            )
        if self.path.is_file() and not overwrite:
            self.lines = self._read()
        try:
            with whole(self.path) as temporary:  # without a line that was cut short
                temporary.write_text("".join(dumps(line) + "\n" for line in self.lines), encoding="utf-8")
        except OSError as error:
            raise SettingError(f"output {path}: it can't be written ({error.strerror}). Give another file.") from None

    def _read(self) -> list[dict[str, Any]]:
        assert self.path is not None
        found = []
        texts = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, text in enumerate(texts, 1):
            if not text.strip():
                continue
            try:
                line = json.loads(text)
            except ValueError:
                if number == len(texts):  # a program that was killed while it wrote
                    continue
                line = None
            if not isinstance(line, dict) or "bench" not in line:
                raise SettingError(
                    f"output {self.path}: line {number} is none of a benchmark. Give another file, or replace this one with --overwrite."
                )
            if line["bench"] != self.key:
                raise SettingError(
                    f"output {self.path}: it holds another benchmark (other rows, model, settings or versions). Give another file, or "
                    f"replace it with --overwrite."
                )
            found.append(line)
        return found

    def known(self, **which: Any) -> dict[str, Any] | None:
        """The result that was measured already, if it was one."""
        alike = (line for line in self.lines if all(line.get(name) == value for name, value in which.items()))
        return next((line for line in alike if "failed" not in line), None)

    def add(self, line: dict[str, Any]) -> None:
        line = {"bench": self.key, **line}
        self.lines.append(line)
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(dumps(line) + "\n")


def take_turns(
    jobs: dict[str, Job], rounds: int, log: Log, note: Callable[[str], None], measure: Measure | None = None
) -> Turns:
    """All rounds. A job with "try" is first run once in each of these batch sizes, and takes part in the fastest.

    `note` is told every result. Nothing is raised for a contestant that fails, nor for Ctrl-C.
    """
    turns, measure = Turns({name: [] for name in jobs}), measure or in_a_process
    one = _Contest(
        turns, log, note, measure, took=[], left=rounds * len(jobs) + sum(len(job["try"]) for job in jobs.values())
    )
    with tempfile.TemporaryDirectory() as folder, _terminated():
        try:
            ways = {name: one.fastest(name, job, Path(folder)) for name, job in jobs.items()}
            for turn in range(rounds):
                names = list(ways) if turn % 2 == 0 else list(reversed(ways))
                for name in names:
                    one.round(name, ways[name], turn, rounds, Path(folder))
        except KeyboardInterrupt:
            turns.stopped = True
    for results in turns.measured.values():
        results.sort(key=lambda result: result["round"])
    return turns


@dataclass
class _Contest:
    turns: Turns
    log: Log
    note: Callable[[str], None]
    measure: Measure
    took: list[float]  # seconds of each process
    left: int  # processes still to run
    why: str = ""  # the last one failed
    reference: tuple[str, list[Any]] | None = None  # whose answers the others' are compared with

    def fastest(self, name: str, job: Job, folder: Path) -> Job:
        """The job in the batch size in which it is fastest."""
        tried: list[tuple[float, int]] = []
        for size in job["try"]:
            way = {**job, "how": {**job["how"], "batch_size": size}}
            found = self._result(
                {"contestant": name, "trial": True, "how": way["how"]}, way, folder, f"trying batches of {size}"
            )
            if found is not None:
                tried.append((found["rate"], size))
        if not tried:
            if job["try"]:
                self.turns.failed[name] = self.why
            return job
        size = max(tried)[1]
        self.note(f"{name} takes part in batches of {size}, the fastest of {', '.join(str(one) for _, one in tried)}.")
        return {**job, "how": {**job["how"], "batch_size": size}}

    def round(self, name: str, job: Job, turn: int, rounds: int, folder: Path) -> None:
        if name in self.turns.failed:
            self.left -= 1
            return
        way = {**job, "seed": job["seed"] + turn}
        said = {"contestant": name, "round": turn, "trial": False, "how": job["how"]}
        found = self._result(said, way, folder, f"round {turn + 1} of {rounds}")
        if found is not None:
            self.turns.measured[name].append({**found, "round": turn, "how": job["how"]})

    def _result(self, said: dict[str, Any], job: Job, folder: Path, where: str) -> dict[str, Any] | None:
        name = said["contestant"]
        self.left -= 1
        known = self.log.known(**said)
        if known is not None:
            self.turns.kept += 1
            return known
        began = time.perf_counter()
        try:
            found = self.measure(job, folder)
            found["equal"] = self._equal(name, job, folder)
        except Failed as error:
            if not said["trial"]:  # of batches too large for the machine the others are left
                self.turns.failed[name] = str(error)
            self.why = str(error)
            self.note(f"{where}: {name} failed: {error}")
            self.log.add({**said, "failed": str(error)})
            return None
        self.took.append(time.perf_counter() - began)
        self.log.add({**found, **said})
        self.note(f"{where}: {name} {_line(found)}{self._rest()}")
        return found

    def _equal(self, name: str, job: Job, folder: Path) -> float | None:
        """The share of rows with the first contestant's answer; None where there are none, or none to compare with yet."""
        from byeori.bench.answers import share

        path = folder / "answers"
        if not path.is_file():
            return None
        answers = read_lines(path)
        path.unlink()
        if len(answers) != job["count"]:
            raise Failed(f"it answered {len(answers):,} of {job['count']:,} rows")
        if self.reference is None and name == job["first"]:
            self.reference = name, answers
        return None if self.reference is None else share(self.reference[1], answers)

    def _rest(self) -> str:
        """How long the others may take, by those that are done."""
        if not self.left:
            return ""
        seconds = self.left * sum(self.took) / len(self.took)
        return f"; about {seconds / 60:.0f} min left" if seconds >= 90 else f"; about {seconds:.0f} s left"


def _line(found: dict[str, Any]) -> str:
    return f"{speed(found['rate'])} rows/s, {found['seconds']:.1f} s"


def speed(rate: float) -> str:
    """Rows a second, with as many digits as mean something."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"


def in_a_process(job: Job, folder: Path) -> dict[str, Any]:
    """Run the worker on a job in a process of its own; its answers lie in folder/answers. Raises Failed."""
    result, said = folder / "result.json", folder / "stderr"
    result.unlink(missing_ok=True)
    write_json(folder / "job.json", {**job, "answers": str(folder / "answers")})
    command = [sys.executable, "-m", "byeori.bench.worker", str(folder / "job.json"), str(result)]
    with open(said, "wb") as errors:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment(job)
        )
    if done.returncode < 0:
        raise Failed(f"it was ended by signal {-done.returncode}; 9 most often means that memory ran out")
    if done.returncode or not result.is_file():
        lines = [line for line in said.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        raise Failed(lines[-1].strip() if lines else f"it ended with exit code {done.returncode} and said nothing")
    return read_json(result)


def environment(job: Job) -> dict[str, str]:
    """This program's, with the threads and the one GPU a contestant may use."""
    found = {"TOKENIZERS_PARALLELISM": "true", **os.environ, "PYTHONUNBUFFERED": "1"}
    room = str(Path(byeori.__file__).parents[1])
    found["PYTHONPATH"] = os.pathsep.join([room, *filter(None, [os.environ.get("PYTHONPATH")])])
    if job["threads"]:
        found["OMP_NUM_THREADS"] = found["RAYON_NUM_THREADS"] = str(job["threads"])
    if job["gpu"] is not None:  # a Trainer takes all it sees
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        found["CUDA_VISIBLE_DEVICES"] = seen[job["gpu"]] if job["gpu"] < len(seen) and seen[0] else str(job["gpu"])
    return found


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM as Ctrl-C: what was measured is told, and no process is left behind."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
