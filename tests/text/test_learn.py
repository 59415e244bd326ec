"""Learning a tokenizer: the library's own vocabulary, the class transformers loads, what comes back after a reload."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata

import pytest
from transformers import AutoTokenizer

import byeori
from byeori.errors import DataError, SettingError
from vocabularies import texts as some

KOREAN = tuple(some())
ENGLISH = tuple(text for text in KOREAN if text.isascii())
TRIED = (
    "Hello, World! It's 3.14", "안녕하세요, 반갑습니다.", "  두  칸 ", "😀 이모지", unicodedata.normalize("NFD", "각설탕과 커피"), "",
)  # fmt: skip
SIZE = 2_000


def learn(texts=KOREAN, **values):
    return byeori.train_tokenizer(list(texts), **{"vocab_size": SIZE, **values})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`trained(recipe)` → what was learnt of all texts, and its folder; once."""
    made = {}

    def make(recipe: str):
        if recipe not in made:
            made[recipe] = learn(recipe=recipe, output=str(tmp_path_factory.mktemp(recipe) / "tok"))
        return made[recipe]

    return make


def library(model, trainer, normalizer=None, pre_tokenizer=None, texts=KOREAN):
    from tokenizers import Tokenizer

    made = Tokenizer(model)
    if normalizer is not None:
        made.normalizer = normalizer
    if pre_tokenizer is not None:
        made.pre_tokenizer = pre_tokenizer
    made.train_from_iterator(list(texts), trainer)
    return made


def refused(**values) -> str:
    with pytest.raises((SettingError, DataError)) as error:
        learn(**values)
    return str(error.value)


# Equal to the library used directly, with the blocks of the tutorials.


def test_byte_level_bpe_is_the_librarys():
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=["<|endoftext|>"], min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    wanted = library(models.BPE(), trainer, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False))
    found = learn(algorithm="bpe", nfc=False)
    assert found.tokenizer.get_vocab() == wanted.get_vocab()
    for text in TRIED:
        assert found.tokenizer(text)["input_ids"] == wanted.encode(text).ids


def test_words_are_the_librarys():
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordLevelTrainer(vocab_size=SIZE, special_tokens=special, min_frequency=2, show_progress=False)
    normal = normalizers.BertNormalizer(lowercase=False)
    wanted = library(models.WordLevel(unk_token="[UNK]"), trainer, normal, pre_tokenizers.BertPreTokenizer())
    assert learn(algorithm="word", nfc=False).tokenizer.get_vocab() == wanted.get_vocab()


def test_wordpiece_is_the_librarys_but_for_the_order_of_its_hash_table():
    """Which pieces of equal frequency come first follows, in the library, from the numbers of the ## characters, and
    those from a hash table. Told their order, it gives our vocabulary; left to itself, all but a few pieces of it."""
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normal, cut = normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer()
    words = {word for text in KOREAN for word, _ in cut.pre_tokenize_str(normal.normalize_str(text))}
    first = sorted({sign for word in words for sign in word})
    inner = sorted({f"##{sign}" for word in words for sign in word[1:]})

    def trained(names):
        trainer = trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=names, min_frequency=2, show_progress=False)
        return library(models.WordPiece(unk_token="[UNK]"), trainer, normal, cut).get_vocab()

    found = learn(algorithm="wordpiece", nfc=False).tokenizer.get_vocab()
    assert found == trained([*special, *first, *inner])
    alone = trained(special)
    assert abs(len(alone) - len(found)) <= 5 and len(set(alone) & set(found)) >= 0.97 * len(found)
    assert {one for one, n in alone.items() if n < 5 + len(first)} == {
        one for one, n in found.items() if n < 5 + len(first)
    }


