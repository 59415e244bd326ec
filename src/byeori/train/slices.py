"""Scores by length of the input and by where the rows come from: each part's own, with its interval.

Invariants: a row stands in one slice of each kind; the scores are the task's own over the rows of a slice; a slice is of `LEAST`
rows or more, or of all there are of its file; nothing of the rows' texts is stored.

    write_json(folder.slices, slices(ready, "test", judged.predictions, references))

slices.json: {"format", "part", "length": {"slices": [{"low", "high", "rows", "scores"}]}, "file": {"slices": [{"name", "rows",
"scores"}]}, "source": the same, with "column"}. Lengths are tokens a row, cut in fifths of the rows as far as equal lengths allow.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import mapped
from byeori.errors import DataError
from byeori.metrics.intervals import take_rows
from byeori.predict.evaluate import RESAMPLES
from byeori.run import FORMAT

if TYPE_CHECKING:
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore
    from byeori.train.prepare import Ready

BINS = 5
LEAST = 20  # rows of a slice by length
MOST = 12  # files or sources, the largest; the others together


def slices(ready: Ready, part: str, predictions: Any, references: Any) -> dict[str, Any]:
    """What slices.json says of a part that was scored."""
    rows, store = ready.rows[part], ready.stores[part]
    found: dict[str, Any] = {"format": FORMAT, "part": part}
    if not isinstance(predictions, np.ndarray | list) or len(predictions) != len(references):
        return found  # of an own task, which may have them as it likes
    scored = partial(_scored, ready.task, predictions, references, ready.settings.seed)
    given = np.arange(len(references))
    if isinstance(predictions, list):  # a task that writes may leave rows out
        given = np.array([at for at, one in enumerate(predictions) if one is not None], np.int64)
    if len(store) == len(references):
        lengths = mapped.made(len(store), np.int32, partial(_lengths, store))[given]
        edges = fifths(lengths)
        place = np.searchsorted(edges, lengths, side="right")
        several = [given[place == one] for one in range(len(edges) + 1)]
        if len(several) > 1:
            found["length"] = {"slices": [
                {"low": int(lengths[place == one].min()), "high": int(lengths[place == one].max()), **scored(some)}
                for one, some in enumerate(several)
            ]}  # fmt: skip
    origin = rows.origin
    if len(origin) == len(references):
        names = [origin.name(number) for number in range(len(origin.files))]
        if by := _named(names, origin.file_of[given], given, scored):
            found["file"] = {"slices": by}
        if origin.source_of is not None and (by := _named(origin.sources, origin.source_of[given], given, scored)):
            found["source"] = {"column": origin.source_column, "slices": by}
    return found


def fifths(lengths: np.ndarray) -> np.ndarray:
    """Lengths at which a slice begins: int64, rising; none where all rows would be in one, or few in each."""
    bins = min(BINS, len(lengths) // LEAST)
    if bins < 2:
        return np.zeros(0, np.int64)
    wanted = np.quantile(lengths, np.arange(1, bins) / bins, method="higher").astype(np.int64)
    edges, before = [], 0
    ordered = np.sort(lengths)
    for edge in np.unique(wanted).tolist():  # equal lengths stand together
        below = int(np.searchsorted(ordered, edge))
        if below - before >= LEAST and len(lengths) - below >= LEAST:
            edges.append(edge)
            before = below
    return np.array(edges, np.int64)


def _named(names: list[str], place: np.ndarray, given: np.ndarray, scored: Any) -> list[dict[str, Any]]:
    """A slice a name, the largest first; [] where there is but one."""
    counts = np.bincount(place, minlength=len(names))
    order = [one for one in np.argsort(-counts, kind="stable").tolist() if counts[one]]
    if len(order) < 2:
        return []
    made = [{"name": names[one], **scored(given[place == one])} for one in order[:MOST]]
    rest = np.isin(place, order[MOST:])
    if rest.any():
        made.append({"name": None, **scored(given[rest])})
    return made


def _scored(task: Task, predictions: Any, references: Any, seed: int, rows: np.ndarray) -> dict[str, Any]:
    """{"rows", "scores"}, or {"rows", "why"} where these rows alone can't be scored (no answer among them, one class left)."""
    try:
        scores = task.score(take_rows(predictions, rows), take_rows(references, rows), resamples=RESAMPLES, seed=seed)
    except (DataError, ValueError, ZeroDivisionError) as error:
        return {"rows": len(rows), "scores": {}, "why": str(error)}
    return {"rows": len(rows), "scores": scores}


def _lengths(store: TokenStore, block: slice) -> np.ndarray:
    return store.lengths(np.arange(block.start, block.stop))
