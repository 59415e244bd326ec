"""The loss beside the scores: transformers' eval_loss, the task's own loss over the rows, no smoothing, one pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import byeori
from byeori.api import as_rows
from byeori.batches.pack import IGNORED, build
from byeori.errors import SettingError
from byeori.metrics.intervals import bootstrap
from byeori.predict.engine import Engine
from byeori.predict.evaluate import Losses, evaluate
from byeori.text.store import ROW, TOKEN, Encoded, TokenStore

LABELS = ["account", "delivery", "payment"]


def rows_of(count: int, kind: str = "single_label") -> list[dict]:
    texts = [f"text number {i} " + "about a thing " * (i % 5) for i in range(count)]
    labels: list = [LABELS[i % 3] for i in range(count)]
    if kind == "multi_label":
        labels = [LABELS[: i % 3] or LABELS[2:] for i in range(count)]
    if kind == "regression":
        labels = [i / 7 for i in range(count)]
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


@pytest.fixture
def made(tiny):
    """(rows, task) → engine, store, references; dropout in the model, a budget that cuts the rows into several packs."""

    def make(rows, task, pack_tokens=150):
        task.prepare(as_rows(rows, task))
        model, tokenizer = byeori.load(str(tiny("bert", auto="AutoModel", dropout=0.1)), task)
        store = byeori.encode(rows, task, tokenizer, model=model)
        references = task.references(as_rows(rows, task).table)
        return Engine(task, model, tokenizer, pack_tokens=pack_tokens), store, references

    return make


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "regression"])
def test_loss_is_eval_loss_of_transformers(made, tmp_path, kind):
    """24 rows in batches of 8, so that the Trainer's mean over batches is the mean over rows."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    rows = rows_of(24, kind)
    engine, store, references = made(rows, byeori.tasks.TextClassification())
    ours = evaluate(engine, store, references).values["loss"]

    encoded = [{**engine.tokenizer(row["text"]), "labels": store[i]["labels"]} for i, row in enumerate(rows)]
    arguments = TrainingArguments(str(tmp_path), per_device_eval_batch_size=8, report_to=[], use_cpu=True)
    trainer = Trainer(
        engine.model, arguments, eval_dataset=encoded, data_collator=DataCollatorWithPadding(engine.tokenizer)
    )
    assert ours == pytest.approx(trainer.evaluate()["eval_loss"], abs=1e-5)


def test_smoothing_stays_out_and_class_weights_stay_in(made):
    rows = rows_of(20)
    plain = made(rows, byeori.tasks.TextClassification())
    smooth = made(rows, byeori.tasks.TextClassification(label_smoothing=0.3))
    weighted = made(rows, byeori.tasks.TextClassification(class_weights="account=5"))
    logits = torch.from_numpy(evaluate(*plain, keep=True).logits)
    labels = torch.from_numpy(np.array(plain[1].columns["labels"]))
    found = [evaluate(*one).values["loss"] for one in (plain, smooth, weighted)]
    assert found[0] == pytest.approx(float(F.cross_entropy(logits, labels)), abs=1e-6)
    assert found[1] == found[0] and smooth[0].task.settings.label_smoothing == 0.3, "training keeps its smoothing"
    weights = torch.tensor(weighted[0].task.weights)
    wanted = F.cross_entropy(logits, labels, weights, reduction="none").mean()
    assert found[2] == pytest.approx(float(wanted), abs=1e-6) and found[2] != pytest.approx(found[0], abs=1e-3)


def test_interval_is_the_bootstrap_over_rows(made):
    engine, store, references = made(rows_of(30), byeori.tasks.TextClassification())
    assert evaluate(engine, store, references).scores["loss"] == {
        "value": evaluate(engine, store, references).values["loss"], "low": None, "high": None,
    }  # fmt: skip
    judged = evaluate(engine, store, references, resamples=200, seed=3, keep=True)
    labels = torch.from_numpy(np.array(store.columns["labels"]))
    losses = F.cross_entropy(torch.from_numpy(judged.logits), labels, reduction="none").double().numpy()
    low, high = bootstrap(lambda w: {"loss": w @ losses / w.sum()}, 30, resamples=200, seed=3)["loss"]
    score = judged.scores["loss"]
    assert (score["low"], score["high"]) == pytest.approx((low, high), abs=1e-6) and low < score["value"] < high


def test_own_loss_gets_the_outputs_and_the_pack_it_has_in_training(made):
    seen = []

    class Longer(byeori.tasks.TextClassification):
        def outputs(self, model, pack):
            outputs = super().outputs(model, pack)
            outputs.more = 2.0
            return outputs

        def loss(self, outputs, pack):
            seen.append(len(pack))
            assert not torch.is_grad_enabled() and pack.input_ids.shape[0] == pack.computed
            return outputs.more * pack.layout.lengths.float()

    engine, store, references = made(rows_of(20), Longer())
    lengths = store.lengths(np.arange(20))
    assert evaluate(engine, store, references).values["loss"] == pytest.approx(2 * lengths.mean())
    assert len(seen) > 1 and sum(seen) == 20, "each row once, in several packs"


