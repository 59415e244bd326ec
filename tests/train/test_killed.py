"""A training that is killed at any moment and resumed is the one that never was: bit for bit, with dropout. `make drill` does it longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from families import texts
from labelled import CASES

TESTS = Path(__file__).parents[1]
FAMILIES = {
    "text-classification": ("bert", "AutoModel"),
    "text-generation": ("llama", "AutoModelForCausalLM"),
    "summarization": ("t5", "AutoModelForSeq2SeqLM"),
}


@pytest.fixture
def killed(tiny, tmp_path):
    def run(task: str, *arguments: str) -> dict:
        rows = CASES[task][2] if task in CASES else [{"text": one} for one in texts()]
        rows = [{**row} for row in (rows * 9)[:60]]
        for number, row in enumerate(rows):
            name = "source" if "source" in row else "text"
            row[name] = f"{row[name]} {number}"
        data = tmp_path / "rows.json"
        data.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        family, auto = FAMILIES[task]
        model = tiny(family, auto=auto, dropout=0.1)
        command = [
            sys.executable,
            str(TESTS / "killed.py"),
            str(tmp_path / "runs"),
            "--task",
            task,
            "--model",
            str(model),
            "--train",
            str(data),
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run([*map(str, command), *arguments], capture_output=True, text=True, env=environment)
        assert done.stdout, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forks")
@pytest.mark.parametrize("task", FAMILIES)
def test_killed_twice(killed, task):
    found = killed(task, "--kills", "2", "--steps", "12")
    assert found["wrong"] == [] and found["kills"] >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="what is lost is found by /proc")
def test_ended_before_any_rename_or_sync(killed):
    found = killed("text-classification", "--points", "3")
    assert found["wrong"] == {} and len(found["points"]) == 3 < found["of"]
