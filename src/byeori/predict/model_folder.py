"""A trained model → an ordinary transformers folder, with byeori.json beside it.

save_model(folder, model, tokenizer, task, decoding={"max_length": 128, "truncation": "head"})
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import byeori
from byeori import tasks
from byeori.data.cleaning import Cleaner
from byeori.models import adapters
from byeori.models.checks import find_folder
from byeori.models.embedding import full_weights
from byeori.models.load import quiet
from byeori.run import FORMAT, read_json, refusals, write_folder, write_json
from byeori.text.normalizer import holds


def save_model(
    folder: Path, model: Any, tokenizer: Any, task: tasks.Task, decoding: dict[str, Any], step: int | None = None,
    weights: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write model/ whole, of an update `step`. It loads with `AutoModel…from_pretrained` and no Byeori.

    `weights`: by name, adapters merged, where the model at hand holds but a share of them.
    """

    def fill(path: Path) -> None:
        with refusals(path):
            write_files(path, model, tokenizer, task, decoding, step, weights)

    write_folder(folder, fill)


def write_files(
    folder: Path, model: Any, tokenizer: Any, task: tasks.Task | None, decoding: dict[str, Any], step: int | None = None,
    weights: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """The files of `save_model` into a folder that is there, whose others stay; without `task` no byeori.json."""
    adapter = adapters.adapter_of(model)
    alone: dict[str, Any] = {}
    with quiet():
        if adapter is not None and adapter.alone:
            alone = {"adapter": adapters.save_alone(folder, model)}
        else:
            with nullcontext() if weights is not None else adapters.merged(model), full_weights(model):
                model.save_pretrained(folder, state_dict=weights)
        tokenizer.save_pretrained(folder)
    if task is None:
        return
    write_json(folder / "byeori.json", {
        "format": FORMAT,
        "byeori": byeori.__version__,
        "task": task.name,
        "own_task": tasks.source(task),
        "state": task.state(),
        "cleaning": cleaning_of(task, tokenizer),
        "columns": {role: column for role, column in task.columns.items() if role in task.roles},
        "decoding": decoding,
        "step": step,
        **alone,
    })  # fmt: skip


def cleaning_of(task: tasks.Task, tokenizer: Any) -> dict[str, Any] | None:
    """What is done to texts before they are tokenized, for byeori.json; `normalizer`: what does the Unicode form."""
    if not task.cleaning:
        return None
    held = holds(tokenizer, task.cleaning.form)
    return {**task.cleaning.saved(), "normalizer": ("tokenizer" if held else "text") if task.cleaning.form else None}


def cleaned_before(name: Any, cleaner: Cleaner) -> str | None:
    """The sentence for a model that was trained on texts cleaned by steps that its further training leaves out."""
    path = Path(find_folder(str(name))) / "byeori.json" if isinstance(name, str | Path) else None
    saved = (read_json(path).get("cleaning") if path is not None and path.is_file() else None) or {}
    lost = [step for step in saved.get("clean") or () if step not in cleaner.steps]
    own = saved.get("function") if cleaner.function is None else None
    if not lost and not own:
        return None
    flags = [f"--clean {','.join([*lost, *cleaner.steps])}"] if lost else []
    flags += [f"--clean-function {own['file'] or 'FILE.py'}:{own['function']}"] if own else []
    return f"{name} was trained on texts that were cleaned, and these are not so: {' '.join(flags)} does it."
