"""Writing one text from another: trained, saved and loaded anywhere; texts as transformers writes them, row by row."""

from __future__ import annotations

import json
from collections import ChainMap
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import byeori
from byeori.batches.pack import build
from byeori.data.read import read_rows
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.load import load_model
from byeori.predict.engine import Engine
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.summarization import Summarization
from byeori.tasks.translation import Translation
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.store import TokenStore
from families import SEQ2SEQ, Family, texts

AUTO = "AutoModelForSeq2SeqLM"
LENGTH = 60  # one of the sources is longer
SOURCES = [" ".join(texts()[place : place + 1 + 2 * (place % 3)]) for place in range(5)]
TARGETS = [texts()[30 + place][: 5 + 5 * place] for place in range(5)]
ROWS = [{"source": source, "target": target} for source, target in zip(SOURCES, TARGETS, strict=True)]
LANGUAGES = {"mbart": {"source_lang": "ko_KR", "target_lang": "en_XX"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`trained(family)` → a run of a tiny model that learnt five rows by heart: its texts differ, and end where they end."""
    made: dict[str, Any] = {}

    def make(name: str) -> Any:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            Family(name).save(folder / "model", auto=AUTO)
            made[name] = byeori.train(
                Translation, str(folder / "model"), train=ROWS, validation=ROWS, test_size=0, output=str(folder / "run"),
                epochs=60, batch_size=5, learning_rate=1e-2, max_length=LENGTH, max_target_length=40, num_beams=2,
                evaluate_every="end", preview_every=30, previews=2, precision="float32", threads=1, **LANGUAGES.get(name, {}),
            )  # fmt: skip
        return made[name]

    return make


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Around an untrained BART."""
    family, task = Family("bart"), Seq2Seq()
    loaded = load_model(family.model(AUTO), task, tokenizer=family.tokenizer())
    return Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LENGTH)


def stored(engine: Engine, task: Seq2Seq | None = None) -> TokenStore:
    """A store with labels."""
    rows = {"source": SOURCES, "target": TARGETS}
    found = TokenStore.of((task or engine.task).encode(rows, engine.encoder), engine.levels, engine.encoder.pad)
    found.source = rows
    return found


def inputs(tokenizer: Any, source: str, led: bool = False) -> dict[str, torch.Tensor]:
    """One source as the course encodes it, and for LED its first token as one that sees all."""
    one = tokenizer(source, truncation=True, max_length=LENGTH, return_tensors="pt")
    found = {name: one[name] for name in ("input_ids", "attention_mask")}
    if led:
        found["global_attention_mask"] = torch.zeros_like(found["input_ids"])
        found["global_attention_mask"][:, 0] = 1
    return found


# trained ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_trained_and_loaded_anywhere(trained, name):
    """The loss falls and the texts are learnt; Byeori and transformers alone write the same with the saved model."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    run = trained(name)
    lines = [json.loads(line) for line in (run.path / "history.jsonl").open(encoding="utf-8")]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0] / 4 and run.metrics["validation"]["loss"]["value"] < losses[0] / 4
    assert run.metrics["validation"]["chrf"]["value"] > 60 > 30 > run.metrics["baseline"]["trivial"]["chrf"]["value"]
    lines = [json.loads(line) for line in (run.path / "predictions" / "validation.jsonl").open(encoding="utf-8")]
    assert [line["reference"] for line in lines] == TARGETS
    samples = [json.loads(line) for line in (run.path / "samples.jsonl").open(encoding="utf-8")]
    assert len(samples) == 4 and samples[-1].keys() >= {"step", "inputs", "prediction", "reference", "right"}

    again = byeori.load_run(run.path, task=Translation, precision="float32").predict(SOURCES)
    assert again == [line["prediction"] for line in lines]
    model = AutoModelForSeq2SeqLM.from_pretrained(run.path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(run.path / "model")
    for source, found in zip(SOURCES, again, strict=True):
        ids = model.generate(**inputs(tokenizer, source, name == "led"))  # nothing is told: the saved files say it
        assert found == {"translation_text": tokenizer.decode(ids[0], skip_special_tokens=True)}
    assert len({one["translation_text"] for one in again}) > 3


@pytest.mark.parametrize("asked", [
    {"num_beams": 1, "max_new_tokens": 20},
    {"num_beams": 4, "num_return_sequences": 3, "max_length": 18, "min_length": 9, "no_repeat_ngram_size": 2},
    {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True, "repetition_penalty": 1.5},
], ids=["greedy", "three-of-four-beams", "three-beams"])  # fmt: skip
@pytest.mark.parametrize("name", SEQ2SEQ)
def test_texts_are_those_of_generate_and_batch_decode(trained, name, asked):
    """Row by row, whatever rows are written together."""
    run = trained(name)
    call = run.task.call_settings(asked)
    store = run.engine.encode({"source": SOURCES}, call)
    whole, run.engine.pack_tokens = run.engine.pack_tokens, 90
    several = asked.get("num_return_sequences", 1) > 1
    try:
        found = run.task.decode(run.engine.run(store, call=call), store, call)
    finally:
        run.engine.pack_tokens = whole
    for place, source in enumerate(SOURCES):
        ids = run.model.generate(**inputs(run.tokenizer, source, name == "led"), **asked)
        expected = [{"translation_text": text} for text in run.tokenizer.batch_decode(ids, skip_special_tokens=True)]
        assert found[place] == (expected if several else expected[0])


def test_a_question_and_its_context_as_one_source(tmp_path):
    """Generative question answering is a text-to-text task: nothing but the columns says so."""
    colours = ("붉은", "푸른", "노란", "흰", "검은", "하얀")
    lines = [f"question: 색은? context: {one} 꽃 {number}송이\t{one}" for one in colours for number in range(4)]
    file = tmp_path / "qa.tsv"
    file.write_text("source\ttarget\n" + "\n".join(lines) + "\n", encoding="utf-8")
    Family("t5").save(tmp_path / "model", auto=AUTO)
    run = byeori.train(
        Seq2Seq, str(tmp_path / "model"), train=str(file), output=str(tmp_path / "run"), epochs=4, batch_size=8, 
        learning_rate=1e-2, max_length=64, max_target_length=8, precision="float32", threads=1, evaluate_every="end",
    )  # fmt: skip
    assert run.metrics["test"].keys() >= {"rougeL", "exact_match", "loss"} and run.metrics["headline"] == "rougeL"
    assert run.metrics["baseline"].keys() >= {"trivial", "linear"}
    assert list(run.predict([lines[0].split("\t")[0]])[0]) == ["generated_text"]


# calls ------------------------------------------------------------------------------------------------------------
def test_shapes_of_the_old_pipelines(engine):
    task = engine.task

    def ask(given: Any, **values: Any) -> list[Any]:
        rows, _ = task.inputs(given)
        call = task.call_settings({"max_new_tokens": 5, **values})
        store = engine.encode({"source": [row["source"] for row in rows]}, call)
        return task.decode(engine.run(store, call=call), store, call)

    (text,) = ask("a cat")
    assert list(text) == ["generated_text"]
    assert ask({"source": "a cat"}) == ask([{"text": "a cat"}]) == [text]
    (both,) = ask("a cat", return_tensors=True)
    assert both["generated_text"] == text["generated_text"]
    assert engine.tokenizer.decode(both["generated_token_ids"], skip_special_tokens=True) == text["generated_text"]
    assert list(ask("a cat", return_tensors=True, return_text=False)[0]) == ["generated_token_ids"]
    assert [len(one) for one in ask(["a cat", "a dog"], num_beams=2, num_return_sequences=2)] == [2, 2]
    with pytest.raises(SettingError, match="nothing would be returned"):
        ask("a cat", return_text=False)
    assert json.loads(json.dumps(both)) == both
    assert [kind.key for kind in (Seq2Seq, Summarization, Translation)] == ["generated", "summary", "translation"]


def test_a_text_is_answered_in_a_list_and_a_list_by_as_many():
    task, none = Summarization(), ChainMap({})
    one, two = {"summary_text": "a"}, {"summary_text": "b"}
    assert task.respond([one], "text", True, none) == [one]
    assert task.respond([[one, two]], "text", True, none) == [one, two]  # num_return_sequences
    assert task.respond([one, two], ["text", "text"], False, none) == [one, two]
    assert task.respond([[one, two], [two, one]], ["text", "text"], False, none) == [[one, two], [two, one]]
    assert task.respond([one], iter(["text"]), False, none) == [[one]]  # an item of a stream


def test_spaces_are_cleaned_up_where_asked(engine):
    engine.task.tokenizer = engine.tokenizer
    ids = engine.tokenizer("don't . stop !", add_special_tokens=False)["input_ids"]
    for clean in (True, False):
        call = engine.task.call_settings({"clean_up_tokenization_spaces": clean})
        right = engine.tokenizer.decode(ids, clean_up_tokenization_spaces=clean)
        assert engine.task._one(ids, call)["generated_text"] == right


@pytest.mark.parametrize("given, said", [
    ("  ", "input 1 is empty"),
    (["a", ""], "input 2 is empty"),
    (["a", ("b", "c")], "input 2 is tuple"),
    ([{"question": "?"}], 'a text or {"source": …} is needed'),
    ([None], "input 1 is NoneType"),
])  # fmt: skip
def test_inputs_that_are_none(given, said):
    with pytest.raises(DataError, match=said):
        Seq2Seq().inputs(given)


@pytest.mark.parametrize("values, said", [
    ({"num_return_sequences": 2}, "there is 1 beam"),
    ({"max_length": 9, "max_new_tokens": 9}, "both say how long"),
    ({"max_new_tokens": 500}, "the model has room for 127"),
])  # fmt: skip
def test_calls_that_cannot_be_answered(engine, values, said):
    call = engine.task.call_settings(values)
    with pytest.raises(SettingError, match=said):
        engine.run(engine.encode({"source": ["a"]}, call), call=call)


@pytest.mark.parametrize("asked", [
    {}, {"max_length": 25}, {"max_new_tokens": 4}, {"num_beams": 1, "max_new_tokens": 40},
    {"min_length": 10, "max_new_tokens": 30, "no_repeat_ngram_size": 0},
])  # fmt: skip
@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.filterwarnings("ignore:Unfeasible length")
def test_what_a_checkpoint_says_of_its_task_is_its_default(name, asked):
    """T5's and BART's task_specific_params, as transformers 4's pipeline took them: nobody asked for them."""
    from transformers import GenerationConfig

    family, task = Family(name), Summarization()
    model, tokenizer = family.model(AUTO).eval(), family.tokenizer()
    own = {
        "early_stopping": True,
        "length_penalty": 2.0,
        "max_length": 200,
        "min_length": 30,
        "no_repeat_ngram_size": 3,
        "num_beams": 4,
    }
    model.config.task_specific_params = {"summarization": {**own, "prefix": "summarize: "}}
    loaded = load_model(model, task, tokenizer=tokenizer)
    task.adopt(loaded.model.config)
    engine = Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LENGTH)
    call = task.call_settings(asked)
    store = engine.encode({"source": SOURCES[:2]}, call)
    found = task.decode(engine.run(store, call=call), store, call)
    said = {key: value for key, value in own.items() if key.replace("length", "new_tokens") not in asked}
    values = {**model.generation_config.to_diff_dict(), **said, **asked}
    if name == "bart" and not asked:
        values["max_length"] = 128  # the decoder has no more positions: what nobody asked for is what there is room for
    for source, one in zip(SOURCES, found, strict=False):
        ids = model.generate(**inputs(tokenizer, "summarize: " + source), generation_config=GenerationConfig(**values))
        assert one == {"summary_text": tokenizer.decode(ids[0], skip_special_tokens=True)}


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_ids_are_those_of_generate(name):
    """With the tokens that begin and end a text, as transformers 4's pipeline gave them."""
    family, task = Family(name), Seq2Seq()
    loaded = load_model(family.model(AUTO), task, tokenizer=family.tokenizer())
    engine = Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LENGTH)
    asked = {"max_new_tokens": 12, "num_beams": 2}
    call = task.call_settings({**asked, "return_tensors": True})
    store = engine.encode({"source": SOURCES}, call)
    found = task.decode(engine.run(store, call=call), store, call)
    for source, one in zip(SOURCES, found, strict=True):
        (ids,) = engine.model.generate(**inputs(engine.tokenizer, source), **asked).tolist()
        assert one["generated_token_ids"] == ids
        assert one["generated_text"] == engine.tokenizer.decode(ids, skip_special_tokens=True)


