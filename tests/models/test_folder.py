"""Model folders: every unusable one is refused in one sentence; what a card says is read."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from byeori.errors import ModelError
from byeori.models.load import load_model
from byeori.tasks import TextClassification
from families import Family, wordpiece

LABELS = ["bad", "good", "so so"]


def task(labels=LABELS, **settings) -> TextClassification:
    return TextClassification(labels=labels, **settings)


def config(folder: Path, **values) -> None:
    """Change config.json; None takes a key out."""
    path = folder / "config.json"
    found = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def without(*patterns: str):
    def spoil(folder: Path) -> None:
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.unlink()

    return spoil


def foreign(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "tf_model.h5")


def cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


SPOILT = {
    "no weights": (without("model.safetensors"), "there are no weights in it"),
    "no config": (without("config.json"), r"there is no config\.json in it \(found: "),
    "empty": (without("*"), r"there is no config\.json in it \(found: nothing\)"),
    "no tokenizer": (without("tokenizer*", "vocab*", "special*"), "there is no tokenizer in it"),
    "no vocabulary": (without("tokenizer.json", "vocab*"), "there is no tokenizer in it"),
    "no model_type": (lambda folder: config(folder, model_type=None), 'there is no "model_type"'),
    "unknown model_type": (lambda folder: config(folder, model_type="bertt"), "bertt"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "this is not JSON"),
    "tensorflow": (foreign, "it holds TensorFlow weights only"),
    "cut short": (cut_short, "weights are damaged or cut short"),
    "a decoder's body only": (
        lambda folder: config(folder, model_type="clip_vision_model"),
        "has no head for text-classification",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_folder_that_cannot_be_used(folder, how):
    spoil, said = SPOILT[how]
    spoil(folder)
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(folder), task())
    one_sentence(caught.value, str(folder))


def one_sentence(error: ModelError, name: str) -> None:
    text = str(error)
    assert text.startswith(name) and "\n" not in text and len(text) < 600, text
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./nowhere", "there is no such folder"),
        ("/nowhere/at/all", "there is no such folder"),
        ("models/deep/down", "there is no such folder"),
        ("", "no model is named"),
        (None, "no model is named"),
    ],
)
def test_a_name_that_is_nothing(name, said):
    with pytest.raises(ModelError, match=said):
        load_model(name, task())


def test_a_file_is_no_model(folder):
    with pytest.raises(ModelError, match="a model is a folder with config.json and weights; this is a file") as caught:
        load_model(str(folder / "model.safetensors"), task())
    one_sentence(caught.value, str(folder))


@pytest.mark.parametrize("name", ["klue/roberta-base", "bert-base-uncased"])
def test_a_hub_id_offline(name, monkeypatch, tmp_path):
    """At once, in one sentence, without asking the network."""
    started = time.perf_counter()
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE=1 uses only what is in HF_HOME") as caught:
        load_model(name, task())
    assert time.perf_counter() - started < 5
    one_sentence(caught.value, name)


def test_a_run_stands_for_its_model(folder, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copytree(folder, tmp_path / "run" / "model")
    loaded = load_model(str(tmp_path / "run"), task())
    assert not loaded.new_weights and loaded.source == str(tmp_path / "run")


def test_code_of_a_checkpoint_is_not_run(folder, tmp_path):
    config(folder, auto_map={"AutoConfig": "own.Config"}, model_type="own")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    with pytest.raises(ModelError, match="Read that code, then add --trust-remote-code"):
        load_model(str(folder), task())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("/nowhere", "/nowhere: "),
        ("klue/roberta-base", "klue/roberta-base: "),
        ("EMPTY", "there is no tokenizer in it"),
    ],
)
def test_another_tokenizer_that_is_not_there(folder, tmp_path, given, said):
    """The message names the tokenizer asked for, not the model."""
    (tmp_path / "empty").mkdir()
    given = given.replace("EMPTY", str(tmp_path / "empty"))
    with pytest.raises(ModelError, match=said) as caught:
        load_model(str(folder), task(), tokenizer=given)
    one_sentence(caught.value, given)
    with pytest.raises(ModelError, match=said):
        load_model(load_model(str(folder), task()).model, task(), tokenizer=given)


def test_a_revision_is_the_models_own(folder, tiny):
    """A tokenizer from elsewhere is not looked for at the model's revision."""
    loaded = load_model(str(folder), task(), tokenizer=str(tiny("bert")), revision="v1.0")
    assert loaded.tokenizer.get_vocab() == wordpiece()


def test_a_tokenizer_without_a_pad_token(tmp_path):
    """GPT-2's: without one its head can't tell where a text ends, and a batch of two fails."""
    from transformers import GPT2ForSequenceClassification, GPT2Tokenizer

    full = Family("gpt2").tokenizer()
    config = Family("gpt2").config(full, num_labels=2, labels=("a", "b"), pad_token_id=None)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    full.save_pretrained(tmp_path / "whole")
    GPT2Tokenizer(
        vocab=full.get_vocab(),
        merges=[tuple(pair) for pair in json.loads(full.backend_tokenizer.to_str())["model"]["merges"]],
    ).save_pretrained(tmp_path / "gpt2")
    loaded = load_model(str(tmp_path / "gpt2"), task(["a", "b"]))
    assert any("no pad token; <|endoftext|> stands in" in note for note in loaded.notes)
    assert loaded.model.config.pad_token_id == loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id
    other = load_model(str(tmp_path / "gpt2"), task(["a", "b"]), tokenizer=str(tmp_path / "whole"))
    assert other.model.config.pad_token_id == other.tokenizer.pad_token_id == full.pad_token_id


@pytest.mark.parametrize(
    ("card", "licence", "languages"),
    [
        ("---\nlicense: cc-by-sa-4.0\nlanguage:\n- ko\n- en\n---\n# A model", "cc-by-sa-4.0", ["ko", "en"]),
        ("---\nlicense: mit\nlanguage: ko\n---\n", "mit", ["ko"]),
        ("---\nlanguage: no\n---\n", None, ["no"]),
        ("# A card without a head", None, []),
        ("---\n: : [broken\n---\n", None, []),
        (None, None, []),
    ],
)
def test_licence_and_languages(folder, card, licence, languages):
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
    loaded = load_model(str(folder), task())
    assert (loaded.licence, loaded.languages) == (licence, languages)
    assert (", licence " in loaded.notes[0]) is bool(licence or languages)
