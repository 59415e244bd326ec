"""A training that is killed at any moment and resumed is the one that never was: bit for bit, with dropout. `make drill` does it longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drill import LONG
from killed import TASKS, material
from together import WAIT

TESTS = Path(__file__).parents[1]


@pytest.fixture
def killed(tmp_path):
    def run(task: str, *arguments: str) -> dict:
        values = material(tmp_path, task)
        named = ["--task", task, "--model", values["model"], "--train", values["train"]]
        command = [sys.executable, str(TESTS / "killed.py"), str(tmp_path / "runs"), *named, *arguments]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WAIT)
        assert done.stdout, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forks")
@pytest.mark.parametrize("task", TASKS if LONG else ["summarization"])
def test_killed_twice(killed, task):
    found = killed(task, "--kills", "2", "--steps", "12")
    assert found["wrong"] == [] and found["kills"] >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="what is lost is found by /proc")
def test_ended_before_any_rename_or_sync(killed):
    found = killed("text-classification", "--points", "2")
    assert found["wrong"] == {} and len(found["points"]) == 2 < found["of"]
