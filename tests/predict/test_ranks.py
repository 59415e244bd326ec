"""Predictions and evaluations on ranks are those of one process: real processes, as torchrun starts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.predict.files import predict_file
from families import texts
from labelled import CASES, close
from together import ranks

HERE = Path(__file__).parent
USING: dict[str, Any] = {"device": "cpu", "precision": "float32", "threads": 1}


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("ranks")
    for task, (family, values, rows) in CASES.items():
        (made / task).symlink_to(tiny(family, **values))
        (made / f"{task}.json").write_text(json.dumps(rows), encoding="utf-8")
    (made / "feature-extraction").symlink_to(tiny("bert", auto="AutoModel"))
    lines = [f"{one}\t{i}" for i, one in enumerate(texts()[:30])]
    lines.insert(11, "\t11")  # a row without a text
    (made / "rows.tsv").write_text("\n".join(["text\tnumber", *lines]) + "\n", encoding="utf-8")
    return made


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_two_are_one(folder):
    found = ranks(2, HERE / "on_ranks.py", folder)
    assert found.stdout.count("is done") == 2, found.stderr
    run = byeori.load_run(str(folder / "text-classification"), task="text-classification", **USING)
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert close(scores, run.evaluate(str(folder / "text-classification.json")))
    read = {"text": "text"}
    predict_file(run, str(folder / "rows.tsv"), folder / "one-a.jsonl", call={"top_k": 2}, read=read, with_inputs=True)
    assert (
        close(lines(folder / "both-a.jsonl"), lines(folder / "one-a.jsonl"))
        and len(lines(folder / "one-a.jsonl")) == 31
    )
    run = byeori.load_run(str(folder / "feature-extraction"), task="feature-extraction", **USING)
    for name in ("v.parquet", "v.npy", "v.npz"):
        predict_file(
            run,
            str(folder / "rows.tsv"),
            folder / f"one-{name}",
            call={"pooling": "mean"},
            read=read,
            with_inputs="np" not in name,
        )
    from pyarrow import parquet

    one, both = (parquet.read_table(folder / f"{kind}-v.parquet").to_pylist() for kind in ("one", "both"))
    assert close(both, one) and [row["row"] for row in both] == [*range(1, 32)] and both[11]["error"]
    one, both = (np.load(folder / f"{kind}-v.npy") for kind in ("one", "both"))
    assert np.allclose(one, both, atol=1e-5, equal_nan=True) and np.isnan(one[11]).all()
    one, both = (np.load(folder / f"{kind}-v.npz") for kind in ("one", "both"))
    assert (one["rows"] == both["rows"]).all() and np.allclose(one["vectors"], both["vectors"], atol=1e-5)


def test_three_write_what_one_does(folder):
    """Texts, byte for byte; only the main process speaks, and nothing else is left beside the file."""
    flags = ("--task", "summarization", "--precision", "float32", "--max-new-tokens", "6", "--source", "text")
    before = {*folder.iterdir()}
    asked = ("predict", folder / "summarization", folder / "rows.tsv", *flags, "--output", folder / "three.jsonl")
    found = ranks(3, "-m", "byeori", *asked)
    assert found.stderr.count("31 rows, 1 with errors") == 1
    assert {*folder.iterdir()} - before == {folder / "three.jsonl"}
    run = byeori.load_run(str(folder / "summarization"), task="summarization", **USING)
    predict_file(
        run, str(folder / "rows.tsv"), folder / "one.jsonl", call={"max_new_tokens": 6}, read={"source": "text"}
    )
    assert (folder / "three.jsonl").read_bytes() == (folder / "one.jsonl").read_bytes()
