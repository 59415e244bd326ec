"""Language tokens of mBART, mBART-50, M2M-100 and NLLB, and Marian's marks: found by any name, never assumed."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest

from byeori.errors import SettingError
from byeori.text import language_tokens as languages
from byeori.text.targets import encode_targets
from families import Family
from multilingual import tokenizer

MANY = ("mbart", "mbart50", "m2m100", "nllb")
KOREAN = {"mbart": "ko_KR", "mbart50": "ko_KR", "m2m100": "ko", "nllb": "kor_Hang"}
ENGLISH = {"mbart": "en_XX", "mbart50": "en_XX", "m2m100": "en", "nllb": "eng_Latn"}


@pytest.mark.parametrize("name", MANY)
def test_a_language_is_found_by_any_of_its_names(name):
    one = tokenizer(name)
    assert languages.codes(one)[KOREAN[name]] == one.convert_tokens_to_ids(
        "__ko__" if name == "m2m100" else KOREAN[name]
    )
    for asked in (KOREAN[name], KOREAN[name].upper(), "ko", "ko_KR", "Korean", "한국어"):
        assert languages.find(one, asked, "source_lang") == KOREAN[name]
    assert not languages.marks(one)


@pytest.mark.parametrize("name, asked, said", [
    ("mbart", "kr", "Close ones: ko_KR"),
    ("mbart", "ko_KP", "Close ones: ko_KR"),
    ("mbart50", "zh-TW", "Close ones: zh_CN"),
    ("nllb", "kor_Latn", "Close ones: kor_Hang"),
    ("nllb", "zh", "has several language tokens for it. Close ones: zho_Hans, zho_Hant"),
    ("m2m100", "klingon", "It has af, am, ar"),
])  # fmt: skip
def test_a_language_the_tokenizer_lacks(name, asked, said):
    with pytest.raises(SettingError, match="target_lang=") as caught:
        languages.find(tokenizer(name), asked, "target_lang")
    assert said in str(caught.value) and asked in str(caught.value)


@pytest.mark.parametrize("name", MANY)
def test_sources_and_targets_are_marked(name, tmp_path):
    from transformers import AutoTokenizer

    one = tokenizer(name)
    assert languages.own(one) == (None, None)  # transformers' en_XX is nobody's wish
    languages.speak(one, KOREAN[name], ENGLISH[name])
    ids = languages.codes(one)
    for spoken in (one, None):
        if spoken is None:  # saved with it
            one.save_pretrained(tmp_path)
            spoken = AutoTokenizer.from_pretrained(tmp_path)
            assert languages.own(spoken) == (KOREAN[name], ENGLISH[name])
        targets, lengths, _ = encode_targets(spoken, ["good", "bad"], 20)
        assert list(targets).count(ids[ENGLISH[name]]) == 2 and ids[KOREAN[name]] not in targets
        source = spoken("안녕")["input_ids"]
        assert ids[KOREAN[name]] in source and ids[ENGLISH[name]] not in source


def test_a_language_nobody_says():
    error = languages.missing(tokenizer("mbart"), ("source_lang", "target_lang"), ("ko", "en"))
    assert (
        "every text would be marked en_XX. The data look like ko → en. Give source_lang=ko_KR and target_lang=en_XX."
        in str(error)
    )
    assert "The data look" not in str(languages.missing(tokenizer("nllb"), ("src_lang", "tgt_lang"), (None, None)))


def test_tokenizers_of_one_direction():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        marian = Family("marian").tokenizer()  # ko → en
    for one in (marian, Family("t5").tokenizer(), Family("bart").tokenizer()):
        assert languages.codes(one) == {} == languages.marks(one)
    assert languages.is_only(marian, "src_lang", "ko_KR") and not languages.is_only(marian, "tgt_lang", "ko")
    assert not languages.is_only(Family("t5").tokenizer(), "src_lang", "ko")
    many = SimpleNamespace(supported_language_codes=[">>kor<<", ">>jpn<<"])
    assert (
        languages.marks(many) == {"kor": ">>kor<<", "jpn": ">>jpn<<"}
        and languages.find(many, "ko", "tgt_lang") == "kor"
    )
