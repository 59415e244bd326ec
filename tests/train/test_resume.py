"""Going on with other settings, other data, a better model than the checkpoint's; and models that outlive a failed training."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import byeori
from byeori.errors import DataError, SettingError
from byeori.models import embedding
from byeori.models.packed import runner
from byeori.run import RunFolder


class Cut(byeori.Hook):
    """A power cut after so many updates."""

    def __init__(self, step: int):
        self.step = step

    def step_end(self, run, pack, outputs):
        if run.step == self.step:
            raise RuntimeError("power cut")


def cut(train, step: int = 3, /, **values) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        train(checkpoint_every=2, hooks=[Cut(step)], **values)


def history(run) -> list[dict]:
    return [line for line in run.folder.lines(run.folder.history) if "loss" in line]


def test_a_lower_rate_holds_when_it_goes_on(train):
    """With the checkpoint's moments and place in the schedule, and this run's own rate, decay and betas."""
    values = {"log_every": 1, "schedule": "linear", "warmup_steps": 0}
    whole = train("whole", learning_rate=1e-4, weight_decay=0.3, adam_beta1=0.8, **values)
    cut(train, **values)
    resumed = train(resume=True, learning_rate=1e-4, weight_decay=0.3, adam_beta1=0.8, **values)
    rates = [[line["learning_rate"] for line in history(run)] for run in (whole, resumed)]
    assert rates[0][2:] == rates[1][2:] and rates[1][0] == pytest.approx(10 * rates[0][0])


def test_other_data_of_as_many_rows_is_refused(train, demo_rows):
    values = {"test_size": 0, "validation_size": 0}
    cut(train, train=demo_rows[:60], **values)
    other = [{**row, "text": row["text"] + "!"} for row in demo_rows[:60]]
    with pytest.raises(SettingError, match=r"made with other rows or another order of them \(data \w{16} → \w{16}\)"):
        train(train=other, resume=True, **values)
    train(train=[dict(row) for row in demo_rows[:60]], resume=True, **values)


def test_the_best_is_the_model_that_is_kept(train, tmp_path):
    """Of an evaluation after the checkpoint, when what goes on is no better."""
    calls = []

    def rising(predictions, references):
        calls.append(1)
        return float(len(calls))

    def flat(predictions, references):
        return 0.0

    def kept() -> int:
        return json.loads((tmp_path / "run" / "model" / "byeori.json").read_text())["step"]

    flat.__name__ = "rising"
    values = {"evaluate_every": 1, "best_metric": "rising"}
    cut(train, 6, metrics=[rising], **values)
    assert kept() == 5, "one better than at the checkpoint of step 4"
    resumed = train(resume=True, metrics=[flat], **values)
    assert resumed.metrics["training"]["best"] == {"step": kept(), "value": 0.0, "metric": "rising"}


def test_the_best_of_a_checkpoint_with_old_names_is_the_one_that_is_scored(train, still_bert, tmp_path):
    """LayerNorm.gamma, as checkpoints of 2018 have it: transformers saves it so again."""
    old = Path(shutil.copytree(still_bert, tmp_path / "old"))
    weights = load_file(old / "model.safetensors")
    names = {
        name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        for name in weights
    }
    save_file({names[name]: value for name, value in weights.items()}, old / "model.safetensors", {"format": "pt"})
    run = train(model=str(old), epochs=4, learning_rate=0.05, best_metric="loss", evaluate_every=1)
    best = run.metrics["training"]["best"]
    assert best["step"] < run.metrics["training"]["steps"], "the rate is far too high"
    saved = AutoModelForSequenceClassification.from_pretrained(run.folder.model).state_dict()
    found = run.model.state_dict()
    assert found.keys() == saved.keys() and all(torch.equal(found[name], saved[name]) for name in saved)
    assert run.metrics["validation"]["loss"]["value"] == pytest.approx(best["value"], abs=1e-6)


def test_a_model_whose_training_failed_trains_again(train, still_bert, monkeypatch):
    """As one that is loaded anew; in between it is an ordinary model."""
    monkeypatch.setattr(embedding, "SMALLEST", 0)
    monkeypatch.setattr(embedding, "WORTH", 2.0)
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(still_bert, num_labels=4)
    with pytest.raises(RuntimeError, match="power cut"):
        train("one", model=model, tokenizer=tokenizer, hooks=[Cut(1)])
    assert type(model.get_input_embeddings()) is torch.nn.Embedding
    words = model.get_input_embeddings().weight.detach().clone()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    run = train("two", model=model, tokenizer=tokenizer)
    saved = load_file(run.folder.model / "model.safetensors")
    assert not torch.equal(saved["bert.embeddings.word_embeddings.weight"], words)
    other = AutoModelForSequenceClassification.from_pretrained(still_bert, num_labels=4)
    other.load_state_dict(start)
    again = load_file(train("three", model=other, tokenizer=tokenizer).folder.model / "model.safetensors")
    assert all(torch.equal(saved[name], again[name]) for name in saved)


def test_hooks_see_an_ordinary_model_at_the_end(train, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "SMALLEST", 0)
    monkeypatch.setattr(embedding, "WORTH", 2.0)

    class Keep(byeori.Hook):
        def train_end(self, run):
            run.model.save_pretrained(tmp_path / "kept")

    run = train(hooks=[Keep()], validation_size=0, test_size=0)
    kept, saved = load_file(tmp_path / "kept" / "model.safetensors"), load_file(run.folder.model / "model.safetensors")
    assert kept.keys() == saved.keys() and all(torch.equal(kept[name], saved[name]) for name in saved)


def test_a_model_nobody_holds_is_forgotten(still_bert):
    model = AutoModelForSequenceClassification.from_pretrained(still_bert)
    runner(model)
    gone = [weakref.ref(model), weakref.ref(model.bert.encoder)]
    del model
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_what_a_killed_process_left_is_cleared(train, tmp_path):
    """Half-written files go; a folder that was about to be replaced is there again."""
    train()
    folder = RunFolder(tmp_path / "run")
    (tmp_path / "run" / ".model.abc123").mkdir()
    (tmp_path / "run" / ".metrics.json.xyz").write_text("{")
    (tmp_path / "run" / "model").rename(tmp_path / "run" / ".model.old")
    with folder.writing(resume=True):
        assert folder.has_model
        assert not list((tmp_path / "run").glob(".*"))


# parts ------------------------------------------------------------------------------------------------------------------
def test_rows_of_training_are_never_scored_as_others(train, demo_rows):
    """A source of several splits has one of the name, or is refused; --split is of the training source."""
    import datasets

    parts = datasets.DatasetDict(
        {name: datasets.Dataset.from_list(demo_rows[a:b]) for name, a, b in (("train", 0, 60), ("validation", 60, 96))}
    )
    with pytest.raises(DataError, match="DatasetDict: it has the splits train, validation and none called test"):
        train(train=parts, test=parts)
    run = train(train=parts, validation=parts, test_size=0)
    facts = json.loads(run.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 60, "validation": 36}
    named = train("named", train=parts, split="validation", validation=demo_rows[:20], test_size=0)
    facts = json.loads(named.folder.data.read_text())["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 36, "validation": 20}


def test_baselines_and_weights_go_by_the_order_of_a_head_that_is_kept(train, demo_rows, tiny):
    """Not by the order that the labels had before the model was loaded."""
    names = sorted({row["label"] for row in demo_rows})
    turned = str(tiny("bert", labels=tuple(reversed(names))))
    values = {"train": demo_rows, "baselines": True, "class_weights": f"{names[0]}=9", "epochs": 1}
    found = [
        train(name, model=model, **values)
        for name, model in (("kept", turned), ("new", str(tiny("bert", auto="AutoModel"))))
    ]
    assert found[0].task.labels == list(reversed(names)) and found[1].task.labels == names
    assert found[0].task.weights == found[1].task.weights[::-1]
    assert found[0].task.weights[-1] == max(found[0].task.weights)
    for kind in ("trivial", "linear"):
        scores = [run.metrics["baseline"][kind]["accuracy"]["value"] for run in found]
        assert scores[0] == pytest.approx(scores[1])
