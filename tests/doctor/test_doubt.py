"""Planted wrong labels are found, rows that are right are left alone, and a model that knows nothing says nothing."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from byeori.doctor import doubt as module
from byeori.doctor.doubt import MIN_CLASS, MIN_ROWS, Doubt, suspicious_labels

NSMC = Path(__file__).parents[3] / "shared" / "data" / "nsmc" / "nsmc_30k.txt"
KOREAN = {
    "부정": [
        "지루하고",
        "시시한",
        "최악",
        "돈",
        "아깝다",
        "실망",
        "졸려서",
        "억지",
        "엉성한",
        "별로였다",
        "짜증나는",
        "후회",
    ],
    "긍정": [
        "재밌고",
        "감동적인",
        "최고",
        "명작",
        "추천한다",
        "훌륭한",
        "완벽한",
        "설레는",
        "만족스러운",
        "다시",
        "보고싶은",
        "대박",
    ],
}
ENGLISH = {
    "bad": [
        "boring",
        "awful",
        "waste",
        "terrible",
        "disappointing",
        "dull",
        "clumsy",
        "worst",
        "regret",
        "annoying",
        "weak",
    ],
    "good": [
        "wonderful",
        "moving",
        "brilliant",
        "recommend",
        "superb",
        "delight",
        "perfect",
        "charming",
        "masterpiece",
        "best",
    ],
    "so so": [
        "average",
        "ordinary",
        "passable",
        "fine",
        "usual",
        "middling",
        "okay",
        "standard",
        "typical",
        "plain",
        "normal",
    ],
}
COMMON = [
    "영화",
    "배우",
    "이야기",
    "그냥",
    "정말",
    "the",
    "film",
    "story",
    "actor",
    "it",
    "was",
    "and",
    "with",
    "음악",
    "장면",
    "ending",
]


def rows_of(words: dict[str, list[str]], rows: int, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    labels = [rng.choice(list(words)) for _ in range(rows)]
    texts = [" ".join(rng.sample(rng.choices(words[label], k=4) + rng.choices(COMMON, k=5), 9)) for label in labels]
    return texts, labels


def flipped(labels: list[str], share: float, seed: int = 1) -> tuple[list[str], set[int]]:
    rng = random.Random(seed)
    at = set(rng.sample(range(len(labels)), round(len(labels) * share)))
    names = sorted(set(labels))
    return [rng.choice([n for n in names if n != x]) if i in at else x for i, x in enumerate(labels)], at


@pytest.mark.parametrize(("words", "share"), [(KOREAN, 0.03), (KOREAN, 0.15), (ENGLISH, 0.03), (ENGLISH, 0.15)])
def test_flipped_labels_are_found(words, share):
    texts, right = rows_of(words, 1_500)
    labels, planted = flipped(right, share)
    doubt = suspicious_labels("single_label", texts, None, labels)
    assert len(doubt.rows) == 20 and doubt.judged == 1_500 and doubt.said == ""
    assert sum(row.position in planted for row in doubt.rows) >= 19  # precision at 20
    assert all(row.given == labels[row.position] for row in doubt.rows)
    assert sum(row.suggested == right[row.position] for row in doubt.rows) >= 18
    assert [row.doubt for row in doubt.rows] == sorted((row.doubt for row in doubt.rows), reverse=True)
    assert 0.4 * len(planted) <= doubt.count <= 1.2 * len(planted)
    assert 1 - share - 0.08 < doubt.right < 1 - share + 0.02


def test_right_labels_are_left_alone():
    texts, labels = rows_of(KOREAN, 800)
    assert suspicious_labels("single_label", texts, None, labels).count == 0


def test_same_seed_same_answer():
    texts, right = rows_of(ENGLISH, 400)
    labels, _ = flipped(right, 0.1)
    assert suspicious_labels("single_label", texts, None, labels, seed=3) == suspicious_labels(
        "single_label", texts, None, labels, seed=3
    )


def test_a_text_is_never_judged_by_its_own_copy():
    """Every text stands three times, once spelled otherwise; the wrong label of all three is still found."""
    texts, right = rows_of(KOREAN, 300)
    labels, planted = flipped(right, 0.03)
    tripled = [t for t in texts for t in (t, t, t.replace(" ", "  ") + "!")]
    doubt = suspicious_labels("single_label", tripled, None, [label for label in labels for _ in range(3)], most=3)
    assert {row.position // 3 for row in doubt.rows} <= planted and doubt.rows
    folds = module._folds(tripled, 0)
    assert (folds.reshape(-1, 3) == folds.reshape(-1, 3)[:, :1]).all() and set(folds.tolist()) == {0, 1, 2}


def test_random_labels_are_not_doubted():
    texts, _ = rows_of(KOREAN, 500)
    labels = random.Random(0).choices(["a", "b"], k=500)
    doubt = suspicious_labels("single_label", texts, None, labels)
    assert doubt.rows == [] and doubt.count == 0 and "can hardly tell these labels apart" in doubt.said


def test_multi_label():
    rng = random.Random(0)
    right = [[name for name in ENGLISH if rng.random() < 0.4] for _ in range(900)]
    texts = [
        " ".join([*rng.choices(COMMON, k=4), *(w for n in row for w in rng.sample(ENGLISH[n], 4))]) for row in right
    ]
    labels = [list(row) for row in right]
    planted = set(rng.sample(range(900), 30))
    for place in planted:
        labels[place] = [n for n in ENGLISH if (n in labels[place]) != (n == "good")]  # `good` put on or taken off
    doubt = suspicious_labels("multi_label", texts, None, labels)
    assert sum(row.position in planted for row in doubt.rows) >= 19
    for row in doubt.rows:
        if row.position in planted:
            assert {row.given, row.suggested} == {"good", "not good"}
            assert (row.given == "good") == ("good" in labels[row.position])


def test_regression():
    texts, labels = rows_of(KOREAN, 900)
    rng = np.random.default_rng(0)
    numbers = np.array([4.0 if label == "긍정" else 1.0 for label in labels]) + rng.normal(0, 0.1, 900)
    planted = rng.permutation(900)[:20]
    numbers[planted] = 5 - numbers[planted]
    doubt = suspicious_labels("regression", texts, None, [*numbers[:-1], float("nan")])
    assert doubt.judged == 899 and 15 <= doubt.count <= 22
    assert sum(row.position in planted for row in doubt.rows) >= 0.95 * len(doubt.rows)
    row = doubt.rows[0]
    assert row.given == numbers[row.position] and abs(row.suggested - row.given) > 1.5


def test_pairs():
    """Same or other words on the second side."""
    rng = random.Random(0)
    texts, pairs, right = [], [], []
    for _ in range(900):
        words = rng.sample([w for row in KOREAN.values() for w in row] + COMMON, 8)
        same = rng.random() < 0.5
        other = rng.sample(words, 8) if same else rng.sample(COMMON + ENGLISH["bad"], 8)
        texts.append(" ".join(words))
        pairs.append(" ".join(other))
        right.append("same" if same else "other")
    labels, planted = flipped(right, 0.05)
    doubt = suspicious_labels("single_label", texts, pairs, labels)
    assert sum(row.position in planted for row in doubt.rows) >= 19


def test_what_cannot_be_judged_is_left_out_and_said():
    texts, labels = rows_of(KOREAN, 200)
    texts, labels = [*texts, *texts[:3], "!!!", ""], [*labels, None, "드문", "드문", "긍정", "부정"]
    doubt = suspicious_labels("single_label", texts, None, labels)
    assert doubt.judged == 200 and doubt.said == f"Classes of fewer than {MIN_CLASS} rows were not judged."
    assert suspicious_labels("single_label", [], None, []).said.startswith("There are too few rows")
    assert suspicious_labels("single_label", texts[: MIN_ROWS - 1], None, labels[: MIN_ROWS - 1]).rows == []
    assert suspicious_labels("single_label", texts[:100], None, ["a"] * 100).judged == 0
    assert suspicious_labels("regression", texts[:100], None, [1.0] * 100).judged == 0
    assert suspicious_labels("multi_label", texts[:100], None, [[]] * 100) == Doubt(
        said="There are too few rows with different labels to doubt any."
    )


def test_time_is_bounded_by_leaving_rows_out(monkeypatch):
    texts, right = rows_of(KOREAN, 1_200)
    labels, planted = flipped(right, 0.05)
    monkeypatch.setattr(module, "CHARACTERS", sum(map(len, texts)) // 2)
    doubt = suspicious_labels("single_label", texts, None, labels)
    assert 550 < doubt.judged < 650 and doubt.said.startswith(
        f"{doubt.judged} rows of 1,200 were judged, drawn at random"
    )
    monkeypatch.setattr(module, "FITTED", 20_000)
    assert sum(row.position in planted for row in suspicious_labels("single_label", texts, None, labels).rows) >= 15


def test_ngrams_are_those_of_scikit_learn():
    texts = ["좋은 영화", "a good film", "aab", "", "ab ab"]
    counts = module._Hashed(2, paired=False)._counts(texts)
    reference = CountVectorizer(analyzer="char", ngram_range=module.NGRAMS, lowercase=False).fit_transform(texts)
    for row in range(len(texts)):
        assert sorted(counts[row].data.tolist()) == sorted(reference[row].data.tolist())


@pytest.mark.skipif(not NSMC.is_file(), reason="NSMC is not here")
def test_nsmc():
    lines = NSMC.read_text(encoding="utf-8").split("\n")[1:6001]
    texts, labels = zip(*(line.split("\t") for line in lines), strict=True)
    doubt = suspicious_labels("single_label", texts, None, labels)
    assert doubt.right > 0.75 and 5 <= doubt.count <= 150
