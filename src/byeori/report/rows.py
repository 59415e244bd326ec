"""The texts a run was trained and scored on: from its data where that still lies, from its samples and predictions in any case.

Invariants: columns of right answers that are no texts (labels, tags) are left out; nothing is fetched from anywhere; a source
that can't be read is named, with the reason.

    for name, rows in sources(RunFolder("run"), missing): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori.errors import ByeoriError
from byeori.report.facts import file_name
from byeori.run import RunFolder

if TYPE_CHECKING:
    from byeori.data.rows import Sheet

NO_TEXTS = ("label", "tags", "id", "references", "entities")  # roles; references are targets again
READING = ("separator", "encoding", "header", "field", "sheet", "missing", "allow_pickle")
MOST_BYTES = 2 << 30  # of a file; reading takes a second for each 100 MB or so
AT_ONCE = 4096


def sources(run: RunFolder, missing: list[str]) -> Iterator[tuple[str, Iterator[Any]]]:
    """(its name, its rows: texts, or values with texts in them) of each source; in `missing` a sentence for each that isn't there."""
    from byeori.report.lines import Lines

    for path in (run.samples, run.watched, *sorted(run.predictions.glob("*.jsonl"))):
        if path.is_file():
            lines = Lines.found(path, missing, run.path, none=path == run.samples)
            yield str(path.relative_to(run.path)), _told(lines)
    yield from _data(run, missing)


def labels(run: RunFolder) -> list[str]:
    """Names of labels: these stand in config.json by right."""
    from byeori.report.facts import read_facts

    facts = read_facts(run)
    return [str(one) for one in facts.labels or ()]


def _told(lines: Any) -> Iterator[Any]:
    """What people wrote of each line; what the model wrote is no row, but for a model that writes back what it read."""
    for line in lines:
        yield [line.get("inputs"), line.get("reference"), line.get("prediction")]


def _data(run: RunFolder, missing: list[str]) -> Iterator[tuple[str, Iterator[Any]]]:
    from byeori.data.sources import is_hub
    from byeori.data.urls import is_url
    from byeori.settings import load_yaml

    if not run.settings.is_file():
        missing.append("settings.yaml is missing, so the rows of the data could not be looked for.")
        return
    values = load_yaml(run.settings)
    asked = SimpleNamespace(**{name: values.get(name) for name in READING})
    columns = _columns(run)
    for part in ("train", "validation", "test"):
        for source in _listed(values.get(part)):
            shown = file_name(source)
            if is_url(source) or is_hub(source) or source == "-" or source.startswith("<"):
                missing.append(f"the {part} data ({shown}) is no file here: its rows could not be looked for.")
            elif (path := Path(source).expanduser()).is_file() and path.stat().st_size > MOST_BYTES:
                missing.append(f"{shown} is larger than {MOST_BYTES >> 30} GiB: its rows were not looked for.")
            else:
                found = _sheets(source, asked, missing)
                yield from ((shown, _texts(sheet, columns)) for sheet in found)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [one for one in value or () if isinstance(one, str)]


def _columns(run: RunFolder) -> set[str]:
    """The columns that held texts, by data.json."""
    import json

    if not run.data.is_file():
        return set()
    try:
        parts = json.loads(run.data.read_text(encoding="utf-8"))["parts"].values()
        named = [(role, one) for part in parts for role, one in (part.get("columns") or {}).items()]
    except (ValueError, KeyError, AttributeError, TypeError):
        return set()
    return {column for role, one in named if role not in NO_TEXTS for column in _listed(one)}


def _sheets(source: str, asked: Any, missing: list[str]) -> list[Sheet]:
    from byeori.data.sources import sheets
    from byeori.data.wish import Wish

    try:
        found = sheets(source, Wish(asked, (), ()))
    except (ByeoriError, OSError, ValueError) as error:
        gone = not Path(source).expanduser().exists()
        why = "is not where it was" if gone else f"can't be read any more ({' '.join(str(error).split())[:120]})"
        missing.append(f"{file_name(source)} {why}: its rows could not be looked for.")
        return []
    return [sheet for several in found.values() for sheet in several]


def _texts(sheet: Sheet, columns: set[str]) -> Iterator[Any]:
    """A row's values of the columns that hold texts; of all columns where none goes by such a name."""
    names = [name for name in sheet.columns if name in columns] or list(sheet.columns)
    for first in range(0, sheet.rows, AT_ONCE):
        parts = [sheet.columns[name][first : first + AT_ONCE] for name in names]
        held = [part.to_pylist() if hasattr(part, "to_pylist") else part for part in parts]
        yield from ([value for value in row if not isinstance(value, int | float)] for row in zip(*held, strict=False))
