"""Lines at the bottom of a terminal that stay in place, under what is printed.

Invariants: all that is written while they stand goes through here, prints, warnings and log lines of libraries included, and
comes above them, whole line by whole line; a refresh writes over what stands there and never clears it first, in one write, so that
nothing flickers; a terminal that is made narrower wraps the old lines, and all their parts are taken back.

    region = Region(console, lambda width, height: [Text("42%")]); region.start(); region.print("a line"); region.stop()
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, RLock, Thread
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment
from rich.text import Text

A_SECOND = 1  # refreshes: what moves more often is not read, and on a busy machine costs more than a percent


def _erase_below() -> Control:
    """To the end of the screen; rich has no name for it."""
    made = Control()
    made.segment = Segment("\x1b[J", None, [(ControlType.ERASE_IN_LINE, 0)])
    return made


ERASE_BELOW = _erase_below()


class _Written:
    """Lines over what stands there, for one print: a print of each takes five times as long."""

    def __init__(self, lines: list[Text], up: int):
        self.lines, self.up = lines, up

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        erase = Control((ControlType.ERASE_IN_LINE, 0)).segment
        for place, line in enumerate(self.lines):
            if place:
                yield Segment.line()
            yield from line.render(console)
            yield erase
        if self.up:
            yield Control((ControlType.CURSOR_UP, self.up)).segment


class Region:
    """`lines(width, height)`: what stands there, for a terminal of that size; none of them wider than `width` - 1."""

    def __init__(self, console: Console, lines: Callable[[int, int], list[Text]], redirect: bool = True):
        self.console, self.lines, self.redirect = console, lines, redirect
        self.widths: list[int] = []  # of the lines that stand there
        self.width = console.width  # of the terminal when they were written
        self.seconds = 0.0  # that the thread has taken of a processor
        self._lock = RLock()
        self._over = Event()
        self._thread: Thread | None = None
        self._taken: list[Callable[[], None]] = []  # gives streams back

    def start(self) -> None:
        if self.redirect:
            self._take("stdout")
            self._take("stderr")
        self.console.show_cursor(False)
        self.refresh()
        self._thread = Thread(target=self._refreshing, daemon=True, name="byeori-view")
        self._thread.start()

    def print(self, *what: Any, **how: Any) -> None:
        """Above the lines; arguments as of rich's Console.print."""
        with self._lock, self.console:
            self._clear()
            self.console.print(*what, **how)
            self._write()

    def refresh(self) -> None:
        with self._lock, self.console:
            self._up()
            self._write()

    def stop(self) -> None:
        """The lines go; what was printed stays."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        for give_back in self._taken:
            give_back()
        with self._lock, self.console:
            self._clear()
            self.console.show_cursor(True)

    def _refreshing(self) -> None:
        while not self._over.wait(1 / A_SECOND):
            self.refresh()
            self.seconds = time.thread_time()

    def _rows(self) -> int:
        """How many rows of the terminal the lines take, now that it may be narrower."""
        width = max(1, self.console.width)
        return sum(max(1, -(-one // width)) for one in self.widths)

    def _up(self) -> None:
        """To where the lines begin."""
        if rows := self._rows():
            up = [(ControlType.CURSOR_UP, rows - 1)] if rows > 1 else []
            self.console.control(Control(ControlType.CARRIAGE_RETURN, *up))
            if self.console.width != self.width:  # what is written over would still count as one wrapped line
                self.console.control(ERASE_BELOW)

    def _clear(self) -> None:
        if rows := self._rows():
            up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * (rows - 1)
            self.console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))
        self.widths = []

    def _write(self) -> None:
        width, height = self.console.size
        new = self.lines(width, height)
        for line in new:
            line.rstrip()  # some terminals wrap spaces at an end, some don't
        below = max(0, self._rows() - len(new))  # rows of former or wrapped lines under the new ones
        self.console.print(_Written([*new, *[Text()] * below], below), end="", crop=False)
        self.widths, self.width = [line.cell_len for line in new], width

    # what others write ------------------------------------------------------------------------------------------
    def _take(self, name: str) -> None:
        """Have sys.stdout or sys.stderr, where it is a terminal, and the loggers that write to it, write above the lines."""
        stream = getattr(sys, name)
        if not getattr(stream, "isatty", lambda: False)():
            return
        ours = Above(stream, self)
        setattr(sys, name, ours)
        handlers = [one for one in _handlers() if one.stream is stream]
        for one in handlers:
            one.setStream(ours)

        def give_back() -> None:
            ours.end()
            if getattr(sys, name) is ours:
                setattr(sys, name, stream)
            for one in handlers:
                if one.stream is ours:
                    one.setStream(stream)

        self._taken.append(give_back)


class Above(io.TextIOBase):
    """A stream whose whole lines are printed above a region; of a line that is written over (\\r) the last state."""

    def __init__(self, stream: Any, region: Region):
        self._stream, self._region, self._begun = stream, region, ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        self._begun = self._begun.rpartition("\r")[2] if not self._begun.endswith("\r") else self._begun
        if whole:
            shown = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in whole)
            self._region.print(Text.from_ansi(shown), soft_wrap=True)
        return len(text)

    def end(self) -> None:
        if self._begun.strip():
            self.write("\n")

    def flush(self) -> None:
        """Nothing: a line that has not ended would stand where the lines below it are."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding


def _handlers() -> Iterator[Any]:
    """Those of all loggers that write to a stream."""
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                yield handler
