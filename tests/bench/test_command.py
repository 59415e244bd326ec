"""`byeori bench train|predict|generate|tokenize` as a person runs them, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import byeori
from byeori.bench import training
from commands import Command
from families import texts

DEMO = Path(byeori.__file__).parent / "data" / "demo" / "requests.tsv"
LABELS = ("neutral", "contradiction", "entailment")
EXACT = ["--precision", "float32"]  # as bfloat16 may choose otherwise


@pytest.fixture
def command(tmp_path, capsys, monkeypatch) -> Command:
    monkeypatch.chdir(tmp_path)
    found = Command(tmp_path, tmp_path, capsys)
    found.write("texts.txt", "\n".join(" ".join(text.split()) for text in texts()[:24]) + "\n")
    return found


def classifying(tiny) -> list:
    """The flags of a training on the demo's data."""
    model = tiny("bert", auto="AutoModel")
    return ["--task", "text-classification", "--model", model, "--train", DEMO, "--threads", "1"]


def rounds(found: dict) -> list[dict]:
    return [one for who in found["contestants"].values() for one in who["rounds"]]


def test_train(at_hand, command, tiny):
    flags = classifying(tiny)
    few = ["--rows", "40", "--test-rows", "16", "--max-length", "24", "--rounds", "2", "--only", "tutorial,byeori"]
    assert command("bench", "train", *flags, *few, "--json", "--precision", "float32") == 0
    found = json.loads(command.out)
    assert list(found["contestants"]) == ["tutorial", "byeori"]
    assert all(len(who["rounds"]) == 2 for who in found["contestants"].values())
    assert len({one["given"] for one in rounds(found)}) == 1 and {one["epochs"] for one in rounds(found)} == {1.0}
    assert all(one["rows"] == {"train": 40, "test": 16} for one in rounds(found))
    assert [job["seed"] for job in at_hand] == [0, 0, 1, 1]
    assert found["headline"] == "accuracy" and found["ratios"]["byeori / tutorial"]["rounds"] == 2
    assert sum("as fast as" in one or "No difference" in one for one in found["verdict"]) == 1
    assert any("Two rounds" in one for one in found["warnings"])
    assert all(json.loads(line)["note"] for line in command.err.splitlines() if line.startswith("{"))
    assert '{"note": "round 2 of 2: tutorial ' in command.err


def test_predict(at_hand, command, tiny):
    model = tiny("bert", labels=LABELS)
    asked = ["bench", "predict", model, "texts.txt", "--rounds", "1", "--threads", "1"]
    assert command(*asked, "--task", "text-classification") == 0
    assert "Byeori gives the same answer in every row as pipeline() as it comes." in command.out
    heads = command.out.splitlines()[0]
    assert all(words in heads for words in ("rows/s", "padding", "peak MiB", "same as tutorial"))
    assert max(map(len, command.out.splitlines()[:4])) <= 100
    assert "text-classification: 24 rows to predict" in command.err


@pytest.mark.parametrize("task, auto, flags", [
    ("zero-shot-classification", "AutoModelForSequenceClassification", ["--candidate-labels", "배송,환불"]),
    ("token-classification", "AutoModelForTokenClassification", []),
    ("feature-extraction", "AutoModel", []),
])  # fmt: skip
def test_predict_other_tasks(at_hand, command, tiny, task, auto, flags):
    model = tiny("bert", auto=auto, **({"labels": LABELS} if "Classification" in auto else {}))
    few = ["--task", task, "--rounds", "1", "--rows", "12", "--threads", "1", "--json", *flags]
    assert command("bench", "predict", model, "texts.txt", *few) == 0
    found = json.loads(command.out)
    assert {name: who["rounds"][0]["equal"] for name, who in found["contestants"].items()} == {
        "tutorial": 1.0, "tuned": 1.0, "byeori": 1.0,
    }  # fmt: skip


def test_predict_answers_to_questions(at_hand, command, tiny):
    rows = [{"question": f"What closes at {n}?", "context": " ".join(texts()[n : n + 6])} for n in range(9)]
    file = command.write("asked.jsonl", "\n".join(map(json.dumps, rows)))
    model = tiny("bert", auto="AutoModelForQuestionAnswering")
    few = ["--task", "question-answering", "--rounds", "1", "--max-length", "48", "--threads", "1", *EXACT, "--json"]
    assert command("bench", "predict", model, file, *few) == 0
    found = json.loads(command.out)["contestants"]
    assert [found[name]["rounds"][0]["equal"] for name in ("tutorial", "tuned", "byeori")] == [1.0, 1.0, 1.0]
    assert found["tutorial"]["rounds"][0]["padding"] > found["tuned"]["rounds"][0]["padding"]


