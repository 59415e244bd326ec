"""question-answering: windows as the tokenizer cuts them, the model's own loss, transformers 4's scores, an exhaustive search."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import byeori
from byeori.batches.loader import Packing, batches
from byeori.batches.pack import build
from byeori.data.read import read_rows
from byeori.errors import SettingError
from byeori.metrics.answers import answer_scores
from byeori.models.load import load_model, uses_token_types
from byeori.predict.engine import Engine, columns
from byeori.predict.evaluate import evaluate
from byeori.tasks.question_answering import QuestionAnswering
from byeori.text.encode_rows import encode_rows
from byeori.text.store import TokenStore
from families import Family, texts

AUTO = "AutoModelForQuestionAnswering"
DATA = Path(__file__).parent / "data"
ROLES = QuestionAnswering.roles
LENGTH = 120
LONG = " ".join(texts()[:12])
ASKED = [
    {"question": "언제 왔나요?", "context": texts()[1]},
    {"question": "What is late?", "context": texts()[0]},
    {"question": "누가?", "context": LONG},
    {"question": texts()[2], "context": " ".join(texts()[20:28])},
]


def rows_of(name: str) -> Any:
    return read_rows(DATA / f"{name}.json", roles=ROLES, forms=QuestionAnswering.forms)


@pytest.fixture(scope="module")
def engines():
    """`engines(family)` → (an engine of a model trained elsewhere, the plain model of the same weights)."""
    made: dict[str, tuple[Engine, Any]] = {}

    def make(name: str) -> tuple[Engine, Any]:
        if name not in made:
            family, task = Family(name), QuestionAnswering()
            plain = family.model(AUTO, attn_implementation="eager").eval()
            loaded = load_model(copy.deepcopy(plain), task, tokenizer=family.tokenizer())
            task.adopt(plain.config)  # as of a checkpoint without byeori.json
            made[name] = Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LENGTH), plain
        return made[name]

    return make


def answer(engine: Engine, rows: list[dict[str, Any]], task: QuestionAnswering | None = None, **call: Any) -> list[Any]:
    """What the pipeline would, in lists."""
    task = task or engine.task
    chosen = task.call_settings(call)
    own, engine.task = engine.task, task
    try:
        store = engine.encode(columns(rows), chosen)
        found = task.decode(engine.run(store, call=chosen), store, chosen)
    finally:
        engine.task = own
    return [one if isinstance(one, list) else [one] for one in found]


@torch.no_grad()
def logits_alone(
    plain: Any, tokenizer: Any, row: dict[str, Any], most: int, stride: int
) -> list[tuple[Any, np.ndarray]]:
    """(the tokenizer's own window, its logits (tokens, 2)), each run by itself."""
    found = tokenizer(
        row["question"], row["context"], truncation="only_second", max_length=most, stride=stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
    )  # fmt: skip
    known = inspect.signature(plain.forward).parameters
    typed = uses_token_types(plain, tokenizer)
    windows = []
    for place, ids in enumerate(found["input_ids"]):
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if typed:
            inputs["token_type_ids"] = torch.tensor([found["token_type_ids"][place]])
        out = plain(**{name: value for name, value in inputs.items() if name in known})
        windows.append((found[place], torch.stack([out.start_logits[0], out.end_logits[0]], -1).double().numpy()))
    return windows


# loss -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "roberta", "electra", "modernbert", "deberta-v2", "gpt2", "t5", "bart"])
def test_loss_is_the_models_own(engines, name):
    """Of each window run by itself, unpadded; whatever it shares a pack with."""
    engine, plain = engines(name)
    store = encode_rows(rows_of("klue_mrc"), QuestionAnswering(), engine.encoder)
    pack = build(store, np.arange(store.sequences), rows=np.repeat(np.arange(len(store)), np.diff(store.row_offsets)))
    known = inspect.signature(plain.forward).parameters
    with torch.no_grad():
        ours = engine.task.loss(engine.task.outputs(engine.model, pack), pack)
        for place, s in enumerate(pack.sequences):
            alone = build(store, np.array([s])).padded()
            labels = dict(zip(("start_positions", "end_positions"), alone["labels"].T, strict=True))
            inputs = {n: value for n, value in alone.items() if n in known}
            assert float(ours[place]) == pytest.approx(float(plain(**inputs, **labels).loss), abs=2e-5)
    assert len(ours) == store.sequences > len(store)
    batch = next(iter(batches(store, batch_size=5, packing=Packing(pack_tokens=300))))
    windows_of = np.diff(store.row_offsets)[batch.rows].sum()
    assert batch.labels == windows_of and len(list(batch)) > 1


# the search -----------------------------------------------------------------------------------------------------------


NONE = {"align_to_words": False, "handle_impossible_answer": True}


@pytest.mark.parametrize(
    ("name", "call"),
    [(name, call) for name in ("bert", "roberta", "distilbert", "xlm-roberta", "deberta-v2") for call in ({}, NONE)]
    # without [CLS] its no answer had the score 0, whatever the model said: that is ours alone
    + [("gpt2", {}), ("t5", {"align_to_words": False}), ("bert", {"max_answer_len": 3})],
)
def test_scores_are_those_of_transformers_4(engines, name, call):
    """Where one window holds the context: its postprocess(), written again from what it says it does."""
    engine, plain = engines(name)
    for row in ASKED[:2]:
        ((window, logits),) = logits_alone(plain, engine.tokenizer, row, LENGTH, 20)
        inside = np.array([side == 1 for side in window.sequence_ids])
        counted = inside | (np.array(window.ids) == engine.tokenizer.cls_token_id)
        exp = np.where(counted[:, None], np.exp(logits), 0)
        start, end = (exp / exp.sum(0)).T
        spans = itertools.product(np.flatnonzero(inside), repeat=2)
        few = [(a, b) for a, b in spans if 0 <= b - a < call.get("max_answer_len", 15)]
        ranked = sorted(((start[a] * end[b], a, b) for a, b in few), reverse=True)
        edges = ((score, *characters(window, a, b, call.get("align_to_words", True))) for score, a, b in ranked)
        best = next(one for one in edges if row["context"][one[1] : one[2]].strip())  # it could answer with a space
        if call.get("handle_impossible_answer") and start[0] * end[0] > best[0]:
            best = start[0] * end[0], 0, 0
        ((found,),) = answer(engine, [row], **call)
        assert (
            found["answer"]
            == row["context"][best[1] : best[2]].strip()
            == row["context"][found["start"] : found["end"]]
        )
        assert found["score"] == pytest.approx(best[0], abs=1e-6)


def characters(window: Any, first: int, last: int, align: bool) -> tuple[int, int]:
    """Of a span of tokens, of whole words if asked for."""
    if not align:
        return window.offsets[first][0], window.offsets[last][1]
    words = [window.token_to_word(token) for token in (first, last)]
    return window.word_to_chars(words[0], 1)[0], window.word_to_chars(words[1], 1)[1]


@pytest.mark.parametrize("longest", [30, 3])
def test_a_model_of_others_is_scored_by_its_exact_spans(engines, longest):
    """Answers grown to whole words, and of 15 tokens at most, are the pipeline's alone: right answers are exact."""
    engine, _ = engines("bert")
    task = engine.task
    assert task.elsewhere
    rows = rows_of("klue_mrc")
    few = [{name: row[name] for name in ("question", "context")} for row in rows.table]
    before = task.settings
    task.settings = QuestionAnswering(max_answer_length=longest).settings
    try:
        judged = evaluate(engine, encode_rows(rows, task, engine.encoder), task.references(rows.table))
        said = task.predictions(judged.answers, judged.store)
    finally:
        task.settings = before
    exact = [one[0]["answer"] for one in answer(engine, few, align_to_words=False, max_answer_len=longest)]
    grown = [one[0]["answer"] for one in answer(engine, few)]
    kept = [text for text, one in zip(said, exact, strict=True) if text == one or text == ""]
    assert len(kept) == len(said) and any(said) and exact != grown
    assert judged.values["f1"] == answer_scores(said, task.references(rows.table))["f1"]["value"]


@pytest.mark.parametrize("longest", [1, 4, 200])
@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2"])
def test_the_best_span_is_that_of_an_exhaustive_search(engines, name, longest):
    """Over all windows of a question; the windows run alone, by the plain model."""
    engine, plain = engines(name)
    for row in ASKED[1:]:
        best, windows_seen = (-np.inf, 0, 0), 0
        sums, none = np.zeros(2), None
        for window, logits in logits_alone(plain, engine.tokenizer, row, 96, 24):
            inside = [place for place, side in enumerate(window.sequence_ids) if side == 1]
            offsets = window.offsets
            for a, b in ((a, b) for place, a in enumerate(inside) for b in inside[place : place + longest]):
                start, end = offsets[a][0], offsets[b][1]
                if row["context"][start:end].strip():
                    best = max(best, (logits[a, 0] + logits[b, 1], start, end))
            sums += np.exp(logits[inside]).sum(0)
            none = logits[0] if none is None or logits[0].sum() < none.sum() else none
            windows_seen += 1
        ((found,),) = answer(
            engine, [row], max_answer_len=longest, max_seq_len=96, stride=24, align_to_words=False, max_question_len=60
        )
        text = row["context"][best[1] : best[2]]
        assert found["answer"] == text.strip() == row["context"][found["start"] : found["end"]]
        assert found["score"] == pytest.approx(np.exp(best[0]) / np.prod(sums + np.exp(none)), rel=1e-4)
    assert windows_seen > 1


def test_n_best_answers(engines):
    """Distinct, the best first, each where it stands; the first ones of a longer list are the shorter list."""
    engine, _ = engines("bert")
    for align in (True, False):
        many = answer(engine, ASKED, top_k=40, align_to_words=align)
        few = answer(engine, ASKED, top_k=3, align_to_words=align)
        for row, ten, three in zip(ASKED, many, few, strict=True):
            assert ten[:3] == three and len({(one["start"], one["end"]) for one in ten}) == len(ten)
            scores = [one["score"] for one in ten]
            assert scores == sorted(scores, reverse=True) and sum(scores) <= 1
            assert all(one["answer"] == row["context"][one["start"] : one["end"]] != "" for one in ten)
    assert all(len(one) == 40 for one in many[2:])
    assert answer(engine, ASKED, topk=3) == answer(engine, ASKED, top_k=3)
    for one in answer(engine, ASKED[2:3], top_k=9)[0]:  # whole words
        around = LONG[one["start"] - 1 : one["start"] + 1], LONG[one["end"] - 1 : one["end"] + 1]
        assert not any(two.isalnum() and len(two) == 2 for two in around)


def test_company_changes_nothing(engines):
    """Order, packs and windows of other questions."""
    engine, _ = engines("bert")
    together = answer(engine, ASKED, top_k=2)
    assert [row[0]["answer"] for row in together] == [answer(engine, [row], top_k=2)[0][0]["answer"] for row in ASKED]
    backwards = answer(engine, ASKED[::-1], top_k=2)[::-1]
    small = Engine(engine.task, engine.model, engine.tokenizer, max_length=LENGTH, pack_tokens=150)
    for other in (backwards, answer(small, ASKED, top_k=2)):
        for ours, theirs in zip(together, other, strict=True):
            assert [one["answer"] for one in ours] == [one["answer"] for one in theirs]
            np.testing.assert_allclose([o["score"] for o in ours], [o["score"] for o in theirs], rtol=1e-4)


# no answer ------------------------------------------------------------------------------------------------------------


def judged(engine: Engine, task: QuestionAnswering, rows: Any) -> tuple[Any, TokenStore, list[list[str]]]:
    store = encode_rows(rows, task, engine.encoder)
    return engine.run(store), store, task.references(rows.table)


def test_the_threshold_is_the_best_of_all(engines):
    """Tuned on rows, no threshold scores better on them; it is saved, may be given, and is for models that know no answer."""
    engine, _ = engines("bert")
    rows, task = rows_of("klue_mrc"), QuestionAnswering()
    task.prepare(rows)
    answers, store, right = judged(engine, task, rows)
    raw, likeness = task._read(answers, store)
    tried = []
    for threshold in [likeness.min() - 1, *likeness, likeness.max() + 1]:
        said = ["" if score > threshold else text for text, score in zip(raw, likeness, strict=True)]
        tried.append(answer_scores(said, right, resamples=0)["f1"]["value"])
    task.tune(answers, store, right)
    found = task.score(task.predictions(answers, store), right)
    assert found["f1"]["value"] == pytest.approx(max(tried)) and min(abs(likeness - task.threshold)) > 1e-3
    assert {"has_answer_f1", "has_answer_exact_match", "no_answer_accuracy"} <= set(found)
    assert found["f1"]["details"]["unit"] == "syllable"
    decoded = task.decode(answers, store)
    assert [one["answer"] for one in decoded] == task.predictions(answers, store)
    again = QuestionAnswering.from_state(json.loads(json.dumps(task.state())))
    assert again.decode(answers, store) == decoded and again.threshold == task.threshold
    fixed = QuestionAnswering(null_score_diff_threshold=-1e9)
    fixed.prepare(rows)
    fixed.tune(answers, store, right)
    assert set(fixed.predictions(answers, store)) == {""}
    call = fixed.call_settings({"null_score_diff_threshold": 1e9, "top_k": 2})
    assert all(one[0]["answer"] and len(one) == 2 for one in fixed.decode(answers, store, call))
    never = fixed.call_settings({"handle_impossible_answer": False, "top_k": 9})
    assert all(part["answer"] for one in fixed.decode(answers, store, never) for part in one)
    known = QuestionAnswering()
    known.prepare(rows_of("korquad_1"))
    known.tune(answers, store, right)
    assert known.threshold is None and "" not in known.predictions(answers, store)
    notes = rows_of("klue_mrc")
    known.check(notes)
    assert "3 questions of 12 have no answer, and training had none such" in notes.notes[-1]


def test_no_answer_takes_its_place_in_the_list(engines):
    engine, _ = engines("bert")
    for one in answer(engine, ASKED, top_k=10**6, handle_impossible_answer=True):
        (null,) = [place for place, part in enumerate(one) if part["answer"] == ""]
        assert one[null]["start"] == one[null]["end"] == 0
        scores = [part["score"] for part in one]
        assert scores == sorted(scores, reverse=True)  # at the threshold 0 that is transformers 4's order
    empty = answer(engine, [{"question": "가", "context": ""}])  # a row of a file that can't be used
    assert empty[0][0]["answer"] == ""


# settings, splits, baselines -------------------------------------------------------------------------------------------


def test_settings_of_a_call(engines):
    task = QuestionAnswering()
    assert (
        task.call_settings({"stride": 4}).doc_stride
        == task.call_settings({"doc_stride": 4, "stride": 4}).doc_stride
        == 4
    )
    for wrong, message in (
        ({"top_k": 0}, "at least 1"), ({"max_answer_len": 0}, "at least 1"), ({"top_k": 2, "topk": 3}, "the same setting"),
        ({"doc_stride": 3, "stride": 4}, "the same setting"), ({"grouped_entities": True}, "no setting grouped_entities"),
        ({"handle_impossible_answer": "maybe"}, "true or false"),
    ):  # fmt: skip
        with pytest.raises(SettingError, match=message):
            task.call_settings(wrong)
    engine, _ = engines("bert")
    for wrong, message in (({"max_seq_len": 400}, "windows have 120 tokens"), ({"doc_stride": 118}, "can't advance")):
        with pytest.raises(SettingError, match=message):
            answer(engine, ASKED, **wrong)
    trained = QuestionAnswering(stride=100, max_question_length=5)
    assert trained._cut(engine.encoder, trained.call_settings({})).stride == 100
    assert (
        trained._cut(engine.encoder, trained.call_settings({"max_seq_len": 60})).stride is None
    )  # made for another length


def test_baselines_are_sentences():
    task, rows = QuestionAnswering(), rows_of("korquad_1")
    first, near = (task.baseline(kind, rows, rows, 0) for kind in ("trivial", "linear"))
    assert first[0].startswith("측우기는") and first[0].endswith("기구이다.")
    assert near[7] == "꼭대기에는 백록담이라는 화구호가 있다." and near[3].startswith("비가 그치면")
    scores = [task.score(said, task.references(rows.table))["f1"]["value"] for said in (first, near)]
    assert scores[0] < scores[1]
    right = task.references(rows.table)
    assert task.score(right, right)["exact_match"]["value"] == 1  # what asks for the names of the scores
    klue = rows_of("klue_mrc")
    silent = task.baseline("trivial", klue, klue, 0)
    assert set(silent) == {""}  # a quarter has no answer, and first sentences score less
    assert task.score(silent, task.references(klue.table))["f1"]["value"] == 0.25


# end to end -----------------------------------------------------------------------------------------------------------


def test_training_learns_and_the_folder_loads_everywhere(tmp_path):
    """Loss and score move well past the baselines; the saved model answers the same here, and has the same logits elsewhere."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    file = str(DATA / "klue_mrc.json")
    folder = str(Family("bert").save(tmp_path / "body", auto="AutoModel"))
    run = byeori.train(
        QuestionAnswering, folder, train=file, validation=file, test_size=0, epochs=30, batch_size=6, learning_rate=3e-3,
        max_length=128, evaluate_every=30, preview_every=30, threads=1, precision="float32", output=str(tmp_path / "run"),
    )  # fmt: skip
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in history if "loss" in line]
    assert losses[-1] < losses[0] / 4
    found = run.metrics["validation"]
    assert found["f1"]["value"] > 0.8 and run.task.best == run.metrics["headline"] == "f1"
    meta = json.loads((tmp_path / "run" / "model" / "byeori.json").read_text(encoding="utf-8"))
    assert meta["state"]["impossible"] is True and "threshold" in meta["state"]
    sample = json.loads((tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {"question", "context"} == set(sample["inputs"]) and isinstance(sample["reference"], list)
    assert isinstance(sample["prediction"], str) and 0 <= sample["score"] <= 1

    # The tutorial's own job: question, prediction and answer of a step's rows, from the outputs at hand.
    rows = rows_of("klue_mrc")
    task = QuestionAnswering.from_state(meta["state"])
    assert task.learnt and not task.elsewhere
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "run" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    loaded = load_model(copy.deepcopy(model), task, tokenizer=tokenizer, for_training=False)
    engine = Engine(task, loaded.model, tokenizer, max_length=128)
    answers, store, right = judged(engine, task, rows)
    again = evaluate(engine, store, right)
    assert again.scores["exact_match"]["value"] == pytest.approx(found["exact_match"]["value"])
    assert again.scores["loss"]["value"] == pytest.approx(found["loss"]["value"], abs=1e-4)
    for s in range(0, store.sequences, 5):
        alone = build(store, np.array([s]), columns=False).padded()
        with torch.no_grad():
            out = model(**alone)
        plain = torch.stack([out.start_logits[0], out.end_logits[0]], -1)
        np.testing.assert_allclose(answers.of(s), plain.numpy(), atol=1e-4)
    predicted = [
        json.loads(line) for line in (tmp_path / "run" / "predictions" / "validation.jsonl").open(encoding="utf-8")
    ]
    for one, context, mine in zip(predicted, rows.table["context"], task.decode(answers, store), strict=True):
        said = one["prediction"]
        assert said["answer"] == mine["answer"] == context[said["start"] : said["end"]]
        assert said["score"] == pytest.approx(mine["score"], abs=1e-4)
    shown = task.show(rows.table[0], mine, task.right_answer(rows.table[0]))
    assert shown["inputs"]["question"] == rows.table[0]["question"] and shown["reference"] == [
        "2월 셋째 주",
        "2월 셋째 주에",
    ]


def test_a_checkpoint_with_another_number_of_labels_gets_two(tmp_path):
    """BERT's head has as many outputs as the config has labels: three of NLI, and start and end could not be told apart."""
    from transformers import AutoConfig

    folder = Family("bert").save(tmp_path / "nli", labels=("contradiction", "entailment", "neutral"))
    loaded = load_model(str(folder), QuestionAnswering())
    assert AutoConfig.from_pretrained(folder).num_labels == 3
    assert loaded.model.qa_outputs.out_features == loaded.model.config.num_labels == 2
