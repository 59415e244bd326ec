"""summarization: the checkpoint's own way of writing, prefixes, AI-Hub's news, ROUGE and its baseline, the example."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from byeori.data.read import read_rows
from byeori.errors import SettingError
from byeori.predict.run import load_run
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.summarization import Summarization
from byeori.tasks.translation import Translation
from byeori.text.encode import Encoder
from families import Family, texts

AUTO = "AutoModelForSeq2SeqLM"
NEWS = Path(__file__).parent / "data" / "aihub_news.json"
SOURCES = [" ".join(texts()[place : place + 1 + place % 2]) for place in range(4)]


def test_the_checkpoints_own_way_of_writing_is_taken(tmp_path):
    """As transformers 4's pipelines took it: generation_config, and task_specific_params of the task over it."""
    family = Family("t5")
    model, tokenizer = family.model(AUTO), family.tokenizer()
    model.generation_config.update(max_length=40, num_beams=2)
    own = {"prefix": "summarize: ", "max_length": 14, "num_beams": 3, "no_repeat_ngram_size": 2}
    model.config.task_specific_params = {"summarization": own}
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    run = load_run(tmp_path, task=Summarization, precision="float32")
    expected = []
    for source in SOURCES:
        one = tokenizer("summarize: " + source, return_tensors="pt")
        ids = run.model.generate(one["input_ids"], max_length=14, num_beams=3, no_repeat_ngram_size=2)
        expected.append({"summary_text": tokenizer.decode(ids[0], skip_special_tokens=True)})
    assert run.predict(SOURCES) == expected
    plain = load_run(tmp_path, task=Translation, precision="float32")
    ids = plain.model.generate(
        tokenizer(SOURCES[0], return_tensors="pt")["input_ids"]
    )  # of another task: nothing of it
    assert plain.predict(SOURCES[:1]) == [{"translation_text": tokenizer.decode(ids[0], skip_special_tokens=True)}]


def test_a_prefix_comes_from_a_setting_or_the_checkpoint_and_is_never_invented():
    model, tokenizer = Family("t5").model(AUTO), Family("t5").tokenizer()
    encoder = Encoder(tokenizer, 60)
    plain, asked = (encoder([text]).input_ids.tolist() for text in ("a cat", "summarize: a cat"))

    def ids(task: Seq2Seq) -> list[int]:
        task.meet(model, tokenizer)
        return task.encode({"source": ["a cat"]}, encoder, labels=False).input_ids.tolist()

    task = Summarization()
    assert ids(task) == plain
    assert "No source prefix: T5 checkpoints" in " ".join(task.told())
    assert ids(Summarization(source_prefix="summarize: ")) == asked
    prefixes = {
        "summarization": {"prefix": "summarize: "},
        "translation_en_to_de": {"prefix": "translate English to German: "},
    }
    model.config.task_specific_params = prefixes
    task = Summarization()
    assert ids(task) == asked
    assert task.told() == ['Before each source stands "summarize: ", the checkpoint\'s own (--source-prefix).']
    assert ids(Summarization(source_prefix="")) == plain
    german = Translation(source_lang="en", target_lang="de")
    assert ids(german) == encoder(["translate English to German: a cat"]).input_ids.tolist()
    task = Translation()
    assert ids(task) == plain
    assert "names prefixes for summarization, translation_en_to_de" in " ".join(task.told())
    again = Summarization.from_state(json.loads(json.dumps(Summarization(source_prefix="요약: ").state())))
    assert again.prefix == "요약: "


def test_a_prefix_that_stands_there_already():
    task = Summarization(source_prefix="summarize: ")
    rows = {"source": ["summarize: a", "summarize: b", "c"], "target": ["a", "b", "c"]}
    with pytest.raises(SettingError, match='67% of the sources begin with it already.*--source-prefix ""'):
        task.encode(rows, Encoder(Family("t5").tokenizer(), 60))


def test_a_prefix_goes_with_the_model():
    """Into byeori.json, and into the model's own configuration, where transformers and a later training find it."""
    family = Family("t5")
    model, tokenizer = family.model(AUTO), family.tokenizer()
    model.config.task_specific_params = {"summarization": {"prefix": "summarize: ", "num_beams": 4}, "other": {"x": 1}}
    task = Summarization(source_prefix="요약: ")
    task.trained = True
    task.meet(model, tokenizer)
    assert model.config.task_specific_params == {"summarization": {"prefix": "요약: "}, "other": {"x": 1}}
    fresh = Summarization()
    fresh.meet(model, tokenizer)
    assert fresh.prefix == "요약: "


def test_minimums_of_the_checkpoint_are_said():
    family = Family("bart")
    model, tokenizer = family.model(AUTO), family.tokenizer()
    model.generation_config.min_length = 21
    task = Summarization(max_target_length=40)
    task.trained = True
    task.meet(model, tokenizer)
    assert "at least 20 tokens into every text; --min-new-tokens 0" in " ".join(task.told())
    assert (model.generation_config.max_length, model.generation_config.min_length) == (41, 21)
    short = Summarization(max_target_length=15)
    short.trained = True
    with pytest.raises(SettingError, match="at least 20 tokens of every text, and 15 are the most here"):
        short.meet(model, tokenizer)


def test_scores_are_rouges_own_of_the_best_reference():
    from rouge_score.rouge_scorer import RougeScorer

    written, right = ["the cat sat on the mat", "a dog"], [["a cat sat on a mat", "the cat sat"], ["a dog barked"]]
    found = Summarization().score(written, right)
    scorer = RougeScorer(["rougeL"])
    best = [
        max(scorer.score(one, text)["rougeL"].fmeasure for one in row) for row, text in zip(right, written, strict=True)
    ]
    assert found["rougeL"]["value"] == pytest.approx(np.mean(best)) and Summarization().best == "rougeL"
    assert found["rougeL"]["details"]["unit"] == "word"
    found = Seq2Seq().score(["yes", "no"], ["yes", ["maybe", "not"]], resamples=200)
    assert found["exact_match"]["value"] == 0.5 and found["exact_match"]["low"] == 0.0
    assert Summarization(rouge_unit="syllable").score(["가나"], ["가다"])["rouge1"]["value"] == 0.5
    assert Summarization().score(right, right)["rouge1"]["value"] == 1.0  # how a training finds the scores there are


def test_korean_news_of_ai_hub_and_their_baseline():
    rows = read_rows(str(NEWS), None, roles=Summarization.roles, forms=Summarization.forms)
    documents = json.loads(NEWS.read_text(encoding="utf-8"))["documents"]
    task = Summarization()
    task.prepare(rows)
    right = task.references(rows.table)
    assert right[5] == documents[5]["abstractive"] and len(right[5]) == 2 and len(rows) == 12
    trivial = task.baseline("trivial", rows, rows, 0)
    assert trivial[0] == documents[0]["text"][0][0]["sentence"]  # summaries are one sentence long, so lead-1
    assert trivial[10] == "다솔중학교가 급식 음식물 쓰레기를 한 학기 만에 40% 줄였다."
    assert task.baseline("linear", rows, rows, 0) is None
    found = task.score(trivial, right)
    assert found["rougeL"]["details"]["unit"] == "eojeol" and 0.1 < found["rougeL"]["value"] < 0.6
    assert task.score([one if isinstance(one, str) else one[-1] for one in right], right)["rougeL"]["value"] == 1.0
