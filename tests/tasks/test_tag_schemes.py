"""Labels as checkpoints write them (PER-B, S-PER, U-PER, X, without O), of words and of characters: whose entities they are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from byeori.batches.answers import Answers
from byeori.data.read import read_rows
from byeori.metrics.entities import spans
from byeori.predict.run import load_run
from byeori.tasks.tag_schemes import Parts, Scheme, to_bio
from byeori.tasks.token_classification import TokenClassification
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from families import Family

FORMS = {"roles": TokenClassification.roles, "required": (), "forms": TokenClassification.forms}
LETTERS = {"BIO": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
TYPES = ("LOC", "PER")
# Each way a checkpoint may write them.
SCHEMES = [Scheme(name, TYPES, suffix, sign) for name in LETTERS for suffix in (False, True) for sign in "-_"]
FOREIGN = [scheme for scheme in SCHEMES if not scheme.is_ours]


def named(scheme: Scheme) -> str:
    return scheme.write(["B-PER"])[0] + f" ({scheme.name})"


def labels_of(scheme: Scheme) -> list[str]:
    pairs = [(letter, kind) for kind in TYPES for letter in LETTERS[scheme.name]]
    sign = scheme.separator
    return ["O", *(f"{kind}{sign}{letter}" if scheme.suffix else f"{letter}{sign}{kind}" for letter, kind in pairs)]


def spans_of(*texts: tuple[str, list[tuple[str, str]]]):
    """Rows of texts with the entities named."""
    found = []
    for text, entities in texts:
        places = [(text.index(word), text.index(word) + len(word), kind) for word, kind in entities]
        found.append({"text": text, "entities": [{"start": a, "end": b, "label": kind} for a, b, kind in places]})
    return read_rows(found, SimpleNamespace(), **FORMS)


def tokenizer_of(family: str, *words: str):
    """The family's, in which these words are one token each."""
    tokenizer = Family(family).tokenizer()
    tokenizer.add_tokens(list(words))
    return tokenizer


# Entities of one token, of several, of two words, side by side with one of their type.
ROWS = [
    ("배송이 빨라서 좋아요 네", [("배송이", "PER"), ("빨라서 좋아요", "LOC"), ("네", "LOC")]),
    ("어제 Seoul 정말", [("Seoul", "LOC"), ("정말", "PER")]),
    ("배송이", [("배송이", "LOC")]),
]


def foreign(labels, rows):
    """The task of a checkpoint with these labels, which meets these rows."""
    task = TokenClassification(labels=labels)
    task.check(rows)
    return task


def said(task, store, tags):
    """Answers of a model that gives the tokens these tags."""
    return Answers(np.eye(len(task.labels), dtype=np.float32)[[task.labels.index(tag) for tag in tags]], store.offsets)


def right(task, store):
    """Answers of a model that gives every labelled token its label."""
    labels = np.asarray(store.columns["labels"])
    assert (labels >= 0).any()
    return Answers(np.eye(len(task.labels), dtype=np.float32)[np.maximum(labels, 0)], store.offsets)


# characters -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "gpt2"])
@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_labels_of_characters_are_read_as_they_were_written(scheme, family):
    rows = spans_of(*ROWS)
    task = foreign(labels_of(scheme), rows)
    assert task.unit == "character" and task.scheme == scheme
    store = encode_rows(rows, task, Encoder(tokenizer_of(family, "배송이", "정말"), 64))
    assert not any("begin or end inside a token" in note for note in rows.notes)
    predictions, references = task.predictions(right(task, store), store), task.references(rows.table)
    assert predictions == references and [len(spans(tags)) for tags in references] == [3, 2, 1]
    scores = task.score(predictions, references)
    assert scores["f1"]["value"] == scores["char_f1"]["value"] == 1.0


@pytest.mark.parametrize("scheme", SCHEMES, ids=named)
def test_an_entity_of_one_token_is_one_entity(scheme):
    tokenizer = tokenizer_of("bert", "홍길동")
    rows = spans_of(("홍길동 홍길동 네", [("홍길동", "PER")]))
    task = foreign(labels_of(scheme), rows)
    store = encode_rows(rows, task, Encoder(tokenizer, 64))
    assert store.tokens == 5
    alone = scheme.write(["B-PER"])[0]
    found = task.predictions(said(task, store, ["O", alone, alone, "O", "O"]), store)
    assert found == [["B-PER", "I-PER", "I-PER"] * 2 + ["O"]]
    # One entity over both, and letters that were never taught so: still whole tokens.
    first, last = scheme.write(["B-PER", "I-PER"])
    assert task.predictions(said(task, store, ["O", first, last, "O", "O"]), store) == [["B-PER", *["I-PER"] * 5, "O"]]
    (tags,) = task.predictions(said(task, store, ["O", last, alone, "O", "O"]), store)
    assert [(a, b) for a, b, _ in spans(tags)] == [(0, 3), (3, 6)]


@pytest.mark.parametrize("scheme", FOREIGN, ids=named)
def test_tokens_are_labelled_in_the_scheme(scheme):
    """Well formed, one run of letters an entity: a token alone is S or U, the last of several E or L."""
    rows = spans_of(*ROWS)
    task = foreign(labels_of(scheme), rows)
    store = encode_rows(rows, task, Encoder(tokenizer_of("bert", "배송이", "정말"), 64))
    for row, (_, entities) in enumerate(ROWS):
        tags = [task.labels[label] for label in store[row]["labels"] if label >= 0]
        bio = to_bio(tags, Parts(TYPES))
        assert scheme.write(bio) == tags and [kind for *_, kind in spans(bio)] == [kind for _, kind in entities]


