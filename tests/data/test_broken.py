"""Every broken file is read right to the last value, or refused in one sentence with file, row and advice; in time."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from broken import CASES, TABLES
from broken.case import Case, Reads, Stops, Table
from byeori.data import files
from byeori.data.read import read_splits
from byeori.data.wish import wanted
from byeori.errors import ByeoriError
from byeori.settings import names
from byeori.tasks import find

SECONDS = 10
# What a person is told to do: a flag, or an action on the data.
ADVICE = re.compile(
    r"--[a-z]|Did you mean|\b([Ss]ave|[Ff]ix|[Nn]ame|[Uu]npack|[Gg]ive|[Mm]ake|[Ww]rite|[Dd]rop|[Cc]ut|[Ff]etch|[Aa]dd|[Ll]eave|[Ii]nstall|"
    r"[Cc]heck|[Cc]lose|[Cc]ount|[Cc]orrect|[Oo]pen|[Rr]emove|[Ss]horten|[Dd]ownload|[Ss]tart|wanted|need|should|is empty|no row)\b"
)


class Hung(BaseException):
    """Nobody catches it on the way."""


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """No case may hang, not even in a call of the system."""

    def stop(*_: Any) -> None:
        raise Hung(f"not done after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAIT", 0.2)


def read(case: Case, source: Any, on_bad: str | None = None, **more: Any) -> Any:
    """As a training reads it."""
    known = names(find(case.task).Training)
    task = find(case.task)(**{name: value for name, value in case.settings.items() if name in known})
    settings = SimpleNamespace(**case.settings, **more)
    parts = read_splits(source, settings, **wanted(task, labels=True), on_bad=on_bad, judged=True)
    (rows,) = parts.values()
    if case.learn:
        task.prepare(rows)
    return rows


def table(rows: Any, like: Table) -> dict[str, list[Any]]:
    return {role: list(rows.table[role]) for role in like}


def plain(like: Table) -> dict[str, list[Any]]:
    return {role: list(values) for role, values in like.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_file(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    source = case.make(tmp_path)
    want = case.want
    if isinstance(want, Reads):
        rows = read(case, source)
        assert table(rows, want.table) == plain(want.table)
        notes = " ".join(rows.notes)
        assert all(piece in notes for piece in want.said), notes
        return
    with pytest.raises(ByeoriError) as stopped:
        read(case, source)
    refused(want, stopped.value, source)


def refused(want: Stops, error: ByeoriError, source: Any) -> None:
    said = str(error)
    assert isinstance(error, want.error) and error.exit_code == want.error.exit_code, said
    assert "\n" not in said and len(said) < 1500, "one paragraph"
    assert (Path(str(source)).name if want.file is None else want.file) in said, said
    assert all(piece in said for piece in want.words), said
    assert ADVICE.search(said), said
    if want.row is not None:
        found = re.search(r"\brow ([\d,]+)", said)
        assert found and int(found[1].replace(",", "")) == want.row, said
    if want.line is not None:
        found = re.search(r"\bline ([\d,]+)", said)
        assert found and int(found[1].replace(",", "")) == want.line, said


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if isinstance(case.want, Stops) and case.want.rest])
def test_its_good_rows_stay(name: str, tmp_path: Path) -> None:
    """Without the bad ones, which are counted; or with them in their places."""
    case = CASES[name]
    want, source = case.want, case.make(tmp_path)
    assert isinstance(want, Stops) and want.rest is not None
    rows = read(case, source, skip_bad_rows=True)
    assert table(rows, want.rest) == plain(want.rest)
    bad = list(want.bad)
    assert rows.origin.row_of.tolist() == [n for n in range(1, len(rows) + len(bad) + 1) if n not in bad]
    assert re.search(
        rf"\b{len(bad)} \w+( that can't be (read|used)| with broken bytes)? ?.*left out", " ".join(rows.notes)
    ), rows.notes
    rows = read(case, source, on_bad="keep")
    assert [at + 1 for at in sorted(rows.errors)] == bad
    assert rows.origin.row_of.tolist() == list(range(1, len(rows) + 1))
    kept = rows.select([at for at in range(len(rows)) if at + 1 not in bad])
    assert table(kept, want.rest) == plain(want.rest)


def test_the_battery_is_large_enough() -> None:
    assert len(CASES) == sum(map(len, TABLES.values())) >= 120, "no name stands twice"
