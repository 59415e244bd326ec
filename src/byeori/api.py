"""The public functions. Each takes an object where the short way takes a name.

run = byeori.train(task="text-classification", model="klue/roberta-base", train="nsmc.tsv", output="run")
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings as settings_
from byeori.errors import SettingError
from byeori.predict.options import TOLD, Using, check_columns
from byeori.run import RunFolder
from byeori.settings import Train
from byeori.tasks import TASKS, Task, named
from byeori.train.leftovers import forgetting

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.doctor.inspection import Inspection
    from byeori.models.world import World
    from byeori.predict.run import Run
    from byeori.text.learn import Trained
    from byeori.text.store import TokenStore
    from byeori.train.hooks import Hook
    from byeori.train.progress import Progress


@forgetting
def train(
    task: Task | type[Task] | str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    *,
    metrics: Sequence[Callable] = (),
    compute_metrics: Callable | None = None,
    hooks: Sequence[Hook] = (),
    progress: Progress | str | None = None,
    **values: Any,
) -> Run:
    """Read, check, train, score, write the run folder; returns the finished run.

    What fails before there is a model or a checkpoint leaves nothing behind, and with `overwrite` the old run as it was.

    `values` are the settings of `byeori train --help`. `train`, `validation` and `test` may be paths, Hub ids, rows,
    DataFrames, data sets or token stores; with `seeds` the best of several runs is returned, of `output`/best; `model` and
    `tokenizer` names or objects; `metrics` functions of (predictions, references), or of the course's eval_pred. `progress` is what is
    shown: "auto" (as the command does), "lines", "json", "quiet" or a view of your own; in a notebook a table if not given, elsewhere
    nothing. Raises SettingError, DataError, ModelError, TrainingError.
    """
    from byeori.train.hooks import check as check_hooks
    from byeori.train.progress import Quiet, progress_in_python
    from byeori.train.trackers import check as check_trackers

    began = time.perf_counter()
    progress = progress_in_python(progress)
    check_hooks(hooks)
    settings, work = resolve(task, {**values, "model": model, "tokenizer": tokenizer})
    if not work.trains:
        work.prepare(None)  # type: ignore[arg-type]  # raises, and says what to train instead
    if settings.output is None:
        raise SettingError("no folder is named for the run. Give --output RUN.")
    if settings.resume and settings.overwrite:
        raise SettingError(
            "resume and overwrite are both set: one goes on with what the other removes. Give one of them."
        )
    check_trackers(settings.tracker)
    chosen = [*metrics, *([compute_metrics] if compute_metrics else [])]
    if settings.seeds is not None:
        from byeori.report.write import write_report
        from byeori.train.seeds import Seeds

        _alone("seeds")
        several = Seeds(settings, work, {**values, "task": task, "model": model, "tokenizer": tokenizer})
        several.run(partial(train, metrics=chosen), hooks, progress)
        write_report(several.folder.best)  # its card tells the spread
        return load_run(several.folder.best, task=work, clean_function=settings.clean_function)
    folder = RunFolder(settings.output)
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return _train(settings, work, folder, chosen, hooks, progress, began)
    from byeori.predict.sharing import ranks

    with ranks(settings.device) as world:
        if not world.main:  # one rank speaks, writes and has baselines beside it
            progress, settings = Quiet(), dataclasses.replace(settings, baselines=False)
        return _train(settings, work, folder, chosen, hooks, progress, began, world)


def _train(
    settings: Train,
    work: Task,
    folder: RunFolder,
    metrics: Sequence[Callable],
    hooks: Sequence[Hook],
    progress: Progress,
    began: float,
    world: World | None = None,
) -> Run:
    """`train` with its settings resolved; `world`: the ranks that train together, None for one process alone."""
    main = world is None or world.main
    if settings.resume and folder.finished:
        progress.note(f"{folder.path}: this run is finished; there is nothing to go on with.")
        if main and not folder.report.is_file():  # killed while it was written
            from byeori.report.write import write_report
            from byeori.train.fit import on_disk

            with folder.writing(resume=True), on_disk(folder):  # and what it left half-written goes
                write_report(folder)
        return load_run(folder.path, task=work, clean_function=settings.clean_function)
    from byeori.report.pushing import pusher_for

    together = world.together if world is not None else nullcontext
    with together():
        if main:
            folder.check(settings.overwrite, settings.resume)
        if main and (pusher := pusher_for(settings, folder, progress)) is not None:
            hooks = [*hooks, pusher]

    from byeori.predict.arrays import check_metrics
    from byeori.report.keep import keep_mistakes
    from byeori.report.write import write_report
    from byeori.train.accelerator import given_back
    from byeori.train.fit import check_watching, fit, on_disk
    from byeori.train.leftovers import without_gradients_of
    from byeori.train.prepare import prepare

    ready = prepare(settings, work, progress)
    check_watching(ready, own_metrics=bool(metrics))
    for part, store in ready.stores.items():
        if part != "train":
            check_metrics(work, store, metrics)
    if world is not None:
        ready.engine.world = world
    with ExitStack() as held:
        with together():
            if main:
                held.enter_context(folder.writing(settings.overwrite, settings.resume))
        with progress, given_back(), without_gradients_of(ready.loaded), on_disk(folder):
            found = fit(ready, folder, metrics=metrics, hooks=hooks, progress=progress, began=began)
        ready.engine.watch = None
        with together():
            if main:
                with on_disk(folder):
                    keep_mistakes(folder, ready.rows, ready.stores, ready.engine)
                    write_report(folder)
    if main and pusher is not None:
        pusher.finish()
    if world is not None:
        ready.engine.world = type(world)()

    from byeori.predict.run import Run

    return Run(folder, work, ready.engine, found)


@forgetting
def tune(
    task: Task | type[Task] | str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    *,
    metrics: Sequence[Callable] = (),
    compute_metrics: Callable | None = None,
    progress: Progress | None = None,
    **values: Any,
) -> Run:
    """Search for good settings with Optuna; returns the best run, of `output`/best.

    `values` are the settings of `byeori tune --help`, all those of a training among them, and `search`: setting → {"low", "high",
    "log", "step"} or a list of choices; or all of the search's own as `tune`, as in a settings file. The rest is as in `train`;
    objects are copied for each trial. Raises SettingError, DataError, ModelError, TrainingError.
    """
    from byeori.train.progress import Quiet
    from byeori.train.study import Study

    _alone("tune")
    if values.get("seeds") is not None:
        raise SettingError("seeds: a search trains each setting once. Train the best one it finds with --seeds.")
    chosen = [*metrics, *([compute_metrics] if compute_metrics else [])]
    study = Study({**values, "task": task, "model": model, "tokenizer": tokenizer}, resolve, own_metrics=bool(chosen))
    study.run(partial(train, metrics=chosen), progress or Quiet())
    return load_run(study.folder.best, task=study.task, clean_function=study.base.clean_function)


@forgetting
def replay(
    run: str | Path, step: int, *, task: Task | str | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Run a step of a training again, from the newest checkpoint before it or from the beginning; nothing is written.

    Returns {"step", "from", "loss", "grad_norm", "learning_rate", "rows": [{"row", "where", "loss", "labels", "input"}]}, the rows of
    the largest losses first. Raises SettingError for a step that isn't there, DataError, ModelError.
    """
    from byeori.train.progress import Quiet
    from byeori.train.replay import replay as run_again
    from byeori.train.replay import settings_of

    _alone("replay")
    values = settings_of(run)
    settings, work = resolve(task or values.pop("task", None), {k: v for k, v in values.items() if k != "task"})
    return run_again(run, settings, work, step, progress or Quiet())


