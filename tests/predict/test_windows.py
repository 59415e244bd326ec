"""An evaluation window by window: the same as with all answers at once, and nothing of them is kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.api import as_rows
from byeori.batches.answers import Answers
from byeori.data import mapped
from byeori.predict import engine as engine_module
from byeori.predict import evaluate as evaluate_module
from byeori.predict import run as run_module
from byeori.predict.evaluate import evaluate
from byeori.predict.windows import row_by_row, window
from families import texts
from pipelines import EVERY, maker

PAIRS = [{"text": one, "label": ("정치", "경제")[i % 2]} for i, one in enumerate(texts()[:11])]
CHOICES = [{"text": texts()[i], "choices": texts()[i + 1 : i + 3 + i % 2], "label": i % 2} for i in range(11)]
KINDS: dict[str, Any] = {
    "single_label": list("abcab"),
    "multi_label": [["a"], ["a", "b"], []],
    "regression": [0.5, 2, 1.5],
}
SHARES = [{"text": one, "label": i % 3 / 2} for i, one in enumerate(texts()[:11])]


@pytest.fixture
def small(monkeypatch):
    """Windows of four rows, and every array in a file."""
    for module in (engine_module, evaluate_module, run_module):
        monkeypatch.setattr(module, "WINDOW", 4)
    monkeypatch.setattr(mapped, "LEAST", 1)
    monkeypatch.setattr(mapped, "BLOCK", 3)


@pytest.fixture
def classifier(tiny):
    def make(kind: str):
        rows = [{"text": one, "label": KINDS[kind][i % len(KINDS[kind])]} for i, one in enumerate(texts()[:11])]
        task = byeori.tasks.TextClassification(problem_type=kind)
        given = as_rows(rows, task)
        task.prepare(given)
        model, tokenizer = byeori.load(str(tiny("bert", auto="AutoModel")), task)
        store = byeori.encode(given, task, tokenizer, model=model)
        return engine_module.Engine(task, model, tokenizer, pack_tokens=150), store, task.references(given.table)

    return make


def judged(monkeypatch, whole: bool, found: tuple, **options: Any) -> tuple:
    """The scores, the decoded predictions and the logits."""
    told: list[Any] = []
    with monkeypatch.context() as patch:
        if whole:
            patch.setattr(evaluate_module, "row_by_row", lambda _: False)
        made = evaluate(*found, resamples=150, tell=told.extend, keep=True, **options)
    return made.scores, told, made.logits.tolist()


@pytest.mark.parametrize("kind", [*KINDS])
def test_classes_numbers_and_sets(monkeypatch, small, classifier, kind):
    def agree(predictions, references) -> float:
        return float(np.mean([one == other for one, other in zip(predictions, references, strict=True)]))

    def width(eval_pred) -> float:
        return float(np.asarray(eval_pred.predictions).sum() + np.asarray(eval_pred.label_ids).sum())

    found = classifier(kind)
    streamed, whole = (judged(monkeypatch, one, found, metrics=[agree, width], tune=True) for one in (False, True))
    assert streamed == whole and {"agree", "width", "loss"} <= streamed[0].keys() and len(streamed[1]) == 11
    kept = evaluate(*found, resamples=150)
    assert kept.answers is None and kept.scores == {
        name: score for name, score in whole[0].items() if name not in ("agree", "width")
    }


@pytest.mark.parametrize(
    ("task", "rows", "options"),
    [("zero-shot-classification", PAIRS, {"candidate_labels": ["정치", "경제"]}), ("multiple-choice", CHOICES, {})],
)
def test_tasks_of_several_sequences_a_row(monkeypatch, small, tiny, task, rows, options):
    if task == "multiple-choice":
        folder = tiny("bert", auto="AutoModelForMultipleChoice")
        run = byeori.load_run(str(folder), task=task, device="cpu", precision="float32")
    else:
        run = maker(tiny)(task).run
    if task == "multiple-choice":
        rows = [{**row, "choices": row["choices"][:2]} for row in rows]
    found = {}
    for whole in (False, True):
        with monkeypatch.context() as patch:
            if whole:
                patch.setattr(evaluate_module, "row_by_row", lambda _: False)
            found[whole] = run.evaluate(rows, arrays=True, resamples=150, **options)
    for name in ("logits", "label_ids"):
        assert (found[True].pop(name) == found[False].pop(name)).all()
    assert found[True] == found[False]


def test_a_run_writes_the_same_predictions(monkeypatch, small, tiny, tmp_path):
    rows = [{"text": f"{one} {i}", "label": "ab"[i % 2]} for i, one in enumerate(texts()[:20] * 2)]
    found = []
    for whole in (False, True):
        with monkeypatch.context() as patch:
            if whole:
                patch.setattr(evaluate_module, "row_by_row", lambda _: False)
                patch.setattr(mapped, "LEAST", 1 << 30)
                patch.setattr(mapped, "BLOCK", 1 << 16)
            run = byeori.train(
                "text-classification", str(tiny("bert")), train=rows, output=str(tmp_path / f"run{whole}"), max_steps=2,
                precision="float32", previews=0, threads=1, validation_size=9, test_size=9,
            )  # fmt: skip
        path = run.folder.path
        scores = {name: run.metrics[name] for name in ("validation", "test", "baseline")}
        lines = [(path / "predictions" / f"{part}.jsonl").read_bytes() for part in ("validation", "test")]
        data = json.loads((path / "data.json").read_text(encoding="utf-8"))
        found.append((scores, lines, data["parts"]["train"]["length"], data["findings"]))
    assert found[0] == found[1]
    assert len(found[0][1][0].splitlines()) == 9


def test_a_window_is_the_rows_it_says(classifier):
    _, store, _ = classifier("multi_label")
    part = window(store, 3, 8)
    assert len(part) == 5 and [part[i] for i in range(5)] == [store[i] for i in range(3, 8)]
    assert [part.row(i) for i in range(5)] == [store.row(i) for i in range(3, 8)]
    assert part.source.origin.where(0) == store.source.origin.where(3) and part.decoding == store.decoding


def test_a_window_of_rows_with_several_sequences_and_lists():
    from byeori.text.store import LIST, SEQUENCE, TOKEN, Encoded, TokenStore

    rng = np.random.default_rng(0)
    counts, lengths = np.array([1, 3, 2, 1, 2]), rng.integers(1, 6, 9)
    ids, listed = rng.integers(0, 9, lengths.sum()).astype(np.int32), np.array([2, 0, 3, 1, 1])
    columns = {"tags": ids * 2, "place": np.arange(9), "labels": np.arange(7), "labels_lengths": listed}
    store = TokenStore.of(Encoded(ids, lengths, columns, counts), {"tags": TOKEN, "place": SEQUENCE, "labels": LIST})
    store.source = {"text": list("abcde")}
    for first, last in ((0, 5), (1, 4), (2, 3)):
        part, chosen = window(store, first, last), store.select(np.arange(first, last))
        assert [part[i] for i in range(len(part))] == [chosen[i] for i in range(len(chosen))]
        assert part.source == chosen.source


def test_own_methods_see_all_rows_at_once():
    class Ranked(byeori.tasks.TextClassification):
        def predictions(self, answers: Answers, store: Any) -> Any:
            return answers.values.argmax(0)

    class Same(byeori.tasks.TextClassification):
        def loss(self, outputs: Any, pack: Any) -> Any:
            return super().loss(outputs, pack)

    class Centred(byeori.tasks.TextClassification):
        def scores(self, logits: Any, function: Any = None) -> Any:
            return super().scores(logits - logits.mean(0), function)

    assert row_by_row(byeori.tasks.TextClassification()) and row_by_row(Same())
    assert not row_by_row(Ranked()) and not row_by_row(Centred())
    assert not any(row_by_row(kind()) for kind in EVERY if kind.generates)
