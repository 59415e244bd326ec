"""Tiny decoders: GPT, GPT-2, CTRL, Llama, Qwen, Gemma.

As among the real ones, GPT and CTRL have neither a pad nor an end token, Llama no pad token, and Qwen a chat template.

    tokenizer = BUILT["llama"].tokenizer()
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from built import BODY, SPREAD, TABLE, Built
from vocabularies import byte_bpe, ctrl_bpe, gpt_bpe, space_bpe

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _gpt_tokenizer() -> Any:
    from transformers import OpenAIGPTTokenizer

    vocabulary, merges = gpt_bpe()
    return OpenAIGPTTokenizer(vocab=vocabulary, merges=merges, model_max_length=TABLE)


def _gpt2_tokenizer() -> Any:
    from transformers import GPT2Tokenizer

    vocabulary, merges = byte_bpe("<|endoftext|>", "<|pad|>")
    return GPT2Tokenizer(vocab=vocabulary, merges=merges, pad_token="<|pad|>", model_max_length=TABLE)


def _ctrl_tokenizer() -> Any:
    """Written in Python; it reads its two files while it is made."""
    from transformers import CTRLTokenizer

    vocabulary, merges = ctrl_bpe()
    with tempfile.TemporaryDirectory() as name:
        files = {"vocab_file": Path(name) / "vocab.json", "merges_file": Path(name) / "merges.txt"}  # fmt: skip
        files["vocab_file"].write_text(json.dumps(vocabulary), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        files["merges_file"].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return CTRLTokenizer(**{key: str(path) for key, path in files.items()}, model_max_length=TABLE)


def _llama_tokenizer() -> Any:
    from transformers import LlamaTokenizer

    vocabulary, merges = space_bpe("<unk>", "<s>", "</s>")
    return LlamaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True, model_max_length=TABLE)


def _qwen_tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    vocabulary, merges = byte_bpe("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    return Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, eos_token="<|im_end|>", additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT, model_max_length=TABLE,
    )  # fmt: skip


def _gemma_tokenizer() -> Any:
    from transformers import GemmaTokenizer

    vocabulary, merges = space_bpe("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    return GemmaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True, model_max_length=TABLE)


_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": TABLE, "initializer_range": SPREAD}  # fmt: skip
_GPT_DROPOUT = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "classifier_dropout")
_ROTARY = {**BODY, "num_key_value_heads": 2, "head_dim": 8}  # two query heads share a key head
_ROTARY_DROPOUT = ("attention_dropout", "classifier_dropout")
_GEMMA = {**_ROTARY, "query_pre_attn_scalar": 8, "sliding_window": 6,
          "num_hidden_layers": 3, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}  # fmt: skip

BUILT = {
    "openai-gpt": Built(
        "openai-gpt", _gpt_tokenizer, _GPT, (*_GPT_DROPOUT, "summary_first_dropout"), packs=False, packs_tokens=False
    ),
    "gpt2": Built("gpt2", _gpt2_tokenizer, _GPT, _GPT_DROPOUT, packs=False),
    "ctrl": Built("ctrl", _ctrl_tokenizer, {**_GPT, "dff": 48}, ("resid_pdrop", "embd_pdrop"), packs=False),
    "llama": Built("llama", _llama_tokenizer, _ROTARY, _ROTARY_DROPOUT, packs=False),
    "qwen2": Built("qwen2", _qwen_tokenizer, _ROTARY, _ROTARY_DROPOUT, packs=False),
    "qwen3": Built("qwen3", _qwen_tokenizer, _ROTARY, _ROTARY_DROPOUT, packs=False),
    "gemma": Built("gemma", _gemma_tokenizer, {**_ROTARY, "num_key_value_heads": 1}, _ROTARY_DROPOUT, packs=False),
    "gemma2": Built(
        "gemma2", _gemma_tokenizer, {**_GEMMA, "attn_logit_softcapping": 2.0}, _ROTARY_DROPOUT,
        packs=False, packs_tokens=False,
    ),
    "gemma3_text": Built("gemma3_text", _gemma_tokenizer, _GEMMA, _ROTARY_DROPOUT, packs=False),
}  # fmt: skip
