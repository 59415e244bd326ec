"""One contestant's round of `byeori bench train`, in a process of its own.

train({"task": "text-classification", "model": "DIR", "given": "DIR", "epochs": 1.0, "seed": 0, "how": {…}, …})["rate"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from byeori.bench import choices, classes, given, language, questions, tagging, writing
from byeori.bench.ours import ours
from byeori.bench.trainer import Recipe
from byeori.errors import DataError, SettingError
from byeori.tasks import TASKS

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.tasks.base import Task

# A plain Trainer a task, as the course has it, and the columns it reads.
TRAINERS: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...]]] = {
    "text-classification": (classes.classes, ("text", "label")),
    "token-classification": (tagging.tagging, ("tokens", "tags")),
    "question-answering": (questions.questions, ("question", "context", "answers")),
    "multiple-choice": (choices.choices, ("text", "choices", "label")),
    "fill-mask": (language.masked, ("text",)),
    "text-generation": (language.causal, ("text",)),
    "translation": (writing.writing, ("source", "target")),
    "summarization": (writing.writing, ("source", "target")),
    "text2text-generation": (writing.writing, ("source", "target")),
}
# Of a task whose own way would give the two other work to do.
ALIKE = {"fill-mask": {"long_texts": "truncate"}}


def train(job: dict[str, Any]) -> dict[str, Any]:
    """{"rate": rows a second, "scores": {name: {"value", "low", "high"}}, "given": the rows' digest, …, what it took}."""
    parts = {name: given.load(job["given"], name) for name in ("train", "test")}
    way = _ours if job["ours"] else _theirs
    found = way(job, parts["train"], parts["test"])
    return {
        **found,
        "rate": len(parts["train"]) * job["epochs"] / max(found["seconds"], 1e-9),
        "given": given.digest(*parts.values()),
        "rows": {name: len(rows) for name, rows in parts.items()},
        "epochs": job["epochs"],
    }


def check_task(task: Task) -> None:
    """Before anything is read: is there a Trainer of this task? Raises SettingError."""
    if task.name not in TRAINERS or type(task) not in TASKS:
        raise SettingError(
            f"task={task.name}: there is no Trainer to train it beside. There is one for {', '.join(TRAINERS)}."
        )


def check_rows(task: Task, rows: Rows) -> None:
    """Before anything runs: does the task's Trainer read such rows? Raises DataError."""
    read, there = TRAINERS[task.name][1], rows.table.column_names
    if not set(read) <= set(there):
        raise DataError(
            f"{rows.origin.where(0)}: the Trainer that {task.name} is trained beside reads {', '.join(read)}; these rows have "
            f"{', '.join(there)}. Give rows of that form."
        )
    if "choices" in there and len({len(one) for one in rows.table["choices"][:]}) > 1:
        raise DataError(
            f"{rows.origin.where(0)}: the Trainer needs as many choices in each row, and here the rows differ. Leave the others out."
        )


def _ours(job: dict[str, Any], train: Rows, test: Rows) -> dict[str, Any]:
    how = job["how"]
    own = {**ALIKE.get(job["task"], {}), **job["own"]}
    settings = {name: how[name] for name in ("batch_size", "order", "precision")}
    with ours(
        job["task"], job["model"], train, test, epochs=job["epochs"], seed=job["seed"], device=job["device"],
        threads=job["threads"], max_length=job["max_length"], **settings, **own,
    ) as (run, took):  # fmt: skip
        return {"scores": run.metrics["test"], "precision": run.engine.precision, **took}


def _theirs(job: dict[str, Any], train: Rows, test: Rows) -> dict[str, Any]:
    import transformers

    from byeori.models.device import device_for, precision_for, set_threads
    from byeori.models.load import take_label_order
    from byeori.tasks import find
    from byeori.train.optimize import learning_rate_for
    from byeori.train.prepare import width

    set_threads(job["threads"])
    device = device_for(job["device"])
    how = dict(job["how"])
    if how["learning_rate"] == "auto":
        how["learning_rate"] = learning_rate_for(
            how["batch_size"], width(transformers.AutoConfig.from_pretrained(job["model"]))
        )
    precision = precision_for(how.pop("precision"), device)
    recipe = Recipe(
        model=job["model"], epochs=job["epochs"], seed=job["seed"], device=device.type, max_length=job["max_length"],
        precision=precision, **how,
    )  # fmt: skip
    task = find(job["task"])(**job["own"])
    task.prepare(train)
    take_label_order(job["model"], task)  # as Byeori's side does: a head that is kept knows its labels by their numbers
    found = TRAINERS[job["task"]][0](recipe, task, train, test)
    return {**found, "precision": precision, "learning_rate": recipe.learning_rate}
