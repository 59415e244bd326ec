"""Train what was prepared, score the best model, write the run folder.

with RunFolder("run").writing() as folder: metrics = fit(ready, folder, metrics=[], hooks=[], progress=progress, began=0)
"""

from __future__ import annotations

import dataclasses
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import byeori
from byeori.data import mapped
from byeori.doctor.findings import verdict
from byeori.errors import SettingError, TrainingError
from byeori.models.adapter_folder import holds_adapter
from byeori.predict import measured
from byeori.predict.evaluate import LOSS, RESAMPLES, Judged, Look, Tell, evaluate
from byeori.predict.model_folder import cleaning_of
from byeori.run import FORMAT, RunFolder, dumps, whole, write_json, write_text
from byeori.settings import dump_yaml
from byeori.train import calibrate, checkpoint, resume
from byeori.train.hooks import Hook, sources
from byeori.train.loop import Loop
from byeori.train.slices import slices
from byeori.train.watched import Watched

if TYPE_CHECKING:
    import numpy as np

    from byeori.text.store import TokenStore
    from byeori.train.prepare import Ready
    from byeori.train.progress import Progress


PERCENTILES = (0, 50, 90, 99, 100)
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
FAILING = (errno.EIO, errno.ENXIO, errno.ESTALE)


def check_watching(ready: Ready, own_metrics: bool) -> None:
    """Before anything is written: can what chooses the best model be had? Raises SettingError."""
    settings = ready.settings
    calibrate.check(ready)
    if "validation" not in ready.rows:
        for name in ("best_metric", "early_stopping"):
            if getattr(settings, name) is not None:
                raise SettingError(
                    f"{name}={getattr(settings, name)!r}: there are no validation rows to score. Give --validation, or a "
                    f"--validation-size above 0."
                )
    elif settings.best_metric is not None and not own_metrics:
        right = ready.task.references(ready.rows["validation"].table)
        known = [*ready.task.score(right, right), *ready.task.ranked_scores, LOSS]
        if settings.best_metric not in known:
            raise SettingError(f"best_metric={settings.best_metric!r}: the scores here are {', '.join(known)}.")


def fit(
    ready: Ready,
    folder: RunFolder,
    *,
    metrics: Sequence[Callable],
    hooks: Sequence[Hook],
    progress: Progress,
    began: float,
) -> dict[str, Any]:
    """Returns metrics.json. `began` is time.perf_counter() at the start of everything. Raises TrainingError."""
    task, settings, engine = ready.task, ready.settings, ready.engine
    references = {name: task.references(rows.table) for name, rows in ready.rows.items() if name != "train"}

    def judge(part: str, resamples: int = 0, tell: Tell | None = None, look: Look | None = None) -> Judged:
        return evaluate(
            engine, ready.stores[part], references[part], metrics=metrics, resamples=resamples, seed=settings.seed,
            tune=part == "validation", tell=tell, look=look,
        )  # fmt: skip

    watched = Watched(task, folder, lambda: loop.step) if settings.previews and engine.world.main else None

    loop = Loop(
        task, ready.loaded.model, ready.loaded.tokenizer, ready.stores["train"], settings,
        engine=engine, packing=ready.packing, rows=ready.rows["train"],
        validation=(lambda: judge("validation", look=watched)) if "validation" in ready.rows else None,
        hooks=hooks, folder=folder, decoding=ready.decoding, progress=progress, remember=ready.remember,
    )  # fmt: skip
    try:
        resume.check(loop)  # a refused one leaves the folder as it was
        training = _train(loop, ready, folder, hooks, progress)
    finally:
        loop.release()
    if loop.parallel.sharded:
        ready.loaded.model = None
        engine.model = ready.loaded.model = loop.parallel.read_again(loop)
    else:
        _take_best(loop, folder)

    found: dict[str, Any] = {"format": FORMAT, "task": task.name, "headline": loop.headline}
    if getattr(task.settings, "calibrate", False):
        known = evaluate(engine, ready.stores["validation"], references["validation"], keep=True).logits
        step = loop.best["step"] if loop.best is not None else loop.step
        found["calibration"] = calibrate.calibrate(
            ready, folder, step, known, references["validation"], loop.world.main
        )
    for part in references:
        with _predictions(ready, folder, part, references[part]) as tell:
            judged = judge(part, RESAMPLES, tell)
        found[part] = judged.scores
        if loop.world.main:
            measured.write(
                measured.path_of(folder.predictions, part), task, ready.rows[part].table, references[part], judged
            )
        if part == ready.judged_part and loop.world.main:
            write_json(folder.slices, slices(ready, part, judged.predictions, references[part]))
        if part == "test":
            loop.trackers.log({"step": loop.step, part: judged.values})
        if judged.of_class:
            found["of_class"] = judged.of_class
    loop.trackers.finish()
    if ready.judged_part:
        found["baseline"] = {
            kind: task.score(predictions, references[ready.judged_part], resamples=RESAMPLES, seed=settings.seed)
            for kind, predictions in ready.baselines.items()
        }
        found["baseline_of"] = ready.judged_part
        if ready.baseline_notes:
            found["baseline_notes"] = ready.baseline_notes
    training |= {**ready.seconds, "total_seconds": time.perf_counter() - began}
    found["training"] = training
    if not loop.world.main:
        return found
    write_json(folder.metrics, found)
    if not settings.keep_checkpoints and folder.checkpoints.is_dir():
        shutil.rmtree(folder.checkpoints)
    return found


