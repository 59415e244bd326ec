"""The baselines: what the trivial one says, and that the linear one learns, repeats itself and keeps to its limits."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from byeori.metrics import baselines
from byeori.metrics.baselines import linear, trivial
from byeori.metrics.regression import regression

SHARED = Path(__file__).parents[3] / "shared"
GOOD, BAD, PLACES = (
    ["좋아요", "최고다", "재밌네"],
    ["싫어요", "최악이다", "지루함"],
    ["극장에서", "집에서", "어제", "친구와"],
)


def reviews(n: int, seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    texts = [
        f"{rng.choice(PLACES)} 봤는데 {rng.choice(GOOD if label else BAD)} {rng.integers(100)}" for label in labels
    ]
    return texts, labels


def test_trivial():
    assert trivial("single_label", [0, 2, 2, 1], 3).tolist() == [2, 2, 2]
    assert trivial("single_label", [1, 0], 1).tolist() == [0]
    assert trivial("regression", [1, 2, 6], 2).tolist() == [3.0, 3.0]
    assert trivial("multi_label", np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1]]), 2).tolist() == [[True, False, False]] * 2
    assert trivial("multi_label", np.array([[0, 1], [0, 0], [0, 0]]), 1).tolist() == [[False, True]]
    assert trivial("single_label", [0], 0).shape == (0,)


def test_single_label_learns_and_repeats_itself():
    texts, labels = reviews(300, 0)
    asked, truth = reviews(100, 1)
    found = linear("single_label", texts, None, labels, asked, None, n_labels=2, seed=0)
    assert found.dtype == np.int64 and found.shape == (100,)
    assert (found == truth).mean() > 0.95
    assert (linear("single_label", texts, None, labels, asked, None, n_labels=2, seed=0) == found).all()


def test_multi_label_with_labels_always_and_never_on():
    texts, labels = reviews(300, 0)
    asked, truth = reviews(50, 1)
    flags = np.stack([labels == 1, labels == 0, np.ones(300, bool), np.zeros(300, bool)], axis=1)
    found = linear("multi_label", texts, None, flags, asked, None, n_labels=4, seed=0)
    assert found.dtype == bool and found.shape == (50, 4)
    assert (found[:, 0] == truth).mean() > 0.95
    assert found[:, 2].all() and not found[:, 3].any()


def test_regression_of_single_texts():
    texts, labels = reviews(300, 0)
    asked, truth = reviews(100, 1)
    found = linear("regression", texts, None, labels * 4.0 + 1, asked, None, n_labels=1, seed=0)
    assert found.dtype == np.float64
    assert regression(found, truth * 4.0 + 1)["pearson"] > 0.9


def random_pairs(n: int, seed: int, letters: str = "가나다라마바사아자차카타파하"):
    """Pairs whose second text repeats so many of the first one's ten words: only likeness says anything."""
    rng = np.random.default_rng(seed)
    first, second, kept = [], [], rng.integers(0, 11, n)
    for keep in kept:
        words = ["".join(rng.choice(list(letters), 4)) for _ in range(20)]
        first.append(" ".join(words[:10]))
        second.append(" ".join(words[10 - keep : 20 - keep]))
    return first, second, kept


