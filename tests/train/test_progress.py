"""What is shown while rows are tokenized: a bar where it takes long, lines in a pipe, nothing with --json."""

from __future__ import annotations

import io

import pytest

from byeori.train import progress
from byeori.train.live import Live
from byeori.train.progress import JsonLines, Progress, Quiet


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when they are told to."""
    now = [1_000.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])

    def go(seconds: float) -> None:
        now[0] += seconds

    return go


def run(view: Progress, clock, seconds: float, parts: int = 2) -> str:
    """Parts of 10 chunks, each part taking so many seconds, with as many between them."""
    for _ in range(parts):
        clock(seconds)
        for done in range(11):
            view.encoding(done * 100, 1_000)
            clock(seconds / 10)
    return view.file.getvalue()


def test_lines_come_where_it_takes_long(clock):
    assert run(Progress(io.StringIO()), clock, progress.SILENCE * 0.9) == ""
    lines = run(Progress(io.StringIO()), clock, progress.SILENCE * 4).splitlines()
    assert 4 <= len(lines) <= 8 and lines[0] == "  300 of 1,000 rows tokenized"


def test_a_bar_comes_after_a_while_and_goes(clock):
    assert run(Live(Terminal()), clock, progress.SHORT * 0.8) == ""
    view = Live(Terminal())
    shown = run(view, clock, progress.SHORT * 20)
    assert "rows tokenized" in shown and "1,000" in shown and view.live is None


def test_nothing_is_written_where_lines_are_results(clock):
    for kind in (JsonLines, Quiet):
        assert run(kind(io.StringIO()), clock, 1_000.0) == ""