def test_unigram_has_the_librarys_pieces():
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.UnigramTrainer(
        vocab_size=SIZE - 100, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    cut = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    wanted = dict(json.loads(library(models.Unigram(), trainer, pre_tokenizer=cut).to_str())["model"]["vocab"])
    backend = learn(algorithm="unigram", nfc=False).tokenizer.backend_tokenizer
    found = dict(json.loads(backend.to_str())["model"]["vocab"])
    assert len(set(found) & set(wanted)) >= 0.98 * len(wanted)
    assert [piece for piece, score in found.items() if score == 0][:3] == ["<pad>", "</s>", "<unk>"]


# What transformers loads.


@pytest.mark.parametrize(
    ("recipe", "native", "one", "two"),
    [
        ("bert", "BertTokenizer", "[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]"),
        ("electra", "BertTokenizer", "[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]"),
        ("roberta", "RobertaTokenizer", "<s> A </s>", "<s> A </s> </s> B </s>"),
        ("gpt2", "GPT2Tokenizer", "A", "A B"),
        ("t5", "T5Tokenizer", "A </s>", "A </s> B </s>"),
    ],
)
@pytest.mark.parametrize("texts", [KOREAN, ENGLISH], ids=["korean", "english"])
def test_the_folder_loads_with_its_class_template_and_inputs(recipe, native, one, two, texts, trained, tmp_path):
    if texts is KOREAN:
        made = trained(recipe)
    else:
        made = learn(texts, recipe=recipe, vocab_size=1_500, output=str(tmp_path / "tok"))
    again = AutoTokenizer.from_pretrained(made.folder)
    assert type(again).__name__ == (native if texts is ENGLISH else "TokenizersBackend")
    assert made.saved_as == (native if texts is ENGLISH else "PreTrainedTokenizerFast")
    assert any("Saved as" in note for note in made.notes) == (texts is KOREAN)
    inner = again("A", add_special_tokens=False)["input_ids"]
    other = again("B", add_special_tokens=False)["input_ids"]

    def written(template):
        ids: list[int] = []
        for part in template.split():
            ids += inner if part == "A" else other if part == "B" else [again.convert_tokens_to_ids(part)]
        return ids

    assert again("A")["input_ids"] == written(one) and again("A", "B")["input_ids"] == written(two)
    segments = recipe in ("bert", "electra")
    assert ("token_type_ids" in again("A")) == segments
    if segments:
        types = again("A", "B")["token_type_ids"]
        assert types == [0] * (len(inner) + 2) + [1] * (len(other) + 1)
    assert again.model_max_length == (1024 if recipe == "gpt2" else 512)
    wanted = {
        "bert": {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, "roberta": {"bos": 0, "pad": 1, "eos": 2, "unk": 3, "mask": 4},
        "gpt2": {"bos": 0, "eos": 0, "unk": 0, "pad": None}, "t5": {"pad": 0, "eos": 1, "unk": 2, "mask": None},
    }  # fmt: skip
    for role, number in wanted.get(recipe, wanted["bert"]).items():
        assert getattr(again, f"{role}_token_id") == number
    if recipe == "t5":
        assert again.convert_tokens_to_ids("<extra_id_0>") == len(again) - 1 and len(again) <= SIZE
    backend = made.tokenizer.backend_tokenizer
    for text in TRIED:
        assert again(text)["input_ids"] == backend.encode(text).ids


@pytest.mark.parametrize("recipe", ["bert", "roberta", "gpt2", "t5"])
def test_decomposed_hangul_is_read_as_composed(recipe, trained):
    again = AutoTokenizer.from_pretrained(trained(recipe).folder)
    text = KOREAN[1]
    assert again(unicodedata.normalize("NFD", text))["input_ids"] == again(text)["input_ids"]
    unknown = again.unk_token_id if recipe != "gpt2" else -1
    assert unknown not in again(text)["input_ids"]


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "t5"])
def test_it_stays_itself_beside_a_models_config(kind, trained, tmp_path):
    """AutoTokenizer looks at config.json too, and takes a class of the model's family where it can."""
    from transformers import AutoConfig

    made = trained(kind)
    shutil.copytree(made.folder, tmp_path / "tok")
    AutoConfig.for_model(kind).save_pretrained(tmp_path / "tok")
    again = AutoTokenizer.from_pretrained(tmp_path / "tok")
    assert again(list(TRIED)).data == made.tokenizer(list(TRIED)).data


