"""What a person asked of `byeori inspect` → the inspection: settings sorted by what they are of, the task found, the model met.

look("nsmc.tsv", task="text-classification", values={"model": "klue/roberta-base"}).verdict
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from byeori import settings
from byeori.data.rows import Rows
from byeori.doctor.findings import failing
from byeori.doctor.guess import guess
from byeori.doctor.inspection import Inspection, inspect
from byeori.doctor.options import KINDS, Columns, Looking, Planned, Reading, Telling
from byeori.errors import ModelError, SettingError
from byeori.settings import Cleaning, Model
from byeori.tasks import TASKS, Task, find, named

OF_TEXTS = ("text", "text_pair", "task", "tokenizer", "revision", "trust_remote_code", "max_length", "truncation")


def look(data: Any, task: Any, values: dict[str, Any]) -> Inspection:
    """An inspection of `data`, or of the texts that `text` and `text_pair` are where there is none.

    values: settings of `options.KINDS`. Raises DataError, SettingError, ModelError.
    """
    made = dict(zip(KINDS, settings.read(values, *KINDS), strict=True))
    looking, plan = made[Looking], made[Planned]
    failing(made[Telling].fail_on)
    asked = SimpleNamespace()
    for kind in (Columns, Reading, Cleaning, Model):
        asked.__dict__.update(vars(made[kind]))
    if data is None:
        return _texts(asked.model, task, asked)
    said = []
    if task is None:
        data = list(data) if isinstance(data, Iterator) else data  # what can be read but once
        task, told = guess(data, asked)
        said.append(told)
    work = _task(task, asked)
    met = None
    whole = bool(looking.rows or looking.forward)
    if asked.model is not None:
        from byeori.doctor.meeting import meet

        met = meet(asked.model, work, asked)
    elif whole:
        raise ModelError(
            "--rows and --forward show what a model sees, and none is named. Give --model a Hub id, a folder or a run."
        )
    found = inspect(
        data, work, asked=asked, others={"validation": looking.validation, "test": looking.test}, met=met, plan=plan,
        near=looking.near, doubt=looking.doubt, said=said,
    )  # fmt: skip
    if whole:
        _sees(found, work, looking, asked)
    return found


def _task(task: Any, asked: Any) -> Task:
    """A task by name, class or object, with those of its settings that were asked for."""
    if isinstance(task, Task):
        return task
    kind, carried = named(task) if isinstance(task, str) else (task, {})
    known = settings.names(kind.Training)
    given = {name: value for name, value in vars(asked).items() if name in known and value is not None}
    return kind(**{**given, **carried})


def _texts(model: Any, task: Any, asked: Any) -> Inspection:
    """What a model sees of texts that were given instead of data."""
    from byeori.doctor import sees

    if model is None or not asked.text:
        lacks = (
            "--text is a text where there is no DATA, and no model is named that would see it"
            if asked.text
            else "nothing is named to be looked at"
        )
        raise SettingError(f"{lacks}. Give DATA, or --model M and --text with a text to be shown as the model sees it.")
    known = {name: getattr(asked, name) for name in OF_TEXTS[3:] if getattr(asked, name, None) is not None}
    work = None if task is None else _task(task, SimpleNamespace())
    seen = sees.of_texts(model, asked.text, asked.text_pair, work, **known)
    return Inspection({"verdict": "ready", "findings": [], **seen.data}, None, [seen])


def _sees(found: Inspection, work: Task, looking: Looking, asked: Any) -> None:
    """What the model sees of the first rows, and what it makes of one batch."""
    from byeori.doctor import sees

    assert found.source is not None
    part = found.source.parts.get("train") or next(iter(found.source.parts.values()))
    rows = part.rows.select([at for at in range(len(part.rows)) if at not in part.rows.errors])
    rows = Rows(
        rows.table.select_columns([name for name in rows.table.column_names if name in rows.columns or name == "id"]),
        *_rest(rows),
    )
    sees.ready(work, rows)
    options = {
        name: getattr(asked, name)
        for name in ("tokenizer", "revision", "trust_remote_code")
        if getattr(asked, name, None)
    }
    loaded = sees.opened(asked.model, work, **options)
    more = {
        name: getattr(asked, name) for name in ("max_length", "truncation") if getattr(asked, name, None) is not None
    }
    if looking.rows:
        seen = sees.of_rows(work, loaded, rows, looking.rows, **more)
        found.shown.append(seen)
        found.data["sees"] = seen.data
    if looking.forward:
        from byeori.doctor.forward import forward

        ran = forward(work, loaded, rows, **more)
        found.shown.append(ran)
        found.data["forward"] = ran.data


def _rest(rows: Rows) -> tuple[Any, ...]:
    """What `Rows` holds behind its table."""
    import dataclasses

    return tuple(getattr(rows, field.name) for field in dataclasses.fields(rows)[1:])


def of_training(values: dict[str, Any], where: str = "") -> tuple[Any, Any, dict[str, Any]]:
    """(data, task, settings here) of a training's settings; those that change nothing here are left out.

    Raises SettingError for a name that no training has, and where no training data is named.
    """
    task = values.get("task")
    kind = find(str(task)) if task else TASKS[0]
    known, here = settings.names(settings.Train, kind.Training), settings.names(*KINDS)
    for name in values:
        if name not in known:
            raise SettingError(settings.unknown(name, list(known), where))
    if not values.get("train"):
        raise SettingError(f"{where}: it names no training data (train: DATA), so there is nothing to look at.")
    return values["train"], task, {name: value for name, value in values.items() if name in here and name != "output"}


def is_settings(data: Any) -> bool:
    """Whether what stands in the place of the data is a settings file."""
    return isinstance(data, (str, Path)) and str(data).endswith((".yaml", ".yml"))
