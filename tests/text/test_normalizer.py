"""A Unicode form in the tokenizer: the ids of every spelling of a text are one, also where transformers alone loads it."""

from __future__ import annotations

import json
import unicodedata

import pytest
import transformers

from byeori.text.align import encode_whole
from byeori.text.encode import Encoder
from byeori.text.normalizer import holds, with_form
from families import Family, texts
from multilingual import tokenizer as multilingual

TEXTS = [unicodedata.normalize("NFC", text) for text in (*texts()[:24], "제주도에 산다. café ế 가각힣", "ㅋㅋ ㅠㅠ ①")]
NFD = [unicodedata.normalize("NFD", text) for text in TEXTS]
# One of each algorithm and normalizer: WordPiece, bytes with and without its own class, Unigram, pieces with a byte fallback.
CHANGED = (
    "bert",
    "electra",
    "albert",
    "roberta",
    "gpt2",
    "modernbert",
    "xlm-roberta",
    "t5",
    "bart",
    "pegasus",
    "gemma",
)
ATTRIBUTES = (
    "padding_side",
    "truncation_side",
    "model_max_length",
    "model_input_names",
    "all_special_ids",
    "pad_token_id",
)


def reloaded(tokenizer, family: str, folder):
    """As transformers takes it from a model's folder."""
    tokenizer.save_pretrained(folder)
    Family(family).config(tokenizer).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("family", CHANGED)
def test_every_spelling_has_the_same_ids_after_a_reload(family, tmp_path):
    plain = Family(family).tokenizer()
    made, held = with_form(plain, "nfc")
    assert held and not holds(plain, "nfc") and made is not plain
    again = reloaded(
        reloaded(made, family, tmp_path / "one"), family, tmp_path / "two"
    )  # saved twice: nothing is rebuilt
    expected = [dict(plain(text)) for text in TEXTS]
    assert expected == [dict(again(text)) for text in TEXTS] == [dict(again(text)) for text in NFD]
    assert dict(plain(*TEXTS[:2])) == dict(again(*NFD[:2]))
    assert {name: getattr(again, name) for name in ATTRIBUTES} == {name: getattr(plain, name) for name in ATTRIBUTES}
    assert again.special_tokens_map == plain.special_tokens_map and len(again) == len(plain)
    assert [again.decode(one["input_ids"]) for one in expected] == [plain.decode(one["input_ids"]) for one in expected]
    stated = json.loads((tmp_path / "two" / "tokenizer_config.json").read_text())["tokenizer_class"]
    assert stated in ("PreTrainedTokenizerFast", "TokenizersBackend")
    first = json.loads((tmp_path / "one" / "tokenizer_config.json").read_text())["tokenizer_class"]
    assert first == "PreTrainedTokenizerFast"  # the name that transformers 4 knows too


def test_the_given_tokenizer_stays_as_it_was():
    plain = Family("bert").tokenizer()
    before = plain.backend_tokenizer.to_str()
    with_form(plain, "nfc")
    assert plain.backend_tokenizer.to_str() == before and type(plain).__name__ == "BertTokenizer"


@pytest.mark.parametrize("family", ["qwen2", "openai-gpt", "deberta-v2"])
def test_one_that_holds_it_already_is_returned(family):
    plain = Family(family).tokenizer()
    assert with_form(plain, "nfc") == (plain, True)
    made, _ = with_form(Family("bert").tokenizer(), "nfc")
    assert with_form(made, "nfc")[0] is made
    assert with_form(plain, None) == (plain, True)


def test_one_that_cannot_hold_it_is_returned_and_said(tmp_path):
    for plain in (
        Family("ctrl").tokenizer(),
        Family("marian").tokenizer(),
        multilingual("nllb"),
        multilingual("mbart50"),
    ):
        assert with_form(plain, "nfc") == (plain, False)
    qwen = Family("qwen2")  # transformers takes its class whatever the folder says
    assert with_form(qwen.tokenizer(), "nfkc", qwen.config(qwen.tokenizer()))[1] is False


@pytest.mark.parametrize("family", ["bert", "roberta", "t5"])
def test_compatible_forms(family, tmp_path):
    plain = Family(family).tokenizer()
    made, held = with_form(plain, "nfkc")
    again = reloaded(made, family, tmp_path)
    wide = ["Ａｂ９ ﬁn ㎏", "ｶﾞ 가"]
    assert held and [dict(again(text)) for text in wide] == [
        dict(plain(unicodedata.normalize("NFKC", text))) for text in wide
    ]


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_offsets_are_those_of_the_text_as_given(family):
    made, _ = with_form(Family(family).tokenizer(), "nfc")
    encoder = Encoder(made, 512)
    composed, given = encode_whole(encoder, TEXTS), encode_whole(encoder, NFD)
    assert composed.ids.tolist() == given.ids.tolist() and composed.lengths.tolist() == given.lengths.tolist()
    at = 0
    for text, other, length in zip(TEXTS, NFD, composed.lengths.tolist(), strict=True):
        for token in range(at, at + length):
            if composed.starts[token] >= 0:
                piece = text[composed.starts[token] : composed.ends[token]]
                assert unicodedata.normalize("NFC", other[given.starts[token] : given.ends[token]]) == piece
        at += length


def test_a_pad_token_that_stands_in_is_kept():
    tokenizer = Family("llama").tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    formed, held = with_form(tokenizer, "nfc")
    assert held and formed is not tokenizer and formed.pad_token_id == tokenizer.eos_token_id
