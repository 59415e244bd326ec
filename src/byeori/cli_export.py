"""The command that exports a model.

byeori export run --to onnx --precision int8 --output exported
"""

from __future__ import annotations

from typing import Any

import click

from byeori.commandline import SCORING, Settings, common, given, told, used_task
from byeori.predict.options import TOLD, Exporting, Reading, Using
from byeori.run import dumps


@click.command(
    cls=Settings,
    kinds=(Exporting, ("Training", SCORING), "Columns", Reading, Using, ("Training", TOLD)),
    without=("device", "pad_to", "threads", "max_rows"),
    first=("to", "precision", "output"),
    needed="What it becomes",
)
@click.argument("model", metavar="MODEL_OR_RUN", required=False)
@used_task
@common
def export(model: str | None, as_json: bool, **values: Any) -> None:
    """Write a model for ONNX Runtime or CTranslate2, complete, and judge it by scoring the same rows again.

    What is written runs by `byeori predict`, `evaluate` and in Python without torch. A headline score that gets worse by more than
    --tolerance ends with exit code 4, and no folder. A settings file in the place of MODEL_OR_RUN may say all of it.
    """
    import byeori
    from byeori.predict.export import lines
    from byeori.train.progress import progress_for

    values = told({"model": model}, values)
    found = byeori.export(values.pop("model"), note=progress_for(as_json).note, **given(values))
    print(dumps(found) if as_json else "\n".join(lines(found)))
