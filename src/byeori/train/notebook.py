"""The view in a notebook: a bar, a table with a line an evaluation, and the last samples as a table, updated in place.

Invariants: nothing is imported of IPython unless a kernel runs; one output of the cell holds all of it, so that a saved notebook
shows the end of the training without a script; texts of data are escaped; beside the page stands plain text, for terminals.

    run = byeori.train("text-classification", "klue/roberta-base", train="nsmc.tsv", output="run")      # in a cell
"""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from byeori.train.progress import Progress, clock, number, shown_scores
from byeori.train.sample_blocks import Block, Piece, block
from byeori.train.sample_lines import fit

EVERY = 1.0  # seconds between two updates of the cell that only move the bar
ROWS = 20  # of evaluations, the newest and the best
CELL = 240  # columns of a text in a cell
COLOURS = {"right": "#2e7d32", "wrong": "#c62828", "missed": "#b26a00", "soft": "#777"}
SIDE = '"text-align:left;vertical-align:top;padding:2px 10px 2px 0"'


def in_notebook() -> bool:
    """Whether this runs in a cell: IPython is there with a kernel (Jupyter, VS Code, Colab), not its terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None or "google.colab" in str(type(shell))


class Notebook(Progress):
    """Sentences are printed; the rest is one display that is replaced."""

    moves = True

    def __init__(self) -> None:
        super().__init__()
        self.shown = 0.0  # when
        self._handle: Any = None
        self._clear()

    def _clear(self) -> None:
        self.record: dict[str, Any] = {}
        self.loss: float | None = None
        self.names: list[str] = []
        self.rows: list[tuple[int, float, float | None, dict[str, Any]]] = []  # step, epoch, loss, scores
        self.best: int | None = None
        self.last: tuple[int, list[dict[str, Any]]] = (0, [])
        self.doing = ""

    def note(self, text: str) -> None:
        print(text, flush=True)  # standard error is red in a notebook

    def start(self, steps: int, step: int) -> None:
        super().start(steps, step)
        self._clear()
        self._handle = None
        self._show()

    def step(self, step: int, loss: float) -> None:
        self.now, self.doing = step, ""
        if not self.record:
            self.loss = loss
        if time.perf_counter() - self.shown > EVERY:
            self._show()

    def log(self, record: dict[str, Any]) -> None:
        self.record, self.loss = record, record["loss"]

    def scoring(self) -> None:
        self.doing = "scoring"
        self._show()

    def evaluation(self, record: dict[str, Any], headline: str, better: bool) -> None:
        self.doing = ""
        self.names = shown_scores(record["validation"], headline)
        self.rows.append((record["step"], record["epoch"], self.loss, record["validation"]))
        if better:
            self.best = record["step"]
        self._show()

    def samples(self, step: int, samples: list[dict[str, Any]]) -> None:
        if samples:
            self.last = step, samples
            self._show()

    def _count(self, done: int, total: int, what: str) -> None:
        if self._handle is not None and self.now < self.steps or self.doing:
            self.doing = "" if done == total else f"{done:,} of {total:,} {what}"
            if time.perf_counter() - self.shown > EVERY:
                self._show()

    def stop(self) -> None:
        if self._handle is not None:
            self.doing = ""
            self._show()
            self._handle = None

    # the page ---------------------------------------------------------------------------------------------------
    def _show(self) -> None:
        from IPython.display import display

        found = {"text/html": self.page(), "text/plain": self.line()}
        self.shown = time.perf_counter()
        if self._handle is None:
            self._handle = display(found, raw=True, display_id=True)
        else:
            self._handle.update(found, raw=True)

    def line(self) -> str:
        """Where the training is, as a sentence."""
        parts = [f"step {self.now:,} of {self.steps:,}"]
        if self.record:
            epochs = self.record["epoch"] / self.record["step"]
            parts += [f"epoch {epochs * self.now:.2f} of {epochs * self.steps:.3g}"]
        if self.loss is not None:
            parts.append(f"loss {number(self.loss)}")
        if self.record:
            parts += [
                f"{self.record['examples_per_second']:,.0f} rows/s",
                f"{self.record['tokens_per_second']:,.0f} tokens/s",
            ]
            parts += [f"padding {100 * self.record['padding']:.1f}%"] if "padding" in self.record else []
            parts += [f"memory {self.record['memory_mb']:,.0f} MB"]
        if self.doing:
            parts.append(self.doing)
        elif self.now < self.steps and self.left() is not None:
            parts.append(f"{clock(self.left())} left")
        return " · ".join(parts)

    def page(self) -> str:
        """All of it as HTML with styles of its own."""
        bar = f'<progress value="{self.now}" max="{self.steps}" style="width:20em;vertical-align:middle"></progress>'
        return f"<div>{bar} {escape(self.line())}</div>{self._scores()}{samples_table(*self.last)}"

    def _scores(self) -> str:
        if not self.rows:
            return ""
        heads = ["step", "epoch", "training loss"]
        heads += ["validation loss" if name == "loss" else name for name in self.names]
        some = [one for place, one in enumerate(self.rows) if one[0] == self.best or place >= len(self.rows) - ROWS]
        rows = []
        for step, epoch, loss, scores in some:
            cells = [f"{step:,}", f"{epoch:.2f}", "–" if loss is None else number(loss)]
            cells += [number(scores.get(name)) for name in self.names]
            weight = ";font-weight:bold" if step == self.best else ""
            rows.append("".join(f'<td style="text-align:right{weight}">{escape(cell)}</td>' for cell in cells))
        said = "" if self.best is None else f"Scores of the validation rows; in bold the best, at step {self.best:,}."
        head = "".join(f'<th style="text-align:right">{escape(name)}</th>' for name in heads)
        return (
            f'<table><caption style="text-align:left">{said}</caption><thead><tr>{head}</tr></thead><tbody>'
            + "".join(f"<tr>{row}</tr>" for row in rows)
            + "</tbody></table>"
        )


def samples_table(step: int, samples: list[dict[str, Any]]) -> str:
    """Samples as an HTML table of their own, "" for none: a row a sample where the answer is short, else one a field."""
    if not samples:
        return ""
    rows = [row for one in samples for row in _rows(block(one))]
    caption = f"Samples of step {step:,}"
    return f'<table><caption style="text-align:left">{caption}</caption><tbody>{"".join(rows)}</tbody></table>'


def _rows(shown: Block) -> list[str]:
    tone = {"=": "right", "≠": "wrong"}.get(shown.mark, "soft")
    mark = [(shown.mark, tone)]
    if shown.row:
        return [_row(mark, *(fit(one.pieces, CELL) for one in shown.fields if one.name != "mark"))]
    return [
        _row([] if place else mark, [(one.name, "soft")], fit(one.pieces, CELL * one.lines, one.focus))
        for place, one in enumerate(shown.fields)
    ]


def _row(*cells: list[Piece]) -> str:
    return f"<tr>{''.join(f'<td style={SIDE}>{_pieces(cell)}</td>' for cell in cells)}</tr>"


def _pieces(pieces: list[Piece]) -> str:
    return "".join(
        f'<span style="color:{COLOURS[tone]}">{escape(text)}</span>' if tone else escape(text) for text, tone in pieces
    )
