"""The contract between model, tokenizer and texts: each way to break it is found, and what fits is left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from byeori.errors import ModelError
from byeori.models.bare import cased
from byeori.models.checks import check_contract
from byeori.models.contract import LOOK, NOTE, STOP, Breach, contract, lost
from byeori.models.load import load_model
from byeori.tasks import TextClassification
from families import ALL, Family
from korean import (
    LABELS,
    VOCABULARIES,
    auto,
    kobert_is_here,
    koelectra_is_here,
    save_body,
    sentencepiece_kobert,
    tokenizer_config,
)
from plain import ENGLISH, KOREAN, TEXTS


def of_kind(found: list[Breach], kind: str, level: str | None = None) -> list[Breach]:
    return [one for one in found if one.kind == kind and level in (None, one.level)]


def pair(name: str, auto_class: str = "AutoModelForSequenceClassification", **values: Any) -> tuple[Any, Any]:
    return Family(name).model(auto_class, **values), Family(name).tokenizer()


# what fits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_families_as_they_are_have_nothing_to_look_at(name):
    """What is left is said to whoever asks; no training hears of it."""
    model = Family(name).model("AutoModel")
    found = contract(model, Family(name).tokenizer(), TEXTS, name)
    assert [one for one in found if one.level != NOTE] == []
    assert all(one.said.endswith((".", ":")) and one.data["level"] == NOTE for one in found)
    assert check_contract(model, Family(name).tokenizer(), TEXTS) == []


def test_the_packaged_model_reads_english_and_spells_hangul(minilm):
    loaded = load_model(str(minilm), TextClassification(labels=LABELS))
    assert contract(loaded.model, loaded.tokenizer, ENGLISH, str(minilm)) == []
    (note,) = contract(loaded.model, loaded.tokenizer, ["번역이 어색하다."], str(minilm))
    assert (
        note.level == NOTE and "jamo" in note.said and check_contract(loaded.model, loaded.tokenizer, ["번역이"]) == []
    )


# words ----------------------------------------------------------------------------------------------------------------


def test_a_word_is_lost_where_most_of_its_tokens_are_unknown(tiny):
    """One rare sign in a long text without spaces loses nothing; of SentencePiece's words the space's piece doesn't count."""
    bert, t5 = auto(tiny("bert")), Family("t5").tokenizer()
    assert lost(bert, ["그 책 漢字"]) == (1, 3, ["漢字"])
    assert t5.tokenize("漢")[0] == "▁" and lost(t5, ["漢"]) == (1, 1, ["漢"])
    long = "그책의은" * 5 + "漢"
    assert t5.unk_token_id in t5(long)["input_ids"] and lost(t5, [long])[0] == 0
    assert lost(bert, ["  "]) == (0, 0, [])


def test_most_words_unknown_stops_and_fewer_do_not(tiny):
    loaded = load_model(str(tiny("bert")), TextClassification(labels=LABELS))
    (found,) = of_kind(contract(loaded.model, loaded.tokenizer, ["漢字 ไทย 그"]), "unknown_tokens")
    assert found.level == STOP and found.said.startswith("2 of 3 words") and "漢字, ไทย" in found.said
    with pytest.raises(ModelError, match="^model: 2 of 3 words"):
        check_contract(loaded.model, loaded.tokenizer, ["漢字 ไทย 그"], "model")
    assert contract(loaded.model, loaded.tokenizer, ["漢字 그"]) == []
    assert contract(loaded.model, loaded.tokenizer, []) == []


@koelectra_is_here
@pytest.mark.parametrize("lower", [True, False])
def test_a_cased_vocabulary_that_is_lower_cased(tmp_path, lower):
    """English has no unknown words then, and a third of the vocabulary is never seen: told from the pieces alone."""
    file = VOCABULARIES / "bert-base-cased-vocab.txt"
    folder = save_body("bert", len(file.read_text(encoding="utf-8").splitlines()), tmp_path / "cased")
    shutil.copy(file, folder / "vocab.txt")
    tokenizer_config(folder, do_lower_case=lower)
    loaded = load_model(str(folder), TextClassification(labels=LABELS))
    found = of_kind(contract(loaded.model, loaded.tokenizer, ["Paris is in France."]), "letters")
    assert [one.level for one in found] == ([LOOK] if lower else [])
    if lower:
        share = int(found[0].said.partition("%")[0]) / 100
        assert share == pytest.approx(cased(file.read_text(encoding="utf-8").splitlines()), abs=0.02)
        assert found[0].fix == 'Set "do_lower_case": false in its tokenizer_config.json.'
        assert loaded.tokenizer.tokenize("Paris") != auto(folder, do_lower_case=False).tokenize("Paris")


# ids and special tokens -----------------------------------------------------------------------------------------------


