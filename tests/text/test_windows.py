"""Windows: those of the tokenizer itself, over every family; strides; labels that are the smallest span of tokens."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byeori.data.read import read_rows
from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.tasks.question_answering import QuestionAnswering
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.windows import Cut, null_places, windows
from families import ENCODERS, Family, texts

FAMILIES = (*ENCODERS, "gpt2", "llama", "qwen2", "t5", "bart", "mbart", "led")  # those with a head for it
DATA = Path(__file__).parents[1] / "tasks" / "data"
SQUAD = Path(__file__).parents[3] / "shared" / "data" / "squad2" / "dev-v2.0.json"
ROLES = {"roles": QuestionAnswering.roles, "forms": QuestionAnswering.forms}
LENGTH = 120
LONG = " ".join(texts()[:12])
QUESTIONS = ["언제 왔나요?", "What is late?", "누가?", texts()[2]]
CONTEXTS = [texts()[1], texts()[0], LONG, " ".join(texts()[20:28])]


@pytest.mark.parametrize("question_first", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_windows_are_the_tokenizers_own(name, question_first):
    """Ids, segment ids and offsets of the pair with truncation, stride and overflowing tokens."""
    tokenizer = Family(name).tokenizer()
    typed = "token_type_ids" in tokenizer.model_input_names
    encoder = Encoder(tokenizer, LENGTH, token_types=typed)
    encoded = windows(encoder, QUESTIONS, CONTEXTS, Cut(LENGTH, 20, LENGTH, question_first))
    ends, at = np.cumsum(encoded.lengths), 0
    for row, (question, context) in enumerate(zip(QUESTIONS, CONTEXTS, strict=True)):
        theirs = tokenizer(
            *((question, context) if question_first else (context, question)), max_length=LENGTH, stride=20,
            truncation="only_second" if question_first else "only_first", return_overflowing_tokens=True,
            return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        assert encoded.counts[row] == len(theirs["input_ids"])
        for place, ids in enumerate(theirs["input_ids"]):
            window = slice(ends[at] - encoded.lengths[at], ends[at])
            assert encoded.input_ids[window].tolist() == ids
            sides = theirs.sequence_ids(place)
            spans = theirs["offset_mapping"][place]
            spans = [
                tuple(s) if side == int(question_first) else (-1, -1) for s, side in zip(spans, sides, strict=True)
            ]
            ours = zip(encoded.columns["char_starts"][window], encoded.columns["char_ends"][window], strict=True)
            assert [(int(a), int(b)) for a, b in ours] == spans
            if typed:
                assert encoded.columns["token_type_ids"][window].tolist() == theirs["token_type_ids"][place]
            at += 1
    assert encoded.counts[2] > 2 and encoded.truncated == 0


def test_strides_and_lengths():
    tokenizer = Family("bert").tokenizer()

    def starts(cut: Cut, question: str = "가") -> list[int]:
        """The first character of each window."""
        made = windows(Encoder(tokenizer, cut.max_length), [question], [LONG], cut)
        places = np.split(made.columns["char_starts"], np.cumsum(made.lengths)[:-1])
        return [int(window[window >= 0][0]) for window in places]

    # 4 tokens stand around the context: [CLS], the question's one, and two [SEP]
    assert starts(Cut(64)) == starts(Cut(64, 16)) and starts(Cut(600)) == starts(Cut(600, 128))
    assert starts(Cut(64, 0)) != starts(Cut(64)) and len(starts(Cut(64, 59))) > 100
    for stride, message in ((60, "holds 60 of the context"), (64, "can't advance"), (500, "can't advance")):
        with pytest.raises(SettingError, match=message):
            starts(Cut(64, stride))
    long = " ".join(["가"] * 50)
    cut = windows(Encoder(tokenizer, 64), [long, "가"], [LONG, "가"], Cut(64))
    assert cut.truncated == 1 and cut.lengths[0] == 64  # 32 tokens of the question are kept, 29 of the context fit
    assert (cut.columns["char_starts"][:64] >= 0).sum() == 29
    starts(Cut(64), long)  # the default stride follows the room that is left
    with pytest.raises(SettingError, match="leave no room for a context"):
        starts(Cut(64, question=61), " ".join(["가"] * 99))


@given(st.integers(0, 300), st.integers(1, 40), st.none() | st.integers(0, 39))
def test_windows_cover_the_context(tokens, room, stride):
    """All of it, in order, each new; neighbours share just so many tokens; the last one holds no less than is left."""
    cut = Cut(40, stride)
    if stride is not None and stride >= room and tokens > room:
        with pytest.raises(SettingError):
            cut.starts(tokens, room)
        return
    pieces = [(start, min(start + room, tokens)) for start in cut.starts(tokens, room)]
    assert pieces[0][0] == 0 and pieces[-1][1] == tokens
    shared = min(10, room // 2) if stride is None else stride
    for (_, stop), (start, after) in itertools.pairwise(pieces):
        assert stop - start == shared and after > stop


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "deberta-v2", "llama"])
@pytest.mark.parametrize("file", ["klue_mrc", "korquad_1", "korquad_2"])
def test_labels_are_the_smallest_span_that_covers_the_answer(name, file):
    """In each window that holds all of it; elsewhere, and where there is none, the place of no answer."""
    rows = read_rows(DATA / f"{file}.json", **ROLES)
    store = encode_rows(rows, QuestionAnswering(), Encoder(Family(name).tokenizer(), LENGTH))
    none = null_places(store.columns["no_answer"])
    seen = 0
    for row, one in enumerate(rows.table):
        for s in range(store.row_offsets[row], store.row_offsets[row + 1]):
            first, last = store.columns["labels"][s]
            tokens = slice(store.offsets[s], store.offsets[s + 1])
            starts, ends = store.columns["char_starts"][tokens], store.columns["char_ends"][tokens]
            covers = [
                (a, b) for a, b in itertools.product(range(len(starts)), repeat=2)
                if a <= b and 0 <= starts[a] <= one["answers"]["answer_start"][0] < ends[a]
                and starts[b] < one["answers"]["answer_start"][0] + len(one["answers"]["text"][0]) <= ends[b]
            ] if one["answers"]["text"] else []  # fmt: skip
            if (first, last) == (none[s], none[s]):
                assert not covers
                continue
            assert (first, last) in covers and last - first == min(b - a for a, b in covers)
            seen += 1
    assert (
        seen >= sum(bool(one["text"]) for one in rows.table["answers"]) - 1
    )  # KorQuAD 2's list is longer than a window


def test_an_answer_of_one_character_in_several_tokens():
    """RoBERTa writes a rare syllable in bytes, which have the same offsets: start and end must not change places."""
    made = windows(Encoder(Family("roberta").tokenizer(), LENGTH), ["?"], ["값은 뷁이다"], Cut(LENGTH), [(3, 4)])
    same = np.flatnonzero((made.columns["char_starts"] == 3) & (made.columns["char_ends"] == 4))
    assert len(same) > 1 and made.columns["labels"].tolist() == [[same[-1]] * 2]


def test_answers_that_no_token_covers():
    """All of them, by the row; of a file the row is named as its other errors name it."""
    tokenizer = Family("bert").tokenizer()  # zero-width spaces are nothing to it
    encoder, context = Encoder(tokenizer, LENGTH), "값은 \u200b 이다"
    with pytest.raises(RowsError) as caught:
        windows(encoder, ["a?", "b?", "c?"], [context] * 3, Cut(LENGTH), [(3, 4), (0, 2), (3, 4)])
    assert sorted(caught.value.reasons) == [0, 2] and "makes nothing of its answer" in caught.value.reasons[2]
    some = [
        {"question": "?", "context": context, "answers": {"text": ["값"], "answer_start": [0]}, "id": str(n)}
        for n in range(4)
    ]
    some[2]["answers"] = {"text": ["\u200b"], "answer_start": [3]}
    rows = read_rows(some, **ROLES)
    with pytest.raises(DataError, match=r'^rows, row 3: the question "\?": the tokenizer makes nothing of its answer'):
        encode_rows(rows, QuestionAnswering(), encoder)


def test_offsets_are_those_of_the_text_as_given():
    """Decomposed Hangul that the tokenizer composes: the answer is cut out of the text that was given."""
    from tokenizers import normalizers

    tokenizer = Family("bert").tokenizer()
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), backend.normalizer])
    context, answer = (unicodedata.normalize("NFD", text) for text in ("어제 제주도에 왔다.", "제주도"))
    start = context.index(answer)
    made = windows(Encoder(tokenizer, 64), ["?"], [context], Cut(64), [(start, start + len(answer))])
    (first, last), columns = made.columns["labels"][0], made.columns
    assert context[columns["char_starts"][first] : columns["char_ends"][last]] == answer and len(answer) > 3


def test_a_tokenizer_without_offsets_is_refused():
    with pytest.raises(ModelError, match="CTRLTokenizer .* fast tokenizer"):
        windows(Encoder(Family("ctrl").tokenizer(), 32), ["a"], ["b"], Cut(32))


@pytest.mark.skipif(not SQUAD.is_file(), reason="the real data is not here")
def test_every_answer_of_squad_stands_in_its_label(minilm):
    from transformers import AutoTokenizer

    rows = read_rows(SQUAD, SimpleNamespace(max_rows=400), **ROLES)
    store = encode_rows(rows, QuestionAnswering(), Encoder(AutoTokenizer.from_pretrained(minilm), 128))
    none = null_places(store.columns["no_answer"])
    for row, one in enumerate(rows.table):
        spans = []
        for s in range(store.row_offsets[row], store.row_offsets[row + 1]):
            first, last = store.columns["labels"][s] + store.offsets[s]
            if store.columns["labels"][s][0] != none[s]:
                spans.append(one["context"][store.columns["char_starts"][first] : store.columns["char_ends"][last]])
        assert bool(spans) == bool(one["answers"]["text"])
        assert all(
            one["answers"]["text"][0] in span and len(span) < len(one["answers"]["text"][0]) + 12 for span in spans
        )