@pytest.mark.parametrize("family, auto, task", [
    ("t5", "AutoModelForSeq2SeqLM", "summarization"), ("gpt2", "AutoModelForCausalLM", "text-generation"),
])  # fmt: skip
def test_generate(at_hand, command, tiny, family, auto, task):
    few = ["--task", task, "--rounds", "1", "--rows", "12", "--max-new-tokens", "8", "--threads", "1", *EXACT, "--json"]
    assert command("bench", "generate", tiny(family, auto=auto), "texts.txt", *few) == 0
    found = json.loads(command.out)
    assert found["max_new_tokens"] == 8 and found["num_beams"] == 1 and found["rows"] == 12
    assert {name: who["rounds"][0]["equal"] for name, who in found["contestants"].items()} == {
        "tutorial": 1.0, "tuned": 1.0, "byeori": 1.0,
    }  # fmt: skip


def test_tokenize_all_four_alike(at_hand, command, tiny):
    few = ["--rounds", "1", "--threads", "1", "--max-length", "12", "--json"]
    assert command("bench", "tokenize", tiny("bert"), "texts.txt", *few) == 0
    found = json.loads(command.out)
    assert {name: who["rounds"][0]["equal"] for name, who in found["contestants"].items()} == dict.fromkeys(
        ("tutorial", "tuned", "rust", "byeori"), 1.0
    )


def test_a_process_of_its_own_and_a_file_of_it(command, tiny):
    """The one test here that starts a real one."""
    shutil.copytree(tiny("bert"), "model")
    asked = ["bench", "tokenize", "model", "texts.txt", "--rounds", "1", "--only", "byeori", "--output", "rounds.jsonl"]
    assert command(*asked) == 0
    assert command.out.splitlines()[1].startswith("byeori") and "round 1 of 1: byeori" in command.err
    (line,) = Path("rounds.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["contestant"] == "byeori"
    assert command(*asked) == 0 and "1 of 1 measurements were in the file already" in command.out
    assert command(*asked, "--seed", "1") == 2 and "another benchmark" in command.error
    Path("model/tokenizer.json").touch()
    assert command(*asked) == 2 and "another benchmark" in command.error, "a model that was written anew"


def test_a_contestant_that_fails_ends_with_1_and_the_others_are_told(at_hand, command, tiny, monkeypatch):
    def broken(*_):
        raise RuntimeError("no memory left")

    monkeypatch.setitem(training.TRAINERS, "text-classification", (broken, ("text", "label")))
    flags = classifying(tiny)
    few = ["--rows", "32", "--test-rows", "8", "--max-length", "16", "--rounds", "1", "--only", "tutorial,byeori"]
    assert command("bench", "train", *flags, *few) == 1
    assert "round 1 of 1: tutorial failed: RuntimeError: no memory left" in command.err
    assert "it failed (RuntimeError: no memory left)" in command.out and command.out.splitlines()[1].startswith(
        "byeori"
    )


@pytest.mark.parametrize("flags, code, words", [
    (["--rounds", "0"], 2, ["rounds='0'", "at least 1"]),
    (["--rows", "few"], 2, ["rows='few'", "all"]),
    (["--only", "trainer"], 2, ["no contestant 'trainer'", "tutorial, tuned, byeori"]),
    (["--try-batches", "8,many"], 2, ["try_batches='8,many'", "16,64"]),
    (["--precision", "float16"], 2, ["precision=float16"]),
    (["--output", "none/rounds.jsonl"], 2, ["none/rounds.jsonl", "can't be written there"]),
    (["--task", "fill-mask"], 2, ["nobody to predict it beside", "text-classification"]),
])  # fmt: skip
def test_flags_that_cannot_be_used(at_hand, command, tiny, flags, code, words):
    task = [] if "--task" in flags else ["--task", "text-classification"]
    auto = "AutoModelForMaskedLM" if "fill-mask" in flags else "AutoModelForSequenceClassification"
    command("bench", "predict", tiny("bert", auto=auto), "texts.txt", *task, *flags, "--device", "cpu")
    command.refused(code, *words)
    assert not at_hand


def test_models_and_data_that_cannot_be_used(at_hand, command, tiny):
    model, task = tiny("bert", labels=LABELS), ["--task", "text-classification"]
    few = command.write("few.txt", "one\ntwo\n")
    for asked, code, words in (
        (["predict", "./nowhere", "texts.txt", *task], 4, "./nowhere"),
        (["predict", model, "none.txt", *task], 3, "none.txt"),
        (["predict", model, few, *task], 3, "2 rows; a benchmark needs 8"),
        (["tokenize", model, few], 3, "2 rows; a benchmark needs 8"),
        (["tokenize", "./nowhere", "texts.txt"], 4, "./nowhere"),
        (["train", *task, "--model", "./nowhere", "--train", DEMO], 4, "./nowhere"),
        (["train", *task, "--model", model], 2, "no train is named"),
        (["train", "--model", model, "--train", DEMO], 2, "no task is named"),
        (
            ["train", "--task", "span-corruption", "--model", model, "--train", "texts.txt"],
            2,
            "no Trainer to train it beside",
        ),
        (["train", *task, "--model", model, "--train", DEMO, "--epochs", "-1"], 2, "epochs"),
    ):
        command("bench", *asked)
        command.refused(code, words)
    assert not at_hand
