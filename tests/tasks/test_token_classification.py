"""token-classification: schemes, labels at the right tokens, entities equal to transformers' pipeline, scores, bad input."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

import byeori
from byeori.batches.answers import Answers
from byeori.data.read import read_rows
from byeori.errors import DataError, ModelError, SettingError
from byeori.metrics.entities import entity_scores, spans
from byeori.predict.run import load_run
from byeori.tasks import tagged
from byeori.tasks.tag_schemes import Parts, Scheme, of_labels, recognise, slips, to_bio
from byeori.tasks.token_classification import TokenClassification
from byeori.text.align import encode_whole, place
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.store import TokenStore
from families import Family

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
TEXTS = [
    "서울에 사는 김민수씨는 the best cafe 근처에서 일한다.",
    "I live in Seoul, near 강남역; 어제는 비가 왔다!",
    "  두 칸  띄고\t시작 ",
    "배송이 빨라서 좋아요ㅎㅎ 😀 뷁",
    "네",
    "",
]
WORDS = [["김민수는", "서울", "강남역", "에", "산다", "."], ["Seoul", "is", "big"], ["어제"], ["부산", "대구"]]
TAGS = [["B-PER", "B-LOC", "I-LOC", "O", "O", "O"], ["B-LOC", "O", "O"], ["O"], ["B-LOC", "B-LOC"]]
FORMS = {"roles": TokenClassification.roles, "required": (), "forms": TokenClassification.forms}


def rows_of(words=WORDS, tags=TAGS, **more):
    rows = [{"tokens": w, "tags": t} for w, t in zip(words, tags, strict=True)]
    return read_rows(rows, SimpleNamespace(**more), **FORMS)


def character_rows():
    """The first texts by character, spaces tagged O, with one entity each that ends inside a word."""
    found = []
    for text, name in ((TEXTS[0], "서울"), (TEXTS[1], "강남역"), (TEXTS[3], "배송")):
        start = text.index(name)
        tags = [
            "O" if not start <= i < start + len(name) else f"{'B' if i == start else 'I'}-LOC" for i in range(len(text))
        ]
        found.append({"tokens": list(text), "tags": tags})
    return read_rows(found, SimpleNamespace(), **FORMS)


@pytest.fixture(scope="session")
def tagger(tiny):
    """`tagger(family)` → a folder with a tiny token-classification model: the first seed whose tags change within texts."""

    def tags_change(folder):
        run = load_run(folder, task=TokenClassification, precision="float32")
        call = {"ignore_labels": []}
        return all(
            sum(map(len, run.predict(TEXTS, aggregation_strategy=how, **call))) > 12
            and sum(map(len, run.predict(TEXTS, aggregation_strategy=how))) > 2
            for how in ("simple", "first", "average", "max")
        )

    def folder(name):
        made = {"auto": "AutoModelForTokenClassification", "labels": tuple(LABELS)}
        return next(found for seed in range(30) if tags_change(found := str(tiny(name, seed=seed, **made))))

    return cache(folder)


def encoder_of(family, length=128):
    return Encoder(Family(family).tokenizer(), length)


def prepared(rows):
    task = TokenClassification()
    task.prepare(rows)
    return task


# schemes ------------------------------------------------------------------------------------------------------------
BIO = ["B-LOC", "I-LOC", "O", "B-LOC", "B-LOC", "I-LOC", "I-LOC", "O", "B-PER", "B-LOC"]
WRITTEN = {
    "BIO": BIO,
    "IOB1": ["I-LOC", "I-LOC", "O", "I-LOC", "B-LOC", "I-LOC", "I-LOC", "O", "I-PER", "I-LOC"],
    "BIOES": ["B-LOC", "E-LOC", "O", "S-LOC", "B-LOC", "I-LOC", "E-LOC", "O", "S-PER", "S-LOC"],
    "BILOU": ["B-LOC", "L-LOC", "O", "U-LOC", "B-LOC", "I-LOC", "L-LOC", "O", "U-PER", "U-LOC"],
    "BMES": ["B-LOC", "E-LOC", "O", "S-LOC", "B-LOC", "M-LOC", "E-LOC", "O", "S-PER", "S-LOC"],
}


def here(row):
    return f"a.tsv, row {row + 1}"


@pytest.mark.parametrize("suffix", [False, True], ids=["prefix", "suffix"])
@pytest.mark.parametrize("separator", ["-", "_"])
@pytest.mark.parametrize("name", WRITTEN)
def test_scheme_is_recognised_converted_and_written_back(name, separator, suffix):
    def spelled(tag):
        if tag == "O":
            return tag
        return separator.join(reversed(tag.split("-"))) if suffix else tag.replace("-", separator)

    tags = [spelled(tag) for tag in WRITTEN[name]]
    scheme = recognise([tags[:5], tags[5:], tags], here)
    assert (scheme.name, scheme.suffix, scheme.separator, scheme.types) == (name, suffix, separator, ("LOC", "PER"))
    assert to_bio(tags, Parts(scheme.types)) == BIO
    assert scheme.write(BIO) == tags
    assert scheme.is_ours == (name == "BIO" and not suffix and separator == "-")


@trials(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["O", *(f"{letter}-{kind}" for letter in "BIESLU" for kind in ("A", "B-x"))]), max_size=12)
)
def test_bio_holds_the_entities_that_conlleval_reads(tags):
    bio = to_bio(tags, Parts({"A", "B-x"}))
    assert spans(bio, "BIO") == spans(bio) == spans(tags)
    for name in WRITTEN:
        again = Scheme(name, ("A", "B-x")).write(bio)
        assert to_bio(again, Parts({"A", "B-x"})) == bio


def test_letters_alone_and_bare_tags():
    alone = recognise([["B", "I", "O"]], here)
    assert (alone.name, alone.types) == ("BIO", ("ENTITY",))
    assert to_bio(["B", "I", "O", "I"], Parts(alone.types)) == ["B-ENTITY", "I-ENTITY", "O", "B-ENTITY"]
    for tags in (["NOUN", "VERB", "O"], ["NNG+JKS", "B-x", "SF"], ["0", "3", "7"], ["B", "E", "S", "V", "A"]):
        assert recognise([tags], here).bare, tags


def test_what_a_scheme_is_called():
    assert recognise([WRITTEN["BIO"]], here).said == "BIO, 2 types of entities"
    assert (
        "PER-B" not in recognise([["LOC-B", "O"]], here).said and "written LOC-B" in recognise([["LOC-B"]], here).said
    )
    assert "1 entities begin with an I-" in recognise([["B-A", "O", "I-A"]], here).said


def test_tags_of_no_scheme_are_refused():
    with pytest.raises(DataError, match=r'a.tsv, row 2: the tag "0" \(token 1\) fits no scheme.*such as B-LOC'):
        recognise([["B-LOC", "I-LOC"], ["0", "B-PER"]], here)
    with pytest.raises(DataError, match='Did you mean "B-LOC"'):
        recognise([["B-LOC", "I-LOC", "O", "b-LOC", "B-PER"]], here)
    with pytest.raises(DataError, match='all tags of these 2 rows are "O"'):
        recognise([["O"], ["O", "O"]], here)


def test_tag_that_occurs_once_and_resembles_another_is_pointed_out():
    rows = [["B-location", "O"]] * 30 + [["B-locaton", "O"], ["B-person"]]
    (said,) = slips(rows, recognise(rows, here), here)
    assert said.startswith('a.tsv, row 31: "locaton" occurs once and resembles "location" (30 times)')
    rows = [["NOUN"]] * 30 + [["Noun"], ["VERB"]]
    assert '"Noun" occurs once and resembles "NOUN"' in slips(rows, recognise(rows, here), here)[0]
    rows = [["NNG+JKS"]] * 30 + [[f"NNG+JK{i}"] for i in range(9)]
    assert slips(rows, recognise(rows, here), here) == []  # a large tag set has rare tags by its nature


# tokens and units ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", ["bert", "albert", "xlm-roberta", "camembert", "electra", "distilbert"])
def test_word_labels_are_those_of_the_course(family):
    """tokenize_and_align_labels with word_ids(), for tokenizers that read words as they read the text."""
    task, encoder = prepared(rows_of()), encoder_of(family)
    encoded = task.encode({"tokens": WORDS, "tags": TAGS}, encoder)
    theirs = encoder.tokenizer(WORDS, is_split_into_words=True)
    labels, ids = [], []
    for row, tags in enumerate(TAGS):
        words = theirs.word_ids(row)
        new = [w is not None and w not in words[:i] for i, w in enumerate(words)]
        labels += [task.labels.index(tags[w]) if first else -100 for w, first in zip(words, new, strict=True)]
        ids += theirs["input_ids"][row]
    assert encoded.input_ids.tolist() == ids
    assert encoded.columns["labels"].tolist() == labels


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert", "gpt2", "llama"])
def test_characters_give_their_tag_to_the_token_that_begins_there(family):
    rows = character_rows()
    task, encoder = prepared(rows), encoder_of(family)
    assert task.unit == "character" and task.labels == ["O", "B-LOC", "I-LOC"]
    table = rows.table[:]
    encoded = task.encode(table, encoder)
    starts, ends, labels = (encoded.columns[name] for name in ("starts", "ends", "labels"))
    places = np.split(np.arange(len(starts)), np.cumsum(encoded.lengths)[:-1])
    for tags, tokens, text in zip(table["tags"], places, ["".join(one) for one in table["tokens"]], strict=True):
        last = None
        for token in tokens:
            inside = (
                [i for i in range(starts[token], ends[token]) if not text[i].isspace()] if starts[token] >= 0 else []
            )
            if not inside:
                assert labels[token] == -100
                continue
            wanted = tags[inside[0]] if inside[0] != last else tags[inside[0]].replace("B-", "I-")
            assert task.labels[labels[token]] == wanted, (text[starts[token] : ends[token]], wanted)
            last = inside[0]


def oracle(task, store):
    """Answers of a model that gives every labelled token its label."""
    labels = np.asarray(store.columns["labels"])
    return Answers(
        np.eye(len(task.labels), dtype=np.float32)[np.maximum(labels, 0)] * (labels >= 0)[:, None], store.offsets
    )


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "deberta-v2", "modernbert", "gpt2"])
@pytest.mark.parametrize("rows", [rows_of, character_rows], ids=["words", "characters"])
def test_right_labels_give_the_right_answers(family, rows):
    """Labels → predictions is the way back, through windows of characters that are bytes, words and spaces."""
    rows = rows()
    task = prepared(rows)
    store = encode_rows(rows, task, encoder_of(family))
    references = task.references(rows.table)
    found = task.score(task.predictions(oracle(task, store), store), references)
    assert found["f1"]["value"] == found["f1_strict"]["value"] == found["f1.LOC"]["value"] == 1.0
    if task.unit == "character":
        assert found["char_f1"]["value"] == 1.0
        assert [len(one) for one in references] == [sum(not t.isspace() for t in row) for row in rows.table["tokens"]]


def test_text_of_the_row_is_used_where_the_tokens_stand_in_it():
    rows = {
        "tokens": [["e-gima.com", ")", "가"], ["a", "b"]],
        "text": ["e-gima.com)가", "a x b"],
        "tags": [["A"] * 3, ["B"] * 2],
    }
    one, other = tagged.read(rows, "word")
    assert one.text == "e-gima.com)가" and one.words()[1] == {"entity": "A", "word": ")", "start": 10, "end": 11}
    assert other.text == "a b" and (other.starts, other.ends) == ([0, 2], [1, 3])
    assert tagged.unplaced(rows) == 1
    assert place(["a", "b"], "a  b") == [(0, 1), (3, 4)] and place(["a"], "a b") is None


def test_spans_are_characters():
    given = [
        {
            "text": "서울 시청에 산다",
            "entities": [{"start": 0, "end": 5, "label": "LC"}, {"start": 3, "end": 5, "label": "OG"}],
        }
    ]
    rows = read_rows(given, SimpleNamespace(), **FORMS)
    task = prepared(rows)
    assert task.unit == "character" and task.labels == ["O", "B-LC", "I-LC", "B-OG", "I-OG"]
    assert any("1 entities overlap" in note for note in rows.notes)
    assert task.references(rows.table) == [["B-LC", "I-LC", "I-LC", "I-LC", "O", "O", "O"]]
    assert task.right_answer(rows.table[0]) == [{"entity_group": "LC", "word": "서울 시청", "start": 0, "end": 5}]


def test_tokens_of_a_tokenizer_in_python_are_found_in_the_text():
    tokenizer = Family("marian").tokenizer()
    assert not tokenizer.is_fast
    text = TEXTS[0].replace("김", "뷁")  # an unknown one
    pieces = encode_whole(Encoder(tokenizer, 128), [text])
    real = pieces.starts >= 0
    assert pieces.ids.tolist() == tokenizer(text)["input_ids"]
    words = [text[a:b] for a, b in zip(pieces.starts[real], pieces.ends[real], strict=True)]
    names = tokenizer.convert_ids_to_tokens(pieces.ids[real].tolist())
    assert all(word == name.lstrip("▁") for word, name in zip(words, names, strict=True) if name != tokenizer.unk_token)
    assert "뷁" in words


def test_entities_that_end_inside_a_token_are_counted():
    """One unknown token for the whole word: its entity and the particle after it can't be told apart."""
    rows = read_rows(
        [{"text": "뷁쀍에서 네", "entities": [{"start": 0, "end": 2, "label": "LC"}]}], SimpleNamespace(), **FORMS
    )
    task = prepared(rows)
    (said,) = task.notes(encode_rows(rows, task, encoder_of("bert")))
    assert said.startswith("1 of 1 entities begin or end inside a token of this tokenizer")
    assert task.notes(encode_rows(rows, task, encoder_of("roberta"))) == []