@pytest.mark.parametrize("scheme", [one for one in FOREIGN if one.name == "BIO"], ids=named)
def test_a_model_is_evaluated_on_characters_as_its_twin_in_bio(tiny, scheme):
    """The same head under other names of labels finds the same entities (BIO with the letter behind, or another sign)."""
    made = {"auto": "AutoModelForTokenClassification", "seed": 4}
    rows = spans_of(*ROWS)
    found = [
        load_run(str(tiny("bert", labels=tuple(labels_of(one)), **made)), task=TokenClassification, precision="float32")
        .evaluate(rows, resamples=0)
        for one in (scheme, Scheme("BIO", TYPES))
    ]  # fmt: skip
    assert found[0]["loss"] == found[1]["loss"] and found[0]["f1"] == found[1]["f1"]


# labels of no scheme, and no O ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", ["word", "character"])
def test_labels_that_are_no_tags_are_outside(unit):
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "X", "[CLS]", "[SEP]"]
    tokenizer = Family("bert").tokenizer()
    if unit == "word":
        rows = read_rows(
            [{"tokens": ["배송이", "네", "어제"], "tags": ["B-LOC", "O", "O"]}], SimpleNamespace(), **FORMS
        )
    else:
        rows = spans_of(("배송이 네", [("배송이", "LOC")]))
    task = foreign(labels, rows)
    assert task.unit == unit and task.scheme.is_ours
    store = encode_rows(rows, task, Encoder(tokenizer, 64))
    tags = ["[CLS]", *["X"] * (store.tokens - 2), "[SEP]"]
    (found,) = task.predictions(said(task, store, tags), store)
    assert set(found) == {"O"} and len(found) == len(task.references(rows.table)[0])
    assert task.score([found], task.references(rows.table))["f1"]["value"] == 0.0
    tags[1] = "I-LOC"  # ill formed, as it was said
    (found,) = task.predictions(said(task, store, tags), store)
    assert found[0] == "I-LOC" and task.score([found], task.references(rows.table))["f1_strict"]["value"] == 0.0


def test_a_checkpoint_with_such_labels_is_evaluated(tiny):
    labels = ("X", "[CLS]", "[SEP]", "B-LOC", "I-LOC", "B-PER", "I-PER", "O")
    folder = tiny("bert", auto="AutoModelForTokenClassification", labels=labels)
    run = load_run(str(folder), task=TokenClassification, precision="float32")
    found = run.evaluate(spans_of(*ROWS), resamples=0)
    assert 0.0 <= found["f1"]["value"] <= 1.0


def test_a_checkpoint_without_o_is_evaluated(tiny):
    labels = ("B-LOC", "I-LOC", "B-PER", "I-PER")
    folder = tiny("bert", auto="AutoModelForTokenClassification", labels=labels)
    run = load_run(str(folder), task=TokenClassification, precision="float32")
    rows = spans_of(*ROWS)
    assert 0.0 <= run.evaluate(rows, resamples=0)["f1"]["value"] <= 1.0
    store = run.encode(rows, labels=True)
    predictions = run.task.predictions(run.engine.run(store), store)
    assert all(tag != "O" for row in predictions for tag in row)


# scores -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "scheme", [one for one in SCHEMES if one.name in ("BIO", "BIOES") and one.separator == "-"], ids=named
)
def test_scores_are_seqevals_of_the_tags_as_the_checkpoint_writes_them(scheme):
    rng = np.random.default_rng(3)
    words = [["배송이", "네", "어제", "정말", "좋아요", "비가", "왔다"]] * 20
    bio = [to_bio(rng.choice(["O", "O", "B-LOC", "I-LOC", "B-PER", "I-PER"], 7), Parts(TYPES)) for _ in words]
    wanted = [scheme.write(tags) for tags in bio]
    rows = read_rows([{"tokens": w, "tags": t} for w, t in zip(words, wanted, strict=True)], SimpleNamespace(), **FORMS)
    task = foreign(labels_of(scheme), rows)
    store = encode_rows(rows, task, Encoder(Family("bert").tokenizer(), 64))
    # Half of the words are tagged right, the others anyhow, ill formed too.
    given = [[t if rng.random() < 0.5 else str(rng.choice(task.labels)) for t in tags] for tags in wanted]
    of_word = iter(tag for tags in given for tag in tags)
    tags = [next(of_word) if label >= 0 else "O" for label in np.asarray(store.columns["labels"])]
    found = task.score(task.predictions(said(task, store, tags), store), task.references(rows.table))
    assert found["f1"]["value"] == pytest.approx(f1_score(wanted, given, suffix=scheme.suffix))
    assert 0.1 < found["f1"]["value"] < 0.9
    if scheme.is_ours:
        strict = f1_score(wanted, given, mode="strict", scheme=IOB2)
        assert found["f1_strict"]["value"] == pytest.approx(strict) and strict != found["f1"]["value"]
    else:
        assert "f1_strict" not in found  # it would be f1: reading the scheme repairs what is ill formed
