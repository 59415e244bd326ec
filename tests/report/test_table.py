"""The end table stands straight, also with Korean names."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len
from rich.console import Console

from byeori.report.plots import lines, ticks
from byeori.report.table import aligned, print_scores, summary, summary_lines
from byeori.run import RunFolder


def test_plain_lines(single):
    folder = RunFolder(single)
    found = summary_lines(folder, json.loads(folder.metrics.read_text(encoding="utf-8")))
    assert found[0].split() == ["score", "(test)", "value", "(95%", "interval)", "trivial", "linear"]
    assert found[1].startswith("accuracy") and "0.8750 (0.8610 to 0.8890)" in found[1]
    text = "\n".join(found)
    assert "Better than the linear baseline" in text
    assert (
        "rows a second 52.1" in text
        and "padding 1.3% of the computed tokens" in text
        and "kept model update 200" in text
    )
    assert str(folder.model) in text and str(folder.report) not in text  # what isn't there is not promised


def test_rich_says_the_same(single):
    folder = RunFolder(single)
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    console = Console(file=io.StringIO(), width=200)
    console.print(summary(folder, metrics))
    shown = console.file.getvalue()
    for line in summary_lines(folder, metrics):
        assert all(word in shown for word in line.split())


def test_columns_stand_straight_by_display_width():
    found = aligned([["label", "rows"], ["부정적인 평", "1,024"], ["x", "3"]])
    assert found == ["label         rows", "부정적인 평  1,024", "x                3"]
    assert {cell_len(line) for line in found} == {18}


def test_scores_of_one_class_name_it(single, capsys):
    folder = RunFolder(single)
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    metrics["test"]["f1"] = metrics["test"]["accuracy"]
    lines = summary_lines(folder, {**metrics, "of_class": {"f1": "긍정"}})
    assert any(line.startswith("F1 (긍정)  ") for line in lines)
    assert any(line.startswith("loss ") and line.endswith("–") for line in lines), "the baselines have no loss"
    print_scores(metrics["test"], {"f1": "긍정"})
    assert "F1 (긍정)" in capsys.readouterr().out
    print_scores(metrics["test"])
    assert "\nF1  " in capsys.readouterr().out


def test_without_scores_it_still_ends(tmp_path):
    assert summary_lines(RunFolder(tmp_path), {}) == [
        "There are no test or validation scores, so nothing can be said about this model's quality."
    ]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.832, 0.871), (-3.2, 5.1), (7, 7), (0, 0), (1e-9, 2e-9), (5, 1e6)]
)
def test_ticks_hold_the_range(low, high):
    found = ticks(low, high, 5)
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8


def test_a_long_line_is_thinned_to_its_ends():
    svg = lines("t", {"loss": [(step, 1 / (step + 1)) for step in range(100_000)]}, x="update", y="loss")
    assert len(svg) < 10_000 and svg.count("<title>") == 1
    assert lines("t", {"loss": []}, x="update", y="loss") == ""
    assert "circle" in lines("t", {"loss": [(1, 0.5)]}, x="update", y="loss")