def test_an_embedding_far_larger_than_the_tokenizer():
    model, tokenizer = Family("bert").model(vocab_size=4_000), Family("bert").tokenizer()
    (found,) = of_kind(contract(model, tokenizer, TEXTS), "embedding")
    assert found.level == LOOK and "embeds 4,000" in found.said and f"{len(tokenizer):,}" in found.said


def test_padding_of_another_number():
    """RoBERTa's positions are counted by it: the model of one checkpoint, the tokenizer of another."""
    model, tokenizer = pair("roberta")
    model.config.pad_token_id = 7
    (found,) = of_kind(contract(model, tokenizer, TEXTS), "special_tokens")
    assert found.level == LOOK and "id 7" in found.said and f'"pad_token_id": {tokenizer.pad_token_id}' in found.fix


@pytest.mark.parametrize(("ends", "said"), [(5, 1), ([0, 5], 0), (None, 0)])
def test_an_end_that_stops_nothing(ends, said):
    model, tokenizer = pair("gpt2", "AutoModelForCausalLM")
    assert tokenizer.eos_token_id == 0
    model.config.eos_token_id = model.generation_config.eos_token_id = ends
    found = of_kind(contract(model, tokenizer, TEXTS), "special_tokens", LOOK)
    assert len(found) == said and all("stops writing at id 5" in one.said for one in found)


def test_padding_that_is_the_end_is_told_of_decoders():
    model, tokenizer = pair("gpt2", "AutoModelForCausalLM")
    tokenizer.pad_token, model.config.pad_token_id = tokenizer.eos_token, tokenizer.eos_token_id
    (found,) = of_kind(contract(model, tokenizer, TEXTS), "special_tokens")
    assert found.level == NOTE and "both the padding and the end" in found.said
    assert check_contract(model, tokenizer, TEXTS) == []


def test_no_mask_no_template_and_an_unknown_token_that_is_a_mark():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    model, own = pair("bert", "AutoModelForMaskedLM")
    backend = Tokenizer(models.WordPiece(own.get_vocab(), unk_token="[UNK]"))
    backend.pre_tokenizer = own.backend_tokenizer.pre_tokenizer
    bare = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[UNK]"
    )
    found = of_kind(contract(model, bare, TEXTS), "special_tokens")
    assert [one.level for one in found] == [STOP, LOOK, LOOK]
    assert (
        "no mask token" in found[0].said and "puts it around no text" in found[1].said and "sep token" in found[2].said
    )
    assert of_kind(contract(model, own, TEXTS), "special_tokens") == []


# segments and positions -----------------------------------------------------------------------------------------------


def test_segments_beyond_the_models_own():
    from tokenizers.processors import TemplateProcessing

    model, tokenizer = pair("bert", type_vocab_size=2)
    assert of_kind(contract(model, tokenizer, TEXTS), "segments") == []
    special = [(one, tokenizer.convert_tokens_to_ids(one)) for one in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:2 [SEP]:2", special_tokens=special
    )
    (found,) = of_kind(contract(model, tokenizer, TEXTS), "segments")
    assert found.level == STOP and "up to 2" in found.said


@pytest.mark.parametrize(
    ("name", "values", "how"), [("roberta", {"type_vocab_size": 1}, "fails"), ("distilbert", {}, "ignores")]
)
def test_segments_for_a_body_that_has_none(name, values, how):
    """At load they are taken out, so that nothing is left to say."""
    model, tokenizer = Family(name).model(vocab_size=1_300, **values), Family("bert").tokenizer()
    model.config.pad_token_id = tokenizer.pad_token_id
    (found,) = of_kind(contract(model, tokenizer, TEXTS), "segments")
    assert found.level == NOTE and how in found.said
    load_model(model, TextClassification(labels=["a", "b"]), tokenizer=tokenizer)
    assert of_kind(contract(model, tokenizer, TEXTS), "segments") == []


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (10**30, "states no limit"),
        (int(1e30), "states no limit"),
        (512, "says 512 tokens, the model takes 126"),
        (40, "has 128 positions"),
        (126, ""),
    ],
)
def test_positions(stated, said):
    model, tokenizer = pair("roberta")
    tokenizer.model_max_length = stated
    found = of_kind(contract(model, tokenizer, TEXTS), "positions")
    assert [one.level for one in found] == ([NOTE] if said else []) and all(said in one.said for one in found)


def test_no_room_for_a_text():
    model, tokenizer = pair("bert")
    tokenizer.model_max_length = 2
    assert (
        contract(model, tokenizer, TEXTS)[0].kind == "positions" and contract(model, tokenizer, TEXTS)[0].level == STOP
    )


# files and checkpoints ------------------------------------------------------------------------------------------------