def test_pairs_are_judged_by_their_likeness():
    first, second, kept = random_pairs(400, 0)
    asked_first, asked_second, truth = random_pairs(200, 1)
    found = linear("regression", first, second, kept / 2, asked_first, asked_second, n_labels=1, seed=0)
    assert regression(found, truth / 2)["pearson"] > 0.95
    found = linear("single_label", first, second, kept // 4, asked_first, asked_second, n_labels=3, seed=0)
    assert (found == truth // 4).mean() > 0.8


def test_siblings_of_a_training_premise_do_not_mislead():
    # each premise stands in three rows with three labels; the row left over has the label the two others have not
    rng = np.random.default_rng(0)
    premises, _, _ = random_pairs(200, 3)
    rows = [(premise, f"{rng.choice(PLACES)}", label) for premise in premises for label in range(3)]
    order = rng.permutation(len(rows))
    train, test = [rows[i] for i in order[:400]], [rows[i] for i in order[400:]]
    found = linear(
        "single_label",
        [row[0] for row in train],
        [row[1] for row in train],
        np.array([row[2] for row in train]),
        [row[0] for row in test],
        [row[1] for row in test],
        n_labels=3,
        seed=0,
    )
    assert (found == [row[2] for row in test]).mean() > 0.2  # with the premises' n-grams: below 0.1


def test_odd_inputs():
    texts, labels = reviews(60, 0)
    labels[:] = 1
    assert linear("single_label", texts, None, labels, ["", "x"], None, n_labels=2, seed=0).tolist() == [1, 1]
    assert linear("single_label", texts, None, labels, [], None, n_labels=2, seed=0).shape == (0,)
    few = linear("single_label", ["좋다", "싫다"], None, [1, 0], ["좋다", "싫다", ""], None, n_labels=2, seed=0)
    assert few[:2].tolist() == [1, 0]
    blank = linear("single_label", [""] * 30, [""] * 30, [0, 1, 1] * 10, ["", "글"], ["", ""], n_labels=2, seed=0)
    assert blank.tolist() == [1, 1]


def test_training_rows_are_left_out_in_equal_shares(monkeypatch):
    labels = np.array([0] * 900 + [1] * 98 + [2] * 2)
    texts = ["글"] * 1000
    rows = baselines._training_rows("single_label", texts, None, labels, 100, 0)
    assert np.bincount(labels[rows]).tolist() == [90, 9, 1]
    assert (rows == baselines._training_rows("single_label", texts, None, labels, 100, 0)).all()
    assert (rows != baselines._training_rows("single_label", texts, None, labels, 100, 1)).any()
    assert len(baselines._training_rows("regression", texts, None, labels, 100, 0)) == 100
    assert len(baselines._training_rows("single_label", texts, None, labels, 1000, 0)) == 1000
    monkeypatch.setattr(baselines, "MAX_TRAIN_CHARACTERS", 500)
    assert len(baselines._training_rows("single_label", texts, None, labels, 1000, 0)) == 500


def test_many_labels_share_fewer_columns():
    assert baselines.Features(2, paired=False).bits == 18
    many = baselines.Features(1_000, paired=True)
    assert many.ngram_columns * 1_000 <= baselines.MAX_COEFFICIENTS


def test_descent_takes_over_from_the_svm(monkeypatch):
    monkeypatch.setattr(baselines, "SVM_WORK", 0)
    texts, labels = reviews(300, 0)
    asked, truth = reviews(100, 1)
    assert (linear("single_label", texts, None, labels, asked, None, n_labels=2, seed=0) == truth).mean() > 0.95


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data is not here")
def test_nsmc():
    def read(name: str):
        with open(SHARED / "data" / "nsmc" / name, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return [row["document"] for row in rows], np.array([int(row["label"]) for row in rows])

    texts, labels = read("nsmc_30k.txt")
    asked, truth = read("ratings_rebuilt_10k.txt")
    found = linear("single_label", texts[:6000], None, labels[:6000], asked[:3000], None, n_labels=2, seed=0)
    assert (found == truth[:3000]).mean() > 0.78


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "regression"])
@pytest.mark.parametrize("paired", [False, True])
def test_a_matrix_in_files_predicts_the_same(monkeypatch, kind, paired):
    from byeori.data import mapped

    texts, labels = reviews(300, 0)
    asked, _ = reviews(40, 1)
    reference = {
        "single_label": labels,
        "multi_label": np.stack([labels, 1 - labels, labels], 1) > 0,
        "regression": labels * 2.0,
    }
    pairs = [(texts[::-1], asked[::-1])] if paired else [(None, None)]
    found = []
    for least, rows in ((1 << 40, 10_000), (1, 64)):
        monkeypatch.setattr(mapped, "LEAST", least)
        monkeypatch.setattr(mapped, "BLOCK", 1_000)
        monkeypatch.setattr(baselines, "SLICE", rows)
        for work in (baselines.SVM_WORK, 0):
            monkeypatch.setattr(baselines, "SVM_WORK", work)
            found.append(
                linear(
                    kind,
                    texts,
                    pairs[0][0],
                    reference[kind],
                    asked,
                    pairs[0][1],
                    n_labels=3 if kind == "multi_label" else 2,
                )
            )
    assert (found[0] == found[2]).all() and (found[1] == found[3]).all()


def test_weights_of_ngrams_are_those_of_scikit_learn():
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfTransformer

    texts, pairs = reviews(50, 0)[0], reviews(50, 1)[0]
    features = baselines.Features(2, paired=True)
    features.fit(texts, pairs)
    counted = sparse.vstack([features._counts(texts), features._counts(pairs)])
    assert (features._tfidf.idf_ == TfidfTransformer(sublinear_tf=True).fit(counted).idf_).all()
