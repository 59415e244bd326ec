"""Entity and tag scores equal seqeval's and scikit-learn's, on well-formed and on broken tag sequences."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Tokens
from sklearn import metrics as reference_scores

from byeori.errors import DataError, SettingError
from byeori.metrics.entities import (
    EntityScore,
    TagScore,
    character_scores,
    entity_scores,
    spans,
    tag_scores,
)

KLUE = Path(__file__).parents[3] / "shared" / "data" / "klue" / "klue-ner-v1.1_dev.tsv"
CLOSE = {"rel": 1e-12, "abs": 1e-12}
BIO = ["O", "O", "B-PS", "I-PS", "B-인물", "I-인물", "B-ORG-X", "I-ORG-X", "B", "I"]
BIOES = [f"{prefix}-{label}" for prefix in "BIES" for label in ("PS", "LC")] + ["O", "O"]


def sequences(tags, rows: int, seed: int) -> list[list[str]]:
    """Random tags: mostly illegal; some rows empty."""
    rng = np.random.default_rng(seed)
    return [[tags[place] for place in rng.integers(0, len(tags), rng.integers(0, 12))] for _ in range(rows)]


def noisy(rows, tags, share: float, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[tags[rng.integers(len(tags))] if rng.random() < share else tag for tag in row] for row in rows]


def strict(tags, scheme):
    return [(entity.start, entity.end, entity.tag) for entity in Tokens(tags, scheme).entities]


@pytest.mark.parametrize("tags", [BIO, BIOES])
def test_spans_are_those_of_seqevals_default(tags):
    for row in sequences(tags, 800, seed=len(tags)):
        assert spans(row) == [(start, end + 1, label) for label, start, end in get_entities(row)]


def test_suffix_tags_are_those_of_seqevals_suffix_mode():
    for row in sequences(BIOES, 300, seed=3):
        turned = [tag if tag == "O" else "-".join(reversed(tag.split("-"))) for tag in row]
        assert spans(turned, suffix=True) == [
            (start, end + 1, label) for label, start, end in get_entities(turned, True)
        ]


@pytest.mark.parametrize(("name", "scheme", "tags"), [("BIO", IOB2, BIO), ("BIOES", IOBES, BIOES)])
def test_strict_spans_are_those_of_seqevals_strict_mode(name, scheme, tags):
    for row in sequences(tags, 800, seed=5):
        assert spans(row, name) == strict(row, scheme)


def test_bilou_is_bioes_under_other_letters():
    for row in sequences(BIOES, 300, seed=6):
        other = [tag.replace("E-", "L-").replace("S-", "U-") for tag in row]
        assert spans(other, "BILOU") == strict(other, BILOU) == spans(row, "BIOES")
        assert spans(other) == spans(row)


def test_how_a_broken_sequence_is_read():
    broken = ["O", "I-PS", "I-PS", "I-LC", "B-LC", "O"]
    assert spans(broken) == [(1, 3, "PS"), (3, 4, "LC"), (4, 5, "LC")]
    assert spans(broken, "BIO") == [(4, 5, "LC")]
    assert spans([]) == spans([], "BIO") == []


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("mode", ["conll", "BIO"])
def test_scores_equal_seqeval(seed, mode):
    reference = sequences(BIO, 60, seed)
    predicted = noisy(reference, BIO, 0.3, seed)
    how = {} if mode == "conll" else {"mode": "strict", "scheme": IOB2}
    sides = [[spans(row, mode) for row in side] for side in (predicted, reference)]
    found = entity_scores(*sides, per_class=True, resamples=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, function, average in (
            ("f1", f1_score, "micro"),
            ("precision", precision_score, "micro"),
            ("recall", recall_score, "micro"),
            ("macro_f1", f1_score, "macro"),
        ):
            assert found[name]["value"] == pytest.approx(
                function(reference, predicted, average=average, **how), **CLOSE
            )
        of_class = f1_score(reference, predicted, average=None, **how)
    own = [entry["value"] for name, entry in found.items() if name.startswith("f1.")]
    assert own == pytest.approx(list(of_class), **CLOSE)


def test_the_published_example_of_seqeval():
    # the example of seqeval's own documentation: MISC is one token too long, PER is right
    reference = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    found = entity_scores(*([spans(row) for row in side] for side in (predicted, reference)), per_class=True)
    assert {name: entry["value"] for name, entry in found.items()} == {
        "f1": 0.5,
        "precision": 0.5,
        "recall": 0.5,
        "macro_f1": 0.5,
        "f1.MISC": 0.0,
        "f1.PER": 1.0,
    }


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    reference = sequences(BIO, 40, 7)
    predicted = noisy(reference, BIO, 0.3, 7)
    weights = rng.integers(0, 4, 40)

    def repeat(rows):
        return [row for row, times in zip(rows, weights, strict=True) for _ in range(times)]

    ours, theirs = ([spans(row) for row in side] for side in (predicted, reference))
    once = EntityScore(ours, theirs)(weights)
    assert once == pytest.approx(EntityScore(repeat(ours), repeat(theirs))(), **CLOSE)
    once = TagScore(predicted, reference)(weights)
    assert once == pytest.approx(TagScore(repeat(predicted), repeat(reference))(), **CLOSE)


def test_intervals_are_settled_by_the_seed_and_hold_the_value():
    reference = sequences(BIO, 120, 8)
    sides = [[spans(row) for row in side] for side in (noisy(reference, BIO, 0.2, 8), reference)]
    found = entity_scores(*sides, resamples=300)
    assert found == entity_scores(*sides, resamples=300) != entity_scores(*sides, resamples=300, seed=1)
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())


def test_nothing_found_and_nothing_there_is_zero_as_in_seqeval():
    assert entity_scores([[]], [[]], resamples=0)["f1"]["value"] == 0.0
    assert entity_scores([[(0, 1, "A")]], [[]], resamples=0)["macro_f1"]["value"] == 0.0


def test_tag_scores_equal_sklearn():
    tags = ["NOUN", "VERB", "O", "조사", "X"]
    reference = sequences(tags, 80, 9)
    predicted = noisy(reference, tags, 0.3, 9)
    found = tag_scores(predicted, reference, resamples=200)
    ours, theirs = ([tag for row in side for tag in row] for side in (predicted, reference))
    assert found["accuracy"]["value"] == pytest.approx(reference_scores.accuracy_score(theirs, ours), **CLOSE)
    macro = reference_scores.f1_score(theirs, ours, average="macro", zero_division=0)
    assert found["macro_f1"]["value"] == pytest.approx(macro, **CLOSE)
    assert all(entry["low"] < entry["value"] < entry["high"] for entry in found.values())


def test_klue_character_f1_is_sklearns_over_the_tags():
    tags = [f"{prefix}-{label}" for label in ("PS", "LC", "OG", "DT", "TI", "QT") for prefix in "BI"] + ["O"]
    reference = sequences([*tags, *["O"] * 12], 150, 10)
    predicted = noisy(reference, tags, 0.2, 10)
    ours, theirs = ([tag for row in side for tag in row] for side in (predicted, reference))
    found = character_scores(predicted, reference, resamples=0)
    for name, labels in (("char_f1", tags[:-1]), ("char_f1_klue", tags)):
        expected = reference_scores.f1_score(theirs, ours, labels=labels, average="macro", zero_division=1.0)
        assert found[name]["value"] == pytest.approx(expected, **CLOSE)


@pytest.mark.skipif(not KLUE.exists(), reason="the KLUE file is not here")
def test_klue_ner_is_scored_as_klues_own_program_does():
    # strict entities of one long sequence without spaces, macro over the classes; every character, macro over the tags
    rows = [[]]
    for line in KLUE.read_text(encoding="utf-8").splitlines()[:20_000]:
        if line.startswith("## ") or not line.strip("\t"):
            rows = rows if not rows[-1] else [*rows, []]
        elif line.count("\t") == 1 and not line.startswith(" "):
            rows[-1].append(line.split("\t")[1])
    reference = [row for row in rows if row]
    tags = sorted({tag for row in reference for tag in row})
    predicted = noisy(reference, tags, 0.05, 11)
    theirs, ours = ([tag for row in side for tag in [*row, "O"]] for side in (reference, predicted))
    found = entity_scores(*([spans(row, "BIO") for row in side] for side in (predicted, reference)), resamples=0)
    expected = f1_score([theirs], [ours], average="macro", mode="strict", scheme=IOB2)
    assert len(reference) > 200 and len(tags) == 13
    assert found["macro_f1"]["value"] == pytest.approx(expected, **CLOSE)


def test_klue_character_f1_leaves_out_spaces():
    reference, predicted = [["B-PS", "O", "O"]], [["B-PS", "B-PS", "O"]]
    assert character_scores(predicted, reference, ["김 은"], resamples=0)["char_f1"]["value"] == 1.0
    assert character_scores(predicted, reference, resamples=0)["char_f1"]["value"] < 1.0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="2 predictions for 1 references"):
        entity_scores([[], []], [[]])
    with pytest.raises(DataError, match=r"Row 2: the predicted entity \(3, 3, 'A'\)"):
        entity_scores([[], [(3, 3, "A")]], [[], []])
    with pytest.raises(DataError, match="Row 1: the reference entity 'PS'"):
        entity_scores([[]], [["PS"]])
    with pytest.raises(DataError, match="LABEL_0"):
        spans(["O", "LABEL_0"])
    with pytest.raises(DataError, match="'E-PS'"):
        spans(["B-PS", "E-PS"], "BIO")
    with pytest.raises(SettingError, match="scheme='IOB9'"):
        spans(["O"], "IOB9")
    with pytest.raises(DataError, match="Row 1 has 1 predicted tags for 2"):
        tag_scores([["A"]], [["A", "B"]])
    with pytest.raises(DataError, match="no row has a tag"):
        tag_scores([[]], [[]])
    with pytest.raises(DataError, match="Row 1 has 3 characters"):
        character_scores([["O"]], [["O"]], ["가나다"])
    with pytest.raises(DataError, match="1 predictions for 2 references"):
        character_scores([["O"]], [["O"], ["O"]], ["가", "나"])
