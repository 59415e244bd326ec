"""Recipes and blocks: what each recipe gives, what the settings change, what is refused and with which words."""

from __future__ import annotations

import pytest

from byeori import settings
from byeori.errors import SettingError
from byeori.text.components import blocks, built, known
from byeori.text.recipes import RECIPES, resolve
from byeori.text.tokenizer_settings import Learning


def plan(compose=False, hangul=False, **values):
    (read,) = settings.read(values, Learning)
    return resolve(read, compose=compose, hangul=hangul)


def refused(**values) -> str:
    with pytest.raises(SettingError) as error:
        plan(**values)
    return str(error.value)


@pytest.mark.parametrize(
    ("recipe", "algorithm", "single", "pair", "segments"),
    [
        ("bert", "wordpiece", "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", True),
        ("electra", "wordpiece", "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", True),
        ("roberta", "bpe", "<s> $A </s>", "<s> $A </s> </s> $B </s>", False),
        ("gpt2", "bpe", "$A", "$A $B", False),
        ("t5", "unigram", "$A </s>", "$A </s> $B </s>", False),
    ],
)
def test_a_recipe_says_everything(recipe, algorithm, single, pair, segments):
    found = plan(recipe=recipe)
    assert (found.algorithm, found.single, found.pair) == (algorithm, single, pair)
    assert ("token_type_ids" in found.model_input_names) == segments
    assert found.own and found.max_length == (1024 if recipe == "gpt2" else 512)


def test_the_first_ids_are_those_of_the_models():
    assert plan(recipe="bert").tokens == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert plan(recipe="roberta").tokens == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert plan(recipe="gpt2").tokens == ["<|endoftext|>"]
    assert plan(recipe="t5").tokens == ["<pad>", "</s>", "<unk>"]
    assert plan(recipe="t5").sentinels[-1] == "<extra_id_0>" and len(plan(recipe="t5").sentinels) == 100


def test_each_follows_from_the_other():
    assert [plan(algorithm=a).recipe for a in ("wordpiece", "bpe", "unigram", "word", "character")] == [
        "bert", "gpt2", "t5", "bert", "bert",
    ]  # fmt: skip
    assert {name: plan(recipe=name).algorithm for name in RECIPES}["electra"] == "wordpiece"


def test_composition_comes_first_and_once():
    assert plan(recipe="gpt2").normalizer == []
    assert plan(recipe="gpt2", compose=True).normalizer == [("nfc", {})]
    assert plan(recipe="gpt2", compose=True, nfc=False).normalizer == []
    assert plan(recipe="gpt2", nfc=True).normalizer == [("nfc", {})]
    assert plan(recipe="t5", compose=True, normalizer="nmt,nfkc").normalizer == [("nmt", {}), ("nfkc", {})]
    assert [name for name, _ in plan(recipe="bert", compose=True).normalizer] == ["nfc", "bert"]


def test_lower_case_leaves_hangul_whole():
    lowered = plan(recipe="bert", lower=True, compose=True, hangul=True)
    assert built("normalizer", lowered.normalizer).normalize_str("각 ÀB") == "각 àb"
    english = plan(recipe="bert", lower=True)
    assert built("normalizer", english.normalizer).normalize_str("ÀB") == "ab"  # as BERT's own does
    assert lowered.config["strip_accents"] is False and english.config["strip_accents"] is None
    assert plan(recipe="gpt2", lower=True).normalizer == [("lowercase", {})]


def test_special_tokens_and_template_follow_the_settings():
    found = plan(recipe="bert", special_tokens="cls=<s>,sep=</s>,<user>,<bot>")
    assert found.special["cls"] == "<s>" and found.more == ["<user>", "<bot>"] and found.single == "<s> $A </s>"
    found = plan(recipe="bert", special_tokens={"mask": None, "additional": ["<a>"]})
    assert found.tokens == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<a>"]
    found = plan(recipe="gpt2", special_tokens="pad=<pad>", template="$A <|endoftext|>")
    assert found.special["pad"] == "<pad>" and found.pair == "$A <|endoftext|> $B <|endoftext|>" and not found.own
    found = plan(recipe="bert", template={"single": "$A [SEP]", "pair": "$A [SEP] $B [SEP]"})
    assert found.model_input_names == ["input_ids", "attention_mask"]  # no second segment in it


