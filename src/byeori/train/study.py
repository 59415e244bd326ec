"""A search for good settings: trainings whose values Optuna proposes, the best of them kept.

Invariants: validation scores alone choose; a trial is an ordinary run folder, and best/ is the best one's, byte for byte; what
Optuna proposes follows from the sampler's seed and the scores so far, so that a resumed search is one that was never cut:
its sampler is led through the trials that are done, in their order, before it goes on.

    study = Study(values, api.resolve); study.run(api.train, progress); byeori.load_run(study.folder.best)
"""

from __future__ import annotations

import copy
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori import settings as settings_
from byeori.errors import ByeoriError, DataError, ModelError, SettingError, TrainingError
from byeori.run import dumps, write_folder, write_text
from byeori.settings import plain
from byeori.train.hooks import Hook
from byeori.train.progress import Progress
from byeori.train.space import MOST, Tune, read_space
from byeori.train.study_folder import StudyFolder
from byeori.train.trackers import check as check_trackers

if TYPE_CHECKING:
    import optuna

NAME = "byeori"  # of the study, in Optuna's storage; Hyperband's brackets go by it
FAILURES = 3  # in a row from the start: then it is no one trial's fault
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
KINDS = (SettingError, DataError, ModelError, TrainingError)
MAY_CHANGE = ("trials", "timeout")  # of a search that is resumed


