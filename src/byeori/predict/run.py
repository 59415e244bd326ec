"""A finished run, or any model folder: evaluate, predict, push.

run = byeori.load_run("run"); run.evaluate("test.tsv"); run.predict(["…"])
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from byeori import settings
from byeori.batches.answers import joined
from byeori.errors import ModelError, SettingError
from byeori.models.checks import check_ids, find_folder, length_for
from byeori.models.device import device_for, precision_for, set_threads
from byeori.models.load import load_model
from byeori.predict.engine import WINDOW, Engine, chunks, columns
from byeori.predict.evaluate import RESAMPLES, Judged, evaluate
from byeori.predict.model_folder import load_task
from byeori.predict.options import TOLD, Reading, Using
from byeori.run import RunFolder, read_json
from byeori.tasks import Task, find, source
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.data.rows import Rows


class Run:
    """A model with its task, and the folder it lies in. `metrics` is metrics.json, {} for a plain model folder."""

    def __init__(self, folder: RunFolder | None, task: Task, engine: Engine, metrics: dict[str, Any]):
        self.folder, self.task, self.engine, self.metrics = folder, task, engine, metrics
        self.model, self.tokenizer = engine.model, engine.tokenizer

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
        **reading: Any,
    ) -> dict[str, Any]:
        """Scores with 95% intervals on labelled rows: {name: {"value", "low", "high"}}.

        `data` is whatever `byeori.read` takes; `reading` are the settings of reading (text=, label=, split=…). With
        `arrays` the result is {"metrics", "predictions", "logits" float32 (rows, labels), "label_ids"}.
        Raises DataError, SettingError.
        """
        rows = self.read(data, **reading)
        store = self.encode(rows, labels=True)
        references = self.task.references(rows.table)
        judged = evaluate(self.engine, store, references, metrics=metrics, resamples=resamples, seed=seed)
        if not arrays:
            return judged.scores
        return {
            "metrics": judged.scores, "predictions": self.task.decode(judged.answers, store),
            "logits": judged.logits, "label_ids": judged.label_ids,
        }  # fmt: skip

    def predict(self, data: Any, *, arrays: bool = False, read: dict[str, Any] | None = None, **call: Any) -> Any:
        """Predictions in row order, as the pipeline gives them.

        `data`: texts, pairs, rows (tokenized ones too), or whatever `byeori.read` takes (`read` are its settings). `call`
        are those of a call (top_k…). With `arrays` also the logits: {"predictions", "logits" float32 (rows, labels)}.
        Raises DataError, SettingError.
        """
        chosen = self.task.call_settings(call)
        stores: Iterator[TokenStore]
        if isinstance(data, list | tuple) and not _is_source(data, self.task.needed):
            given, _ = self.task.inputs(list(data))
            stores = (self.engine.encode(columns(few), chosen) for few in chunks(given, WINDOW))
        else:
            rows = self.read(data, labels=False, **(read or {}))
            places = (range(first, min(first + WINDOW, len(rows))) for first in range(0, len(rows), WINDOW))
            stores = (self.encode(rows.select(some), call=chosen) for some in places)
        found, answers = [], []
        for store in stores:
            part = self.engine.run(store, call=chosen)
            found += self.task.decode(part, store, chosen)
            answers += [part] if arrays else []
        if not arrays:
            return found
        logits = Judged({}, joined(answers), store).logits if answers else np.zeros((0, 0), np.float32)
        return {"predictions": found, "logits": logits}

    def read(self, data: Any, *, labels: bool = True, on_bad: str | None = None, **reading: Any) -> Rows:
        """Rows for this model, with labels or without; its own columns are found again. `notes` say what was done.

        `reading` are the settings of reading; `on_bad` as in `byeori.data.read.read_rows`. Raises DataError, SettingError.
        """
        from byeori.data.read import read_rows
        from byeori.data.rows import Rows

        asked, columns_asked = settings.read(reading, Reading, self.task.Columns)
        if isinstance(data, TokenStore) and data.source is not None:
            data = data.source
        if isinstance(data, Rows):
            if reading:
                raise SettingError(f"{', '.join(reading)}: these rows were read already. Give it to what reads them.")
            return data
        task = self.task
        needed = {*task.needed, *(task.answers if labels else ())}
        own = {n: v for n, v in dataclasses.asdict(task.settings).items() if n not in settings.names(task.Columns)}
        wish = {**own, "problem_type": getattr(task, "problem_type", None)}
        wish |= {**dataclasses.asdict(asked), **dataclasses.asdict(columns_asked)}
        wish["revision"] = wish.pop("data_revision")  # the name it has where rows are read
        return read_rows(
            data, SimpleNamespace(**wish),
            roles=[role for role in task.roles if labels or role not in task.answers],
            required=() if labels and task.forms else [role for role in task.roles if role in needed],
            label_names=getattr(task, "labels", None), on_bad=on_bad, before=task.columns,
            forms=task.forms if labels else (),
        )  # fmt: skip

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
            store = self.engine.encode(rows.table[:], call)
        check_ids(store, self.model, self.tokenizer, rows)
        return store

    def push_to_hub(self, repo_id: str, *, private: bool = True, revision: str | None = None) -> str:
        """Upload model/ (weights, tokenizer, card) to the Hub; returns its address. Raises ModelError."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        if self.folder is None:
            raise ModelError("only a run folder can be pushed.")
        hub = HfApi()
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True)
            found = hub.upload_folder(repo_id=repo_id, folder_path=self.folder.model, revision=revision)
        except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
            raise ModelError(
                f"{repo_id}: the Hub did not take it ({error}). Set HF_TOKEN and check the name and the network."
            ) from error
        return str(found)


