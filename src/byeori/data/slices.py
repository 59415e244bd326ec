"""Splits as `datasets` spells them: `train`, `train[:10%]`, `train[100:200]`, `train+validation`, `[:500]`.

Invariants: percentages and places mean what they mean in `datasets` (its own reader of them is asked), and a slice that
holds no row is refused.

    parse("train[:10%]+validation") == (Part("train", "[:10%]"), Part("validation", ""))
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from byeori.data.places import split_of
from byeori.data.rows import FileInfo, Origin, Rows
from byeori.data.wording import count, listed, nearest
from byeori.errors import DataError, SettingError

_NAMES = r"(train|training|dev|devel|valid|validation|val|eval|test)(_(mis)?matched)?"
_PART = re.compile(r"\s*([\w.\-]+)?\s*(\[\s*-?\d*\s*%?\s*:\s*-?\d*\s*%?\s*\])?\s*$")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a `split`: its name ("" where none is said) and its slice as written, with brackets."""

    name: str
    cut: str = ""


def parse(split: str) -> tuple[Part, ...]:
    """The parts of a `split`. Raises SettingError for a spelling that is none."""
    parts = []
    for one in split.split("+"):
        found = _PART.match(one)
        if not one.strip() or not found:
            raise SettingError(
                f"split={split!r}: {one.strip() or 'nothing'!r} names no rows. Spellings: train, train[:10%], "
                f"train[100:200], train+validation."
            )
        parts.append(Part(found.group(1) or "", (found.group(2) or "").replace(" ", "")))
    return tuple(parts)


def is_split(word: str) -> bool:
    """Whether a word spells a split: a slice, a sum, or one of the names that splits go by (`train`, `dev`, …)."""
    try:
        parts = parse(word)
    except SettingError:
        return False
    return len(parts) > 1 or bool(parts[0].cut) or bool(re.fullmatch(_NAMES, word.strip().casefold()))


def name_of(parts: Sequence[Part]) -> str | None:
    """The split that all parts are of, as splits are called here; None where they are of several."""
    names = {split_of(part.name) or part.name or None for part in parts}
    return names.pop() if len(names) == 1 else None


def found_in(name: str, parts: Mapping[str | None, object]) -> str | None:
    """The key that a name stands for: itself, or as splits are called here (`dev` is validation). Raises KeyError."""
    if name in parts:
        return name
    wanted = split_of(name)
    if wanted in parts and (wanted is not None or name == ""):
        return wanted
    if list(parts) == [None] and (name == "" or wanted == "train"):
        return None
    if name == "" and len(parts) == 1:
        return next(iter(parts))
    raise KeyError(name)


def absent(split: str, parts: Sequence[str | None], source: str) -> str:
    """The message for a split that isn't there."""
    names = [part or "train" for part in parts]
    asked = [one.name for one in parse(split)]
    close = next((near for name in asked if (near := nearest(name, names))), None)
    hint = f' Did you mean "{close}"?' if close and close not in asked else ""
    return f'{source}: there is no split "{split}" (--split). There are {listed(names)}.{hint}'


def take(found: Mapping[str | None, Rows], asked: Sequence[Part], source: str, most: int | None = None) -> Rows:
    """The rows of all parts asked for, in the order asked, at most so many of them. Raises DataError for empty slices."""
    from datasets.arrow_reader import ReadInstruction

    pieces, said = [], []
    for part in asked:
        rows = found[found_in(part.name, found)]
        if not part.cut:
            pieces.append(rows)
            continue
        name = part.name or "train"
        spelled = ReadInstruction.from_spec(f"train{part.cut}").to_absolute({"train": len(rows)})[0]
        if spelled.to <= spelled.from_:
            raise DataError(f"{source}: {name}{part.cut} holds no row: there are {count(len(rows), 'row')} (--split).")
        pieces.append(rows.select(np.arange(spelled.from_, spelled.to)))
        said.append(f"{name}{part.cut} is {count(len(pieces[-1]), 'row')} of {len(rows):,}")
    rows = pieces[0] if len(pieces) == 1 else together(pieces, source)
    if most is not None and len(rows) > most:
        rows = rows.select(np.arange(most))
        said.append(f"the first {count(most, 'row')} were taken (--max-rows)")
    rows.notes += [f"{source}: {one}." for one in said]
    return rows


def together(pieces: Sequence[Rows], source: str) -> Rows:
    """Several sets of rows as one, each row with its origin. Raises DataError where their columns differ in kind."""
    import datasets
    import pyarrow as pa

    tables = [piece.table.with_format("arrow")[:] for piece in pieces]
    names = [name for name in tables[0].column_names if all(name in table.column_names for table in tables)]
    try:
        table = pa.concat_tables([table.select(names) for table in tables], promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{source}: the splits can't be laid end to end ({reason}). Read them one by one.") from None
    files: list[FileInfo] = []
    for piece in pieces:
        files += [file for file in piece.origin.files if not any(file is one for one in files)]
    places = {id(file): at for at, file in enumerate(files)}
    file_of = [np.array([places[id(f)] for f in p.origin.files], np.int32)[p.origin.file_of] for p in pieces]
    errors: dict[int, str] = {}
    done = 0
    for piece in pieces:
        errors |= {done + at: why for at, why in piece.errors.items()}
        done += len(piece)
    return dataclasses.replace(
        pieces[0],
        table=datasets.Dataset(table),
        origin=Origin(files, np.concatenate(file_of), np.concatenate([piece.origin.row_of for piece in pieces])),
        notes=list(dict.fromkeys(note for piece in pieces for note in piece.notes)),
        errors=errors,
    )
