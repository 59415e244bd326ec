"""The folder of a search for settings: the one place that knows its layout.

Invariants: only what a search wrote is ever removed; a trial's folder is an ordinary run, and best/ a copy of the best one.

    StudyFolder("search").check(overwrite=False, resume=True)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from byeori.errors import SettingError


class StudyFolder:
    """Layout: settings.yaml, optuna.jsonl (Optuna's journal), trials.jsonl, trials/trial-00000/ …, best/."""

    what = "search"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.settings = self.path / "settings.yaml"
        self.journal = self.path / "optuna.jsonl"
        self.table = self.path / "trials.jsonl"
        self.trials = self.path / "trials"
        self.best = self.path / "best"
        self.parts = (self.journal, self.table, self.trials, self.best, self.settings)

    def trial(self, number: int) -> Path:
        return self.trials / f"trial-{number:05d}"

    @property
    def begun(self) -> bool:
        """Whether what lies here is what this folder is for."""
        return self.settings.is_file() and (self.trials.is_dir() or self.journal.is_file())

    def check(self, overwrite: bool, resume: bool) -> None:
        """Raises SettingError if a search can't be put here. Writes nothing."""
        if overwrite and resume:
            raise SettingError("resume and overwrite are both set: one goes on with what the other removes. Give one.")
        if self.path.exists() and not self.path.is_dir():
            raise SettingError(f"output {self.path}: this is a file. Name a folder with --output.")
        filled = self.path.is_dir() and any(self.path.iterdir())
        if filled and not (overwrite or resume):
            raise SettingError(
                f"output {self.path}: the folder exists and isn't empty. Go on with --resume, replace it with --overwrite, or "
                f"give another name with --output."
            )
        if filled and not self.begun:
            raise SettingError(
                f"output {self.path}: this folder holds no {self.what} to {'replace' if overwrite else 'go on with'}, and what else is "
                f"in it stays untouched. Give another name with --output."
            )

    def clear(self) -> None:
        for part in self.parts:
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
