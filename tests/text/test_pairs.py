"""Pairs laid together from texts that are encoded once: the ids and segment ids the tokenizer gives for the pair itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from byeori.errors import ModelError, SettingError
from byeori.text.encode import Encoder
from byeori.text.pairs import encode_pairs
from families import ALL, Family, texts

FIRST = [*texts()[:6], "", "가", " ".join(texts()[:20])]
SECOND = [texts()[30], "", "This is fun.", "이 글은 배송에 관한 것이다.", " ".join(texts()[5:9])]
PAIRS = [(a, b) for a in range(len(FIRST)) for b in range(len(SECOND))]
PLACES = list(zip(*PAIRS, strict=True))


@pytest.mark.parametrize("name", ALL)
def test_they_are_what_the_encoder_gives_for_each_pair(name):
    tokenizer = Family(name).tokenizer()
    kinds = (False, True) if tokenizer.is_fast else (False,)
    for length, truncation, types in itertools.product((512, 20, 9), ("head", "tail", "middle"), kinds):
        encoder = Encoder(tokenizer, length, truncation, types)
        expected = encoder([FIRST[a] for a, _ in PAIRS], [SECOND[b] for _, b in PAIRS])
        found = encode_pairs(encoder, FIRST, SECOND, *PLACES)
        assert found.lengths.tolist() == expected.lengths.tolist() and found.truncated == expected.truncated
        assert np.array_equal(found.input_ids, expected.input_ids) and found.input_ids.dtype == np.int32
        assert found.columns.keys() == expected.columns.keys()
        if types:
            assert np.array_equal(found.columns["token_type_ids"], expected.columns["token_type_ids"])


@pytest.mark.parametrize("name", ALL)
def test_only_the_first_text_is_cut_where_the_second_must_stay_whole(name):
    """As transformers' `only_first`; from the left for `tail`; in the middle both its ends stay."""
    tokenizer = Family(name).tokenizer()
    second = ["This is fun.", "이 글은 배송에 관한 것이다."]
    pairs = [(a, b) for a in range(len(FIRST)) for b in range(2)]
    for side, truncation in (("right", "head"), ("left", "tail")):
        tokenizer.truncation_side = side
        encoder = Encoder(tokenizer, 60, truncation)
        found = encode_pairs(encoder, FIRST, second, *zip(*pairs, strict=True), only_first=True)
        expected = tokenizer(
            [FIRST[a] for a, _ in pairs], [second[b] for _, b in pairs], truncation="only_first", max_length=60,
            return_token_type_ids=False,
        )["input_ids"]  # fmt: skip
        assert found.input_ids.tolist() == [token for ids in expected for token in ids or [encoder.nothing]]
        assert found.truncated and found.lengths.max() == 60
    whole = encode_pairs(
        Encoder(tokenizer, 10_000), FIRST[-1:], second[:1], [0], [0], only_first=True
    ).input_ids.tolist()
    part = encode_pairs(
        Encoder(tokenizer, 60, "middle"), FIRST[-1:], second[:1], [0], [0], only_first=True
    ).input_ids.tolist()
    head = next(at for at in range(60) if part[at] != whole[at])
    assert len(part) == 60 and 10 < head < 40 and part[head:] == whole[head - 60 :]


def test_a_second_text_that_leaves_no_room_is_told():
    encoder = Encoder(Family("bert").tokenizer(), 20)
    with pytest.raises(
        SettingError, match=r"its \d+ tokens and the 3 special ones leave no room for the text: 20 are taken"
    ):
        encode_pairs(encoder, ["a text"], [texts()[30]], [0], [0], only_first=True)


def test_nothing_at_all():
    for types in (False, True):
        found = encode_pairs(Encoder(Family("bert").tokenizer(), 20, token_types=types), [], ["a"], [], [])
        assert len(found.input_ids) == len(found.lengths) == 0


def test_each_text_is_read_once():
    """However many pairs it stands in: two calls of the tokenizer for the texts, one to see what it lays around a pair."""
    tokenizer = Family("bert").tokenizer()
    read: list[int] = []

    class Counting:
        def __getattr__(self, name):
            return getattr(tokenizer.backend_tokenizer, name)

        def encode_batch_fast(self, given, **options):
            read.append(len(given))
            return tokenizer.backend_tokenizer.encode_batch_fast(given, **options)

    class Tokenizer:
        is_fast, backend_tokenizer = True, Counting()

        def __getattr__(self, name):
            return getattr(tokenizer, name)

    encode_pairs(Encoder(Tokenizer(), 60), FIRST, SECOND, *PLACES)
    assert read == [len(FIRST), len(SECOND)]


def test_a_tokenizer_that_reads_pairs_otherwise_is_refused():
    """What is laid together must be what the tokenizer gives: a pair in lower case, its texts alone not, can't be."""
    tokenizer = Family("ctrl").tokenizer()
    plain = type(tokenizer).__call__

    class Odd(type(tokenizer)):
        def __call__(self, text, text_pair=None, **options):
            if text_pair is not None:
                text, text_pair = text.swapcase(), text_pair.swapcase()
            return plain(self, text, text_pair, **options)

    tokenizer.__class__ = Odd
    with pytest.raises(ModelError, match="other tokens than each text alone"):
        encode_pairs(Encoder(tokenizer, 60), ["A small Text"], ["another One"], [0], [0], only_first=True)
