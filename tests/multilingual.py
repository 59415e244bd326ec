"""Tokenizers of many languages, over Korean and English: mBART, mBART-50, M2M-100, NLLB.

one = tokenizer("m2m100")
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from families import Family
from vocabularies import sentencepiece_model, sentencepiece_pieces, space_bpe, unigram


@cache
def _m2m100_files() -> str:
    folder = Path(tempfile.mkdtemp(prefix="m2m100-"))
    (folder / "spm.model").write_bytes(sentencepiece_model(700))
    pieces = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *sentencepiece_pieces(sentencepiece_model(700))])
    (folder / "vocab.json").write_text(json.dumps({piece: at for at, piece in enumerate(pieces)}), encoding="utf-8")
    return str(folder)


def tokenizer(name: str) -> Any:
    """A fresh one of its own class; nobody says its languages."""
    import transformers

    if name == "mbart":
        return Family("mbart").tokenizer()
    if name == "mbart50":
        from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

        codes = [(code, 0.0) for code in (*FAIRSEQ_LANGUAGE_CODES, "<mask>")]
        return transformers.MBart50Tokenizer(vocab=unigram("<s>", "<pad>", "</s>", "<unk>") + codes)
    if name == "m2m100":
        folder = _m2m100_files()
        return transformers.M2M100Tokenizer(vocab_file=f"{folder}/vocab.json", spm_file=f"{folder}/spm.model")
    vocabulary, merges = space_bpe("<s>", "<pad>", "</s>", "<unk>")
    return transformers.NllbTokenizer(vocab=vocabulary, merges=merges)
