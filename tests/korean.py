"""What the tests of Korean traps share: folders as they are met, and what is said of them.

(note,) = said(folder, ["번역이 어색하다."])
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from families import Family

VOCABULARIES = Path(__file__).parents[2] / "shared" / "data" / "tokenizer_vocabs"
KOBERT, KOELECTRA = VOCABULARIES / "skt_kobert_tokenizer.model", VOCABULARIES / "koelectra_vocab.txt"
LABELS = ["bad", "good", "so so"]  # of the head in tests/models' `folder`
WORDS = "번역이 어색해서 무슨 말인지 모르겠다."

kobert_is_here = pytest.mark.skipif(not KOBERT.is_file(), reason="KoBERT's SentencePiece model is not here")
koelectra_is_here = pytest.mark.skipif(not KOELECTRA.is_file(), reason="KoELECTRA's vocabulary is not here")


def sentencepiece_kobert() -> Any:
    """SentencePiece itself with KoBERT's model: 8,000 pieces, none of them [CLS] or [SEP]."""
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(KOBERT))


def kobert_pieces(*special: str) -> list[str]:
    """KoBERT's vocabulary: special tokens, then the model's pieces; 8,002 with its own five."""
    model = sentencepiece_kobert()
    pieces = [model.id_to_piece(number) for number in range(3, model.get_piece_size())]  # without <unk>, <s>, </s>
    return [*(special or ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")), *pieces]


def tokenizer_config(folder: Path, **values: Any) -> None:
    """Change tokenizer_config.json; None takes a key out."""
    path = folder / "tokenizer_config.json"
    found = (json.loads(path.read_text()) if path.is_file() else {}) | values
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}), encoding="utf-8")


def auto(folder: Path, **options: Any) -> Any:
    """The tokenizer that transformers takes."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **options)


def said(folder: Path, some: list[str]) -> list[str]:
    """What is said of model and tokenizer when they meet these texts. Raises ModelError."""
    from byeori.models.checks import check_contract
    from byeori.models.load import load_model
    from byeori.tasks import TextClassification

    loaded = load_model(str(folder), TextClassification(labels=LABELS))
    return check_contract(loaded.model, loaded.tokenizer, some)


def save_body(
    family: str, vocabulary: int, folder: Path, head: str = "AutoModelForSequenceClassification", **config: Any
) -> Path:
    """A tiny model alone, without a tokenizer."""
    Family(family).model(head, vocab_size=vocabulary, **{"pad_token_id": 0, **config}).save_pretrained(folder)
    return folder
