"""Trackers: what history.jsonl gets also goes to TensorBoard, trackio, wandb …, by accelerate's own classes.

Invariants: without a tracker nothing is imported; one that isn't installed is refused before a row is read; one that fails
in the middle is told of once and left behind, and the training goes on. Logged are `train/loss` …, `validation/accuracy` …,
each with the update it is of, and `test/…` at the end. Those that can be told a folder write to RUN/trackers/.

    check("tensorboard"); trackers = Trackers(settings, task.settings, folder, progress); trackers.start(0); trackers.log(record)
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.settings import plain

if TYPE_CHECKING:
    from byeori.run import RunFolder
    from byeori.settings import Train
    from byeori.train.progress import Progress

PROJECT = "byeori"  # what runs are gathered under where a tracker has projects
PARTS = ("validation", "test")  # what a record may hold scores of
EXTRA = ("tensorboard",)  # those that `byeori[trackers]` brings
PLACES = ("step", "seconds")  # of a record: where it stands and what it took, no metrics


def named(tracker: str) -> list[str]:
    """The names in the setting, each once; [] for none."""
    found = [name.strip() for name in tracker.split(",")]
    return list(dict.fromkeys(name for name in found if name and name != "none"))


def check(tracker: str) -> None:
    """Are there such trackers, and are they installed? Raises SettingError."""
    names = named(tracker)
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = {str(one) for one in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            near = difflib.get_close_matches(name, LOGGER_TYPE_TO_CLASS, 1, 0.5)
            known = ", ".join(["none", *sorted(LOGGER_TYPE_TO_CLASS)])
            said = f" Did you mean {near[0]}?" if near else ""
            raise SettingError(f"tracker={name!r}: there is no such tracker. There are {known}.{said}")
        if name not in installed:
            package = "'byeori[trackers]'" if name in EXTRA else name.replace("_", "-")
            raise SettingError(f"tracker={name!r}: it isn't installed. Type `pip install {package}`, or leave it out.")


class Trackers:
    """The trackers of one training, none of them started yet; `own` are the task's settings."""

    def __init__(self, settings: Train, own: Any, folder: RunFolder, progress: Progress):
        self.settings, self.own, self.folder, self.progress = settings, own, folder, progress
        self.running: dict[str, Any] = {}

    def start(self, step: int) -> None:
        """After `step` updates: 0, or where a resumed training goes on; its log goes on too. Raises SettingError."""
        names = named(self.settings.tracker)
        if not names:
            return
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        for name in names:
            kind = LOGGER_TYPE_TO_CLASS[name]
            directory = [str(self.folder.trackers)] if kind.requires_logging_directory else []
            try:
                tracker = kind(name if directory else PROJECT, *directory, **self._told(name, step))
                tracker.start()
                if not self.settings.resume or step == 0:
                    tracker.store_init_configuration(self._config())
            except Exception as error:
                raise SettingError(
                    f"tracker={name!r}: it can't be started ({type(error).__name__}: {error}). Set it up as its own "
                    f"documentation says, or leave it out."
                ) from error
            self.running[name] = tracker

    def _told(self, name: str, step: int) -> dict[str, Any]:
        """What a tracker's own class is told beside the project."""
        resumed, title = self.settings.resume, self.folder.path.absolute().name
        if name == "tensorboard":
            # What was logged after the checkpoint comes again: readers of the files forget it.
            return {"purge_step": step + 1} if resumed else {}
        if name == "trackio":
            return {"name": title, "config": self._config(), "resume": "allow" if resumed else "never"}
        if name == "wandb":
            self.folder.trackers.mkdir(exist_ok=True)
            return {"name": title, "dir": str(self.folder.trackers)}
        return {}

    def _config(self) -> dict[str, Any]:
        """The resolved settings, as trackers take them: numbers, texts, true and false."""
        found = {}
        for kind in (self.settings, self.own):
            for field in dataclasses.fields(kind):
                value = plain(getattr(kind, field.name))
                if value is not None:
                    found[field.name] = ",".join(map(str, value)) if isinstance(value, list) else value
        return found

    def log(self, record: dict[str, Any]) -> None:
        """A line of history.jsonl, or the scores of a part under its name. What is no number (an undefined score) is left out."""
        if not self.running:
            return
        values = metrics(record)
        for name, tracker in list(self.running.items()):
            try:
                tracker.log(values, step=record["step"])
            except Exception as error:
                self._lost(name, error)

    def finish(self) -> None:
        """What is still on its way is written, and the log closed."""
        for name, tracker in list(self.running.items()):
            try:
                tracker.finish()
            except Exception as error:
                self._lost(name, error)
        self.running = {}

    def _lost(self, name: str, error: Exception) -> None:
        del self.running[name]
        self.progress.note(
            f"The tracker {name} failed and gets nothing more ({type(error).__name__}: {error}). The training goes on; "
            f"{self.folder.history} has all of it."
        )


def metrics(record: dict[str, Any]) -> dict[str, float]:
    """The numbers of a record by the names they are logged under."""
    part = next((part for part in PARTS if part in record), None)
    found = {f"{part}/{name}": value for name, value in record[part].items()} if part else {
        f"train/{name}": value for name, value in record.items() if name not in PLACES
    }  # fmt: skip
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}
