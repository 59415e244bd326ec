"""A disk that is really full, or can't be written to: what was good stays, a sentence says what to do, and it goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drill import LONG
from together import WAIT

TESTS = Path(__file__).parents[1]
CASES = (
    "full at the start", "full at a checkpoint", "full as the model is saved", "full in history.jsonl", "full at the predictions",
    "full at the report", "read-only before the start", "read-only in the middle",
)  # fmt: skip
if not LONG:
    CASES = ("full at a checkpoint", "full in history.jsonl", "full at the report", "read-only in the middle")
WAYS = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])


def test_a_real_disk_that_refuses(tmp_path):
    """All cases are run by one process that may mount disks of its own."""
    mounts = ["sh", "-c", f"mount -t tmpfs -o size=1m tmpfs {tmp_path} && mount -o remount,ro {tmp_path}"]
    tried = [subprocess.run([*way, *mounts], capture_output=True, text=True) for way in WAYS if shutil.which(way[0])]
    way = next((way for way, one in zip(WAYS, tried, strict=False) if one.returncode == 0), None)
    if way is None:
        pytest.skip(f"no disk can be mounted here: {tried[-1].stderr.strip() if tried else 'there is no unshare'}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        [*way, sys.executable, str(TESTS / "disks.py"), str(tmp_path / "runs"), *CASES], capture_output=True, text=True,
        env=environment, timeout=WAIT,
    )  # fmt: skip
    assert done.stdout, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {case: [] for case in CASES}
