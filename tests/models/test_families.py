"""The tiny families are what they say: their tokenizer class, saved and loaded again, knows Korean and English."""

from __future__ import annotations

import unicodedata

import pytest

from families import ALL, DECODERS, ENCODERS, NAMES, PACKED, RECTANGLES, SEQ2SEQ, Family, texts

CLASSES = {
    "longformer": "RobertaTokenizer", "openai-gpt": "OpenAIGPTTokenizer", "gpt2": "GPT2Tokenizer", "ctrl": "CTRLTokenizer",
    "llama": "LlamaTokenizer", "qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer", "gemma": "GemmaTokenizer",
    "gemma2": "GemmaTokenizer", "gemma3_text": "GemmaTokenizer", "t5": "T5Tokenizer", "mt5": "T5Tokenizer",
    "bart": "RobertaTokenizer", "mbart": "MBartTokenizer", "marian": "MarianTokenizer", "pegasus": "PegasusTokenizer",
    "led": "RobertaTokenizer",
}  # fmt: skip
SENTENCES = ("번역이 어색해서 무슨 말인지 모르겠다.", "How do we swap them?")
ENDS = {  # what stands before and behind a text
    "longformer": ("<s>", "</s>"), "llama": ("<s>", None), "gemma": ("<bos>", None), "t5": (None, "</s>"),
    "mt5": (None, "</s>"), "bart": ("<s>", "</s>"), "mbart": (None, "en_XX"), "marian": (None, "</s>"),
    "pegasus": (None, "</s>"), "led": ("<s>", "</s>"),
}  # fmt: skip


def test_the_lists():
    assert set(ALL) == {*ENCODERS, *DECODERS, *SEQ2SEQ} and set(NAMES) == {*PACKED, *RECTANGLES} <= set(ALL)
    kinds = {name: Family(name).kind for name in ALL}
    assert {kinds[name] for name in ENCODERS} == {"encoder"} and kinds["gemma3_text"] == "decoder"
    assert {name for name, kind in kinds.items() if kind == "seq2seq"} == set(SEQ2SEQ) and len(ALL) == 26


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize("name", CLASSES)
def test_a_tokenizer_comes_back(name, tmp_path):
    from transformers import AutoConfig, AutoTokenizer

    family = Family(name)
    tokenizer = family.tokenizer()
    config = family.config(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    config.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again).__name__ == type(tokenizer).__name__ == CLASSES[name]
    assert AutoConfig.from_pretrained(tmp_path).model_type == config.model_type == name
    assert max(tokenizer.get_vocab().values()) < config.vocab_size
    for text in (*SENTENCES, *texts()[:20]):
        ids = tokenizer(text, truncation=True)["input_ids"]
        assert ids == again(text, truncation=True)["input_ids"]
        assert tokenizer.unk_token_id is None or ids.count(tokenizer.unk_token_id) == 0
    first, last = ENDS.get(name, (None, None))
    for text in SENTENCES:
        ids = again(text)["input_ids"]
        pieces = again.convert_ids_to_tokens(ids)
        assert (pieces[0] if first else None, pieces[-1] if last else None) == (first, last)
        said = again.decode(ids, skip_special_tokens=True)
        if name == "openai-gpt":  # as the real one: small letters, jamo (자모) for syllables, spaces around points
            said, text = unicodedata.normalize("NFC", said.replace(" ", "")), text.lower().replace(" ", "")
        assert said == text


def test_marian_reads_two_languages(tmp_path):
    """Source and target are cut by models of their own and numbered by one vocabulary."""
    tokenizer = Family("marian").tokenizer()
    assert {path.name for path in map(type(tmp_path), tokenizer.save_vocabulary(str(tmp_path)))} == {
        "vocab.json", "source.spm", "target.spm"
    }  # fmt: skip
    source = tokenizer(texts()[0])["input_ids"]
    target = tokenizer(text_target=texts()[0])["input_ids"]
    assert source != target and source[-1] == target[-1] == tokenizer.eos_token_id == 0
    assert tokenizer.pad_token_id == len(tokenizer) - 1 == Family("marian").config(tokenizer).decoder_start_token_id


def test_language_codes_and_sentinels():
    mbart, t5, mt5 = (Family(name).tokenizer() for name in ("mbart", "t5", "mt5"))
    mbart.src_lang = "ko_KR"
    assert mbart.convert_ids_to_tokens(mbart("가")["input_ids"])[-2:] == ["</s>", "ko_KR"]
    assert [t5.convert_tokens_to_ids(f"<extra_id_{n}>") for n in (0, 9)] == [len(t5) - 1, len(t5) - 10]
    assert (
        t5("<extra_id_0> 가")["input_ids"][0] == len(t5) - 1
        and mt5.convert_tokens_to_ids("<extra_id_0>") == mt5.unk_token_id
    )
    chat = Family("qwen3").tokenizer()
    turns = [{"role": "user", "content": "안녕?"}]
    assert chat.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>user\n안녕?<|im_end|>\n<|im_start|>assistant\n"
    )
