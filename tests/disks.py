"""Trainings by the command on a real disk that fills up or can be written to no longer, then resumed, beside one that had room.

The disk is a small tmpfs, mounted for this process alone (`unshare --mount`); a folder that can't be written to is one mounted over itself,
read-only, which holds for root too. Each case says when it happens.

    unshare --user --map-root-user --mount python tests/disks.py FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import byeori.api
import byeori.report.write
from byeori import cli
from byeori.run import RunFolder, dumps
from byeori.train import checkpoint, fit, loop
from killed import SMALL, forked, material, same
from quick import quick

SIZE, PAGE = "16m", 4096
VALUES: dict[str, Any] = {"max_steps": 15, "checkpoint_every": 3, "evaluate_every": 5}


def fill(disk: Path) -> None:
    """To the last page."""
    with suppress(OSError), open(disk / "ballast", "ab", buffering=0) as file:
        while file.write(b"\0" * PAGE):
            pass


def freeze(folder: Path) -> None:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)


def thaw(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


def before(
    place: Any, name: str, call: int, work: Callable[[], None], when: Callable[..., bool] = lambda *_: True
) -> None:
    """Have something happen before the so-manieth call of a function, of those `when` says count."""
    real, calls = getattr(place, name), [0]

    def called(*given: Any, **named: Any) -> Any:
        calls[0] += when(*given)
        if calls[0] == call:
            work()
            calls[0] += 1
        return real(*given, **named)

    setattr(place, name, called)


def _over_the_page(own: Any, record: dict[str, Any]) -> bool:
    """Whether a line of history needs another page of the disk: what fits into the last one is taken by a full disk, too."""
    size = own.folder.history.stat().st_size if own.folder.history.is_file() else 0
    return own.step > 5 and size % PAGE + len(dumps(record).encode()) + 1 > PAGE


# when it happens: the function, which call of it, and which of these calls count
MOMENTS: dict[str, tuple[Any, ...]] = {
    "at the start": (fit, "data_facts", 1),
    "at a checkpoint": (checkpoint, "write", 3),
    "as the model is saved": (loop, "save_model", 2),
    "in history.jsonl": (loop.Loop, "_write", 1, _over_the_page),
    "at the predictions": (fit, "_predictions", 2),
    "at the report": (byeori.report.write, "write_report", 1),
}


def command(folder: Path, settings: dict[str, Any], output: Path, *flags: str, meet: Callable[[], None] | None = None):
    """(exit code, what was said) of `byeori train`."""
    file, log = folder / "settings.yaml", folder / "log.txt"
    file.write_text(json.dumps(settings))
    log.unlink(missing_ok=True)

    def work() -> None:
        if meet is not None:
            meet()
        try:
            cli.main(["train", str(file), "--output", str(output), *flags])
        except SystemExit as stop:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(stop.code if isinstance(stop.code, int) else 99)

    _, status = os.waitpid(forked(work, log), 0)
    return os.waitstatus_to_exitcode(status), log.read_text()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sentence(said: str) -> str:
    """The last thing said, which is to be the only error."""
    return said.strip().splitlines()[-1] if "Traceback" not in said else "a traceback: " + said[-3000:]


def full(folder: Path, disk: Path, settings: dict[str, Any], whole: RunFolder, moment: str) -> list[str]:
    """What is wrong with a disk that is full from a moment on."""
    output, wrong = disk / "run", []
    place, name, call, *when = MOMENTS[moment]
    code, said = command(folder, settings, output, meet=lambda: before(place, name, call, lambda: fill(disk), *when))
    last = sentence(said)
    if code != 1 or "the disk is full" not in last or "Make room" not in last:
        wrong.append(f"exit code {code}: {last}")
    if any(found := [checkpoint.damage(one) for one in checkpoint.all_of(output / "checkpoints")]):
        wrong.append(f"damaged: {found}")
    (disk / "ballast").unlink()
    begun = moment != "at the start"
    if begun != output.is_dir():
        wrong.append(f"the folder {'is gone' if begun else 'was left'}")
    if (
        begun
        and moment != "at the report"
        and f"The checkpoint {checkpoint.all_of(output / 'checkpoints')[-1].name} is whole" not in last
    ):
        wrong.append(f"the checkpoint is not named: {last}")
    code, said = command(folder, settings, output, *(["--resume"] if begun else []))
    wrong += [f"resumed, exit code {code}: {sentence(said)}"] if code else same(RunFolder(output), whole)
    return wrong + ([] if RunFolder(output).report.is_file() else ["no report"])


def read_only_before(folder: Path, disk: Path, settings: dict[str, Any], whole: RunFolder) -> list[str]:
    """Refused in one sentence, and nothing made or changed: of a new run, one to replace, and one to go on with."""
    wrong = []
    command(folder, {**settings, "max_steps": 6, "test_size": 0}, disk / "there")
    (disk / "there" / "metrics.json").unlink()
    (disk / "there" / ".lock").touch()  # as a killed process leaves it
    had = contents(disk)
    freeze(disk)
    for flags, output in (((), "new"), ((), "new/one"), (("--overwrite",), "there"), (("--resume",), "there")):
        code, said = command(folder, settings, disk / output, *flags)
        if code != 2 or "can't be written to" not in sentence(said) or "Give another folder" not in sentence(said):
            wrong.append(f"{output} {flags}, exit code {code}: {sentence(said)}")
    thaw(disk)
    return wrong + ([] if contents(disk) == had else ["something was made or changed"])


def read_only_amid(folder: Path, disk: Path, settings: dict[str, Any], whole: RunFolder) -> list[str]:
    """From a moment on, before there is a checkpoint and after."""
    wrong = []
    for place, name, call in ((loop.Loop, "_log", 1), (checkpoint, "write", 3)):
        output = disk / f"run-{name}"
        code, said = command(
            folder, settings, output, meet=lambda p=place, n=name, c=call, o=output: before(p, n, c, lambda: freeze(o))
        )
        last = sentence(said)
        if code != 1 or "it can't be written to" not in last or "Make it writable" not in last:
            wrong.append(f"{name}, exit code {code}: {last}")
        thaw(output)
        if any(found := [checkpoint.damage(one) for one in checkpoint.all_of(output / "checkpoints")]):
            wrong.append(f"damaged: {found}")
        code, said = command(folder, settings, output, "--resume")
        wrong += [f"resumed, exit code {code}: {sentence(said)}"] if code else same(RunFolder(output), whole)
    return wrong


def main() -> int:
    quick()
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder / "disk"
    disk.mkdir()
    settings = {**SMALL, **VALUES, **material(folder, "text-classification")}
    code, said = command(folder, settings, folder / "whole")
    assert code == 0, said
    cases: dict[str, Callable[..., list[str]]] = {
        **{f"full {moment}": lambda *given, moment=moment: full(*given, moment) for moment in MOMENTS},
        "read-only before the start": read_only_before,
        "read-only in the middle": read_only_amid,
    }
    wrong = {}
    for name, case in cases.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
        wrong[name] = case(folder, disk, settings, RunFolder(folder / "whole"))
        thaw(disk)
    print(json.dumps(wrong))
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
