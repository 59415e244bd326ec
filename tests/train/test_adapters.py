"""Adapters: what peft's own model gives on padded rows, what is saved, and a training that was cut."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import byeori
from beside import Beside
from byeori.batches.loader import Packing
from byeori.errors import ModelError, SettingError
from byeori.models import adapters
from byeori.train.memory import measured
from byeori.train.optimize import learning_rate_for
from plain import JOBS, losses
from plain import train as train_job

RATE = 1e-2
LABELS = {"text-classification": ["English", "한국어"]}


class OfPeft(Beside):
    """peft's own model around the same weights."""

    def wrapped(self, model, run):
        import peft

        given = run.model._byeori_adapter.peft.peft_config["default"]
        config = peft.LoraConfig(
            r=given.r, lora_alpha=given.lora_alpha, target_modules=given.target_modules,
            modules_to_save=given.modules_to_save, task_type=given.task_type,
        )  # fmt: skip
        found = peft.get_peft_model(model, config)
        model.load_state_dict(run.model.state_dict())  # the adapter's first matrices are drawn at random
        return found


@pytest.mark.parametrize(
    ("job", "name", "values"),
    [
        ("text-classification", "bert", {}),
        ("text-classification", "roberta", {"adapter_targets": "all-linear"}),
        ("text-generation", "llama", {}),
        ("text-generation", "gpt2", {}),
        ("summarization", "t5", {"adapter_targets": "q,v,wi"}),
    ],
)
def test_losses_and_merged_weights_are_those_of_peft(tiny, tmp_path, job, name, values):
    from transformers import AutoConfig

    task = byeori.tasks.find(JOBS[job].task)(**({"labels": LABELS[job]} if job in LABELS else {}))
    model, tokenizer = byeori.load(str(tiny(name, auto=JOBS[job].auto)), task, seed=0)
    assert AutoConfig.from_pretrained(tiny(name, auto=JOBS[job].auto)).model_type == name
    plain = list(model.state_dict())
    beside = OfPeft(model, RATE)
    run = train_job(
        job, model, tmp_path / "run", task=task, tokenizer=tokenizer, max_steps=8, learning_rate=RATE, batch_size=4, order="random",
        evaluate_every=3, best_metric="loss", hooks=[beside], adapter="lora", adapter_rank=4, **values,
    )  # fmt: skip
    assert losses(run) == pytest.approx(beside.losses, rel=1e-5, abs=1e-6)
    assert beside.losses[-1] < beside.losses[0]
    assert list(model.state_dict()) == plain and all(p.requires_grad for p in model.parameters())
    if json.loads((run.path / "model" / "byeori.json").read_text())["step"] == 8:
        expected = beside.model.merge_and_unload().state_dict()
        for key, value in run.model.state_dict().items():
            torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-5)
    saved, own = load_file(run.path / "model" / "model.safetensors"), run.model.state_dict()
    assert saved.keys() <= own.keys() and all(torch.equal(saved[key], own[key]) for key in saved)


def trained(train, notes=None, **values):
    return train(adapter="lora", learning_rate=1e-2, log_every=1, **({"progress": notes} if notes else {}), **values)


def test_an_adapter_alone_answers_as_the_merged_model(train, notes, still_bert, monkeypatch):
    """In the run at hand, loaded again, by peft, and trained further; the best one, not the last."""
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    values = {"model": still_bert, "evaluate_every": 1, "max_steps": 9, "schedule": "constant"}
    merged = trained(train, notes, name="merged", **values)
    alone = trained(train, name="alone", merge_adapter=False, **values)
    assert any("0.0" in note and "million weights train" in note for note in notes.notes)
    folder = alone.path / "model"
    assert not (folder / "model.safetensors").exists() and (folder / "adapter_model.safetensors").is_file()
    assert json.loads((folder / "byeori.json").read_text())["step"] < 9
    texts = ["환불해 주세요", "where is my parcel"]
    expected = merged.predict(texts)
    for run in (alone, *(byeori.load_run(run.path, precision="float32") for run in (alone, merged))):
        for one, other in zip(run.predict(texts), expected, strict=True):
            assert one["label"] == other["label"] and one["score"] == pytest.approx(other["score"], abs=1e-5)
    assert alone.metrics["validation"] == byeori.load_run(alone.path).metrics["validation"]
    (code,) = re.findall(r"```python\n(from peft.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert str(still_bert) not in (folder / "README.md").read_text(encoding="utf-8")  # of a folder the name alone
    (alone.path.parent / Path(still_bert).name).symlink_to(still_bert)
    monkeypatch.chdir(alone.path.parent)
    exec(code, names := {})
    assert type(names["model"]) is type(alone.model)
    for key, value in alone.model.state_dict().items():
        torch.testing.assert_close(names["model"].state_dict()[key], value, rtol=1e-5, atol=1e-6)
    assert byeori.pipeline(model=str(alone.path))(texts)[0]["label"] == expected[0]["label"]
    base = AutoModelForSequenceClassification.from_pretrained(still_bert, config=AutoConfig.from_pretrained(folder))
    theirs = PeftModel.from_pretrained(base, str(folder))
    loaded = byeori.load_run(alone.path).model.cpu()
    ids = torch.arange(5, 15)[None]
    torch.testing.assert_close(theirs.eval()(ids).logits, loaded.eval()(ids).logits, rtol=1e-4, atol=1e-5)
    further = train("further", model=str(alone.path), max_steps=1)
    assert (further.path / "model" / "model.safetensors").is_file()


def test_a_base_that_is_gone_or_another_one_is_said(train, still_bert, tiny, tmp_path):
    import shutil

    base = tmp_path / "base"
    shutil.copytree(still_bert, base)
    run = trained(train, model=str(base), merge_adapter=False, max_steps=1)
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="what that stands on, .*base, isn't there"):
        byeori.load_run(run.path)
    shutil.copytree(tiny("bert", auto="AutoModel", seed=1), base)
    with pytest.raises(ModelError, match="trained on other weights than those of"):
        byeori.load_run(run.path)


