"""Tiny encoders: BERT and its kin, DeBERTa-v2, ModernBERT, Longformer.

tokenizer = BUILT["bert"].tokenizer()
"""

from __future__ import annotations

from typing import Any

from built import BERT_DROPOUT, BODY, SPREAD, TABLE, Built
from vocabularies import byte_bpe, unigram, wordpiece


def _bert_tokenizer() -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab=wordpiece(), do_lower_case=False, model_max_length=TABLE)


def _distilbert_tokenizer() -> Any:
    from transformers import DistilBertTokenizer

    return DistilBertTokenizer(vocab=wordpiece(), do_lower_case=False, model_max_length=TABLE)


def roberta_tokenizer(length: int = TABLE - 2) -> Any:
    from transformers import RobertaTokenizer

    vocabulary, merges = byte_bpe("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def _xlmr_tokenizer() -> Any:
    from transformers import XLMRobertaTokenizer

    return XLMRobertaTokenizer(vocab=unigram("<s>", "<pad>", "</s>", "<unk>"), model_max_length=TABLE - 2)


def _camembert_tokenizer() -> Any:
    from transformers import CamembertTokenizer

    special = ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>")
    return CamembertTokenizer(vocab=unigram(*special), model_max_length=TABLE - 2)


def _albert_tokenizer() -> Any:
    from transformers import AlbertTokenizer

    pieces = unigram("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    # Its own default takes Hangul apart into jamo (자모), none of which is a piece.
    return AlbertTokenizer(vocab=pieces, do_lower_case=False, keep_accents=True, model_max_length=TABLE)


def _deberta_tokenizer() -> Any:
    from transformers import DebertaV2Tokenizer

    return DebertaV2Tokenizer(vocab=unigram("[PAD]", "[CLS]", "[SEP]", "[UNK]"), unk_id=3, model_max_length=TABLE)


def _modernbert_tokenizer() -> Any:
    """ModernBERT's checkpoints carry a byte-level BPE in the general class, with BERT's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = byte_bpe("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_input_names=["input_ids", "attention_mask"], model_max_length=TABLE,
    )  # fmt: skip


BUILT = {
    "bert": Built("bert", _bert_tokenizer, BODY),
    "roberta": Built("roberta", roberta_tokenizer, {**BODY, "type_vocab_size": 1}),
    "distilbert": Built(
        "distilbert", _distilbert_tokenizer,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": TABLE,
         "initializer_range": SPREAD},
        ("dropout", "attention_dropout", "seq_classif_dropout", "qa_dropout"),
    ),
    "electra": Built("electra", _bert_tokenizer, {**BODY, "embedding_size": 16}, (*BERT_DROPOUT, "summary_last_dropout")),
    "albert": Built(
        "albert", _albert_tokenizer, {**BODY, "embedding_size": 16},
        ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"),
    ),
    "modernbert": Built(
        "modernbert", _modernbert_tokenizer,
        {**BODY, "num_hidden_layers": 3, "local_attention": 8, "global_attn_every_n_layers": 2},
        ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"),
    ),
    "xlm-roberta": Built("xlm-roberta", _xlmr_tokenizer, {**BODY, "type_vocab_size": 1}),
    "camembert": Built("camembert", _camembert_tokenizer, {**BODY, "type_vocab_size": 1}),
    "deberta-v2": Built(
        "deberta-v2", _deberta_tokenizer,
        {**BODY, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
         "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 16, "type_vocab_size": 0},
        ("hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout"), packs=False, packs_tokens=False,
    ),
    "longformer": Built(
        "longformer", roberta_tokenizer, {**BODY, "type_vocab_size": 1, "attention_window": 8},
        packs=False, packs_tokens=False,
    ),
}  # fmt: skip
