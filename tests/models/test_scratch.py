"""Models from scratch: shapes and configurations, fitted to a tokenizer; the same weights for the same seed; refusals.

References are the published numbers of parameters, and transformers' own `from_config` after the same seed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import byeori
from byeori import settings
from byeori.cli import cli
from byeori.errors import ModelError, SettingError
from byeori.models.checks import usable_length
from byeori.models.scratch import SHAPES, check_task, configuration, fresh
from byeori.tasks import FillMask, SpanCorruption, TextClassification, TextGeneration
from byeori.train.optimize import learning_rate_for
from families import Family, texts
from hub import Hub

ROWS = [{"text": text} for text in texts()[:24]]
SMALL = {"max_steps": 2, "batch_size": 8, "precision": "float32", "threads": 1, "previews": 0, "evaluate_every": "end"}


def tokenizer_of(name: str, folder: Path) -> str:
    Family(name).tokenizer().save_pretrained(folder / name)
    return str(folder / name)


def made(shape: str, task: Any, family: str, **values: Any):
    return fresh(configuration(shape), shape, task, tokenizer=Family(family).tokenizer(), **values)


# shapes ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "auto", "vocabulary", "millions"),
    [  # as their makers count them, to the digits that they give
        ("bert-tiny", "AutoModel", 30_522, 4.4), ("bert-mini", "AutoModel", 30_522, 11.2),
        ("bert-small", "AutoModel", 30_522, 28.8), ("bert-medium", "AutoModel", 30_522, 41.4),
        ("bert-base", "AutoModel", 30_522, 109.5), ("electra-small", "AutoModel", 30_522, 13.5),
        ("gpt2-small", "AutoModelForCausalLM", 50_257, 124.4), ("t5-tiny", "AutoModelForSeq2SeqLM", 32_128, 15.6),
        ("t5-mini", "AutoModelForSeq2SeqLM", 32_128, 31.2), ("t5-small", "AutoModelForSeq2SeqLM", 32_128, 60.5),
    ],
)  # fmt: skip
def test_shapes_are_the_published_ones(shape, auto, vocabulary, millions):
    config = configuration(shape)
    config.vocab_size = vocabulary
    with torch.device("meta"):
        model = getattr(transformers, auto).from_config(config)
    assert round(model.num_parameters() / 1e6, 1) == millions
    assert SHAPES[shape].source


@pytest.mark.parametrize(
    ("shape", "task", "family"),
    [("bert-mini", FillMask, "bert"), ("electra-small", FillMask, "bert"), ("roberta-mini", FillMask, "roberta"),
     ("gpt2-mini", TextGeneration, "gpt2"), ("llama-mini", TextGeneration, "gpt2"), ("t5-tiny", SpanCorruption, "t5")],
)  # fmt: skip
def test_a_shape_is_fitted_to_its_tokenizer(shape, task, family):
    tokenizer = Family(family).tokenizer()
    tokenizer.model_max_length = 10**30
    found = fresh(configuration(shape), shape, task(), tokenizer=tokenizer, max_length=48)
    config = found.model.config
    assert found.model.get_input_embeddings().num_embeddings == config.vocab_size == len(tokenizer)
    for name in ("pad", "eos", "bos"):
        own = getattr(tokenizer, f"{name}_token_id")
        assert getattr(config, f"{name}_token_id") == own or own is None
    if shape.startswith("t5"):
        assert config.decoder_start_token_id == tokenizer.pad_token_id and config.eos_token_id == tokenizer.eos_token_id
    else:
        assert usable_length(found.model, tokenizer) == 48 == tokenizer.model_max_length
        assert config.max_position_embeddings == (50 if family == "roberta" else 48)  # RoBERTa leaves two places free
    ids = torch.arange(48).remainder(len(tokenizer) - 8)[None] + 4
    with torch.no_grad():
        logits = found.model.eval()(
            input_ids=ids, **({"decoder_input_ids": ids} if shape.startswith("t5") else {})
        ).logits
    assert logits.shape == (1, 48, len(tokenizer)) and torch.isfinite(logits).all()
    assert f"{shape}, from scratch" in found.notes[0] and "drawn with seed 0" in found.notes[0]


def test_positions_are_the_tokenizers_where_nobody_asks():
    tokenizer = Family("bert").tokenizer()
    for limit, expected in ((100, 100), (2_000, 512), (10**30, 512)):
        tokenizer.model_max_length = limit
        found = fresh(configuration("bert-tiny"), "bert-tiny", FillMask(), tokenizer=tokenizer)
        assert found.model.config.max_position_embeddings == expected
    tokenizer.model_max_length = 2_000
    long = fresh(configuration("bert-tiny"), "bert-tiny", FillMask(), tokenizer=tokenizer, max_length=700)
    assert long.model.config.max_position_embeddings == 700
    tokenizer.model_max_length = 512
    with pytest.raises(
        SettingError, match="max_length=700: the tokenizer states 512 .*tokenizer train --max-length 700"
    ):
        fresh(configuration("bert-tiny"), "bert-tiny", FillMask(), tokenizer=tokenizer, max_length=700)


def test_positions_that_blocks_do_not_reach_are_said(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(
        '{"model_type": "gpt2", "n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 96}', encoding="utf-8"
    )
    for block, length, said in ((40, None, True), (96, None, False), (None, None, False)):
        task = TextGeneration(block_length=block)
        notes = " ".join(made(str(path), task, "gpt2", max_length=length).notes)
        assert ("Blocks of 40 tokens (--block-length) train the first 40 of its 96 positions" in notes) == said


def test_weights_are_of_configuration_and_seed_alone():
    found = []
    for seed, before in ((3, 0), (3, 17), (4, 0)):
        torch.rand(before)
        found.append(made("bert-tiny", FillMask(), "bert", seed=seed).model)
    for name, value in found[0].state_dict().items():
        assert torch.equal(value, found[1].state_dict()[name])
    assert not torch.equal(found[0].get_input_embeddings().weight, found[2].get_input_embeddings().weight)
    torch.manual_seed(3)
    own = transformers.AutoModelForMaskedLM.from_config(found[0].config)
    assert all(torch.equal(one, other) for one, other in zip(own.parameters(), found[0].parameters(), strict=True))


def test_a_pad_token_that_is_the_end_token_is_learnt():
    tokenizer = Family("gpt2").tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    found = fresh(configuration("llama-mini"), "llama-mini", TextGeneration(), tokenizer=tokenizer)
    embedding = found.model.get_input_embeddings()
    assert embedding.padding_idx is None  # whose row would get no gradient
    embedding(torch.tensor([tokenizer.eos_token_id])).sum().backward()
    assert embedding.weight.grad[tokenizer.eos_token_id].abs().sum() > 0


# configurations -------------------------------------------------------------------------------------------------------
def test_a_configuration_of_ones_own(tmp_path):
    values = {"model_type": "bert", "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2,
              "intermediate_size": 40, "max_position_embeddings": 90, "vocab_size": 30_522}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "a.yaml").write_text("".join(f"{name}: {value}\n" for name, value in values.items()), encoding="utf-8")
    shapes = []
    for name in ("a.json", "a.yaml"):
        path = str(tmp_path / name)
        tokenizer = Family("bert").tokenizer()
        tokenizer.model_max_length = 10**30
        found = fresh(configuration(path), path, FillMask(), tokenizer=tokenizer, max_length=40)
        assert found.model.config.hidden_size == 24 and found.model.config.vocab_size == len(tokenizer)
        assert found.model.config.max_position_embeddings == 90  # the configuration's own
        said = " ".join(found.notes)
        assert f"vocabulary of 30,522 became the tokenizer's {len(tokenizer):,}" in said
        assert "90 positions, of which --max-length 40 trains the first 40" in said
        shapes.append(found.model.config.to_dict())
    assert shapes[0] == shapes[1]
    size = len(Family("bert").tokenizer())
    rounded = size + 64 - size % 64
    (tmp_path / "b.json").write_text(json.dumps({**values, "vocab_size": rounded}), encoding="utf-8")
    found = made(str(tmp_path / "b.json"), FillMask(), "bert")
    assert found.model.config.vocab_size == rounded and f"has {rounded:,} rows" in " ".join(found.notes)


def test_a_folder_gives_its_configuration_and_its_tokenizer_but_no_weights(tmp_path):
    Family("bert").save(tmp_path / "model", "AutoModelForSequenceClassification", labels=["x", "y", "z"])
    folder = str(tmp_path)  # a run: its model lies in model/
    found = fresh(configuration(folder), folder, FillMask(), tokenizer=None)
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "model")
    assert found.model.config.hidden_size == theirs.config.hidden_size
    assert type(found.model).__name__ == "BertForMaskedLM" and found.tokenizer.mask_token == "[MASK]"
    mine = found.model.get_input_embeddings().weight
    assert mine.shape == theirs.get_input_embeddings().weight.shape
    assert not torch.equal(mine, theirs.get_input_embeddings().weight)


def test_a_hub_id_gives_its_configuration_and_its_tokenizer_but_no_weights(tmp_path, monkeypatch):
    hub = Hub(tmp_path / "hub")
    hub.at_hand(monkeypatch)
    hub.make("klue/bert-base")
    (snapshot,) = (tmp_path / "hub" / "models--klue--bert-base" / "snapshots").iterdir()
    (snapshot / "model.safetensors").unlink()  # nobody asks for it
    config = configuration("klue/bert-base", revision=snapshot.name)
    found = fresh(config, "klue/bert-base", FillMask(), tokenizer=None, revision=snapshot.name)
    own = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
    assert found.model.config.hidden_size == own["hidden_size"] and found.revision == snapshot.name
    assert found.tokenizer.get_vocab() == Family("bert").tokenizer().get_vocab()
    assert fresh(config, "klue/bert-base", FillMask(), tokenizer=None).revision == snapshot.name  # main, resolved
    with pytest.raises(ModelError, match="the Hub could not be reached or has no such files"):
        fresh(config, "klue/bert-base", FillMask(), tokenizer=None, revision="nowhere")
    with pytest.raises(ModelError, match="klue/bert-bose"):
        configuration("klue/bert-bose")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"model_type": "bert", "hiden_size": 24}', "bert has no value 'hiden_size'.*Did you mean hidden_size"),
        ('{"model_type": "brt"}', 'names its architecture, "model_type".*found brt. Did you mean b'),
        ('{"hidden_size": 24}', "found none"),
        ('{"model_type": "bert", "hidden_size": "wide"}', "it makes no bert"),
        ('{"model_type": "transfo-xl"}', "transformers 5 has no transfo-xl any more"),
        ("{", "neither JSON nor YAML"),
        ('{"model_type": "bert", "hidden_size": 25, "num_attention_heads": 2}', "this configuration makes no model"),
    ],
)
def test_a_file_that_makes_no_configuration(tmp_path, text, said):
    path = tmp_path / "own.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        fresh(configuration(str(path)), str(path), FillMask(), tokenizer=Family("bert").tokenizer())


# refusals -------------------------------------------------------------------------------------------------------------
def test_names_that_are_nothing(tmp_path):
    with pytest.raises(SettingError, match=r"Did you mean bert-mini\? Shapes are bert-tiny, bert-mini"):
        configuration("bert-mimi")
    with pytest.raises(SettingError, match=r"a folder needs a config\.json"):
        configuration(str(tmp_path))
    with pytest.raises(SettingError, match="no such file"):
        configuration("./nowhere/config.json")


@pytest.mark.parametrize(
    ("shape", "task", "shapes"),
    [("gpt2-mini", FillMask, "bert-tiny.*electra-small"), ("bert-mini", SpanCorruption, "t5-tiny, t5-mini, t5-small"),
     ("bert-mini", TextGeneration, "gpt2-mini, gpt2-small, llama-mini"), ("t5-mini", TextGeneration, "gpt2-mini")],
)  # fmt: skip
def test_a_task_that_the_shape_has_no_head_for(shape, task, shapes):
    with pytest.raises(ModelError, match=f"can't be built for {task.name}.*Shapes that can are .*{shapes}"):
        check_task(configuration(shape), shape, task())


@pytest.mark.parametrize(
    ("shape", "task", "family", "gone", "said"),
    [
        ("bert-mini", FillMask(), "bert", "mask", "has no mask_token, and fill-mask.*--recipe bert"),
        ("bert-mini", TextClassification(), "bert", "pad", "has no pad_token"),
        ("gpt2-mini", TextGeneration(), "gpt2", "eos", "has no eos_token.*--recipe gpt2"),
        ("t5-mini", SpanCorruption(), "t5", "eos", "has no eos_token.*--recipe t5"),
        ("bert-mini", FillMask(next_sentence=True), "roberta", "", "sends no segment ids.*--recipe bert"),
    ],
)
def test_a_tokenizer_that_lacks_what_is_needed(shape, task, family, gone, said):
    tokenizer = Family(family).tokenizer()
    if gone:
        setattr(tokenizer, f"{gone}_token", None)
    with pytest.raises(ModelError, match=said):
        fresh(configuration(shape), shape, task, tokenizer=tokenizer)


def test_what_is_asked_for_must_be_one_thing(tmp_path):
    folder, known = tokenizer_of("bert", tmp_path), {"train": ROWS, "output": str(tmp_path / "run"), **SMALL}
    with pytest.raises(
        SettingError, match="--model goes on training a model that there is, --from-scratch makes a new one"
    ):
        byeori.train("fill-mask", "klue/bert-base", from_scratch="bert-mini", tokenizer=folder, **known)
    with pytest.raises(SettingError, match="a fresh model needs a tokenizer.*`byeori tokenizer train"):
        byeori.train("fill-mask", from_scratch="bert-mini", **known)
    with pytest.raises(SettingError, match="Did you mean gpt2-mini"):
        byeori.train("text-generation", from_scratch="gpt2-mni", tokenizer=folder, **{**known, "train": "nowhere.txt"})
    with pytest.raises(ModelError, match="--from-scratch a shape"):
        byeori.train("fill-mask", **known)
    assert not (tmp_path / "run").exists()


def test_a_fresh_model_learns_faster():
    for width, batch, expected in ((256, 32, 1e-3), (768, 32, 5.77e-4), (256, 8, 5e-4), (64, 256, 2e-3)):
        assert learning_rate_for(batch, width, fresh=True) == pytest.approx(expected, rel=1e-3)
        assert learning_rate_for(batch, width) < learning_rate_for(batch, width, fresh=True)


# the whole way --------------------------------------------------------------------------------------------------------
def test_settings_repeat_the_run_bit_for_bit_and_what_was_learnt_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokenizer_of("bert", tmp_path)
    Path("texts.txt").write_text("".join(text + "\n" for text in texts()[:40]), encoding="utf-8")
    flags = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    line = [
        "train",
        "--task",
        "fill-mask",
        "--from-scratch",
        "bert-tiny",
        "--tokenizer",
        "bert",
        "--train",
        "texts.txt",
    ]
    for words in ([*line, "--output", "first", *flags], ["train", "first/settings.yaml", "--output", "second"]):
        assert not cli.main(words, prog_name="byeori", standalone_mode=False)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "first/model" / name).read_bytes() == (tmp_path / "second/model" / name).read_bytes()
    resolved = settings.load_yaml("first/settings.yaml")
    assert resolved["from_scratch"] == "bert-tiny" and resolved["model"] is None
    config = json.loads(Path("first/model/config.json").read_text(encoding="utf-8"))
    assert config["num_hidden_layers"] == 2 and config["max_position_embeddings"] == resolved["max_length"]
    card = Path("first/model/README.md").read_text(encoding="utf-8")
    assert "trained from scratch with Byeori, in the shape of `bert-tiny`" in card and "base_model" not in card

    labelled = [{"text": text, "label": "EN" if text.isascii() else "KO"} for text in texts()[:40]]
    found = byeori.train("text-classification", "first", train=labelled, output="tuned", **SMALL)
    assert found.task.labels == ["EN", "KO"]
    body = transformers.AutoModel.from_pretrained("first/model").encoder.layer[0].attention.self.query.weight
    tuned = transformers.AutoModel.from_pretrained("tuned/model").encoder.layer[0].attention.self.query.weight
    assert torch.allclose(body, tuned, atol=1e-2) and not torch.equal(body, tuned)
