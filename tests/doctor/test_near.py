"""Near duplicates beside a brute-force Jaccard written without NumPy: nothing false is named, hardly anything is missed."""

from __future__ import annotations

import random
import unicodedata
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.doctor import near as module
from byeori.doctor.near import MIN_SHINGLES, Near, near_copies, near_duplicates
from byeori.doctor.shingles import MAX_CHARACTERS, characters, chunks
from vocabularies import texts as sentences

ENGLISH = [text for text in sentences()[0::2] if text.isascii() and len(text) > 30]
KOREAN = [text for text in sentences()[1::2] if len(text) > 16]


def normal(text: str) -> str:
    """The normal form, a character at a time."""
    out: list[str] = []
    for c in unicodedata.normalize("NFC", text).casefold():
        kind = unicodedata.category(c)
        if c.isspace() or kind[0] in "PZC" or kind == "Sk" or c == "~":
            continue
        if not (len(out) > 1 and out[-1] == out[-2] == c and kind[0] != "N"):
            out.append(c)
    return "".join(out)


@cache
def shingles(text: str) -> frozenset[str]:
    text = normal(text)
    wide = [2 if "가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" or "一" <= c <= "鿿" else 4 for c in text]
    return frozenset(text[at : at + n] for at, n in enumerate(wide) if at + n <= len(text))


def jaccard(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b) if min(len(a), len(b)) >= MIN_SHINGLES else 0.0


def edit(text: str, rng: random.Random, edits: int) -> str:
    for _ in range(edits):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", text[at] * 2, " ", "요", "x"]) + text[at + 1 :]
    return text


def joined(rng: random.Random, pool: list[str], words: int) -> str:
    return " ".join(rng.choice(rng.choice(pool).split()) for _ in range(words))


