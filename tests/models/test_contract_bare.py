"""Tokenizers of bare files: read whole, with the class and the letter case their pieces tell, or refused with a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from byeori.errors import ModelError
from byeori.models.bare import cased, described, read_bare, uncased
from byeori.models.load import load_model, load_tokenizer
from byeori.tasks import TextClassification
from families import Family
from korean import KOBERT, KOELECTRA, LABELS, VOCABULARIES, WORDS, auto, kobert_is_here, koelectra_is_here, save_body
from plain import TEXTS
from vocabularies import byte_bpe, wordpiece

CASED = VOCABULARIES / "bert-base-cased-vocab.txt"


def write(file: Path, pieces: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return file


def merges(folder: Path, *special: str) -> Path:
    vocabulary, pairs = byte_bpe(*special)
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    write(folder / "merges.txt", ["#version: 0.2", *map(" ".join, pairs)])
    return folder


# vocab.txt ------------------------------------------------------------------------------------------------------------


@koelectra_is_here
@pytest.mark.parametrize("file", [KOELECTRA, CASED], ids=lambda file: file.name)
@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_real_vocabulary_is_read_whole_and_cased(tmp_path, file, form):
    """Under any name; the pieces are those of WordPiece over the same lines, and of what is saved."""
    from tokenizers import BertWordPieceTokenizer

    given = file
    if form == "folder":
        (tmp_path / "own").mkdir()
        shutil.copy(file, tmp_path / "own" / "vocab.txt")
        given = tmp_path / "own"
    tokenizer = load_tokenizer(str(given), str(given), {})
    lines = file.read_text(encoding="utf-8").splitlines()
    assert tokenizer.convert_ids_to_tokens(list(range(len(lines)))) == lines and len(tokenizer) == len(lines)
    own = BertWordPieceTokenizer(str(file), lowercase=False, strip_accents=False)
    for text in (*TEXTS, WORDS, "Héllo Wörld"):
        assert tokenizer.tokenize(text) == own.encode(text, add_special_tokens=False).tokens
    tokenizer.save_pretrained(tmp_path / "saved")
    again = auto(tmp_path / "saved")
    assert [again(text)["input_ids"] for text in TEXTS] == [tokenizer(text)["input_ids"] for text in TEXTS]
    assert "do_lower_case=False" in (described(str(given)) or "")


def test_an_uncased_vocabulary_stays_uncased(tmp_path, minilm):
    own = auto(minilm)
    numbers = own.get_vocab()
    file = write(tmp_path / "words.txt", sorted(numbers, key=numbers.get))
    tokenizer = read_bare(str(file))
    texts = [*TEXTS, "Héllo WORLD"]
    assert [tokenizer(one)["input_ids"] for one in texts] == [own(one)["input_ids"] for one in texts]
    assert "do_lower_case=True" in (described(str(file)) or "") and cased(numbers) < 0.001


def test_what_a_config_states_is_believed(tmp_path):
    file = write(tmp_path / "vocab.txt", wordpiece())
    for lower in (True, False):
        stated = {"do_lower_case": lower, "model_max_length": 77}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(stated), encoding="utf-8")
        tokenizer = read_bare(str(tmp_path))
        assert (tokenizer.backend_tokenizer.normalizer.normalize_str("가") == "가") is not lower
        assert tokenizer.model_max_length == 77 and described(str(tmp_path)) is None
    assert cased(wordpiece()) > 0.5 and uncased("Éa가") == "ea\u1100\u1161" and file.is_file()


@pytest.mark.parametrize("body", ["bert", "roberta", "electra", "distilbert"])
def test_any_body_over_a_bare_vocabulary(tmp_path, body):
    """transformers takes RoBERTa's class for a RoBERTa, which makes nothing of such a file."""
    folder = save_body(body, len(wordpiece()), tmp_path / body)
    write(folder / "vocab.txt", wordpiece())
    loaded = load_model(str(folder), TextClassification(labels=LABELS))
    assert loaded.tokenizer(WORDS)["input_ids"] == Family("bert").tokenizer()(WORDS)["input_ids"]


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["a", "b"], "no \\[UNK\\] among its 2 lines"),
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "a"], "line 8: 'a' stands there a second time"),
    ],
)
def test_a_text_that_is_no_vocabulary(tmp_path, pieces, said):
    with pytest.raises(ModelError, match=said) as caught:
        load_tokenizer(str(write(tmp_path / "vocab.txt", pieces)), "it", {})
    assert caught.value.exit_code == 4
    (tmp_path / "latin.txt").write_bytes("[UNK]\né\n".encode("latin-1"))
    with pytest.raises(ModelError, match="not UTF-8 at byte 6"):
        read_bare(str(tmp_path / "latin.txt"))


