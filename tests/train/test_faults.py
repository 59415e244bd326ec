"""Kills, shortages of memory and errors of the disk, mixed at random: a training loses nothing. `make drill` takes 50 seeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from together import WAIT

TESTS = Path(__file__).parents[1]
SEEDS = 2


@pytest.mark.skipif(sys.platform != "linux", reason="files that are open are named by /proc")
def test_what_meets_faults_at_random_is_what_met_none(tmp_path):
    short = ["--first", "4", "--seeds", str(SEEDS), "--met", "2", "--steps", "8"]  # one of each family
    command = [sys.executable, str(TESTS / "faults.py"), str(tmp_path / "runs"), *short]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WAIT)
    assert done.stdout, done.stderr
    *seeds, total = map(json.loads, done.stdout.splitlines())
    assert [one["wrong"] for one in seeds] == [[]] * SEEDS
    assert "memory" in total["faults"] and len(total["faults"]) >= 2, "of different kinds"
