"""The pipeline of every task of transformers 4: what it takes, what comes back in which shape, which models it takes.

Shapes are written down from the source of transformers 4.57 (`src/transformers/pipelines`), where the pipelines for
question answering, summarization and translation were last.
"""

from __future__ import annotations

from typing import Any

import pytest

import byeori
from byeori.errors import DataError, ModelError, SettingError
from byeori.predict import pipeline as module
from pipelines import (
    ASKED,
    BEAMS,
    BRIEF,
    CHOICES,
    MASKED,
    MODELS,
    OTHER,
    SENTIMENTS,
    TWICE,
    WRITING,
    A,
    B,
    maker,
    register,
)


@pytest.fixture(autouse=True)
def every_task(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def pipe(tiny):
    return maker(tiny)


# shapes ---------------------------------------------------------------------------------------------------------------

Stream = type("Stream", (tuple,), {})  # inputs that the test gives as a generator
SCORED = {"label", "score"}
TOKEN, ENTITY = {"entity", "score", "index", "word", "start", "end"}, {"entity_group", "score", "word", "start", "end"}
ANSWER = {"score", "start", "end", "answer"}
FILLED = {"score", "token", "token_str", "sequence"}
RANKED = {"sequence", "labels", "scores"}
SUMMARY, WRITTEN = {"summary_text"}, {"generated_text"}

# task → (input, arguments, what comes back): a dict by its keys, "n" a list of numbers, "tensor" a tensor, a tuple what
# an iterator yields; of a list of entities or vectors, which are as many as the text has, one is written.
SHAPES: dict[str, list[tuple[Any, dict[str, Any], Any]]] = {
    "text-classification": [
        (A, {}, [SCORED]),
        ([A], {}, [SCORED]),
        ([A, B], {}, [SCORED, SCORED]),
        (Stream((A, B)), {}, (SCORED, SCORED)),
        (A, {"top_k": 2}, [SCORED, SCORED]),
        ([A], {"top_k": 2}, [[SCORED, SCORED]]),
        ([A, B], {"top_k": 2}, [[SCORED, SCORED], [SCORED, SCORED]]),
        (Stream((A, B)), {"top_k": 1}, ([SCORED], [SCORED])),
        (A, {"top_k": None}, [SCORED] * 4),
        (A, {"return_all_scores": True}, [[SCORED] * 4]),
        ([A, B], {"return_all_scores": True}, [[SCORED] * 4, [SCORED] * 4]),
        (A, {"return_all_scores": False}, [SCORED]),
        ({"text": A, "text_pair": B}, {}, SCORED),
        ({"text": A, "text_pair": B}, {"top_k": 2}, [SCORED, SCORED]),
        (None, {"inputs": A}, [SCORED]),
        (A, {"text_pair": B}, [SCORED]),
    ],
    "token-classification": [
        (A, {"ignore_labels": []}, [TOKEN]),
        ([A], {"ignore_labels": []}, [[TOKEN]]),
        ([A, B], {"ignore_labels": []}, [[TOKEN], [TOKEN]]),
        (Stream((A, B)), {"ignore_labels": []}, ([TOKEN], [TOKEN])),
        (A, {"aggregation_strategy": "simple", "ignore_labels": []}, [ENTITY]),
        ([A], {"grouped_entities": True, "ignore_labels": []}, [[ENTITY]]),
        (A.split(), {"is_split_into_words": True, "ignore_labels": []}, [[TOKEN]]),
        ([A.split(), B.split()], {"is_split_into_words": True, "ignore_labels": []}, [[TOKEN], [TOKEN]]),
        (None, {"inputs": [A], "ignore_labels": []}, [[TOKEN]]),
    ],
    "question-answering": [
        (ASKED, {}, ANSWER),
        ([ASKED], {}, ANSWER),
        ([ASKED, OTHER], {}, [ANSWER, ANSWER]),
        (Stream((ASKED, OTHER)), {}, (ANSWER, ANSWER)),
        (None, ASKED, ANSWER),
        (None, {role: [ASKED[role]] for role in ASKED}, ANSWER),
        (None, {role: [ASKED[role], OTHER[role]] for role in ASKED}, [ANSWER, ANSWER]),
        (None, {"question": [ASKED["question"], OTHER["question"]], "context": ASKED["context"]}, [ANSWER, ANSWER]),
        ({role: [ASKED[role], OTHER[role]] for role in ASKED}, {}, [ANSWER, ANSWER]),
        (ASKED, {"top_k": 3}, [ANSWER] * 3),
        ([ASKED, OTHER], {"topk": 2}, [[ANSWER, ANSWER], [ANSWER, ANSWER]]),
        (None, {"data": [ASKED, OTHER]}, [ANSWER, ANSWER]),
        (None, {"X": ASKED}, ANSWER),
    ],
    "fill-mask": [
        (MASKED, {}, [FILLED] * 5),
        ([MASKED], {}, [FILLED] * 5),
        ([MASKED, MASKED], {"top_k": 2}, [[FILLED] * 2, [FILLED] * 2]),
        (Stream((MASKED, MASKED)), {"top_k": 1}, ([FILLED], [FILLED])),
        (TWICE, {"top_k": 2}, [[FILLED] * 2, [FILLED] * 2]),
        ([TWICE], {"top_k": 2}, [[FILLED] * 2, [FILLED] * 2]),
        ([TWICE, MASKED], {"top_k": 2}, [[[FILLED] * 2, [FILLED] * 2], [FILLED] * 2]),
        (MASKED, {"targets": ["서", "a"]}, [FILLED] * 2),
        (None, {"inputs": MASKED}, [FILLED] * 5),
    ],
    "summarization": [
        (A, BRIEF, [SUMMARY]),
        ([A], BRIEF, [SUMMARY]),
        ([A, B], BRIEF, [SUMMARY, SUMMARY]),
        (Stream((A, B)), BRIEF, ([SUMMARY], [SUMMARY])),
        (A, BEAMS, [SUMMARY, SUMMARY]),
        ([A], BEAMS, [[SUMMARY, SUMMARY]]),
        ([A, B], BEAMS, [[SUMMARY, SUMMARY], [SUMMARY, SUMMARY]]),
        (Stream((A,)), BEAMS, ([SUMMARY, SUMMARY],)),
        (A, {"return_tensors": True, **BRIEF}, [{"summary_token_ids"}]),
    ],
    "translation": [
        (A, BRIEF, [{"translation_text"}]),
        ([A, B], BRIEF, [{"translation_text"}] * 2),
        ([A], BEAMS, [[{"translation_text"}] * 2]),
    ],
    "text2text-generation": [
        (A, BRIEF, [WRITTEN]),
        ([A], BRIEF, [WRITTEN]),
        ([A], BEAMS, [[WRITTEN, WRITTEN]]),
    ],
    "text-generation": [
        (A, BRIEF, [WRITTEN]),
        ([A], BRIEF, [[WRITTEN]]),
        ([A, B], BRIEF, [[WRITTEN], [WRITTEN]]),
        (Stream((A, B)), BRIEF, ([WRITTEN], [WRITTEN])),
        (A, BEAMS, [WRITTEN, WRITTEN]),
        ([A], BEAMS, [[WRITTEN, WRITTEN]]),
        ([A, B], BEAMS, [[WRITTEN, WRITTEN], [WRITTEN, WRITTEN]]),
        (A, {"return_tensors": True, **BRIEF}, [{"generated_token_ids"}]),
        (None, {"text_inputs": A, **BRIEF}, [WRITTEN]),
    ],
    "zero-shot-classification": [
        (A, CHOICES, RANKED),
        ([A], CHOICES, [RANKED]),
        ([A, B], CHOICES, [RANKED, RANKED]),
        (Stream((A, B)), CHOICES, (RANKED, RANKED)),
        (None, {"sequences": [A], **CHOICES}, [RANKED]),
        (A, {"multi_class": True, **CHOICES}, RANKED),
    ],
    "feature-extraction": [
        (A, {}, [["n"]]),
        ([A], {}, [[["n"]]]),
        ([A, B], {}, [[["n"]], [["n"]]]),
        (Stream((A, B)), {}, ([["n"]], [["n"]])),
        (A, {"return_tensors": True}, "tensor"),
        ([A], {"return_tensors": True}, ["tensor"]),
    ],
}
ROWS = [(task, *row) for task, rows in SHAPES.items() for row in rows]


def shape(found: Any, one: bool) -> Any:
    """`found` as SHAPES writes it; `one`: of a list of equal dicts or vectors the first."""
    if isinstance(found, dict):
        return set(found)
    if not isinstance(found, list):
        return "tensor" if hasattr(found, "shape") and found.ndim else type(found).__name__
    if found and all(isinstance(value, float) for value in found):
        return "n"
    inside = [shape(value, one) for value in found]
    leaves = inside and (isinstance(inside[0], set) or inside[0] == "n")
    return inside[:1] if one and leaves and all(value == inside[0] for value in inside) else inside


@pytest.mark.parametrize(
    ("task", "given", "arguments", "expected"), ROWS, ids=[f"{row[0]} {place}" for place, row in enumerate(ROWS)]
)
def test_what_comes_back_has_the_shape_it_had(pipe, task, given, arguments, expected):
    as_many = task in ("token-classification", "feature-extraction")
    ours = pipe(task)
    if isinstance(given, Stream):
        stream = ours((one for one in given), **arguments)
        assert iter(stream) is stream
        assert tuple(shape(one, as_many) for one in stream) == expected
        return
    places = () if given is None else (given,)
    assert shape(ours(*places, **arguments), as_many) == expected


@pytest.mark.parametrize("task", SHAPES)
def test_one_a_list_and_a_stream_say_the_same(pipe, task):
    """Whatever the shape, the numbers are those of each input alone."""
    ours = pipe(task)
    inputs = {"question-answering": [ASKED, OTHER], "fill-mask": [MASKED, TWICE]}.get(task, [A, B])
    more = {"zero-shot-classification": CHOICES, **dict.fromkeys(WRITING, BRIEF)}.get(task, {})

    def leaves(found: Any) -> list[Any]:
        if isinstance(found, dict):
            return [leaf for value in found.values() for leaf in leaves(value)]
        return [leaf for value in found for leaf in leaves(value)] if isinstance(found, list) else [found]

    alone = leaves([ours(one, **more) for one in inputs])
    for found in (ours(inputs, **more), list(ours(iter(inputs), **more))):
        assert [one if isinstance(one, str) else pytest.approx(one, abs=1e-5) for one in leaves(found)] == alone


def test_return_all_scores_has_the_labels_in_the_models_order(pipe):
    """Old scripts take the score of a label by its place: classifier(text, return_all_scores=True)[0][1]["score"]."""
    ours = pipe("text-classification")
    (found,) = ours(A, return_all_scores=True)
    assert [one["label"] for one in found] == list(SENTIMENTS)
    assert sorted(found, key=lambda one: -one["score"]) == ours(A, top_k=None)
    whole = pipe("text-classification", return_all_scores=True)
    assert whole(A) == [found] and whole([A]) == [found] and whole({"text": A}) == found
    assert whole(A, top_k=1) == ours(A, top_k=1), "what the call says wins, and is sorted"


def test_labels_by_place_and_by_name(pipe):
    ours = pipe("zero-shot-classification")
    expected = ours(A, **CHOICES)
    assert ours(A, CHOICES["candidate_labels"]) == ours(A, "정치, 경제") == ours(sequences=A, **CHOICES) == expected
    with pytest.raises(SettingError, match="takes the input and candidate_labels by place, and 3 arguments"):
        ours(A, ["정치"], "x")
    with pytest.raises(SettingError, match="candidate_labels is given twice"):
        ours(A, ["정치"], **CHOICES)


def test_questions_by_place_by_name_and_as_objects(pipe):
    class SquadExample:
        question_text, context_text = ASKED["question"], ASKED["context"]

    ours = pipe("question-answering")
    expected = ours(ASKED)
    assert ours(*ASKED.values()) == ours(**ASKED) == ours(SquadExample()) == ours(tuple(ASKED.values())) == expected
    first, second = ours([SquadExample(), OTHER])
    assert (first["answer"], second["answer"]) == (expected["answer"], ours(OTHER)["answer"])
    with pytest.raises(DataError, match="2 of question and 1 of context don't go together"):
        ours(question=["a", "b"], context=["c"])
    with pytest.raises(SettingError, match=r"no input. Give it first, or by name \(question=…, context=…\)"):
        ours()


def test_conversations(pipe):
    ours = pipe("text-generation")
    ours.tokenizer.chat_template = "{% for one in messages %}{{ one['content'] }} {% endfor %}"
    chat = [{"role": "user", "content": A}]
    (found,) = ours(chat, **BRIEF)
    assert found["generated_text"][:1] == chat and found["generated_text"][1]["role"] == "assistant"
    assert ours([chat, chat], **BRIEF) == [[found], [found]] == list(ours(iter([chat, chat]), **BRIEF))
    assert ours(messages=chat, **BRIEF) == [found]


def test_an_input_is_given_once(pipe):
    ours = pipe("text-classification")
    for call in ((A, {"inputs": B}), (A, {"text": B})):
        with pytest.raises(SettingError, match="the input is given twice"):
            ours(call[0], **call[1])
    with pytest.raises(SettingError, match="takes the input by place, and 2 arguments were given"):
        ours(A, B)
    assert ours(text=A) == ours(inputs=A) == ours(A)
    assert ours(text=[A, B], text_pair=[B, A]) == ours([{"text": A, "text_pair": B}, {"text": B, "text_pair": A}])


def test_data_sets_stream(pipe):
    """Rows of a data set by role, with columns that nobody asks for; one column as transformers' KeyDataset gives it."""
    import datasets
    from transformers.pipelines.pt_utils import KeyDataset

    ours = pipe("question-answering")
    table = datasets.Dataset.from_list([{"id": "1", "title": "t", **ASKED}, {"id": "2", "title": "t", **OTHER}])
    assert [one["answer"] for one in ours(table)] == [one["answer"] for one in ours([ASKED, OTHER])]
    texts = datasets.Dataset.from_dict({"document": [A, B]})
    for task in ("summarization", "text-generation"):
        ours = pipe(task)
        assert list(ours(KeyDataset(texts, "document"), **BRIEF)) == [ours(A, **BRIEF), ours(B, **BRIEF)]


def test_a_table_is_no_input(pipe):
    import pandas

    frame = pandas.DataFrame({"text": [A, B]})
    ours = pipe("text-classification")
    with pytest.raises(DataError, match="a table says not which column is the text"):
        ours(frame)
    assert ours(frame["text"].tolist()) == ours(frame.to_dict("records")) == list(ours(frame["text"])) == ours([A, B])


def test_texts_are_written_a_few_at_a_time_where_they_stream(pipe, monkeypatch):
    monkeypatch.setattr(module, "STREAMED", 2)
    taken = []

    def endless():
        while True:
            taken.append(A)
            yield A

    ours = pipe("summarization")
    assert next(ours(endless(), **BRIEF)) == ours(A, **BRIEF) and len(taken) == 2


# heads ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "family", "auto", "said"),
    [
        ("fill-mask", "bert", "AutoModel", "has no head for fill-mask"),
        ("text-classification", "bert", "AutoModel", "has no head for text-classification"),
        ("text-classification", "bert", "AutoModelForMaskedLM", "has no head|head of BertForMaskedLM"),
        ("token-classification", "bert", "AutoModelForQuestionAnswering", "has no head for token-classification"),
        ("question-answering", "bert", "AutoModelForTokenClassification", "has no head for question-answering"),
        ("token-classification", "bert", "AutoModelForSequenceClassification", "head of BertForSequenceClassification"),
        ("text-classification", "bert", "AutoModelForTokenClassification", "head of BertForTokenClassification|has no head"),
        ("zero-shot-classification", "bert", "AutoModelForMultipleChoice", "has no head for zero-shot"),
        ("multiple-choice", "roberta", "AutoModelForSequenceClassification", "head of RobertaForSequenceClassification|would be random"),
        ("text-generation", "roberta", "AutoModelForMaskedLM", "is an encoder|head of RobertaForMaskedLM"),
        ("text-classification", "gpt2", "AutoModelForCausalLM", "has no head|head of GPT2LMHeadModel"),
        ("text-generation", "bart", "AutoModelForSeq2SeqLM", "head of BartForConditionalGeneration|would be random"),
        ("summarization", "bert", "AutoModelForMaskedLM", "has no head for summarization"),
        ("summarization", "gpt2", "AutoModelForCausalLM", "has no head for summarization"),
        ("summarization", "bart", "AutoModelForSequenceClassification", "head of BartForSequenceClassification|would be random"),
        ("fill-mask", "gpt2", "AutoModelForCausalLM", "has no head for fill-mask"),
        ("zero-shot-classification", "bert", "AutoModelForSequenceClassification", "says entailment"),
    ],
)  # fmt: skip
def test_a_task_that_does_not_fit_the_head(tiny, task, family, auto, said):
    """Never random numbers: also where the weights have the same names and shapes."""
    with pytest.raises(ModelError, match=said):
        byeori.pipeline(task, str(tiny(family, auto=auto)))(A, **(CHOICES if task.startswith("zero") else {}))


@pytest.mark.parametrize("auto", ["AutoModelForQuestionAnswering", "AutoModel"])
def test_a_loaded_model_that_does_not_fit(auto):
    from families import Family

    family = Family("bert")
    with pytest.raises(ModelError, match="is a body without a head|has the head of BertForQuestionAnswering"):
        byeori.pipeline("token-classification", family.model(auto), tokenizer=family.tokenizer())


def test_what_fits_is_taken(tiny):
    """Any body gives features; BERT's pretraining head fills masks; an alias is the task."""
    assert byeori.pipeline("feature-extraction", str(tiny("bert", auto="AutoModelForSequenceClassification")))(A)
    assert byeori.pipeline("fill-mask", str(tiny("bert", auto="AutoModelForPreTraining")))(MASKED)
    assert byeori.pipeline("ner", str(tiny("bert", **MODELS["token-classification"][1])))(A) is not None