def test_a_loss_that_is_a_mean_already_is_refused(made):
    class Mean(byeori.tasks.TextClassification):
        def loss(self, outputs, pack):
            return super().loss(outputs, pack).mean()

    engine, store, references = made(rows_of(12), Mean())
    with pytest.raises(SettingError, match=r'Mean.loss gave one number .*reduction="none"'):
        evaluate(engine, store, references)


@pytest.mark.parametrize(
    ("shape", "level", "labels", "wanted"),
    [
        (
            (1,),
            ROW,
            np.zeros(3, np.int64),
            r"\(1,\) for labels of shape \(3,\). Return one a sequence, \(3,\) or \(3, …\)",
        ),
        ((2, 3), ROW, np.zeros((3, 2), np.float32), r"\(2, 3\) for labels of shape \(3, 2\)"),
        ((3,), TOKEN, np.zeros(9, np.int64), r"\(3,\) for labels of shape \(9,\). Return one a label, \(9,\)"),
    ],
)
def test_a_loss_of_another_shape_is_refused(shape, level, labels, wanted):
    class Odd(byeori.tasks.TextClassification):
        def loss(self, outputs, pack):
            return torch.zeros(shape)

    encoded = Encoded(np.arange(9, dtype=np.int32), np.array([3, 3, 3]), {"labels": labels})
    store = TokenStore.of(encoded, {"labels": level})
    with pytest.raises(SettingError, match=f"Odd.loss gave losses of shape {wanted}"):
        Losses(Odd(), 3)(None, build(store, np.arange(3)))


def test_losses_of_tokens_are_divided_by_the_labels_that_count():
    """Labels a token: ignored ones and padding cost nothing, whatever the loss says there."""

    class Tokens(byeori.tasks.TextClassification):
        def loss(self, outputs, pack):
            return outputs.logits

    lengths = np.array([2, 4, 3])
    labels = np.array([1, 5, IGNORED, 2, 2, IGNORED, 0, 0, 0])
    encoded = Encoded(np.arange(9, dtype=np.int32), lengths, {"labels": labels, "loss": np.arange(9.0)})
    store = TokenStore.of(encoded, {"labels": TOKEN, "loss": TOKEN}, {"loss": np.nan})
    losses = Losses(Tokens(), 3)
    for rows in ([2, 0], [1]):
        pack = build(store, np.array(rows), group_cost=1e9)
        losses(type("Outputs", (), {"logits": pack.columns["loss"]}), pack)
    counted = labels != IGNORED
    assert losses.sums.tolist() == [0 + 1, 3 + 4, 6 + 7 + 8] and losses.labels.tolist() == [2, 2, 3]
    assert losses.scores()["loss"]["value"] == np.arange(9.0)[counted].mean()


def test_several_losses_a_row_count_as_training_counts_them():
    """(rows, labels): summed over the labels, divided by the rows, as `batch.scale` does."""

    class Each(byeori.tasks.TextClassification):
        def loss(self, outputs, pack):
            return torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    encoded = Encoded(np.arange(3, dtype=np.int32), np.ones(3, np.int64), {"labels": np.ones((3, 2), np.float32)})
    store = TokenStore.of(encoded, {"labels": ROW})
    losses = Losses(Each(), 3)
    losses(None, build(store, np.arange(3)))
    (batch,) = byeori.batches(store, 3)
    assert losses.scores()["loss"]["value"] == 21 * batch.scale == 7


def test_scores_of_one_class_are_named_unless_a_metric_of_ones_own_has_the_name(made):
    rows = [{"text": row["text"], "label": ["부정", "긍정"][i % 2]} for i, row in enumerate(rows_of(20))]
    engine, store, references = made(rows, byeori.tasks.TextClassification(labels=["부정", "긍정"]))
    judged = evaluate(engine, store, references, keep=True)
    assert judged.of_class == {"f1": "긍정", "precision": "긍정", "recall": "긍정"}
    from sklearn.metrics import f1_score

    said = [engine.task.named(one) for one in engine.task.predictions(judged.answers, judged.store)]
    truth = [row["label"] for row in rows]
    assert judged.values["f1"] == pytest.approx(f1_score(truth, said, pos_label="긍정", zero_division=0))

    def f1(predictions, references):
        return 0.25

    judged = evaluate(engine, store, references, metrics=[f1])
    assert judged.values["f1"] == 0.25 and judged.of_class == {"precision": "긍정", "recall": "긍정"}
    assert made(rows_of(12), byeori.tasks.TextClassification())[0].task.of_class == {}
