"""In a notebook: a training that failed leaves nothing, and accelerate's notebook_launcher starts one of two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from byeori.run import RunFolder
from families import texts
from together import WAIT
from trained_together import SMALL

SCRIPT = Path(__file__).parents[1] / "notebook.py"


@pytest.fixture(scope="module")
def cells(tiny, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """The folder that the notebook worked in, and what it found."""
    folder = tmp_path_factory.mktemp("notebook")
    rows = [{"text": f"{one} {number}", "label": "abc"[number % 3]} for number, one in enumerate(texts()[:60])]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {
        **SMALL,
        "task": "text-classification",
        "model": str(tiny("bert", auto="AutoModel")),
        "train": str(folder / "rows.jsonl"),
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    path = os.pathsep.join([str(SCRIPT.parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, SCRIPT, folder],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert not done.returncode, done.stdout + done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_a_training_that_failed_leaves_nothing_although_its_error_is_kept(cells):
    found = cells[1]
    assert [found[one]["error"] for one in ("hook", "nan", "own")] == [
        "RuntimeError",
        "TrainingError",
        "KeyboardInterrupt",
    ]
    for one in ("hook", "nan"):
        assert found[one]["held"] > 100 and found[one]["alive"] == 0, found[one]
        assert found[one]["bytes"] <= 64, "but for a number that is kept for all trainings"
        assert found[one]["frames"] > 4, "the lines of the traceback stay"
    own = found["own"]
    assert own["alive"] == own["own"] and own["bytes"] <= 64 and own["gradients"] == 0, own


def test_accelerates_notebook_launcher_trains_as_one_process_does(cells):
    alone, launched = (RunFolder(cells[0] / name) for name in ("alone", "launched"))
    lines = [[line for line in one.lines(one.history) if "loss" in line] for one in (alone, launched)]
    assert len(lines[0]) == len(lines[1]) == SMALL["max_steps"]
    for one, other in zip(*lines, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-6, abs=1e-6), one["step"]
    assert launched.report.is_file() and (launched.model / "model.safetensors").is_file()
