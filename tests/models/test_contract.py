"""Model and tokenizer together: ids, segments, lengths and pads that fit, or a sentence that says what does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from byeori.errors import ModelError
from byeori.models.checks import check_contract, usable_length
from byeori.models.load import load_model, uses_token_types
from byeori.models.packed import runner
from byeori.tasks import TextClassification
from byeori.text.encode import Encoder
from byeori.text.store import TokenStore
from families import Family, texts

LABELS = ["bad", "good", "so so"]


def task(labels=LABELS, **settings) -> TextClassification:
    return TextClassification(labels=labels, **settings)


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
    with pytest.raises(ModelError, match=r"5 of 5 words are unknown to the tokenizer.*漢字.*multilingual"):
        check_contract(model, tokenizer, ["漢字 漢字 漢字", "ไทย ไทย"])
    assert check_contract(model, tokenizer, ["漢字 漢字", "그 책의 은 무슨 말"]) == []  # fewer than half


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


def test_the_usable_length_of_an_encoder_beside_a_decoder():
    """LED's two have tables of different lengths; BART's one table is for both."""
    family = Family("led")
    values = {"max_encoder_position_embeddings": 96, "max_decoder_position_embeddings": 40}
    model, tokenizer = family.model("AutoModelForSeq2SeqLM", **values), family.tokenizer()
    assert usable_length(model, tokenizer) == 96
    bart = Family("bart").model("AutoModelForSeq2SeqLM", max_position_embeddings=50)
    assert usable_length(bart, Family("bart").tokenizer()) == 50


def test_the_tokenizers_own_limit_counts(folder):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 50}))
    assert load_model(str(folder), task()).max_length == 50
