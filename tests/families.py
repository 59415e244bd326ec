"""Tiny models of every family, made on the fly: the real architecture and tokenizer class, hidden size 32, 2–3 layers.

Invariants: nothing is downloaded; the same call gives the same weights; dropout is 0 unless asked; weights are spread
wide enough (`SPREAD`) that different texts get clearly different logits, so that an equality of logits says something.

    folder = Family("bert").save(tmp_path, num_labels=3)
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import byeori

DEMO = Path(byeori.__file__).parent / "data" / "demo"
SPREAD = 0.25  # standard deviation of fresh weights; transformers' own 0.02 leaves tiny models all but constant
TABLE = 128  # positions
VOCABULARY = 700


@cache
def texts() -> tuple[str, ...]:
    """Short texts in English and Korean by turns: what the package's demo data says."""
    found = []
    for name in ("requests.tsv", "reviews_ko.tsv"):
        with open(DEMO / name, encoding="utf-8", newline="") as file:
            found.append([row[0] for row in csv.reader(file, delimiter="\t")][1:161])
    return tuple(text for both in zip(*found, strict=True) for text in both)


@cache
def wordpiece() -> dict[str, int]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learner.train_from_iterator(
        texts(), trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    )
    return dict(sorted(learner.get_vocab().items(), key=lambda item: item[1]))


@cache
def byte_bpe(*special: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    learner.train_from_iterator(texts(), trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


@cache
def unigram(*special: str) -> list[tuple[str, float]]:
    """Pieces with their log probabilities, the special ones first, 0.0 each."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    learner.train_from_iterator(texts(), trainer)
    pieces = [tuple(piece) for piece in json.loads(learner.to_str())["model"]["vocab"]]
    return [(name, 0.0) for name in special] + [piece for piece in pieces if piece[0] not in special]


def _bert_tokenizer() -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab=wordpiece(), do_lower_case=False, model_max_length=TABLE)


def _distilbert_tokenizer() -> Any:
    from transformers import DistilBertTokenizer

    return DistilBertTokenizer(vocab=wordpiece(), do_lower_case=False, model_max_length=TABLE)


def _roberta_tokenizer() -> Any:
    from transformers import RobertaTokenizer

    vocabulary, merges = byte_bpe("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=TABLE - 2)


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
    return AlbertTokenizer(vocab=pieces, do_lower_case=False, model_max_length=TABLE)


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


def _gpt2_tokenizer() -> Any:
    from transformers import GPT2Tokenizer

    vocabulary, merges = byte_bpe("<|endoftext|>", "<|pad|>")
    return GPT2Tokenizer(vocab=vocabulary, merges=merges, pad_token="<|pad|>", model_max_length=TABLE)


_BODY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
         "max_position_embeddings": TABLE, "initializer_range": SPREAD}  # fmt: skip
_BERT_DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")


@dataclass(frozen=True)
class Built:
    """How a family is made: its model_type, tokenizer, config, and the names its dropout goes by."""

    model_type: str
    tokenizer: Any
    config: dict[str, Any] = field(default_factory=dict)
    dropout: tuple[str, ...] = _BERT_DROPOUT
    packs: bool = True


_BUILT = {
    "bert": Built("bert", _bert_tokenizer, _BODY),
    "roberta": Built("roberta", _roberta_tokenizer, {**_BODY, "type_vocab_size": 1}),
    "distilbert": Built(
        "distilbert", _distilbert_tokenizer,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": TABLE,
         "initializer_range": SPREAD},
        ("dropout", "attention_dropout", "seq_classif_dropout"),
    ),
    "electra": Built("electra", _bert_tokenizer, {**_BODY, "embedding_size": 16}),
    "albert": Built(
        "albert", _albert_tokenizer, {**_BODY, "embedding_size": 16},
        ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"),
    ),
    "modernbert": Built(
        "modernbert", _modernbert_tokenizer,
        {**_BODY, "num_hidden_layers": 3, "local_attention": 8, "global_attn_every_n_layers": 2},
        ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"),
    ),
    "xlm-roberta": Built("xlm-roberta", _xlmr_tokenizer, {**_BODY, "type_vocab_size": 1}),
    "camembert": Built("camembert", _camembert_tokenizer, {**_BODY, "type_vocab_size": 1}),
    "deberta-v2": Built(
        "deberta-v2", _deberta_tokenizer,
        {**_BODY, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
         "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 16, "type_vocab_size": 0},
        ("hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout"), packs=False,
    ),
    "gpt2": Built(
        "gpt2", _gpt2_tokenizer,
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": TABLE, "initializer_range": SPREAD},
        ("resid_pdrop", "embd_pdrop", "attn_pdrop"), packs=False,
    ),
}  # fmt: skip

NAMES = tuple(_BUILT)
PACKED = tuple(name for name, built in _BUILT.items() if built.packs)
RECTANGLES = tuple(name for name, built in _BUILT.items() if not built.packs)


class Family:
    """One family by its model_type. `packs`: whether its packed form is expected to run."""

    def __init__(self, name: str):
        self.name, self.built = name, _BUILT[name]
        self.packs = self.built.packs

    def tokenizer(self) -> Any:
        return self.built.tokenizer()

    def config(self, tokenizer: Any, dropout: float = 0.0, **values: Any) -> Any:
        """`values` win over the family's own; `labels` are names, as the issue of a trained head has them."""
        from transformers import AutoConfig

        if "labels" in values:
            names = values.pop("labels")
            values |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
        return AutoConfig.for_model(self.built.model_type, **{
            "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id, **dict.fromkeys(self.built.dropout, dropout), **self.built.config, **values,
        })  # fmt: skip

    def save(
        self, folder: Path, auto: str = "AutoModelForSequenceClassification", seed: int = 0, **values: Any
    ) -> Path:
        """Write model and tokenizer with fresh weights; `auto` names the class (AutoModel: a body with no head)."""
        import torch
        import transformers

        tokenizer = self.tokenizer()
        torch.manual_seed(seed)
        model = getattr(transformers, auto).from_config(self.config(tokenizer, **values))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder
