"""The tutorials' own data sets, arguments and habits, in the tasks: rows of docs/coverage.md that no other test is about.

References are the tokenizer, the model and the pipeline of transformers on the same folder, or the exact sentence of a refusal.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch

import byeori
from byeori.data.read import read_rows
from byeori.errors import SettingError
from byeori.models.load import load_model
from byeori.tasks import (
    TASKS,
    QuestionAnswering,
    Summarization,
    TextClassification,
    TextGeneration,
    TokenClassification,
)
from byeori.tasks.tag_schemes import recognise
from families import Family, texts
from pipelines import ASKED, CHOICES, MASKED, MODELS, A, maker

QUICK = {"max_steps": 2, "batch_size": 4, "threads": 1, "precision": "float32", "baselines": False}
MRC = str(Path(__file__).parent / "tasks" / "data" / "klue_mrc.json")
EMOTIONS = [
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief",
    "joy", "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise",
    "neutral",
]  # fmt: skip


# data sets ------------------------------------------------------------------------------------------------------------
def test_mrpc_is_a_pair_task(tiny, tmp_path):
    """Its columns and class names are found, its three splits kept, and a pair is what the tokenizer makes of two texts."""
    names = ["not_equivalent", "equivalent"]
    one = datasets.Value("string")
    features = datasets.Features(
        sentence1=one, sentence2=one, label=datasets.ClassLabel(names=names), idx=datasets.Value("int32")
    )

    def part(start: int, count: int) -> datasets.Dataset:
        places = range(start, start + count)
        rows = [{"sentence1": texts()[i], "sentence2": texts()[i + 2], "label": i % 2, "idx": i} for i in places]
        return datasets.Dataset.from_list(rows, features=features)

    data = datasets.DatasetDict({"train": part(0, 12), "validation": part(20, 6), "test": part(40, 7)})
    model = str(tiny("bert", auto="AutoModel"))
    run = byeori.train("text-classification", model, train=data, output=str(tmp_path / "run"), **QUICK)
    assert run.task.columns == {"text": "sentence1", "text_pair": "sentence2", "label": "label"}
    assert run.task.labels == names and run.task.problem_type == "single_label"
    facts = json.loads(run.folder.data.read_text(encoding="utf-8"))["parts"]
    assert {name: part["rows"] for name, part in facts.items()} == {"train": 12, "validation": 6, "test": 7}
    store, rows = run.encode(run.read(data["test"]), labels=True), data["test"][:]
    theirs = run.tokenizer(rows["sentence1"], rows["sentence2"], truncation=True)
    for name in ("input_ids", "token_type_ids"):
        assert [store[row][name] for row in range(7)] == theirs[name]
    assert store.columns["labels"].tolist() == rows["label"]


def test_klue_mrc_as_the_hub_has_it():
    """Nine columns, one row a question; what stands beside an unanswerable one as plausible is no answer."""
    shared = {
        "title": "한글", "context": "세종은 1443년에 훈민정음을 만들었다.", "news_category": "문화", "source": "acrofan",
        "question_type": 1, "question": "훈민정음을 만든 사람은?",
    }  # fmt: skip
    rows = [
        {**shared, "guid": "klue-mrc-v1_train_1", "is_impossible": False, "answers": {"answer_start": [0], "text": ["세종"]}},
        {**shared, "guid": "klue-mrc-v1_train_2", "is_impossible": True, "answers": {"answer_start": [4], "text": ["1443년"]}},
    ]  # fmt: skip
    found = read_rows(
        datasets.Dataset.from_list(rows), roles=QuestionAnswering.roles, forms=QuestionAnswering.forms
    ).table
    assert set(found.column_names) == {"question", "context", "answers", "id", "title"}
    assert found["answers"][:] == [{"text": ["세종"], "answer_start": [0]}, {"text": [], "answer_start": []}]
    assert found["id"][:] == ["klue-mrc-v1_train_1", "klue-mrc-v1_train_2"] and found["title"][0] == "한글"


def test_go_emotions_has_several_of_28_labels(tiny, tmp_path):
    """A list of class ids a row: all names in their order, the model's own binary cross-entropy, a sigmoid each."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    labels = datasets.List(datasets.ClassLabel(names=EMOTIONS))
    features = datasets.Features(text=datasets.Value("string"), labels=labels, id=datasets.Value("string"))
    rows = [{"text": texts()[i], "labels": sorted({i % 28, 5 * i % 28}), "id": f"e{i}"} for i in range(40)]
    data = datasets.Dataset.from_list(rows, features=features)
    model = str(tiny("bert", auto="AutoModel"))
    run = byeori.train("text-classification", model, train=data, output=str(tmp_path / "run"), **QUICK)
    assert run.task.problem_type == "multi_label" and run.task.labels == EMOTIONS

    plain = AutoModelForSequenceClassification.from_pretrained(run.folder.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(run.folder.model)
    assert plain.config.problem_type == "multi_label_classification" and plain.config.id2label[27] == "neutral"
    few = data.select(range(8))
    goal = torch.zeros(8, 28)
    for row, ids in enumerate(few["labels"]):
        goal[row, ids] = 1.0
    inputs = tokenizer(few["text"][:], padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        out = plain(**inputs, labels=goal)
    assert run.evaluate(few, resamples=0)["loss"]["value"] == pytest.approx(float(out.loss), abs=1e-5)
    found = byeori.pipeline("text-classification", str(run.path), precision="float32")(few["text"][:], top_k=None)
    for scores, logits in zip(found, out.logits, strict=True):
        expected = dict(zip(EMOTIONS, logits.sigmoid().tolist(), strict=True))
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(expected, abs=1e-5)


def test_tags_in_korean_before_and_behind():
    """The type is the Korean word, wherever the letter stands; tags without letters are tags, whole."""
    tags = [["B-인물", "I-인물", "O", "B-장소"], ["O", "B-장소", "I-장소", "O"]]
    turned = [[tag if tag == "O" else "-".join(reversed(tag.split("-"))) for tag in row] for row in tags]
    form = {"roles": TokenClassification.roles, "required": (), "forms": TokenClassification.forms}
    words = ["가나", "다라", "마바", "사아"]
    for written in (tags, turned):
        rows = read_rows([{"tokens": words, "tags": row} for row in written], SimpleNamespace(), **form)
        task = TokenClassification()
        task.prepare(rows)
        assert task.labels == ["O", "B-인물", "I-인물", "B-장소", "I-장소"]
        assert (
            recognise(written, str).suffix
            is any("written 인물-B" in note for note in rows.notes)
            is (written is turned)
        )
        right = task.references(rows.table)
        assert right == tags
        half = task.score([right[0], ["O"] * 4], right)
        assert {name: half[name]["value"] for name in ("f1", "f1.인물", "f1.장소")} == pytest.approx(
            {"f1": 0.8, "f1.인물": 1.0, "f1.장소": 2 / 3}
        )
    bare = read_rows([{"tokens": words, "tags": ["LABEL_0", "명사", "LABEL_1", "O"]}] * 2, SimpleNamespace(), **form)
    task = TokenClassification()
    task.prepare(bare)
    assert task.scheme.bare and set(task.labels) == {"LABEL_0", "LABEL_1", "O", "명사"}


# heads and arguments --------------------------------------------------------------------------------------------------
def test_the_seven_heads_and_the_body_have_a_task():
    heads = "SequenceClassification TokenClassification QuestionAnswering MultipleChoice MaskedLM CausalLM Seq2SeqLM"
    assert {task.auto_class for task in TASKS} == {"AutoModel", *(f"AutoModelFor{head}" for head in heads.split())}


@pytest.fixture(scope="module")
def pipe(tiny):
    return maker(tiny)


@pytest.mark.parametrize("task", MODELS)
def test_tensorflow_tensors_are_refused_by_name(pipe, task):
    given = {"question-answering": ASKED, "fill-mask": MASKED}.get(task, A)
    more = CHOICES if task == "zero-shot-classification" else {}
    with pytest.raises(SettingError, match="return_tensors='tf'"):
        pipe(task)(given, return_tensors="tf", **more)


OLD: dict[str, tuple[Any, str]] = {  # accepted by transformers 5, where they do nothing
    "safe_serialization": (False, "Weights are always written as safetensors."),
    "use_fast": (False, "The fast tokenizer is always taken where there is one."),
    "use_auth_token": ("hf_x", "Set HF_TOKEN in the environment."),
    "from_tf": (True, "TensorFlow weights are gone from transformers; convert them with an old version first."),
    "predict_with_generate": (True, "Tasks that generate are always evaluated by generation."),
}


@pytest.mark.parametrize("name", OLD)
def test_old_arguments_of_training_are_answered(name):
    value, sentence = OLD[name]
    with pytest.raises(SettingError) as caught:
        byeori.train("summarization", "model", train="rows.tsv", output="run", **{name: value})
    assert str(caught.value) == f"there is no setting {name}. {sentence}"


def test_old_arguments_of_a_pipeline_are_answered(tiny, tmp_path):
    folder = str(tiny("bert", **MODELS["text-classification"][1]))
    with pytest.raises(
        SettingError, match="there is no setting from_tf. TensorFlow weights are gone from transformers"
    ):
        byeori.pipeline("text-classification", folder, from_tf=True)
    ours = byeori.pipeline("text-classification", folder)
    with pytest.raises((SettingError, TypeError), match="safe_serialization"):
        ours.save_pretrained(str(tmp_path / "saved"), safe_serialization=False)
    assert not (tmp_path / "saved").exists()


# training -------------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:.*control code")
@pytest.mark.parametrize("name", ["gpt2", "ctrl"])
def test_a_decoders_loss_is_divided_by_the_labels_that_count(tiny, name):
    """One text of L tokens has L − 1 labels. transformers' Trainer divides theirs by L: 4.017 where 4.591 is right."""
    task = TextGeneration()
    model, tokenizer = byeori.load(str(tiny(name, auto="AutoModelForCausalLM")), task)
    store = byeori.encode([{"text": texts()[0][:20]}], task, tokenizer, model=model)
    (batch,) = byeori.batches(store, batch_size=1)
    (pack,) = batch
    ids = torch.tensor([store.input_ids[:].tolist()])
    assert store.sequences == 1 and batch.labels == ids.shape[1] - 1 < 20
    model.eval()
    with torch.no_grad():
        found = task.loss(task.outputs(model, pack), pack).sum() * batch.scale
        own = model(input_ids=ids, labels=ids).loss
    assert float(found) == pytest.approx(float(own), rel=1e-5)


def test_the_second_tutorials_print_of_questions(tiny, tmp_path):
    """Question, prediction and answer every N steps; ten are asked for, and a batch of four gives four."""
    shown: list[list[dict[str, Any]]] = []

    class Print(byeori.Hook):
        def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
            if run.step % 2 == 0:
                shown.append(run.samples(pack, outputs, 10))

    run = byeori.train(
        "question-answering", str(tiny("bert", auto="AutoModel")), train=MRC, validation=MRC, test_size=0, max_length=128,
        output=str(tmp_path / "run"), hooks=[Print()], preview_every=2, previews=10, **{**QUICK, "max_steps": 4},
    )  # fmt: skip
    rows = byeori.read(MRC, roles=QuestionAnswering.roles, forms=QuestionAnswering.forms)
    answers = {row["question"]: row["answers"]["text"] for row in rows}
    assert [len(samples) for samples in shown] == [4, 4]
    lines = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").open(encoding="utf-8")]
    assert {line["step"] for line in lines} == {2, 4} and len(lines) == 8
    for sample in [*shown[0], *shown[1], *lines]:
        right = answers[sample["inputs"]["question"]]
        assert isinstance(sample["prediction"], str) and (not right or sample["reference"] == right)
    assert run.metrics["validation"]["f1"]["value"] is not None


def test_compute_metrics_of_the_first_tutorial_unchanged(tmp_path):
    folder = str(Family("t5").save(tmp_path / "t5", "AutoModelForSeq2SeqLM"))
    tokenizer = Family("t5").tokenizer()
    rows = [{"source": texts()[place], "target": texts()[30 + place][: 3 + 9 * place]} for place in range(3)]
    seen: list[tuple[list[str], list[list[str]]]] = []

    def compute_metrics(eval_preds):
        preds, labels = eval_preds
        if isinstance(preds, tuple):
            preds = preds[0]
        decoded_preds = tokenizer.batch_decode(preds, skip_special_tokens=True)
        labels = np.where(labels != -100, labels, tokenizer.pad_token_id)
        decoded_labels = tokenizer.batch_decode(labels, skip_special_tokens=True)
        decoded_preds = [pred.strip() for pred in decoded_preds]
        decoded_labels = [[label.strip()] for label in decoded_labels]
        seen.append((decoded_preds, decoded_labels))
        return {
            "same": float(np.mean([[one] == right for one, right in zip(decoded_preds, decoded_labels, strict=True)]))
        }

    run = byeori.train(
        "translation", folder, train=rows, validation=rows, test_size=0, output=str(tmp_path / "run"), epochs=40, batch_size=3,
        learning_rate=1e-2, max_length=64, max_target_length=30, evaluate_every="end", compute_metrics=compute_metrics,
        threads=1, precision="float32", baselines=False,
    )  # fmt: skip
    assert 0 <= run.metrics["validation"]["same"]["value"] <= 1
    seen.clear()
    scores = run.evaluate(rows, metrics=[compute_metrics], resamples=0)
    ((said, right),) = seen
    written = [one["translation_text"] for one in run.predict([row["source"] for row in rows])]
    assert said == [text.strip() for text in written] and len(set(map(len, said))) > 1
    assert right == [[row["target"].strip()] for row in rows]
    assert scores["same"]["value"] == pytest.approx(np.mean([a == b for a, (b,) in zip(said, right, strict=True)]))


# models ---------------------------------------------------------------------------------------------------------------
def test_camembert_comes_with_its_own_classes(tiny):
    model, tokenizer = byeori.load(str(tiny("camembert", auto="AutoModelForMaskedLM")), "fill-mask")
    assert (type(model).__name__, type(tokenizer).__name__) == ("CamembertForMaskedLM", "CamembertTokenizer")


def test_a_missing_do_lower_case_is_said_before_a_prediction(tmp_path, capsys):
    """Once, with the line to add: of every Korean word the model sees [UNK] alone."""
    folder = Family("bert").save(tmp_path / "bert", labels=("0", "1"))
    file = folder / "tokenizer_config.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found.pop("do_lower_case") is False
    file.write_text(json.dumps(found), encoding="utf-8")
    ours = byeori.pipeline("text-classification", str(folder))
    capsys.readouterr()
    for _ in range(2):
        ours(["배송이 빨라서 좋아요", "번역이 어색하다"])
    said = capsys.readouterr().err
    assert said.count('Set "do_lower_case": false in its tokenizer_config.json.') == said.count("\n") == 1


LONG = " ".join(texts()[:24])  # some 500 tokens


def endless(name: str, auto: str, folder: Path) -> str:
    """A model whose tokenizer says no maximum; its config says what that of the real one does."""
    Family(name).save(folder, auto)
    for file, key in (("tokenizer_config.json", "model_max_length"), ("config.json", "max_position_embeddings")):
        found = json.loads((folder / file).read_text(encoding="utf-8"))
        if file != "config.json" or name == "led":  # LED counts the positions of encoder and decoder apart
            del found[key]
        (folder / file).write_text(json.dumps(found), encoding="utf-8")
    return str(folder)


def test_longformers_maximum_is_its_tables(tmp_path):
    """It begins behind the pad's place, as RoBERTa's does: of 128 positions 126 can be used."""
    from transformers import AutoModelForSequenceClassification

    folder = endless("longformer", "AutoModelForSequenceClassification", tmp_path / "longformer")
    loaded = load_model(folder, TextClassification(), for_training=False)
    assert loaded.max_length == 126
    (found,) = byeori.pipeline("text-classification", folder, precision="float32", top_k=None)([LONG])
    ids = loaded.tokenizer(LONG, truncation=True, max_length=126, return_tensors="pt")
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**ids).logits[0]
    expected = sorted(logits.softmax(-1).tolist(), reverse=True)
    assert [one["score"] for one in found] == pytest.approx(expected, abs=1e-5)


def test_leds_maximum_is_its_encoders(tmp_path):
    folder = endless("led", "AutoModelForSeq2SeqLM", tmp_path / "led")
    loaded = load_model(folder, Summarization(), for_training=False)
    assert loaded.max_length == 128
    ours = byeori.pipeline("summarization", folder, precision="float32", max_new_tokens=4, num_beams=1)
    ids = loaded.tokenizer(LONG, truncation=True, max_length=128, return_tensors="pt")
    first = torch.zeros_like(ids["input_ids"])
    first[0, 0] = 1  # the token that sees all
    written = ours.model.generate(
        ids["input_ids"],
        attention_mask=ids["attention_mask"],
        global_attention_mask=first,
        max_new_tokens=4,
        num_beams=1,
    )
    text = ours.tokenizer.decode(written[0], skip_special_tokens=True)
    assert ours(LONG) == [{"summary_text": text}]
