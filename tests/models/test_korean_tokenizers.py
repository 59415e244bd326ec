"""Korean tokenizers that don't fit their class or bring their own: named with the fix, or read as they are meant.

A RoBERTa over BERT's files, as klue/roberta without its class; BPE over characters beside a GPT-2, as KoGPT2; SentencePiece
read by code beside the checkpoint, as KoBERT.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import byeori
from byeori.errors import ModelError
from byeori.models.checks import explain
from byeori.text.align import encode_whole
from byeori.text.encode import Encoder
from byeori.text.windows import Cut, windows
from families import Family
from korean import (
    KOBERT,
    WORDS,
    auto,
    kobert_is_here,
    kobert_pieces,
    said,
    save_body,
    sentencepiece_kobert,
    tokenizer_config,
)
from plain import ENGLISH, KOREAN, TEXTS, check, train
from vocabularies import space_bpe

# classes that don't fit their files -----------------------------------------------------------------------------------


def without_class(folder: Path, kept: str) -> Path:
    """RoBERTa's body beside BERT's files, and no word on the class: transformers takes RoBERTa's."""
    words = Family("bert").tokenizer()
    save_body("roberta", len(words), folder)
    words.save_pretrained(folder)
    if kept == "vocab.txt":
        vocabulary = sorted(words.get_vocab(), key=words.get_vocab().get)
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    return folder


@pytest.mark.parametrize("use", ["train", "pipeline"])
def test_a_tokenizer_class_that_returns_nothing_is_named_with_the_fix(tmp_path, use):
    folder = without_class(tmp_path / "klue", "tokenizer.json")
    assert type(auto(folder)).__name__ == "RobertaTokenizer" and auto(folder).tokenize("번역이") == []
    with pytest.raises(ModelError, match=r'RobertaTokenizer.*"tokenizer_class".*BertTokenizer') as caught:
        if use == "train":
            train("text-classification", folder, tmp_path / "run")
        else:
            byeori.pipeline("text-classification", str(folder))(KOREAN[0])
    assert caught.value.exit_code == 4 and not (tmp_path / "run").exists()
    tokenizer_config(folder, tokenizer_class="BertTokenizer", do_lower_case=False)
    assert auto(folder)(WORDS)["input_ids"] == Family("bert").tokenizer()(WORDS)["input_ids"]
    assert said(folder, TEXTS) == []


def test_a_vocab_txt_that_the_class_does_not_read_is_read_by_bert(tmp_path):
    """RoBERTa's class makes nothing of it, in silence; the file itself says that it is WordPiece's, and cased."""
    folder = without_class(tmp_path / "klue", "vocab.txt")
    assert type(auto(folder)).__name__ == "RobertaTokenizer" and auto(folder).tokenize("번역이") == []
    run = train("text-classification", folder, tmp_path / "run")
    check(run, "text-classification")
    assert auto(run.path / "model")(WORDS)["input_ids"] == Family("bert").tokenizer()(WORDS)["input_ids"]


def test_a_model_file_without_the_packages_that_read_it_names_them(tmp_path):
    """Where protobuf is missing, transformers asks for tiktoken, which could not read a SentencePiece model either."""
    (tmp_path / "spiece.model").write_bytes(b"")
    with (
        pytest.raises(ModelError, match="SentencePiece model file.*pip install sentencepiece protobuf"),
        explain("name", str(tmp_path)),
    ):
        raise ValueError("`tiktoken` is required to read a `tiktoken` file. Install it with `pip install tiktoken`.")


# tokenizers like KoGPT's ----------------------------------------------------------------------------------------------


def kogpt(folder: Path) -> Any:
    """As skt/kogpt2-base-v2: a tokenizer.json of BPE pieces with ▁ beside a GPT-2, and no tokenizer_config.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary, merges = space_bpe("</s>", "<unk>", "<pad>")
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    save_body("gpt2", len(vocabulary), folder, "AutoModelForCausalLM")
    backend.save(str(folder / "tokenizer.json"))
    return backend


NAMES = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def test_a_kogpt_without_its_class_is_refused(tmp_path):
    """transformers takes GPT-2's class, which looks for bytes among pieces of characters and finds next to nothing."""
    kogpt(tmp_path / "kogpt")
    assert auto(tmp_path / "kogpt").tokenize("번역이") == []
    with pytest.raises(ModelError, match=r'GPT2Tokenizer.*"tokenizer_class".*PreTrainedTokenizerFast'):
        train("text-generation", tmp_path / "kogpt", tmp_path / "run")


@pytest.mark.parametrize("given", ["object", "config"])
def test_a_kogpt_with_its_class_learns_and_is_saved(tmp_path, given):
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path / "kogpt"
    backend = kogpt(folder)
    own = {}
    if given == "object":
        own = {"tokenizer": PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **NAMES)}
    else:
        tokenizer_config(folder, tokenizer_class="PreTrainedTokenizerFast", **NAMES)
    run = train("text-generation", folder, tmp_path / "run", **own)
    check(run, "text-generation")
    saved = auto(run.path / "model")
    assert all(saved(text)["input_ids"] == backend.encode(text).ids for text in TEXTS)
    assert saved.decode(saved(WORDS)["input_ids"]) == WORDS and saved.eos_token == "</s>"


# tokenizers like KoBERT's: code beside the checkpoint ------------------------------------------------------------------

