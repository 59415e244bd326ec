"""A search for settings: what Optuna itself proposes, resumed = uninterrupted, the best folder = its trial's, what is refused."""

from __future__ import annotations

import json
import math
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import yaml

import byeori
from byeori.api import resolve
from byeori.cli import main
from byeori.errors import ModelError, SettingError, TrainingError
from byeori.train.progress import Quiet
from byeori.train.study import Study, pruner
from byeori.train.study_folder import StudyFolder

SEARCH = {
    "learning_rate": {"low": "1e-5", "high": 1e-2, "log": True},
    "batch_size": [8, 16, 32],
    "warmup_steps": {"low": 0, "high": 10, "step": 5},
    "label_smoothing": {"low": 0, "high": 0.2},
}
GRID = {"learning_rate": [1e-4, 1e-3], "epochs": {"low": 1, "high": 2, "step": 0.5}, "batch_size": [8]}
EVALUATIONS = 4


def proposed(trial: optuna.Trial, search: dict) -> dict:
    """Each setting asked of plain Optuna by hand."""
    if search is GRID:
        return {
            "learning_rate": trial.suggest_categorical("learning_rate", [1e-4, 1e-3]),
            "epochs": trial.suggest_float("epochs", 1, 2, step=0.5),
            "batch_size": trial.suggest_categorical("batch_size", [8]),
        }
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [8, 16, 32]),
        "warmup_steps": trial.suggest_int("warmup_steps", 0, 10, step=5),
        "label_smoothing": trial.suggest_float("label_smoothing", 0, 0.2),
    }


def score(values: dict, evaluation: int) -> float:
    """As if trained: a rate of 1e-3 is best, and later evaluations are better."""
    return 1 / (1 + abs(math.log10(values["learning_rate"]) + 3)) + 0.01 * evaluation + values["batch_size"] / 1000


class Pretended:
    """In place of a training: scores by `score`, a folder, the hook's events; `cut` ends the process in that trial."""

    def __init__(self, cut: int | None = None, fails: tuple[int, ...] = ()):
        self.cut, self.fails, self.values = cut, fails, []

    def __call__(self, task, hooks, progress, output, **values):
        number = int(Path(output).name.rpartition("-")[2])
        self.values.append(values)
        if number in self.fails:
            raise ModelError(f"trial {number} has no model.")
        run = SimpleNamespace(headline="accuracy", stopped=None, step=0, steps=EVALUATIONS)
        run.stop = lambda reason: setattr(run, "stopped", reason)
        while run.step < run.steps and run.stopped is None:
            run.step += 1
            hooks[0].evaluate_end(run, {"accuracy": score(values, run.step)})
            if number == self.cut:
                raise KeyboardInterrupt
        Path(output).mkdir(parents=True)
        (Path(output) / "settings.yaml").write_text(f"output: {output}\n")
        return SimpleNamespace(metrics={"training": {"best": {"value": score(values, run.step)}}})


@pytest.fixture
def study(requests_tsv, tmp_path):
    """`study("name", **values)` → a search of the demo rows in the folder of that name, not run."""

    def make(name: str = "search", **values) -> Study:
        values = {"search": SEARCH, "sampler": "tpe", "trials": 14, "train": requests_tsv, "model": "m", **values}
        return Study({"task": "text-classification", "output": str(tmp_path / name), **values}, resolve)

    return make


def trials(folder: StudyFolder) -> list[dict]:
    return [json.loads(line) for line in folder.table.read_text(encoding="utf-8").splitlines()]


def told(folder: StudyFolder) -> list[tuple]:
    """Of each trial what doesn't depend on the clock."""
    return [(one["trial"], one["state"], one["settings"], one["score"], one["evaluations"]) for one in trials(folder)]


SAMPLERS = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=7),
    "random": lambda: optuna.samplers.RandomSampler(seed=7),
    "qmc": lambda: optuna.samplers.QMCSampler(seed=7),
    "gp": lambda: optuna.samplers.GPSampler(seed=7),
    "grid": lambda: optuna.samplers.GridSampler(
        {"learning_rate": [1e-4, 1e-3], "epochs": [1, 1.5, 2], "batch_size": [8]}, seed=7
    ),
}


