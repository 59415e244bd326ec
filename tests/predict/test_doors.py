"""A loaded run goes through every door; what is asked for there is done, or refused by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import byeori
from byeori.errors import DataError, RowsError, SettingError
from byeori.predict import pipeline as pipeline_module
from byeori.predict import run as run_module
from byeori.predict.model_folder import save_model
from byeori.tasks import TextClassification, Translation
from families import texts

USING = {"device": "cpu", "precision": "float32"}
LABELS = ["bad", "good", "so so"]
ROWS = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(texts()[:9])]


def save(tiny, path: Path, task: TextClassification) -> Path:
    source = tiny("bert", labels=LABELS)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    save_model(path, model, tokenizer, task, {"max_length": 40, "truncation": "tail"})
    return path


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> Path:
    return save(tiny, tmp_path_factory.mktemp("trained") / "model", TextClassification(labels=LABELS))


@pytest.fixture(scope="module")
def run(folder):
    return byeori.load_run(folder, **USING)


@pytest.fixture(scope="module")
def written(tiny):
    return byeori.load_run(str(tiny("bart", auto="AutoModelForSeq2SeqLM")), task="summarization", **USING)


# a run in the hand ----------------------------------------------------------------------------------------------------
def test_a_run_is_taken_where_a_model_is(run, folder):
    given = list(texts()[:4])
    assert (
        byeori.load_run(run)
        is run
        is byeori.load_run(run, task="sentiment-analysis", precision="float32", max_length=40)
    )
    assert byeori.predict(run, given) == run.predict(given) == byeori.predict(folder, given, **USING)
    assert byeori.evaluate(run, ROWS) == run.evaluate(ROWS)
    for pipe in (byeori.pipeline("text-classification", run), byeori.pipeline(model=run)):
        assert pipe(given) == run.predict(given) and pipe.model is run.model


def test_a_shorter_length_leaves_the_run_as_it_was(run, folder):
    long = [" ".join(texts()[:9])]
    short = byeori.load_run(folder, max_length=8, **USING).predict(long)
    assert byeori.predict(run, long, max_length=8) == byeori.pipeline(None, run, max_length=8)(long) == short
    assert run.engine.encoder.max_length == 40 and run.predict(long) != short


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "ner"}, "task=ner: this run was loaded with another one, text-classification"),
        ({"task": "feature-extraction"}, "task=feature-extraction: .*byeori.load_run"),
        ({"task": TextClassification(labels=LABELS)}, "task=TextClassification"),
        ({"precision": "bfloat16"}, "precision='bfloat16': this run is loaded already"),
        ({"tokenizer": "other"}, "tokenizer='other'"),
        ({"problem_type": "regression"}, "problem_type='regression'"),
        ({"top_k": 3}, "there is no setting top_k"),
    ],
    ids=["another-task", "a-task-that-borrows", "a-task-object", "precision", "tokenizer", "problem-type", "a-call"],
)
def test_what_a_loaded_run_is_not_is_refused(run, options, said):
    with pytest.raises(SettingError, match=said):
        byeori.load_run(run, **options)
    if not set(options) & {"top_k", "task"}:
        with pytest.raises(SettingError, match=said):
            byeori.pipeline("text-classification", run, **options)


def test_a_translation_of_another_pair_is_refused(tiny):
    folder = str(tiny("bart", auto="AutoModelForSeq2SeqLM"))
    run = byeori.load_run(folder, task=Translation(source_lang="ko", target_lang="en"), **USING)
    assert byeori.load_run(run, task="translation_ko_to_en") is run
    with pytest.raises(SettingError, match="language of this model is"):
        byeori.load_run(run, task="translation_ko_to_fr")


# columns and lengths --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["text", "text_pair", "label"])
def test_a_column_that_the_task_does_not_read_is_refused(written, role):
    for use in (
        lambda: written.evaluate([{"source": "a", "target": "b"}], **{role: "x"}),
        lambda: written.predict([{"number": 1}], read={role: "x"}),
    ):
        with pytest.raises(
            SettingError, match=f"{role}='x': summarization reads no {role}. Its columns are source, target"
        ):
            use()


def test_a_prediction_reads_no_right_answers(run, written):
    for one, role in ((run, "label"), (written, "target")):
        with pytest.raises(SettingError, match=f"{role}='x': a prediction reads no right answers"):
            one.predict([{"number": 1}], read={role: "x"})


def test_max_length_of_a_task_that_writes_is_that_of_the_call(written, tiny):
    folder, given = str(tiny("bart", auto="AutoModelForSeq2SeqLM")), list(texts()[:3])
    found = byeori.predict(folder, given, task="summarization", max_length=6, **USING)
    assert found == written.predict(given, max_length=6) == byeori.predict(written, given, max_length=6)
    assert found != written.predict(given, max_length=12)
    with pytest.raises(SettingError, match="max_length=0: it must be at least 1"):
        byeori.predict(written, given, max_length=0)


def test_two_precisions_are_one_too_many(folder):
    assert byeori.pipeline("text-classification", folder, precision="float32", dtype="float32", device="cpu")
    with pytest.raises(SettingError, match="dtype=bfloat16 and float32 are two precisions"):
        byeori.pipeline("text-classification", folder, precision="float32", dtype="bfloat16")


# what is given --------------------------------------------------------------------------------------------------------
def test_names_of_data_files_that_are_there_are_read(run, tmp_path):
    for name, few in (("a.tsv", ROWS[:2]), ("b.tsv", ROWS[2:5])):
        (tmp_path / name).write_text(
            "text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in few), encoding="utf-8"
        )
    names = [str(tmp_path / name) for name in ("a.tsv", "b.tsv")]
    expected = run.predict([row["text"] for row in ROWS[:5]])
    assert run.predict(names) == expected == run.predict([Path(name) for name in names])
    assert len(run.predict(["a.tsv", "b.tsv"])) == 2, "names of files that are not there are texts"
    assert len(run.predict([names[0], "a text"])) == 2


def test_an_error_names_the_place_among_all_inputs(run, monkeypatch):
    monkeypatch.setattr(run_module, "WINDOW", 2)
    monkeypatch.setattr(pipeline_module, "WINDOW", 2)
    monkeypatch.setattr(run.task, "pair", True)
    pairs = [("a", "b")] * 4
    pipe = byeori.pipeline("text-classification", run)
    single = "the model was trained on pairs of texts, and this is a single text"
    for use in (lambda: run.predict([*pairs, ("a", "b"), "c"]), lambda: pipe([*pairs, ("a", "b"), "c"]),
                lambda: list(pipe(iter([*pairs, ("a", "b"), "c"])))):  # fmt: skip
        with pytest.raises(RowsError, match=f"^input 6: {single}"):
            use()
    with pytest.raises(DataError, match="^input 5 is int '3'"):
        list(pipe(iter([*pairs, 3])))
    with pytest.raises(DataError, match="^input 1 is int '3'"):
        pipe([3, *pairs])


def test_a_single_text_among_pairs(run, monkeypatch):
    monkeypatch.setattr(run.task, "pair", False)
    with pytest.raises(RowsError, match="^input 2: the model was trained on single texts, and this is a pair of texts"):
        run.predict(["a", ("b", "c")])
    monkeypatch.setattr(run.task, "pair", None)
    mixed, alone = run.predict(["a", ("b", "c")]), [*run.predict(["a"]), *run.predict([("b", "c")])]
    assert [one["label"] for one in mixed] == [one["label"] for one in alone], "a model that doesn't say takes both"
    assert [one["score"] for one in mixed] == pytest.approx([one["score"] for one in alone], abs=1e-5)


# own tasks, and what is saved -----------------------------------------------------------------------------------------
def test_the_file_of_an_own_task_runs_once(tiny, tmp_path):
    file, log = tmp_path / "own_once.py", tmp_path / "log"
    file.write_text(
        f"import byeori\n\nwith open({str(log)!r}, 'a') as file:\n    file.write('x')\n\n\n"
        "class Mine(byeori.tasks.TextClassification):\n    summary = 'mine'\n",
        encoding="utf-8",
    )
    task = f"{file}:Mine"
    folder = save(tiny, tmp_path / "model", byeori.tasks.find(task)(labels=LABELS))
    runs = [byeori.load_run(folder, task=task, **USING), byeori.pipeline(task, folder, **USING).run]
    assert log.read_text() == "x" and type(runs[0].task) is type(runs[1].task)
    file.write_text(file.read_text() + "\n# changed\n", encoding="utf-8")
    byeori.tasks.find(task)
    assert log.read_text() == "xx", "a file that changed runs again"


def test_a_saved_pipeline_knows_its_task(run, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    byeori.pipeline("text-classification", run).save_pretrained(tmp_path)
    again = byeori.load_run(tmp_path, **USING)
    given = [*texts()[:3], " ".join(texts()[:9])]
    assert again.predict(given) == run.predict(given)
    assert (again.engine.encoder.max_length, again.engine.encoder.truncation) == (40, "tail")
    assert (tmp_path / "kept.txt").read_text() == "mine", "the folder may hold other things"


def test_a_saved_pipeline_of_others_is_as_theirs(tiny, tmp_path):
    byeori.pipeline("text-classification", str(tiny("bert", labels=LABELS)), device="cpu").save_pretrained(tmp_path)
    assert not (tmp_path / "byeori.json").exists(), "its task was learnt elsewhere, and is asked as there"
    assert json.loads((tmp_path / "config.json").read_text())["id2label"]["1"] == "good"
