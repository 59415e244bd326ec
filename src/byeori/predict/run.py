"""A finished run, or any model folder: evaluate, predict, push.

run = byeori.load_run("run"); run.evaluate("test.tsv"); run.predict(["…"])
"""

from __future__ import annotations

import copy
import dataclasses
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori import settings
from byeori.batches.answers import joined
from byeori.data.cleaning import Cleaner
from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.models.checks import check_ids, find_folder, length_for
from byeori.models.heads import check_head, check_languages
from byeori.models.shortage import placed
from byeori.predict import evaluation
from byeori.predict.arguments import length
from byeori.predict.arrays import lacking, lacking_labelled, logits_of, sequences_a_row
from byeori.predict.evaluate import RESAMPLES, evaluate
from byeori.predict.exported import is_exported, load_exported
from byeori.predict.options import TOLD, Reading, Using, check_columns
from byeori.predict.rows import WINDOW, columns, cutting, numbered_from
from byeori.predict.saved_task import load_task
from byeori.run import RunFolder, read_json
from byeori.tasks import Task, find, named, source, values_in
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.engine import Engine
    from byeori.predict.exported import ExportedEngine


class Run:
    """A model with its task, and the folder it lies in. `metrics` is metrics.json, {} for a plain model folder; `foreign`
    says that the model was not trained here."""

    def __init__(
        self,
        folder: RunFolder | None,
        task: Task,
        engine: Engine | ExportedEngine,
        metrics: dict[str, Any],
        foreign: bool = False,
    ):
        self.folder, self.task, self.engine, self.metrics, self.foreign = folder, task, engine, metrics, foreign
        self.model: Any = engine.model
        self.tokenizer = engine.tokenizer
        self.of_class: dict[str, str] = {}  # scores of the last evaluation that are of one class alone, and its name

    @property
    def path(self) -> Path | None:
        return self.folder.path if self.folder else None

    def evaluate(
        self,
        data: Any,
        *,
        metrics: Sequence[Callable] = (),
        arrays: bool = False,
        resamples: int = RESAMPLES,
        seed: int = 0,
        output: str | Path | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Scores with 95% intervals on labelled rows: {name: {"value", "low", "high"}}; `output`: a folder for `byeori.compare`.

        `data` is whatever `byeori.read` takes; `options` are the settings of reading (text=, label=, split=…) and those of the
        task that scoring goes by (num_beams=, candidate_labels=…), for this evaluation alone. With `arrays` the result is
        {"metrics", "predictions", "logits", "label_ids"}, the last two with a place for each row: float32 (rows, labels) and
        (rows,) or, of several labels, (rows, labels); of tokens (rows, longest, labels) and (rows, longest), padded with −100;
        of choices (rows, choices) and the place of the right one, (rows,); of a task that writes int64 (rows, longest), ids.
        Raises DataError, SettingError, also for `arrays` of a task that has no logits (fill-mask, text-generation), or of
        rows that are several windows or have different numbers of choices.
        """
        own = {name: options.pop(name) for name in settings.of_scoring(type(self.task).Training) if name in options}
        folder = None if output is None else evaluation.check(output)
        if folder is not None and not self.engine.has_losses:
            raise SettingError(
                f"output {output}: a comparison needs the loss of each row, which an export doesn't give. Leave it out, or evaluate "
                f"the model that it was made of."
            )
        with self.scoring(**own):
            rows = self.read(data, **options)
            store = self.encode(rows, labels=True)
            if arrays and (why := lacking_labelled(self.task, store)):
                raise SettingError(
                    f"arrays=True gives logits and labels with a place for each row, and {why}. Leave it out."
                )
            references = self.task.references(rows.table)
            predictions: list[Any] = []
            judged = evaluate(
                self.engine, store, references, metrics=metrics, resamples=resamples, seed=seed, keep=arrays,
                tell=predictions.extend if arrays or folder is not None else None,
            )  # fmt: skip
            self.of_class = judged.of_class
            if folder is not None and self.engine.world.main:
                evaluation.keep(folder, self, data, rows, references, judged, predictions)
            if not arrays:
                return judged.scores
            return {
                "metrics": judged.scores, "predictions": predictions,
                "logits": judged.logits, "label_ids": judged.label_ids,
            }  # fmt: skip

    @contextmanager
    def scoring(self, **own: Any) -> Iterator[None]:
        """The task with other settings that scoring goes by, reading included, and as it was afterwards. Raises SettingError."""
        task = self.task
        before, columns = task.settings, task.columns
        (task.settings,) = settings.read({**dataclasses.asdict(before), **own}, type(task).Training, where=task.name)
        if own.keys() & {"source_lang", "target_lang"}:  # the columns of training were those of its languages
            task.columns = {role: column for role, column in columns.items() if role not in ("source", "target")}
        try:
            yield
        finally:
            task.settings, task.columns = before, columns

    def predict(self, data: Any, *, arrays: bool = False, read: dict[str, Any] | None = None, **call: Any) -> Any:
        """Predictions in row order, as the pipeline gives them.

        `data`: texts, pairs, rows (tokenized ones too), or whatever `byeori.read` takes (`read` are its settings). In a list
        strings are texts, unless each names a data file that is there: then these are read. `call` are the settings of a
        call (top_k…). With `arrays` {"predictions", "logits"}, the second as in `evaluate`.
        Raises DataError, SettingError, also for `arrays` where there are none: of tasks that write too.
        """
        chosen = self.task.call_settings(call)
        if arrays and (why := lacking(self.task, np.ones(0, np.int64), True, self.task.generates)):
            raise SettingError(f"arrays=True gives logits with a place for each row, and {why}. Leave it out.")
        found: list[Any] = []
        answers, counts = [], [np.ones(0, np.int64)]
        for store in self._stores(data, read or {}, chosen):
            with placed(partial(int.__add__, len(found))):
                part = self.engine.run(store, call=chosen)
            found += self.engine.decode(part, store, chosen)
            answers += [part] if arrays else []
            counts.append(sequences_a_row(store))
        if not arrays:
            return found
        if not answers:
            return {"predictions": found, "logits": np.zeros((0, 0), np.float32)}
        every, whole = np.concatenate(counts), joined(answers)
        if why := lacking(self.task, every, whole.offsets is None, self.task.generates):
            raise SettingError(f"arrays=True gives logits with a place for each row, and {why}. Leave it out.")
        return {"predictions": found, "logits": logits_of(whole, every)}

    def _stores(self, data: Any, read: dict[str, Any], call: Any) -> Iterator[TokenStore]:
        """What is to be predicted, encoded, a window at a time. Errors name its place among all of it."""
        from byeori.data.objects import is_files

        if isinstance(data, list | tuple) and not is_files(data) and not _are_rows(data, self.task.needed):
            given, _ = self.task.inputs(list(data))
            for first in range(0, len(given), WINDOW):
                with numbered_from(first):
                    store = self.engine.encode(columns(given[first : first + WINDOW]), call)
                yield store
            return
        rows = self.read(data, labels=False, **read)
        for first in range(0, len(rows), WINDOW):
            try:
                store = self.encode(rows.select(range(first, min(first + WINDOW, len(rows)))), call=call)
            except RowsError as error:
                place, reason = min(error.reasons.items())
                raise DataError(f"{rows.origin.where(first + place)}: {reason}") from error
            yield store

    def read(self, data: Any, *, labels: bool = True, on_bad: str | None = None, **reading: Any) -> Rows:
        """Rows for this model, with labels or without; its own columns are found again. `notes` say what was done.

        `reading` are the settings of reading; `on_bad` as in `byeori.data.read.read_rows`. Raises DataError, SettingError.
        """
        from byeori.data import disk
        from byeori.data.read import read_for
        from byeori.data.rows import Rows

        asked, columns_asked = settings.read(reading, Reading, self.task.Columns)
        if isinstance(data, TokenStore) and data.source is not None:
            data = data.source
        if isinstance(data, Rows) and reading:
            raise SettingError(f"{', '.join(reading)}: these rows were read already. Give it to what reads them.")
        check_columns(type(self.task), reading, labels)
        wish = dataclasses.asdict(asked)
        wish["revision"] = wish.pop("data_revision")  # the name it has where rows are read
        wish |= {role: column for role, column in vars(columns_asked).items() if column is not None}
        rows = read_for(self.task, data, wish, labels=labels, on_bad=on_bad)
        if len(rows) > disk.BATCH:
            disk.give_back()
        return rows

    def encode(self, rows: Rows, labels: bool = False, call: Any = None) -> TokenStore:
        """Rows → the token store, checked against the model; `call` are a prediction's settings.

        Raises DataError, ModelError.
        """
        from byeori.text.encode_rows import encode_rows

        if labels:
            self.task.check(rows)
        if labels or "input_ids" in rows.table.column_names:
            store = encode_rows(rows, self.task, self.engine.encoder, labels)
        else:
            store = self.engine.encode(rows.table[:], call, read=True, clean=rows.cleaner is None)
        check_ids(store, self.model, self.tokenizer, rows)
        return store

    def encode_usable(self, rows: Rows, places: range, call: Any) -> tuple[list[int], TokenStore | None]:
        """Those of some rows that can be used, and their store; `rows.errors` gets why the others can't be."""
        while good := [place for place in places if place not in rows.errors]:
            try:
                return good, self.encode(rows.select(good), call=call)
            except RowsError as error:
                rows.errors.update({good[at]: reason for at, reason in error.reasons.items()})
        return [], None

    def cut_to(self, length: int) -> Run:
        """The same model and task, with texts cut to so many tokens; this run stays as it is."""
        found = copy.copy(self)
        found.engine = copy.copy(self.engine)
        found.engine.encoder = cutting(self.engine.encoder, length)
        return found

    def push_to_hub(self, repo_id: str, **options: Any) -> dict[str, Any]:
        """Send model/ with its card to the Hub; `options` and answer are those of `byeori.push`. Raises ModelError, HubError."""
        import byeori

        if self.folder is None:
            raise ModelError("this model lies in no run folder. Push the folder itself: byeori.push(FOLDER, REPO_ID).")
        return byeori.push(self.folder.path, repo_id, **options)


def _are_rows(items: Sequence[Any], needed: Sequence[str]) -> bool:
    """Whether a list is rows under names of their own, or tokenized, and no inputs of a call."""
    if not items or not all(isinstance(one, Mapping) for one in items):
        return False
    return not all(role in items[0] for role in needed)


def load_run(path: Any, *, task: Task | type[Task] | str | None = None, **options: Any) -> Run:
    """A run folder, a model folder, a Hub id or a transformers model, ready to predict and evaluate; a Run is returned.

    A model without byeori.json needs `task`. `options` are those of `Using`: tokenizer, max_length, truncation, device,
    precision, pad_to, threads, revision, trust_remote_code; and problem_type, where the model doesn't say it. Of a Run they must
    be what it has already. Raises SettingError, ModelError.
    """
    if isinstance(path, Run):
        return _loaded(path, task, options)
    told = {name: options.pop(name) for name in TOLD if name in options}
    (using,) = settings.read(options, Using)
    if isinstance(path, str | Path) and is_exported(path):
        work, exported, foreign = load_exported(Path(path), partial(_task, asked=task, told=told), using)
        check_languages(work, exported.tokenizer, values_in(task))
        return Run(None, work, exported, {}, foreign=foreign)
    from byeori.models.device import device_for, precision_for, set_threads
    from byeori.models.load import load_model
    from byeori.predict.engine import Engine

    where = device_for(using.device)
    precision = precision_for(using.precision, where)
    name = type(path).__name__ if _is_module(path) else str(path)
    work, meta = _task(path, name, asked=task, told=told, revision=using.revision)
    loaded = load_model(
        path, work, tokenizer=using.tokenizer, revision=using.revision, trust_remote_code=using.trust_remote_code,
        for_training=False,
    )  # fmt: skip
    if meta.get("cleaning") or using.clean_function is not None:
        work.cleaning = Cleaner.restored(meta.get("cleaning"), using.clean_function, name)
    if not meta:
        check_head(loaded.model, work, name, given=_is_module(path))
    check_languages(work, loaded.tokenizer, values_in(task))
    decoding = meta.get("decoding", {})
    asked = using.max_length or decoding.get("max_length")
    length = length_for(asked, loaded.max_length, name, work.default_length)
    set_threads(using.threads)
    engine = Engine(
        work, loaded.model.to(where), loaded.tokenizer, max_length=length,
        truncation=using.truncation or decoding.get("truncation", "head"), device=where, precision=precision,
        pad_to=using.pad_to,
    )  # fmt: skip
    run_folder = RunFolder(name) if (Path(name) / "model" / "config.json").is_file() else None
    metrics = read_json(run_folder.metrics) if run_folder and run_folder.metrics.is_file() else {}
    return Run(run_folder, work, engine, metrics, foreign=not meta)


def load_to_predict(path: Any, options: Mapping[str, Any]) -> tuple[Run, dict[str, Any]]:
    """`load_run` with its options of one prediction, and those of them that are settings of its call.

    `max_length` is one of these where the task has such a setting, as in `pipeline`; else texts are cut to it.
    """
    asked = options.get("max_length")
    run = load_run(path, **{name: value for name, value in options.items() if name != "max_length"})
    if asked is None:
        return run, {}
    if "max_length" in settings.names(run.task.Call):
        return run, {"max_length": asked}
    return run.cut_to(length(run, asked)), {}


def _loaded(run: Run, task: Task | type[Task] | str | None, options: dict[str, Any]) -> Run:
    """A run that is loaded already, if it is what is asked for. Raises SettingError."""
    told = {name: options[name] for name in TOLD if options.get(name) is not None}
    (using,) = settings.read({name: value for name, value in options.items() if name not in TOLD}, Using)
    kind: Any = named(task)[0] if isinstance(task, str) else task if isinstance(task, type) else type(task)
    same = isinstance(run.task, kind) and kind.name == run.task.name and not isinstance(task, Task)
    if not (task is None or task is run.task or same):
        raise SettingError(
            f"task={task if isinstance(task, str) else kind.__name__}: this run was loaded with another one, {run.task.name}. Load it "
            f"for that by its path: byeori.load_run(path, task=…)."
        )
    check_languages(run.task, run.tokenizer, values_in(task))
    encoder = run.engine.encoder
    has = {
        "tokenizer": run.tokenizer, "max_length": encoder.max_length, "truncation": encoder.truncation,
        "device": str(run.engine.device), "precision": run.engine.precision, "pad_to": run.engine.pad_to,
        "clean_function": run.task.cleaning.function if run.task.cleaning else None,
        **{name: getattr(run.task, name, None) for name in TOLD},
    }  # fmt: skip
    asked = {name: value for name, value in vars(using).items() if value != getattr(Using(), name)}
    for name, value in {**asked, **told}.items():
        if value != has.get(name):
            raise SettingError(
                f"{name}={value!r}: this run is loaded already. Leave it out, or load it again by its path with it: "
                f"byeori.load_run(path, {name}=…)."
            )
    return run


def _task(
    path: Any, name: str, *, asked: Task | type[Task] | str | None, told: dict[str, Any], revision: str | None = None
) -> tuple[Task, dict[str, Any]]:
    """The task of a model, and its byeori.json ({} where it has none)."""
    work: Task | None = None
    meta: dict[str, Any] = {}
    if not _is_module(path):
        folder = name if is_exported(name) else find_folder(name)
        if (Path(name) / "checkpoints").is_dir() and not (Path(name) / "model").is_dir():
            raise ModelError(
                f"{name}: this run has no model yet; it stopped before its first evaluation. Go on with --resume."
            )
        work, meta = load_task(folder, asked, revision)
    elif asked is None:
        raise SettingError(f"{name}: a model object doesn't say its task. Name it with task=.")
    if work is None:
        if asked is None:
            raise ModelError(
                f"{name}: it doesn't say what it was trained for (no byeori.json). Name the task: --task, or task= in Python."
            )
        if isinstance(asked, Task):
            work = asked
        else:
            kind = asked if isinstance(asked, type) else find(asked)
            work = kind(**values_in(asked), **told)
        if _is_module(path):
            work.adopt(path.config)
    for setting, value in told.items():
        had = getattr(work, setting, None)
        if value is not None and had != value:
            raise SettingError(
                f"{setting}={value!r}: it is {had!r} for {name}, and predictions go by that. Leave it out."
            )
    own, now = meta.get("own_task") or {}, source(work) or {}
    if own.get("sha256") and own["sha256"] != now.get("sha256"):
        warnings.warn(
            f"{name}: {own['file']} has changed since this model was trained (sha256 {own['sha256'][:12]}… then, "
            f"{now.get('sha256', '')[:12]}… now); it may read and answer differently.",
            stacklevel=3,
        )
    return work, meta


def _is_module(given: Any) -> bool:
    """Whether it is a model of torch; where torch isn't imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.nn.Module)
