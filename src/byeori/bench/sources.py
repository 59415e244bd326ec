"""What each benchmark is of: its rows read, checked, drawn and laid down, and the job every contestant is told.

source = predict({"model": "run", "input": "new.tsv"}, Measuring(), Running(), folder, print); source.job
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings
from byeori.bench import given
from byeori.bench.options import Learning, Measuring, Running
from byeori.data.wording import count
from byeori.errors import DataError, ModelError, SettingError
from byeori.predict.options import Reading, check_columns

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.run import Run

BATCH = 32  # of a tuned contestant that predicts or generates
Note = Callable[[str], None]


@dataclass
class Source:
    """`job`: what all contestants are told; `said`: what the benchmark is of, JSON-ready; `digest`: of the rows."""

    job: dict[str, Any]
    said: dict[str, Any]
    described: str
    digest: str
    batch_size: int = BATCH
    headline: str | None = None
    lower_is_better: bool = False


def train(values: dict[str, Any], measuring: Measuring, running: Running, folder: str, note: Note) -> Source:
    """Rows of a training and rows to score it on. Raises SettingError, DataError, ModelError."""
    from byeori.bench.training import check_rows, check_task
    from byeori.models.checks import find_folder
    from byeori.models.tokenizers import load_tokenizer
    from byeori.tasks import named

    values = dict(values)
    task_name = values.pop("task", None)
    if task_name is None:
        raise SettingError("no task is named. Give --task; `byeori tasks` lists them.")
    kind, carried = named(task_name)
    own = {**carried, **{name: values.pop(name) for name in list(values) if name in settings.names(kind.Training)}}
    (learning,) = settings.read(
        {name: values.pop(name) for name in list(values) if name in settings.names(Learning)}, Learning
    )
    for name in ("model", "train"):
        if getattr(learning, name) is None:
            what = "a Hub id, a folder or a run" if name == "model" else "a file, a folder, a glob or a Hub data set id"
            raise SettingError(f"no {name} is named. Give --{name} {what}.")
    job = _common(running, measuring)
    model = find_folder(str(learning.model))
    load_tokenizer(model, str(learning.model), {})
    read = {
        **values,
        "train": learning.train,
        "test": learning.test,
        "validation_size": 0,
        "test_size": 0,
        "seed": measuring.seed,
    }
    (training,) = settings.read(read, settings.Train)
    check_columns(kind, vars(training))
    task = kind(**own)
    check_task(task)
    parts = given.parts_of(training, task, measuring.rows, learning.test_rows)
    check_rows(task, parts["train"])
    for name, rows in parts.items():
        given.lay(folder, name, rows)
    for line in parts["train"].notes:
        note(line)
    sizes = {name: len(rows) for name, rows in parts.items()}
    said = {
        "task": kind.name,
        "model": str(learning.model),
        "data": str(learning.train),
        "rows": sizes,
        "epochs": learning.epochs,
    }
    return Source(
        job={**job, "task": kind.name, "own": own, "model": model, "epochs": learning.epochs, "given": folder, "count": sizes["train"]},
        said=said, digest=given.digest(*(given.load(folder, name) for name in parts)),
        described=f"{kind.name}: {count(sizes['train'], 'row')} to train on for {_epochs(learning.epochs)}, {sizes['test']:,} to score on",
        batch_size=learning.batch_size, headline=task.best, lower_is_better=task.best in task.lower_is_better,
    )  # fmt: skip


def _epochs(epochs: float) -> str:
    return count(int(epochs), "epoch") if epochs == int(epochs) else f"{epochs:g} epochs"


def predict(values: dict[str, Any], measuring: Measuring, running: Running, folder: str, note: Note) -> Source:
    """Rows to predict, those that can't be used left out."""
    from byeori.bench.predicting import TASKS, call_of

    run, rows, call, job, said = _asked("predict", TASKS, values, measuring, running, folder, note)
    if run.task.name == "question-answering":
        if call.get("handle_impossible_answer") is None:
            call["handle_impossible_answer"] = bool(getattr(run.task, "impossible", False))
        stride = getattr(run.task.settings, "stride", None)
        length = job["max_length"]
        job |= {
            "impossible": call["handle_impossible_answer"],
            "stride": min(128, length // 4) if stride is None else stride,
        }
    return _drawn(run, rows, "predict", call_of(run.task.name, call), job, said, measuring, folder, note)


def generate(values: dict[str, Any], measuring: Measuring, running: Running, folder: str, note: Note) -> Source:
    """Texts to go on from, those that can't be used left out."""
    from byeori.bench.generating import DECODED, TASKS

    run, rows, call, job, said = _asked("generate", TASKS, values, measuring, running, folder, note)
    job["prefix"] = getattr(run.task, "prefix", "")
    call = {**DECODED, **call}
    said |= call
    job["call"] = call
    if run.task.name == "text-generation" and running.max_length is None:  # as many tokens as the model takes
        job["max_length"] = None
    return _drawn(run, rows, "generate", call, job, said, measuring, folder, note)


def tokenize(values: dict[str, Any], measuring: Measuring, running: Running, folder: str, note: Note) -> Source:
    """Texts to tokenize."""
    from byeori.data.read import read_for
    from byeori.models.checks import DEFAULT_LENGTH, find_folder
    from byeori.models.tokenizers import load_tokenizer
    from byeori.tasks import FeatureExtraction

    values = dict(values)
    name, source = str(values.pop("model")), values.pop("input")
    model = name if Path(name).is_file() else _tokenizer_folder(name, find_folder)
    tokenizer = load_tokenizer(model, name, {})
    if not tokenizer.is_fast:
        raise ModelError(
            f"{name}: {type(tokenizer).__name__} is written in Python, and there is no Rust tokenizer to measure beside it."
        )
    wish = _wish(values)
    rows = read_for(FeatureExtraction(), source, wish, labels=False)
    given.enough(rows, "tokenize", source)
    for line in rows.notes:
        note(line)
    rows = given.drawn(rows, measuring.rows, measuring.seed, "tokenize")
    given.lay(folder, "rows", rows)
    length = running.max_length or min(DEFAULT_LENGTH, int(tokenizer.model_max_length))
    job = {**_common(running, measuring), "model": model, "max_length": length, "given": folder, "count": len(rows)}
    said = {"model": name, "data": str(source), "rows": len(rows), "max_length": length}
    return Source(
        job=job, said=said, digest=given.digest(rows), batch_size=BATCH,
        described=f"{count(len(rows), 'text')} to {type(tokenizer).__name__}, cut at {length} tokens",
    )  # fmt: skip


def _tokenizer_folder(name: str, find: Callable[[str], str]) -> str:
    """Of a tokenizer alone too, in whose folder there is no model."""
    path = Path(name)
    return str(path) if path.is_dir() and not (path / "model").is_dir() else find(name)


def _asked(
    what: str,
    tasks: tuple[str, ...],
    values: dict[str, Any],
    measuring: Measuring,
    running: Running,
    folder: str,
    note: Note,
) -> tuple[Run, Rows, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The run, its rows as they were read, the settings of its call, the job so far, what there is to say."""
    from byeori.models.checks import find_folder
    from byeori.predict.run import load_run

    values = dict(values)
    job = _common(running, measuring)
    name, source = str(values.pop("model")), values.pop("input")
    using = {"device": running.device, "precision": running.precision, "threads": running.threads}
    run = load_run(name, task=values.pop("task", None), **using)
    if run.task.name not in tasks:
        raise SettingError(
            f"task={run.task.name}: there is nobody to {what} it beside. There is for {', '.join(tasks)}."
        )
    if running.max_length is not None:
        from byeori.predict.arguments import length

        run = run.cut_to(length(run, running.max_length))
    read = {name: values.pop(name) for name in list(values) if name in settings.names(Reading, run.task.Columns)}
    chosen = run.task.call_settings({name: value for name, value in values.items() if value is not None})
    call = {name: getattr(chosen, name) for name in values if getattr(chosen, name) is not None}
    rows = run.read(source, labels=False, **read)
    given.enough(rows, what, source)
    for line in rows.notes:
        note(line)
    job |= {
        "task": run.task.name, "model": find_folder(name), "max_length": run.engine.encoder.max_length, "call": call,
        "rows": str(Path(folder) / "rows.jsonl"),
    }  # fmt: skip
    said = {"task": run.task.name, "model": name, "data": str(source), "max_length": run.engine.encoder.max_length}
    return run, _plain(run, rows), call, job, said


def _plain(run: Run, rows: Rows) -> Rows:
    """Words as the text they make, which is what a pipeline takes. Raises DataError for conversations."""
    from byeori.tasks import tagged

    names = rows.table.column_names
    if "messages" in names:
        raise DataError(
            f"{rows.origin.where(0)}: these are conversations; a benchmark generates from texts or prompts. Give such rows."
        )
    if "tokens" in names:
        import datasets

        texts = tagged.texts(rows.table[:], getattr(run.task, "unit", None))
        rows.table = datasets.Dataset.from_dict({"text": texts})
    return rows


def _drawn(
    run: Run, rows: Rows, what: str, call: dict[str, Any], job: dict[str, Any], said: dict[str, Any], measuring: Measuring,
    folder: str, note: Note,
) -> Source:  # fmt: skip
    """The rows that take part, as a file. Raises DataError where too few can be used."""
    rows = given.drawn(rows, measuring.rows, measuring.seed, what)
    good, _ = run.encode_usable(rows, range(len(rows)), run.task.call_settings(call))
    if len(good) < len(rows):
        reason = next(iter(rows.errors.values()))
        note(f"{count(len(rows) - len(good), 'row')} can't be used and are left out: {reason}")
        rows = rows.select(good)
    given.enough(rows, what, said["data"])
    given.lines(rows, job["rows"])
    said["rows"] = job["count"] = len(rows)
    return Source(
        job=job, said=said, digest=given.digest(rows), described=f"{run.task.name}: {count(len(rows), 'row')} to {what}"
    )


def _wish(values: dict[str, Any]) -> dict[str, Any]:
    """The settings of reading as `read_for` takes them."""
    (reading,) = settings.read(values, Reading)
    wish = dict(vars(reading))
    wish["revision"] = wish.pop("data_revision")
    return wish


def _common(running: Running, measuring: Measuring) -> dict[str, Any]:
    """What every contestant is told of the machine. Raises SettingError for what it can't do."""
    from byeori.models.device import device_for, precision_for

    device = device_for(running.device)
    precision_for(running.precision, device)
    return {
        "device": running.device if device.type == "cpu" else device.type, "threads": running.threads,
        "gpu": (device.index or 0) if device.type == "cuda" else None, "max_length": running.max_length, "seed": measuring.seed,
    }  # fmt: skip
