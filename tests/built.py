"""How a tiny family is made: what encoders.py, decoders.py and seq2seq.py list and families.py builds.

Built("bert", bert_tokenizer, BODY)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SPREAD = 0.25  # standard deviation of fresh weights; transformers' own 0.02 leaves tiny models all but constant
TABLE = 128  # positions

BODY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
        "max_position_embeddings": TABLE, "initializer_range": SPREAD}  # fmt: skip
BERT_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")


@dataclass(frozen=True)
class Built:
    """model_type, tokenizer, config, the names its dropout goes by, and which of its heads are expected to run packed."""

    model_type: str
    tokenizer: Callable[[], Any]
    config: dict[str, Any] = field(default_factory=dict)
    dropout: tuple[str, ...] = BERT_DROPOUT
    packs: bool = True  # heads that read a whole sequence
    packs_tokens: bool = True  # heads that answer for each token
    more_tokens: int = 0  # the embedding is larger than the tokenizer by so many
    start: str | None = None  # the token a decoder beside an encoder starts with
