"""What a broken file is, and what must come of it: read right to the last value, or refused in one sentence that helps.

Case("empty", file("a.csv", b""), Stops("the file is empty"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byeori.errors import ByeoriError, DataError

Table = Mapping[str, Sequence[Any]]

TEXTS = ("재미있다", "지루했다", "The best film", "Not for me", "또 보고 싶다", "돈이 아깝다")
LABELS = ("good", "bad", "good", "bad", "good", "bad")
PAIRS = tuple(zip(TEXTS, LABELS, strict=True))
ROWS: Table = {"text": TEXTS, "label": LABELS}


def without(*numbers: int, table: Table = ROWS) -> Table:
    """The good rows but for those of these 1-based numbers."""
    return {role: [v for at, v in enumerate(values, 1) if at not in numbers] for role, values in table.items()}


def changed(row: int, value: Any, role: str = "text", table: Table = ROWS) -> Table:
    """The good rows with another value in one place."""
    return {
        name: [value if name == role and at == row else v for at, v in enumerate(values, 1)]
        for name, values in table.items()
    }


@dataclass(frozen=True)
class Reads:
    """Exactly these values by role, in this order; `said`: pieces of the notes."""

    table: Table
    said: Sequence[str] = ()


@dataclass(frozen=True)
class Stops:
    """A refusal that holds all of `said`. row, line: the number it names.

    rest: of bad rows that can be left out: the table that stays with --skip-bad-rows; bad: the numbers of those left out.
    file: what the message calls the data, by default the name of the file.
    """

    said: str | Sequence[str]
    row: int | None = None
    line: int | None = None
    bad: Sequence[int] = ()
    rest: Table | None = None
    error: type[ByeoriError] = DataError
    file: str | None = None

    def __post_init__(self) -> None:
        assert all(self.words) and self.words, "a refusal is told by its words"

    @property
    def words(self) -> Sequence[str]:
        return (self.said,) if isinstance(self.said, str) else self.said


@dataclass(frozen=True)
class Case:
    """make: folder → source. learn: the task learns its labels from the rows too, as before a training."""

    name: str
    make: Callable[[Path], Any]
    want: Reads | Stops
    task: str = "text-classification"
    settings: Mapping[str, Any] = field(default_factory=dict)
    learn: bool = False


def file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    """A maker of one file; a text is written in UTF-8."""
    raw = content.encode() if isinstance(content, str) else content

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(raw)
        return path

    return make


def files(contents: Mapping[str, str | bytes], source: str) -> Callable[[Path], str]:
    """A maker of several; source: what is asked for, with {} for the folder."""

    def make(folder: Path) -> str:
        for name, content in contents.items():
            file(name, content)(folder)
        return source.replace("{}", str(folder))

    return make


def bad_row(row: int, *said: str, table: Table = ROWS, more: Sequence[int] = ()) -> Stops:
    """Stops at a row; without it (and `more`) the rest of the good rows stays."""
    return Stops(said, row=row, bad=(row, *more), rest=without(row, *more, table=table))