# training ---------------------------------------------------------------------------------------------------------
def test_label_smoothing_is_of_training_alone(engine):
    task = Seq2Seq(label_smoothing=0.1)
    pack = build(stored(engine), np.array([3]))
    engine.model.train()
    try:
        outputs = task.outputs(engine.model, pack)
    finally:
        engine.model.eval()
    target = torch.tensor([engine.tokenizer(text_target=TARGETS[3])["input_ids"]])
    logits = engine.model(**inputs(engine.tokenizer, SOURCES[3]), labels=target).logits[0]
    for judge, share in ((task, 0.1), (task.judging(), 0.0)):
        right = F.cross_entropy(logits, target[0], reduction="none", label_smoothing=share)
        assert torch.allclose(judge.loss(outputs, pack)[0], right, atol=1e-5)
    assert task.outputs(engine.model, pack).spread is None  # nothing is made that nobody reads


def test_what_is_cut_is_counted_and_said(engine):
    task = Summarization(max_target_length=12)
    store = stored(engine, task)
    long = sum(len(engine.tokenizer(text_target=text)["input_ids"]) > 12 for text in TARGETS)
    assert task.notes(store) == [
        f"{long} of 5 targets ({long / 5:.1%}) are longer than 12 tokens and were cut (--max-target-length); the model learns "
        f"to end there."
    ]
    assert long and task.notes(store) == []


