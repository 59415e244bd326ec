"""Training, validation and test rows: read, cleaned, the missing ones split off, labels learnt and checked.

Invariants: whatever is split off comes of the training rows alone, by the seed; a source that is named for a part never gives
rows of another one; every part is cleaned alike.

    parts = read_parts(settings, task); parts["train"], parts["validation"], parts["test"]
"""

from __future__ import annotations

import dataclasses
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from byeori.data.clean_mark import Unknown, as_asked
from byeori.data.clean_rows import conjoining, normalized
from byeori.data.cleaning import Cleaner
from byeori.data.rows import Rows
from byeori.errors import DataError
from byeori.settings import Train
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.tasks.base import Task


def read_parts(settings: Train, task: Task) -> dict[str, Rows]:
    """Training, validation and test rows, the missing ones split off; labels learnt and checked."""
    from byeori.data.read import read_splits
    from byeori.data.wish import wanted

    wish = data_wish(settings, task)
    wish.cleaner = Cleaner.of(settings)

    def read(source: Any, wish: Any, names: list[str] | None = None, secret: bool = False) -> dict[str | None, Rows]:
        if isinstance(source, TokenStore):
            source = source.source if source.source is not None else source
        if isinstance(source, TokenStore):
            raise DataError(
                "a token store without its rows can't be split or scored; make it with byeori.encode(rows, …)."
            )
        if isinstance(source, Rows):
            return {None: as_asked(source, wish.cleaner)}
        return read_splits(source, wish, label_names=names, secret=secret, **wanted(task))

    found = read(settings.train, wish, secret=True)
    if settings.split and len(found) == 1:
        found = {"train": next(iter(found.values()))}
    train = found.pop("train", found.pop(None, None))
    if train is None:
        raise DataError(
            f"{_named(settings.train)}: it has the splits {', '.join(map(str, found))}, none of them train. Name one with --split."
        )
    parts = {"train": train}
    for name, source in (("validation", settings.validation), ("test", settings.test)):
        if source is not None:
            others = SimpleNamespace(**{**vars(wish), "split": None})  # --split is of the training source
            parts[name] = _part(read(source, others, getattr(task, "labels", None)), name, source)
        elif name in found:
            parts[name] = found[name]
    for name, rows in parts.items():
        if not len(rows):
            raise DataError(f"the {name} data has no rows.")
    if settings.normalize == "auto" and (parts["train"].cleaner or wish.cleaner).form is None:
        parts = normalized(parts)
    task.cleaning = parts["train"].cleaner
    if task.cleaning and isinstance(task.cleaning.function, Unknown):
        task.cleaning.function("")  # raises: what can't be told to the model must not be learnt from
    if task.cleaning and task.cleaning.form == "nfkc" and (lost := conjoining(parts["train"])):
        parts["train"].notes.append(
            f"{lost:,} texts now have conjoining jamo, which NFKC makes of letters such as ㅋㅋ and ㅠㅠ and few vocabularies know: "
            f"--normalize nfc leaves these letters alone."
        )
    task.prepare(parts["train"])
    task.columns = dict(parts["train"].columns)
    parts = _split_off(parts, settings, task)
    for name, rows in parts.items():
        if name != "train":
            task.check(rows)
    return parts


def _part(given: dict[str | None, Rows], name: str, source: Any) -> Rows:
    """The validation or test rows of a source: its split of this name, or all of one without splits. Raises DataError."""
    if name in given:
        return given[name]
    if len(given) == 1:
        return next(iter(given.values()))
    raise DataError(
        f"{_named(source)}: it has the splits {', '.join(map(str, given))} and none called {name}; training rows must not be scored as "
        f"{name} rows. Name the file of the {name} rows with --{name}, or leave --{name} out: some are then split off."
    )


def _named(source: Any) -> str:
    return str(source) if isinstance(source, str | os.PathLike) else type(source).__name__


def _split_off(parts: dict[str, Rows], settings: Train, task: Task) -> dict[str, Rows]:
    from byeori.data.split import split_indices

    sizes = {
        "validation": 0.0 if "validation" in parts else settings.validation_size,
        "test": 0.0 if "test" in parts else settings.test_size,
    }
    if not any(sizes.values()):
        return parts
    rows = parts["train"]
    classes = task.strata(rows)
    single = classes is not None
    seed = settings.seed if settings.split_seed is None else settings.split_seed
    cut = split_indices(
        len(rows) if classes is None else classes, sizes["validation"], sizes["test"], seed,
        groups=task.groups(rows), stratify=single,
    )  # fmt: skip
    made = {"train": rows.select(cut["train"])}
    for name in ("validation", "test"):
        if name in parts:
            made[name] = parts[name]
        elif name in cut:
            made[name] = rows.select(cut[name])
            made[name].cleaned = {}  # counted once, with the training rows
            made[name].notes = [f"split off the training rows (seed {seed}{', stratified' if single else ''})"]
    return made


def data_wish(settings: Any, task: Task) -> SimpleNamespace:
    """The settings reading asks for, under the names it knows."""
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    own = {f.name: getattr(task.settings, f.name) for f in dataclasses.fields(task.settings)}
    return SimpleNamespace(**{**values, **own, "revision": values.get("data_revision")})