def edited_set(seed: int, bases: int = 120) -> list[str]:
    """Distinct texts in both languages of 40 to 200 characters, a third of them edited copies."""
    rng = random.Random(seed)
    texts = [joined(rng, rng.choice([ENGLISH, KOREAN]), rng.randrange(8, 30)) for _ in range(bases)]
    texts += [edit(rng.choice(texts), rng, rng.randrange(1, 4)) for _ in range(bases // 2)]
    rng.shuffle(texts)
    return list(dict.fromkeys(texts))


def group_of(near: Near) -> dict[int, int]:
    return {place: number for number, group in enumerate(near.groups) for place in group}


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_pairs_are_those_of_brute_force(threshold):
    asked = missed = 0
    for seed in range(3):
        texts = edited_set(seed)
        near = near_duplicates(texts, threshold=threshold, seed=seed)
        for one, other, similarity in near.pairs:  # precision 1: each pair that is named is one
            assert similarity == jaccard(texts[one], texts[other]) >= threshold
        groups = group_of(near)
        for one, other in combinations(range(len(texts)), 2):
            if jaccard(texts[one], texts[other]) >= threshold:
                asked += 1
                missed += one not in groups or groups[one] != groups.get(other)
    assert asked > 80 and missed <= 0.02 * asked


def test_copies_in_training_are_those_of_brute_force():
    asked = missed = 0
    for seed in range(4):
        texts = edited_set(seed)
        train, test = texts[:120], texts[120:]
        found = near_copies(train, test, seed=seed)
        for place, text in enumerate(test):
            best = max(jaccard(text, one) for one in train)
            if place in found:
                assert found[place][1] == jaccard(text, train[found[place][0]]) >= 0.8
            if best >= 0.8:
                asked += 1
                missed += found.get(place, (0, 0.0))[1] != best
    assert asked > 40 and missed <= 0.05 * asked


def test_korean_and_english_reviews():
    texts = [
        "이 영화는 정말 제 인생 최고의 영화였습니다.",
        "배우들의 연기가 어색해서 끝까지 보기 힘들었다",
        "이영화는 정말 제인생 최고의 영화였습니다!!! ㅋㅋ",
        unicodedata.normalize("NFD", "이 영화는 정말 제 인생 최고의 영화였습니다..."),
        "The film was far too long for me, I left before the end.",
        "THE FILM was far too long for me - I left before the end",
        "배우들의 연기가 어색해서 끝까지 보기 힘들었다",
    ]
    near = near_duplicates(texts)
    assert near.groups == [[0, 2, 3], [4, 5]] and near.count == 3  # 6 is an exact copy, and no finding here
    assert near.likest == [1.0, 1.0]
    assert near.pairs[0] == (0, 3, 1.0) and all(similarity >= 0.8 for *_, similarity in near.pairs)


def test_runs_of_letters_do_not_count_and_digits_do():
    assert near_duplicates(
        ["진짜 재밌는 영화네요 추천합니다ㅋㅋㅋㅋㅋㅋㅋ", "진짜 재밌는 영화네요 추천합니다ㅋㅋ"]
    ).pairs == [(0, 1, 1.0)]
    one, other = characters(["in the year 1000 it was", "in the year 10000 it was"]).same_texts()
    assert (one, other) == (0, 1)


SHORT = [
    "굿",
    "최고예요",
    "재밌어요!",
    "good",
    "not bad",
    "",
    "!!!",
    "ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ",
    "하하하하하하하하하하",
]


@pytest.mark.parametrize("text", SHORT)
def test_short_texts_are_no_copies(text):
    near = near_duplicates([text, text + "!", text + " ", text + "."])
    assert near.groups == [] and near.count == 0 and near.short == 4
    assert near_copies([text], [text + "!"]) == {}


def test_exact_copies_are_left_to_their_own_finding():
    text, like = "a sentence that stands here twice as it is", "A sentence that stands here twice, as it is"
    assert near_duplicates([text] * 5).count == 0
    near = near_duplicates([text, text, like, text, like])
    assert near.groups == [[0, 2]] and near.pairs == [(0, 2, 1.0)]
    assert near_copies([text, text], [text]) == {}
    assert near_copies(["other words", text, text], [like, text, like]) == {0: (1, 1.0), 2: (1, 1.0)}


def test_rows_of_several_texts_are_alike_where_each_text_is():
    """Ten questions about one paragraph are ten questions; the same question spelled otherwise is a copy."""
    paragraph = " ".join(ENGLISH[:6])
    questions = ["Who wrote the letter to the king?", "When did the second war begin?", "Why?", "How?", "네", "아니요"]
    rows = [(question, paragraph) for question in questions]
    assert near_duplicates(rows).groups == []
    assert near_duplicates(["\n".join(row) for row in rows], threshold=0.6).groups  # as one text they are
    more = [
        *rows,
        ("who wrote the letter to the King", paragraph + "!"),
        ("Why ?", paragraph.upper()),
        ("네", paragraph),
    ]
    near = near_duplicates(more)
    assert near.groups == [[0, 6], [2, 7]] and [pair[2] for pair in near.pairs] == [1.0, 1.0]
    assert near_copies(rows, more[6:]) == {0: (0, 1.0), 1: (2, 1.0)}
    other = (edit(questions[0], random.Random(0), 1), paragraph + " And one sentence more than there was.")
    ((_, _, least),) = near_duplicates([rows[0], other], threshold=0.5).pairs
    assert least == min(jaccard(a, b) for a, b in zip(rows[0], other, strict=True))


def test_of_several_the_likest_is_named():
    text = "배송이 빠르고 포장도 꼼꼼해서 아주 만족스러운 구매였습니다"
    found = near_copies([text[:-2], text + " 정말", text + "!"], [text])
    assert found == {0: (2, 1.0)}


def test_same_seed_same_answer_and_company_changes_nothing():
    texts = edited_set(9)
    assert near_duplicates(texts, seed=1) == near_duplicates(texts, seed=1)
    near = near_duplicates(texts)
    pairs = {(texts[a], texts[b], s) for a, b, s in near.pairs}
    further = [f"{place} {ENGLISH[0][::-1]} {place}" for place in range(3)]
    with_others = near_duplicates(texts + further)
    assert {(t[0], t[1], s) for a, b, s in with_others.pairs if max(a, b) < len(texts)
            for t in [((texts + further)[a], (texts + further)[b])]} == pairs  # fmt: skip


def test_chunks_change_nothing(monkeypatch):
    texts = edited_set(3)
    whole = near_duplicates(texts)
    monkeypatch.setattr(module, "chunks", lambda given: chunks(given, 500))
    monkeypatch.setattr(module, "COMPARED", 200)
    assert near_duplicates(texts) == whole


def test_a_large_bucket_costs_a_few_comparisons_a_text(monkeypatch):
    """3,000 texts of one template, a third of them alike within each of three wordings."""
    rng = random.Random(0)
    wordings = [joined(rng, ENGLISH, 30), joined(rng, KOREAN, 30), joined(rng, ENGLISH, 30)]
    texts = list(dict.fromkeys(f"{wordings[n % 3]} {n}" for n in range(3_000)))
    compared = 0
    jaccard_of = module._jaccard

    def counted(*given):
        nonlocal compared
        compared += len(given[1])
        return jaccard_of(*given)

    monkeypatch.setattr(module, "_jaccard", counted)
    near = near_duplicates(texts)
    assert [len(group) for group in near.groups] == [1_000] * 3
    assert compared <= 10 * len(texts)


def test_boilerplate_alone_makes_no_copies():
    rng = random.Random(1)
    texts = [f"안녕하세요 고객님 문의 주셔서 감사합니다 {joined(rng, KOREAN, 12)}" for _ in range(600)]
    near = near_duplicates(texts)
    assert all(jaccard(texts[a], texts[b]) >= 0.8 for a, b, _ in near.pairs) and near.count <= 5


def test_signatures_estimate_similarity():
    rng = random.Random(2)
    one = joined(rng, ENGLISH, 60)
    texts = [one, edit(one, rng, 6), edit(one, rng, 30), joined(rng, ENGLISH, 60)]
    agree = np.zeros(3)
    for seed in range(30):
        low = module._Signatures(0.8, seed).sign(texts).low
        agree += (low[1:] == low[0]).mean(axis=1) / 30
    assert agree == pytest.approx([jaccard(one, other) for other in texts[1:]], abs=0.04)


@pytest.mark.parametrize("threshold", [0, -1, 1.01, float("nan")])
def test_threshold_is_a_share(threshold):
    with pytest.raises(ValueError, match="threshold"):
        near_duplicates(["a"], threshold=threshold)


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.99, 1.0])
def test_any_threshold_has_its_bands(threshold):
    width, bands = module._banding(threshold)
    assert width * bands <= module.MAX_HASHES
    text = "the very same words in the very same order, every time"
    assert near_duplicates([text, text.upper()], threshold=threshold).pairs == [(0, 1, 1.0)]