@contextmanager
def on_disk(folder: RunFolder) -> Iterator[None]:
    """What the disk refuses meanwhile is said in a sentence: raises TrainingError."""
    try:
        yield
    except OSError as error:
        if (said := _refused(error, folder)) is None:
            raise
        raise TrainingError(said) from error


def _refused(error: OSError, folder: RunFolder) -> str | None:
    """The sentence for a run's folder that can't be written to any more; None for another error, also of a file that stands elsewhere."""
    named = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str)]
    if named and not any(name.absolute().is_relative_to(folder.path.absolute()) for name in named):
        return None
    last = None
    with suppress(OSError):  # what fails now may not even be read
        last = checkpoint.newest(folder.checkpoints, lambda damaged: None)
    safe = f"The checkpoint {last.name} is whole. " if last is not None else ""
    if not folder.path.is_dir():
        return f"{folder.path}: it is gone, removed or renamed while the model trained. Put it back and --resume, or train anew."
    if error.errno in FULL:
        free = shutil.disk_usage(folder.path).free / 2**20
        return (
            f"{folder.path}: the disk is full ({error.strerror}; {free:,.0f} MB are free). {safe}Make room there (older runs, their "
            f"checkpoints; --checkpoints-kept 1 needs less), or give another folder with --output."
        )
    if error.errno in REFUSED:
        return f"{folder.path}: it can't be written to ({error.strerror}). {safe}Make it writable, or give another folder with --output."
    if error.errno in FAILING:
        return f"{folder.path}: the disk fails ({error.strerror}). {safe}Copy what is there to another disk first."
    return None


def _train(loop: Loop, ready: Ready, folder: RunFolder, hooks: Sequence[Hook], progress: Progress) -> dict[str, Any]:
    """Write what is known before the first update, then train; what metrics.json says under "training"."""
    task = ready.task
    # None of these wishes is one to repeat: a rerun that overwrites what it finds has to be asked for again.
    again = dataclasses.replace(
        ready.settings, resume=False, overwrite=False, accept_changes=False, push_to=None, push_every=None
    )
    if loop.world.main:
        write_text(folder.settings, dump_yaml(again, task.settings, _found(ready, hooks)))
        write_json(folder.data, data_facts(ready))
    for label in dict.fromkeys(task.of_class.values() if ready.judged_part else ()):
        names = [name for name, one in task.of_class.items() if one == label]
        progress.note(f"{', '.join(names)}: of the class {label}")
    try:
        return loop.run()
    except BaseException:
        loop.trackers.finish()
        raise


