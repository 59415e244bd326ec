"""What is measured and shown while a model trains: the validation loss everywhere, the class scores are of, samples."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

import byeori
from byeori.errors import SettingError
from byeori.report.table import summary_lines


def lines(run) -> list[dict]:
    return run.folder.lines(run.folder.history)


# the validation loss --------------------------------------------------------------------------------------------------
def test_validation_loss_stands_everywhere(train, notes, requests_tsv):
    run = train(progress=notes)
    history = [line["validation"]["loss"] for line in lines(run) if "validation" in line]
    assert len(history) == 2 and all(np.isfinite(history)) and history == [one["loss"] for one in notes.evaluations]
    for part in ("validation", "test"):
        score = run.metrics[part]["loss"]
        assert set(score) == {"value", "low", "high"} and score["low"] <= score["value"] <= score["high"]
    best = run.metrics["training"]["best"]["step"]
    at_best = next(line["validation"]["loss"] for line in lines(run) if "validation" in line and line["step"] == best)
    assert run.metrics["validation"]["loss"]["value"] == pytest.approx(at_best, abs=1e-6)
    assert any(line.startswith("loss ") for line in summary_lines(run.folder, run.metrics))
    for made in (run.folder.report, run.folder.model / "README.md"):
        assert f"{run.metrics['test']['loss']['value']:.4f}" in made.read_text(encoding="utf-8")


class Scripted(byeori.tasks.TextClassification):
    """Its loss, where it is judged, is what it was told to be, evaluation by evaluation."""

    values, calls = (0.9, 0.3, 0.5, 0.3, 0.2), 0

    def judging(self):
        found, value = copy.copy(self), self.values[min(self.calls, 4)]
        self.calls += 1
        found.loss = lambda outputs, pack: torch.full((len(pack),), value)
        return found


def test_the_lowest_loss_can_choose_the_model(train, notes):
    run = train(task=Scripted(), best_metric="loss", evaluate_every=1, max_steps=4, progress=notes)
    assert [line["validation"]["loss"] for line in lines(run) if "validation" in line] == pytest.approx(
        [0.9, 0.3, 0.5, 0.3]
    )
    best = run.metrics["training"]["best"]
    assert (best["step"], best["metric"], run.metrics["headline"]) == (2, "loss", "loss"), "a tie: the earlier"
    assert best["value"] == pytest.approx(0.3)
    assert [(one["headline"], one["better"]) for one in notes.evaluations] == [
        ("loss", x) for x in (True, True, False, False)
    ]


def test_a_best_metric_nobody_has_is_refused_with_the_loss_among_those_there_are(train, tmp_path):
    with pytest.raises(SettingError, match="the scores here are accuracy, .*, loss"):
        train(best_metric="los")
    assert not (tmp_path / "run").exists()


def test_early_stopping_on_the_loss(train):
    run = train(task=Scripted(), best_metric="loss", early_stopping=1, evaluate_every=1)
    assert run.metrics["training"]["stopped"] == "loss has not improved for 1 evaluations"
    assert (run.metrics["training"]["best"]["step"], run.metrics["training"]["steps"]) == (2, 3)


# the class scores are of ----------------------------------------------------------------------------------------------
def test_scores_of_one_class_say_which(train, notes, tmp_path):
    data = tmp_path / "둘.tsv"
    texts = [f"{'좋은' if i % 3 else '나쁜'} 영화 {i}" for i in range(60)]
    data.write_text("text\tlabel\n" + "".join(f"{t}\t{'긍정' if '좋은' in t else '부정'}\n" for t in texts))
    run = train(train=str(data), max_steps=2, progress=notes)
    second = run.task.labels[1]
    assert run.metrics["of_class"] == dict.fromkeys(("f1", "precision", "recall"), second)
    assert json.loads(run.folder.metrics.read_text(encoding="utf-8"))["of_class"]["f1"] == second
    assert f"f1, precision, recall: of the class {second}" in notes.notes
    assert any(line.startswith(f"F1 ({second})") for line in summary_lines(run.folder, run.metrics))
    assert f"F1 ({second})" in run.folder.report.read_text(encoding="utf-8")


def test_no_class_is_named_where_there_are_more(train):
    assert "of_class" not in train(max_steps=1).metrics


# samples --------------------------------------------------------------------------------------------------------------
class Previews(byeori.Hook):
    def __init__(self):
        self.steps = []

    def preview(self, run, samples):
        self.steps.append(run.step)


@pytest.mark.parametrize(
    ("values", "written", "shown"),
    [
        ({"max_steps": 6}, [1, 2, 3, 4, 5, 6], [6]),  # min(500, 6 / 10): each; a person sees the last
        ({"max_steps": 6, "preview_every": 2}, [2, 4, 6], [2, 4, 6]),  # asked for: shown
        ({"max_steps": 6, "evaluate_every": 1, "early_stopping": 1, "best_metric": "flat"}, [1, 2], [2]),
        ({"max_steps": 21, "batch_size": 4}, list(range(2, 21, 2)) + [21], list(range(2, 21, 2)) + [21]),
    ],
    ids=["short", "asked", "stopped", "longer"],
)
def test_short_runs_write_all_samples_and_show_the_last(train, notes, values, written, shown):
    def flat(predictions, references):
        return 0.5

    hook = Previews()
    run = train(progress=notes, hooks=[hook], metrics=[flat], **values)
    samples = run.folder.lines(run.folder.samples)
    assert sorted({one["step"] for one in samples}) == hook.steps == written
    assert notes.shown == shown


def test_samples_with_a_line_separator_inside_can_be_resumed(train, demo_rows):
    """U+2028 ends a line for str.splitlines, not for JSON."""
    rows = [{**row, "text": f"{row['text']}\u2028\x85end"} for row in demo_rows]

    class Cut(byeori.Hook):
        def step_end(self, run, pack, outputs):
            if run.step == 3:
                raise RuntimeError("power cut")

    values = {"train": rows, "max_steps": 4, "preview_every": 1}
    whole = train("whole", **values)
    with pytest.raises(RuntimeError):
        train("cut", checkpoint_every=2, hooks=[Cut()], **values)
    resumed = train("cut", resume=True, **values)
    assert resumed.folder.samples.read_bytes() == whole.folder.samples.read_bytes()
    assert "\u2028" in whole.folder.samples.read_text(encoding="utf-8")
