"""Rows of words are answered by their own words, as they are scored; decomposed text by whole syllables."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from byeori.batches.answers import Answers
from byeori.data.read import read_rows
from byeori.metrics.entities import spans
from byeori.tasks import aggregation, tagged
from byeori.tasks.token_classification import TokenClassification
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.store import TokenStore
from families import Family

LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
FAMILIES = ["bert", "roberta", "xlm-roberta", "albert", "electra", "modernbert", "deberta-v2", "gpt2"]
# Words with signs in them, of which tokenizers and transformers make several; one that some of them make nothing of.
WORDS = [
    ["e-gima.com", ")", "가", "U.S.", "don't", "3.14%"],
    ["배송이", "\u200b", "빨라서", "좋아요ㅎㅎ", "😀", "뷁쀍에서", "(Seoul)", "@user", "#tag_1"],
    ["the", "best", "-", "cafe", "in", "제주도에서", "…", "!!"],
    ["네"],
]


def trained(unit="word", labels=LABELS):
    """A task as training leaves it."""
    task = TokenClassification(labels=labels)
    task.unit, task.trained_here, task.commonest = unit, True, "NOUN" if "NOUN" in labels else None
    return task


def store_of(task, rows, tokenizer, length=64, call=None):
    encoded = task.encode(rows, Encoder(tokenizer, length), labels=False, call=call)
    store = TokenStore.of(encoded, {"starts": "token", "ends": "token"})
    store.source = rows
    return store


def anything(task, store, seed=0):
    """Answers of a model that says anything of each token."""
    return Answers(
        np.random.default_rng(seed).normal(size=(store.tokens, len(task.labels))).astype(np.float32), store.offsets
    )


def rows_of(words=WORDS, text=None):
    return {"tokens": words, "text": text or [None] * len(words), "tags": [["O"] * len(row) for row in words]}


def as_scored(task, store, answers, rows):
    """The entities of `predictions` in characters, and the places of the words."""
    placed = tagged.placed(rows, task.unit)
    found = []
    for (_, places), tags in zip(placed, task.predictions(answers, store), strict=True):
        found.append([(places[a][0], places[b - 1][1], kind) for a, b, kind in spans(tags)])
    return found, placed


@pytest.mark.parametrize("length", [64, 12], ids=["whole", "cut"])
@pytest.mark.parametrize("family", FAMILIES)
def test_entities_of_words_are_those_that_are_scored(family, length):
    task, tokenizer = trained(), Family(family).tokenizer()
    for rows in (rows_of(), rows_of(WORDS[:1], ["e-gima.com)가 U.S. don't 3.14%"])):
        store, counted = store_of(task, rows, tokenizer, length), 0
        for seed in range(8):
            answers = anything(task, store, seed)
            wanted, placed = as_scored(task, store, answers, rows)
            found = task.decode(answers, store)
            assert [[(one["start"], one["end"], one["entity_group"]) for one in row] for row in found] == wanted
            counted += sum(map(len, wanted))
            for row, (text, _) in zip(found, placed, strict=True):
                assert all(one["word"] == text[one["start"] : one["end"]] and 0 < one["score"] <= 1 for one in row)
        assert counted > 4


@pytest.mark.parametrize("family", FAMILIES)
def test_tags_of_words_are_those_that_are_scored(family):
    """Bare tags: each word that a token stands for, with the tag that is scored."""
    task = trained(labels=["NOUN", "VERB", "X"])
    rows = rows_of()
    store = store_of(task, rows, Family(family).tokenizer())
    answers = anything(task, store)
    for found, tags, (text, places) in zip(
        task.decode(answers, store), task.predictions(answers, store), tagged.placed(rows, "word"), strict=True
    ):
        by_place = {(one["start"], one["end"]): one for one in found}
        assert len(by_place) == len(found) >= len(places) - 1 and list(by_place) == sorted(by_place)
        for (start, end), tag in zip(places, tags, strict=True):
            one = by_place.get((start, end))
            assert one is None and text[start:end] == "\u200b" or one["entity"] == tag
            assert one is None or one["word"] == text[start:end]


def test_a_strategy_that_is_asked_for_stays_that_of_transformers():
    """And plain text is answered by it, and models of others: only our default looks at the row's words."""
    task, tokenizer = trained(), Family("bert").tokenizer()
    rows = rows_of()
    store = store_of(task, rows, tokenizer)
    answers = anything(task, store)
    asked = task.decode(answers, store, task.call_settings({"aggregation_strategy": "first"}))
    assert asked != task.decode(answers, store)
    texts = {"text": tagged.texts(rows, "word")}
    plain = store_of(task, texts, tokenizer)
    assert plain.input_ids.tolist() == store.input_ids.tolist() and task.decode(answers, plain) == asked
    task.trained_here = False
    others = task.decode(answers, store)
    assert others == task.decode(answers, plain) and "index" in others[0][0]


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_windows_of_words_make_the_whole(family):
    """Where all windows say the same of a token, they say together what one long window says."""
    task, tokenizer = trained(), Family(family).tokenizer()
    rows = rows_of([[word for row in WORDS for word in row] * 3])
    whole = store_of(task, rows, tokenizer, 1_000)
    cut = store_of(task, rows, tokenizer, 24, task.call_settings({"stride": 6}))
    assert cut.sequences > 4 and len(cut) == len(whole) == 1
    table = np.random.default_rng(1).normal(size=(1_000, 20, len(LABELS))).astype(np.float32)

    def answers(store):
        starts, ends = store.columns["starts"], store.columns["ends"]
        return Answers(table[starts, ends - starts], store.offsets)

    (found,), (wanted,) = task.decode(answers(cut), cut), task.decode(answers(whole), whole)
    assert found == wanted and len(found) > 20


