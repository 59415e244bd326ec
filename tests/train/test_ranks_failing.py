"""What one of several processes meets is said once, and the others leave."""

from __future__ import annotations

import pytest

from drill import LONG
from together import ranks

SCRIPT = """
import errno, os, sys
import byeori

class Full(byeori.Hook):
    def step_end(self, run, pack, outputs):
        if run.step == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

model, data, output, hooked = sys.argv[1:]
try:
    byeori.train(
        "text-classification", model, train=data, output=output, hooks=[Full()] if hooked == "hooked" else [], max_steps=4, test_size=0,
        baselines=False, precision="float32", device="cpu",
    )
except byeori.errors.ByeoriError as error:
    if not vars(error).get("said"):
        sys.stdout.write(f"rank {os.environ['RANK']}: {type(error).__name__}: {error}\\n")
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("hooked", ["hooked", "plain"] if LONG else ["hooked"])
def test_what_the_main_rank_meets(tiny_bert, requests_tsv, tmp_path, hooked):
    script, output = tmp_path / "script.py", tmp_path / "run"
    script.write_text(SCRIPT, encoding="utf-8")
    if hooked == "plain":
        output.mkdir()
        (output / "mine.txt").touch()
    done = ranks(2, script, tiny_bert, requests_tsv, output, hooked, fails=True)
    said = [line for line in done.stdout.splitlines() if line.startswith("rank")]
    if hooked == "plain":  # before anything is read, by all of them
        assert len(said) == 1 and f"SettingError: output {output}: the folder exists and isn't empty." in said[0]
    else:
        assert any(line.startswith(f"rank 0: TrainingError: {output}: the disk is full") for line in said)
        others = [line for line in said if not line.startswith("rank 0")]
        assert all("rank 1: ByeoriError: another of the 2 processes" in line for line in others)
    assert "Connection closed" not in done.stdout + done.stderr