CODE = """
import os, pathlib, shutil
from sentencepiece import SentencePieceProcessor
from transformers import PreTrainedTokenizer

pathlib.Path({sprung!r}).touch()


class KoBertTokenizer(PreTrainedTokenizer):
    vocab_files_names = {{"vocab_file": {file!r}, "vocab_txt": "vocab.txt"}}
    model_input_names = ["input_ids", "token_type_ids", "attention_mask"]

    def __init__(self, vocab_file, vocab_txt, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
                 mask_token="[MASK]", **kwargs):
        self.files, self.model = (vocab_file, vocab_txt), SentencePieceProcessor(model_file=vocab_file)
        self.names = pathlib.Path(vocab_txt).read_text(encoding="utf-8").splitlines()
        self.numbers = {{name: number for number, name in enumerate(self.names)}}
        super().__init__(unk_token=unk_token, sep_token=sep_token, pad_token=pad_token, cls_token=cls_token,
                         mask_token=mask_token, **kwargs)

    @property
    def vocab_size(self):
        return len(self.names)

    def get_vocab(self):
        return self.numbers | self.added_tokens_encoder

    def _tokenize(self, text, **kwargs):
        return self.model.encode(text, out_type=str)

    def _convert_token_to_id(self, token):
        return self.numbers.get(token, self.numbers["[UNK]"])

    def _convert_id_to_token(self, index):
        return self.names[index]

    def convert_tokens_to_string(self, tokens):
        return self.model.decode(tokens)

    def build_inputs_with_special_tokens(self, one, other=None):
        first = [self.cls_token_id, *one, self.sep_token_id]
        return first if other is None else [*first, *other, self.sep_token_id]

    def create_token_type_ids_from_sequences(self, one, other=None):
        return [0] * (len(one) + 2) + ([] if other is None else [1] * (len(other) + 1))

    def save_vocabulary(self, folder, filename_prefix=None):
        return tuple(shutil.copy(file, folder) for file in self.files)
"""


@pytest.fixture
def kobert(tmp_path, monkeypatch):
    """`kobert(file)` → a folder as monologg/kobert: a BERT, SentencePiece's model, numbers of its own for the pieces, code."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))  # transformers adds the folder to it

    def make(file: str = "tokenizer_78b3253a26.model") -> Path:
        names = kobert_pieces()
        folder = save_body("bert", len(names), tmp_path / "kobert")
        shutil.copy(KOBERT, folder / file)
        (folder / "vocab.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        code = CODE.format(file=file, sprung=str(tmp_path / "sprung"))
        (folder / "tokenization_kobert.py").write_text(code, encoding="utf-8")
        tokenizer_config(
            folder, tokenizer_class="KoBertTokenizer", model_max_length=128,
            auto_map={"AutoTokenizer": ["tokenization_kobert.KoBertTokenizer", None]},
        )  # fmt: skip
        return folder

    return make


@kobert_is_here
@pytest.mark.parametrize("file", ["tokenizer_78b3253a26.model", "tokenizer.model"])
@pytest.mark.parametrize("use", ["train", "pipeline"])
def test_koberts_code_runs_only_when_asked(kobert, tmp_path, file, use):
    """Nor does another class read its file in silence: without its code there would be no [CLS]."""
    folder = kobert(file)
    with pytest.raises(ModelError, match="Read that code, then add --trust-remote-code"):
        if use == "train":
            train("text-classification", folder, tmp_path / "run")
        else:
            byeori.pipeline("text-classification", str(folder))
    assert not (tmp_path / "sprung").exists() and not (tmp_path / "run").exists()


@kobert_is_here
def test_a_kobert_trusted_learns_and_is_saved_with_its_code(kobert, tmp_path):
    names = kobert_pieces()
    run = train("pairs", kobert(), tmp_path / "run", trust_remote_code=True)
    assert (tmp_path / "sprung").exists()
    found = run.engine.encoder(KOREAN[:1], KOREAN[1:2])
    first, second = (sentencepiece_kobert().encode(text, out_type=str) for text in KOREAN[:2])
    assert [names[one] for one in found.input_ids] == ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
    assert found.columns["token_type_ids"].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    check(run, "pairs", trust_remote_code=True)
    with pytest.raises(ModelError, match="--trust-remote-code"):
        byeori.load_run(run.path)


@kobert_is_here
def test_koberts_tokens_are_found_in_the_text_and_questions_are_refused(kobert, tmp_path):
    """Written in Python, it gives no offsets: of tags they are looked for, of answers a fast tokenizer is asked for."""
    tokenizer = auto(kobert(), trust_remote_code=True)
    encoder = Encoder(tokenizer, 128)
    for text in (WORDS, *TEXTS):
        pieces = encode_whole(encoder, [text])
        names = tokenizer.convert_ids_to_tokens(pieces.ids.tolist())
        assert names[0] == "[CLS]" and names[-1] == "[SEP]" and pieces.starts[[0, -1]].tolist() == [-1, -1]
        found = [text[a:b] for a, b in zip(pieces.starts[1:-1], pieces.ends[1:-1], strict=True)]
        assert found == [name.replace("▁", "") for name in names[1:-1]]
    with pytest.raises(ModelError, match="KoBertTokenizer .* fast tokenizer"):
        windows(encoder, [ENGLISH[0]], [WORDS], Cut(64))
