"""`byeori train` started by torchrun and by accelerate: the training of one process, said by one rank."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import byeori
from byeori.run import RunFolder
from drill import LONG
from families import texts
from together import HERE, WAIT
from trained_together import SMALL


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> Path:
    """A settings file, its rows, and the run of one process."""
    made = tmp_path_factory.mktemp("launched")
    rows = [{"text": f"{one} {number}", "label": "abc"[number % 3]} for number, one in enumerate(texts()[:60])]
    (made / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {
        **SMALL,
        "max_steps": 3,
        "evaluate_every": "end",
        "task": "text-classification",
        "model": str(tiny("bert", auto="AutoModel")),
        "train": str(made / "rows.jsonl"),
    }
    (made / "settings.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    byeori.train(**values, output=str(made / "alone"))
    return made


def launched(way: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    start = {
        "torchrun": ["torch.distributed.run", "--master-port", port, "--nproc-per-node", "2"],
        "accelerate": [
            "accelerate.commands.launch",
            "--main_process_port",
            port,
            "--multi_gpu",
            "--num_processes",
            "2",
        ],
    }[way]
    path = os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", *start, "-m", "byeori", "train", str(folder / "settings.yaml"), *arguments]
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=WAIT)


@pytest.mark.parametrize("way", ["torchrun", "accelerate"] if LONG else ["torchrun"])
def test_it_is_the_training_of_one_process_said_once(folder, way):
    output = folder / way
    done = launched(way, folder, "--output", str(output))
    assert not done.returncode, done.stdout + done.stderr
    lines = [
        [line for line in one.lines(one.history) if "loss" in line]
        for one in map(RunFolder, (folder / "alone", output))
    ]
    assert [line["step"] for line in lines[1]] == [1, 2, 3]
    for one, other in zip(*lines, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-6, abs=1e-6), one["step"]
    assert done.stdout.count("score (test)") == 1 and done.stdout.count("report.html") == 1
    assert done.stderr.count("step 3/3  epoch") == 1
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert not [line for line in said if "deprecated" in line or "reducer.cpp" in line or "Traceback" in line]
    ours = [line for line in said if "torch/distributed/run.py" not in line and not line.startswith(" ")]
    assert len(set(ours)) == len(ours), "nothing is said twice"


def test_what_is_refused_is_said_once(folder):
    said = "byeori: nowhere.tsv: there is no such file."
    done = launched("torchrun", folder, "--train", "nowhere.tsv", "--output", "new")
    assert done.returncode
    assert [line for line in done.stderr.splitlines() if line.startswith("byeori:")][0].startswith(said)
    assert done.stderr.count("byeori: ") == 1 and 'byeori/cli.py", line' not in done.stderr


def test_a_flag_that_nobody_knows_is_said_by_one_process_of_each_machine(monkeypatch, capsys):
    from byeori.cli import main

    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")
    said = []
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("LOCAL_RANK", str(rank % 2))
        with pytest.raises(SystemExit) as stop:
            main(["train", "--nonsense", "1"])
        assert stop.value.code == 2
        said.append(capsys.readouterr().err.count("there is no setting --nonsense"))
    assert said == [1, 0, 1, 0]