@pytest.mark.parametrize("name, ends", [
    ("tpe", "none"), ("tpe", "median"), ("tpe", "hyperband"), ("random", "halving"), ("qmc", "none"), ("grid", "median"), ("gp", "none"),
])  # fmt: skip
def test_trials_are_those_of_optuna_itself_also_when_resumed(study, name, ends):
    search = GRID if name == "grid" else SEARCH
    asked = {"search": search, "sampler": name, "pruner": ends, "tune": {"seed": 7}}
    whole = study("whole", **asked)
    whole.run(Pretended(), Quiet())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made = SAMPLERS[name]()
    plain = optuna.create_study(study_name="byeori", direction="maximize", sampler=made, pruner=pruner(ends))

    def objective(trial):
        values = proposed(trial, search)
        for evaluation in range(1, EVALUATIONS + 1):
            trial.report(score(values, evaluation), evaluation)
            if trial.should_prune() and evaluation < EVALUATIONS:
                raise optuna.TrialPruned
        return score(values, EVALUATIONS)

    plain.optimize(objective, n_trials=14)
    found = trials(whole.folder)
    assert [(one["settings"], one["score"], one["state"].upper()) for one in found] == [
        (one.params, one.value, one.state.name) for one in plain.trials
    ]
    assert len(found) == (6 if name == "grid" else 14) and (
        ends != "median" or name == "grid" or "pruned" in str(found)
    )
    assert (whole.folder.best / "settings.yaml").read_text().strip().endswith(f"trial-{plain.best_trial.number:05d}")

    cut = study("cut", **asked)
    with pytest.raises(KeyboardInterrupt):
        cut.run(Pretended(cut=4), Quiet())
    assert len(trials(cut.folder)) == 4
    again = Pretended()
    study("cut", resume=True, **asked).run(again, Quiet())
    assert told(cut.folder) == told(whole.folder)
    assert len(again.values) == len(found) - 4, "those that are done aren't run again"


def test_a_failed_trial_is_written_down_and_the_search_goes_on(study, notes):
    one = study(trials=5)
    one.run(Pretended(fails=(0, 1, 3)), notes)
    found = trials(one.folder)
    assert [line["state"] for line in found] == ["failed", "failed", "complete", "failed", "complete"]
    assert found[3]["error"] == "trial 3 has no model." and found[3]["score"] is None
    assert sum("has no model" in note for note in notes.notes) == 3

    other = study("other", trials=9)
    with pytest.raises(ModelError, match="3 trials failed, and none before them succeeded.*trial 2 has no model"):
        other.run(Pretended(fails=(0, 1, 2, 3)), Quiet())
    assert len(trials(other.folder)) == 3
    study("other", trials=5, resume=True).run(Pretended(), Quiet())
    assert [line["state"] for line in trials(other.folder)] == ["failed"] * 3 + ["complete"] * 2

    with pytest.raises(TrainingError, match="none of 2 trials gave a model. The last one: its accuracy is undefined"):
        study("third", trials=2).run(
            lambda *_, **__: SimpleNamespace(metrics={"training": {"best": {"value": None}}}), Quiet()
        )


def test_a_score_that_is_better_when_lower(study):
    one = study(metric="loss", trials=4)
    assert one.lower and one.metric == "loss"
    one.run(Pretended(), Quiet())
    lowest = min(trials(one.folder), key=lambda line: line["score"])
    assert (one.folder.best / "settings.yaml").read_text().strip().endswith(lowest["folder"])