def test_files_of_one_folder_that_say_different_things(folder):
    """vocab.txt is what a slow tokenizer reads, tokenizer.json what is used."""
    loaded = load_model(str(folder), TextClassification(labels=LABELS))
    numbers = loaded.tokenizer.get_vocab()
    pieces = sorted(numbers, key=numbers.get)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    assert of_kind(contract(loaded.model, loaded.tokenizer, TEXTS), "files") == []
    pieces[10], pieces[11] = pieces[11], pieces[10]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (found,) = of_kind(contract(loaded.model, loaded.tokenizer, TEXTS), "files")
    assert found.level == LOOK and found.said.startswith(f"2 of the {len(pieces):,} pieces of vocab.txt")


def test_vocab_json_beside_another_tokenizer_json(tmp_path):
    folder = Family("gpt2").save(tmp_path / "gpt2", "AutoModelForCausalLM")
    made = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    vocabulary, merges = made["vocab"], made["merges"]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)), encoding="utf-8")
    model, tokenizer = Family("gpt2").model("AutoModelForCausalLM"), auto(folder)
    for change, said in ((0, 0), (1, len(vocabulary))):
        moved = {piece: number + change for piece, number in vocabulary.items()}
        (folder / "vocab.json").write_text(json.dumps(moved), encoding="utf-8")
        found = of_kind(contract(model, tokenizer, TEXTS), "files")
        assert [one.said.split()[0] for one in found] == ([f"{said:,}"] if said else [])


@kobert_is_here
@pytest.mark.parametrize("keep_accents", [True, False])
def test_pieces_of_the_sentencepiece_model_beside_it(tmp_path, keep_accents):
    """Fast and slow: the same texts, cut by SentencePiece itself."""
    from transformers import AlbertTokenizer

    from korean import KOBERT, kobert_pieces

    model = sentencepiece_kobert()
    names = kobert_pieces("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    scores = [0.0] * 5 + [model.get_score(number) for number in range(3, model.get_piece_size())]
    folder = save_body("albert", len(names), tmp_path / "albert")
    made = AlbertTokenizer(vocab=list(zip(names, scores, strict=True)), do_lower_case=False, keep_accents=keep_accents)
    made.save_pretrained(folder)
    shutil.copy(KOBERT, folder / "spiece.model")
    loaded = load_model(str(folder), TextClassification(labels=LABELS))
    found = of_kind(contract(loaded.model, loaded.tokenizer, KOREAN), "files")
    assert len(found) == (0 if keep_accents else 1) and all(
        "4 of 4 texts are cut otherwise" in one.said for one in found
    )


def test_a_tokenizer_of_another_checkpoint_with_as_many_tokens(tmp_path, tiny):
    """Every id is embedded and every word known: only the tokenizer beside the model tells."""
    home = Path(shutil.copytree(tiny("bert", labels=tuple(LABELS)), tmp_path / "home"))
    other = tmp_path / "other"
    made = json.loads((home / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = list(made["model"]["vocab"])
    turned = [*pieces[:5], *reversed(pieces[5:])]
    made["model"]["vocab"] = {piece: number for number, piece in enumerate(turned)}
    other.mkdir()
    (other / "tokenizer.json").write_text(json.dumps(made), encoding="utf-8")
    shutil.copy(home / "tokenizer_config.json", other)
    loaded = load_model(str(home), TextClassification(labels=LABELS), tokenizer=str(other))
    assert len(loaded.tokenizer) == len(pieces)
    (found,) = of_kind(contract(loaded.model, loaded.tokenizer, TEXTS, str(home)), "another_checkpoint")
    moved = sum(turned[n] != piece for n, piece in enumerate(pieces)) / len(pieces)
    assert found.level == LOOK and found.said.startswith(f"{moved:.0%} of the tokens have other ids")
    own = load_model(str(home), TextClassification(labels=LABELS))
    assert contract(own.model, own.tokenizer, TEXTS, str(home)) == []


def test_a_class_that_the_config_does_not_name(tiny):
    loaded = load_model(str(tiny("bert")), TextClassification(labels=LABELS))
    loaded.model.config.tokenizer_class = "RobertaTokenizerFast"
    (found,) = of_kind(contract(loaded.model, loaded.tokenizer, TEXTS), "another_checkpoint")
    assert "names RobertaTokenizer, the tokenizer is a BertTokenizer" in found.said
    loaded.model.config.tokenizer_class = "BertTokenizer"
    assert contract(loaded.model, loaded.tokenizer, TEXTS) == []


def test_without_a_model_the_tokenizer_is_looked_at_alone():
    tokenizer = Family("bert").tokenizer()
    assert contract(None, tokenizer, TEXTS) == []
    assert [one.kind for one in contract(None, tokenizer, ["漢字"])] == ["unknown_tokens"]