class Cut(byeori.Hook):
    def step_end(self, run, pack, outputs):
        if run.step == 5:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("values", [{"adapter": "lora", "adapter_dropout": 0.1}, {"freeze": "embeddings,layers.0"}])
def test_resumed_is_uninterrupted_and_a_checkpoint_holds_what_trains(train, tmp_path, values):
    values = {"log_every": 1, "evaluate_every": 2, "max_steps": 8, **values}
    whole = train("whole", **values)
    with pytest.raises(RuntimeError, match="power cut"):
        train(checkpoint_every=2, hooks=[Cut()], **values)
    place = max((tmp_path / "run" / "checkpoints").glob("step-*"))
    held = load_file(place / "model.safetensors")
    assert held and not any("embeddings" in name or "base_layer" in name for name in held)
    with pytest.raises(SettingError, match="made with other weights training"):
        train(
            resume=True,
            **{name: value for name, value in values.items() if name not in ("adapter", "adapter_dropout", "freeze")},
        )
    resumed = train(resume=True, checkpoint_every=2, keep_checkpoints=True, **values)
    assert losses(resumed) == losses(whole)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key]), key


def test_another_method_by_a_file(train, still_bert, tmp_path):
    file = tmp_path / "loha.yaml"
    file.write_text("peft_type: LOHA\nr: 4\nalpha: 8\ntarget_modules: [query, value]\n")
    run = train(model=still_bert, adapter_config=str(file), max_steps=4)
    again = byeori.load_run(run.path)
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), again.model.parameters(), strict=True))
    assert type(run.model.bert.encoder.layer[0].attention.self.query) is torch.nn.Linear


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"adapter_rank": 4}, "adapter_rank: there is no adapter"),
        ({"adapter": "lora", "freeze": "body"}, "all else is frozen already"),
        ({"adapter": "lora", "adapter_targets": "quary"}, "no module of that name. Its linear ones are query, key"),
        ({"adapter_config": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}}, "can't be merged"),
        ({"adapter_config": {"peft_type": "LORE"}}, "peft has .*LORA"),
        ({"adapter_config": {"peft_type": "LORA", "rank": 4}}, "peft doesn't take these settings"),
        ({"adapter": "lora", "adapter_config": {"peft_type": "LORA"}}, "Give one of them"),
        ({"adapter": "lora", "adapter_targets": "LayerNorm"}, "peft can't put it into"),
    ],
)
def test_what_is_refused(train, values, said):
    with pytest.raises(SettingError, match=said):
        train(**values)


def test_without_peft(train, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'byeori\[adapters\]'"):
        train(adapter="lora")


def test_peft_is_not_imported_unless_asked(train):
    import subprocess

    code = "import sys, byeori.train.fit, byeori.predict.run; sys.exit('peft' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_rate_of_an_adapter_is_ten_times_that_of_the_whole():
    assert learning_rate_for(32, 768, adapter=True) == pytest.approx(10 * learning_rate_for(32, 768))


def test_what_a_token_takes_is_measured_with_the_adapter(still_bert):
    """Fewer optimizer states, and what layers keep for the adapter's own gradients."""
    import peft

    task = byeori.tasks.TextClassification(labels=["a", "b"])
    model, tokenizer = byeori.load(still_bert, task)
    store = byeori.encode([{"text": "where is my parcel", "label": "a"}] * 4, task, tokenizer, model=model)

    def cost():
        return measured(model, task, store, Packing(), torch.device("cpu"), "float32", 64)

    whole = cost()
    adapters.put_in(model, peft.LoraConfig(r=2, target_modules=["query"]), source=still_bert)
    assert cost().fixed < 0.5 * whole.fixed and cost().token > 0
    adapters.take_out(model)
    assert cost() == whole