# byte pairs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("special", "kind"), [(("<|endoftext|>",), "GPT2Tokenizer"), (("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "RobertaTokenizer")]
)  # fmt: skip
def test_vocabulary_and_merges_without_a_word_on_the_class(tmp_path, special, kind):
    folder = merges(tmp_path / "own", *special)
    with pytest.raises(ValueError, match="instantiate the backend"):
        auto(folder)
    tokenizer = load_tokenizer(str(folder), "it", {})
    assert type(tokenizer).__name__ == kind and tokenizer.get_vocab() == byte_bpe(*special)[0]
    assert all(tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text for text in TEXTS)
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    assert len(auto(folder)) == 5  # transformers' own: special tokens alone, in silence
    assert read_bare(str(folder)).get_vocab() == tokenizer.get_vocab()
    (folder / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    assert read_bare(str(folder)) is None  # read rightly by transformers


@pytest.mark.parametrize("lacks", ["merges.txt", "vocab.json"])
def test_half_of_a_tokenizer(tmp_path, lacks):
    folder = merges(tmp_path / "own", "<|endoftext|>")
    (folder / lacks).unlink()
    with pytest.raises(ModelError, match=f"without {lacks}.*Copy {lacks}"):
        load_tokenizer(str(folder), "it", {})


def test_pairs_that_say_nothing_of_themselves(tmp_path):
    with pytest.raises(ModelError, match='"tokenizer_class"'):
        read_bare(str(merges(tmp_path / "own", "<x>")))


# SentencePiece and tokenizer.json -------------------------------------------------------------------------------------


@kobert_is_here
def test_a_sentencepiece_model_is_read_for_a_family_that_has_one_and_refused_for_another(tmp_path):
    import sentencepiece

    tokenizer = load_tokenizer(str(KOBERT), "it", {}, model_type="t5")
    model = sentencepiece.SentencePieceProcessor(model_file=str(KOBERT))
    assert type(tokenizer).__name__ == "T5Tokenizer"
    assert [tokenizer.tokenize(text) for text in TEXTS] == [model.encode(text, out_type=str) for text in TEXTS]
    for kind in ("bert", ""):
        with pytest.raises(ModelError, match=r"8,000 pieces.*which numbers they have.*tokenizer_class"):
            load_tokenizer(str(KOBERT), "it", {}, model_type=kind)
    folder = save_body("bert", 8_002, tmp_path / "bert")
    shutil.copy(KOBERT, folder / "spiece.model")
    assert len(auto(folder)) == 5
    with pytest.raises(ModelError, match="in a bert model"):
        load_model(str(folder), TextClassification(labels=LABELS))


def test_files_that_are_none(tmp_path):
    (tmp_path / "spiece.model").write_text("hi")
    with pytest.raises(ModelError, match="no SentencePiece model"):
        read_bare(str(tmp_path / "spiece.model"))
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    with pytest.raises(ModelError, match="no tokenizer.json.*merges.txt"):
        read_bare(str(tmp_path / "vocab.json"))
    (tmp_path / "x.bin").write_text("")
    with pytest.raises(ModelError, match="none of them by its name"):
        read_bare(str(tmp_path / "x.bin"))
    assert read_bare("klue/roberta-base") is None and described("") is None


def test_a_tokenizer_json_by_itself(tmp_path, tiny):
    given = shutil.copy(Path(tiny("bert")) / "tokenizer.json", tmp_path / "mine.json")
    tokenizer = load_tokenizer(str(given), "it", {})
    own = auto(tiny("bert"))
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == [own(text)["input_ids"] for text in TEXTS]
    assert (tokenizer.mask_token, tokenizer.pad_token_id, tokenizer.cls_token) == ("[MASK]", own.pad_token_id, "[CLS]")
