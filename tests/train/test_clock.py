"""Clocks that jump by years, and files from the future: nothing of a training, its checkpoints or the caches goes by them."""

from __future__ import annotations

import ast
import json
import math
import os
import random
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import byeori
from byeori.text import cache
from byeori.train import checkpoint

YEAR = 365 * 86_400.0
SOURCE = Path(byeori.__file__).parent
VALUES = {"log_every": 1, "evaluate_every": 2, "checkpoint_every": 1, "preview_every": 2, "previews": 2}
# What reads the wall clock or a file's time, and what for: leftovers that are a day old, which entry of a cache leaves first, whether a
# file changed while it was read, the day a file was fetched. Seconds are those of clocks that run forward only.
WALL = {"bench/contest.py": {"st_mtime_ns"}, "data/rows.py": {"st_mtime_ns"}, "data/urls.py": {"st_mtime", "time.time", "time.strftime"},
        "text/cache.py": {"st_mtime", "time.time", "os.utime"}, "text/plain_tokenizer.py": {"datetime.now"},  # a chat template's own
        "serve/app.py": {"time.time"}, "serve/chat.py": {"time.time"}}  # fmt: skip
NAMES = {"time.time", "time.time_ns", "time.strftime", "time.localtime", "time.gmtime", "os.utime", "datetime.now", "datetime.today",
         "datetime.utcnow", "date.today", "os.path.getmtime", "st_mtime", "st_mtime_ns", "st_ctime", "st_ctime_ns", "st_atime"}  # fmt: skip


class Jumps(byeori.Hook):
    """Checkpoints as old or as new as can be, so that the oldest seems the newest; a power cut, if that is asked."""

    def __init__(self, cut: int | None = None):
        self.cut, self.drawn = cut, random.Random(1)

    def step_end(self, run, pack, outputs):
        run.keeper.wait()
        for path in run.folder.path.rglob("*"):
            os.utime(path, (then := time.time() + self.drawn.uniform(-40, 40) * YEAR, then))
        if run.step == self.cut:
            raise RuntimeError("power cut")


@pytest.fixture
def jumping(monkeypatch):
    """Each look at the wall clock finds another year."""
    drawn, clock = random.Random(0), time.time
    monkeypatch.setattr(time, "time", lambda: clock() + drawn.uniform(-20, 20) * YEAR)
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))


def seconds(found) -> list[float]:
    """All times that were written down."""
    if isinstance(found, dict):
        own = [value for name, value in found.items() if "second" in name and isinstance(value, float | int)]
        return own + [value for one in found.values() for value in seconds(one)]
    return [value for one in found for value in seconds(one)] if isinstance(found, list) else []


def plain(run) -> list[dict]:
    lines = run.folder.lines(run.folder.history)
    return [{k: v for k, v in line.items() if "second" not in k and k != "memory_mb"} for line in lines]


def test_a_training_and_what_is_kept_of_it(train, tmp_path, jumping, request):
    with pytest.raises(RuntimeError, match="power cut"):
        train(hooks=[Jumps(6)], **VALUES)
    kept = [path.name for path in checkpoint.all_of(tmp_path / "run" / "checkpoints")]
    best = json.loads((tmp_path / "run" / "model" / "byeori.json").read_text())["step"]
    assert kept == [checkpoint.name(step) for step in sorted({4, 5} | {best} & set(range(6)))]
    run = train(resume=True, hooks=[Jumps()], keep_checkpoints=True, **VALUES)
    times = seconds([run.folder.lines(run.folder.history), json.loads(run.folder.metrics.read_text())])
    assert len(times) > 20 and all(math.isfinite(one) and one >= 0 for one in times)
    assert all(one < YEAR for name, one in run.metrics["training"].items() if name.endswith("seconds"))
    request.getfixturevalue("monkeypatch").undo()
    whole = train("whole", hooks=[Jumps()], **VALUES)
    ours, theirs = (load_file(one.folder.model / "model.safetensors") for one in (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs) and plain(run) == plain(whole)


def test_token_ids_are_kept_and_made_anew_as_ever(train, tmp_path, monkeypatch, jumping, notes, requests_tsv):
    """An entry from the future is taken; other rows in a file of the same size and time are not taken for those of before."""
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "LEAST", 0)
    monkeypatch.setattr(cache, "_FREE", 0)
    data, said = tmp_path / "rows.tsv", "token ids are taken as an earlier run made them"
    text = Path(requests_tsv).read_text(encoding="utf-8")
    values = {"train": str(data), "max_steps": 1, "test_size": 0, "validation_size": 0, "progress": notes}
    data.write_text(text, encoding="utf-8")
    stamp = data.stat()
    train("one", **values)
    for then in (time.time() + 80 * YEAR, 0.0):
        for path in (tmp_path / "cache").rglob("*"):
            os.utime(path, (then, then))
        os.utime(data, (then, then))
        notes.notes.clear()
        train("again", overwrite=True, **values)
        assert any(said in note for note in notes.notes)
    notes.notes.clear()
    data.write_text(text.replace("e", "a"), encoding="utf-8")
    os.utime(data, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert data.stat().st_size == stamp.st_size and data.stat().st_mtime_ns == stamp.st_mtime_ns
    train("other", **values)
    assert not any(said in note for note in notes.notes)


def test_nothing_else_reads_the_wall_clock():
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and (node.attr in NAMES or _dotted(node) in NAMES):
                found.setdefault(path.relative_to(SOURCE).as_posix(), set()).add(
                    node.attr if node.attr in NAMES else _dotted(node)
                )
    assert found == WALL


def _dotted(node: ast.Attribute) -> str:
    """The last two words of a name with dots."""
    before = node.value
    return f"{before.id if isinstance(before, ast.Name) else getattr(before, 'attr', '')}.{node.attr}"