def _take_best(loop: Loop, folder: RunFolder) -> None:
    """Put the best weights, as model/ has them, back into the model at hand.

    Where they were saved under other names (LayerNorm.gamma, in checkpoints of 2018) transformers reads them again.
    """
    if loop.best is None or loop.best["step"] == loop.step or holds_adapter(folder.model):
        return  # an adapter alone was put back before it was merged
    import torch
    from safetensors.torch import load_file

    from byeori.models.load import quiet
    from byeori.models.packed import unwrapped

    model: Any = unwrapped(loop.model)
    weights: dict[str, Any] = {}
    for path in sorted(folder.model.glob("*.safetensors")):
        weights |= load_file(path)
    saved = {value.data_ptr() for name, value in model.state_dict().items() if name in weights}
    known = all(value.data_ptr() in saved for value in model.state_dict().values())  # tied weights are saved once
    if known and weights.keys() <= model.state_dict().keys():
        model.load_state_dict(weights, strict=False)
        return
    with quiet():
        best = type(model).from_pretrained(folder.model, dtype=torch.float32)
    model.load_state_dict(best.state_dict())


@contextmanager
def _predictions(ready: Ready, folder: RunFolder, part: str, references: Any) -> Iterator[Tell]:
    """What writes the decoded predictions of a part, some rows at a time; the file appears when it is whole."""
    if not ready.engine.world.main:
        yield lambda predictions: None
        return
    path, done = folder.predictions / f"{part}.jsonl", 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:

        def tell(predictions: list[Any]) -> None:
            nonlocal done
            for prediction in predictions:
                reference = ready.task.named(references[done])
                done += 1
                file.write(dumps({"row": done, "prediction": prediction, "reference": reference}) + "\n")

        yield tell


def data_facts(ready: Ready) -> dict[str, Any]:
    """data.json: files with their hashes, rows, columns, labels, lengths, what was said about them."""
    import numpy as np

    facts: dict[str, Any] = {"format": FORMAT, "parts": {}, "cleaning": cleaning_of(ready.task, ready.loaded.tokenizer)}
    for name, rows in ready.rows.items():
        store = ready.stores[name]
        lengths = mapped.made(len(store), np.int32, partial(_lengths, store))
        percentiles = np.percentile(lengths, PERCENTILES)
        facts["parts"][name] = {
            "rows": len(rows),
            "columns": rows.columns,
            "files": [
                {
                    "path": f.path,
                    "rows": f.rows,
                    "sha256": f.sha256,
                    "bytes": f.bytes,
                    "format": f.format,
                    "encoding": f.encoding,
                    **({"hub": f.hub} if f.hub else {}),
                }
                for f in rows.origin.files
            ],
            "notes": rows.notes,
            "cleaned": rows.cleaned,
            "tokens": store.tokens,
            "truncated": store.truncated,
            "length": {f"p{p}": float(length) for p, length in zip(PERCENTILES, percentiles, strict=True)},
            "labels": ready.task.count_labels(store.columns["labels"]) if "labels" in store.columns else None,
        }
    facts["findings"] = [finding.as_dict() for finding in ready.findings]
    facts["verdict"] = verdict(ready.findings)
    return facts


def _lengths(store: TokenStore, block: slice) -> np.ndarray:
    import numpy as np

    return store.lengths(np.arange(block.start, block.stop))


def _found(ready: Ready, hooks: Sequence[Hook]) -> dict[str, Any]:
    """What settings.yaml tells beside the settings."""
    import platform

    import tokenizers
    import torch
    import transformers

    files = {f.path: f.sha256 for rows in ready.rows.values() for f in rows.origin.files if f.sha256}
    return {
        "versions": {
            "byeori": byeori.__version__, "torch": str(torch.__version__), "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__, "python": platform.python_version(),
        },
        "model_revision": ready.loaded.revision,
        "model_licence": ready.loaded.licence,
        "model_languages": ready.loaded.languages,
        "data_sha256": files,
        "rows": {name: len(rows) for name, rows in ready.rows.items()},
        "hooks": sources(hooks),
        "machine": _machine(ready),
    }  # fmt: skip


def _machine(ready: Ready) -> dict[str, Any]:
    """What the training runs on, without the name that somebody gave it."""
    import os
    import platform

    import torch

    device = ready.engine.device
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {"system": f"{platform.system()} {platform.machine()}", "processors": os.cpu_count(), "gpu": gpu}
