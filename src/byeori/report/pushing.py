"""Pushing while a model trains: the best one so far every so many updates, beside the training, and the finished one at its end.

Invariants: the training never waits for the network, nor fails by it: what fails is said once, and the next time it is tried again;
what goes is a copy made in a moment (hard links), so that a better model may take its place meanwhile; one goes at a time.

    pusher = pusher_for(settings, folder, progress); …Loop(hooks=[*hooks, pusher]).run(); pusher.finish()
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import ByeoriError, ModelError, SettingError
from byeori.train.hooks import Hook

if TYPE_CHECKING:
    from byeori.run import RunFolder
    from byeori.settings import Train
    from byeori.train.progress import Progress

PATIENCE = 600.0  # seconds that the end waits for a push that is still on its way


def pusher_for(settings: Train, folder: RunFolder, progress: Progress) -> Pusher | None:
    """The hook that the settings ask for, None for none. Raises SettingError for a name that is none, HubError without a token."""
    if settings.push_to is None:
        if settings.push_every is not None:
            raise SettingError(
                f"push_every={settings.push_every}: where to? Name the repository with --push-to USER/NAME."
            )
        return None
    from huggingface_hub import constants

    from byeori.report.hub import address, check_token

    name = address(settings.push_to)
    if constants.HF_HUB_OFFLINE:
        raise SettingError(
            f"push_to={name!r}: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set. Unset it, or leave push_to out."
        )
    check_token()
    return Pusher(name, settings.push_every, folder, progress)


class Pusher(Hook):
    """Pushes to one repository, privately. `sent`: the update of the last model that arrived."""

    def __init__(self, repo_id: str, every: int | None, folder: RunFolder, progress: Progress):
        self.repo_id, self.every, self.folder, self.progress = repo_id, every, folder, progress
        self.sent: int | None = None
        self._due = self._said = False
        self._looked = False  # for rows: beside a training once, for what goes then are weights and a tokenizer that stays as it is
        self._going: threading.Thread | None = None
        # Of the thread, for the training's own: (whether it went well, what to say).
        self._news: list[tuple[bool, str]] = []

    def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
        if self.every is not None:
            self._due |= run.step % self.every == 0
            self._perhaps(run)

    def evaluate_end(self, run: Any, metrics: dict[str, Any]) -> None:
        self._perhaps(run)

    def _perhaps(self, run: Any) -> None:
        """Begin a push that is due, if there is a better model than the one that went, and none is on its way."""
        self._tell()
        busy = self._going is not None and self._going.is_alive()
        best = run.best["step"] if run.best is not None else None
        if not self._due or busy or best in (None, self.sent) or not self.folder.has_model:
            return
        self._due = False
        score = f", {run.best['metric']} {run.best['value']:.4g} (validation)" if run.best["value"] is not None else ""
        message = f"Byeori: {run.task.name}{score}, step {best}, still training"
        try:
            held = _copy(self.folder.model)
        except OSError as error:
            self._news.append((False, f"no copy of it can be made ({error.strerror})"))
            return
        self._going = threading.Thread(target=self._push, args=(held, best, message), name="byeori-push", daemon=True)
        self._going.start()

    def _push(self, held: Path, step: int, message: str) -> None:
        from byeori.report.push import push

        try:
            rows = not self._looked
            found = push(self.folder.path, self.repo_id, tag="none", message=message, model=held, rows=rows)
            self.sent, self._looked = step, True
            self._news.append((True, f"The best model so far (step {step}) is at {found['url']}."))
        except Exception as error:  # whatever it is, the training goes on
            self._news.append((False, _sentence(error)))
        finally:
            shutil.rmtree(held, ignore_errors=True)

    def _tell(self) -> None:
        """What the thread has to say; a failure once, until one goes well again."""
        while self._news:
            well, text = self._news.pop(0)
            if well:
                self.progress.note(text)
            elif not self._said:
                self.progress.note(
                    f"The best model so far wasn't pushed: {text} The training goes on, and it is tried again."
                )
            self._said = not well

    def finish(self) -> None:
        """Push the finished run, card and tag with it; what fails is told with the command that does it later."""
        from byeori.report.push import push

        later = f"`byeori push {self.folder.path} {self.repo_id}` does it later."
        if self._going is not None:
            self._going.join(PATIENCE)
            self._tell()
            if self._going.is_alive():
                self.progress.note(
                    f"A push to {self.repo_id} is still on its way after {PATIENCE / 60:.0f} minutes. {later}"
                )
                return
        try:
            found = push(self.folder.path, self.repo_id, note=self.progress.note)
        except Exception as error:  # the run is whole, and stays so
            self.progress.note(
                f"The model wasn't pushed: {_sentence(error)} {'' if isinstance(error, ModelError) else later}".rstrip()
            )
            return
        self.progress.note(f"Pushed to {found['url']}, private, as {found['tag']}.")


def _sentence(error: Exception) -> str:
    return (
        str(error)
        if isinstance(error, ByeoriError)
        else f"{type(error).__name__}: {' '.join(str(error).split())[:200]}."
    )


def _copy(model: Path) -> Path:
    """A model's folder as it is at this moment, under a name that a later start clears away."""
    held = Path(tempfile.mkdtemp(dir=model.parent, prefix=f".{model.name}."))
    for file in (one for one in model.rglob("*") if one.is_file()):
        copy = held / file.relative_to(model)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # a file system without hard links
            shutil.copy2(file, copy)
    return held
