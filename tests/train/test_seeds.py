"""Several seeds in one go: each is the run it would be alone, on the same rows; cut and resumed they are the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import byeori
from byeori.errors import ModelError, SettingError
from byeori.report.write import write_card, write_report
from commands import Command
from vocabularies import texts

ROWS = [
    {"text": f"{one} {'좋다' if i % 2 else '나쁘다'}", "label": ("neg", "pos")[i % 2]}
    for i, one in enumerate(texts()[:60])
]
TRAINING = {"precision": "float32", "threads": 1, "max_steps": 6, "learning_rate": 0.003, "previews": 0, "baselines": False,
            "validation_size": 0.2, "test_size": 0.3}  # fmt: skip
TIMED = ("training", "format")


def trained(tiny, output: Path, **values):
    model = str(tiny("bert"))
    return byeori.train("text-classification", model=model, train=ROWS, output=str(output), **{**TRAINING, **values})


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def scores(run: Path) -> dict:
    return {name: value for name, value in read(run / "metrics.json").items() if name not in (*TIMED, "seeds")}


def keys(run: Path) -> list[str]:
    lines = (run / "predictions" / "test.measured.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["key"] for line in lines]


@pytest.fixture(scope="module")
def several(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("seeds") / "several"
    run = trained(tiny, folder, seeds=3)
    assert run.path == folder / "best"
    return folder


def test_each_seed_is_the_run_it_would_be_alone(several, tiny, tmp_path):
    alone = trained(tiny, tmp_path / "alone", seed=2, split_seed=0).path
    assert scores(alone) == scores(several / "seed-2")
    assert keys(several / "seed-0") == keys(several / "seed-1") == keys(several / "seed-2")
    other = trained(tiny, tmp_path / "other", seed=2).path
    assert keys(other) != keys(alone), "without split_seed the seed splits, too"
    weights = [(several / f"seed-{seed}" / "model" / "model.safetensors").read_bytes() for seed in range(3)]
    assert len(set(weights)) == 3


def test_the_summary_is_of_the_runs(several):
    found = read(several / "seeds.json")
    every = [read(several / f"seed-{seed}" / "metrics.json") for seed in range(3)]
    for name, spread in found["test"].items():
        values = [one["test"][name]["value"] for one in every]
        assert spread["values"] == values and spread["mean"] == pytest.approx(np.mean(values))
        assert spread["std"] == pytest.approx(np.std(values, ddof=1))
        assert (spread["min"], spread["max"]) == (min(values), max(values))
    validation = [one["training"]["best"]["value"] for one in every]
    best = int(np.argmax(validation))
    assert found["best"] == f"seed-{best}" and scores(several / "best") == scores(several / f"seed-{best}")


def test_the_best_ones_card_tells_the_spread(several):
    found = read(several / "seeds.json")["test"]["accuracy"]
    card = (several / "best" / "model" / "README.md").read_text(encoding="utf-8")
    assert (
        f"Over 3 seeds, accuracy has a mean of {found['mean']:.4f} and a standard deviation of {found['std']:.4f}"
        in card
    )
    assert "Spread over seeds was not measured" not in card
    assert "Spread over seeds was not measured" in (several / "seed-0" / "model" / "README.md").read_text(
        encoding="utf-8"
    )


def test_a_folder_of_seeds_is_no_run(several, tiny, tmp_path):
    for write in (write_report, write_card):
        with pytest.raises(ModelError, match="holds several runs.*best"):
            write(several)
    assert not (several / "report.html").exists()
    with pytest.raises(SettingError, match="every seed would push over the one before"):
        trained(tiny, tmp_path / "pushed", seeds=2, push_to="me/several")


def test_a_cut_one_goes_on_and_may_grow(several, tiny, tmp_path):
    cut = tmp_path / "cut"
    shutil.copytree(several, cut)
    shutil.rmtree(cut / "seed-2")
    shutil.rmtree(cut / "best")
    summary = read(cut / "seeds.json")
    (cut / "seeds.json").write_text(json.dumps({**summary, "seeds": summary["seeds"][:2]}))
    with pytest.raises(ModelError, match="2 of 3 seeds are done.*--resume"):
        byeori.compare(cut, several / "seed-0")
    with pytest.raises(SettingError, match=r"learning_rate 0.003 → 0.1"):
        trained(tiny, cut, seeds=3, learning_rate=0.1, resume=True)
    with pytest.raises(SettingError, match="exists and isn't empty"):
        trained(tiny, cut, seeds=3)
    before = (cut / "seed-0" / "metrics.json").stat().st_mtime_ns
    trained(tiny, cut, seeds=3, resume=True)
    assert (cut / "seed-0" / "metrics.json").stat().st_mtime_ns == before
    assert scores(cut / "seed-2") == scores(several / "seed-2") and scores(cut / "best") == scores(several / "best")
    trained(tiny, cut, seeds=4, resume=True)
    assert len(read(cut / "seeds.json")["seeds"]) == 4


def test_settings_are_compared_by_their_seeds(several, tiny, tmp_path):
    trained(tiny, tmp_path / "slow", seeds=2, learning_rate=0.0001)
    found = byeori.compare(several, tmp_path / "slow")
    assert "Multi-Bootstrap" in found["methods"][0]
    assert [len(run["seeds"]) for run in found["runs"]] == [3, 2]
    (one,) = found["comparisons"]
    assert one["run"] == "slow" and one["settings"] == {"learning_rate": [0.003, 0.0001]}
    means = [read(folder / "seeds.json")["test"] for folder in (several, tmp_path / "slow")]
    for name, score in one["scores"].items():
        assert score["difference"] == pytest.approx(means[1][name]["mean"] - means[0][name]["mean"]), name


def test_the_command_prints_mean_and_spread(tiny, tmp_path, capsys):
    command = Command(tmp_path, tiny("bert"), capsys)
    data = command.write("a.tsv", "text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in ROWS))
    assert command.train(data, "--seeds", "2") == 0
    assert "± std" in command.out and "seed 1" in command.out and "best/" in command.out
    assert (command.output / "best" / "report.html").is_file()
    assert command("compare", command.output / "seed-0", command.output / "seed-1") == 0
    assert command.train(data, "--seeds", "1", output=tmp_path / "no") == 2 and "seeds" in command.error
