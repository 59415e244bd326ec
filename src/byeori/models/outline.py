"""A model's sizes from its config alone, for the encoders whose shapes it tells: nothing is built, and none of transformers'
modelling code is imported, which takes longer than counting the tokens of 30,000 reviews.

Invariant: an outline says what the model of the same config says when it is built on the meta device (a test holds that).

    outline(config, "AutoModelForSequenceClassification").weights      # None for a family that isn't known here
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

HEADS = {
    "AutoModelForSequenceClassification": "ForSequenceClassification", "AutoModelForTokenClassification": "ForTokenClassification",
    "AutoModelForQuestionAnswering": "ForQuestionAnswering", "AutoModelForMaskedLM": "ForMaskedLM",
}  # fmt: skip
# model_type → the beginning of its classes' names; whose positions begin behind the padding's number
FAMILIES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
    "electra": "Electra",
}
FROM_PADDING = ("roberta", "xlm-roberta", "camembert")


@dataclass(frozen=True)
class Outline:
    """weights: all parameters; computed: those that multiply every token. class_name: of the model that would be built."""

    config: Any
    class_name: str
    weights: int
    computed: int
    first_position: int

    def get_input_embeddings(self) -> SimpleNamespace:
        return SimpleNamespace(num_embeddings=self.config.vocab_size)


def outline(config: Any, auto: str) -> Outline | None:
    """The outline of a config's model with the head of an Auto class; None where only building it tells."""
    family, head = getattr(config, "model_type", None), HEADS.get(auto)
    if family not in FAMILIES or head is None or config.is_decoder or getattr(config, "add_cross_attention", False):
        return None
    if not getattr(config, "tie_word_embeddings", True) or getattr(config, "auto_map", None):
        return None
    wide, inner, words = config.hidden_size, config.intermediate_size, config.vocab_size
    each = getattr(config, "embedding_size", wide) if family == "electra" else wide
    tables = (words + config.max_position_embeddings + config.type_vocab_size) * each
    products, vectors = config.num_hidden_layers * (4 * wide * wide + 2 * wide * inner), 2 * each
    vectors += config.num_hidden_layers * (9 * wide + inner)
    if each != wide:
        products, vectors = products + each * wide, vectors + wide
    more, beside = _head(head, wide, each, words, config.num_labels)
    products, vectors = products + more, vectors + beside
    tied = words * each if head == "ForMaskedLM" else 0  # the embedding's own matrix, once more
    first = config.pad_token_id + 1 if family in FROM_PADDING and config.pad_token_id is not None else 0
    return Outline(config, f"{FAMILIES[family]}{head}", tables + products + vectors, products + tied, first)


def _head(head: str, wide: int, each: int, words: int, labels: int) -> tuple[int, int]:
    """(weights of matrices, of vectors) of a head, BERT's pooler where it has one."""
    if head == "ForMaskedLM":
        return wide * each, 3 * each + words
    dense = (
        head == "ForSequenceClassification"
    )  # and of question answering too the config's labels count, which are two
    return wide * labels + dense * wide * wide, labels + dense * wide