def test_what_is_too_long_is_cut_and_counted_and_missed():
    rows = rows_of([["서울", *["좋아요"] * 60, "서울"]], [["B-LOC", *["O"] * 60, "B-LOC"]])
    task = prepared(rows)
    store = encode_rows(rows, task, encoder_of("bert", 32))
    assert store.truncated == 1 and store.tokens == 32 and "were cut" in "\n".join(rows.notes)
    whole = sum(label >= 0 for label in store[0]["labels"])
    assert task.notes(store)[0].startswith(f"{62 - whole} of 62 words have no token that stands for them")
    predictions = task.predictions(oracle(task, store), store)
    assert predictions[0][0] == "B-LOC" and predictions[0][-1] == "O" and len(predictions[0]) == 62
    assert task.score(predictions, task.references(rows.table))["recall"]["value"] == 0.5


# equal to transformers ----------------------------------------------------------------------------------------------
def close(ours, theirs):
    """The same entries in the same order, scores to 1e-5."""
    assert len(ours) == len(theirs), (ours, theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert {k: v for k, v in one.items() if k != "score"} == {k: v for k, v in other.items() if k != "score"}
        assert math.isclose(one["score"], float(other["score"]), abs_tol=1e-5)
    json.dumps(ours)


@pytest.fixture(scope="session")
def both(tagger):
    """`both(family)` → our run of a plain checkpoint, and transformers' pipeline of it."""
    import transformers

    made = {}

    def pair(name):
        if name not in made:
            folder = tagger(name)
            theirs = transformers.pipeline("ner", model=folder, tokenizer=folder, device=-1)
            made[name] = load_run(folder, task=TokenClassification, precision="float32"), theirs
        return made[name]

    return pair


@pytest.mark.parametrize("strategy", [None, "none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "albert", "modernbert"])
def test_entities_are_those_of_transformers(both, family, strategy):
    run, theirs = both(family)
    texts = [text for text in TEXTS if text.strip()]
    call = {} if strategy is None else {"aggregation_strategy": strategy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [theirs(text, **call) for text in texts]
        every = [theirs(text, ignore_labels=[], **call) for text in texts]
    assert sum(map(len, wanted)) > 2 and sum(map(len, every)) > 10
    for ours, one in zip(run.predict(texts, **call), wanted, strict=True):
        close(ours, one)
    for ours, one in zip(run.predict(texts, ignore_labels=[], **call), every, strict=True):
        close(ours, one)


def test_nothing_in_it_gives_no_entities(both):
    run, _ = both("gpt2")
    assert run.predict(["", "  "], aggregation_strategy="first", ignore_labels=[])[0] == []


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("stride", [0, 7])
def test_windows_of_long_texts_are_those_of_transformers(both, family, stride):
    run, theirs = both(family)
    limit = theirs.tokenizer.model_max_length
    texts = [" ".join(TEXTS * 4), TEXTS[0]]
    assert len(theirs.tokenizer(texts[0], truncation=False, verbose=False)["input_ids"]) > limit
    for strategy in ("simple", "max"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = [theirs(text, stride=stride, aggregation_strategy=strategy) for text in texts]
        found = run.predict(texts, stride=stride, aggregation_strategy=strategy)
        for ours, one in zip(found, wanted, strict=True):
            close(ours, one)
        every = {"aggregation_strategy": strategy, "ignore_labels": []}
        whole, cut = run.predict(texts[:1], stride=stride, **every), run.predict(texts[:1], **every)
        assert whole[0][-1]["end"] > cut[0][-1]["end"]


def test_lists_of_words_are_those_of_transformers(both):
    run, theirs = both("bert")
    call = run.task.call_settings({"is_split_into_words": True, "delimiter": "  "})
    (row,), single = run.task.inputs(WORDS[0], call)
    assert not single and row == {"tokens": WORDS[0]}  # answered by a list of one, as transformers does
    (ours,) = run.predict([WORDS[0]], aggregation_strategy="first", is_split_into_words=True, delimiter="  ")
    close(ours, *theirs(WORDS[0], aggregation_strategy="first", is_split_into_words=True, delimiter="  "))


def test_pipeline_takes_what_transformers_takes(tagger):
    """Enumerations, generators and words in the caller's own spelling, with the shapes transformers has."""
    import transformers
    from transformers.pipelines.token_classification import AggregationStrategy

    folder = tagger("bert")
    ours = byeori.pipeline(
        TokenClassification, folder, precision="float32", aggregation_strategy=AggregationStrategy.MAX
    )
    theirs = transformers.pipeline("ner", model=folder, aggregation_strategy=AggregationStrategy.MAX, device=-1)
    close(ours(TEXTS[0]), theirs(TEXTS[0]))
    for one, other in zip(ours(TEXTS[:2]), theirs(TEXTS[:2]), strict=True):
        close(one, other)
    close(next(ours(text for text in TEXTS)), theirs(TEXTS[0]))
    for words in (WORDS[0], WORDS[:2]):
        for one, other in zip(
            ours(words, is_split_into_words=True), theirs(words, is_split_into_words=True), strict=True
        ):
            close(one, other)


def test_word_is_first_with_neighbours_apart(both):
    run, _ = both("bert")
    words = run.predict(TEXTS[:2], aggregation_strategy="word", ignore_labels=[])
    groups = run.predict(TEXTS[:2], aggregation_strategy="first", ignore_labels=[])
    for some, whole in zip(words, groups, strict=True):
        assert len(some) > len(whole)
        assert {one["start"] for one in whole} <= {one["start"] for one in some}
        assert [one["word"] for one in some] == [TEXTS[words.index(some)][one["start"] : one["end"]] for one in some]


# training -----------------------------------------------------------------------------------------------------------
QUIET = {"threads": 1, "precision": "float32", "batch_size": 8, "learning_rate": 5e-3, "previews": 2}


NAMES = {"LOC": ["강남역", "Seoul", "부산"], "PER": ["김민수", "Mina", "철수"]}


def sentences(count=160):
    """Names among words of the tiny vocabularies: a place before the particle 에서, a person before 씨."""
    rng = np.random.default_rng(0)
    words = ["배송이", "좋아요", "빨라서", "네", "the", "good", "어제", "비가", "왔다", "color", "is", "정말", "size"]
    found = []
    for _ in range(count):
        kind = ("LOC", "PER")[rng.integers(2)]
        name, (before, after) = NAMES[kind][rng.integers(3)], rng.choice(words, 2)
        text = f"{before} {name}{'에서' if kind == 'LOC' else '씨'} {after}"
        start = len(before) + 1
        found.append({"text": text, "entities": [{"start": start, "end": start + len(name), "label": kind}]})
    return found


@pytest.fixture(scope="session")
def trained(tiny, tmp_path_factory):
    """A run over texts with spans."""
    return byeori.train(
        TokenClassification, str(tiny("bert", auto="AutoModel")), train=sentences(), epochs=10, validation_size=0.2,
        test_size=0.2, output=str(tmp_path_factory.mktemp("ner") / "run"), **QUIET,
    )  # fmt: skip


def test_it_learns_and_says_what_it_read(trained):
    facts = json.loads((trained.path / "data.json").read_text(encoding="utf-8"))["parts"]["train"]
    assert "Entities of 2 types (LOC, PER), learnt as BIO." in facts["notes"]
    assert facts["labels"]["B-LOC"] > 0 and facts["labels"]["I-LOC"] > 0
    history = [json.loads(line) for line in (trained.path / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["validation"]["loss"] for line in history if "validation" in line]
    assert losses[-1] < losses[0] / 2
    scores = trained.metrics["test"]
    assert scores["f1"]["value"] > 0 and scores["f1"]["low"] <= scores["f1"]["value"] <= scores["f1"]["high"]
    names = {
        "f1",
        "f1_strict",
        "precision",
        "recall",
        "macro_f1",
        "f1.LOC",
        "f1.PER",
        "char_f1",
        "char_f1_klue",
        "loss",
    }
    assert set(scores) == names
    assert trained.metrics["baseline"]["trivial"]["f1"]["value"] == 0.0
    assert trained.metrics["baseline"]["linear"]["f1"]["value"] == 1.0  # three names of each kind are a lexicon
    samples = [json.loads(line) for line in (trained.path / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    right = [one for one in samples if one["right"] and one["prediction"]]
    assert right and all(one["prediction"] == one["reference"] for one in right)
    assert all(f"<{one['reference'][0]}>" in one["inputs"]["text"] for one in right)


def test_run_is_loaded_with_its_default_and_as_plain_transformers(trained):
    import transformers

    again = load_run(trained.path, task=TokenClassification, precision="float32")
    texts = ["배송이 Seoul에서 네", "철수씨 네", "Mina씨 네 Seoul에서"]
    found = again.predict(texts)
    assert sum(map(len, found)) >= 3 and all("entity_group" in one for row in found for one in row)
    for ours, theirs in zip(found, trained.predict(texts), strict=True):
        close(ours, theirs)
    plain = transformers.pipeline("ner", model=str(trained.path / "model"), aggregation_strategy="simple", device=-1)
    for ours, theirs in zip(found, plain(texts), strict=True):
        close(ours, theirs)
    assert again.task.state() == trained.task.state() and again.task.unit == "character"


def test_files_are_answered_whatever_they_hold(trained, tmp_path):
    """Texts, words and characters of one sentence: the same entities; with tags in the file too, which are not looked at."""
    text = "어제 Mina씨 정말"
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": text}), encoding="utf-8")
    (tmp_path / "words.jsonl").write_text(json.dumps({"tokens": text.split()}), encoding="utf-8")
    lines = [f"{character}\t{'B-PER' if character == 'M' else 'O'}\n" for character in text] * 2
    (tmp_path / "characters.conll").write_text(
        "".join([*lines[: len(text)], "\n", *lines[len(text) :]]), encoding="utf-8"
    )
    wanted = trained.predict([text])[0]
    for name in ("texts.jsonl", "words.jsonl", "characters.conll"):
        for found in trained.predict(str(tmp_path / name)):
            close(found, wanted)


def test_pieces_of_the_short_way():
    """byeori.encode learns the labels, and puts them at the tokens of each entity."""
    tokenizer = Family("roberta").tokenizer()  # of bytes, so that no token goes beyond an entity
    task = TokenClassification()
    store = byeori.encode(sentences(3), task, tokenizer)
    assert task.labels == LABELS and store.levels["labels"] == "token" and len(store) == 3
    for row, one in enumerate(sentences(3)):
        (span,) = one["entities"]
        tokens = [i for i, label in enumerate(store[row]["labels"]) if label > 0]
        assert store[row]["starts"][tokens[0]] == span["start"] and store[row]["ends"][tokens[-1]] == span["end"]


def test_loss_is_the_models_own(trained):
    rows = read_rows(sentences(3), SimpleNamespace(), **FORMS)
    store = trained.encode(rows, labels=True)
    batch = {name: torch.tensor([store[2][name]]) for name in ("input_ids", "labels")}
    with torch.inference_mode():
        trained.model.set_attn_implementation("eager")
        wanted = float(trained.model(**batch).loss)
    found = trained.evaluate(rows.select([2]), resamples=0)
    assert math.isclose(found["loss"]["value"], wanted, abs_tol=1e-5)


def test_scores_of_a_checkpoint_in_another_scheme(tiny, tmp_path):
    """Labels after the type, as Korean checkpoints have them: the same entities, whatever file and model write."""
    labels = ("O", "LOC-B", "LOC-I", "PER-B", "PER-I")
    folder = tiny("bert", auto="AutoModelForTokenClassification", labels=labels)
    run = load_run(str(folder), task=TokenClassification, precision="float32")
    found = [
        run.evaluate(rows_of(WORDS, tags), resamples=0) for tags in (TAGS, [Scheme("BIOES", ()).write(t) for t in TAGS])
    ]
    assert found[0] == found[1] and not math.isnan(found[0]["loss"]["value"])
    store = run.encode(rows_of(), labels=True)
    assert run.task.predictions(oracle(run.task, store), store) == TAGS
    assert run.predict(["서울에 산다"])[0][0].keys() == {"entity", "score", "index", "word", "start", "end"}


def test_what_is_written_of_words_is_what_is_scored(tiny, tmp_path):
    """The entities of predictions/test.jsonl are those behind the scores of metrics.json, signs inside words or not."""
    words = [[a, f"@{b}!", c, f"{d}-1.5", e] for a in "네또참" for b in ("김민수", "박철수") for c in ("정말", "어제")
             for d in ("강남역", "서울역") for e in ("좋아요", "빨라서", "왔다네")]  # fmt: skip
    tags = ["O", "B-PER", "O", "B-LOC", "I-LOC"]
    run = byeori.train(
        TokenClassification, str(tiny("bert", auto="AutoModel")), train=rows_of(words, [tags] * len(words)),
        output=str(tmp_path / "run"), epochs=4, validation_size=0.2, test_size=0.3, **QUIET,
    )  # fmt: skip
    written = (run.path / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [json.loads(line) for line in written]
    found = [[(one["start"], one["end"], one["entity_group"]) for one in line["prediction"]] for line in lines]
    score = entity_scores(found, [[(2, 7, "PER"), (11, 22, "LOC")]] * len(found), resamples=0)["f1"]["value"]
    assert score == pytest.approx(run.metrics["test"]["f1"]["value"]) and score > 0


def test_bare_tags_are_scored_as_scikit_learn_does(tiny, tmp_path):
    from sklearn.metrics import accuracy_score, f1_score

    words = [one["text"].split() for one in sentences(40)]
    tags = [["VERB" if w in ("좋아요", "왔다") else "X" if w.isascii() else "NOUN" for w in row] for row in words]
    rows = rows_of(words, tags)
    run = byeori.train(
        TokenClassification, str(tiny("bert", auto="AutoModel")), train=rows, output=str(tmp_path / "run"), epochs=2,
        validation_size=0.2, test_size=0.2, **QUIET,
    )  # fmt: skip
    assert run.task.labels == ["NOUN", "VERB", "X"] and run.task.best == "accuracy"
    store = run.encode(rows, labels=True)
    said = run.task.predictions(run.engine.run(store), store)
    flat, wanted = ([tag for row in side for tag in row] for side in (said, tags))
    found = run.evaluate(rows, resamples=0)
    assert math.isclose(found["accuracy"]["value"], accuracy_score(wanted, flat))
    assert math.isclose(found["macro_f1"]["value"], f1_score(wanted, flat, average="macro", zero_division=0))
    (answer,) = run.predict([" ".join(words[0])])
    assert [one["entity"] for one in answer] == said[0] and [one["word"] for one in answer] == words[0]
    baseline = {kind: scores["accuracy"]["value"] for kind, scores in run.metrics["baseline"].items()}
    assert baseline["trivial"] < baseline["linear"]
    shown = run.task.show(rows.table[0], answer, run.task.right_answer(rows.table[0]))
    assert shown["inputs"]["text"] == " ".join(f"{w}/{t}" for w, t in zip(words[0], said[0], strict=True))
    assert shown["reference"] == tags[0] and shown["right"] == (said[0] == tags[0])


def test_lexicon_of_characters_knows_words_between_spaces():
    rows = character_rows()
    task = prepared(rows)
    assert task.baseline("linear", rows, rows, 0) == task.references(rows.table)
    assert task.baseline("trivial", rows, rows, 0)[0] == ["O"] * len(task.references(rows.table)[0])


def test_equal_sentences_stay_on_one_side_of_a_split():
    groups = TokenClassification().groups(rows_of([["a"], ["b"], ["a"]], [["O"]] * 3))
    assert groups[0] == groups[2] != groups[1]


def test_labels_given_set_the_order():
    rows = rows_of()
    task = TokenClassification(labels=["PER", "LOC"])
    task.prepare(rows)
    assert task.labels == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    task = TokenClassification(labels=["B-LOC", "I-LOC", "B-PER", "I-PER", "O"])
    task.prepare(rows)
    assert task.labels[-1] == "O"
    with pytest.raises(DataError, match="lack: LOC"):
        TokenClassification(labels=["O", "B-PER", "I-PER"]).prepare(rows)


# bad input ----------------------------------------------------------------------------------------------------------
def test_validation_rows_that_do_not_fit():
    task = prepared(rows_of())
    some = rows_of([["a", "b", "c"]], [["B-LOC", "B-PER", "B-DATE"]])
    task.check(some)
    assert "1 of 3 entities have a tag that training lacks (DATE)" in some.notes[-1]
    encoded = task.encode(some.table[:], encoder_of("bert"))
    assert (encoded.columns["labels"] >= 0).sum() == 2
    with pytest.raises(DataError, match=r"most tags here are none the model knows \(DATE; it knows LOC, PER"):
        task.check(rows_of([["a", "b"]], [["B-DATE", "O"]]))
    with pytest.raises(DataError, match="the tags are bare, 2 of them, the model's are BIO"):
        task.check(rows_of([["a", "b"]], [["NOUN", "VERB"]]))
    with pytest.raises(DataError, match="trained on tags of words, and these are tags of characters"):
        task.check(character_rows())


def test_calls_that_can_not_be_answered(both):
    run, _ = both("bert")
    for inputs, said in (([3], "input 1 is int '3': a text, or a list of words, is needed"), ([["a", 3]], "tokens holds int '3'"),
                         (["a", {"tokens": "서울에 산다"}], "tokens is a text .'서울에 산다'.; give a list of words, or name it"),
                         ({"tokens": 3}, "input 1: tokens is int '3'; give a list of words"),
                         ([{"label": "x"}], "input 1 is dict")):  # fmt: skip
        with pytest.raises(DataError, match=said):
            run.task.inputs(inputs)
    with pytest.raises(DataError, match="is_split_into_words"):
        run.task.inputs([["a"], "b"], TokenClassification.Call(is_split_into_words=True))
    with pytest.raises(DataError, match="neither a text nor tokens"):
        run.task.encode({"text": [None]}, run.engine.encoder, labels=False)
    for call, said in (({"stride": 3}, 'other than "none"'), ({"ignore_labels": 3}, "a list of tags"),
                       ({"aggregation_strategy": "best"}, "one of none, simple, first, average, max"),
                       ({"grouped_entities": True}, "no setting grouped_entities")):  # fmt: skip
        with pytest.raises(SettingError, match=said):
            run.task.call_settings(call)
    assert run.task.call_settings({"ignore_labels": "O,LOC"}).ignore_labels == ["O", "LOC"]
    with pytest.raises(SettingError, match="windows of 128 tokens hold 126 of the text.*Give 125 or less"):
        run.predict(["a"], stride=126, aggregation_strategy="simple")


def test_tokenized_rows_and_headless_checkpoints_are_refused(tiny):
    rows = read_rows([{"input_ids": [2, 5, 3], "labels": [-100, 1, -100]}], SimpleNamespace(), **FORMS)
    with pytest.raises(DataError, match="tokenized already"):
        TokenClassification().prepare(rows)
    with pytest.raises(ModelError, match="has no head for token-classification"):
        load_run(str(tiny("bert", auto="AutoModel")), task=TokenClassification)


def test_store_without_its_rows_is_refused(trained):
    store = trained.encode(read_rows(sentences(2), SimpleNamespace(), **FORMS), labels=True)
    bare = TokenStore(
        {"input_ids": store.input_ids, "offsets": store.offsets, "row_offsets": store.row_offsets, **store.columns},
        store.levels, store.pad,
    )  # fmt: skip
    with pytest.raises(DataError, match="without its rows"):
        trained.task.predictions(trained.engine.run(store), bare)


# files --------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not here")
def test_real_files_are_read_as_they_are_tagged():
    def read(path, **wish):
        rows = read_rows(str(SHARED / path), SimpleNamespace(max_rows=200, **wish), **FORMS)
        return rows, prepared(rows)

    rows, klue = read("klue/klue-ner-v1.1_dev.tsv")
    assert klue.unit == "character" and klue.scheme.types == ("DT", "LC", "OG", "PS", "QT", "TI")
    first = klue.right_answer(rows.table[0])
    assert [(one["word"], one["entity_group"]) for one in first] == [
        ("경찰", "OG"), ("박", "PS"), ("32", "QT"), ("김", "PS"), ("33", "QT"), ("16명", "QT"),
    ]  # fmt: skip
    rows, wnut = read("wnut17/wnut17train.conll")
    assert wnut.unit == "word" and len(wnut.scheme.types) == 6 and wnut.scheme.name == "BIO"
    rows, upos = read("ud_korean_gsd/ko_gsd-ud-dev.conllu")
    assert upos.scheme.bare and "text" in rows.table.column_names
    assert dataclasses.asdict(of_labels(upos.labels)) == dataclasses.asdict(upos.scheme)
    with_text = tagged.read(rows.table[:], "word")
    assert any(len(one.text) < len(" ".join(words)) for one, words in zip(with_text, rows.table["tokens"], strict=True))
