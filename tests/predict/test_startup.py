"""What a command imports before it works: nothing that it has no use for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "pyarrow",
    "tokenizers",
    "sklearn",
    "scipy",
    "accelerate",
    "rich",
)
# torch and transformers bring torch._dynamo, scipy and accelerate themselves; a plain script has them too.
NEEDLESS = (
    "datasets",
    "pandas",
    "sklearn",
    "rich",
    "sacrebleu",
    "rouge_score",
    "seqeval",
    "optuna",
    "fastapi",
    "gradio",
)
REPORT = "import sys, json; print(json.dumps([n for n in {names!r} if n in sys.modules]))"


def imported(code: str, names: tuple[str, ...]) -> list[str]:
    """Those of these modules that a fresh process has, once the code is done."""
    command = [sys.executable, "-c", f"{code}\n{REPORT.format(names=names)}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    ["import byeori", "from byeori.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"],
    ids=["import", "help"],
)
def test_nothing_heavy_before_there_is_work(code):
    assert imported(code, HEAVY) == []


def test_a_prediction_imports_what_it_uses(tiny, tmp_path: Path):
    source, output = tmp_path / "texts.tsv", tmp_path / "out.jsonl"
    source.write_text("text\n" + "".join(f"A film, number {n}.\n" for n in range(10)), encoding="utf-8")
    arguments = ["predict", str(tiny("bert", labels=("a", "b"))), str(source), "--output", str(output),
                 "--task", "text-classification"]  # fmt: skip
    code = f"from byeori.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code"
    assert imported(code, NEEDLESS) == []
    assert len(output.read_text(encoding="utf-8").splitlines()) == 10
