"""Loading: what is kept and what is new, as float32 masters; loaded objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from byeori.errors import ModelError
from byeori.models.load import load_model
from byeori.models.packed import runner
from byeori.tasks import FillMask, TextClassification
from families import wordpiece
from hub import Hub

LABELS = ["bad", "good", "so so"]


def task(labels=LABELS, **settings) -> TextClassification:
    return TextClassification(labels=labels, **settings)


def state(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def saved(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def config(folder: Path, **values) -> None:
    """Change config.json; None takes a key out."""
    path = folder / "config.json"
    found = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


# heads ------------------------------------------------------------------------------------------------------------


def test_a_body_gets_a_named_new_head(body):
    loaded = load_model(str(body), task())
    assert loaded.new_weights == ["classifier.bias", "classifier.weight"]
    assert "New weights, to be learnt: classifier.bias, classifier.weight." in loaded.notes
    assert loaded.model.config.id2label == dict(enumerate(LABELS)) and loaded.model.config.num_labels == 3
    assert loaded.model.config.problem_type == "single_label_classification"
    for name, value in saved(body).items():
        assert torch.equal(loaded.model.bert.state_dict()[name], value), name


def test_a_new_head_depends_on_the_seed_alone(body):
    heads = []
    for seed, noise in ((1, 5), (1, 6), (2, 5)):
        torch.manual_seed(noise)
        heads.append(load_model(str(body), task(), seed=seed).model.classifier.weight.detach())
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_the_packaged_minilm(minilm):
    loaded = load_model(str(minilm), task(["no", "yes"]))
    assert loaded.new_weights == ["classifier.bias", "classifier.weight"]
    assert runner(loaded.model).packs and loaded.max_length == 512
    assert loaded.model.dtype == torch.float32
    weights = saved(minilm)
    assert all(
        torch.equal(value, weights[name]) for name, value in loaded.model.bert.state_dict().items() if name in weights
    )
    assert loaded.licence == "apache-2.0" and loaded.languages == ["en"]
    assert "licence apache-2.0, languages en" in loaded.notes[0]


def test_a_head_for_these_labels_is_kept(folder):
    loaded = load_model(str(folder), task())
    assert loaded.new_weights == [] and "The checkpoint's head fits these labels and is kept." in loaded.notes
    assert state(loaded.model).keys() == saved(folder).keys()
    assert all(torch.equal(value, saved(folder)[name]) for name, value in loaded.model.state_dict().items())


def test_a_head_in_another_order_is_kept_and_read_right(folder):
    """The data's order gives way to the head's: output 1 stays "good"."""
    work = task(["so so", "bad", "good"])
    loaded = load_model(str(folder), work)
    assert loaded.new_weights == [] and work.labels == LABELS
    assert loaded.model.config.id2label == dict(enumerate(LABELS))
    assert loaded.model.config.label2id == {name: i for i, name in enumerate(LABELS)}
    assert torch.equal(loaded.model.classifier.weight, saved(folder)["classifier.weight"])


@pytest.mark.parametrize(
    "labels", [["bad", "good"], ["bad", "good", "fine"], ["a", "b", "c", "d"], ["0", "1", "2"]], ids=str
)
def test_a_head_for_other_labels_is_made_anew(folder, labels):
    found = [load_model(str(folder), task(labels), seed=seed) for seed in (3, 3, 4)]
    old = saved(folder)
    for loaded in found:
        assert loaded.new_weights == ["classifier.bias", "classifier.weight"]
        assert loaded.model.config.num_labels == len(labels) and loaded.model.num_labels == len(labels)
        assert loaded.model.classifier.weight.shape == (len(labels), 32)
        assert all(torch.equal(v, old[n]) for n, v in loaded.model.state_dict().items() if n.startswith("bert."))
    heads = [loaded.model.classifier.weight.detach() for loaded in found]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    if len(labels) == 3:
        assert not torch.equal(heads[0], old["classifier.weight"])


def test_a_numbered_head_fits_numbered_labels(tiny):
    """LABEL_0, LABEL_1… is what transformers calls outputs nobody named: it fits the classes 0, 1… ."""
    kept = load_model(str(tiny("bert", num_labels=3)), task(["0", "1", "2"]))
    assert kept.new_weights == [] and kept.model.config.id2label == {0: "0", 1: "1", 2: "2"}
    assert load_model(str(tiny("bert", num_labels=3)), task()).new_weights
    assert load_model(str(tiny("bert", num_labels=3)), task(["0", "2", "4"])).new_weights


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
def test_a_head_of_another_kind_is_made_anew(folder, kind):
    config(folder, problem_type="single_label_classification")
    work = task(LABELS if kind == "multi_label" else None, problem_type=kind)
    loaded = load_model(str(folder), work)
    assert loaded.new_weights and loaded.model.classifier.out_features == (3 if kind == "multi_label" else 1)
    theirs = {"multi_label": "multi_label_classification", "regression": "regression"}[kind]
    assert loaded.model.config.problem_type == theirs


def test_a_head_for_another_task(tiny, tmp_path):
    """What is left out is named as well."""
    loaded = load_model(str(tiny("bert", auto="AutoModelForMaskedLM")), task())
    assert loaded.new_weights == [
        "bert.pooler.dense.bias",
        "bert.pooler.dense.weight",
        "classifier.bias",
        "classifier.weight",
    ]
    assert any(note.startswith("Not used: cls.predictions") for note in loaded.notes)


def test_a_model_without_its_head_predicts_nothing(body):
    with pytest.raises(ModelError, match=r"has no head for text-classification: classifier\.bias, classifier\.weight"):
        load_model(str(body), TextClassification(), for_training=False)


def test_to_predict_labels_come_from_the_model(folder):
    work = TextClassification()
    loaded = load_model(str(folder), work, for_training=False)
    assert work.labels == LABELS and not loaded.new_weights
    assert torch.equal(loaded.model.classifier.weight, saved(folder)["classifier.weight"])


@pytest.mark.parametrize("name", ["roberta", "distilbert", "electra", "albert", "modernbert", "deberta-v2", "gpt2"])
def test_other_labels_on_other_heads(tiny, name):
    """Heads of more than one layer are made anew as a whole, with the family's own initialisation."""
    source = tiny(name, labels=("x", "y"))
    loaded = load_model(str(source), task(["p", "q"]), seed=1)
    again = load_model(str(source), task(["p", "q"]), seed=1)
    old, head = saved(source), loaded.new_weights
    assert head and not any(n.startswith(f"{loaded.model.base_model_prefix}.") for n in head)
    for key, value in loaded.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])
        if key not in head:
            assert torch.equal(value, old[key]), key
        elif value.ndim == 2:
            assert not torch.equal(value, old[key]) and 0.1 < float(value.std()) < 0.5, key
        elif key.endswith("bias"):
            assert not value.any(), key


# weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(folder, dtype):
    from transformers import AutoModelForSequenceClassification

    AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    weights = saved(folder)
    assert weights["classifier.weight"].dtype == dtype
    loaded = load_model(str(folder), task())
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert all(torch.equal(value, weights[name].float()) for name, value in loaded.model.state_dict().items())


def test_pytorch_model_bin_loads(folder):
    weights = saved(folder)
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    loaded = load_model(str(folder), task())
    assert not loaded.new_weights
    assert all(torch.equal(value, weights[name]) for name, value in loaded.model.state_dict().items())


def test_a_pickle_with_code_is_not_run(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"classifier.weight": Trap()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="such a file could run code, so it is not opened"):
        load_model(str(folder), task())
    assert not (tmp_path / "sprung").exists()


# objects ----------------------------------------------------------------------------------------------------------


def test_a_loaded_model_is_taken(folder):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    loaded = load_model(model, task(), tokenizer=tokenizer)
    assert loaded.model is model and loaded.tokenizer is tokenizer and loaded.max_length == 128
    assert load_model(model, task(), tokenizer=str(folder)).tokenizer.get_vocab() == wordpiece()
    with pytest.raises(ModelError, match="without its tokenizer"):
        load_model(model, task())
    with pytest.raises(ModelError, match=r"head has 3 outputs, the data 2 labels \(a, b\)"):
        load_model(model, task(["a", "b"]), tokenizer=tokenizer)
    assert {p.dtype for p in load_model(model.half(), task(), tokenizer=tokenizer).model.parameters()} == {
        torch.float32
    }


def test_the_commit_of_a_hub_model_is_known(tmp_path, monkeypatch):
    """For settings.yaml and the card; transformers 5.23 no longer puts it into the configuration."""
    hub = Hub(tmp_path)
    hub.at_hand(monkeypatch)
    hub.make("klue/bert-base")
    (snapshot,) = (tmp_path / "models--klue--bert-base" / "snapshots").iterdir()
    for revision in (None, "main", snapshot.name):
        assert load_model("klue/bert-base", FillMask(), revision=revision).revision == snapshot.name
    assert load_model(str(snapshot), FillMask()).revision is None
