"""Traps of Korean checkpoints and texts, each as it is met, with the answer that is right.

A BERT tokenizer on a RoBERTa body, Hangul taken apart by a normalizer (do_lower_case, ALBERT's accents), decomposed text,
a language that nobody said. Tokenizers that don't fit their files or bring code: test_korean_tokenizers.py.
"""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byeori.batches.answers import Answers
from byeori.data.read import read_rows
from byeori.errors import ModelError, SettingError
from byeori.models.checks import check_contract
from byeori.models.load import load_model
from byeori.tasks import TextClassification, TokenClassification
from byeori.text.align import encode_whole
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from families import Family, texts
from korean import (
    KOELECTRA,
    LABELS,
    WORDS,
    auto,
    kobert_is_here,
    kobert_pieces,
    koelectra_is_here,
    said,
    save_body,
    sentencepiece_kobert,
    tokenizer_config,
)
from plain import ENGLISH, JOBS, KOREAN, TEXTS, check, train
from vocabularies import unigram

# a BERT tokenizer on a RoBERTa body (klue/roberta) --------------------------------------------------------------------


@pytest.mark.parametrize("job", ["pairs", "question-answering", "multiple-choice", "token-classification", "fill-mask"])
def test_klue_roberta_pairs_crash_in_transformers_and_train_here(tmp_path, job):
    """Its tokenizer sends a second segment, the body has one; what is saved works in plain transformers too."""
    from transformers import AutoModel

    words = Family("bert").tokenizer()
    folder = save_body("roberta", len(words), tmp_path / "klue", JOBS[job].auto)
    words.save_pretrained(folder)
    pair = auto(folder)(*KOREAN[:2], return_tensors="pt")
    assert type(auto(folder)).__name__ == "BertTokenizer" and set(pair["token_type_ids"][0].tolist()) == {0, 1}
    with pytest.raises(IndexError):
        AutoModel.from_pretrained(folder)(**pair)
    run = train(job, folder, tmp_path / "run")
    check(run, job)
    saved = auto(run.path / "model")(*KOREAN[:2])
    assert list(saved) == ["input_ids", "attention_mask"] and saved["input_ids"] == pair["input_ids"][0].tolist()


# Hangul taken apart by the normalizer ---------------------------------------------------------------------------------


def test_a_missing_do_lower_case_makes_every_korean_word_unknown(folder):
    """transformers then lower-cases, strips accents and leaves jamo: one line in the tokenizer's config is the cure."""
    tokenizer_config(folder, do_lower_case=None)
    assert auto(folder).tokenize("번역이 어색해서") == ["[UNK]", "[UNK]"]
    with pytest.raises(ModelError, match='Set "do_lower_case": false in its tokenizer_config.json') as caught:
        said(folder, KOREAN)
    assert said(folder, TEXTS) == [str(caught.value)]  # where half of the texts are English, whose words are known
    tokenizer_config(folder, do_lower_case=False)
    assert said(folder, TEXTS) == [] and auto(folder)(WORDS) == Family("bert").tokenizer()(WORDS)


def test_an_uncased_vocabulary_that_knows_jamo_is_left_alone(tmp_path):
    """bert-base-uncased spells Hangul in jamo (자모), as GPT does here: poor, but what it was made for."""
    tokenizer = Family("openai-gpt").tokenizer()
    assert check_contract(Family("openai-gpt").model("AutoModelForCausalLM"), tokenizer, KOREAN) == []


@koelectra_is_here
def test_a_vocab_txt_alone_is_koelectras(tmp_path):
    """Without a word on letter case transformers lower-cases; here the pieces tell it, and are WordPiece's own."""
    from tokenizers import BertWordPieceTokenizer

    size = len(KOELECTRA.read_text(encoding="utf-8").splitlines())
    folder = save_body("electra", size, tmp_path / "koelectra")
    shutil.copy(KOELECTRA, folder / "vocab.txt")
    assert set(auto(folder).tokenize(WORDS)) == {"[UNK]", "."}
    (note,) = said(folder, KOREAN)
    assert "do_lower_case=False" in note and "97.0% of its 32,200 pieces" in note
    read = load_model(str(folder), TextClassification(labels=LABELS)).tokenizer
    tokenizer_config(folder, do_lower_case=True)
    with pytest.raises(ModelError, match='"do_lower_case": false'):  # what is stated is believed
        said(folder, KOREAN)
    tokenizer_config(folder, do_lower_case=False)
    assert said(folder, KOREAN) == [] and read.tokenize(WORDS) == auto(folder).tokenize(WORDS)
    own = BertWordPieceTokenizer(str(KOELECTRA), lowercase=False, strip_accents=False)
    assert auto(folder).tokenize(WORDS) == own.encode(WORDS, add_special_tokens=False).tokens


