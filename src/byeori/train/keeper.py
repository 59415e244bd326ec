"""Writing checkpoints beside the training: it is copied in a moment, and written while it goes on.

Invariants: one checkpoint is written at a time, each whole; an older one goes only when a newer one is whole; what the disk
refused is raised at the training's next step, and what was written before is untouched.

    keeper = Keeper(folder.checkpoints, keep=2); keeper.save(step, take); keeper.finished(); …; keeper.wait()
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from byeori.models.world import World
from byeori.train import checkpoint
from byeori.train.checkpoint import Held, Snapshot

SPARE = 2.0  # times a snapshot's bytes that must be free for a copy of it


class Keeper:
    """The checkpoints of one training. `best`: the update whose checkpoint stays beside the newest `keep`."""

    def __init__(self, folder: Path, keep: int, world: World):
        self.folder, self.keep, self.best, self.world = folder, keep, -1, world
        self._held: Held = {}
        self._writing: threading.Thread | None = None
        self._error: BaseException | None = None
        self._done: list[Path] = []

    def save(self, step: int, take: Callable[[Held | None], Snapshot], now: bool = False, shares: bool = False) -> None:
        """Write what `take` gives as the checkpoint of an update: beside the training, or before this returns (`now`). On ranks the main
        one does, but where each has its own share of it (`shares`).

        `take` is given where to copy to, or None where the training stands still meanwhile. Raises what the disk refused.
        """
        self.wait()
        place = self.folder / checkpoint.name(step)
        if shares:
            self._together(place, take(None))
            return
        if not self.world.main:
            return
        if not now and not self._held:
            direct = take(None)
            now = psutil.virtual_memory().available < SPARE * direct.bytes
        if now:
            self._write(place, take(None))
            self._raise()
            return
        taken = take(self._held)
        self._writing = threading.Thread(target=self._write, args=(place, taken), name="byeori-checkpoint", daemon=True)
        self._writing.start()

    def _together(self, place: Path, taken: Snapshot) -> None:
        """Every rank writes its part, then the main one makes a checkpoint of them."""
        parts = place.with_name(f".{place.name}.allparts")  # by its name cleared away if what writes it is killed
        with self.world.together():
            if self.world.main:
                shutil.rmtree(parts, ignore_errors=True)
                parts.mkdir(parents=True)
        with self.world.together():
            checkpoint.write_part(parts, taken, self.world)
        with self.world.together():
            if self.world.main:
                self._write(place, taken, parts)
                shutil.rmtree(parts, ignore_errors=True)
                self._raise()

    def finished(self) -> list[Path]:
        """The checkpoints that became whole since the last call. Raises what the disk refused."""
        if self._writing is not None and not self._writing.is_alive():
            self.wait()
        self._raise()
        done, self._done = self._done, []
        return done

    def wait(self) -> None:
        """Until what is being written is whole. Raises what the disk refused."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        self._raise()

    def close(self) -> None:
        """Until nothing is written any more; what the disk refused is of no account now, as an earlier error is on its way."""
        if self._writing is not None:
            self._writing.join()
        self._writing = self._error = None

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _write(self, place: Path, taken: Snapshot, parts: Path | None = None) -> None:
        try:
            checkpoint.write(place, taken, parts)
            step = checkpoint.step_of(place)
            whole = [one for one in checkpoint.all_of(self.folder) if checkpoint.step_of(one) <= step]
            for old in whole[: -self.keep]:  # later ones are damaged, else this training had begun there
                if checkpoint.step_of(old) != self.best:
                    shutil.rmtree(old, ignore_errors=True)
        except BaseException as error:  # raised in the training's thread
            self._error = error
        else:
            self._done.append(place)
