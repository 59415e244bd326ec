"""The models: the packaged MiniLM, and small ones that start from nothing, over a vocabulary learnt from the training rows.

Weights are made once and lie in a folder that both contestants load (heads that a task adds are each program's own).

    BODIES["t5"]("folder", train)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from benchmarks import common

if TYPE_CHECKING:
    from byeori.data.rows import Rows

WIDTH, LAYERS, HEADS = 128, 2, 4
PIECES = 4_000
TEXTS = ("text", "source", "target")


def texts(train: Rows) -> list[str]:
    """All texts of the training rows."""
    return [text for name in TEXTS if name in train.table.column_names for text in train.table[name][:]]


def minilm(folder: str, train: Rows) -> str:
    from byeori.demo import model_folder

    return str(model_folder())


def korean_bert(folder: str, train: Rows) -> str:
    return common.korean_bert(folder, width=WIDTH, layers=LAYERS, heads=2)


def small_bert(folder: str, train: Rows) -> str:
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = normalizers.BertNormalizer(lowercase=False)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    _learn(learner, trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=special, show_progress=False), train)
    vocabulary = dict(sorted(learner.get_vocab().items(), key=lambda item: item[1]))
    tokenizer = transformers.BertTokenizer(vocab=vocabulary, do_lower_case=False, model_max_length=128)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH, max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return _saved(folder, transformers.BertForMaskedLM, config, tokenizer)


def gpt2(folder: str, train: Rows) -> str:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    _learn(
        learner,
        trainers.BpeTrainer(
            vocab_size=PIECES, special_tokens=["<|endoftext|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
        train,
    )  # fmt: skip
    model = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = transformers.GPT2Tokenizer(vocab=model["vocab"], merges=merges, model_max_length=128)
    end = tokenizer.eos_token_id
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=128, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, bos_token_id=end,
        eos_token_id=end,
    )  # fmt: skip
    return _saved(folder, transformers.GPT2LMHeadModel, config, tokenizer)


def t5(folder: str, train: Rows) -> str:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    _learn(
        learner,
        trainers.UnigramTrainer(vocab_size=PIECES, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False),
        train,
    )
    pieces = [tuple(piece) for piece in json.loads(learner.to_str())["model"]["vocab"]]
    special = ("<pad>", "</s>", "<unk>")
    pieces = [(name, 0.0) for name in special] + [piece for piece in pieces if piece[0] not in special]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=4 * WIDTH, num_layers=LAYERS,
        num_heads=HEADS, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return _saved(folder, transformers.T5ForConditionalGeneration, config, tokenizer)


def minilm_writer(folder: str, train: Rows) -> str:
    """MiniLM twice, as encoder and as decoder, the attention between them new (Rothe et al., 2020)."""
    import torch
    import transformers

    torch.manual_seed(0)
    source = minilm(folder, train)
    model = transformers.EncoderDecoderModel.from_encoder_decoder_pretrained(source, source)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = tokenizer.cls_token_id
        config.eos_token_id, config.pad_token_id = tokenizer.sep_token_id, tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _learn(learner: Any, trainer: Any, train: Rows) -> None:
    given: Iterable[str] = texts(train)
    learner.train_from_iterator(given, trainer)


def _saved(folder: str, kind: Any, config: Any, tokenizer: Any) -> str:
    import torch

    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


BODIES: dict[str, Callable[[str, Any], str]] = {
    "minilm": minilm, "korean_bert": korean_bert, "small_bert": small_bert, "gpt2": gpt2, "t5": t5,
    "minilm_writer": minilm_writer,
}  # fmt: skip
