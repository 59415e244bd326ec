"""The card's metadata is what the Hub reads back, and its text holds facts without paths."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard

from byeori.report.card import card, md
from byeori.report.facts import Facts
from byeori.report.write import write_report


def loaded(run):
    write_report(run)
    return ModelCard.load(run / "model" / "README.md")


def test_metadata_round_trips(single):
    data = loaded(single).data
    assert (data.language, data.license, data.base_model) == ("ko", "cc-by-sa-4.0", "klue/roberta-base")
    assert (data.pipeline_tag, data.library_name, data.tags) == ("text-classification", "transformers", ["byeori"])
    assert data.model_name == "영화평"
    found = {r.metric_name: (r.metric_type, r.metric_value, r.dataset_name, r.dataset_split) for r in data.eval_results}
    assert found == {
        "accuracy": ("accuracy", 0.875, "ratings_test.tsv", "test"),
        "macro F1": ("f1", 0.86, "ratings_test.tsv", "test"),
        "loss": ("loss", 0.331, "ratings_test.tsv", "test"),
    }  # mcc is undefined: no number is made of it


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_facts_without_paths(kind, request):
    run = request.getfixturevalue(kind)
    text = loaded(run).content
    assert "/home/" not in text and "secret project" not in text and str(run.parent) not in text
    assert "More information needed" not in text
    for heading in ("How to use", "Training data", "Training procedure", "Evaluation", "Not measured", "Environment"):
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