def resolve(task: Any, values: dict[str, Any]) -> tuple[Train, Task]:
    """Settings and task from what was given: a name, a class or a Task, and flat values of both."""
    if task is None:
        raise SettingError("no task is named. Give --task; `byeori tasks` lists them.")
    kind: type[Task]
    kind, carried = named(task) if isinstance(task, str) else (task if isinstance(task, type) else type(task), {})
    own = {f: values.pop(f) for f in list(values) if f in settings_.names(kind.Training)}
    for name, value in carried.items():
        if own.setdefault(name, value) not in (None, value):
            raise SettingError(f"{name}={own[name]!r}: the task's name, {task}, says {value!r}. Give one of them.")
        own[name] = value
    known = list(settings_.names(Train)) + list(settings_.names(kind.Training))
    for name in values:
        if name not in known:
            raise SettingError(settings_.unknown(name, known))
    (settings,) = settings_.read(values, Train)
    check_columns(kind, vars(settings))
    if isinstance(task, Task):
        (task.settings,) = settings_.read({**dataclasses.asdict(task.settings), **own}, kind.Training)
        work = task
    else:
        work = kind(**own)
    settings.task = reference(kind) if carried or not isinstance(task, str) else task
    return settings, work


def _alone(name: str) -> None:
    """Raises SettingError under torchrun."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise SettingError(f"{name} runs in one process, and torchrun started several. Start it without torchrun.")


def reference(kind: type[Task]) -> str:
    """What --task would say for a task class: its name if it is ours, FILE.py:CLASS if it is somebody's own."""
    if kind in TASKS:
        return kind.name
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return getattr(kind, "source", f"{file}:{kind.__name__}" if file else kind.__name__)


