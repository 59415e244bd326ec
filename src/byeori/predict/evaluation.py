"""An evaluation kept as a folder: what a comparison needs of a model on some rows, when no training measured it there.

Layout: evaluation.json (the model, and its task as byeori.json has it), metrics.json, data.json, settings.yaml, predictions/ as in a
run. Any model can be put beside any other so: a run on a later test, one of the Hub beside one of ours.

    keep(place, run, "test.tsv", rows, references, judged, predictions)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import tasks
from byeori.errors import SettingError
from byeori.predict import measured
from byeori.run import FORMAT, RunFolder, dumps, write_json, write_text

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.evaluate import Judged
    from byeori.predict.run import Run

NAME = "evaluation.json"
PART = "test"


def check(output: str | Path) -> RunFolder:
    """Raises SettingError for a folder that holds something."""
    folder = RunFolder(output)
    if folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
        raise SettingError(f"output {output}: it exists and isn't empty. Give another name with --output.")
    return folder


def keep(
    folder: RunFolder, run: Run, data: Any, rows: Rows, references: Any, judged: Judged, predictions: list[Any]
) -> None:
    """Write the folder; metrics.json last, without which it counts as half-finished."""
    import yaml

    task = run.task
    model = str(run.path) if run.path is not None else str(getattr(run.model.config, "_name_or_path", "") or "")
    said = {"task": task.name, "model": model, "test": str(data) if isinstance(data, str | Path) else None}
    length = {"max_length": run.engine.encoder.max_length, "precision": run.engine.precision}
    write_text(folder.settings, yaml.safe_dump({**said, **length}, allow_unicode=True, sort_keys=False))
    write_json(folder.path / NAME, {"format": FORMAT, **said, "own_task": tasks.source(task), "state": task.state()})
    files = [{"path": one.path, "rows": one.rows, "sha256": one.sha256} for one in rows.origin.files]
    cleaning = task.cleaning.saved() if task.cleaning else None
    write_json(
        folder.data, {"format": FORMAT, "parts": {PART: {"rows": len(rows), "files": files}}, "cleaning": cleaning}
    )
    lines = (
        dumps({"row": row + 1, "prediction": one, "reference": task.named(references[row])}) + "\n"
        for row, one in enumerate(predictions)
    )
    write_text(folder.predictions / f"{PART}.jsonl", "".join(lines))
    measured.write(measured.path_of(folder.predictions, PART), task, rows.table, references, judged)
    found = {
        "format": FORMAT,
        "task": task.name,
        "headline": task.best,
        PART: judged.scores,
        "of_class": judged.of_class,
    }
    write_json(folder.metrics, found)