# decomposed text --------------------------------------------------------------------------------------------------------
def nfd(text):
    return unicodedata.normalize("NFD", text)


def composing(name):
    """The family's tokenizer with NFC in front, as those of XLM-R and T5 have it."""
    from tokenizers import normalizers

    tokenizer = Family(name).tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), *([backend.normalizer] if backend.normalizer else [])]
    )
    return tokenizer


@pytest.mark.parametrize("strategy", ["simple", "first", "average", "max", "word"])
@pytest.mark.parametrize("family", ["bert", "electra", "xlm-roberta", "roberta"])
def test_decomposed_text_is_answered_as_composed(family, strategy):
    """The same entities, words and scores; their characters are those of the text as it was given."""
    text, tokenizer = "어제 제주도에 김민수가 왔다. café 좋아요", composing(family)
    task = trained("character")
    call = task.call_settings({"aggregation_strategy": strategy, "ignore_labels": []})
    stores = [store_of(task, {"text": [one]}, tokenizer) for one in (text, nfd(text))]
    assert stores[0].input_ids.tolist() == stores[1].input_ids.tolist()
    answers = anything(task, stores[0])
    composed, apart = (task.decode(answers, store, call)[0] for store in stores)
    assert len(composed) == len(apart) > 4
    for one, other in zip(composed, apart, strict=True):
        assert nfd(text)[other["start"] : other["end"]] == nfd(text[one["start"] : one["end"]])
        written = unicodedata.normalize("NFC", other["word"])  # an unknown token is written as the text has it
        assert {**one, "start": 0, "end": 0} == {**other, "start": 0, "end": 0, "word": written}


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "albert"])
def test_decomposed_text_is_scored_as_composed(family):
    """Every mark of an entity is in it, where characters are scored."""
    text = nfd("어제 제주도에 왔다.")
    start = text.index(nfd("제주도에"))
    entities = [{"start": start, "end": start + len(nfd("제주도에")), "label": "LOC"}]
    rows = read_rows([{"text": text, "entities": entities}], roles=("text", "entities"), forms=(("text", "entities"),))
    task = trained("character")
    store = encode_rows(rows, task, Encoder(composing(family), 64))
    right = np.eye(len(LABELS), dtype=np.float32)[np.maximum(store.columns["labels"], 0)]
    assert task.predictions(Answers(right, store.offsets), store) == task.references(rows.table)


def test_no_entity_begins_or_ends_inside_a_syllable():
    """Tokens of single jamo, as vocabularies of bytes have them: what is found grows to its syllables."""
    text = nfd("어제 왔다")
    tokenizer = Family("roberta").tokenizer()
    at = np.arange(len(text))
    ids = np.full(len(text), tokenizer.convert_tokens_to_ids("a"))
    for first in range(len(text)):
        scores = np.zeros((len(text), 3), np.float32)
        scores[:, 0], scores[first] = 1.0, [0.0, 1.0, 0.0]
        tokens = aggregation.Tokens(text, ids, at, at + 1, at, scores)
        (one,) = aggregation.entities(tokens, "simple", ["O", "B-LOC", "I-LOC"], tokenizer)
        found = text[one["start"] : one["end"]]
        assert unicodedata.normalize("NFC", found) in "어제 왔다" and one["start"] <= first < one["end"]
