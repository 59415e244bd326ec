"""The view on a terminal: lines of constant widths at the bottom, what others print above them, whole."""

from __future__ import annotations

import io
import logging
import math
import sys
import warnings

import pytest
from rich.cells import cell_len

from byeori.train.curve import SPARKS, Curve, spark
from byeori.train.live import Live


class Terminal(io.StringIO):
    """What a terminal shows: lines, and a place in them; knows the few signs that the view writes."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines, row, at = [""], 0, 0
        text = self.getvalue()
        while text:
            if text.startswith("\x1b["):
                body = text[2:]
                end = next(i for i, sign in enumerate(body) if sign.isalpha())
                code, number, text = body[end], body[:end], body[end + 1 :]
                if code == "A":
                    row -= int(number or 1)
                    assert row >= 0, "it writes above where it began"
                elif code == "K":
                    lines[row] = "" if number == "2" else lines[row][:at]
                elif code not in "mhl":
                    raise AssertionError(code)
                continue
            sign, text = text[0], text[1:]
            if sign == "\n":
                row, at = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif sign == "\r":
                at = 0
            else:
                lines[row] = lines[row][:at].ljust(at) + sign + lines[row][at + 1 :]
                at += 1
        return lines


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    return Terminal()


def record(step: int, **values) -> dict:
    return {
        "step": step, "epoch": step / 40, "loss": 0.5, "learning_rate": 1e-5, "examples_per_second": 310.2,
        "tokens_per_second": 13_640.0, "padding": 0.041, "memory_mb": 1_900.4, **values,
    }  # fmt: skip


def judged(step: int, **scores: float | None) -> dict:
    return {"step": step, "epoch": step / 40, "validation": scores, "seconds": 1.0}


def whole(view: Live) -> None:
    """A training of 120 updates, up to update 90."""
    view.start(120, 0)
    for step in range(1, 91):
        view.step(step, 2.0 / step)
    view.log(record(90))
    view.evaluation(judged(40, accuracy=0.71, loss=0.9), "accuracy", True)
    view.evaluation(judged(80, accuracy=0.88, loss=0.5), "accuracy", True)


# the lines ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 160])
def test_lines_keep_their_columns_and_their_width(terminal, width):
    view = Live(terminal)
    whole(view)
    late = [line.plain for line in view.lines(width, 30)]
    early = Live(terminal)
    early.start(120, 0)
    first = [line.plain for line in early.lines(width, 30)]
    assert len(first) == len(late) == 4 and all(cell_len(line) < width for line in first + late)
    values = 12 + 9
    assert [cell_len(line[:values].rstrip()) for line in late[:3]] == [min(values, width - 1)] * 3, (
        "numbers end under each other"
    )
    if width >= 60:  # bar and curves begin under each other, and are as long at the beginning as later
        bars = [line[0].count("━") + line[0].count("╌") for line in (first, late)]
        assert bars[0] == bars[1] >= 8 and all(line[values : values + 2] == "  " for line in first[:3] + late[:3])
        assert late[0].index("━") == late[1].index("█") == values + 2
        assert late[1].count(" ", values + 2) >= bars[0] // 4 - 1, "a quarter is to come"
    for one in (view, early):
        one.stop()


@pytest.mark.parametrize(
    ("width", "has", "lacks"),
    [
        (100, ["epoch 2.25/3", "left", "best 0.8800 at step 80", "rows/s", "padding", "memory"], []),
        (60, ["━", "left", "best 0.8800", "tokens/s", "memory"], ["epoch", "at step", "padding"]),
        (40, ["left", "best 0.8800", "90/120", "0.5000", "tokens/s"], ["━", "epoch", "rows/s"]),
        (30, ["90/120", "accuracy", "0.8800"], ["left", "best"]),
    ],
)
def test_a_narrow_terminal_loses_the_less_important_first(terminal, width, has, lacks):
    view = Live(terminal)
    whole(view)
    shown = "\n".join(line.plain for line in view.lines(width, 30))
    view.stop()
    assert all(part in shown for part in has) and not any(part in shown for part in lacks), shown


def test_a_low_terminal_has_fewer_lines_and_what_it_waits_for_is_said(terminal):
    view = Live(terminal)
    whole(view)
    assert [len(view.lines(80, height)) for height in (2, 4, 5, 30)] == [1, 2, 3, 4]
    view.scoring()
    assert "scoring" in view.lines(80, 30)[0].plain
    view.writing(12, 500)
    assert "12/500" in view.lines(80, 30)[0].plain and len(view.lines(80, 30)) == 4
    view.step(91, math.nan)
    assert "left" in view.lines(80, 30)[0].plain and view.live is not None
    view.stop()


# the curves -----------------------------------------------------------------------------------------------------------
def test_sparkline_values():
    assert spark([0, 1, 2, 3, 4, 5, 6, 7]) == SPARKS
    assert spark([5.0, None, 5.0, math.nan, math.inf]) == "▁ ▁  " and spark([None, None]) == "  " and spark([]) == ""
    assert spark([1e308, -1e308, 0.0])[0] == "█"


def test_a_curve_has_the_axis_of_updates():
    curve = Curve(100)
    for step in range(1, 51):
        curve.add(step, 100.0 - step)
    assert curve.cells(10) == [94.5, 84.5, 74.5, 64.5, 54.5, None, None, None, None, None]
    assert curve.line(10) == "█▆▅▃▁     "
    few = Curve(4)  # fewer updates than cells
    few.add(1, 1.0)
    few.add(3, 0.0)
    assert few.line(8) == "████▁   "
    scores = Curve(100)
    scores.add(20, 0.5)
    scores.add(60, 0.9)
    assert scores.line(10, until=75) == " ▁▁▁▁███  " and len(scores.line(10, until=100)) == 10


# what others print ----------------------------------------------------------------------------------------------------
def test_lines_of_libraries_come_above_and_whole(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal)
    logger, handler = logging.getLogger("some.library"), logging.StreamHandler()
    logger.addHandler(handler)
    view = Live(terminal)
    try:
        view.note("a sentence")
        whole(view)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda *told: sys.stderr.write(f"warned: {told[0]}\n")
            warnings.warn("of 경고", stacklevel=1)
        logger.warning("logged")
        print("half", end="", file=sys.stderr)
        view.live.refresh()
        during = terminal.screen()
        print(" and half", file=sys.stderr)
        print("\r 10%\r 20%\r100%", file=sys.stderr)
        view.samples(
            90, [{"kind": "label", "inputs": {"text": "가" * 200}, "prediction": "a", "reference": "b", "right": False}]
        )
        shown = terminal.screen()
    finally:
        view.stop()
        logger.removeHandler(handler)
    assert handler.stream is terminal and sys.stderr is terminal, "given back"
    assert [line for line in during if "half" in line] == []
    whole_lines = [line.rstrip() for line in shown]
    told = ["a sentence", "warned: of 경고", "logged", "half and half", "100%", "samples of step 90"]
    places = [whole_lines.index(line) for line in told]
    assert places == sorted(places)
    assert sum("━" in line for line in whole_lines) == 1 and "━" in [line for line in whole_lines if line][-4]
    assert "tokens/s" in [line for line in whole_lines if line][-1]
    left = [line for line in terminal.screen() if line.strip()]
    assert not any("━" in line or "tokens/s" in line for line in left) and "samples of step 90" in left[-2]


def test_a_narrower_terminal_leaves_nothing_of_the_old_lines(terminal):
    """It wraps the old lines, so that they take more rows: as many are taken back, and what is left of them is erased."""
    view = Live(terminal)
    whole(view)
    region = view.live
    rows = sum(-(-one // 50) for one in region.widths)
    assert len(region.widths) == 4 < rows
    view.console.width = 50
    with region._lock:  # the thread that refreshes waits
        written = len(terminal.getvalue())
        region.refresh()
        new = terminal.getvalue()[written:]
    view.stop()
    assert new.startswith(f"\r\x1b[{rows - 1}A\x1b[J") and new.endswith(f"\x1b[{rows - 4}A")
    assert new.count("\n") == rows - 1 and new.count("\x1b[0K") == rows