# real trainings -------------------------------------------------------------------------------------------------------
def test_the_command_trains_and_keeps_the_best(requests_tsv, still_bert, tmp_path, capsys):
    settings = {
        "task": "text-classification", "model": still_bert, "train": requests_tsv, "precision": "float32", "threads": 1,
        "baselines": False, "max_steps": 3, "evaluate_every": 1, "previews": 0,
        "tune": {"trials": 2, "sampler": "random", "seed": 1, "metric": "loss",
                 "search": {"learning-rate": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": [8, 16]}},
    }  # fmt: skip
    file, folder = tmp_path / "tune.yaml", StudyFolder(tmp_path / "search")
    file.write_text(yaml.safe_dump(settings, sort_keys=False))
    with pytest.raises(SystemExit) as stop:
        main(["tune", str(file), "--output", str(folder.path), "--trials", "3", "--batch-size", "8"])
    out, err = capsys.readouterr()
    assert stop.value.code == 0, err
    found = trials(folder)
    best = min(found, key=lambda line: line["score"])
    heads, *rows, last = out.splitlines()
    assert heads.split() == ["trial", "loss", "state", "seconds", "learning_rate", "batch_size"] and len(rows) == 3
    assert rows[best["trial"]].split()[0] == f"{best['trial']}*" and last == f"* the best: {folder.best}"
    for place in (folder.path / best["folder"]).rglob("*"):
        if place.is_file():
            assert place.read_bytes() == (folder.best / place.relative_to(folder.path / best["folder"])).read_bytes()
    for line in found:
        history = (folder.path / line["folder"] / "history.jsonl").read_text().splitlines()
        scores = [json.loads(one)["validation"]["loss"] for one in history if "validation" in one]
        assert line["evaluations"] == scores and line["score"] == min(scores)
        told = yaml.safe_load((folder.path / line["folder"] / "settings.yaml").read_text())
        assert {name: told[name] for name in line["settings"]} == line["settings"] and told["best_metric"] == "loss"

    # the settings it wrote repeat it; with more trials it goes on; what it found loads
    run = byeori.tune(**byeori.settings.load_yaml(folder.settings), output=str(folder.path), resume=True)
    assert trials(folder) == found and run.metrics["validation"]["loss"]["value"] == pytest.approx(best["score"])
    assert run.predict(["where is my parcel"])[0]["label"]
    with pytest.raises(SettingError, match=r"began with other settings \(max_steps 3 → 4\)"):
        byeori.tune(
            **{**byeori.settings.load_yaml(folder.settings), "max_steps": 4}, output=str(folder.path), resume=True
        )


class Signal(byeori.tasks.TextClassification):
    """Ctrl-C in the middle of a training."""

    at = 0

    def loss(self, outputs, pack):
        type(self).at += 1
        if type(self).at == 2:
            signal.raise_signal(signal.SIGINT)
        return super().loss(outputs, pack)


def test_ctrl_c_says_how_to_go_on(requests_tsv, still_bert, tmp_path, notes):
    values = {
        "search": {"learning_rate": [1e-3, 1e-2]}, "sampler": "grid", "trials": 2, "train": requests_tsv, "max_steps": 3,
        "precision": "float32", "threads": 1, "baselines": False, "output": str(tmp_path / "search"),
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        byeori.tune(Signal(), still_bert, progress=notes, **values)
    assert notes.notes[-1] == "Stopped after 0 of 2 trials; --resume goes on with the one that was cut."
    run = byeori.tune(Signal(), still_bert, resume=True, **values)
    assert len(trials(StudyFolder(tmp_path / "search"))) == 2 and isinstance(run.task, Signal)


# refused --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("values, said", [
    ({"search": None}, "search names no setting to vary"),
    ({"search": {"learning_rat": [1]}}, "search: there is no setting learning_rat. Did you mean learning_rate"),
    ({"search": {"learning_rate": {"low": -1, "high": 1}}}, "search: learning_rate=-1: it must be at least 0"),
    ({"search": {"warmup_ratio": {"low": 0, "high": 2}}}, "search: warmup_ratio=2: it must be at most 1"),
    ({"search": {"order": ["random", "groupe"]}}, "search: order='groupe': .* Did you mean grouped"),
    ({"search": {"label_smoothing": [0.1, 1.5]}}, "search: label_smoothing=1.5: it must be at most 0.99"),
    ({"search": {"order": {"low": 1, "high": 2}}}, "search: order takes no numbers"),
    ({"search": {"batch_size": {"low": 32, "high": 8}}}, "the lower one first; found 32 and 8"),
    ({"search": {"batch_size": {"low": 8, "high": 32, "step": 2.5}}}, "step=2.5 is no whole number above 0"),
    ({"search": {"learning_rate": {"low": 0, "high": 1, "log": True}}}, "for ranges above 0"),
    ({"search": {"learning_rate": {"min": 0, "max": 1}}}, "neither a range"),
    ({"search": {"batch_size": []}}, "there are no choices"),
    ({"search": {"validation_size": [0.1, 0.2]}}, "scored on other rows"),
    ({"search": {"seed": [1, 2]}}, "the seed splits off the validation rows"),
    ({"search": {"learning_rate": {"low": 0, "high": 1}}, "sampler": "grid"}, "a grid needs steps"),
    ({"sampler": "tpee"}, "tune: sampler='tpee': .* Did you mean tpe"),
    ({"tune": {"trails": 3}}, "tune: there is no setting trails. Did you mean trials"),
    ({"metric": "acuracy"}, "best_metric='acuracy': the scores here are accuracy"),
    ({"metric": "loss", "best_metric": "accuracy"}, "one score must do both"),
    ({"validation_size": 0}, "there are no validation rows to choose settings by"),
    ({"tracker": "tensorbord"}, "no such tracker"),
    ({"output": None}, "no folder is named for the search"),
    ({"resume": True, "overwrite": True}, "both set"),
])  # fmt: skip
def test_refused_before_anything_runs(study, tmp_path, values, said):
    with pytest.raises(SettingError, match=said):
        study(**values)
    assert not (tmp_path / "search").exists()


def test_a_folder_that_is_filled_stays(study, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "notes.txt").write_text("mine")
    for values, said in (({}, "isn't empty"), ({"resume": True}, "no search to go"), ({"overwrite": True}, "replace")):
        with pytest.raises(SettingError, match=said):
            study(**values)
    one = study("other", trials=2)
    one.run(Pretended(), Quiet())
    (one.folder.path / "notes.txt").write_text("mine")
    study("other", trials=1, overwrite=True).run(Pretended(), Quiet())
    assert len(trials(one.folder)) == 1 and (one.folder.path / "notes.txt").is_file()


def test_without_optuna_it_says_what_to_install(study, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'byeori\[tune\]'"):
        study()
