"""Words that recur are tokenized once: the same ids as of whole texts, for every tokenizer, whatever the texts hold."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from byeori.text import encode, words
from byeori.text.encode import Encoder
from byeori.text.words import BYTES, WORDS, Words
from families import Family, texts

# Spaces of many kinds and in runs, marks that combine (also with a space), letters that a normalizer takes apart, puts
# together, folds, drops or sets apart, special tokens, contractions, control characters.
UNITS = [
    " ", " ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2009", "\u0085", "\u200b", "\x1c", "\0",
    "\u0301", "\u0323", "\u1100\u1161", "각", "가", "뜻", "ㅋㅋ", "漢字", "é", "e\u0301", "İ", "Σ", "ﬁ", "Å", "\u212b", "\u00a8",
    "🙂", "\U0001f469\u200d\U0001f467", "a", "bc", "The", "'s", "'ll", "don't", "1", "2024", "3.14", ".", ",", "!?", "-", "_",
    "[MASK]", "<mask>", "<s>", "</s>", "[CLS]", "<pad>", "<unk>", "[UNK]", "▁", "Ġ", "##", "@@",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(UNITS), max_size=14).map("".join)


def drawn(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    known = [*texts()[:40], "", " ", "가", " leading", "trailing ", "two  spaces", "a \n b", "a\n b", "a\n \nb"]
    odd = ["".join(rng.choice(UNITS, rng.integers(1, 16))) for _ in range(count // 2)]
    return [*odd, *(known[place % len(known)] for place in range(count - len(odd)))]


def lists(encoded, name: str = "input_ids") -> list[list[int]]:
    flat = encoded.input_ids if name == "input_ids" else encoded.columns[name]
    return [part.tolist() for part in np.split(flat, np.cumsum(encoded.lengths)[:-1])]


def whole(tokenizer, length: int, truncation: str, singles: list[str], pairs: list[str] | None):
    """The same texts, so few at a time that nobody looks at their words."""
    encoder = Encoder(tokenizer, length, truncation, token_types=True)
    parts = [
        encoder(singles[at : at + 50], None if pairs is None else pairs[at : at + 50])
        for at in range(0, len(singles), 50)
    ]
    assert encoder._words is None
    return {
        name: [ids for part in parts for ids in lists(part, name)] for name in ("input_ids", "token_type_ids")
    }, sum(part.truncated for part in parts)


@pytest.mark.parametrize("name", ["bert", "electra", "roberta", "gpt2", "modernbert", "xlm-roberta", "t5", "llama"])
def test_many_texts_have_the_ids_of_each(name):
    tokenizer = Family(name).tokenizer()
    singles, seconds = drawn(240), drawn(240, seed=1)
    for length, truncation, pairs in (
        (10_000, "head", None), (10_000, "head", seconds), (16, "head", seconds), (15, "tail", None), (9, "middle", seconds),
    ):  # fmt: skip
        encoder = Encoder(tokenizer, length, truncation, token_types=True)
        found = encoder(singles, pairs)
        expected, cut = whole(tokenizer, length, truncation, singles, pairs)
        assert lists(found) == expected["input_ids"] and found.truncated == cut
        assert lists(found, "token_type_ids") == expected["token_type_ids"]
        assert found.input_ids.dtype == np.int32 and found.columns["token_type_ids"].dtype == np.uint8
    assert lists(encoder(singles, pairs)) == expected["input_ids"], "all words known"


def test_which_are_read_a_word_at_a_time():
    kinds = {
        name: Words(Family(name).tokenizer().backend_tokenizer).kind for name in ("bert", "electra", "roberta", "gpt2")
    }
    assert kinds == {"bert": WORDS, "electra": WORDS, "roberta": BYTES, "gpt2": BYTES}
    assert Words(Family("xlm-roberta").tokenizer().backend_tokenizer).kind is None  # Unigram over spaces


def bert(normalizer=None, splitter=None) -> Tokenizer:
    backend = copy.deepcopy(Family("bert").tokenizer().backend_tokenizer)
    backend.no_padding(), backend.no_truncation()
    backend.normalizer = normalizer or backend.normalizer
    backend.pre_tokenizer = splitter or backend.pre_tokenizer
    return backend


def byte_level(normalizer=None, **options) -> Tokenizer:
    backend = copy.deepcopy(Family("roberta").tokenizer().backend_tokenizer)
    backend.no_padding(), backend.no_truncation()
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(**options)
    return backend


N, P = normalizers, pre_tokenizers
VARIANTS = {
    "bert": lambda: bert(),
    "cased": lambda: bert(N.BertNormalizer(lowercase=False, strip_accents=False)),
    "accents": lambda: bert(N.BertNormalizer(lowercase=True, strip_accents=True, clean_text=False)),
    "nfc": lambda: bert(N.Sequence([N.NFC(), N.BertNormalizer()])),
    "nfkc": lambda: bert(N.Sequence([N.NFKC(), N.Lowercase(), N.Strip()]), P.Whitespace()),
    "nfkd": lambda: bert(N.Sequence([N.NFKD(), N.StripAccents()]), P.Sequence([P.WhitespaceSplit(), P.Punctuation(), P.Digits(True)])),
    "nfd": lambda: bert(N.NFD(), P.BertPreTokenizer()),
    "roberta": lambda: byte_level(add_prefix_space=False),
    "prefixed": lambda: byte_level(add_prefix_space=True),
    "bytes nfc": lambda: byte_level(N.NFC(), add_prefix_space=False),
    "bytes nfd": lambda: byte_level(N.NFD(), add_prefix_space=True),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_pieces_are_those_of_whole_texts(name):
    backend = VARIANTS[name]()
    known = Words(backend)
    assert known.kind == (WORDS if name in list(VARIANTS)[:7] else BYTES)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(TEXT, min_size=1, max_size=6))
    @example(["", " ", "  a", "a  ", "a  b", " a", "a ", "\ta \nb"])
    def same(some):
        pieces = known.pieces(backend, some)
        found = [pieces.of_text(place) for place in range(len(some))]
        assert found == [one.ids for one in backend.encode_batch(some, add_special_tokens=False)]

    same()


def refused() -> dict[str, Tokenizer]:
    spaced, taking, custom = bert(), byte_level(add_prefix_space=False), bert()
    spaced.add_tokens([AddedToken("New York")])
    taking.add_tokens([AddedToken("<br>", rstrip=True)])
    custom.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(object())
    cjk = bert()
    cjk.add_tokens([AddedToken("漢字", normalized=True)])  # BertNormalizer sets spaces around each
    dropout = byte_level(add_prefix_space=False)
    dropout.model.dropout = 0.1
    framed = bert()
    framed.post_processor = processors.TemplateProcessing("$A [SEP] $A", special_tokens=[("[SEP]", 3)])
    return {
        "a token of two words": spaced, "a token that takes the space after it": taking, "own code": custom,
        "a token that becomes several words": cjk, "chance": dropout,
        "another splitter": bert(splitter=P.CharDelimiterSplit("|")),
        "an own pattern": bert(splitter=P.Split(Regex(r"\s+"), "removed")),
        "a replacement": bert(N.Replace("a b", "ab")),
    }  # fmt: skip


@pytest.mark.parametrize("name", refused())
def test_what_may_look_across_a_space_is_left_whole(name):
    assert Words(refused()[name]).kind is None


def test_the_text_in_between_decides_for_added_tokens():
    """Found as the whole text has them: beside words, as parts of words, alone words only, with the space before."""
    for make in (bert, lambda: byte_level(add_prefix_space=False)):
        backend = make()
        backend.add_tokens([
            AddedToken("<one>", single_word=True), AddedToken("<left>", lstrip=True), AddedToken("zz", normalized=True),
            AddedToken("z", normalized=False),
        ])  # fmt: skip
        known = Words(backend)
        assert known.kind is not None
        some = ["a<one>b <one> c", "<one>", "a <left> b<left>", "zz z zzz azz", "<left> <left>", " <left>", "z z"]
        pieces = known.pieces(backend, some)
        found = [pieces.of_text(place) for place in range(len(some))]
        assert found == [one.ids for one in backend.encode_batch(some, add_special_tokens=False)]


@pytest.mark.parametrize("change", ["normalizer", "added token", "vocabulary", "post-processor"])
def test_a_tokenizer_that_was_changed_is_noticed(change):
    tokenizer = Family("bert").tokenizer()
    encoder = Encoder(tokenizer, 64)
    some = drawn(300)
    encoder(some)
    backend = tokenizer.backend_tokenizer
    if change == "normalizer":
        backend.normalizer = normalizers.BertNormalizer(lowercase=not backend.normalizer.lowercase)
    elif change == "added token":
        backend.add_tokens(["the"])
    elif change == "post-processor":
        backend.post_processor = processors.BertProcessing(
            ("[SEP]", tokenizer.sep_token_id), ("[CLS]", tokenizer.cls_token_id)
        )
        backend.post_processor = processors.TemplateProcessing("[SEP] $A", "$A $B", [("[SEP]", tokenizer.sep_token_id)])
    else:  # as large as before: only the ids tell
        vocabulary = backend.get_vocab(with_added_tokens=False)
        last = max(vocabulary.values())
        turned = {token: number if number < 10 else last + 10 - number for token, number in vocabulary.items()}
        backend.model = models.WordPiece(turned, unk_token="[UNK]")
    assert lists(encoder(some)) == whole(tokenizer, 64, "head", some, None)[0]["input_ids"]


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(words, "MOST", 40)
    tokenizer = Family("bert").tokenizer()
    encoder = Encoder(tokenizer, 64)
    for seed in range(4):
        some = drawn(250, seed)
        assert lists(encoder(some)) == whole(tokenizer, 64, "head", some, None)[0]["input_ids"]
        encoder(["ever"] * 250)
    monkeypatch.setattr(words, "MOST", 500)
    encoder([f"ever word{number}" for number in range(400)])
    for first in range(1_000, 3_000, 250):
        encoder([f"ever word{number}" for number in range(first, first + 250)])
        assert len(encoder._words._number) <= 500 + 250 + 1 and "ever" in encoder._words._number
    assert "word7" not in encoder._words._number


def test_words_that_never_recur_are_left_to_the_tokenizer(monkeypatch):
    monkeypatch.setattr(words, "ENOUGH", 400)
    tokenizer = Family("bert").tokenizer()
    encoder = Encoder(tokenizer, 64)
    for first in range(0, 1_500, 300):
        some = [f"{re.sub('0', 'x', str(number))} {number * 7919}" for number in range(first, first + 300)]
        assert lists(encoder(some)) == whole(tokenizer, 64, "head", some, None)[0]["input_ids"]
    assert len(encoder._words._number) < 1_500 and not encoder._words.wanted()


def test_new_words_are_tokenized_together():
    """A mark stands after each that none of them holds; where none is found, or one is made by the normalizer, they go alone."""
    for name in ("bert", "nfkc", "roberta", "prefixed"):
        backend = VARIANTS[name]()
        for held in ("", words.MARKS, "｜＾～｛｝｀＼"):
            known = Words(backend)
            some = [f"{text} {held} {text[::-1]}{held[:3]}x {held[1:2]}" for text in texts()[:30]]
            pieces = known.pieces(backend, some)
            found = [pieces.of_text(place) for place in range(len(some))]
            assert found == [one.ids for one in backend.encode_batch(some, add_special_tokens=False)]


def test_a_text_that_cant_be_read_leaves_no_word_without_ids():
    tokenizer = Family("bert").tokenizer()
    encoder = Encoder(tokenizer, 64)
    some = drawn(300)
    with pytest.raises((UnicodeEncodeError, TypeError)):
        encoder([*some, "a lone \ud800 surrogate"])
    assert lists(encoder(some)) == whole(tokenizer, 64, "head", some, None)[0]["input_ids"]


def test_several_threads_get_their_own():
    """A server's: no two are at the same words."""
    from concurrent.futures import ThreadPoolExecutor

    tokenizer = Family("bert").tokenizer()
    encoder = Encoder(tokenizer, 64)
    parts = [drawn(250, seed) for seed in range(6)]
    expected = [whole(tokenizer, 64, "head", some, None)[0]["input_ids"] for some in parts]
    with ThreadPoolExecutor(3) as pool:
        assert [lists(found) for found in pool.map(encoder, parts)] == expected


def test_parts_are_joined(monkeypatch):
    """Cut into parts by rows and by characters: the same arrays."""
    for name in ("bert", "gpt2", "xlm-roberta"):
        tokenizer = Family(name).tokenizer()
        some, pairs = drawn(300), drawn(300, seed=1)
        expected = [Encoder(tokenizer, 20, token_types=True)(some, second) for second in (None, pairs)]
        monkeypatch.setattr(encode, "ROWS", 70)
        monkeypatch.setattr(encode, "CHARACTERS", 900)
        found = [Encoder(tokenizer, 20, token_types=True)(some, second) for second in (None, pairs)]
        monkeypatch.undo()
        for one, other in zip(found, expected, strict=True):
            assert one.truncated == other.truncated and np.array_equal(one.lengths, other.lengths)
            assert np.array_equal(one.input_ids, other.input_ids)
            assert np.array_equal(one.columns["token_type_ids"], other.columns["token_type_ids"])
