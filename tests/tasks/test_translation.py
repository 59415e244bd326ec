"""translation: languages by name, setting and call, what a model begins with, BLEU and chrF, the example."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import byeori
from byeori.errors import SettingError
from byeori.models.load import load_model
from byeori.predict.engine import Engine
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.seq2seq_models import first_tokens
from byeori.tasks.summarization import Summarization
from byeori.tasks.translation import Translation
from byeori.text import language_tokens as languages
from byeori.text.encode import Encoder
from families import Family, texts
from multilingual import tokenizer

AUTO = "AutoModelForSeq2SeqLM"
ROWS = [{"source": texts()[2 * at + 1], "target": texts()[2 * at]} for at in range(6)]
PAIR = {"source_lang": "ko_KR", "target_lang": "en_XX"}


@pytest.fixture(scope="module")
def mbart() -> tuple[Any, Any]:
    family = Family("mbart")
    return family.model(AUTO).eval(), family.tokenizer()


@pytest.fixture(scope="module")
def m2m100() -> tuple[Any, Any]:
    """Its tokens stand first (as mBART-50's and NLLB's), and its class doesn't say how targets are shifted."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    one = tokenizer("m2m100")
    size = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "d_model": 32, "max_position_embeddings": 128, "init_std": 0.25}  # fmt: skip
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=810, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, **size
    )
    return M2M100ForConditionalGeneration(config).eval(), one


def engine(made: tuple[Any, Any], **values: Any) -> Engine:
    task = Translation(**values)
    loaded = load_model(made[0], task, tokenizer=made[1])
    return Engine(task, loaded.model, loaded.tokenizer, max_length=60)


def ask(engine: Engine, source: str, **values: Any) -> str:
    call = engine.task.call_settings({"max_new_tokens": 9, **values})
    store = engine.encode({"source": [source]}, call)
    return engine.task.decode(engine.run(store, call=call), store, call)[0]["translation_text"]


def test_names_that_carry_languages():
    assert Translation.values_of("translation_en_to_ko") == {"source_lang": "en", "target_lang": "ko"}
    assert Translation.values_of("translation_eng_Latn_to_kor_Hang") == {
        "source_lang": "eng_Latn",
        "target_lang": "kor_Hang",
    }
    assert Translation.values_of("translation") == {} and Translation.values_of("summarization") is None
    assert Translation(source_lang="eng_Latn", target_lang="ko_KR").task_keys == ("translation_en_to_ko", "translation")


@pytest.mark.parametrize("name, src, tgt", [("mbart", "ko_KR", "en_XX"), ("m2m100", "ko", "en")])
def test_a_call_says_the_languages_as_in_transformers(request, name, src, tgt):
    """mBART's language starts its decoder; M2M-100's is forced behind the start."""
    made = request.getfixturevalue(name)
    model, tokenizer = made
    found = {}
    for one, other in ((src, tgt), (tgt, src)):
        tokenizer.src_lang = one
        token = languages.codes(tokenizer)[other]
        forced = {"decoder_start_token_id": token} if name == "mbart" else {"forced_bos_token_id": token}
        ids = tokenizer("안녕 there", return_tensors="pt")["input_ids"]
        right = tokenizer.decode(model.generate(ids, max_new_tokens=9, **forced)[0], skip_special_tokens=True)
        found[one] = ask(engine(made), "안녕 there", src_lang=one[:2], tgt_lang=other)
        assert found[one] == right
        assert ask(engine(made, source_lang=one, target_lang=other), "안녕 there") == right
    assert found[src] != found[tgt]


def test_what_a_model_begins_with(mbart, m2m100):
    ids = languages.codes(mbart[1])
    forced = first_tokens(Translation(**PAIR), mbart[0], mbart[1], None)
    assert forced == {"decoder_start_token_id": ids["en_XX"], "forced_bos_token_id": None}
    forced = first_tokens(Translation(source_lang="ko", target_lang="en"), *m2m100, None)
    assert forced == {"decoder_start_token_id": 2, "forced_bos_token_id": languages.codes(m2m100[1])["en"]}
    assert first_tokens(Translation(), Family("t5").model(AUTO), Family("t5").tokenizer(), None) == {}