@pytest.mark.parametrize("how", ["folder", "object"])
def test_an_encoder_can_do_none_of_this(tiny, tmp_path, how):
    given: dict[str, Any] = {"model": str(tiny("bert", auto="AutoModel"))}
    if how == "object":
        family = Family("bert")
        given = {"model": family.model("AutoModelForMaskedLM"), "tokenizer": family.tokenizer()}
    with pytest.raises(ModelError) as caught:
        byeori.train(Summarization, train=ROWS, validation=ROWS, test_size=0, output=str(tmp_path / "run"), **given)
    assert how == "folder" or "needs an encoder-decoder that writes (T5" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_only_the_first_rows_are_written_in_evaluation(engine):
    task = engine.task
    task.settings.eval_max_rows, task.trained, task.settings.max_target_length = 3, True, 6
    try:
        store = stored(engine)
        answers = engine.run(store)
        found = task.decode(answers, store)
        assert [one is None for one in found] == [False] * 3 + [True] * 2
        assert set(task.score(task.predictions(answers, store), TARGETS)) >= {"rougeL", "exact_match"}
        assert task.show({"source": "s"}, found[4], "t")["prediction"] is None
        rows = read_rows(ROWS, None, roles=Seq2Seq.roles, forms=Seq2Seq.forms)
        assert task.baseline("trivial", rows, rows, 0) == [*SOURCES[:3], None, None]  # beside the same rows
        call = task.call_settings({"max_new_tokens": 3})
        assert None not in task.decode(engine.run(store, call=call), store, call)  # a call gets all
        assert "eval_max_rows" not in task.state()["settings"]  # nor is a later evaluation cut short
    finally:
        task.settings.eval_max_rows, task.trained, task.settings.max_target_length = None, False, 128


