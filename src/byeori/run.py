"""The run folder: the one place that knows its layout and format version.

Invariants: a file is written whole (to a temporary name, then renamed) or not at all; `model/` is an ordinary transformers
folder; what a reader of another format version can't understand is refused with its number.

    folder = RunFolder("run").create(overwrite=True)
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from byeori.errors import ModelError, SettingError

FORMAT = 1


class RunFolder:
    """Paths and whole writes. Layout: settings.yaml, model/, metrics.json, history.jsonl, samples.jsonl, predictions/,
    data.json, checkpoints/, report.html."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.model = self.path / "model"
        self.settings = self.path / "settings.yaml"
        self.metrics = self.path / "metrics.json"
        self.history = self.path / "history.jsonl"
        self.samples = self.path / "samples.jsonl"
        self.predictions = self.path / "predictions"
        self.data = self.path / "data.json"
        self.checkpoints = self.path / "checkpoints"
        self.report = self.path / "report.html"
        self.parts = (self.settings, self.metrics, self.history, self.samples, self.data, self.report,
                      self.model, self.predictions, self.checkpoints)  # fmt: skip

    @property
    def finished(self) -> bool:
        return self.metrics.is_file() and (self.model / "byeori.json").is_file()

    def check(self, overwrite: bool = False, resume: bool = False) -> None:
        """Raises SettingError if a run can't be put here. Writes nothing."""
        if self.path.exists() and not self.path.is_dir():
            raise SettingError(f"output {self.path}: this is a file. Name a folder with --output.")
        filled = self.path.is_dir() and any(self.path.iterdir())
        if filled and not (overwrite or resume):
            raise SettingError(
                f"output {self.path}: the folder exists and isn't empty. Go on with --resume, replace it with --overwrite, "
                f"or give another name with --output."
            )
        if filled and not (self.settings.exists() or self.metrics.exists() or self.history.exists()):
            raise SettingError(
                f"output {self.path}: this folder holds no run to {'replace' if overwrite else 'go on with'}, and what else is "
                f"in it stays untouched. Give another name with --output."
            )
        parent = self.path if self.path.is_dir() else next(p for p in self.path.absolute().parents if p.exists())
        if not os.access(parent, os.W_OK | os.X_OK) or not parent.is_dir():
            raise SettingError(f"output {self.path}: {parent} can't be written to. Give another folder with --output.")

    def create(self, overwrite: bool = False, resume: bool = False) -> RunFolder:
        """Make the folder, without a run in it unless resumed; files that are no part of a run stay.

        Raises SettingError as `check` does, or where it can't be made.
        """
        self.check(overwrite, resume)
        try:
            if overwrite:
                for part in self.parts:
                    if part.is_dir():
                        shutil.rmtree(part)
                    else:
                        part.unlink(missing_ok=True)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"output {self.path}: it can't be made ({error.strerror}). Give another folder."
            ) from None
        return self

    def append(self, path: Path, record: dict[str, Any]) -> None:
        """One line of JSON at the end of history.jsonl or samples.jsonl."""
        with open(path, "a", encoding="utf-8") as file:
            file.write(dumps(record) + "\n")

    def lines(self, path: Path) -> list[dict[str, Any]]:
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON in UTF-8 without NaN: what isn't a number is null."""
    return json.dumps(_clean(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    if hasattr(value, "tolist"):
        return _clean(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def write_text(path: Path, text: str) -> None:
    """Write a file whole: under a temporary name, synced, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    write_text(path, dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Raises ModelError if the file is missing, damaged or of a later format."""
    if not path.is_file():
        raise ModelError(f"{path}: the file is missing; the folder is not a whole run.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: this is damaged, not JSON: {error}.") from None
    if found.get("format", FORMAT) > FORMAT:
        raise ModelError(
            f"{path}: format {found['format']} was written by a later version of Byeori; this one reads up to {FORMAT}. Update Byeori."
        )
    return found


def write_folder(path: Path, fill: Any) -> None:
    """Write a folder whole: `fill(temporary)` first, then it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        fill(temporary)
        os.chmod(temporary, 0o755)
        if path.exists():
            old = path.with_name(f".{path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
