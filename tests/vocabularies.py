"""Vocabularies of each tokenizer algorithm, learnt in a moment from the demo data's Korean and English texts.

Invariants: nothing is downloaded; the same call gives the same vocabulary; every character of `texts()` is in it (or its
bytes are), so that nothing is unknown.

    vocabulary, merges = byte_bpe("<|endoftext|>")
"""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import byeori

DEMO = Path(byeori.__file__).parent / "data" / "demo"
SIZE = 700
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))  # what an unknown character falls back to in Llama and Gemma
Merges = list[tuple[str, str]]


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
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"##{one}" for one in _characters(learner))]
    learner.train_from_iterator(
        texts(), trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    )
    return dict(sorted(learner.get_vocab().items(), key=lambda item: item[1]))


@cache
def byte_bpe(*special: str) -> tuple[dict[str, int], Merges]:
    """GPT-2's: pieces of bytes."""
    from tokenizers import pre_tokenizers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _bpe(special, pre_tokenizers.ByteLevel(add_prefix_space=False), initial_alphabet=alphabet)


@cache
def gpt_bpe() -> tuple[dict[str, int], Merges]:
    """GPT's: pieces of characters, the last of a word marked </w>; all lower case, Hangul taken apart into jamo (자모)."""
    from tokenizers import normalizers, pre_tokenizers

    lower = normalizers.BertNormalizer(lowercase=True)
    return _bpe(("<unk>",), pre_tokenizers.BertPreTokenizer(), lower, end_of_word_suffix="</w>")


@cache
def ctrl_bpe() -> tuple[dict[str, int], Merges]:
    """CTRL's: words between spaces; in the vocabulary a piece that ends no word ends in @@, in the merges </w> ends words."""
    from tokenizers import pre_tokenizers

    pieces, merges = _bpe(("<unk>",), pre_tokenizers.WhitespaceSplit(), size=1_000, end_of_word_suffix="</w>")
    names = {piece: piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@" for piece in pieces}
    names["<unk>"] = "<unk>"
    return {names[piece]: number for piece, number in pieces.items()}, merges


@cache
def space_bpe(*special: str) -> tuple[dict[str, int], Merges]:
    """Llama's and Gemma's: pieces of characters with ▁ for a space, and one for each byte."""
    from tokenizers import normalizers, pre_tokenizers

    words = pre_tokenizers.Split("▁", behavior="merged_with_next")
    return _bpe((*special, *BYTES), words, normalizers.Replace(" ", "▁"), size=1_100)


def _bpe(
    special: tuple[str, ...], words: Any, normalizer: Any = None, size: int = SIZE, **options: Any
) -> tuple[dict[str, int], Merges]:
    from tokenizers import Tokenizer, models, trainers

    suffix = options.get("end_of_word_suffix")
    learner = Tokenizer(models.BPE(end_of_word_suffix=suffix) if suffix else models.BPE())
    learner.pre_tokenizer = words
    if normalizer is not None:
        learner.normalizer = normalizer
    known = [*special, *(f"{one}{suffix}" for one in (_characters(learner) if suffix else ()))]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=known, show_progress=False, **options)
    learner.train_from_iterator(texts(), trainer)
    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _characters(learner: Any) -> list[str]:
    """The signs of its words, sorted. Named to a trainer that marks where in a word a sign stands, they have their numbers
    before it meets them in the order of a hash table, another in each process."""
    found = set()
    for text in texts():
        said = text if learner.normalizer is None else learner.normalizer.normalize_str(text)
        found.update(*(word for word, _ in learner.pre_tokenizer.pre_tokenize_str(said)))
    return sorted(found)


@cache
def unigram(*special: str) -> list[tuple[str, float]]:
    """Pieces with their log probabilities, the special ones first, 0.0 each. Learnt by sentencepiece: the trainer of
    tokenizers gives other pieces in each process."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model(SIZE))
    pieces = [(model.id_to_piece(n), model.get_score(n)) for n in range(len(model)) if not model.is_control(n)]
    return [(name, 0.0) for name in special] + [piece for piece in pieces if piece[0] not in special]


@cache
def sentencepiece_model(size: int) -> bytes:
    """A model file as the sentencepiece package writes it, of just so many pieces."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()), model_writer=written, vocab_size=size, model_type="unigram",
        character_coverage=1.0, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return written.getvalue()


def sentencepiece_pieces(model: bytes) -> list[str]:
    import sentencepiece

    loaded = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [loaded.id_to_piece(number) for number in range(loaded.get_piece_size())]
