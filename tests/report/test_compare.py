"""Runs of every task beside one another: scores made again from the folder are those it was given, and who can't be compared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from english_left import english_left

import byeori
from byeori.errors import DataError, ModelError, SettingError
from byeori.report.compare import _ranked
from byeori.report.compare_lines import lines
from byeori.report.compare_page import page
from commands import Command
from labelled import CASES
from vocabularies import texts

TEXTS = texts()[:24]
MORE = {
    **CASES,
    "multi_label": ("bert", {}, [{"text": one, "label": ["ab", "a", "b", ""][i % 4] and [*["ab", "a", "b", ""][i % 4]]}
                                 for i, one in enumerate(TEXTS)]),
    "regression": ("bert", {"num_labels": 1}, [{"text": one, "label": i / 7} for i, one in enumerate(TEXTS)]),
    "multiple-choice": (
        "bert", {"auto": "AutoModelForMultipleChoice"},
        [{"text": one, "choices": [one[:5], TEXTS[i - 1], TEXTS[i - 2]], "label": i % 3} for i, one in enumerate(TEXTS)],
    ),
    "translation": ("t5", {"auto": "AutoModelForSeq2SeqLM"}, [{"source": one, "target": one[:12]} for one in TEXTS]),
    "text-generation": ("gpt2", {"auto": "AutoModelForCausalLM"}, [{"text": one} for one in TEXTS]),
    "fill-mask": ("bert", {"auto": "AutoModelForMaskedLM"}, [{"text": one} for one in TEXTS]),
}  # fmt: skip
TASKS = {"multi_label": "text-classification", "regression": "text-classification"}


def trained(tiny, output: Path, name: str, rate: float = 0.01, **values) -> Path:
    family, config, rows = MORE[name]
    own = {"problem_type": name} if name in TASKS else {}
    if name in ("summarization", "translation"):
        own["eval_max_rows"] = 10
    given = {"model": str(tiny(family, **config)), "train": rows, **values}
    byeori.train(
        TASKS.get(name, name), output=str(output), baselines=False,
        learning_rate=rate, precision="float32", threads=1, cache=False, previews=0,
        **{"test": rows[:20], "validation_size": 0.0, "max_steps": 2, **own, **given},
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory) -> tuple[Path, Path]:
    """Two runs of text-classification that differ in their learning rate."""
    folder = tmp_path_factory.mktemp("pair")
    rows = MORE["text-classification"][2]
    return tuple(
        trained(tiny, folder / name, "text-classification", rate, test=rows, max_steps=12)
        for name, rate in (("느린", 0.001), ("fast", 0.02))
    )


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MORE)
def test_every_score_of_every_task_is_made_again(name, tiny, tmp_path):
    runs = [trained(tiny, tmp_path / str(rate), name, rate) for rate in (0.001, 0.03)]
    found = byeori.compare(*runs, permutations=300)
    assert found["not_compared"] == {} and found["rows"] == min(20, len(MORE[name][2]))
    scores = found["comparisons"][0]["scores"]
    told = [metrics(run)["test"] for run in runs]
    assert set(scores) == set(told[0]) and "loss" in scores
    for score, one in scores.items():
        for key, side in zip(("first", "second"), told, strict=True):
            assert one[key] == pytest.approx(side[score]["value"], rel=1e-6), score
        if one["difference"] is not None:
            assert one["difference"] == pytest.approx(one["second"] - one["first"]) and 0 < one["p"] <= 1
    assert found["comparisons"][0]["settings"] == {"learning_rate": [0.001, 0.03]}
    changed = found["comparisons"][0]["changed"]
    counts = [value for kind, value in changed.items() if isinstance(value, int)]
    assert sum(counts) == (10 if name in ("summarization", "translation") else found["rows"])
    lines(found), page(found)
    assert english_left(found) == set()


def test_rows_that_changed_are_those_whose_predictions_did(pair):
    found = byeori.compare(*pair)["comparisons"][0]["changed"]
    first, second = (
        [json.loads(line) for line in (run / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()]
        for run in pair
    )
    kinds = {"right_to_wrong": [], "wrong_to_right": [], "wrong_differently": []}
    for a, b in zip(first, second, strict=True):
        was, now = (one["prediction"]["label"] == one["reference"] for one in (a, b))
        if was != now:
            kinds["right_to_wrong" if was else "wrong_to_right"].append(a["row"])
        elif not was and a["prediction"]["label"] != b["prediction"]["label"]:
            kinds["wrong_differently"].append(a["row"])
    for kind, rows in kinds.items():
        assert found[kind] == len(rows)
        assert [one["row"] for one in found["rows"][kind]] == rows[:20]
    assert found["same"] == len(first) - sum(map(len, kinds.values())) < len(first)


def test_three_runs_go_against_one_and_p_is_corrected(pair, tiny, tmp_path):
    third = trained(tiny, tmp_path / "third", "text-classification", 0.005, test=MORE["text-classification"][2])
    found = byeori.compare(*pair, third, baseline=third)
    assert found["baseline"] == "third" and [one["run"] for one in found["comparisons"]] == ["느린", "fast"]
    for name in found["comparisons"][0]["scores"]:
        pairs = [(one["scores"][name]["p"], one["scores"][name]["p_holm"]) for one in found["comparisons"]]
        low, high = sorted(pairs)
        assert low[1] == pytest.approx(min(1.0, 2 * low[0])) and high[1] == pytest.approx(max(low[1], high[0]))


def test_the_command_tells_the_same_three_ways(pair, tmp_path, capsys):
    command = Command(tmp_path, pair[0], capsys)
    assert command("compare", *pair, "--html", tmp_path / "page.html") == 0
    from rich.cells import cell_len

    table = command.out.split("\n\n")[2].splitlines()
    ends = {cell_len(line[: line.index(")") + 1]) for line in table if ")" in line and "(" in line}
    assert len(ends) == 1, "columns stand straight beside a Korean name"
    made = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|src=|https?://", made) and made.count("<svg") == made.count("<title>") - 1
    assert '<html lang="en">' in made, "no samples were kept (--previews 0), so nothing says another language"
    assert command("compare", *pair, "--html", tmp_path / "page.html", "--lang", "ko") == 0
    assert '<html lang="ko">' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert command("compare", *pair, "--json") == 0
    assert json.loads(command.out) == json.loads(json.dumps(byeori.compare(*pair)))


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def test_what_cannot_be_compared_is_refused_with_the_reason(pair, tiny, tmp_path):
    one, _ = pair
    with pytest.raises(SettingError, match="the same run"):
        byeori.compare(one, one)
    with pytest.raises(SettingError, match="needs two"):
        byeori.compare(one)
    with pytest.raises(ModelError, match="no such folder"):
        byeori.compare(one, tmp_path / "nowhere")
    other = trained(tiny, tmp_path / "tags", "token-classification")
    with pytest.raises(SettingError, match="was trained for token-classification"):
        byeori.compare(one, other)
    rows = [{**row, "label": row["label"].replace("c", "d")} for row in MORE["text-classification"][2]]
    other = trained(
        tiny, tmp_path / "labels", "text-classification", train=rows, test=rows, model=str(tiny("bert", num_labels=3))
    )
    with pytest.raises(SettingError, match="only labels has d"):
        byeori.compare(one, other)


def test_other_rows_are_counted(pair, tiny, tmp_path):
    one, _ = pair
    rows = [dict(row) for row in MORE["text-classification"][2]]
    for row in (3, 8):
        rows[row]["text"] += "!"
    other = trained(tiny, tmp_path / "texts", "text-classification", test=rows)
    with pytest.raises(DataError, match=r"2 of 60 test rows of .* the first is row 4"):
        byeori.compare(one, other)
    for row in (0, 1, 2):
        rows[row] = {**MORE["text-classification"][2][row], "label": "a"}
    with pytest.raises(DataError, match=r"50 test rows and .* 60"):
        byeori.compare(one, trained(tiny, tmp_path / "fewer", "text-classification", test=rows[:50]))
    relabelled = [{**row, "label": "a"} for row in MORE["text-classification"][2]]
    relabelled[:3] = [{**row, "label": one} for row, one in zip(relabelled[:3], "abc", strict=True)]
    with pytest.raises(DataError, match=r"right answers of 38 of 60"):
        byeori.compare(one, trained(tiny, tmp_path / "answers", "text-classification", test=relabelled))
    splits = [
        trained(tiny, tmp_path / f"split {seed}", "text-classification", test=None, test_size=0.2, seed=seed)
        for seed in (0, 1)
    ]
    with pytest.raises(DataError, match=r"split off by seed 0 there and 1 here.*--split-seed"):
        byeori.compare(*splits)


def test_a_damaged_folder_says_what_is_missing(pair, tmp_path):
    one, other = pair
    half = copied(other, tmp_path / "half")
    (half / "metrics.json").unlink()
    with pytest.raises(ModelError, match=r"metrics\.json is missing: this run is not finished"):
        byeori.compare(one, half)
    cut = copied(other, tmp_path / "cut")
    file = cut / "predictions" / "test.jsonl"
    file.write_text("\n".join(file.read_text(encoding="utf-8").split("\n")[:40]), encoding="utf-8")
    with pytest.raises(ModelError, match="40 of 60 rows"):
        byeori.compare(one, cut)
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(ModelError, match="line 40 is damaged"):
        byeori.compare(one, cut)
    with pytest.raises(ModelError, match="no validation scores"):
        byeori.compare(one, other, part="validation")
    old = copied(other, tmp_path / "old")
    (old / "predictions" / "test.measured.jsonl").unlink()
    found = byeori.compare(one, old)
    assert set(found["not_compared"]) == {"auroc", "loss", "ece"} and "accuracy" in found["comparisons"][0]["scores"]


def test_a_score_that_the_rows_do_not_give_is_not_compared(pair, tmp_path):
    one, other = pair
    odd = copied(other, tmp_path / "odd")
    found = metrics(odd)
    found["test"]["accuracy"]["value"] += 0.1
    found["test"]["own"] = {"value": 1.0, "low": None, "high": None}
    (odd / "metrics.json").write_text(json.dumps(found), encoding="utf-8")
    left_out = byeori.compare(one, odd)["not_compared"]
    assert set(left_out) == {"accuracy", "own"} and "metrics.json says" in left_out["accuracy"]


def test_a_perplexity_of_other_tokens_is_not_compared(tiny, tmp_path):
    """Texts cut shorter, or another tokenizer: the same rows have other tokens, and means over tokens stand for different things."""
    runs = [trained(tiny, tmp_path / str(length), "text-generation", max_length=length) for length in (64, 8)]
    found = byeori.compare(*runs, permutations=100)
    assert set(found["not_compared"]) == {"loss", "perplexity", "accuracy"}
    assert "other" in found["not_compared"]["perplexity"] and "in 64 and" in found["not_compared"]["perplexity"]
    assert "perplexity, the headline, can't be compared" in "\n".join(lines(found))


def test_ranks_follow_the_first_runs_order_of_labels():
    one = SimpleNamespace(labels=["a", "b"], lines=[{"ranked": value} for value in (0.5, 70.0, 0.5)])
    assert _ranked(one, one).tolist() == [1.5, 3, 1.5], "places, whatever a model's scale"
    assert _ranked(one, SimpleNamespace(labels=["b", "a"])).tolist() == [2.5, 1, 2.5]
    wide = SimpleNamespace(labels=["a", "b", "c"], lines=[{"ranked": [1.0, 2.0, 3.0]}, {"ranked": [4.0, 1.0, 3.0]}])
    assert _ranked(wide, SimpleNamespace(labels=["c", "a", "b"])).tolist() == [[1.5, 1, 2], [1.5, 2, 1]]
    none = SimpleNamespace(labels=["a", "b"], lines=[{"ranked": None}, {"ranked": 1.0}])
    assert np.isnan(_ranked(none, none)).all()


def test_an_evaluation_stands_for_a_run(pair, tmp_path, capsys):
    """A model scored later on the rows of its own test gives the scores of its training; on other rows it is no rival of it."""
    one, other = pair
    rows = MORE["text-classification"][2]
    byeori.load_run(other, precision="float32").evaluate(rows, output=tmp_path / "later")
    later, trained = byeori.compare(one, tmp_path / "later"), byeori.compare(one, other)
    assert later["not_compared"] == {}
    for name, score in trained["comparisons"][0]["scores"].items():
        assert later["comparisons"][0]["scores"][name] == pytest.approx(score, abs=1e-5), name
    command = Command(tmp_path, one, capsys)
    data = command.write("a.tsv", "text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in rows[:30]))
    assert command("evaluate", one, data, "--output", tmp_path / "some") == 0
    with pytest.raises(DataError, match="60 test rows and .* 30"):
        byeori.compare(tmp_path / "some", other)
    assert command("evaluate", one, data, "--output", tmp_path / "some") == 2 and "isn't empty" in command.error


@pytest.mark.parametrize(
    ("file", "wrong", "said"),
    [
        ("test.jsonl", {"prediction": None}, "predictions are damaged"),
        ("test.jsonl", {"prediction": {"label": "no such label"}}, "predictions are damaged"),
        ("test.measured.jsonl", {"loss": "x"}, "row 1 of its predictions is damaged: loss is no number"),
        ("test.measured.jsonl", {"ranked": []}, "predictions are damaged"),
        ("test.measured.jsonl", None, "line 1 is damaged; row, key, loss, labels are needed"),
    ],
)
def test_lines_that_no_run_writes_are_said(pair, tmp_path, file, wrong, said):
    one, other = pair
    odd = copied(other, tmp_path / "odd")
    path = odd / "predictions" / file
    first, *rest = path.read_text(encoding="utf-8").split("\n")
    path.write_text(
        "\n".join([json.dumps({**json.loads(first), **wrong} if wrong else {"row": 1}), *rest]), encoding="utf-8"
    )
    with pytest.raises(ModelError, match=said):
        byeori.compare(one, odd)


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("translation", {"prediction": []}, "row 2: .*those of translation"),
        ("translation", {"prediction": {"translation_text": 3}}, "row 2: .*those of translation"),
        ("question-answering", {"reference": None}, "row 2: .*those of question-answering"),
        ("text-classification", {"reference": "z"}, "row 2: .*those of text-classification"),
    ],
)
def test_a_line_edited_by_hand_is_said_with_its_file_and_row(name, wrong, said, tiny, tmp_path):
    """What reads as a prediction, and only scoring finds to be none: beside a whole run, and where both were edited alike."""
    run = trained(tiny, tmp_path / "run", name)
    odd = [edited(copied(run, tmp_path / f"odd {number}"), wrong) for number in range(2)]
    for first, second in ((run, odd[0]), odd) if "prediction" in wrong else (odd,):
        with pytest.raises(ModelError, match=rf"odd 0/predictions/test\.jsonl .*{said}"):
            byeori.compare(first, second)


def edited(run: Path, wrong: dict) -> Path:
    """A run whose second row is edited."""
    path = run / "predictions" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    rows[1] |= wrong
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return run


def test_a_model_whose_weights_are_no_numbers_is_compared(pair, tmp_path):
    """Its losses, confidences and ranks are null; what predictions give is compared, the rest named as undefined."""
    one, other = pair
    odd = copied(other, tmp_path / "odd")
    path = odd / "predictions" / "test.measured.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    none = {"loss": None, "confidence": None}
    rows = [{**line, **none, "ranked": [None for _ in line["ranked"]]} for line in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    found = metrics(odd)
    found["test"] |= {name: {"value": None, "low": None, "high": None} for name in ("loss", "ece", "auroc")}
    (odd / "metrics.json").write_text(json.dumps(found), encoding="utf-8")
    compared = byeori.compare(one, odd)
    scores = compared["comparisons"][0]["scores"]
    assert scores["accuracy"]["difference"] is not None
    assert scores["loss"]["second"] is None and scores["loss"]["p"] is None
    assert compared["not_compared"] == dict.fromkeys(("auroc", "ece"), "it is undefined in odd")
    assert "undefined" in "\n".join(lines(compared))
