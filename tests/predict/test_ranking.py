"""AUROC of a classifier is scikit-learn's over its own logits, on all ways of predicting; it may choose the best model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import byeori
from byeori.errors import SettingError
from byeori.predict import engine, evaluate

NAMES = ["account", "delivery", "payment"]


def rows_of(count: int, kind: str) -> list[dict]:
    label = {
        "two": lambda i: NAMES[i % 2],
        "three": lambda i: NAMES[i % 3],
        "several": lambda i: NAMES[: i % 3] or NAMES[2:],
        "number": lambda i: i / 7,
    }[kind]
    return [{"text": f"text number {i} " + "about a thing " * (i % 5), "label": label(i)} for i in range(count)]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    def train(kind: str, **values):
        return byeori.train(
            "text-classification", str(tiny("bert", auto="AutoModel")), train=rows_of(24, kind), validation=rows_of(21, kind),
            test_size=0, output=str(tmp_path_factory.mktemp(kind) / "run"), threads=1, precision="float32", max_steps=2,
            learning_rate=1e-3, previews=0, **values,
        )  # fmt: skip

    return train


@pytest.mark.parametrize("kind", ["two", "three", "several", "number"])
def test_auroc_is_that_of_the_logits(trained, kind, monkeypatch):
    run = trained(kind)
    rows = rows_of(40, kind)
    found = run.evaluate(rows, arrays=True, resamples=200)
    logits, labels, score = found["logits"], found["label_ids"], found["metrics"].get("auroc")
    if kind == "number":
        assert score is None and "auroc" not in run.metrics["validation"]
        return
    if kind == "two":
        expected = roc_auc_score(labels, logits[:, 1] - logits[:, 0])
    elif kind == "three":
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        expected = roc_auc_score(labels, chances, multi_class="ovr")
    else:
        expected = roc_auc_score(labels, logits, average="macro")
    assert score["value"] == pytest.approx(expected, abs=1e-6) and score["low"] < score["value"] < score["high"]
    assert "auroc" in run.metrics["validation"] and "auroc" not in run.metrics["baseline"]["trivial"]
    for module in (engine, evaluate):  # rows are judged a window at a time
        monkeypatch.setattr(module, "WINDOW", 16)
    assert run.evaluate(rows, resamples=0)["auroc"]["value"] == pytest.approx(expected, abs=1e-6)


def test_it_may_choose_the_best_model(trained):
    run = trained("three", best_metric="auroc", evaluate_every=1)
    best = run.metrics["training"]["best"]
    assert best["metric"] == "auroc" and best["value"] == pytest.approx(run.metrics["validation"]["auroc"]["value"])
    with pytest.raises(SettingError, match="best_metric='auroc': the scores here are pearson"):
        trained("number", best_metric="auroc")


def test_a_class_absent_from_test(trained):
    """Its scores say nothing; the others' are those of the rows there are."""
    run = trained("three")
    rows = [row for row in rows_of(40, "three") if row["label"] != "payment"]
    found = run.evaluate(rows, arrays=True, resamples=100)
    values = {name: score["value"] for name, score in found["metrics"].items()}
    # logits less their log-sum: what a class gains on the others
    logits = found["logits"] - np.log(np.exp(found["logits"]).sum(1, keepdims=True))
    by_class = [roc_auc_score(found["label_ids"] == place, logits[:, place]) for place in (0, 1)]
    assert values["auroc"] == pytest.approx(np.mean(by_class), abs=1e-6)
    only = run.evaluate([row for row in rows if row["label"] == "account"], resamples=100)
    assert only["auroc"] == {"value": None, "low": None, "high": None} and only["accuracy"]["value"] is not None
