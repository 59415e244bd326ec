"""The view of a notebook: one display, replaced in place, with a table of scores and one of samples; nobody needs IPython."""

from __future__ import annotations

import html.parser
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shown_samples import SAMPLES

import byeori
from byeori.errors import SettingError
from byeori.train import notebook
from byeori.train.notebook import Notebook, in_notebook, samples_table
from byeori.train.progress import JsonLines, Progress, Quiet, progress_for, progress_in_python


class Shown:
    """IPython's display with an id: what it shows now, and how many displays there were."""

    def __init__(self):
        self.made, self.updates, self.now = 0, 0, {}

    def display(self, what, raw, display_id):
        assert raw and display_id
        self.made, self.now = self.made + 1, what
        return self

    def update(self, what, raw):
        assert raw
        self.updates, self.now = self.updates + 1, what


class Page(html.parser.HTMLParser):
    """Cells of each table, and whether all that is opened is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def shown(monkeypatch) -> Shown:
    """A kernel, as ipykernel's looks from here."""
    made, shell = Shown(), SimpleNamespace(kernel=object())
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython, display.display = lambda: shell, made.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return made


def test_a_training_in_a_notebook_shows_one_table(shown, train, capsys, monkeypatch):
    monkeypatch.setattr(notebook, "EVERY", 0.0)
    run = train(preview_every=2, previews=3, evaluate_every=2)
    page = Page(shown.now["text/html"])
    assert shown.made == 1 and shown.updates > run.metrics["training"]["steps"] and not page.open
    scores, samples = page.tables
    lines = [line for line in run.folder.lines(run.folder.history) if "validation" in line]
    assert scores[0][:4] == ["step", "epoch", "training loss", "accuracy"] and "validation loss" in scores[0]
    assert len(scores) == 1 + len(lines)
    assert [row[0] for row in scores[1:]] == [str(line["step"]) for line in lines]
    assert [row[3] for row in scores[1:]] == [f"{line['validation']['accuracy']:.4f}" for line in lines]
    assert len(samples) == 3 and {row[0] for row in samples} <= {"=", "≠"}
    steps = run.metrics["training"]["steps"]
    assert shown.now["text/plain"].startswith(f"step {steps} of {steps} · epoch ")
    told = capsys.readouterr()
    assert "train: " in told.out and "rows" in told.out and told.err == "", "nothing red"


@pytest.mark.parametrize("task", list(SAMPLES))
def test_samples_of_every_task_are_tables_without_a_script(task):
    text = samples_table(
        7,
        [*SAMPLES[task], {"inputs": {"text": "<script>x</script> & \x1b[0m"}, "prediction": "<b>", "reference": None}],
    )
    page = Page(text)
    assert not page.open and page.tags <= {"table", "caption", "tbody", "tr", "td", "span"}
    assert "&lt;script&gt;" in text and "\x1b" not in text and len(page.tables[0]) > len(SAMPLES[task])


def test_what_is_shown_where(shown, monkeypatch):
    assert in_notebook() and isinstance(progress_in_python(None), Notebook)
    assert isinstance(progress_in_python("auto"), Notebook)
    sys.modules["IPython"].get_ipython = lambda: SimpleNamespace(kernel=None)  # ipython in a terminal
    assert not in_notebook() and isinstance(progress_in_python(None), Quiet)
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not in_notebook() and type(progress_in_python("lines")) is Progress
    assert isinstance(progress_in_python("json"), JsonLines)
    view = Quiet()
    assert progress_in_python(view) is view
    with pytest.raises(SettingError, match="progress='tqdm' is no view. Give one of auto, lines, json, quiet"):
        byeori.train("text-classification", progress="tqdm")


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("CI", "true")])
def test_terminals_that_nobody_sits_at_get_lines(monkeypatch, name, value):
    file = SimpleNamespace(isatty=lambda: True)
    for one in ("TERM", "CI"):
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setenv(name, value)
    assert type(progress_for(file=file)) is Progress


def test_lines_and_json_of_a_training(train, tmp_path):
    import io

    file = io.StringIO()
    run = train(progress=Progress(file), preview_every=2)
    lines = file.getvalue().splitlines()
    steps = run.metrics["training"]["steps"]
    logged = [line for line in lines if " rows/s" in line]
    assert (
        len(logged) == steps and len({len(line) for line in logged}) == 1 and logged[0].startswith(f"step 1/{steps}  ")
    )
    assert f"samples of step {steps}" in lines and any("validation: accuracy" in line for line in lines)
    file = io.StringIO()
    train("json", progress=JsonLines(file), preview_every=2)
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    logged = [one for one in told if "loss" in one]
    assert len(logged) == steps and all(0 <= one["padding"] < 1 and one["steps"] == steps for one in logged)
    samples = [sample for one in told for sample in one.get("samples", ())]
    assert samples and all(one["kind"] == "label" for one in samples)
