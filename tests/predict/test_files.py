"""File → file: rows out = rows in, in order; a row that can't be used keeps its line."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

import byeori
from byeori.errors import DataError, SettingError
from byeori.predict import parts
from byeori.predict.files import predict_file
from families import texts


@pytest.fixture(scope="module")
def run(tiny):
    folder = tiny("bert", labels=("bad", "good", "so so"))
    return byeori.load_run(folder, task="text-classification", device="cpu", precision="float32")


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "out.jsonl"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def predict(run, source, output, call=None, read=None, **options) -> dict:
    return predict_file(run, source, output, call=call or {}, read=read or {}, **options)


def check(found: list[dict], expected: list) -> None:
    """The predictions of the pipeline, a line each, numbered from 1."""
    assert [line["row"] for line in found] == list(range(1, len(expected) + 1))
    for line, prediction in zip(found, expected, strict=True):
        assert set(line) == {"row", "prediction"}
        pairs = [line["prediction"], prediction]
        mine, theirs = ([one] if isinstance(one, dict) else one for one in pairs)
        assert type(line["prediction"]) is type(prediction)
        assert [one["label"] for one in mine] == [one["label"] for one in theirs]
        assert [one["score"] for one in mine] == pytest.approx([one["score"] for one in theirs], abs=1e-5)


def write(path: Path, rows: list[str]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in rows)
        elif path.suffix == ".txt":
            file.writelines(text + "\n" for text in rows)
        else:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([["text"], *([text] for text in rows)])
    return path


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "txt"])
@pytest.mark.parametrize("window", [4, 4_096])
@pytest.mark.parametrize("call", [{}, {"top_k": 2}, {"top_k": None}], ids=str)
def test_every_row_has_its_line(run, sample_texts, tmp_path, output, monkeypatch, kind, window, call):
    """Lengths in no order, windows that end in the middle: line n is the prediction of row n."""
    monkeypatch.setattr(parts, "WINDOW", window)
    source = write(tmp_path / f"in.{kind}", sample_texts)
    found = predict(run, str(source), output, call)
    assert (found["rows"], found["errors"]) == (len(sample_texts), 0)
    assert found["rows_per_second"] == pytest.approx(found["rows"] / found["seconds"], rel=0.01)
    check(lines(output), run.predict(sample_texts, **call))


def test_pairs_and_other_names(run, tmp_path, output):
    pairs = [(texts()[i], texts()[i + 9]) for i in range(12)]
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(json.dumps({"첫째": a, "둘째": b, "more": 1}) + "\n" for a, b in pairs), encoding="utf-8")
    predict(run, str(source), output, read={"text": "첫째", "text_pair": "둘째"})
    check(lines(output), run.predict(pairs))


def test_a_label_column_is_not_needed_and_does_not_matter(run, tmp_path, output):
    source = tmp_path / "labelled.tsv"
    source.write_text("text\tlabel\na\tunknown\nb\t\nc\tbad\n", encoding="utf-8")
    assert predict(run, str(source), output)["errors"] == 0
    check(lines(output), run.predict(["a", "b", "c"]))


@pytest.mark.parametrize("window", [2, 4_096])
def test_a_row_that_cannot_be_used_keeps_its_line(run, tmp_path, output, monkeypatch, window):
    monkeypatch.setattr(parts, "WINDOW", window)
    source = tmp_path / "in.jsonl"
    rows = [
        '{"text": "좋아요"}',
        '{"text": ""}',
        '{"text": 5}',
        "{broken",
        '{"text": null}',
        '{"text": "  "}',
        '{"text": "bad"}',
    ]
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = predict(run, str(source), output, with_inputs=True)
    got = lines(output)
    assert [line["row"] for line in got] == list(range(1, 8))
    assert [i for i, line in enumerate(got) if "error" in line] == [
        i for i, line in enumerate(got) if "prediction" not in line
    ]
    good = [line["row"] for line in got if "prediction" in line]
    assert {1, 7} <= set(good) and not {2, 4, 5, 6} & set(good)
    assert found["errors"] == 7 - len(good) and found["rows"] == 7
    assert all(isinstance(line["error"], str) and line["error"] for line in got if "error" in line)
    assert "empty" in got[1]["error"] and "inputs" in got[1]
    expected = run.predict(["좋아요", "bad"])
    for line, one in zip((got[0], got[6]), expected, strict=True):
        assert line["prediction"]["score"] == pytest.approx(one["score"], abs=1e-5)
        assert line["prediction"]["label"] == one["label"]


def test_too_few_and_too_many_fields(run, tmp_path, output):
    source = tmp_path / "in.tsv"
    source.write_text("id\ttext\n1\tgood\n2\n3\ta\tb\tc\n4\tbad\n", encoding="utf-8")
    predict(run, str(source), output, read={"text": "text"})
    got = lines(output)
    assert [("prediction" in line, "error" in line) for line in got] == [
        (True, False),
        (False, True),
        (False, True),
        (True, False),
    ]


def test_all_rows_bad(run, tmp_path, output):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": ""}\n{"text": null}\n{"text": " "}\n', encoding="utf-8")
    assert predict(run, str(source), output) | {"seconds": 0, "rows_per_second": 0} == {
        "rows": 3, "errors": 3, "seconds": 0, "rows_per_second": 0,
    }  # fmt: skip
    assert [sorted(line) for line in lines(output)] == [["error", "row"]] * 3


def test_with_inputs(run, tmp_path, output):
    """The inputs as they were read, Korean as Korean."""
    source = tmp_path / "in.tsv"
    source.write_text("text\ttext_pair\n첫 문장\t둘째 문장\na\tb\n", encoding="utf-8")
    predict(run, str(source), output, with_inputs=True)
    assert [line["inputs"] for line in lines(output)] == [
        {"text": "첫 문장", "text_pair": "둘째 문장"}, {"text": "a", "text_pair": "b"},
    ]  # fmt: skip
    assert "첫 문장" in output.read_text(encoding="utf-8")


class Standard:
    """Standard input or output, with the bytes beneath."""

    def __init__(self, given: bytes = b""):
        self.buffer = io.BytesIO(given)


@pytest.mark.parametrize(
    "given", ['{"text": "좋아요"}\n{"text": "b"}\n{"text": "c d"}\n', "text\n좋아요\nb\nc d\n", "좋아요\nb\nc d\n"]
)
def test_standard_input(run, output, monkeypatch, given):
    """JSON lines, a column with its head, or a text a line."""
    monkeypatch.setattr(sys, "stdin", Standard(given.encode()))
    predict(run, "-", output)
    expected = ["좋아요", "b", "c d"]
    found = lines(output)
    if len(found) == 4:  # a single column without a separator is lines of text, its head one of them
        expected = ["text", *expected]
    check(found, run.predict(expected))


def test_standard_output(run, tmp_path, capsys):
    source = write(tmp_path / "in.txt", ["좋아요", "b"])
    assert predict(run, str(source), "-")["rows"] == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    check(found, run.predict(["좋아요", "b"]))


def test_python_rows_and_tables(run, output):
    import datasets

    items = [{"text": text} for text in texts()[:5]]
    for source in (items, datasets.Dataset.from_list(items)):
        predict(run, source, output)
        check(lines(output), run.predict(list(texts()[:5])))


def test_nothing_half_written(run, tmp_path, output, monkeypatch):
    """A crash in the middle leaves the old file as it was, and no temporary one."""
    source = write(tmp_path / "in.txt", list(texts()[:9]))
    output.write_text("old")
    monkeypatch.setattr(parts, "WINDOW", 3)
    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    original = run.engine.run
    monkeypatch.setattr(run.engine, "run", fail)
    with pytest.raises(KeyboardInterrupt):
        predict(run, str(source), output)
    assert output.read_text() == "old" and sorted(p.name for p in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


def test_the_file_is_readable_like_others(run, tmp_path, output):
    predict(run, str(write(tmp_path / "in.txt", ["a"])), output)
    assert stat.S_IMODE(output.stat().st_mode) == 0o644


@pytest.mark.parametrize("where", ["nowhere/out.jsonl", "."])
def test_output_that_cannot_be_written(run, tmp_path, where):
    source = write(tmp_path / "in.txt", ["a"])
    with pytest.raises(SettingError, match="can't be written there"):
        predict(run, str(source), tmp_path / where)


def test_output_in_a_locked_folder(run, tmp_path, output, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, as in containers, may write anywhere
    with pytest.raises(SettingError, match="can't be written there"):
        predict(run, str(write(tmp_path / "in.txt", ["a"])), output)


def test_wrong_input_and_settings_leave_nothing(run, tmp_path, output):
    source = write(tmp_path / "in.tsv", ["a"])
    with pytest.raises(DataError):
        predict(run, str(tmp_path / "absent.tsv"), output)
    with pytest.raises(DataError, match="본문"):
        predict(run, str(source), output, read={"text": "본문"})
    with pytest.raises(SettingError, match="top_k"):
        predict(run, str(source), output, {"top_k": -1})
    assert [p.name for p in tmp_path.iterdir()] == ["in.tsv"]
