"""Tiny encoder-decoders: T5, mT5, BART, mBART, Marian, Pegasus, LED.

tokenizer = BUILT["mbart"].tokenizer()
"""

from __future__ import annotations

import json
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from built import SPREAD, TABLE, Built
from vocabularies import byte_bpe, sentencepiece_model, sentencepiece_pieces, unigram

SENTINELS = 10  # of a real T5: 100


def _t5_tokenizer() -> Any:
    """Its sentinels stand behind the pieces, the last one first."""
    from transformers import T5Tokenizer

    sentinels = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(SENTINELS))]
    pieces = unigram("<pad>", "</s>", "<unk>") + sentinels
    return T5Tokenizer(vocab=pieces, extra_ids=SENTINELS, model_max_length=TABLE)


def _mt5_tokenizer() -> Any:
    """T5's class, without sentinels of its own."""
    from transformers import T5Tokenizer

    return T5Tokenizer(vocab=unigram("<pad>", "</s>", "<unk>"), extra_ids=0, model_max_length=TABLE)


def _bart_tokenizer() -> Any:
    from transformers import BartTokenizer

    vocabulary, merges = byte_bpe("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return BartTokenizer(vocab=vocabulary, merges=merges, model_max_length=TABLE)


def _mbart_tokenizer() -> Any:
    """Its language codes stand behind the pieces; nobody says which language, so that it takes en_XX."""
    from transformers import MBartTokenizer
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

    pieces = unigram("<s>", "<pad>", "</s>", "<unk>")
    codes = [(code, 0.0) for code in (*FAIRSEQ_LANGUAGE_CODES, "<mask>")]
    return MBartTokenizer(vocab=pieces + codes, model_max_length=TABLE)


@cache
def _marian_files() -> tuple[tempfile.TemporaryDirectory, dict[str, str]]:
    """Two SentencePiece models, of a source and a target language, and one vocabulary of both, </s> first and <pad> last."""
    folder = tempfile.TemporaryDirectory()
    models = {"source_spm": sentencepiece_model(700), "target_spm": sentencepiece_model(620)}
    pieces = dict.fromkeys(["</s>", "<unk>", *(p for model in models.values() for p in sentencepiece_pieces(model))])
    names = [piece for piece in pieces if piece != "<s>"] + ["<pad>"]
    files = {name: str(Path(folder.name) / name.replace("_", ".")) for name in models}
    for name, model in models.items():
        Path(files[name]).write_bytes(model)
    files["vocab"] = str(Path(folder.name) / "vocab.json")
    Path(files["vocab"]).write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    return folder, files


def _marian_tokenizer() -> Any:
    from transformers import MarianTokenizer

    _, files = _marian_files()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")
        return MarianTokenizer(**files, source_lang="ko", target_lang="en", model_max_length=TABLE)


def _pegasus_tokenizer() -> Any:
    """Its first 105 ids are special, <unk> the last of them."""
    from transformers import PegasusTokenizer

    masks = ("<mask_1>", "<mask_2>", *(f"<unk_{number}>" for number in range(2, 103)))
    return PegasusTokenizer(vocab=unigram("<pad>", "</s>", *masks, "<unk>"), model_max_length=TABLE)


def _led_tokenizer() -> Any:
    from transformers import LEDTokenizer

    vocabulary, merges = byte_bpe("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return LEDTokenizer(vocab=vocabulary, merges=merges, model_max_length=TABLE)


_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
       "relative_attention_max_distance": 20}  # fmt: skip
_T5_DROPOUT = ("dropout_rate", "classifier_dropout")
_BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "init_std": SPREAD,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": TABLE}  # fmt: skip
_BART_DROPOUT = ("dropout", "attention_dropout", "activation_dropout", "classifier_dropout")
_LED = {
    **_BART,
    "attention_window": 8,
    "max_encoder_position_embeddings": TABLE,
    "max_decoder_position_embeddings": TABLE,
}

BUILT = {
    "t5": Built("t5", _t5_tokenizer, _T5, _T5_DROPOUT, packs=False, start="<pad>"),
    "mt5": Built(
        "mt5", _mt5_tokenizer, {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}, _T5_DROPOUT,
        packs=False, more_tokens=12, start="<pad>",
    ),
    "bart": Built("bart", _bart_tokenizer, _BART, _BART_DROPOUT, False, False, start="</s>"),
    "mbart": Built("mbart", _mbart_tokenizer, {**_BART, "scale_embedding": True}, _BART_DROPOUT, False, False, start="</s>"),
    "marian": Built(
        "marian", _marian_tokenizer, {**_BART, "scale_embedding": True, "activation_function": "swish"}, _BART_DROPOUT,
        False, False, start="<pad>",
    ),
    "pegasus": Built(
        "pegasus", _pegasus_tokenizer, {**_BART, "scale_embedding": True, "activation_function": "relu"}, _BART_DROPOUT,
        False, False, start="<pad>",
    ),
    "led": Built("led", _led_tokenizer, _LED, _BART_DROPOUT, False, False, start="</s>"),
}  # fmt: skip
