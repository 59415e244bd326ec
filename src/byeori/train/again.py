"""The rows of a finished run, read again from where its settings say they are, and split as they were.

rows = judged_rows("run")       # the validation rows, else the test rows; None for what is no run folder
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings
from byeori.run import RunFolder
from byeori.settings import Train
from byeori.tasks import named

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.tasks.base import Task


def judged_rows(run: str | Path, task: Task | type[Task] | str | None = None) -> Rows | None:
    """Labelled rows that the run did not learn from. Raises DataError, SettingError for data that isn't as it was."""
    from byeori.train.parts import read_parts

    folder = RunFolder(run)
    if not folder.settings.is_file():
        return None
    values = settings.load_yaml(folder.settings)
    name: Any = task or values.pop("task")
    kind: type[Task]
    kind, carried = named(name) if isinstance(name, str) else (name if isinstance(name, type) else type(name), {})
    own = settings.names(kind.Training)
    known = settings.names(Train)
    work = kind(**carried, **{one: value for one, value in values.items() if one in own and one not in carried})
    (asked,) = settings.read({one: value for one, value in values.items() if one in known and one != "task"}, Train)
    parts = read_parts(asked, work)
    return parts.get("validation") or parts.get("test")
