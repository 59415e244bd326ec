"""One batch before training: parts counted once, outputs as transformers names them, the loss as training takes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byeori import tasks
from byeori.batches.loader import Batch, Packing
from byeori.data.read import read_rows
from byeori.data.wish import wanted
from byeori.doctor import sees_model
from byeori.doctor.forward import Forward, _verdict, forward
from byeori.doctor.sees import encoder_of, opened, ready
from byeori.models.load import load_model
from byeori.tasks.base import DRAW_SEED
from byeori.text.encode_rows import encode_rows
from families import Family
from plain import ENGLISH, JOBS, KOREAN, TEXTS

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
OF_JOB = {
    "text-classification": tasks.TextClassification, "pairs": tasks.TextClassification,
    "token-classification": tasks.TokenClassification, "question-answering": tasks.QuestionAnswering, "fill-mask": tasks.FillMask,
    "text-generation": tasks.TextGeneration, "multiple-choice": tasks.MultipleChoice, "summarization": tasks.Summarization,
}  # fmt: skip
FAMILY = {"text-generation": "gpt2", "summarization": "t5"}


def ran(job: str, family: str | None = None, **values: Any) -> tuple[Forward, Any, Any, Any]:
    """(what one batch showed, task, model, rows) of a job of `plain`."""
    task = OF_JOB[job](**JOBS[job].settings, **values)
    rows = read_rows(JOBS[job].rows, **wanted(task))
    ready(task, rows)
    own = Family(family or FAMILY.get(job, "bert"))
    labels = getattr(task, "labels", None)
    more: dict[str, Any] = (
        {"labels": tuple(labels)} if labels else {"num_labels": 1} if job == "multiple-choice" else {}
    )
    loaded = load_model(own.model(task.auto_class, **more), task, tokenizer=own.tokenizer())
    found = forward(task, loaded, rows)
    json.dumps(found.data)
    assert found.lines()
    return found, task, loaded, rows


# parts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "albert", "modernbert", "deberta-v2", "gpt2", "llama", "t5", "bart", "mbart"])
def test_every_parameter_is_counted_once(name):
    for auto in (
        "AutoModel",
        "AutoModelForSequenceClassification",
        "AutoModelForMaskedLM",
        "AutoModelForCausalLM",
        "AutoModelForSeq2SeqLM",
    ):
        if not Family(name).has(auto):
            continue
        model = Family(name).model(auto)
        found = sees_model.parts(model)
        assert (
            sum(one["parameters"] for one in found["parts"])
            == found["parameters"]
            == sum(p.numel() for p in model.parameters())
        )
        assert any(one["role"] == "head" for one in found["parts"]) == (auto != "AutoModel")
        named = dict(model.named_parameters(remove_duplicate=False))
        for part in found["parts"]:
            if part["role"] == "head":
                assert all(list(named[one["name"]].shape) == one["shape"] for one in part["of"])
        assert sees_model.lines(found)


def test_the_packaged_models_parts(minilm):
    task = tasks.TextClassification(labels=["a", "b"])
    loaded = opened(str(minilm), task)
    found = sees_model.parts(loaded.model, loaded.new_weights)
    assert [(one["name"], one["role"], one["parameters"], one["new"]) for one in found["parts"]] == [
        ("bert", "body", 22_713_216, False), ("classifier", "head", 770, True)
    ]  # fmt: skip
    assert found["parts"][1]["of"] == [
        {"name": "classifier.weight", "shape": [2, 384]},
        {"name": "classifier.bias", "shape": [2]},
    ]
    assert found["sizes"] == {
        "vocabulary": 30_522,
        "hidden size": 384,
        "layers": 6,
        "heads": 12,
        "positions": 512,
        "segments": 2,
    }


# loss -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", list(OF_JOB))
def test_the_loss_is_that_of_training(job):
    """The loop's own batch: the sum of the packs' losses times its scale, at dropout 0."""
    found, task, loaded, rows = ran(job)
    store = encode_rows(rows, task, encoder_of(loaded, task, None, "head"))
    draw = task.drawing(DRAW_SEED, 0)
    batch = Batch(store, np.arange(len(store)), Packing(64), draw=draw, apart=task.apart)  # in other packs
    loaded.model.eval()
    with torch.no_grad():
        total = sum(float(task.losses(task.outputs(loaded.model, pack), pack).sum()) for pack in batch) * batch.scale
    assert found.data["loss"]["value"] == pytest.approx(total, abs=1e-4)
    assert found.data["loss"]["labels"] == batch.labels and found.data["batch"]["rows"] == len(store)
    assert found.data["batch"]["tokens"] == store.tokens


def guesses(job: str, data: dict[str, Any], vocabulary: int) -> float:
    choices = [len(row.get("choices", ())) for row in JOBS[job].rows]
    return {
        "text-classification": math.log(2), "pairs": math.log(2), "token-classification": math.log(5),
        "multiple-choice": float(np.mean(np.log(np.maximum(choices, 1)))), "question-answering": data["loss"]["guessing"],
    }.get(job, math.log(vocabulary))  # fmt: skip


@pytest.mark.parametrize("job", list(OF_JOB))
def test_a_model_of_zeros_costs_a_guess(job):
    """All outputs equal: the loss is ln of what there is to choose from."""
    found, task, loaded, rows = ran(job)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.zero_()
    data = forward(task, loaded, rows).data
    assert data["loss"]["guessing"] == pytest.approx(guesses(job, data, data["sizes"]["vocabulary"]), abs=1e-6)
    assert data["loss"]["value"] == pytest.approx(data["loss"]["guessing"], abs=1e-5) and data["loss"][
        "ratio"
    ] == pytest.approx(1)
    assert "no better than a guess" in data["loss"]["said"]


def test_weights_that_are_no_numbers_are_said():
    found, task, loaded, rows = ran("text-classification")
    with torch.no_grad():
        loaded.model.classifier.weight.fill_(float("nan"))
    assert forward(task, loaded, rows).data["loss"]["said"].startswith("it is no number")


def test_verdicts():
    assert "far above" in _verdict(2.0, True, 8) and "about a guess" in _verdict(1.0, True, 8)
    assert "sure and wrong" in _verdict(2.0, False, 8) and "knows something" in _verdict(0.5, False, 8)
    assert "they are few" in _verdict(1.0, False, 8) and "few" not in _verdict(1.0, False, 80)


# outputs and guesses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "family", "shapes"),
    [
        ("text-classification", "bert", {"logits": [8, 2]}),
        ("token-classification", "bert", {"logits": [8, None, 5]}),
        ("question-answering", "distilbert", {"start_logits": [8, None], "end_logits": [8, None]}),
        ("multiple-choice", "bert", {"logits": [16, 1]}),
        ("fill-mask", "roberta", {"logits": [8, None, "vocabulary"]}),
        ("text-generation", "gpt2", {"logits": [None, None, "vocabulary"], "past_key_values": None}),
        ("summarization", "t5", {"logits": [8, None, "vocabulary"], "past_key_values": None, "encoder_last_hidden_state": [8, None, 32]}),
        ("summarization", "bart", {"logits": [8, None, "vocabulary"], "past_key_values": None, "encoder_last_hidden_state": [8, None, 32]}),
        ("text-classification", "deberta-v2", {"logits": [8, 2]}),
    ],
)  # fmt: skip
def test_outputs_are_named_as_transformers_names_them(job, family, shapes):
    found, *_ = ran(job, family)
    outputs = {one["name"]: one for one in found.data["outputs"] if not one["name"].startswith("input: ")}
    assert list(outputs) == list(shapes)
    for name, shape in shapes.items():
        if shape is None:
            assert "Cache" in outputs[name]["of"]
            continue
        wanted_shape = [found.data["sizes"]["vocabulary"] if one == "vocabulary" else one for one in shape]
        assert all(one in (None, own) for one, own in zip(wanted_shape, outputs[name]["shape"], strict=True))
    inputs = {one["name"] for one in found.data["outputs"]} - set(outputs)
    assert {"input: input_ids", "input: attention_mask"} <= inputs
    assert ("input: decoder_input_ids" in inputs) == (job == "summarization")


def test_the_likeliest_are_those_of_the_model_alone():
    """A row at a time through plain transformers: tags, masked words, the next tokens, the targets."""
    for job in ("token-classification", "fill-mask", "text-generation", "summarization"):
        found, task, loaded, rows = ran(job)
        model = loaded.model.eval()
        for row in found.data["rows"]:
            for sequence in row["sequences"]:
                ids = torch.tensor([[one.get("seen_id", one["id"]) for one in sequence["tokens"]]])
                if job == "summarization":
                    own = row["decoder"]
                    fed = torch.tensor([own["input_ids"][: len(own["best_ids"])]])
                    with torch.no_grad():
                        best = model(input_ids=ids, decoder_input_ids=fed).logits[0].argmax(-1).tolist()
                    assert own["best_ids"] == best
                    continue
                with torch.no_grad():
                    best = model(input_ids=ids).logits[0].argmax(-1).tolist()
                marked = [one["place"] for one in sequence["tokens"] if "best" in one]
                assert marked and all(sequence["tokens"][at]["best_id"] == best[at] for at in marked)
                if job == "token-classification":
                    assert [one["best"] for one in sequence["tokens"]] == [task.labels[one] for one in best]


def test_what_stands_behind_sentinels():
    task = tasks.SpanCorruption()
    rows = read_rows([{"text": " ".join(TEXTS)}, {"text": TEXTS[0]}], **wanted(task))
    ready(task, rows)
    loaded = load_model(Family("t5").model(task.auto_class), task, tokenizer=Family("t5").tokenizer())
    found = forward(task, loaded, rows)
    count = 0
    for row in found.data["rows"]:
        for sequence in row["sequences"]:
            own = sequence["decoder"]
            inputs = {"input_ids": torch.tensor([[one["id"] for one in sequence["tokens"]]])}
            with torch.no_grad():
                logits = loaded.model(**inputs, decoder_input_ids=torch.tensor([own["input_ids"]])).logits
            assert own["best_ids"] == logits[0].argmax(-1).tolist()
            count += len(own["labels"])
    assert found.data["loss"]["labels"] == count and found.data["loss"]["of"].startswith("ln(")
    assert any(line.startswith("likeliest") for line in found.lines())


def test_predictions_are_those_of_the_pipeline():
    from byeori.predict.engine import Engine

    for job in ("text-classification", "question-answering", "multiple-choice"):
        found, task, loaded, rows = ran(job)
        engine = Engine(task, loaded.model, loaded.tokenizer, max_length=found.data["batch"]["max_length"])
        store = engine.encode(rows.table[:2])
        expected = task.decode(engine.run(store), store)
        for row, right in zip(found.data["rows"], expected, strict=True):
            for name, value in right.items():
                assert row["prediction"][name] == (
                    pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
                )


def test_rows_without_answers_and_vectors_have_no_loss(minilm):
    task = tasks.FeatureExtraction()
    rows = read_rows([{"text": text} for text in TEXTS], **wanted(task, labels=False))
    found = forward(task, opened(str(minilm), task), rows)
    assert found.data["loss"] is None and any("no loss" in line for line in found.lines())
    shapes = {one["name"]: one["shape"] for one in found.data["outputs"]}
    assert shapes["last_hidden_state"][::2] == [8, 384] and shapes["pooler_output"] == [8, 384]


def test_numbers_are_held_beside_their_variance():
    task = tasks.TextClassification()
    rows = read_rows([{"text": text, "label": n + 0.5} for n, text in enumerate(TEXTS)], **wanted(task))
    ready(task, rows)
    model = Family("bert").model(task.auto_class, num_labels=1, labels=("LABEL_0",))
    loaded = load_model(model, task, tokenizer=Family("bert").tokenizer())
    assert forward(task, loaded, rows).data["loss"]["guessing"] == pytest.approx(np.var(np.arange(8) + 0.5))
    loaded.new_weights.append("classifier.weight")
    assert forward(task, loaded, rows).data["loss"]["guessing"] == pytest.approx(np.mean((np.arange(8) + 0.5) ** 2))


def test_the_batch_is_bounded(tiny):
    """Long rows: some thousand tokens, one row at least."""
    task = tasks.TextClassification()
    rows = read_rows([{"text": " ".join(ENGLISH * 8), "label": str(n % 2)} for n in range(40)], **wanted(task))
    ready(task, rows)
    loaded = load_model(
        Family("bert").model(task.auto_class, labels=("0", "1")), task, tokenizer=Family("bert").tokenizer()
    )
    found = forward(task, loaded, rows, most=40)
    assert found.data["batch"]["rows"] == 4_096 // 128 and found.data["rows"][0]["where"].endswith("row 1")
    assert KOREAN
