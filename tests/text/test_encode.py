"""Token ids: those of the tokenizer's own call, whole and cut."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.text.encode import Encoder
from byeori.text.store import Encoded
from families import NAMES, Family, texts, wordpiece

ENGLISH, KOREAN = texts()[0], texts()[1]
LONG = " ".join(texts()[:4])
SINGLES = [*texts()[:9], "가", "  ", LONG, "a\tb\u200bc", "é decomposed e\u0301 한글"]
SIDES = {"head": "right", "tail": "left"}


@pytest.fixture(scope="module")
def tokenizers():
    made = {}
    return lambda name: made.setdefault(name, Family(name).tokenizer())


def lists(encoded: Encoded, name: str = "input_ids") -> list[list[int]]:
    flat = encoded.input_ids if name == "input_ids" else encoded.columns[name]
    return [part.tolist() for part in np.split(flat, np.cumsum(encoded.lengths)[:-1])]


def own(tokenizer, singles, pairs=None, **options) -> dict[str, list]:
    """The tokenizer called as people call it, a row at a time."""
    pairs = pairs or [None] * len(singles)
    found = [
        tokenizer(text, pair, return_token_type_ids=True, **options) for text, pair in zip(singles, pairs, strict=True)
    ]
    return {name: [one[name] for one in found] for name in ("input_ids", "token_type_ids")}


def equal(encoded: Encoded, expected: dict[str, list]) -> None:
    assert lists(encoded) == expected["input_ids"]
    assert lists(encoded, "token_type_ids") == expected["token_type_ids"]


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_the_tokenizers_own(tokenizers, name):
    tokenizer = tokenizers(name)
    encoder = Encoder(tokenizer, 10_000, token_types=True)
    pairs = list(reversed(SINGLES))
    mixed = [pair if i % 3 else None for i, pair in enumerate(pairs)]
    for second in (None, pairs, mixed):
        encoded = encoder(SINGLES, second)
        equal(encoded, own(tokenizer, SINGLES, second, verbose=False))
        assert encoded.truncated == 0
        assert encoded.input_ids.dtype == np.int32 and encoded.lengths.dtype == np.int64
    assert encoder(["x"]).columns["token_type_ids"].dtype == np.uint8
    assert "token_type_ids" not in Encoder(tokenizer, 100)(["x"]).columns


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("truncation", ["head", "tail"])
@pytest.mark.parametrize("max_length", [13, 32])
def test_cut_as_transformers_cuts(tokenizers, name, truncation, max_length):
    tokenizer = tokenizers(name)
    encoder = Encoder(tokenizer, max_length, truncation, token_types=True)
    rows = [(ENGLISH, KOREAN), (KOREAN, LONG), (LONG, ENGLISH), ("가", LONG), (LONG, "가"), ("a", "b"), (LONG, LONG)]
    firsts, seconds = (list(side) for side in zip(*rows, strict=True))
    tokenizer.truncation_side = SIDES[truncation]
    try:
        options = {"truncation": "longest_first", "max_length": max_length}
        for pairs in (None, seconds, [pair if i % 2 else None for i, pair in enumerate(seconds)]):
            expected = own(tokenizer, firsts, pairs, **options)
            encoded = encoder(firsts, pairs)
            equal(encoded, expected)
            whole = own(tokenizer, firsts, pairs, verbose=False)["input_ids"]
            assert encoded.truncated == sum(len(ids) > max_length for ids in whole)
            assert max(encoded.lengths) <= max_length
    finally:
        tokenizer.truncation_side = "right"


def test_a_tokenizer_set_to_pad_and_cut_is_used_as_it_should(tokenizers):
    """What an earlier call (or tokenizer.json) left in the backend must not reach our ids."""
    tokenizer = Family("bert").tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    equal(Encoder(tokenizer, 10_000, token_types=True)(SINGLES), own(tokenizers("bert"), SINGLES, verbose=False))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_length", [8, 15, 40])
def test_middle_keeps_both_ends(tokenizers, name, max_length):
    tokenizer = tokenizers(name)
    encoder = Encoder(tokenizer, max_length, "middle", token_types=True)
    rows = [(LONG, None), (KOREAN, LONG), (LONG, "가"), (LONG, LONG), ("가", None)]
    encoded = encoder([first for first, _ in rows], [second for _, second in rows])
    for ids, types, (first, second) in zip(lists(encoded), lists(encoded, "token_type_ids"), rows, strict=True):
        whole = tokenizer(first, second, return_special_tokens_mask=True, return_token_type_ids=True, verbose=False)
        full, special = whole["input_ids"], whole["special_tokens_mask"]
        if len(full) <= max_length:
            assert ids == full
            continue
        assert len(ids) == len(types) == max_length
        if second is None:  # the start and the end of the text, in halves that differ by one at most
            room = max_length - sum(special)
            left = [i for i, s in enumerate(special) if not s]
            kept = {*left[: -(-room // 2)], *left[len(left) - room // 2 :]} | {i for i, s in enumerate(special) if s}
            assert ids == [full[i] for i in sorted(kept)]
        else:  # both ends of the whole, and every special token, in order
            known = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
            assert [i for i in ids if i in known] == [i for i in full if i in known]
            assert ids[:2] == full[:2] and ids[-2:] == full[-2:]
            assert types == sorted(types)


def test_middle_takes_from_the_longer_of_a_pair(tokenizers):
    tokenizer = tokenizers("bert")
    short = tokenizer(KOREAN, add_special_tokens=False)["input_ids"]
    limit = 2 * len(short) + 3
    (ids,) = lists(Encoder(tokenizer, limit, "middle")([KOREAN], [LONG]))
    assert ids[1 : 1 + len(short)] == short
    long = tokenizer(LONG, add_special_tokens=False, verbose=False)["input_ids"]
    half = -(-len(short) // 2)
    assert ids[2 + len(short) : -1] == long[:half] + long[len(long) - len(short) // 2 :]


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """BERT's tokenizer as it was before the fast ones: pure Python, the same vocabulary."""
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    path = tmp_path_factory.mktemp("slow") / "vocab.txt"
    path.write_text("\n".join(wordpiece()) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerLegacy(str(path), do_lower_case=False)
    assert not tokenizer.is_fast
    return tokenizer


def test_no_sequence_is_empty(tokenizers):
    """GPT-2's tokenizer has no special tokens of its own; every other one frames even an empty text."""
    tokenizer = tokenizers("gpt2")
    assert tokenizer("")["input_ids"] == []
    encoded = Encoder(tokenizer, 8, token_types=True)(["", "a", ""])
    equal(encoded, {"input_ids": [[0], tokenizer("a")["input_ids"], [0]], "token_type_ids": [[0], [0], [0]]})
    for name in set(NAMES) - {"gpt2"}:
        assert lists(Encoder(tokenizers(name), 8)([""])) == [tokenizers(name)("")["input_ids"]]


def test_a_long_pair_is_cut_at_once(tokenizers):
    """The backend's own truncation makes all windows of both texts, which grows with the square of their length."""
    tokenizer = tokenizers("bert")
    text = " ".join(texts()) * 3
    (ids,) = lists(Encoder(tokenizer, 33)([text], [text]))
    whole = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert len(whole) > 30_000
    assert ids[1:16] == ids[17:32] == whole[:15]


@pytest.mark.parametrize("truncation", ["head", "tail"])
@pytest.mark.parametrize("max_length", [9, 20, 10_000])
def test_the_slow_path_is_the_tokenizers_own(slow, tokenizers, truncation, max_length, caplog):
    singles, seconds = [ENGLISH, KOREAN, LONG, "가"], [KOREAN, LONG, ENGLISH, "a"]
    encoder = Encoder(slow, max_length, truncation, token_types=True)
    for pairs in (None, seconds, [None, LONG, None, "a"]):
        caplog.clear()
        encoded = encoder(singles, pairs)
        assert not caplog.records and slow.truncation_side == "right"
        slow.truncation_side = SIDES[truncation]
        expected = own(slow, singles, pairs, truncation=True, max_length=max_length)
        slow.truncation_side = "right"
        equal(encoded, expected)
        quick = Encoder(tokenizers("bert"), max_length, truncation, token_types=True)(singles, pairs)
        assert encoded.truncated == quick.truncated and encoded.lengths.tolist() == quick.lengths.tolist()
        assert encoded.input_ids.dtype == quick.input_ids.dtype
        if pairs is None or max_length > 20:
            assert lists(encoded) == lists(quick)
    assert "token_type_ids" not in Encoder(slow, max_length, truncation)(singles).columns


def test_the_slow_path_keeps_middles_ends(slow, tokenizers):
    quick, plain = (Encoder(one, 20, "middle", token_types=True) for one in (tokenizers("bert"), slow))
    fast, python = (encoder([LONG, "가"], [KOREAN, None]) for encoder in (quick, plain))
    equal(python, {name: lists(fast, name) for name in ("input_ids", "token_type_ids")})
