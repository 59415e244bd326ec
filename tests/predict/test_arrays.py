"""Logits and labels as arrays, for the course's eval_pred and for arrays=True: row i is row i, or a sentence says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.errors import SettingError
from families import texts
from pipelines import MASKED, maker

CHOICES = [
    {"text": texts()[i], "choices": [texts()[i + 1], texts()[i + 2][:40], texts()[i + 3]], "label": i % 3}
    for i in range(9)
]
WINDOWS = [
    {"question": "누가?", "context": " ".join(texts()[: 1 + 12 * (i % 2)]), "answers": {"text": [], "answer_start": []}}
    for i in range(6)
]


@pytest.fixture(scope="module")
def run_of(tiny) -> Callable[..., Any]:
    make = maker(tiny)

    def run(task: str) -> Any:
        if task == "multiple-choice":
            folder = tiny("bert", auto="AutoModelForMultipleChoice")
            return byeori.load_run(str(folder), task=task, device="cpu", precision="float32")
        return make(task).run

    return run


def agree(eval_pred) -> dict[str, float]:
    logits, labels = eval_pred
    assert len(logits) == len(labels)
    return {"agree": float((logits.argmax(-1) == labels).mean())}


def both(predictions, references) -> float:
    assert all(one is not None for one in predictions)
    return float(len(predictions) == len(references)) * len(predictions)


@pytest.mark.parametrize(
    ("task", "rows", "why"),
    [
        ("fill-mask", [{"text": text} for text in texts()[:6]], "fill-mask gives no logits"),
        ("text-generation", [{"prompt": a, "completion": b} for a, b in zip(texts()[:6], texts()[6:], strict=False)], "gives no logits"),
        ("question-answering", WINDOWS, r"a row has 1 to \d+ sequences here"),
        ("multiple-choice", [*CHOICES, {**CHOICES[0], "choices": CHOICES[0]["choices"][:2]}], "a row has 2 to 3 sequences here"),
    ],
)  # fmt: skip
def test_what_has_no_array_a_row_is_refused_and_scored_by_both_columns(run_of, task, rows, why):
    run = run_of(task)
    with pytest.raises(SettingError, match=f"The metric agree is one of eval_pred.*{why}.*predictions, references"):
        run.evaluate(rows, metrics=[agree])
    with pytest.raises(SettingError, match=f"arrays=True.*{why}"):
        run.evaluate(rows, arrays=True)
    assert run.evaluate(rows, metrics=[both], resamples=0)["both"]["value"] == len(rows)


def test_choices_of_a_row_lie_side_by_side(run_of):
    run = run_of("multiple-choice")
    found = run.evaluate(CHOICES, arrays=True, metrics=[agree], resamples=200)
    assert found["logits"].shape == (9, 3) and found["label_ids"].tolist() == [row["label"] for row in CHOICES]
    assert [one["choice"] for one in found["predictions"]] == found["logits"].argmax(1).tolist()
    assert found["metrics"]["agree"]["value"] == found["metrics"]["accuracy"]["value"]
    asked = [{name: row[name] for name in ("text", "choices")} for row in CHOICES]
    np.testing.assert_allclose(run.predict(asked, arrays=True)["logits"], found["logits"], atol=1e-5)
    asked[4] = {**asked[4], "choices": asked[4]["choices"][:2]}
    with pytest.raises(SettingError, match="a row has 2 to 3 sequences here"):
        run.predict(asked, arrays=True)


def test_labels_that_nobody_trained_lie_side_by_side_too(run_of):
    run = run_of("zero-shot-classification")
    rows = [{"text": text, "label": ["정치", "경제"][i % 2]} for i, text in enumerate(texts()[:6])]
    found = run.evaluate(rows, arrays=True, candidate_labels=["경제", "정치"])
    assert found["logits"].shape == (6, 2, 3) and found["label_ids"].tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("task", "given"), [("fill-mask", [MASKED]), ("summarization", ["a"]), ("feature-extraction", ["a"])]
)
def test_a_prediction_without_logits(run_of, task, given):
    with pytest.raises(SettingError, match=f"arrays=True.*{task} gives no logits"):
        run_of(task).predict(given, arrays=True)


def test_own_metrics_get_the_rows_that_were_written(run_of):
    """eval_max_rows writes the first ones; the others have no prediction, and are in no column."""
    rows = [{"source": a, "target": b} for a, b in zip(texts()[:5], texts()[5:10], strict=True)]

    def rows_in(eval_pred) -> dict[str, float]:
        return {"logits": float(len(eval_pred.predictions)), "labels": float(len(eval_pred.label_ids))}

    short = {"eval_max_rows": 2, "max_new_tokens": 3, "num_beams": 1, "resamples": 0}
    found = run_of("summarization").evaluate(rows, metrics=[both, rows_in], **short)
    assert [found[name]["value"] for name in ("both", "logits", "labels")] == [2, 2, 2]


def test_a_metric_that_cannot_be_had_stops_before_training(tiny, tmp_path):
    with pytest.raises(SettingError, match="The metric agree is one of eval_pred.*fill-mask gives no logits"):
        byeori.train(
            "fill-mask", str(tiny("bert", auto="AutoModelForMaskedLM")), train=[{"text": text} for text in texts()[:40]],
            output=str(tmp_path / "run"), compute_metrics=agree, device="cpu", threads=1, precision="float32",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()
