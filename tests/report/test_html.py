"""report.html is one whole page with nothing from outside, and says what it can't show."""

from __future__ import annotations

import json
import re

import pytest
from report_page import Page

from byeori.errors import ModelError
from byeori.report.facts import read_facts
from byeori.report.html import page
from byeori.report.write import write_report
from byeori.run import RunFolder


@pytest.fixture(params=["single", "multi", "regression"])
def run(request):
    return request.getfixturevalue(request.param)


def test_one_page_with_nothing_from_outside(run):
    source = page(read_facts(run))
    parsed = Page(source)
    assert source.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in source
    assert ("html", "lang", "en") in parsed.attributes
    assert not [a for a in parsed.attributes if a[1] in ("src", "srcset", "action") or a[1].startswith("on")]
    places = [value for _, name, value in parsed.attributes if name == "href"]
    assert places and all(place[0] == "#" and f'id="{place[1:]}"' in source for place in places)
    assert "http://" not in source and "https://" not in source and "url(" not in source and "@import" not in source
    assert "<script" not in source and "<link" not in source
    assert "secret project" not in source and "/home/" not in source
    assert parsed.headings[0] == 1 and parsed.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(parsed.headings, parsed.headings[1:], strict=False))
    assert parsed.svgs == len(re.findall(r'<svg role="img"[^>]*><title>[^<]+</title>', source)) >= 2
    assert "Missing in this run" not in source
    assert len(source.encode()) < 100_000


def test_single_label(single):
    parsed = Page(page(read_facts(single)))
    assert "Better than the linear baseline. Accuracy 0.8750 (0.8610 to 0.8890) on 10 test rows" in parsed.text
    scores = parsed.tables[0]
    assert scores[1] == [
        "accuracy",
        "0.8750",
        "0.8610 to 0.8890",
        "0.5000 (0.4800 to 0.5200)",
        "0.8420 (0.8300 to 0.8600)",
    ]
    assert scores[3][:2] == ["MCC", "undefined"]
    matrix = next(t for t in parsed.tables if t[0][0].startswith("label ↓"))
    assert [row[1:] for row in matrix[1:]] == [["3", "1", "0"], ["1", "3", "0"], ["1", "0", "1"]]
    classes = next(t for t in parsed.tables if t[0][:2] == ["label", "precision"])
    assert classes[1] == ["부정", "0.6000", "0.7500", "0.6667", "4"]
    mistakes = next(t for t in parsed.tables if t[0] == ["row", "prediction", "reference"])
    assert mistakes[1:] == [["3", "긍정 0.930", "부정"], ["5", "부정 0.710", '<b>&"'], ["8", "부정 0.550", "긍정"]]
    samples = next(t for t in parsed.tables if t[0][0] == "sample")
    assert samples[0] == ["sample", "update 30", "update 300"]
    assert samples[1] == [
        "1", "예전 표본부정 0.500 ✓ rightreference: 부정",
        "정말 오랜만에 극장에서 울었다. 강력 추천!긍정 0.980 ✓ rightreference: 긍정",
    ]  # fmt: skip
    assert samples[2] == ["2", "", '돈이 아깝다 <b>&"<b>&" 0.610 ✗ wrongreference: 부정']
    assert "byeori train 영화평/settings.yaml" in parsed.text or "byeori train '영화평/settings.yaml'" in parsed.text


def test_labels_are_escaped(single):
    source = page(read_facts(single))
    assert "<b>" not in source and "&lt;b&gt;&amp;&quot;" in source


def test_multi_label(multi):
    parsed = Page(page(read_facts(multi)))
    assert "Not shown to differ from the linear baseline" in parsed.text
    mistakes = next(t for t in parsed.tables if t[0] == ["row", "prediction", "reference"])
    assert [row[0] for row in mistakes[1:]] == ["2", "3", "5"]  # a wrong label with 0.7 first; then those only missed
    assert mistakes[2] == ["3", "none", "threat"]
    classes = next(t for t in parsed.tables if t[0][:2] == ["label", "precision"])
    assert classes[1] == ["toxic", "1.0000", "0.6667", "0.8000", "3"]
    assert "Confusion matrix" not in parsed.text


def test_regression(regression):
    parsed = Page(page(read_facts(regression)))
    assert "Worse than the linear baseline" in parsed.text
    worst = next(t for t in parsed.tables if "difference" in t[0])
    assert worst[1] == ["4", "1.1000", "2.6000", "-1.5000"]
    assert parsed.svgs == 3 and "Confusion matrix" not in parsed.text


def test_a_score_that_should_be_low(regression):
    path = regression / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "headline": "rmse"}))
    assert read_facts(regression).verdict[0] == "better"  # 0.6 to 0.8 lies under 0.9