@pytest.mark.parametrize("role", ["source", "target"])
def test_an_empty_source_or_target(tmp_path, role):
    rows = [{"source": "a b", "target": "c"}, {"source": "d e", "target": "f", role: "  "}]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(DataError, match=f'pairs.jsonl, row 2: the column "{role}" is empty'):
        read_rows(str(file), None, roles=Summarization.roles, forms=Summarization.forms)


def test_what_evaluation_costs_is_told():
    rows = read_rows(
        [{"source": f"s{n}", "target": f"t{n}"} for n in range(500)], None, roles=Seq2Seq.roles, forms=Seq2Seq.forms
    )
    Seq2Seq().check(rows)
    assert (
        "Each evaluation writes all 500 of them token by token" in rows.notes[-1]
        and "--eval-max-rows" in rows.notes[-1]
    )
    Seq2Seq(eval_max_rows=200).check(rows)
    assert sum("Each evaluation" in note for note in rows.notes) == 1


def test_samples_show_source_prediction_and_reference():
    task = Translation()
    shown = task.show({"source": "안녕"}, {"translation_text": "Hello"}, "Hello")
    same = {"prediction": "Hello", "reference": "Hello", "right": True}
    assert shown == {"kind": "text", "inputs": {"source": "안녕"}, **same}
    assert task.show({"source": "안녕"}, [{"translation_text": "Hi"}], ["Hello", "Hey"])["right"] is None