class Study:
    """One search, checked; nothing has run. `values` are settings of a training, and those of `Tune`, or all of them as `tune`.

    resolve: settings and task from a task and values, as `byeori.api.resolve`. Raises SettingError, DataError.
    """

    def __init__(self, values: dict[str, Any], resolve: Callable[..., tuple[Any, Any]], own_metrics: bool = False):
        _needed()
        section = values.pop("tune", None) or {}
        if not isinstance(section, dict):
            raise SettingError(f"tune={section!r}: a section of settings is needed: search, trials, sampler …")
        section = {str(name).replace("-", "_"): value for name, value in section.items()}
        # A seed beside them is the trainings'.
        flat = {name: values.pop(name) for name in settings_.names(Tune) if name in values and name != "seed"}
        (self.how,) = settings_.read({**section, **flat}, Tune, where="tune")
        self.values = {name: value for name, value in values.items() if value is not None}
        self.base, self.task = self._resolved(resolve)
        for name in ("output", "resume", "overwrite"):  # of the search, not of its trials
            self.values.pop(name, None)
        if self.base.output is None:
            raise SettingError("no folder is named for the search. Give --output DIR.")
        if self.base.push_to is not None:
            raise SettingError(
                f"push_to={self.base.push_to!r}: a search makes many runs. Push its best one when it is done: byeori push "
                f"{self.base.output}/best {self.base.push_to}"
            )
        check_trackers(self.base.tracker)
        self._choose_score()
        self.folder = StudyFolder(self.base.output)
        self.space = read_space(
            self.how.search, type(self.task).Training, self.base.validation is not None,
            lambda more: self._resolved(resolve, **more),
        )  # fmt: skip
        self._check_grid()
        self.folder.check(self.base.overwrite, self.base.resume)
        self._look_at_rows(resolve, own_metrics)
        self.seed = self.base.seed if self.how.seed is None else self.how.seed
        if self.base.resume and self.folder.settings.is_file():
            self._check_same()

    def _resolved(self, resolve: Callable[..., tuple[Any, Any]], **more: Any) -> tuple[Any, Any]:
        """Settings and task; a Task is copied, for it learns its labels from rows."""
        values = {**self.values, **more}
        return resolve(fresh(values.pop("task", None)), values)

    def _choose_score(self) -> None:
        """`metric` is what keeps a trial's model, too."""
        asked, kept = self.how.metric, self.base.best_metric
        if asked is not None and kept not in (None, asked):
            raise SettingError(
                f"metric={asked!r} chooses the best trial, and best_metric={kept!r} the best model of each: one score must do "
                f"both. Give one of them."
            )
        if asked is not None:
            self.values["best_metric"] = self.base.best_metric = asked

    def _check_grid(self) -> None:
        grid = self.how.sampler == "grid"
        self.points = math.prod(len(one.grid(name)) for name, one in self.space.items()) if grid else 0
        if self.points > MOST:
            raise SettingError(
                f"search: the grid has more than {MOST:,} points. Give longer steps, or another sampler."
            )

    def _look_at_rows(self, resolve: Callable[..., tuple[Any, Any]], own_metrics: bool) -> None:
        """Read once before anything runs: are there validation rows, and is the score one of theirs?"""
        from byeori.train.fit import check_watching
        from byeori.train.parts import read_parts

        settings, task = self._resolved(resolve, **{name: one.ends[0] for name, one in self.space.items()})
        if not task.trains:
            task.prepare(None)  # raises, and says what to train instead
        if settings.train is None:
            raise SettingError("no training data is named. Give --train a file, a folder, a glob or a Hub data set id.")
        rows = read_parts(settings, task)
        if "validation" not in rows:
            raise SettingError(
                "there are no validation rows to choose settings by. Give --validation, or a --validation-size above 0; test rows "
                "are for the last word."
            )
        ready: Any = SimpleNamespace(settings=settings, rows=rows, task=task)
        check_watching(ready, own_metrics)
        self.metric = settings.best_metric or task.best
        self.lower = self.metric in task.lower_is_better

    def described(self) -> dict[str, Any]:
        """What settings.yaml says: the settings that were given, and the search."""
        how = {name: plain(getattr(self.how, name)) for name in settings_.names(Tune) if name != "search"}
        section = {**how, "metric": self.metric, "seed": self.seed}
        section["search"] = {name: one.as_dict() for name, one in self.space.items()}
        read = {**vars(self.task.settings), **vars(self.base)}  # from text, where a flag gave it
        values = {name: plain(read[name]) for name in self.values if name not in ("task", "best_metric")}
        return {"task": plain(self.base.task), **values, "tune": section}

    def _check_same(self) -> None:
        """Raises SettingError where another search is resumed than the one in the folder."""
        before, now = settings_.load_yaml(self.folder.settings), self.described()
        sections = [{k: v for k, v in one.pop("tune", {}).items() if k not in MAY_CHANGE} for one in (before, now)]
        sections[0], sections[1] = {**before, **sections[0]}, {**now, **sections[1]}
        other = [n for n in {**sections[0], **sections[1]} if sections[0].get(n) != sections[1].get(n)]
        if other:
            told = ", ".join(f"{name} {sections[0].get(name)} → {sections[1].get(name)}" for name in other)
            raise SettingError(
                f"{self.folder.path}: this search began with other settings ({told}). Resume with those it began with (trials "
                f"and timeout may change), or start anew with --overwrite."
            )

    # the search -------------------------------------------------------------------------------------------------
    def run(self, train: Callable[..., Any], progress: Progress) -> None:
        """Run the trials that are left, and keep the best. Raises what the trials raise where none succeeds, or KeyboardInterrupt."""
        import optuna

        said = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # of a failed trial it would write the traceback
        try:
            self._search(train, progress)
        finally:
            optuna.logging.set_verbosity(said)
        ended = self.stored.get_trials(deepcopy=False)
        if not any(trial.state == optuna.trial.TrialState.COMPLETE for trial in ended):
            why = ended[-1].user_attrs.get("error", "it was pruned") if ended else "none was run"
            raise self.kind(f"{self.folder.path}: none of {len(ended)} trials gave a model. The last one: {why}")
        if not self.folder.best.is_dir():  # removed since
            self._keep(self.stored.best_trial.number)

    def _search(self, train: Callable[..., Any], progress: Progress) -> None:
        import optuna
        import yaml
        from optuna.storages.journal import JournalFileBackend

        if self.base.overwrite:
            self.folder.clear()
        self.folder.trials.mkdir(parents=True, exist_ok=True)
        head = "# byeori tune THIS_FILE --output NEW_FOLDER repeats the search\n"
        write_text(self.folder.settings, head + yaml.safe_dump(self.described(), allow_unicode=True, sort_keys=False))
        direction = optuna.study.StudyDirection.MINIMIZE if self.lower else optuna.study.StudyDirection.MAXIMIZE
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(self.folder.journal)))
        self.stored = optuna.create_study(study_name=NAME, storage=storage, direction=direction, load_if_exists=True)
        self.done = [trial for trial in self.stored.get_trials(deepcopy=False) if trial.state.is_finished()]
        study = optuna.create_study(
            study_name=NAME, direction=direction, sampler=sampler(self.how.sampler, self.seed, self.space),
            pruner=pruner(self.how.pruner),
        )  # fmt: skip
        self.train, self.progress, self.failed = train, progress, 0
        self.kind: type[ByeoriError] = TrainingError  # of the last trial that failed
        if self.base.resume:
            on = "the search goes on" if len(self.done) < self.how.trials else "there is nothing to go on with"
            progress.note(f"{self.folder.path}: {len(self.done)} of {self.how.trials} trials are done; {on}.")
        if self.points > self.how.trials:
            progress.note(f"The grid has {self.points:,} points; {self.how.trials} of them are tried (--trials).")
        try:
            with progress:
                study.optimize(
                    self._objective, n_trials=max(self.how.trials, len(self.done)), timeout=self.how.timeout,
                    catch=(Failed,), callbacks=[self._ended],
                )  # fmt: skip
        except KeyboardInterrupt:
            progress.note(
                f"Stopped after {len(self.stored.get_trials(deepcopy=False))} of {self.how.trials} trials; --resume goes on with "
                f"the one that was cut."
            )
            raise

    def _objective(self, trial: optuna.Trial) -> float:
        """A trial's score; one that is done already is told again, so that sampler and pruner are where they were."""
        chosen = {name: one.suggest(trial, name) for name, one in self.space.items()}
        if trial.number < len(self.done):
            return self._again(trial)
        return self._new(trial, chosen)

    def _again(self, trial: optuna.Trial) -> float:
        import optuna

        before = self.done[trial.number]
        if trial.params != before.params:
            raise SettingError(
                f"{self.folder.journal}: trial {trial.number} had {told(before.params)}, and now Optuna proposes "
                f"{told(trial.params)}: it is another version of it. Take the one before, or start anew with --overwrite."
            )
        for name, value in before.user_attrs.items():
            trial.set_user_attr(name, value)
        for step, value in before.intermediate_values.items():
            trial.report(value, step)
            trial.should_prune()  # a pruner may remember that it was asked
        if before.state == optuna.trial.TrialState.PRUNED:
            raise optuna.TrialPruned
        if before.value is None:
            raise Failed
        return before.value

    def _new(self, trial: optuna.Trial, chosen: dict[str, Any]) -> float:
        import optuna

        place, began, watch = self.folder.trial(trial.number), time.perf_counter(), Watch(trial)
        shutil.rmtree(place, ignore_errors=True)  # of a trial that was cut
        self.progress.note(f"{place.name} ({trial.number + 1} of {self.how.trials}): {told(chosen)}")
        values = {**self.values, **chosen, "output": str(place)}
        values |= {name: fresh(values[name]) for name in ("task", "model") if name in values}
        score: float | None = None
        said: str | None = None
        kind: type[ByeoriError] = TrainingError
        try:
            run = self.train(values.pop("task", None), hooks=[watch], progress=OfTrial(self.progress), **values)
            score = run.metrics["training"]["best"]["value"]
            del run  # the model is in the folder
        except Exception as error:  # a trial's own: out of memory, a loss that is no number …
            said = str(error) if isinstance(error, ByeoriError) else f"{type(error).__name__}: {error}"
            kind = next((kind for kind in KINDS if isinstance(error, kind)), TrainingError)
        trial.set_user_attr("seconds", round(time.perf_counter() - began, 3))
        if said is None and (score is None or not math.isfinite(score)):
            said = f"its {self.metric} is undefined."
        if said is not None:
            self.kind = kind
            trial.set_user_attr("error", said)
            raise Failed
        if watch.pruned:
            raise optuna.TrialPruned
        assert score is not None
        return score

    def _ended(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Written down as it ends: the best folder first, so that a trial that is in the journal needs nothing more."""
        import optuna

        if trial.number < len(self.done):
            return
        complete = trial.state == optuna.trial.TrialState.COMPLETE
        best = complete and study.best_trial.number == trial.number
        if best:
            self._keep(trial.number)
        self.stored.add_trial(trial)
        lines = [self.line(one) for one in self.stored.get_trials(deepcopy=False)]
        write_text(self.folder.table, "".join(dumps(line) + "\n" for line in lines))
        line = lines[-1]
        if line["state"] == "failed":
            self.progress.note(f"  failed after {line['seconds']:.1f} s: {line['error']}")
        else:
            more = ", the best so far" if best else ""
            self.progress.note(
                f"  {line['state']} after {line['seconds']:.1f} s: {self.metric} {line['score']:.4f}{more}"
            )
        self.failed = self.failed + 1 if line["state"] == "failed" else 0
        if self.failed == FAILURES and all(one["state"] == "failed" for one in lines):
            raise self.kind(f"{FAILURES} trials failed, and none before them succeeded. The last one: {line['error']}")

    def _keep(self, number: int) -> None:
        write_folder(self.folder.best, partial(shutil.copytree, self.folder.trial(number), dirs_exist_ok=True))

    def line(self, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        """A trial as trials.jsonl has it."""
        return {
            "trial": trial.number, "state": STATES[trial.state.name], "score": trial.value, "metric": self.metric,
            "settings": trial.params, "evaluations": list(trial.intermediate_values.values()),
            "seconds": trial.user_attrs.get("seconds"), "folder": f"trials/{self.folder.trial(trial.number).name}",
            **({"error": trial.user_attrs["error"]} if "error" in trial.user_attrs else {}),
        }  # fmt: skip


class Failed(Exception):
    """A trial has failed; its sentence is with the trial."""


class Watch(Hook):
    """Tells Optuna the score of each evaluation, by its number, and ends a trial that is to be pruned."""

    def __init__(self, trial: Any):
        self._trial, self._count, self.pruned = trial, 0, False

    def evaluate_end(self, run: Any, metrics: dict[str, Any]) -> None:
        value = metrics[run.headline]
        if value is None or not math.isfinite(value):
            return
        self._count += 1
        self._trial.report(value, self._count)
        if self._trial.should_prune() and run.step < run.steps and run.stopped is None:
            self.pruned = True
            run.stop(f"pruned: {run.headline} {value:.4f} at evaluation {self._count}")


class OfTrial(Progress):
    """A trial's own progress: how far it is and what its evaluations score, without what is the same in each."""

    def __init__(self, shown: Progress):
        super().__init__(shown.file)
        self.shown = shown

    def note(self, text: str) -> None:
        return None

    def start(self, steps: int, step: int) -> None:
        self.shown.start(steps, step)

    def step(self, step: int, loss: float) -> None:
        self.shown.step(step, loss)

    def log(self, record: dict[str, Any]) -> None:
        if self.shown.moves:
            self.shown.log(record)

    def scoring(self) -> None:
        self.shown.scoring()

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        self.shown.evaluation(record, headline, better)

    def writing(self, done: int, total: int) -> None:
        self.shown.writing(done, total)

    def encoding(self, done: int, total: int) -> None:
        self.shown.encoding(done, total)

    def stop(self) -> None:
        self.shown.stop()


def sampler(name: str, seed: int, space: Any) -> optuna.samplers.BaseSampler:
    """Optuna's sampler of that name, as it comes but for its seed."""
    import optuna

    kinds: dict[str, Callable[..., Any]] = {
        "tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler, "qmc": optuna.samplers.QMCSampler,
        "gp": optuna.samplers.GPSampler,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "grid":
            return optuna.samplers.GridSampler({key: one.grid(key) for key, one in space.items()}, seed=seed)
        return kinds[name](seed=seed)


def pruner(name: str) -> optuna.pruners.BasePruner:
    """Optuna's pruner of that name, as it comes."""
    import optuna

    kinds: dict[str, Callable[[], Any]] = {
        "none": optuna.pruners.NopPruner, "median": optuna.pruners.MedianPruner,
        "halving": optuna.pruners.SuccessiveHalvingPruner, "hyperband": optuna.pruners.HyperbandPruner,
    }  # fmt: skip
    return kinds[name]()


def fresh(value: Any) -> Any:
    """A name or a class as it is; a copy of an object, which a training changes."""
    return value if value is None or isinstance(value, str | os.PathLike | type) else copy.deepcopy(value)


def told(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _needed() -> None:
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise SettingError("a search for settings needs Optuna. Type `pip install 'byeori[tune]'`.")
