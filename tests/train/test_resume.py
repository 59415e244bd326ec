"""Going on with other settings, other data, a better model than the checkpoint's; and models that outlive a failed training."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification

import byeori
from byeori.errors import SettingError
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
    resumed = train(resume=True, accept_changes=True, learning_rate=1e-4, weight_decay=0.3, adam_beta1=0.8, **values)
    rates = [[line["learning_rate"] for line in history(run)] for run in (whole, resumed)]
    assert rates[0][2:] == rates[1][2:] and rates[1][0] == pytest.approx(10 * rates[0][0])


def test_other_data_of_as_many_rows_is_refused(train, demo_rows):
    values = {"test_size": 0, "validation_size": 0}
    cut(train, train=demo_rows[:60], **values)
    other = [{**row, "text": row["text"] + "!"} for row in demo_rows[:60]]
    with pytest.raises(SettingError, match=r"made with other rows, or another order of them \(data \w{16} → \w{16}\)"):
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
    (tmp_path / "run" / ".model.abc123_x").mkdir()
    (tmp_path / "run" / ".metrics.json.xyz01234").write_text("{")
    (tmp_path / "run" / "predictions" / ".test.jsonl.xyz01234").write_text("{")
    (tmp_path / "run" / ".settings.yaml.swp").write_text("an editor's")
    (tmp_path / "run" / "model").rename(tmp_path / "run" / ".model.old")
    with folder.writing(resume=True):
        assert folder.has_model
        assert [path.name for path in sorted((tmp_path / "run").rglob(".*"))] == [".lock", ".settings.yaml.swp"]


def test_a_process_killed_at_the_report_leaves_nothing_half_written(train, tmp_path):
    run = train(max_steps=1)
    run.folder.report.rename(tmp_path / "run" / ".report.html.abc123_x")
    (run.folder.model / ".README.md.abc123_x").write_text("half")
    train(max_steps=1, resume=True)
    assert run.folder.report.is_file() and list((tmp_path / "run").rglob(".*")) == []


def test_a_model_can_be_pickled_after_a_training(train):
    """Its hooks go along and do nothing."""
    run = train(max_steps=1)
    again = pickle.loads(pickle.dumps(run.model))
    ids = torch.tensor([[5, 6, 7]])
    # A processor may take another way to the same product where a copy lies otherwise in memory.
    torch.testing.assert_close(
        again.eval()(input_ids=ids).logits, run.model.eval()(input_ids=ids).logits, atol=1e-6, rtol=1e-6
    )


class Own(BertForSequenceClassification):
    """A class of somebody's, which from_pretrained can't make."""

    def __init__(self, config, extra):
        super().__init__(config)
        self.extra = extra


class Spoilt(byeori.Hook):
    """The last update leaves a head that is sure of one class: never the best."""

    def step_end(self, run, pack, outputs):
        if run.step == run.steps:
            with torch.no_grad():
                run.model.classifier.bias[0] = 100.0


def test_the_best_of_a_class_of_ones_own(train, still_bert):
    config = AutoConfig.from_pretrained(still_bert, num_labels=4)
    values = {"best_metric": "loss", "evaluate_every": 1, "hooks": [Spoilt()]}
    run = train(model=Own(config, extra=1), tokenizer=AutoTokenizer.from_pretrained(still_bert), **values)
    best = run.metrics["training"]["best"]
    assert best["step"] < run.metrics["training"]["steps"]
    assert run.metrics["validation"]["loss"]["value"] == pytest.approx(best["value"], abs=1e-6)
