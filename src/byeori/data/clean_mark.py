"""What `byeori.read` cleaned, kept where a data set keeps it: in its description, which map, filter, select, shuffle,
train_test_split and save_to_disk hand on. So a training on it neither cleans twice nor forgets to tell the model.

Invariants: rows are taken for cleaned only in the columns that were; what else is in the description stays.

    of(mark(rows.table, rows)) == {"clean": ["html"], "function": None, "normalize": None, "columns": ["text"]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.data.clean_function import source as file_of
from byeori.data.clean_rows import cleaned
from byeori.data.cleaning import LISTS, TEXTS, Cleaner
from byeori.data.wording import listed
from byeori.errors import SettingError

if TYPE_CHECKING:
    import datasets

    from byeori.data.rows import Rows

MARK = "Cleaned by byeori.read: "
ROLES = (*TEXTS, *LISTS, "messages")


@dataclass(frozen=True)
class Unknown:
    """An own function of which only the name and hash came with the rows."""

    name: str

    def __call__(self, text: str) -> str:
        raise SettingError(
            f"clean_function: these rows were cleaned by an own function, {self.name}, when byeori.read read them. Give the same "
            f"clean_function here, so that what is predicted is cleaned alike."
        )


def mark(table: datasets.Dataset, rows: Rows) -> datasets.Dataset:
    """The table of rows that were cleaned with that in its description; that of others as it is."""
    if rows.cleaner:
        said = {**rows.cleaner.saved(), "columns": [name for name in table.column_names if name in ROLES]}
        others = [line for line in (table.info.description or "").splitlines() if not line.startswith(MARK)]
        table.info.description = "\n".join([*others, MARK + json.dumps(said, ensure_ascii=False)])
    return table


def of(given: Any) -> dict[str, Any] | None:
    """What was done to a data set, a dict of them, or a folder that one was saved to; None for anything else."""
    if isinstance(given, Mapping):
        return next((found for one in given.values() if (found := of(one)) is not None), None)
    if isinstance(given, (str, Path)):
        text = _saved(Path(given).expanduser()) if len(str(given)) < 1000 else ""
    else:
        text = getattr(getattr(given, "info", None), "description", None) or ""
    lines = [line for line in str(text).splitlines() if line.startswith(MARK)]
    return json.loads(lines[-1].removeprefix(MARK)) if lines else None


def _saved(folder: Path) -> str:
    """The description of a folder of `save_to_disk`."""
    if not os.path.isdir(folder):  # which is no error for a name that can't be one
        return ""
    try:
        for file in (folder / "dataset_info.json", *sorted(folder.glob("*/dataset_info.json"))):
            if file.is_file():
                return json.loads(file.read_text(encoding="utf-8")).get("description") or ""
    except (OSError, ValueError, AttributeError):
        return ""  # said where the folder is read
    return ""


def taken(rows: Rows, done: Mapping[str, Any], asked: Cleaner) -> Rows:
    """Rows of a marked data set, not cleaned yet in this reading → cleaned as asked, once. Raises SettingError."""
    columns = {role: column for role, column in rows.columns.items() if role in ROLES}
    every = [one for column in columns.values() for one in ([column] if isinstance(column, str) else column)]
    others = [one for one in every if one not in done["columns"]]
    if len(others) == len(every):
        return cleaned(rows, asked)
    if others:
        raise SettingError(
            f"clean: of these rows {listed(done['columns'])} was cleaned when byeori.read read them, and {listed(others)} not. Read them "
            f"without clean, and give it to the training."
        )
    function: Any = None
    if (own := done["function"]) is not None:
        same = asked.function is not None and file_of(asked.function)["sha256"] == own["sha256"]
        function = asked.function if same else Unknown(f"{own['file'] or 'FILE.py'}:{own['function']}")
    before = Cleaner(tuple(done["clean"]), function, done["normalize"])
    return as_asked(replace(rows, cleaner=before), asked)


def as_asked(rows: Rows, asked: Cleaner) -> Rows:
    """Rows that were read before, cleaned if they were not. Raises SettingError where they were cleaned in another way."""
    done = rows.cleaner or Cleaner()
    if asked.alone and done.alone and asked.alone != done.alone:
        raise SettingError(
            "clean: these rows were cleaned already, and in another way, when they were read. Leave clean and clean_function out, "
            "or read the rows without."
        )
    if asked.form is not None and done.form == "nfkc" != asked.form:
        raise SettingError(
            f"normalize: these rows became NFKC when they were read, which {asked.form.upper()} can't take back. Leave normalize out, "
            f"or read the rows without."
        )
    left = asked if not done.alone else Cleaner()
    return cleaned(rows, replace(left, form=None if asked.form == done.form else asked.form))