def test_nothing_and_odd_texts():
    assert near_duplicates([]) == Near() and near_copies([], []) == {} and near_copies([], ["a" * 40]) == {}
    odd = "\ud800 lone surrogate in the middle of a sentence"
    assert near_duplicates([odd, odd.upper(), "\0", "a\0b" * 30, "A\0B" * 30]).groups == [[0, 1]]
    long = "".join(map(chr, random.Random(0).choices(range(0xAC00, 0xB400), k=3 * MAX_CHARACTERS)))
    assert near_duplicates([long, long + "!", long[::-1]]).groups == [[0, 1]]


any_text = st.text(st.sampled_from("ab cD1!ㅋ가나다한글é\u0301ᄒ\0 \n😀"), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_text, max_size=12), st.integers(0, 3))
def test_normal_form_and_shingles_are_those_of_the_reference(texts, seed):
    made = characters(texts)
    assert made.ends.tolist() == np.cumsum([len(normal(text)) for text in texts]).tolist()
    assert "".join(map(chr, made.codes.tolist())) == "".join(map(normal, texts))
    hashes, owner = made.shingles()
    for place, text in enumerate(texts):
        assert len(set(hashes[owner == place].tolist())) == len(shingles(text))
    near = near_duplicates(texts, threshold=0.5, seed=seed)
    assert all(s == jaccard(texts[a], texts[b]) for a, b, s in near.pairs)
    assert len({place for group in near.groups for place in group}) == sum(map(len, near.groups))