def test_blocks_are_spelled_as_in_the_library_or_in_its_json():
    wanted = [("digits", {"individual_digits": True})]
    for spelled in (
        [{"digits": {"individual_digits": True}}], {"digits": {"individual_digits": True}},
        [{"type": "Digits", "individual_digits": True}], [("Digits", {"individual_digits": True})],
    ):  # fmt: skip
        assert blocks("pre_tokenizer", spelled) == wanted
    assert blocks("pre_tokenizer", "WhitespaceSplit, byte-level") == [("whitespace_split", {}), ("byte_level", {})]
    assert blocks("normalizer", "none") == [] and built("normalizer", None) is None
    cut = built("pre_tokenizer", [{"split": {"pattern": {"regex": r"\d"}, "behavior": "isolated"}}])
    assert [piece for piece, _ in cut.pre_tokenize_str("a12b")] == ["a", "1", "2", "b"]


def test_the_tutorials_pre_tokenizers_and_their_sequence():
    """Whitespace cuts at spaces and punctuation, WhitespaceSplit at spaces, Punctuation at punctuation; they combine."""
    text = "Let's go, 친구!"

    def pieces(names):
        return [piece for piece, _ in built("pre_tokenizer", names).pre_tokenize_str(text)]

    assert pieces("whitespace") == ["Let", "'", "s", "go", ",", "친구", "!"]
    assert pieces("whitespace_split") == ["Let's", "go,", "친구!"]
    assert pieces("punctuation") == ["Let", "'", "s go", ",", " 친구", "!"]
    assert pieces("whitespace_split,punctuation") == pieces("whitespace")


def test_every_block_of_the_library_has_a_name():
    assert {"nfc", "bert", "strip_accents", "replace", "byte_level"} <= set(known("normalizer"))
    assert {"bert", "whitespace", "metaspace", "unicode_scripts"} <= set(known("pre_tokenizer"))
    assert {"wordpiece", "byte_level", "bpe", "byte_fallback", "fuse"} <= set(known("decoder"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ("--algorithm", "--recipe")),
        ({"recipe": "robreta"}, ("robreta", "Did you mean roberta?")),
        ({"algorithm": "wordpeice"}, ("Did you mean wordpiece?",)),
        ({"recipe": "bert", "algorithm": "unigram"}, ("not for unigram", "--recipe t5", "--pre-tokenizer")),
        ({"recipe": "gpt2", "algorithm": "wordpiece"}, ("--recipe bert",)),
        ({"recipe": "bert", "normalizer": "nfcc"}, ("nfcc", "Did you mean nfc?")),
        ({"recipe": "bert", "special_tokens": {"pda": "x"}}, ("no role pda", "Did you mean pad?")),
        ({"recipe": "bert", "special_tokens": {"cls": None}}, ("needs a cls token", "--template")),
        ({"recipe": "bert", "template": {"one": "$A"}}, ('no "one"',)),
        ({"recipe": "bert", "vocab_sise": 3}, ("Did you mean vocab_size?",)),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(values, words):
    said = refused(**values)
    for one in words:
        assert one in said, said


def test_parameters_that_do_not_fit_are_said_with_those_that_do():
    with pytest.raises(SettingError, match=r"digits can't be built.*individual_digits"):
        built("pre_tokenizer", [{"digits": {"single": True}}])
    with pytest.raises(SettingError, match="regex"):
        built("pre_tokenizer", [{"split": {"pattern": {"regex": "("}, "behavior": "isolated"}}])
    with pytest.raises(SettingError, match="is no block"):
        blocks("normalizer", [3])
    with pytest.raises(SettingError, match="split can't be built"):
        built("pre_tokenizer", [{"split": {"pattern": "a", "behavior": "nowhere"}}])


def test_other_blocks_make_any_algorithm_fit():
    found = plan(recipe="bert", algorithm="unigram", pre_tokenizer="metaspace")
    assert found.decoder == [("metaspace", {})] and not found.own
    assert plan(recipe="gpt2", algorithm="wordpiece", pre_tokenizer="whitespace").decoder == [("wordpiece", {})]
