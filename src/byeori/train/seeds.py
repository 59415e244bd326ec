"""One training by several seeds: how much of a score is the setting's, and how much the seed's.

Invariants: every seed has the same training, validation and test rows (the split has the first seed for all), so that a mean is of
one test; a seed's folder is an ordinary run, and best/ a copy of the one whose validation score is best; what is done is done: a
resumed call trains the rest, and more seeds may be asked for.

    several = Seeds(settings, task, values); several.run(api.train, [], progress); several.folder.summary
"""

from __future__ import annotations

import copy
import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori import settings as settings_
from byeori.errors import SettingError
from byeori.run import FORMAT, RunFolder, read_json, write_folder, write_json, write_text
from byeori.train.hooks import Hook
from byeori.train.study import OfTrial, fresh
from byeori.train.study_folder import StudyFolder

if TYPE_CHECKING:
    from byeori.settings import Train
    from byeori.tasks.base import Task
    from byeori.train.progress import Progress

MAY_CHANGE = ("seeds", "output", "resume", "overwrite", "accept_changes")


class SeedsFolder(StudyFolder):
    """Layout: settings.yaml, seeds.json (each seed's scores, their mean and spread), seed-0/ …, best/."""

    what = "training by several seeds"

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.summary = self.path / "seeds.json"

    def seed(self, number: int) -> Path:
        return self.path / f"seed-{number}"

    @property
    def begun(self) -> bool:
        found = settings_.load_yaml(self.settings) if self.settings.is_file() else {}
        return found.get("seeds") is not None

    def clear(self) -> None:
        for one in (*self.path.glob("seed-*"), self.best):
            shutil.rmtree(one, ignore_errors=True)
        for file in (self.summary, self.settings):
            file.unlink(missing_ok=True)


class Seeds:
    """Several trainings, checked; nothing has run. `values`: those that `settings` and `task` were made of, for each seed again.

    Raises SettingError for a folder that can't be taken, and for a resumed call with other settings.
    """

    def __init__(self, settings: Train, task: Task, values: dict[str, Any]):
        assert settings.output is not None and settings.seeds is not None
        self.settings, self.values = settings, {name: one for name, one in values.items() if one is not None}
        self.folder = SeedsFolder(settings.output)
        self.numbers = [settings.seed + place for place in range(settings.seeds)]
        self.folder.check(settings.overwrite, settings.resume)
        if settings.push_to is not None:
            raise SettingError(
                f"push_to={settings.push_to!r}: every seed would push over the one before. Leave it out, and push the best one when all "
                f"are done: byeori push {self.folder.best} {settings.push_to}"
            )
        again = dataclasses.replace(settings, resume=False, overwrite=False, accept_changes=False)
        self.described = settings_.dump_yaml(again, task.settings, {})
        if settings.resume and self.folder.settings.is_file():
            self._check_same()

    def _check_same(self) -> None:
        import yaml

        before, now = settings_.load_yaml(self.folder.settings), yaml.safe_load(self.described)
        other = [name for name in now if name not in MAY_CHANGE and before.get(name) != now[name]]
        if other and not self.settings.accept_changes:
            told = ", ".join(f"{name} {before.get(name)} → {now[name]}" for name in other)
            raise SettingError(
                f"{self.folder.path}: these seeds began with other settings ({told}), and a mean over both would be of neither. Resume "
                f"with those they began with (--seeds may grow), or start anew with --overwrite."
            )

    def run(self, train: Callable[..., Any], hooks: Sequence[Hook], progress: Progress) -> None:
        """Train the seeds that are left, one after the other; the best is kept. Raises what a training raises: --resume goes on."""
        settings = self.settings
        if settings.overwrite:
            self.folder.clear()
        self.folder.path.mkdir(parents=True, exist_ok=True)
        write_text(self.folder.settings, self.described)
        first = settings.seed if settings.split_seed is None else settings.split_seed
        for place, seed in enumerate(self.numbers):
            run = RunFolder(self.folder.seed(seed))
            if settings.resume and run.finished:
                progress.note(f"{run.path.name} is done.")
                continue
            progress.note(f"{run.path.name} ({place + 1} of {len(self.numbers)})")
            own = {**self.values, "seed": seed, "split_seed": first, "output": str(run.path)}
            own |= {"resume": settings.resume and run.path.is_dir(), "overwrite": False, "seeds": None}
            own |= {name: fresh(own[name]) for name in ("task", "model") if name in own}
            began = time.perf_counter()
            shown = progress if place == 0 else OfTrial(progress)  # data and model are the same for all
            train(own.pop("task", None), hooks=copy.deepcopy([*hooks]), progress=shown, **own)
            progress.note(f"  {self._headline(run)}, {time.perf_counter() - began:.1f} s")
            self._write(place + 1)
        found = self._write(len(self.numbers))
        write_folder(self.folder.best, partial(shutil.copytree, self.folder.path / found["best"], dirs_exist_ok=True))
        best = RunFolder(self.folder.best)
        told = {name: found[name] for name in ("asked", "chosen_by", "validation", "test") if name in found}
        write_json(best.metrics, {**read_json(best.metrics), "seeds": told})  # for its card

    def _headline(self, run: RunFolder) -> str:
        metrics = read_json(run.metrics)
        name = metrics["headline"]
        said = [f"{part} {metrics[part][name]['value']:.4f}" for part in ("validation", "test")
                if (metrics.get(part, {}).get(name) or {}).get("value") is not None]  # fmt: skip
        return f"{name}: {', '.join(said) or 'undefined'}"

    def _write(self, done: int) -> dict[str, Any]:
        found = summed([self.folder.seed(seed) for seed in self.numbers[:done]], self.numbers)
        write_json(self.folder.summary, found)
        return found