def load(
    name: Any, task: Task | str, *, tokenizer: Any = None, revision: str | None = None, seed: int = 0
) -> tuple[Any, Any]:
    """Model and tokenizer, plain transformers objects, checked against each other. Raises ModelError.

    A task that knows its labels gets a head for them; one that doesn't takes those of the checkpoint, which must have a
    head then.
    """
    from byeori.models.load import load_model

    if isinstance(task, str):
        kind, carried = named(task)
        work: Task = kind(**carried)
    else:
        work = task
    found = load_model(name, work, tokenizer=tokenizer, revision=revision, seed=seed, for_training=work.prepared)
    return found.model, found.tokenizer


def encode(
    rows: Any,
    task: Task,
    tokenizer: Any,
    *,
    model: Any = None,
    max_length: int | None = None,
    truncation: str = "head",
    labels: bool = True,
) -> TokenStore:
    """Rows (anything `byeori.read` takes, or what it returned) → the token store. Raises DataError, SettingError.

    `model`, if given, says how long an input may be and whether it has segment embeddings; else the tokenizer does.
    `max_length` in tokens: the smaller of 512 and that, if not given.
    """
    from byeori.models.checks import length_for, usable_length
    from byeori.text.encode import Encoder
    from byeori.text.encode_rows import encode_rows

    (using,) = settings_.read({"max_length": max_length, "truncation": truncation}, Using)
    limit = usable_length(model, tokenizer)
    length = length_for(using.max_length, limit, type(model or tokenizer).__name__, task.default_length)
    rows = as_rows(rows, task, labels)
    if labels and not task.prepared:
        task.prepare(rows)
    if model is not None:
        from byeori.models.load import uses_token_types

        types = uses_token_types(model, tokenizer)
    else:
        types = "token_type_ids" in tokenizer.model_input_names
    return encode_rows(rows, task, Encoder(tokenizer, length, using.truncation or "head", types), labels)


def as_rows(source: Any, task: Task, labels: bool = True) -> Rows:
    """Rows as `byeori.train` would read them for this task, or, without `labels`, `byeori.predict`."""
    from byeori.data.read import read_for

    return read_for(task, source, labels=labels)


@forgetting
def evaluate(model: Any, data: Any, **options: Any) -> dict[str, Any]:
    """Scores of a model or run on labelled data; `options` are those of `load_run` and of `Run.evaluate`."""
    return load_run(model, **_split(options)).evaluate(data, **options)


@forgetting
def predict(model: Any, data: Any, **options: Any) -> list[Any]:
    """Predictions for a file or rows; `options` are those of `load_run` and of `Run.predict`.

    `max_length` is that of the call where the task writes, as in `pipeline`; else texts are cut to it.
    """
    from byeori.predict.run import load_to_predict

    run, call = load_to_predict(model, _split(options))
    return run.predict(data, **options, **call)