def test_rows_that_are_tokenized_already_train_as_the_texts_do(trained, tmp_path):
    """With padding and −100 as a collator leaves them; the prefix is in them, or not."""
    run = trained("t5")
    tokenizer = run.tokenizer
    sources = tokenizer(SOURCES, padding=True)
    targets = tokenizer(text_target=TARGETS)["input_ids"]
    longest = max(map(len, targets))
    labels = [ids + [-100] * (longest - len(ids)) for ids in targets]
    ready = [
        {"input_ids": ids, "attention_mask": mask, "labels": label}
        for ids, mask, label in zip(sources["input_ids"], sources["attention_mask"], labels, strict=True)
    ]
    common = {
        "test_size": 0,
        "epochs": 3,
        "batch_size": 5,
        "max_length": LENGTH,
        "previews": 1,
        "precision": "float32",
        "threads": 1,
    }
    folder = str(run.path / "model")
    found = [
        byeori.train(
            Translation, folder, train=rows, validation=rows, output=str(tmp_path / name), source_prefix="", **common
        )
        for name, rows in (("texts", ROWS), ("ids", ready))
    ]  # fmt: skip
    one, other = ({k: v.cpu() for k, v in each.model.state_dict().items()} for each in found)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert found[0].metrics["validation"]["chrf"] == found[1].metrics["validation"]["chrf"]


def test_targets_that_come_as_ids_are_cut_before_their_end_and_counted():
    tokenizer = Family("t5").tokenizer()
    labels = tokenizer(text_target=TARGETS)["input_ids"]
    task, encoder = Translation(max_target_length=12), Encoder(tokenizer, LENGTH)
    sources = tokenizer(SOURCES)["input_ids"]
    ready = [{"input_ids": ids, "labels": label} for ids, label in zip(sources, labels, strict=True)]
    rows = read_rows(ready, None, roles=Translation.roles, forms=Translation.forms)
    store = encode_rows(rows, task, encoder)
    long = sum(len(one) > 12 for one in labels)
    assert long and any(f"{long} of 5 targets" in note and "--max-target-length" in note for note in rows.notes)
    for row, one in enumerate(labels):
        found = store.list_of("labels", row).tolist()
        assert found == (one if len(one) <= 12 else [*one[:11], tokenizer.eos_token_id])
    ready[3] = {**ready[3], "labels": [-100, -100]}
    with pytest.raises(DataError, match="^rows, row 4: its labels hold nothing but −100 and padding"):
        encode_rows(read_rows(ready, None, roles=Translation.roles, forms=Translation.forms), task, encoder)


def test_written_ids_can_be_decoded_as_arrays(trained):
    """`logits` of a task that writes are ids, padded with the pad token: the course's compute_metrics decodes them."""
    run = trained("t5")
    found = run.evaluate(ROWS, arrays=True, resamples=0)
    assert np.issubdtype(found["logits"].dtype, np.integer) and (found["logits"] >= 0).all()
    texts_ = run.tokenizer.batch_decode(found["logits"], skip_special_tokens=True)
    assert texts_ == [one["translation_text"] for one in found["predictions"]]


def test_an_evaluation_is_told_how_to_write(trained):
    """For itself alone; the run is as it was afterwards."""
    run = trained("t5")
    before = run.task.settings
    short = run.evaluate(ROWS, arrays=True, resamples=0, max_new_tokens=2, num_beams=1)
    assert short["predictions"] == run.predict(SOURCES, max_new_tokens=2, num_beams=1)
    assert run.task.settings is before
    with pytest.raises(SettingError, match="max_new_tokens=0: it must be at least 1"):
        run.evaluate(ROWS, max_new_tokens=0)
    with pytest.raises(SettingError, match="there is no setting beams"):
        run.evaluate(ROWS, beams=1)
