"""The card's metadata is what the Hub reads back, and its text holds facts without paths."""

from __future__ import annotations

import dataclasses
import json

import pytest
from huggingface_hub import ModelCard

from byeori.report.card import card
from byeori.report.facts import Facts, read_facts
from byeori.report.markdown import md
from byeori.report.write import write_report


def loaded(run):
    write_report(run)
    return ModelCard.load(run / "model" / "README.md")


def test_metadata_round_trips(single):
    data = loaded(single).data
    assert (data.language, data.license, data.base_model) == ("ko", "cc-by-sa-4.0", "klue/roberta-base")
    assert (data.pipeline_tag, data.library_name, data.tags) == ("text-classification", "transformers", ["byeori"])
    assert data.model_name == "영화평" and data.to_dict()["base_model_relation"] == "finetune"
    found = {r.metric_name: (r.metric_type, r.metric_value, r.dataset_name, r.dataset_split) for r in data.eval_results}
    assert found == {
        "accuracy": ("accuracy", 0.875, "ratings_test.tsv", "test"),
        "macro F1": ("f1", 0.86, "ratings_test.tsv", "test"),
        "loss": ("loss", 0.331, "ratings_test.tsv", "test"),
    }  # mcc is undefined: no number is made of it
    first = data.eval_results[0]
    assert first.metric_args == {"confidence_interval": [0.861, 0.889], "confidence_level": 0.95}
    assert first.dataset_type == "unknown" and data.datasets is None  # a file has no id on the Hub


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_facts_without_paths(kind, request):
    run = request.getfixturevalue(kind)
    text = loaded(run).content
    assert "/home/" not in text and "secret project" not in text and str(run.parent) not in text
    assert "More information needed" not in text
    for heading in (
        "Intended uses and limits", "How to use", "Training data", "Training procedure", "Evaluation", "Bias and risks",
        "Licence and contact", "Environment",
    ):  # fmt: skip
        assert f"## {heading}\n" in text
    assert "ratings_train.tsv: 3 empty lines left out." in text.replace("\\_", "_")
    for sample in run.joinpath("samples.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(sample)["inputs"]["text"] not in text  # rows of the data stay at home


def test_labels_are_not_markup(single):
    text = loaded(single).content
    assert '| 2 | &lt;b&gt;&amp;" | 26 |' in text
    assert md("a|b_c*<i>\n# `x`") == "a\\|b\\_c\\*&lt;i&gt; \\# \\`x\\`"


def test_evaluation_table(single):
    text = loaded(single).content
    assert "| accuracy | 0.8750 | 0.8610 to 0.8890 | 0.5000 | 0.8420 |" in text
    assert "| MCC | undefined |  | undefined | undefined |" in text
    assert "| loss | 0.3310 | 0.3020 to 0.3620 | – | – |" in text, "the baselines have no loss"


def test_data_sets_of_the_hub_by_their_ids(single):
    data = json.loads((single / "data.json").read_text(encoding="utf-8"))
    where = {"id": "klue/klue", "config": "ynat", "revision": "0" * 40}
    data["parts"]["train"]["files"] = [{"path": "klue/ynat", "format": "hub", "hub": where}]
    data["parts"]["test"]["files"] = [{"path": "klue/ynat:validation", "format": "hub", "hub": where}]
    (single / "data.json").write_text(json.dumps(data), encoding="utf-8")
    found = loaded(single)
    assert found.data.datasets == ["klue/klue"]
    first = found.data.eval_results[0]
    assert (first.dataset_type, first.dataset_config, first.dataset_revision) == ("klue/klue", "ynat", "0" * 40)
    assert "[klue/klue](https://huggingface.co/datasets/klue/klue) on the Hub at revision" in found.content
    assert "| train | 3,200 | klue/klue (ynat) |" in found.content


def test_units_and_signatures_stand_beside_their_scores(single):
    metrics = json.loads((single / "metrics.json").read_text(encoding="utf-8"))
    score = {"value": 0.5, "low": 0.4, "high": 0.6}
    bleu = {
        "signature": "nrefs:1|tok:char",
        "counts": [9, 1],
        "totals": [10, 9],
        "bp": 0.9,
        "sys_len": 10,
        "ref_len": 11,
    }
    metrics |= {"task": "summarization", "headline": "rougeL", "baseline": {}}
    metrics["test"] = {
        "rougeL": {**score, "details": {"unit": "eojeol", "stemmer": False, "empty_predictions": 2}},
        "rouge1": {**score, "details": {"unit": "eojeol"}}, "bleu": {**score, "details": bleu},
    }  # fmt: skip
    (single / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    found = loaded(single)
    args = {result.metric_name: (result.metric_type, result.metric_args) for result in found.data.eval_results}
    assert args["ROUGE-L"][0] == "rouge" and args["ROUGE-L"][1]["unit"] == "eojeol"
    assert args["BLEU"][0] == "sacrebleu" and args["BLEU"][1]["signature"] == "nrefs:1|tok:char"
    assert "- ROUGE counts eojeol.\n" in found.content and "- 2 predictions are empty.\n" in found.content
    assert "9/10, 1/9; brevity penalty 0.900; 10 tokens for 11." in found.content
    report = (single / "report.html").read_text(encoding="utf-8")
    assert "ROUGE: 어절 단위로 셉니다." in report and "tok:char" in report  # the page is in Korean


def test_each_label_has_its_scores_and_intervals(single):
    text = loaded(single).content
    assert "| 긍정 | 4 | 0.7500 | 0.7500 | 0.7500 | " in text
    assert "3 of 10 test rows were answered wrongly, 1 of them with a score of 0.9 or more." in text


@pytest.mark.parametrize(
    ("model", "revision", "linked"),
    [
        ("klue/roberta-base", "02f9", "klue/roberta-base"),
        ("minilm", None, None),  # a folder, whose name may be somebody else's on the Hub
        ("models/minilm", None, None),
        ("/opt/kim/minilm", "02f9", None),
        (None, None, None),
    ],
)
def test_only_what_was_found_on_the_hub_is_linked(model, revision, linked):
    run = Facts("run", settings={"model": model}, found={"model_revision": revision})
    data = ModelCard(card(run)).data
    assert data.base_model == linked and "kim" not in card(run)


def test_no_path_and_nobodys_name(single):
    """Wherever a setting or a note holds a path."""
    text = (single / "settings.yaml").read_text(encoding="utf-8")
    text = text.replace("model: klue/roberta-base", "model: /home/someone/models/korean-base")
    text = text.replace("model_revision: 02f94ba5", "model_revision: null")
    text = text.replace(
        "device: cpu", "device: cpu\ntokenizer: /home/someone/tok\nclean_function: /home/someone/clean.py:f"
    )
    (single / "settings.yaml").write_text(text, encoding="utf-8")
    saved = json.loads((single / "model" / "byeori.json").read_text(encoding="utf-8"))
    saved["adapter"] = {"base": "/home/someone/models/korean-base", "revision": None}
    (single / "model" / "byeori.json").write_text(json.dumps(saved), encoding="utf-8")
    for lang in ("en", "ko"):
        made = card(read_facts(single), lang)
        assert "someone" not in made and "/home" not in made and str(single.parent) not in made
        assert "korean-base" in made


@pytest.mark.parametrize(
    ("model", "found", "named"),
    [
        ("klue/roberta-base", {"model_revision": "02f9"}, "klue/roberta-base"),
        ("klue/roberta-base", {}, "klue/roberta-base"),
        ("models/minilm", {"model_revision": None, "versions": {}}, "minilm"),
        ("/opt/models/all-minilm/", {}, "all-minilm"),
        ("~/모델", {}, "모델"),
        ("C:\\models\\minilm", {}, "minilm"),
        ("./runs/first/model", {}, "first"),
        ("distilbert-base-cased", {"model_revision": None}, "distilbert-base-cased"),
        ("<BertForSequenceClassification>", {}, None),
        (None, {}, None),
    ],
)
def test_base_model_is_never_a_path(model, found, named):
    assert Facts("run", settings={"model": model}, found=found).base_model == named


def test_an_empty_run_has_a_card():
    text = card(Facts("run"))
    assert "Not measured: there are no test or validation scores." in text
    assert ModelCard(text).data.eval_results is None


def test_a_folder_name_in_korean_is_told_but_not_linked():
    text = card(Facts("run", settings={"model": "/opt/모델"}))
    assert ModelCard(text).data.base_model is None and "fine-tuned from `모델`" in text


@pytest.mark.parametrize("score", ["precision", "f1", "micro_f1", "char_f1_klue", "has_answer_f1", "bits_per_byte"])
def test_a_score_has_one_korean_name_in_card_and_report(score):
    """In the verdict too, where it begins with a capital, and with the class that it is of."""
    label = {"precision": "긍정", "f1": "1 (a)"}.get(score)
    metrics = {
        "headline": score, "test": {score: {"value": 0.8, "low": 0.7, "high": 0.9}}, "of_class": {score: label} if label else {},
    }  # fmt: skip
    facts = Facts("run", metrics=metrics)
    korean = dataclasses.replace(facts, lang="ko")
    named = korean.words(score)
    assert score == "f1" or named != facts.words(score)
    assert f"| {named} | 0.8000 | 0.7000–0.9000 |" in card(facts, "ko")
    assert f"테스트 행에서 {named} 0.8000 (0.7000–0.9000)." in card(facts, "ko")
    assert named in korean.verdict[1]


def test_chrf_is_written_as_its_maker_does():
    score = {"value": 40.0, "low": 30.0, "high": 50.0}
    facts = Facts("run", metrics={"headline": "chrf", "test": {"chrf": score, "macro_f1": score}})
    assert facts.verdict[1].startswith("chrF 40.0000 (")