def inspect(data: Any = None, *, task: Any = None, **values: Any) -> Inspection:
    """Look at data with a task's and a model's eyes before a training: what is wrong with it, and what to do.

    data: whatever `read` takes, or a settings file of a training; without it `text` (and `text_pair`) are texts to be shown as
    `model` sees them. task: a name or a Task; told by the columns if not given. `values` are the settings of
    `byeori inspect --help`. What comes back has `verdict`, `findings` and `data`, all of it, JSON-ready.
    Raises DataError, SettingError, ModelError.
    """
    from byeori.doctor import ask

    if ask.is_settings(data):
        data, named_task, found = ask.of_training(settings_.load_yaml(data), str(data))
        task = task or named_task
        values = {**found, **values}
    inspection = ask.look(data, task, values)
    if values.get("output") is not None:
        from byeori.run import write_json

        write_json(Path(values["output"]), inspection.data)
    if values.get("html") is not None:
        from byeori.report.inspection_page import page
        from byeori.run import write_text

        write_text(Path(values["html"]), page(inspection.data))
    return inspection


def _split(options: dict[str, Any]) -> dict[str, Any]:
    """Those of `load_run`, taken out of all that were given."""
    return {name: options.pop(name) for name in ("task", *TOLD, *settings_.names(Using)) if name in options}


def load_run(path: Any, **options: Any) -> Run:
    """A run folder, a model folder, a Hub id or a loaded model, ready to predict and evaluate; a Run is returned.

    `options`: task, tokenizer, max_length, truncation, device, precision, pad_to, threads, revision,
    trust_remote_code, problem_type. Raises SettingError, ModelError.
    """
    from byeori.predict.run import load_run as load_

    return load_(path, **options)


def pipeline(
    task: str | None = None, model: Any = None, config: Any = None, tokenizer: Any = None, **options: Any
) -> Any:
    """transformers' `pipeline`, for our tasks: takes and returns the same. Raises SettingError, ModelError."""
    from byeori.predict.pipeline import pipeline as pipeline_

    return pipeline_(task, model, config, tokenizer, **options)


def train_tokenizer(
    data: Any, *, beside: Any = None, note: Callable[[str], None] | None = None, **values: Any
) -> Trained:
    """Learn a tokenizer from texts and save it as a folder that transformers loads.

    data: a file, folder, glob, Hub id or data set, a list of texts or paths, a function that makes an iterator of texts,
    or a tuple of such. `values` are the settings of `byeori tokenizer train --help`; without `output` nothing is saved.
    beside: another tokenizer, or its name, for the report. Raises SettingError, DataError, ModelError.
    """
    from byeori.text.learn import train_tokenizer as learn

    rivals = [] if beside is None else [_rival(beside, bool(values.get("trust_remote_code")))]
    return learn(data, rivals=rivals, beside=rivals[0][0] if rivals else None, note=note, **values)


def report_tokenizer(
    tokenizer: Any, data: Any, *, beside: Any = None, trust_remote_code: bool = False, **values: Any
) -> dict[str, Any]:
    """Coverage, fertility, unknown words and speed of a tokenizer on texts, beside another if named.

    data: as for `train_tokenizer`; of many texts every n-th. `values` are those of reading. Raises SettingError, DataError,
    ModelError.
    """
    from byeori.text.learn import sampled
    from byeori.text.tokenizer_report import compare
    from byeori.text.tokenizer_settings import Texts

    (texts,) = settings_.read(values, Texts)
    named = [_rival(one, trust_remote_code) for one in (tokenizer, beside) if one is not None]
    return compare(named, sampled(data, texts))


def _rival(given: Any, trust_remote_code: bool) -> tuple[str, Any]:
    """A tokenizer by name, or as an object, with what a report calls it."""
    from byeori.models.load import load_tokenizer

    name = given if isinstance(given, str) else str(getattr(given, "name_or_path", "") or given)
    folder = f"{name}/model" if isinstance(given, str) and RunFolder(given).has_model else given
    return name, load_tokenizer(folder, name, {"trust_remote_code": trust_remote_code})
