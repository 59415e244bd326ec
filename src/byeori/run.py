"""The run folder: the one place that knows its layout and format version.

Invariants: a file is written whole (to a temporary name, then renamed) or not at all; `model/` is an ordinary transformers
folder; what a reader of another format version can't understand is refused with its number. A training that fails before
it has a model or a checkpoint leaves nothing behind, and a run it would have replaced is there again.

    with RunFolder("run").writing(overwrite=True) as folder: ...
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from byeori.errors import ByeoriError, ModelError, SettingError

FORMAT = 1
CODE = re.compile(r"os error (\d+)")  # how safetensors and tokenizers tell what the system said
HALF = re.compile(r"\.(old|[a-z0-9_]{8})")  # how tempfile ends the names of what is being written


class RunFolder:
    """Paths and whole writes. Layout: settings.yaml, model/, metrics.json, history.jsonl, samples.jsonl, watched.jsonl,
    slices.json, mistakes.json, predictions/, data.json, checkpoints/, trackers/ (a folder a tracker, if any), report.html."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.model = self.path / "model"
        self.settings = self.path / "settings.yaml"
        self.metrics = self.path / "metrics.json"
        self.history = self.path / "history.jsonl"
        self.samples = self.path / "samples.jsonl"
        self.watched = self.path / "watched.jsonl"
        self.slices = self.path / "slices.json"
        self.mistakes = self.path / "mistakes.json"
        self.predictions = self.path / "predictions"
        self.data = self.path / "data.json"
        self.checkpoints = self.path / "checkpoints"
        self.trackers = self.path / "trackers"
        self.report = self.path / "report.html"
        self.parts = (self.model, self.checkpoints, self.settings, self.metrics, self.history, self.samples, self.data,
                      self.watched, self.slices, self.mistakes, self.report, self.predictions, self.trackers)  # fmt: skip
        self.lock = self.path / ".lock"  # held by the process that writes here
        self.before = self.path / ".before"  # the parts of a run that is being replaced

    @property
    def finished(self) -> bool:
        return self.metrics.is_file() and self.has_model

    @property
    def has_model(self) -> bool:
        return (self.model / "byeori.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        return any(self.checkpoints.glob("step-*/state.json"))

    def check(self, overwrite: bool = False, resume: bool = False) -> None:
        """Raises SettingError if a run can't be put here. Writes nothing."""
        try:
            self._check(overwrite, resume)
        except OSError as error:
            raise SettingError(
                f"output {self.path}: the disk refuses it ({error.strerror}). Make it readable and writable, or give another folder with "
                f"--output."
            ) from error

    def _check(self, overwrite: bool, resume: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise SettingError(f"output {self.path}: this is a file. Name a folder with --output.")
        # What a process that was killed at its very beginning left, a lock and half-written files, is nothing.
        begun = (self.lock.name, *(one.name for one in self._halves())) if self.path.is_dir() else ()
        filled = self.path.is_dir() and any(one.name not in begun for one in self.path.iterdir())
        if filled and not (overwrite or resume):
            raise SettingError(
                f"output {self.path}: the folder exists and isn't empty. Go on with --resume, replace it with --overwrite, "
                f"or give another name with --output."
            )
        if filled and not any(p.exists() for p in (self.settings, self.metrics, self.history, self.before)):
            raise SettingError(
                f"output {self.path}: this folder holds no run to {'replace' if overwrite else 'go on with'}, and what else is "
                f"in it stays untouched. Give another name with --output."
            )
        parent = self.path if self.path.is_dir() else next(p for p in self.path.absolute().parents if p.exists())
        if not os.access(parent, os.W_OK | os.X_OK) or not parent.is_dir():
            raise SettingError(f"output {self.path}: {parent} can't be written to. Give another folder with --output.")
        if self.lock.exists():
            with self._alone():
                pass

    @contextmanager
    def writing(self, overwrite: bool = False, resume: bool = False) -> Iterator[RunFolder]:
        """The folder, made, without a run in it unless resumed; files that are no part of a run stay.

        A run to overwrite is moved aside until the new one ends. If the new one fails before it has a model or a
        checkpoint, what it wrote is removed and the old run put back; if it fails later, its error says how to go on.
        Raises SettingError as `check` does, or where the folder can't be made.
        """
        self.check(overwrite, resume)
        with ExitStack() as held:
            yield from self._writing(overwrite, resume, held)

    def _writing(self, overwrite: bool, resume: bool, held: ExitStack) -> Iterator[RunFolder]:
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]  # innermost first
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held.enter_context(self._alone())
            self._clear_halves()
            if overwrite:
                self._move_aside()
        except OSError as error:
            raise SettingError(
                f"output {self.path}: it can't be made ({error.strerror}). Give another folder."
            ) from None
        try:
            yield self
        except BaseException as error:
            with suppress(OSError):  # of a disk that gives and takes nothing any more: what was wrong first is said
                if self.has_model or self.has_checkpoint:
                    self._forget_before()
                    self._say_how_to_go_on(error)
                elif not resume or self.path in made:
                    self._remove_parts()
                    self._put_back()
                    held.close()
                    for path in (one for one in made if one.is_dir()):
                        if any(path.iterdir()):
                            break
                        path.rmdir()
            raise
        self._forget_before()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process writes here meanwhile; the system lets go of it for a process that is killed. Raises SettingError."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.lock, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise SettingError(
                f"output {self.path}: another process is training into this folder. Wait for its end, or give another name with --output."
            ) from None
        try:
            yield
        finally:
            if os.name == "nt":  # where nobody removes what is open
                lock.release()
            with suppress(OSError):
                self.lock.unlink(missing_ok=True)
            lock.release()

    def _clear_halves(self) -> None:
        """What a process that was killed while it wrote has left: files and folders under temporary names."""
        for half in list(self._halves()):
            named = half.with_name(half.name.removeprefix(".").removesuffix(".old"))
            if half.suffix == ".old" and not named.exists():  # killed between two renames: this one is whole
                os.replace(half, named)
            else:
                shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)

    def _halves(self) -> Iterator[Path]:
        inner = (self.checkpoints / "step-*", self.predictions / "*.jsonl", self.model / "README.md")
        for part in (*self.parts, *inner):
            yield from (one for one in part.parent.glob(f".{part.name}.*") if HALF.fullmatch(one.suffix))

    def _move_aside(self) -> None:
        if self.before.is_dir():  # a process that was replacing a run was killed
            if self.has_model or self.has_checkpoint:
                self._forget_before()
            else:
                self._remove_parts()
                self._put_back()
        self.before.mkdir()
        try:
            for part in self.parts:
                if part.exists():
                    os.replace(part, self.before / part.name)
        except OSError:
            self._put_back()
            raise

    def _put_back(self) -> None:
        if self.before.is_dir():
            for part in self.before.iterdir():
                os.replace(part, self.path / part.name)
            self.before.rmdir()

    def _forget_before(self) -> None:
        shutil.rmtree(self.before, ignore_errors=True)

    def _remove_parts(self) -> None:
        # The settings last: by them what a process killed here leaves is known for a run.
        for part in sorted(self.parts, key=lambda part: part == self.settings):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)

    def _say_how_to_go_on(self, error: BaseException) -> None:
        """To our own errors that don't say it yet."""
        if self.finished or not isinstance(error, ByeoriError) or "--overwrite" in str(error):
            return
        if self.has_checkpoint:
            said = f"{self.path} holds a checkpoint: go on from it with --resume, or start anew with --overwrite."
        else:
            said = f"{self.path} holds the best model so far and no checkpoint: start anew with --overwrite."
        error.args = (f"{error} {said}",)

    def length(self, path: Path) -> int:
        """Bytes of history.jsonl and the like, all of them on disk; 0 for one that isn't there."""
        if not path.is_file():
            return 0
        _sync(path)
        return path.stat().st_size

    def cut(self, path: Path, length: int) -> None:
        """Only the first so many bytes stay, and of them whole lines."""
        if path.is_file():
            with open(path, "rb+") as file:
                kept = file.read(length)
                file.truncate(kept.rfind(b"\n") + 1)

    def append(self, path: Path, record: dict[str, Any]) -> None:
        """One line of JSON at the end of history.jsonl and the like."""
        with open(path, "a", encoding="utf-8") as file:
            file.write(dumps(record) + "\n")

    def lines(self, path: Path) -> list[dict[str, Any]]:
        if not path.is_file():
            return []
        # not splitlines: it cuts at U+2028 inside a text
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


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


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its name once all is written and synced; removed if writing fails."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """What safetensors and tokenizers say of the system's errors, as the OSError that it was."""
    try:
        yield
    except Exception as error:
        rust = type(error) is Exception or type(error).__name__ == "SafetensorError"
        found = CODE.search(str(error)) if rust else None
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def _sync(file: Path) -> None:
    """On disk, not only on its way there."""
    with open(file, "rb+") as opened:
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Its names on disk: without that a power cut may leave a file that is there under no name."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders, and needs no such thing
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))  # no line end is changed


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
    if not isinstance(found, dict):
        raise ModelError(f"{path}: this is damaged: it holds a {type(found).__name__}, not names and values.")
    version = found.get("format", FORMAT)
    if isinstance(version, int) and version > FORMAT:
        raise ModelError(
            f"{path}: format {version} was written by a later version of Byeori; this one reads up to {FORMAT}. Update Byeori."
        )
    return found


def write_folder(path: Path, fill: Any) -> None:
    """Write a folder whole: `fill(temporary)` first, then it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        fill(temporary)
        for one in temporary.rglob("*"):
            sync_folder(one) if one.is_dir() else _sync(one)
        os.chmod(temporary, 0o755)
        sync_folder(temporary)
        if path.exists():
            old = path.with_name(f".{path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