@pytest.mark.parametrize("values, call, said", [
    ({}, {}, r"marks each text with its language, and nothing says which.*Give src_lang=.* and tgt_lang="),
    ({}, {"src_lang": "ko_KR"}, "nothing says which"),
    ({}, {"src_lang": "ko_KR", "tgt_lang": "kr"}, "tgt_lang='kr': .* has no language token for it. Close ones: ko_KR"),
    ({"source_lang": "english please"}, {}, "src_lang='english please'"),
])  # fmt: skip
def test_languages_that_are_missing_or_unknown(mbart, values, call, said):
    with pytest.raises(SettingError, match=said):
        ask(engine(mbart, **values), "안녕", **call)


def test_a_training_without_languages_is_stopped_and_told_them(mbart, tmp_path):
    Family("mbart").save(tmp_path / "model", auto=AUTO)
    rows = [{"translation": {"ko": row["source"], "en": row["target"]}} for row in ROWS]
    with pytest.raises(SettingError, match="The data look like ko → en. Give source_lang=ko_KR and target_lang=en_XX"):
        byeori.train(
            Translation, str(tmp_path / "model"), train=rows, validation=rows, test_size=0, output=str(tmp_path / "run")
        )
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_may_say_its_languages(mbart):
    model, tokenizer = mbart[0], Family("mbart").tokenizer()
    tokenizer.init_kwargs["src_lang"] = "ko_KR"  # as its tokenizer_config.json
    own = engine((model, tokenizer))
    with pytest.raises(SettingError, match="nothing says which"):
        ask(own, "안녕")
    before = model.generation_config.decoder_start_token_id
    model.generation_config.decoder_start_token_id = languages.codes(tokenizer)["en_XX"]  # mbart-large-ro-en's way
    try:
        assert ask(own, "안녕") == ask(own, "안녕", tgt_lang="en")
    finally:
        model.generation_config.decoder_start_token_id = before


def test_a_summary_is_in_the_language_of_its_text(mbart):
    model, tokenizer = mbart
    assert Summarization(source_lang="ko").speak(tokenizer, None, True) == ("ko_KR", "ko_KR")
    with pytest.raises(SettingError):
        Seq2Seq(source_lang="ko").speak(tokenizer, None, True)


def test_models_of_one_direction():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        marian = engine((Family("marian").model(AUTO).eval(), Family("marian").tokenizer()))  # ko → en
    assert ask(marian, "안녕", src_lang="ko", tgt_lang="en") == ask(marian, "안녕")
    with pytest.raises(SettingError, match="tgt_lang='ja': this model has no language tokens and knows one direction"):
        ask(marian, "안녕", tgt_lang="ja")
    assert ask(engine((marian.model, marian.tokenizer), source_lang="ko", target_lang="en"), "안녕") == ask(
        marian, "안녕"
    )


def test_a_marian_of_several_languages_is_told_by_a_mark():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = Family("marian").tokenizer()
    for mark in (">>kor<<", ">>jpn<<"):
        tokenizer.encoder[mark] = tokenizer.encoder["<unk>"] + 1 + (mark == ">>jpn<<")
    tokenizer.supported_language_codes = [">>kor<<", ">>jpn<<"]
    encoder = Encoder(tokenizer, 60)
    found = Translation(target_lang="ko").encode({"source": ["a cat"]}, encoder, labels=False).input_ids.tolist()
    assert found == tokenizer(">>kor<< a cat")["input_ids"] and found[0] == tokenizer.encoder[">>kor<<"]
    with pytest.raises(SettingError, match="target_lang='de'"):
        Translation(target_lang="de").encode({"source": ["a cat"]}, encoder, labels=False)


def test_scores_are_sacrebleus():
    from sacrebleu.metrics import BLEU, CHRF

    written, right = ["the cat sat on the mat", "a dog is here"], ["a cat sat on a mat", "a dog was here"]
    found = Translation().score(written, right)
    assert found["chrf"]["value"] == pytest.approx(CHRF().corpus_score(written, [right]).score)
    assert found["bleu"]["value"] == pytest.approx(BLEU().corpus_score(written, [right]).score)
    assert "tok:13a" in found["bleu"]["details"]["signature"] and Translation().best == "chrf"
    assert "tok:char" in Translation(bleu_tokenize="char").score(written, right)["bleu"]["details"]["signature"]
    with pytest.raises(SettingError, match="is no tokenizer of sacrebleu"):
        Translation(bleu_tokenize="words").score(written, right)
