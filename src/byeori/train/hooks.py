"""Hooks: own code at six named moments of a training, in place of subclassing a trainer.

Events, in the order they come: train_start(run), step_end(run, pack, outputs), evaluate_end(run, metrics), preview(run, samples),
save(run, folder), train_end(run). `run.stop("reason")` ends the training after the step; `run.save()` writes a checkpoint.
A hook's `state()` goes into the checkpoint and comes back through `restore`.

    class Print(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step % 50 == 0:
                for sample in run.samples(pack, outputs, 10): print(sample)
"""

from __future__ import annotations

import difflib
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byeori.errors import SettingError

EVENTS = ("train_start", "step_end", "evaluate_end", "preview", "save", "train_end")
LIKE = 0.8  # from this likeness on (difflib's ratio) a method's name is taken for a misspelt event


class Hook:
    """Does nothing; override the events you need. `outputs` and `pack` are those of the update's last pack, detached."""

    def train_start(self, run: Any) -> None: ...

    def step_end(self, run: Any, pack: Any, outputs: Any) -> None: ...

    def evaluate_end(self, run: Any, metrics: dict[str, Any]) -> None: ...

    def preview(self, run: Any, samples: list[dict[str, Any]]) -> None: ...

    def save(self, run: Any, folder: Any) -> None: ...

    def train_end(self, run: Any) -> None: ...

    def state(self) -> dict[str, Any]:
        """JSON-ready; saved with every checkpoint."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave, when a run is resumed."""


def check(hooks: Sequence[Any]) -> None:
    """Before anything is read: are these hooks, and are their methods events? Raises SettingError.

    A method that is never called would go by in silence: `on_step_end` (transformers' name), `epoch_end`, `steps_end`.
    """
    for hook in hooks:
        name = hook.__name__ if isinstance(hook, type) else type(hook).__name__
        if not isinstance(hook, Hook):
            made = isinstance(hook, type) and issubclass(hook, Hook)
            advice = f"Give an instance: hooks=[{name}()]." if made else "Derive it from byeori.Hook."
            raise SettingError(
                f"hooks: {name} is {'a class' if isinstance(hook, type) else 'no byeori.Hook'}. {advice}"
            )
        own = [method for kind in type(hook).__mro__ if issubclass(kind, Hook) for method in vars(kind)]
        for method in own:
            if method.startswith("_") or hasattr(Hook, method) or not callable(getattr(hook, method, None)):
                continue
            plain = method.removeprefix("on_").replace("_begin", "_start")
            near = difflib.get_close_matches(plain, EVENTS, 1, LIKE)
            if near or method.startswith("on_") or plain.endswith(("_start", "_end")):
                near = near or difflib.get_close_matches(plain, EVENTS, 1, 0)
                raise SettingError(
                    f"hooks: {name}.{method} is no event, so it would never be called. Did you mean {near[0]}? The events are "
                    f"{', '.join(EVENTS)}; a helper of your own may begin with _."
                )


def sources(hooks: Sequence[Hook]) -> list[dict[str, str]]:
    """Class, file and hash of each hook that isn't Byeori's own, for settings.yaml: what a run needs again to be repeated; no code."""
    found = []
    for kind in (type(hook) for hook in hooks if not type(hook).__module__.startswith("byeori.")):
        file = Path(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")
        known = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} if file.is_file() else {}
        found.append({"class": kind.__name__, **known})
    return found
