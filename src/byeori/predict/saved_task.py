"""The task a model folder was made for, from the byeori.json beside its weights; without the model.

task, meta = load_task("run/model")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from byeori import tasks
from byeori.errors import ModelError
from byeori.models.checks import explain
from byeori.run import read_json


def load_task(
    folder: str, asked: tasks.Task | type[tasks.Task] | str | None = None, revision: str | None = None
) -> tuple[tasks.Task | None, dict[str, Any]]:
    """The task a model folder or Hub model was trained for, and its byeori.json; (None, {}) where it has none.

    A model made with somebody's own task needs that task given again: no code runs out of a run folder.
    Raises ModelError, also where there is no such model.
    """
    path = Path(folder) / "byeori.json" if Path(folder).is_dir() else _of_hub(folder, revision)
    if path is None or not path.is_file():
        return None, {}
    meta = read_json(path)
    own = meta.get("own_task")
    if isinstance(asked, tasks.Task):
        kind: type[tasks.Task] = type(asked)
    elif isinstance(asked, type):
        kind = asked
    elif own is not None:
        if not (isinstance(asked, str) and ".py:" in asked):
            raise ModelError(
                f"{folder}: it was trained with an own task, {own['class']} of {own['file']}, whose code is not in the folder. "
                f"Give it: --task {own['file'] or 'FILE.py'}:{own['class']}."
            )
        kind = tasks.find(asked)
    else:
        kind = tasks.find(meta["task"])
    wanted = tasks.find(asked) if isinstance(asked, str) and ".py:" not in asked else kind
    if wanted.name != meta["task"]:
        if not {"*", meta["task"]} & set(wanted.models_of):
            raise ModelError(f"{folder}: this model was trained for {meta['task']}, not for {wanted.name}.")
        # What the other task learnt says nothing to this one; how long its texts were does.
        return (asked if isinstance(asked, tasks.Task) else wanted()), {
            name: meta[name] for name in ("decoding", "cleaning") if name in meta
        }
    task = kind.from_state(meta["state"])
    task.columns = meta.get("columns", {})
    return task, meta


def _of_hub(name: str, revision: str | None) -> Path | None:
    """byeori.json of a model on the Hub, None for one that Byeori didn't make. Raises ModelError if there is no model."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled

    from byeori.models.load import quiet

    with quiet(), explain(name, name):
        hf_hub_download(name, "config.json", revision=revision)
        try:
            return Path(hf_hub_download(name, "byeori.json", revision=revision))
        except (EntryNotFoundError, OfflineModeIsEnabled):
            return None