def summed(folders: Sequence[Path], asked: Sequence[int]) -> dict[str, Any]:
    """What seeds.json says: {"asked", "seeds": […], "validation", "test": {score: {"mean", "std", "min", "max"}}, "best", "seconds"}.

    std: of the sample (n − 1), None of one seed. A score that is undefined for one seed has no mean. "best" is chosen by validation
    rows alone; without any it is the first seed, for the test must not choose.
    """
    every = [read_json(RunFolder(folder).metrics) for folder in folders]
    seeds = []
    for folder, seed, metrics in zip(folders, asked, every, strict=False):
        best = metrics["training"].get("best") or {}
        seeds.append({
            "seed": seed, "folder": folder.name, "best": {key: best.get(key) for key in ("metric", "value", "step")},
            "seconds": metrics["training"].get("seconds"), "total_seconds": metrics["training"].get("total_seconds"),
        })  # fmt: skip
    found: dict[str, Any] = {
        "format": FORMAT,
        "task": every[0]["task"],
        "headline": every[0]["headline"],
        "asked": [*asked],
    }
    found["seeds"] = seeds
    for part in ("validation", "test"):
        if all(part in metrics for metrics in every):
            names = [name for name in every[0][part] if all(name in metrics[part] for metrics in every)]
            found[part] = {name: _spread([metrics[part][name]["value"] for metrics in every]) for name in names}
    found["of_class"] = every[0].get("of_class") or {}
    found["best"] = seeds[_best(seeds, _lower(every[0]))]["folder"]
    found["chosen_by"] = "validation" if seeds[0]["best"]["value"] is not None and "validation" in every[0] else None
    for name in ("seconds", "total_seconds"):
        found[name] = sum(one[name] or 0.0 for one in seeds)
    return found


def _spread(values: list[float | None]) -> dict[str, Any]:
    there = [value for value in values if value is not None]
    if len(there) < len(values):
        return {"mean": None, "std": None, "min": None, "max": None, "values": values}
    std = float(np.std(there, ddof=1)) if len(there) > 1 else None
    return {"mean": float(np.mean(there)), "std": std, "min": min(there), "max": max(there), "values": values}


def _lower(metrics: dict[str, Any]) -> bool:
    from byeori.tasks import TASKS, Task

    kind = next((task for task in TASKS if task.name == metrics["task"]), Task)
    best = metrics["training"].get("best") or {}
    return (best.get("metric") or metrics["headline"]) in kind.lower_is_better


def _best(seeds: list[dict[str, Any]], lower: bool) -> int:
    values = [one["best"]["value"] for one in seeds]
    if any(value is None for value in values):
        return 0
    return min(range(len(seeds)), key=lambda place: values[place] if lower else -values[place])
