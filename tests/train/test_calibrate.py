"""A temperature in the weights: transformers gives Byeori's probabilities, and no prediction changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import byeori
from byeori.errors import SettingError
from byeori.tasks.probabilities import softmax
from vocabularies import texts

ROWS = [{"text": one, "label": "abc"[(i * 7 + i // 5) % 3]} for i, one in enumerate(texts()[:90])]


def trained(model: Path, output: Path, **values):
    return byeori.train(
        "text-classification", model=str(model), train=ROWS, output=str(output), precision="float32", threads=1, max_steps=12,
        **{"learning_rate": 0.02, "validation_size": 0.3, "test_size": 0.2, "previews": 0, "baselines": False, **values},
    )  # fmt: skip


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
def test_transformers_gives_the_calibrated_probabilities(family, tiny, tmp_path):
    from transformers import pipeline

    plain = trained(tiny(family, num_labels=3), tmp_path / "plain")
    run = trained(tiny(family, num_labels=3), tmp_path / "run", calibrate=True)
    calibration = run.metrics["calibration"]
    temperature = calibration["temperature"]
    assert abs(temperature - 1) > 0.05, "else the test says nothing"
    assert calibration["after"]["loss"] < calibration["before"]["loss"]
    assert run.metrics["validation"]["loss"]["value"] == pytest.approx(calibration["after"]["loss"], abs=1e-5)
    assert run.metrics["validation"]["ece"]["value"] == pytest.approx(calibration["after"]["ece"], abs=1e-5)
    told = f"divided by a temperature of {temperature:.4f}, fitted on {calibration['rows']} validation rows"
    for page in (run.path / "report.html", run.path / "model" / "README.md"):
        assert told in page.read_text(encoding="utf-8")
    for part in ("validation", "test"):
        assert run.metrics[part]["accuracy"] == plain.metrics[part]["accuracy"]
    given = [row["text"][:25] for row in ROWS[:20]]  # transformers cuts nothing unasked
    logits = plain.predict(given, arrays=True)["logits"]
    wanted = softmax(logits / temperature)
    theirs = pipeline("text-classification", model=str(run.folder.model), device="cpu", top_k=None)(given)
    labels = run.task.labels
    found = np.array([[{one["label"]: one["score"] for one in row}[label] for label in labels] for row in theirs])
    assert found == pytest.approx(wanted, abs=1e-5)
    saved = json.loads((run.folder.model / "byeori.json").read_text(encoding="utf-8"))
    assert saved["state"]["temperature"] == temperature
    again = byeori.load_run(run.path, precision="float32")
    assert again.task.temperature == temperature
    assert softmax(again.predict(given, arrays=True)["logits"]) == pytest.approx(wanted, abs=1e-5)


def test_a_resumed_one_is_scaled_once(tiny, tmp_path):
    """Killed after the model was written and before its scores were: the weights have the temperature in them already."""
    run = trained(
        tiny("bert", num_labels=3), tmp_path / "run", calibrate=True, checkpoint_every=12, keep_checkpoints=True
    )
    before = run.metrics
    (run.path / "metrics.json").unlink()
    again = trained(
        tiny("bert", num_labels=3),
        tmp_path / "run",
        calibrate=True,
        checkpoint_every=12,
        keep_checkpoints=True,
        resume=True,
    )
    assert again.metrics["calibration"]["temperature"] == pytest.approx(before["calibration"]["temperature"], rel=1e-3)
    assert again.metrics["test"]["loss"]["value"] == pytest.approx(before["test"]["loss"]["value"], abs=1e-4)


def test_where_it_makes_no_sense_it_is_refused(tiny, tmp_path):
    model = tiny("bert", num_labels=3)
    with pytest.raises(SettingError, match="no validation rows"):
        trained(model, tmp_path / "a", calibrate=True, validation_size=0.0)
    with pytest.raises(SettingError, match="and these are multi_label"):
        trained(model, tmp_path / "a", calibrate=True, problem_type="multi_label")
    assert not (tmp_path / "a").exists()