def change_metrics(run, **more):
    path = run / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **more}), encoding="utf-8")


def test_validation_loss_stands_beside_the_training_loss(single):
    source = page(read_facts(single))
    assert "validation loss from 0.1680 to 0.1340" in source
    assert source.count('class="line s1"') == 1, "a second line in the first plot"
    assert '<text x="618" y="28" text-anchor="end" class="k0">training</text>' in source
    assert '<text x="618" y="44" text-anchor="end" class="k1">validation</text>' in source
    table = next(t for t in Page(source).tables if t[0][:2] == ["update", "epoch"])
    assert table[0][2:] == ["accuracy", "MCC", "loss"] and table[1][4] == "0.1680"


def test_a_score_no_baseline_has_is_a_dash_and_says_no_verdict(single):
    """The loss chose the model; what can be held against the baselines says how good it is."""
    change_metrics(single, headline="loss")
    facts = read_facts(single)
    assert facts.headline == "loss"
    assert facts.verdict[0] == "better" and "Accuracy 0.8750" in facts.verdict[1]
    scores = Page(page(facts)).tables[0]
    assert scores[1] == ["loss", "0.3310", "0.3020 to 0.3620", "–", "–"]


def test_scores_of_one_class_name_it(single):
    one = {"value": 0.5, "low": 0.4, "high": 0.6}
    metrics = json.loads((single / "metrics.json").read_text(encoding="utf-8"))
    metrics["test"] |= {"f1": one}
    for kind in ("trivial", "linear"):
        metrics["baseline"][kind] |= {"f1": one}
    change_metrics(single, **metrics, of_class={"f1": "긍정"})
    names = [row[0] for row in Page(page(read_facts(single))).tables[0][1:]]
    assert names == ["accuracy", "macro F1", "MCC", "loss", "F1 (긍정)"]
    write_report(single)
    assert "| F1 (긍정) | 0.5000 |" in (single / "model" / "README.md").read_text(encoding="utf-8")


FILES = ["settings.yaml", "metrics.json", "history.jsonl", "samples.jsonl", "data.json", "predictions/test.jsonl",
         "model/config.json", "model/byeori.json"]  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(run, file):
    (run / file).unlink()
    missing = write_report(run, lang="en")
    assert missing[0] == f"{file} is missing."
    assert f"{file} is missing." in Page((run / "report.html").read_text(encoding="utf-8")).text
    assert (run / "model" / "README.md").is_file()
    for made in (run / "report.html", run / "model" / "README.md"):
        assert "secret project" not in made.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content", ["{", "[1, 2]", "\n", "\x00", '{"a": 1}', "- - :", '{"test": 3, "parts": {"train": 1}, "state": 5}']
)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_never_stops_the_report(single, file, content):
    (single / file).write_text(content)
    write_report(RunFolder(single))
    Page((single / "report.html").read_text(encoding="utf-8"))


def test_wrong_shapes_inside_are_said(single):
    path = single / "data.json"
    data = json.loads(path.read_text())
    data["parts"]["train"]["files"] = [3]
    path.write_text(json.dumps(data))
    missing = write_report(single)
    assert any("the section Data could not be made" in one for one in missing)
    lines = (single / "predictions" / "test.jsonl").read_text().splitlines()
    lines[0] = '{"row": 1, "prediction": 3, "reference": null}'
    (single / "predictions" / "test.jsonl").write_text("\n".join([*lines, '{"row":']))
    text = Page(page(read_facts(single))).text
    assert "predictions/test.jsonl: 1 damaged lines are left out, the first is line 11." in text
    assert "predictions/test.jsonl: 1 lines have no usable prediction" in text


def test_an_unfinished_run_and_no_run(single, tmp_path):
    for name in ("metrics.json", "predictions/test.jsonl"):
        (single / name).unlink()
    text = Page(page(read_facts(single))).text
    assert "nothing can be said about this model's quality" in text and "Training loss" in text
    with pytest.raises(ModelError, match="this is no run folder"):
        write_report(tmp_path / "nothing")


def test_made_again_it_is_the_same(run):
    write_report(run)
    first = (run / "report.html").read_bytes(), (run / "model" / "README.md").read_bytes()
    write_report(run)
    assert first == ((run / "report.html").read_bytes(), (run / "model" / "README.md").read_bytes())


def test_a_share_of_few_rows_has_a_wide_interval():
    from byeori.report.reliability import wilson

    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)  # Brown, Cai and DasGupta 2001
    assert wilson(1.0, 3)[0] == pytest.approx(0.4385, abs=1e-4) and wilson(1.0, 3)[1] == 1
