"""A pipeline by name: aliases, languages in a name, tasks that are elsewhere, and the checkpoint nobody named."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import byeori
from byeori import tasks
from byeori.cli import main
from byeori.errors import ModelError, SettingError
from byeori.predict import pipeline as module
from byeori.tasks import named
from byeori.tasks.checkpoints import CHECKPOINTS, default
from byeori.tasks.names import ABSENT
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.text_classification import TextClassification
from byeori.tasks.token_classification import TokenClassification
from byeori.tasks.translation import Translation
from pipelines import register

# SUPPORTED_TASKS of transformers 4.57: the default of each text task with its short revision.
THEIRS = {
    ("feature-extraction", "en"): ("distilbert/distilbert-base-cased", "6ea8117"),
    ("text-classification", "en"): ("distilbert/distilbert-base-uncased-finetuned-sst-2-english", "714eb0f"),
    ("token-classification", "en"): ("dbmdz/bert-large-cased-finetuned-conll03-english", "4c53496"),
    ("question-answering", "en"): ("distilbert/distilbert-base-cased-distilled-squad", "564e9b5"),
    ("fill-mask", "en"): ("distilbert/distilroberta-base", "fb53ab8"),
    ("summarization", "en"): ("sshleifer/distilbart-cnn-12-6", "a4f8f3e"),
    ("translation", "en-fr"): ("google-t5/t5-base", "a9723ea"),
    ("translation", "en-de"): ("google-t5/t5-base", "a9723ea"),
    ("translation", "en-ro"): ("google-t5/t5-base", "a9723ea"),
    ("text2text-generation", "en"): ("google-t5/t5-base", "a9723ea"),
    ("text-generation", "en"): ("openai-community/gpt2", "607a30d"),
    ("zero-shot-classification", "en"): ("facebook/bart-large-mnli", "d7645e1"),
}


@pytest.fixture(autouse=True)
def every_task(monkeypatch):
    register(monkeypatch)
    monkeypatch.setattr(module, "_said", set())


@pytest.fixture
def loaded(monkeypatch) -> list[dict[str, Any]]:
    """What `load_run` was called with; nothing is loaded, and no Hub is asked."""
    calls: list[dict[str, Any]] = []

    def load(model: Any, *, task: Any, revision: str | None, **options: Any) -> Any:
        kind = tasks.find(task)(**tasks.values_in(task))
        calls.append({"model": model, "task": kind, "revision": revision})
        engine = SimpleNamespace(device="cpu", encoder=SimpleNamespace(truncation="head", max_length=512))
        return SimpleNamespace(task=kind, model=SimpleNamespace(), tokenizer=None, engine=engine, foreign=False)

    monkeypatch.setattr(module, "load_run", load)
    return calls


# checkpoints ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "lang"), THEIRS, ids=[" ".join(one) for one in THEIRS])
def test_the_english_ones_are_those_of_transformers_4(task, lang):
    model, short = THEIRS[task, lang]
    assert default(task, lang).model == model and default(task, lang).revision.startswith(short)


def test_each_is_whole():
    assert {("translation", "ko-en"), ("fill-mask", "ko")} < {
        (task, lang) for task in CHECKPOINTS for lang in CHECKPOINTS[task]
    }
    for task, by_language in CHECKPOINTS.items():
        assert tasks.find(task).name == task
        for lang, one in by_language.items():
            assert re.fullmatch(r"(en|ko)|[a-z]{2}-[a-z]{2}", lang)
            assert re.fullmatch(r"[0-9a-f]{40}", one.revision) and one.model.count("/") == 1
            assert 50 < one.megabytes < 5_000 and (one.licence is None or one.licence == one.licence.lower())


@pytest.mark.parametrize("lang", [None, "en", "ko"])
@pytest.mark.parametrize(
    "task", ["text-classification", "sentiment-analysis", "ner", "question-answering", "summarization", "fill-mask", "text-generation",
             "zero-shot-classification", "feature-extraction"],
)  # fmt: skip
def test_a_task_without_a_model_takes_its_default_and_says_so_once(loaded, capsys, task, lang):
    options = {} if lang is None else {"lang": lang}
    for _ in range(2):
        byeori.pipeline(task, **options)
    name = tasks.find(task).name
    expected = CHECKPOINTS[name][lang or "en"]
    asked = [(one["model"], one["task"].name, one["revision"]) for one in loaded]
    assert asked == [(expected.model, name, expected.revision)] * 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert expected.model in err and expected.revision[:7] in err and (expected.licence or "no licence stated") in err


def test_a_revision_of_ones_own(loaded):
    byeori.pipeline("fill-mask", revision="main")
    assert loaded[0]["revision"] == "main"


def test_languages_in_a_name_choose_too(loaded):
    byeori.pipeline("translation_ko_to_en")
    byeori.pipeline("translation_en_to_fr")
    first, second = loaded
    assert first["model"] == "Helsinki-NLP/opus-mt-ko-en" and second["model"] == "google-t5/t5-base"
    assert (first["task"].settings.source_lang, first["task"].settings.target_lang) == ("ko", "en")
    assert second["task"].task_keys[0] == "translation_en_to_fr"


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("translation", {}, "goes by the languages. There are defaults for translation_en_to_fr"),
        ("translation", {"lang": "ko"}, "translation_ko_to_en"),
        ("translation_ja_to_ko", {}, "There are defaults for translation_en_to_fr"),
        (
            "text2text-generation",
            {"lang": "ko"},
            "no default for lang='ko'. There is one for en. Give a run, a folder or a Hub id",
        ),
        ("fill-mask", {"lang": "fr"}, "lang='fr': default models are English or Korean"),
        ("fill-mask", {"tokenizer": "x"}, "a tokenizer is named and no model"),
        (None, {}, "neither a task nor a model is named"),
        ("fill-mask", {"model": "x", "lang": "ko"}, "it chooses a default model, and one is named"),
    ],
)
def test_where_there_is_no_default(loaded, task, options, said):
    with pytest.raises(SettingError, match=re.escape(said)):
        byeori.pipeline(task, **options)
    assert not loaded


def test_the_command_lists_them(capsys):
    for arguments in (["tasks"], ["tasks", "--json"]):
        with pytest.raises(SystemExit):
            main(arguments)
    lines, start, whole = capsys.readouterr().out.partition("[{")
    listed = {one["name"]: one for one in json.loads(start + whole)}
    assert listed["fill-mask"]["checkpoints"]["ko"] == {
        "model": "klue/roberta-base", "revision": CHECKPOINTS["fill-mask"]["ko"].revision, "megabytes": 443,
        "licence": "cc-by-sa-4.0",
    }  # fmt: skip
    assert "    ko: klue/roberta-base@02f94ba (443 MB, licence cc-by-sa-4.0)\n" in lines
    assert "(1.3 GB, no licence stated)" in lines and "    en-fr: google-t5/t5-base" in lines


# names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("ner", TokenClassification), ("sentiment-analysis", TextClassification), ("text2text-generation", Seq2Seq),
        ("translation", Translation), ("translation_en_to_ko", Translation), ("translation_en_XX_to_ko_KR", Translation),
    ],
)  # fmt: skip
def test_names(name, task):
    found, values = named(name)
    assert found is task
    languages = {"translation_en_to_ko": ["en", "ko"], "translation_en_XX_to_ko_KR": ["en_XX", "ko_KR"]}
    assert list(values.values()) == languages.get(name, [])


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_tasks_that_are_elsewhere_get_a_sentence(name):
    with pytest.raises(SettingError, match=f"there is no task '{name}': ") as caught:
        byeori.pipeline(name, "x")
    assert re.search("images|sound|text-generation|question-answering", str(caught.value))


def test_every_task_of_transformers_is_a_task_or_gets_a_sentence():
    """Of version 5 as installed, and of version 4 as it was."""
    from transformers.pipelines import SUPPORTED_TASKS, TASK_ALIASES

    theirs = {"conversational", "vqa", "visual-question-answering", "image-to-image", *(task for task, _ in THEIRS)}
    for name in {*SUPPORTED_TASKS, *TASK_ALIASES, *theirs}:
        assert name in ABSENT or named(name)[0].name
    with pytest.raises(SettingError, match="Did you mean summarization"):
        named("sumarization")


def test_the_task_of_a_run_is_read_from_it(tiny, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from byeori.predict.model_folder import save_model

    folder = tiny("bert", labels=("bad", "good"))
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    task = TextClassification(labels=["bad", "good"])
    save_model(tmp_path / "model", model, tokenizer, task, {"max_length": 7, "truncation": "tail"})
    ours = byeori.pipeline(model=str(tmp_path / "model"))
    assert ours.task == "text-classification" and ours.framework == "pt"
    assert (ours.run.engine.encoder.max_length, ours.run.engine.encoder.truncation) == (7, "tail")
    assert ours("a")[0]["label"] in ("bad", "good") and ours.predict(["a"]) == ours.transform(["a"]) == ours(["a"])
    with pytest.raises(ModelError, match="trained for text-classification, not for"):
        byeori.pipeline("ner", str(tmp_path / "model"))
    with pytest.raises(ModelError, match="trained for text-classification, not for translation"):
        byeori.pipeline("translation_en_to_ko", str(tmp_path / "model"))
    with pytest.raises(ModelError, match=r"doesn't say what it was trained for.*--task, or task= in Python"):
        byeori.pipeline(model=str(folder))


def test_t5_told_translation_alone_takes_its_first_language(tiny, capsys):
    """As transformers 4 did; without its prefix it would write something else than a translation."""
    params = {"summarization": {"prefix": "summarize: "}, **{
        f"translation_en_to_{lang}": {"prefix": f"to {lang}: ", "num_beams": 2} for lang in ("de", "fr")
    }}  # fmt: skip
    folder = str(tiny("t5", auto="AutoModelForSeq2SeqLM", task_specific_params=params))
    plain, german, french = (
        byeori.pipeline(name, folder, precision="float32", max_new_tokens=4)
        for name in ("translation", "translation_en_to_de", "translation_en_to_fr")
    )
    assert plain.run.task.prefix == german.run.task.prefix == "to de: " and french.run.task.prefix == "to fr: "
    assert plain("a") == german("a")
    assert "so it is translation_en_to_de" in capsys.readouterr().err


def test_languages_that_are_not_the_models(tiny):
    """opus-mt-ko-en told to write Korean would write English from English."""
    folder = str(tiny("marian", auto="AutoModelForSeq2SeqLM"))
    tokenizer = byeori.pipeline("translation", folder).tokenizer
    tokenizer.source_lang, tokenizer.target_lang = "kor", "eng"
    assert byeori.pipeline("translation_ko_to_en", folder, tokenizer=tokenizer, max_new_tokens=2)("a")
    with pytest.raises(SettingError, match="translation_en_to_ko: the source language of this model is kor"):
        byeori.pipeline("translation_en_to_ko", folder, tokenizer=tokenizer)


def test_nothing_of_this_needs_the_hub():
    assert "huggingface_hub" not in vars(sys.modules["byeori.tasks.checkpoints"])


# places ---------------------------------------------------------------------------------------------------------------
def test_arguments_by_place_are_those_of_transformers(tiny):
    """(task, model, config, tokenizer)."""
    folder = str(tiny("bert", labels=("bad", "good")))
    named_ = byeori.pipeline("text-classification", model=folder, tokenizer=folder)
    assert byeori.pipeline("text-classification", folder, None, folder)("a") == named_("a")
    with pytest.raises(SettingError, match="config"):
        byeori.pipeline("text-classification", folder, folder)


def test_a_name_with_languages_trains_too():
    from byeori.api import resolve

    settings, task = resolve("translation_ko_to_en", {"train": "a.tsv"})
    assert settings.task == "translation" and (task.settings.source_lang, task.settings.target_lang) == ("ko", "en")
    assert resolve("translation_ko_to_en", {"source_lang": "ko"})[1].settings == task.settings
    with pytest.raises(SettingError, match="source_lang='en': the task's name, translation_ko_to_en, says 'ko'"):
        resolve("translation_ko_to_en", {"source_lang": "en"})
