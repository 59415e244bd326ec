"""The command as a person runs it, on files of a folder of its own, for tests of what it says.

command = Command(tmp_path, model_folder, capsys); command.train("a.tsv"); command.refused(3, "a.tsv, row 2")
"""

from __future__ import annotations

from pathlib import Path

import pytest

from byeori.cli import main


class Command:
    """The command, run on files of its own folder; `error` is what it said at the end."""

    def __init__(self, folder: Path, model: Path, capsys):
        self.folder, self.model, self.capsys = folder, model, capsys
        self.output = folder / "run"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def __call__(self, *arguments) -> int:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(one) for one in arguments])
        self.out, self.err = self.capsys.readouterr()
        self.error = self.err.strip().splitlines()[-1] if self.err.strip() else ""
        self.code = stop.value.code
        return self.code

    def train(self, data, *more, task="text-classification", model=None, output=None) -> int:
        return self(
            "train", "--task", task, "--model", model or self.model, "--train", data, "--threads", "1",
            "--output", output or self.output, "--max-steps", "2", "--precision", "float32", "--no-baselines", *more,
        )  # fmt: skip

    def refused(self, code: int, *said: str) -> None:
        """The last command ended with this code and these words, said once, and left nothing behind."""
        assert self.error.startswith("byeori: ") and self.error.endswith((".", ")", "?")), self.err
        for words in said:
            assert words in self.error, self.error
        assert "Traceback" not in self.err and self.out == ""
        assert self.code == code
        assert not self.output.exists()