def test_bare_files_hold_the_same_vocabulary(trained):
    bert, gpt2 = trained("bert").folder, trained("gpt2").folder
    pieces = (bert / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert {one: n for n, one in enumerate(pieces)} == AutoTokenizer.from_pretrained(bert).get_vocab()
    from tokenizers import models

    vocabulary = json.loads((gpt2 / "vocab.json").read_text(encoding="utf-8"))
    assert vocabulary == AutoTokenizer.from_pretrained(gpt2).get_vocab()
    models.BPE.from_file(str(gpt2 / "vocab.json"), str(gpt2 / "merges.txt"))


# The same each time.


IN_ANOTHER_PROCESS = """
import json, sys
from byeori import settings
from byeori.text.corpus import Corpus
from byeori.text.learn import Watch, learn, look
from byeori.text.tokenizer_settings import Learning

texts, kinds = json.load(open(sys.argv[1], encoding="utf-8"))
for values in kinds:
    (asked,) = settings.read(values, Learning)
    found, plan, again = look(Corpus(texts, asked), asked, Watch(0, None))
    print(learn(again, asked, plan, found, Watch(0, None)).to_str())
"""


def test_the_same_texts_give_the_same_pieces_in_another_process(trained, tmp_path):
    """The library's hash tables have another order in each process; nothing of it is left in what is learnt."""
    kinds = [{"recipe": "bert"}, {"recipe": "roberta"}, {"algorithm": "character"}]
    given = tmp_path / "given.json"
    given.write_text(json.dumps([KOREAN, [{"vocab_size": SIZE, **one} for one in kinds]]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, given], check=True, capture_output=True, encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    here = [trained("bert"), trained("roberta"), learn(algorithm="character")]
    for made, there in zip(here, done.stdout.splitlines(), strict=True):
        assert json.loads(made.tokenizer.backend_tokenizer.to_str())["model"] == json.loads(there)["model"]
        if made.folder is not None:  # and so it is saved
            assert (
                json.loads((made.folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
                == json.loads(there)["model"]
            )


def test_bpe_over_characters_and_limits_are_the_same_each_time():
    first, again = (
        learn(algorithm="bpe", recipe="t5", pre_tokenizer="metaspace", limit_alphabet=300, extra_ids=0)
        for _ in range(2)
    )
    assert first.tokenizer.get_vocab() == again.tokenizer.get_vocab()
    signs = {one for one in first.tokenizer.get_vocab() if len(one) == 1} - {"▁"}
    assert 250 < len(signs) <= 300


# Sizes.


@pytest.mark.parametrize(
    "values",
    [{"recipe": "bert"}, {"recipe": "t5"}, {"recipe": "gpt2"}, {"recipe": "t5", "algorithm": "bpe"}],
    ids=["wordpiece", "unigram", "byte-level", "bpe"],
)
def test_the_least_size_named_is_the_least_that_works(values):
    said = refused(vocab_size=50, **values)
    least = int(said.split("--vocab-size ")[1].split()[0])
    assert f"{least:,} in all" in said
    refused(vocab_size=least - 1, **values)
    made = learn(vocab_size=least, **values)
    assert len(made.tokenizer) == least
    backend = made.tokenizer.backend_tokenizer
    unknown = made.tokenizer.unk_token_id if values["recipe"] != "gpt2" else -1
    assert all(unknown not in backend.encode(text).ids for text in KOREAN)


def test_a_vocabulary_smaller_than_the_hangul_is_refused_with_what_to_type():
    said = refused(algorithm="unigram", vocab_size=300)
    assert "Hangul syllables" in said and "--vocab-size" in said and "--limit-alphabet" in said
    assert "##" in refused(algorithm="wordpiece", vocab_size=300)


def test_a_vocabulary_too_large_for_the_texts_is_said():
    made = learn(algorithm="wordpiece", vocab_size=50_000)
    assert any("fewer than the 50,000 asked for" in note and "2 times" in note for note in made.notes)
    assert len(made.tokenizer) < 50_000


def test_a_special_token_that_stands_in_the_texts_is_said():
    """WikiText writes <unk> for rare words: T5's tokenizer takes it for its own."""
    made = learn([*KOREAN, "the <unk> of <unk>"], recipe="t5")
    assert any("The texts hold <unk> 2 times" in note for note in made.notes)
    assert not any("The texts hold" in note for note in learn([*KOREAN, "the <unk>"], recipe="bert").notes)


def test_a_limited_alphabet_makes_rare_characters_unknown_and_cuts_words_there():
    made = learn(["가나다 가나다 가나다 뷁"] * 5 + ["가뷁나"], algorithm="wordpiece", vocab_size=60, limit_alphabet=3)
    assert made.tokenizer.tokenize("뷁 가나다") == ["[UNK]", "가나다"]
    assert "##뷁" not in made.tokenizer.get_vocab()


def test_an_alphabet_that_need_not_occur():
    made = learn(["가나다"] * 5, algorithm="wordpiece", vocab_size=6_000, initial_alphabet="ksx1001")
    assert "[UNK]" not in made.tokenizer.tokenize("쀼 하늘")
    assert sum(len(one) == 1 and "가" <= one <= "힣" for one in made.tokenizer.get_vocab()) == 2_350
    assert "[UNK]" not in learn(
        ["가"] * 5, algorithm="character", vocab_size=99, initial_alphabet="AB"
    ).tokenizer.tokenize("AB")


# Other algorithms and blocks.


def test_characters_come_back_whole():
    made = learn(algorithm="character")
    for text in (*KOREAN[:20], KOREAN[1].replace(" ", "  ")):
        ids = made.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert len(ids) == len(text) and made.tokenizer.decode(ids) == text


def test_byte_fallback_knows_every_character():
    made = learn(recipe="t5", byte_fallback=True, vocab_size=2_500)
    text = "뷁𐍈 ☂ 안녕"
    ids = made.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert made.tokenizer.unk_token_id not in ids and made.tokenizer.decode(ids) == text
    made = learn(recipe="t5", byte_fallback=True, vocab_size=2_500, initial_alphabet="ascii")
    assert "".join(made.tokenizer.tokenize("<0x0A>")) == "▁<0x0A>" and "<0x0A>" not in made.tokenizer.tokenize("<0x0A>")
    assert "byte-level" in refused(recipe="gpt2", byte_fallback=True)
    assert "wordpiece has no" in refused(recipe="bert", byte_fallback=True)


def test_hangul_that_would_be_lost_is_refused_and_jamo_are_said():
    lossy = [{"replace": {"pattern": {"regex": "[가-깋]"}, "content": ""}}]
    assert "the texts are Korean" in refused(recipe="bert", normalizer=lossy)
    made = learn(recipe="bert", normalizer="nfd,bert", nfc=False)
    assert any("takes Hangul apart" in note for note in made.notes)
    made = learn(recipe="bert", lower=True)
    assert made.tokenizer.tokenize("가") == ["가"]


def test_a_block_of_ones_own_is_kept_after_a_reload(tmp_path):
    own = {
        "normalizer": ["nfc", {"replace": {"pattern": {"regex": r"\d+"}, "content": "0"}}],
        "pre_tokenizer": ["whitespace", {"digits": {"individual_digits": True}}],
        "special_tokens": {"additional": ["<user>"]}, "template": "[CLS] $A [SEP] <user>",
    }  # fmt: skip
    made = learn(algorithm="wordpiece", **own, output=str(tmp_path / "tok"))
    again = AutoTokenizer.from_pretrained(tmp_path / "tok")
    assert made.saved_as == "PreTrainedTokenizerFast"
    assert again("영화 1999")["input_ids"] == again("영화 7")["input_ids"]
    assert again.convert_ids_to_tokens(again("a")["input_ids"])[-1] == "<user>"
    assert "no special token" in refused(algorithm="wordpiece", template="[CLS] $A <nobody>")


def test_trained_tokenizers_go_into_byeoris_own_encoder(trained):
    from byeori.text.encode import Encoder

    made = trained("bert")
    encoded = Encoder(made.tokenizer, max_length=16, token_types=True)(list(KOREAN[:8]))
    wanted = made.tokenizer(list(KOREAN[:8]), truncation=True, max_length=16)["input_ids"]
    assert encoded.input_ids.tolist() == [one for ids in wanted for one in ids]


def test_settings_repeat_the_training(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(text.replace("\n", " ") for text in KOREAN[:120]), encoding="utf-8")
    byeori.train_tokenizer(str(file), recipe="electra", vocab_size=SIZE, output=str(tmp_path / "a"))
    from byeori.settings import load_yaml

    found = load_yaml(tmp_path / "a" / "settings.yaml")
    byeori.train_tokenizer(tuple(found.pop("data")), **{**found, "output": str(tmp_path / "b")})
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (tmp_path / "b" / "tokenizer.json").read_bytes()


def test_characters_that_are_dropped_are_unknown_in_the_report():
    """The report is of the texts as they are, not of what was learnt from: there the rare characters are gone."""
    rare = ["가나 다라", "가나 다라", "가나 뷁라"] * 3
    report = learn(rare, algorithm="wordpiece", vocab_size=40, limit_alphabet=4).report
    (mine,) = report["tokenizers"]
    assert report["characters"] == sum(map(len, rare))
    assert mine["unknown_words"] == [["뷁라", 3]] and mine["unknown_characters"] == [["뷁", 3]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"recipe": "bert", "max_piece_length": 3}, "max_piece_length=3: wordpiece has no longest piece"),
        (
            {"recipe": "gpt2", "initial_alphabet": "hangul"},
            "initial_alphabet='hangul': byte-level pieces know every byte",
        ),
        ({"algorithm": "word", "initial_alphabet": "ascii"}, "words are whole, and have no alphabet"),
        ({"recipe": "bert", "special_tokens": {"unk": None}}, "no unk token, and wordpiece needs it.*--recipe gpt2"),
        ({"recipe": "t5", "special_tokens": {"unk": None}}, "no unk token, and unigram needs it.*--byte-fallback"),
        ({"recipe": "t5", "algorithm": "bpe", "special_tokens": {"unk": None}}, "no unk token, and bpe needs it"),
        ({"algorithm": "wordpiece", "template": "[CLS] $A <nobody>"}, "<nobody> is no special token"),
    ],
)
def test_what_an_algorithm_would_ignore_or_lacks_is_refused_before_a_text_is_read(values, said):
    def texts():
        raise AssertionError("read")

    with pytest.raises(SettingError, match=said):
        byeori.train_tokenizer(texts, vocab_size=SIZE, **values)
