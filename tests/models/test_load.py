"""Loading: what is kept and what is new, float32 masters, and every unusable folder in one sentence."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from byeori.errors import ModelError
from byeori.models.checks import check_contract
from byeori.models.load import load_model, uses_token_types
from byeori.models.packed import runner
from byeori.tasks import TextClassification
from byeori.text.encode import Encoder
from byeori.text.store import TokenStore
from families import Family, texts, wordpiece

LABELS = ["bad", "good", "so so"]


def task(labels=LABELS, **settings) -> TextClassification:
    return TextClassification(labels=labels, **settings)


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A BERT with a trained head, in a folder of the test's own."""
    return Path(shutil.copytree(tiny("bert", labels=tuple(LABELS)), tmp_path / "model"))


@pytest.fixture
def body(tiny, tmp_path) -> Path:
    """A BERT without any head."""
    return Path(shutil.copytree(tiny("bert", auto="AutoModel"), tmp_path / "body"))


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


# folders that can't be used ---------------------------------------------------------------------------------------


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
    "a decoder's body only": (lambda folder: config(folder, model_type="clip_vision_model"), "could not be loaded"),
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


# model and tokenizer together -------------------------------------------------------------------------------------


def test_ids_beyond_the_embedding(tiny, minilm):
    """MiniLM's tokenizer knows 30,522 words, the tiny model embeds some hundred."""
    loaded = load_model(str(tiny("bert")), task(), tokenizer=str(minilm))
    with pytest.raises(ModelError, match="they don't belong together") as caught:
        check_contract(loaded.model, loaded.tokenizer, list(texts()[:5]))
    assert "30,522 tokens" in str(caught.value) and f"embeds {loaded.model.config.vocab_size:,}" in str(caught.value)
    assert check_contract(*fitting(tiny), list(texts()[:5])) == []


def fitting(tiny):
    loaded = load_model(str(tiny("bert")), task())
    return loaded.model, loaded.tokenizer


@pytest.mark.parametrize("more", [1, 40])
def test_an_added_token_beyond_the_embedding(tiny, more):
    """A few tokens too many are as wrong as many: the first text that has one would end the training."""
    model, tokenizer = fitting(tiny)
    tokenizer.add_tokens([f"새말{i}" for i in range(more)])
    with pytest.raises(ModelError, match="they don't belong together"):
        check_contract(model, tokenizer, ["그 책의 새말0 은"])


def test_a_tokenizer_that_makes_no_tokens(tiny, tmp_path):
    """A WordPiece vocabulary under the general class: every text becomes the two special tokens."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model, _ = fitting(tiny)
    empty = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"[PAD]": 0, "q": 1}, [])), pad_token="[PAD]")
    with pytest.raises(ModelError, match=r"makes no token of '그 책의 은'.*tokenizer_class"):
        check_contract(model, empty, ["그 책의 은", "무슨"])


def test_a_tokenizer_that_knows_nothing(tiny):
    model, tokenizer = fitting(tiny)
    (note,) = check_contract(model, tokenizer, ["漢字 漢字 漢字", "ไทย ไทย"])
    assert "unknown to the tokenizer" in note


@pytest.fixture
def klue(tmp_path) -> Path:
    """A model as klue/roberta's: RoBERTa's body with one segment, BERT's tokenizer that numbers two for pairs."""
    from transformers import RobertaForSequenceClassification

    tokenizer = Family("bert").tokenizer()
    torch.manual_seed(0)
    made = Family("roberta").config(tokenizer, type_vocab_size=1, num_labels=2, labels=("a", "b"))
    RobertaForSequenceClassification(made).save_pretrained(tmp_path / "klue")
    tokenizer.save_pretrained(tmp_path / "klue")
    assert "token_type_ids" in tokenizer("a", "b")
    return tmp_path / "klue"


def test_two_segments_for_a_body_with_one(klue, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    loaded = load_model(str(klue), task(["a", "b"]))
    assert not uses_token_types(loaded.model, loaded.tokenizer)
    assert any("segment ids that the model has no embeddings for" in note for note in loaded.notes)
    pairs = (list(texts()[:6]), list(texts()[6:12]))
    encoder = Encoder(loaded.tokenizer, 100, token_types=uses_token_types(loaded.model, loaded.tokenizer))
    store = TokenStore.of(encoder(*pairs), encoder.levels, encoder.pad)

    from byeori.batches.pack import build
    from byeori.models.packed import pooled_logits

    pack = build(store, np.arange(6))
    with torch.no_grad():
        found = pooled_logits(loaded.model.eval(), pack)
    assert runner(loaded.model).packs
    # The saved tokenizer leaves them out in plain transformers too.
    loaded.model.save_pretrained(tmp_path / "saved")
    loaded.tokenizer.save_pretrained(tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    inputs = tokenizer(*pairs, padding=True, truncation=True, max_length=100, return_tensors="pt")
    assert "token_type_ids" not in inputs
    with torch.no_grad():
        torch.testing.assert_close(found, plain(**inputs).logits[pack.rows], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "values", "length"),
    [
        ("roberta", {}, 126),
        ("xlm-roberta", {}, 126),
        ("camembert", {}, 126),
        ("roberta", {"max_position_embeddings": 66}, 64),
        ("bert", {}, 128),
        ("bert", {"max_position_embeddings": 40}, 40),
        ("gpt2", {}, 128),
    ],
)
def test_the_usable_length(tiny, name, values, length):
    """What model and tokenizer take; one token more fails in the model itself."""
    loaded = load_model(str(tiny(name, **values)), task())
    assert loaded.max_length == length
    loaded.model.eval()
    ids = torch.full((1, length + 1), 9)
    loaded.model(input_ids=ids[:, :length])
    if length < loaded.tokenizer.model_max_length or name not in ("xlm-roberta", "camembert"):
        with pytest.raises((IndexError, RuntimeError)):
            loaded.model(input_ids=ids)


def test_the_tokenizers_own_limit_counts(folder):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 50}))
    assert load_model(str(folder), task()).max_length == 50


# what a card says -------------------------------------------------------------------------------------------------


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