def albert(folder: Path, **values: Any) -> Path:
    from transformers import AlbertTokenizer

    pieces = unigram("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    save_body("albert", len(pieces), folder)
    AlbertTokenizer(vocab=pieces, do_lower_case=False, **values).save_pretrained(folder)
    return folder


def test_alberts_accents_leave_jamo_and_keep_accents_is_the_cure(tmp_path):
    folder = albert(tmp_path / "albert")
    tokenizer = auto(folder)
    known = set(tokenizer("번역이", add_special_tokens=False)["input_ids"]) - {tokenizer.unk_token_id}
    assert tokenizer.convert_ids_to_tokens(list(known)) in ([], ["▁"])
    with pytest.raises(ModelError, match='Set "keep_accents": true in its tokenizer_config.json') as caught:
        said(folder, KOREAN)
    assert said(folder, TEXTS) == [str(caught.value)]
    kept = albert(tmp_path / "kept", keep_accents=True)
    assert said(kept, TEXTS) == [] and auto(kept).decode(auto(kept)(WORDS)["input_ids"][1:-1]) == WORDS


@kobert_is_here
@pytest.mark.parametrize("keep_accents", [True, False])
def test_kobert_in_alberts_class_gives_sentencepieces_own_pieces_where_accents_are_kept(tmp_path, keep_accents):
    from transformers import AlbertTokenizer

    model = sentencepiece_kobert()
    names = kobert_pieces("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    scores = [0.0] * 5 + [model.get_score(number) for number in range(3, model.get_piece_size())]
    folder = save_body("albert", len(names), tmp_path / "albert")
    AlbertTokenizer(
        vocab=list(zip(names, scores, strict=True)),
        do_lower_case=False,
        keep_accents=keep_accents,
        model_max_length=128,
    ).save_pretrained(folder)
    same = [auto(folder).tokenize(text) == model.encode(text, out_type=str) for text in KOREAN]
    assert all(same) if keep_accents else not any(same)
    assert len(said(folder, TEXTS)) == (0 if keep_accents else 1)
    if keep_accents:
        check(train("text-classification", folder, tmp_path / "run"), "text-classification")


def test_an_albert_without_its_special_tokens_is_named(tmp_path):
    """As made of a SentencePiece model like KoBERT's, which has none: transformers says "Expected Union[Tuple[str, int], …]"."""
    folder = albert(tmp_path / "albert", keep_accents=True)
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    found["model"]["vocab"] = [piece for piece in found["model"]["vocab"] if piece[0] not in ("[CLS]", "[SEP]")]
    file.write_text(json.dumps(found | {"post_processor": None, "added_tokens": []}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"\[CLS\] and \[SEP\]") as caught:
        load_model(str(folder), TextClassification(labels=LABELS))
    assert str(caught.value).startswith(str(folder)) and "Union" not in str(caught.value)


# decomposed text (NFD) ------------------------------------------------------------------------------------------------


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def test_decomposed_text_is_unknown_to_bert_and_said_to_be_decomposed(folder):
    """As macOS writes file names and what is copied from them."""
    some = [decomposed(text) for text in KOREAN]
    assert set(auto(folder).tokenize(decomposed("번역이 어색해서"))) == {"[UNK]"}
    with pytest.raises(ModelError, match="decomposed.*NFC") as caught:
        said(folder, some)
    assert "do_lower_case" not in str(caught.value)
    assert said(folder, [unicodedata.normalize("NFC", text) for text in some]) == []


def composing(name: str) -> Any:
    """The family's tokenizer with NFC in front, as T5's and XLM-R's real ones compose."""
    from tokenizers import normalizers

    tokenizer = Family(name).tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), *([backend.normalizer] if backend.normalizer else [])]
    )
    return tokenizer


@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "albert"])
def test_entities_of_decomposed_text_keep_their_last_jamo(name):
    """A normalizer that composes gives "제주ᄃ" for "제주도": what is found is cut out of the text as it was given."""
    text, names = decomposed("어제 제주도에 김민수가 왔다."), ("제주도", "김민수")
    spans = [(text.index(one), text.index(one) + len(one)) for one in map(decomposed, names)]
    entities = [{"start": a, "end": b, "label": kind} for (a, b), kind in zip(spans, ("LOC", "PER"), strict=True)]
    forms = {"roles": TokenClassification.roles, "required": (), "forms": TokenClassification.forms}
    rows, task = read_rows([{"text": text, "entities": entities}], **forms), TokenClassification()
    task.prepare(rows)
    store = encode_rows(rows, task, Encoder(composing(name), 64))
    right = np.where(store.columns["labels"] < 0, task.labels.index("O"), store.columns["labels"])
    answers = Answers(10 * np.eye(len(task.labels), dtype=np.float32)[right], store.offsets)
    found = [(one["entity_group"], one["start"], one["end"]) for one in task.decode(answers, store)[0]]
    assert found == [(one["label"], one["start"], one["end"]) for one in entities]


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "t5", "gpt2"])
def test_tokens_of_decomposed_text_stand_where_they_say(name):
    """Whatever pieces a tokenizer makes of it: from the first character of the text to the last, none passed over."""
    text = decomposed("제주도에 사는 김민수.")
    pieces = encode_whole(Encoder(Family(name).tokenizer(), 512), [text])
    spans = [(int(a), int(b)) for a, b in zip(pieces.starts, pieces.ends, strict=True) if a >= 0]
    seen = {place for a, b in spans for place in range(a, b)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= seen <= set(range(len(text)))


# a language nobody said -----------------------------------------------------------------------------------------------


def test_mbart_takes_korean_for_english_in_transformers_and_never_here(tiny, tmp_path):
    source = tiny("mbart", auto="AutoModelForSeq2SeqLM")
    plain = auto(source)
    assert plain.convert_ids_to_tokens(plain(WORDS)["input_ids"])[-2:] == ["</s>", "en_XX"]
    with pytest.raises(SettingError, match="nothing says which: without it every text would be marked en_XX"):
        train("summarization", source, tmp_path / "none")
    run = train("summarization", source, tmp_path / "run", source_lang="Korean")
    saved = auto(run.path / "model")
    assert saved.convert_ids_to_tokens(saved(WORDS)["input_ids"])[-2:] == ["</s>", "ko_KR"]
    ours = run.task.encode({"source": [WORDS]}, run.engine.encoder, labels=False)
    assert ours.input_ids.tolist() == saved(WORDS)["input_ids"]
    check(run, "summarization")


def test_the_texts_are_korean_and_english():
    assert len(TEXTS) == 8 and all(one.isascii() for one in ENGLISH) and not any(one.isascii() for one in KOREAN)
    assert set(TEXTS) <= set(texts()) and all(unicodedata.is_normalized("NFC", one) for one in TEXTS)
