"""Targets → ids: those of `text_target=`, cut before their end, ended where a tokenizer ends nothing."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.text.targets import adds_end, encode_targets, take_targets
from families import SEQ2SEQ, Family, texts

TARGETS = [texts()[30 + place][: 8 + 6 * place] for place in range(9)]


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_targets_are_encoded_as_targets_and_cut_before_their_end(name):
    tokenizer = Family(name).tokenizer()
    if name == "mbart":
        tokenizer.src_lang, tokenizer.tgt_lang = "ko_KR", "en_XX"
    ids, lengths, cut = encode_targets(tokenizer, TARGETS, 12)
    ends = np.cumsum(lengths)
    right = [tokenizer(text_target=text)["input_ids"] for text in TARGETS]
    assert cut == sum(len(one) > 12 for one in right) > 0 and ids.dtype == np.int32 and lengths.dtype == np.int64
    specials = 2 if name == "mbart" else 1  # its language stands behind the end
    for place, one in enumerate(right):
        found = ids[ends[place] - lengths[place] : ends[place]].tolist()
        if len(one) <= 12:
            assert found == one
        else:
            assert len(found) == 12 and found == one[: 12 - specials] + one[-specials:]
    source = tokenizer(TARGETS[2])["input_ids"]
    assert (source == right[2]) == (name not in ("marian", "mbart"))  # other pieces, another language
    assert tokenizer(TARGETS[2])["input_ids"] == source  # and what follows is a source again


def test_an_end_token_is_added_where_the_tokenizer_adds_none():
    """KoBART's tokenizer ends neither sources nor targets: a model would never learn to stop."""
    from tokenizers import processors

    tokenizer = Family("bart").tokenizer()
    assert adds_end(tokenizer)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    assert not adds_end(tokenizer)
    ids, lengths, cut = encode_targets(tokenizer, ["a b", texts()[0]], 6)
    assert ids[lengths[0] - 1] == ids[-1] == tokenizer.eos_token_id and cut == 1 and lengths[1] == 6
    assert ids[: lengths[0] - 1].tolist() == tokenizer(text_target="a b")["input_ids"]


def test_no_targets():
    ids, lengths, cut = encode_targets(Family("t5").tokenizer(), [], 6)
    assert len(ids) == len(lengths) == cut == 0


def test_targets_that_come_as_ids():
    """As the course's map and collator leave them: −100, or pad tokens, which the loss would count."""
    tokenizer = Family("t5").tokenizer()
    ids, lengths, _ = encode_targets(tokenizer, TARGETS[:4], 20)
    for padded in (
        [*tokenizer(text_target=TARGETS[:4], padding=True, truncation=True, max_length=20)["input_ids"]],
        [[*one, -100, -100] for one in tokenizer(text_target=TARGETS[:4], truncation=True, max_length=20)["input_ids"]],
    ):
        found, counts, cut = take_targets(tokenizer, padded, 20)
        assert found.tolist() == ids.tolist() and counts.tolist() == lengths.tolist() and cut == 0
    found, _, cut = take_targets(tokenizer, [[7, 8, 9]], 2)
    assert found.tolist() == [7, 8] and cut == 1


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_targets_that_come_as_ids_are_cut_as_texts_are(name):
    """Before the end token, and the language behind it."""
    tokenizer = Family(name).tokenizer()
    if name == "mbart":
        tokenizer.src_lang, tokenizer.tgt_lang = "ko_KR", "en_XX"
    ids, lengths, cut = encode_targets(tokenizer, TARGETS, 12)
    given = tokenizer(text_target=TARGETS, padding=True)["input_ids"]
    found, counts, shortened = take_targets(tokenizer, given, 12)
    assert found.tolist() == ids.tolist() and counts.tolist() == lengths.tolist() and shortened == cut > 0


def test_targets_that_come_as_ids_of_a_tokenizer_that_ends_none():
    from tokenizers import processors

    tokenizer = Family("bart").tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    given = tokenizer(text_target=TARGETS)["input_ids"]
    found, counts, cut = take_targets(tokenizer, given, 12)
    right = encode_targets(tokenizer, TARGETS, 12)
    assert (found.tolist(), counts.tolist(), cut) == (right[0].tolist(), right[1].tolist(), right[2])
    assert (
        take_targets(tokenizer, [[*given[0], tokenizer.eos_token_id]], 12)[0].tolist() == right[0][: counts[0]].tolist()
    )


def test_of_pads_that_are_end_tokens_one_is_the_end():
    tokenizer = Family("t5").tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    (ids,) = tokenizer(text_target=[TARGETS[2]])["input_ids"]
    found, _, _ = take_targets(tokenizer, [[*ids, *[tokenizer.eos_token_id] * 3], ids], 99)
    assert found.tolist() == [*ids, *ids]