def _is_source(items: Sequence[Any], needed: Sequence[str]) -> bool:
    """Whether a list is something to read (paths; rows under names of their own, or tokenized) and no inputs of a call."""
    if not items:
        return False
    if all(isinstance(one, os.PathLike) for one in items):
        return True
    return all(isinstance(one, Mapping) for one in items) and not all(role in items[0] for role in needed)


def load_run(path: Any, *, task: Task | type[Task] | str | None = None, **options: Any) -> Run:
    """A run folder, a model folder, a Hub id or a transformers model, ready to predict and evaluate.

    A model without byeori.json needs `task`. `options` are those of `Using`: tokenizer, max_length, truncation, device,
    precision, threads, revision, trust_remote_code; and problem_type, where the model doesn't say it.
    Raises SettingError, ModelError.
    """
    told = {name: options.pop(name) for name in TOLD if name in options}
    (using,) = settings.read(options, Using)
    where = device_for(using.device)
    precision = precision_for(using.precision, where)
    name = type(path).__name__ if isinstance(path, nn.Module) else str(path)
    work, meta = _task(path, name, task, told, using.revision)
    loaded = load_model(
        path, work, tokenizer=using.tokenizer, revision=using.revision, trust_remote_code=using.trust_remote_code,
        for_training=False,
    )  # fmt: skip
    decoding = meta.get("decoding", {})
    length = length_for(using.max_length or decoding.get("max_length"), loaded.max_length, name)
    set_threads(using.threads)
    engine = Engine(
        work, loaded.model.to(where), loaded.tokenizer, max_length=length,
        truncation=using.truncation or decoding.get("truncation", "head"), device=where, precision=precision,
    )  # fmt: skip
    run_folder = RunFolder(name) if (Path(name) / "model" / "config.json").is_file() else None
    metrics = read_json(run_folder.metrics) if run_folder and run_folder.metrics.is_file() else {}
    return Run(run_folder, work, engine, metrics)


def _task(
    path: Any, name: str, asked: Task | type[Task] | str | None, told: dict[str, Any], revision: str | None
) -> tuple[Task, dict[str, Any]]:
    """The task of a model, and its byeori.json ({} where it has none)."""
    work: Task | None = None
    meta: dict[str, Any] = {}
    if not isinstance(path, nn.Module):
        folder = find_folder(name)
        if (Path(name) / "checkpoints").is_dir() and not (Path(name) / "model").is_dir():
            raise ModelError(
                f"{name}: this run has no model yet; it stopped before its first evaluation. Go on with --resume."
            )
        work, meta = load_task(folder, asked, revision)
    elif asked is None:
        raise SettingError(f"{name}: a model object doesn't say its task. Name it with task=.")
    if work is None:
        if asked is None:
            raise ModelError(f"{name}: it doesn't say what it was trained for (no byeori.json). Give --task.")
        if isinstance(asked, Task):
            work = asked
        else:
            kind = asked if isinstance(asked, type) else find(asked)
            work = kind(**told)
        if isinstance(path, nn.Module):
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
