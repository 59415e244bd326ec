"""Who is measured when; what a file keeps; what a failure, Ctrl-C and a process of its own come to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from byeori.bench.answers import share
from byeori.bench.given import read_lines
from byeori.bench.rounds import Failed, Log, environment, in_a_process, take_turns
from byeori.errors import SettingError
from byeori.run import dumps


class Contest:
    """Jobs of some contestants, each measured in no time; `asked` is who was, with the seed and the batch size."""

    def __init__(self, made, names: str = "tutorial,tuned,byeori", rates: dict | None = None, **more):
        self.made, self.rates, self.asked, self.notes = made, rates or {}, [], []
        self.answers: dict[str, list] = {}
        names = names.split(",")
        self.jobs = {
            name: {"name": name, "how": {"batch_size": 8}, "seed": 5, "try": [], "count": 3, "first": names[0], **more}
            for name in names
        }

    def __call__(self, rounds: int, log: Log | None = None):
        return take_turns(self.jobs, rounds, log or Log(None, "key"), self.notes.append, self.measure)

    def measure(self, job: dict, folder: Path) -> dict:
        self.asked.append((job["name"], job["seed"], job["how"]["batch_size"]))
        found = self.rates.get(job["name"], 10.0)
        if isinstance(found, BaseException):
            raise found
        if job["name"] in self.answers:
            (folder / "answers").write_text(
                "".join(dumps(one) + "\n" for one in self.answers[job["name"]]), encoding="utf-8"
            )
        return self.made(rate=found(job) if callable(found) else found)


def test_contestants_take_turns_to_and_fro_a_seed_a_round(made):
    contest = Contest(made)
    turns = contest(2)
    assert [(name, seed) for name, seed, _ in contest.asked] == [
        ("tutorial", 5), ("tuned", 5), ("byeori", 5), ("byeori", 6), ("tuned", 6), ("tutorial", 6),
    ]  # fmt: skip
    assert {name: [one["round"] for one in results] for name, results in turns.measured.items()} == {
        "tutorial": [0, 1], "tuned": [0, 1], "byeori": [0, 1],
    }  # fmt: skip
    assert contest.notes[0].startswith("round 1 of 2: tutorial 10.0 rows/s, 10.0 s; about ")
    assert not contest.notes[-1].endswith("left") and not turns.failed and not turns.stopped


def test_a_failed_contestant_is_not_asked_again_and_the_others_go_on(made):
    contest = Contest(made, rates={"tuned": Failed("RuntimeError: no memory")})
    turns = contest(3)
    assert turns.failed == {"tuned": "RuntimeError: no memory"} and turns.measured["tuned"] == []
    assert [name for name, *_ in contest.asked].count("tuned") == 1
    assert len(turns.measured["tutorial"]) == len(turns.measured["byeori"]) == 3
    assert "round 1 of 3: tuned failed: RuntimeError: no memory" in contest.notes


def test_ctrl_c_keeps_what_was_measured(made):
    turns = Contest(made, rates={"byeori": KeyboardInterrupt()})(3)
    assert turns.stopped and [len(one) for one in turns.measured.values()] == [1, 1, 0]


def test_the_fastest_batch_takes_part(made):
    contest = Contest(
        made, "tuned,byeori", rates={"tuned": lambda job: {16: 10.0, 64: 30.0, 128: 20.0}[job["how"]["batch_size"]]}
    )
    contest.jobs["tuned"]["try"] = [16, 64, 128]
    turns = contest(1)
    assert contest.asked == [("tuned", 5, 16), ("tuned", 5, 64), ("tuned", 5, 128), ("tuned", 5, 64), ("byeori", 5, 8)]
    assert [one["how"] for one in turns.measured["tuned"]] == [{"batch_size": 64}]
    assert "tuned takes part in batches of 64, the fastest of 16, 64, 128." in contest.notes


def test_a_batch_too_large_for_the_machine_leaves_the_others(made):
    def rate(job: dict) -> float:
        if job["how"]["batch_size"] > 32:
            raise Failed("out of memory")
        return 10.0

    contest = Contest(made, "tuned,byeori", rates={"tuned": rate})
    contest.jobs["tuned"]["try"] = [16, 64]
    turns = contest(1)
    assert not turns.failed and [one["how"] for one in turns.measured["tuned"]] == [{"batch_size": 16}]
    contest = Contest(made, "tuned,byeori", rates={"tuned": rate})
    contest.jobs["tuned"]["try"] = [64, 128]
    assert contest(1).failed == {"tuned": "out of memory"}


def test_answers_are_compared_with_the_first_contestants(made):
    contest = Contest(made)
    contest.answers = {"tutorial": ["a", "b", "c"], "tuned": ["a", "b", "c"], "byeori": ["a", "x", "c"]}
    turns = contest(2)
    shares = {name: [one["equal"] for one in results] for name, results in turns.measured.items()}
    assert shares == {"tutorial": [1.0, 1.0], "tuned": [1.0, 1.0], "byeori": [pytest.approx(2 / 3)] * 2}


def test_too_few_answers_are_a_failure(made):
    contest = Contest(made)
    contest.answers = {"tutorial": ["a", "b", "c"], "byeori": ["a", "b"]}
    assert contest(1).failed == {"byeori": "it answered 2 of 3 rows"}


@pytest.mark.parametrize("first, second, wanted", [
    (["a", "b"], ["a", "c"], 0.5),
    ([[["PER", 0, 3]], []], [[["PER", 0, 3]], []], 1.0),
    ([[1.0, 0.0]], [[0.9999, 0.001]], 1.0),
    ([[1.0, 0.0]], [[0.0, 1.0]], 0.0),
    ([0.5, 4.0, 1.0], [0.51, 4.05, 2.0], 2 / 3),
    ([[1.0, 0.0]], [[1.0, 0.0, 0.0]], 0.0),
])  # fmt: skip
def test_what_counts_as_the_same_answer(first, second, wanted):
    assert share(first, second) == wanted


# the file ----------------------------------------------------------------------------------------------------------
def test_every_measurement_is_in_the_file_and_none_is_made_again(made, tmp_path):
    path = tmp_path / "rounds.jsonl"
    contest = Contest(made, rates={"byeori": KeyboardInterrupt()})
    contest(2, Log(str(path), "key"))
    assert [(line["contestant"], line["round"]) for line in read_lines(path)] == [("tutorial", 0), ("tuned", 0)]
    with path.open("a") as file:
        file.write('{"bench": "key", "contes')  # killed while it wrote
    again = Contest(made)
    turns = again(2, Log(str(path), "key"))
    assert [name for name, *_ in again.asked] == ["byeori", "byeori", "tuned", "tutorial"] and turns.kept == 2
    assert [len(results) for results in turns.measured.values()] == [2, 2, 2]
    assert len(read_lines(path)) == 6
    whole = Contest(made)
    assert whole(2, Log(str(path), "key")).kept == 6 and not whole.asked


def test_what_failed_is_tried_again(made, tmp_path):
    path = str(tmp_path / "rounds.jsonl")
    Contest(made, rates={"tuned": Failed("no memory")})(1, Log(path, "key"))
    again = Contest(made)
    again(1, Log(path, "key"))
    assert [name for name, *_ in again.asked] == ["tuned"]


@pytest.mark.parametrize("text, words", [
    ('{"bench": "other"}\n', "another benchmark"),
    ('{"row": 1}\n', "line 1 is none of a benchmark"),
    ("text\nmore\n", "line 1 is none of a benchmark"),
])  # fmt: skip
def test_a_file_of_something_else_is_left_alone(tmp_path, text, words):
    path = tmp_path / "rounds.jsonl"
    path.write_text(text)
    with pytest.raises(SettingError, match=words):
        Log(str(path), "key")
    assert path.read_text() == text
    assert Log(str(path), "key", overwrite=True).lines == [] and path.read_text() == ""


def test_a_place_that_cannot_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "rounds.jsonl"):
        with pytest.raises(SettingError, match="can't be written there"):
            Log(str(path), "key")


# processes ---------------------------------------------------------------------------------------------------------
def test_a_process_that_fails_says_its_last_line(tmp_path):
    job = {"what": "tokenize", "given": str(tmp_path / "nothing"), "threads": 1, "gpu": None}
    with pytest.raises(Failed, match="FileNotFoundError: .*nothing"):
        in_a_process(job, tmp_path)


def test_the_environment_of_a_contestant(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    found = environment({"threads": 3, "gpu": 1})
    assert (found["OMP_NUM_THREADS"], found["RAYON_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("3", "3", "6")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert environment({"threads": None, "gpu": 1})["CUDA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environment({"threads": None, "gpu": None})
    assert json.dumps(found)
