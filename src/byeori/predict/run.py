"""A finished run, or any model folder: evaluate, predict, push.

run = byeori.load_run("run"); run.evaluate("test.tsv"); run.predict(["…"])
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError, ModelError
from byeori.models.checks import find_folder
from byeori.models.device import device_for, precision_for
from byeori.models.load import load_model
from byeori.predict.engine import Engine
from byeori.predict.evaluate import RESAMPLES, evaluate
from byeori.predict.model_folder import load_task
from byeori.run import RunFolder, read_json
from byeori.tasks import Task, find, source

if TYPE_CHECKING:
    from byeori.data.rows import Rows

DEFAULT_LENGTH = 512


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
        **columns: Any,
    ) -> dict[str, Any]:
        """Scores with 95% intervals on labelled rows: {name: {"value", "low", "high"}}.

        `data` is whatever `byeori.read` takes; `columns` are its settings (text=, label=…). With `arrays` the result is
        {"metrics", "predictions", "logits" float32 (rows, labels), "label_ids"}. Raises DataError.
        """
        from byeori.text.encode_rows import encode_rows

        rows = self._rows(data, columns, labels=True)
        self.task.check(rows)
        store = encode_rows(rows, self.task, self.engine.encoder)
        references = self.task.references(rows.table)
        judged = evaluate(self.engine, store, references, metrics=metrics, resamples=resamples, seed=seed)
        if not arrays:
            return judged.scores
        return {
            "metrics": judged.scores, "predictions": self.task.decode(judged.logits),
            "logits": judged.logits, "label_ids": judged.label_ids,
        }  # fmt: skip

    def predict(self, data: Any, *, arrays: bool = False, read: dict[str, Any] | None = None, **call: Any) -> Any:
        """Predictions in row order, as the pipeline gives them.

        `data`: texts, pairs, rows, or whatever `byeori.read` takes (`read` are its settings). `call` are those of a call
        (top_k…). With `arrays` also the logits: {"predictions", "logits" float32 (rows, labels)}. Raises DataError.
        """
        chosen = self.task.call_settings(call)
        if (
            isinstance(data, list | tuple)
            and not isinstance(data, str)
            and all(isinstance(x, str | dict | list | tuple) for x in data)
        ):
            given, _ = self.task.inputs(list(data))
        else:
            given = list(self._rows(data, read or {}, labels=False).table)
        logits = list(self.engine.logits_of(given))
        found = [one for part in logits for one in self.task.decode(part, chosen)]
        if not arrays:
            return found
        return {"predictions": found, "logits": np.concatenate(logits) if logits else np.zeros((0, 0), np.float32)}

    def _rows(self, data: Any, columns: dict[str, Any], labels: bool) -> Rows:
        from byeori.data.read import SETTINGS, read_rows
        from byeori.data.rows import Rows

        if isinstance(data, Rows):
            return data
        wrong = [name for name in columns if name not in SETTINGS]
        if wrong:
            raise DataError(f"{wrong[0]}: this is not a setting of reading. There are {', '.join(SETTINGS)}.")
        required = tuple(role for role in self.task.roles if role in self.task.needed or (labels and role == "label"))
        wish = SimpleNamespace(**{"problem_type": getattr(self.task, "problem_type", None), **columns})
        names = getattr(self.task, "labels", None)
        roles = self.task.roles if labels else tuple(r for r in self.task.roles if r != "label")
        return read_rows(data, wish, roles=roles, required=required, label_names=names)

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


def load_run(
    path: Any,
    *,
    task: Task | type[Task] | str | None = None,
    tokenizer: Any = None,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    max_length: int | None = None,
    truncation: str | None = None,
    trust_remote_code: bool = False,
    threads: int | None = None,
) -> Run:
    """A run folder, a model folder or a Hub id. A model without byeori.json needs `task`. Raises ModelError."""
    where = device_for(device)
    name = str(path)
    folder = find_folder(name)
    if (Path(name) / "checkpoints").is_dir() and not (Path(name) / "model").is_dir():
        raise ModelError(
            f"{name}: this run has no model yet; it stopped before its first evaluation. Go on with --resume."
        )
    work, meta = load_task(folder, task)
    if work is None:
        if task is None:
            raise ModelError(f"{name}: it doesn't say what it was trained for (no byeori.json). Give --task.")
        work = task if isinstance(task, Task) else task() if isinstance(task, type) else find(task)()
    own, now = meta.get("own_task") or {}, source(work) or {}
    if own.get("sha256") and own["sha256"] != now.get("sha256"):
        warnings.warn(
            f"{name}: {own['file']} has changed since this model was trained (sha256 {own['sha256'][:12]}… then, "
            f"{now.get('sha256', '')[:12]}… now); it may read and answer differently.",
            stacklevel=2,
        )
    loaded = load_model(
        name, work, tokenizer=tokenizer, revision=revision, trust_remote_code=trust_remote_code, for_training=False
    )
    decoding = meta.get("decoding", {})
    limit = loaded.max_length
    length = max_length or decoding.get("max_length") or min(DEFAULT_LENGTH, limit or DEFAULT_LENGTH)
    if limit is not None and length > limit:
        raise ModelError(f"max_length={length}: {name} takes {limit} tokens at most.")
    if threads:
        from byeori.models.device import set_threads

        set_threads(threads)
    engine = Engine(
        work, loaded.model.to(where), loaded.tokenizer, max_length=length,
        truncation=truncation or decoding.get("truncation", "head"), device=where, precision=precision_for(precision, where),
    )  # fmt: skip
    run_folder = RunFolder(name) if (Path(name) / "model" / "config.json").is_file() else None
    metrics = read_json(run_folder.metrics) if run_folder and run_folder.metrics.is_file() else {}
    return Run(run_folder, work, engine, metrics)
