"""The table: columns that say something, aligned, at most a terminal of 100 columns wide."""

from __future__ import annotations

from byeori.bench.contest import Found
from byeori.bench.contestants import contestants
from byeori.bench.options import Running
from byeori.bench.table import lines, print_bench


def found(measured: dict, headline: str | None = None, **more) -> Found:
    return Found("train", {}, contestants("train", Running()), measured, {}, headline, **more)


def test_a_table_of_two(made):
    scores = {"accuracy": {"value": 0.86, "low": 0.84, "high": 0.88}}
    measured = {
        "tutorial": [made(turn, rate, padding=0.61, scores=scores) for turn, rate in enumerate((9.8, 10.0, 10.4))],
        "byeori": [made(turn, 1_234.0, padding=0.02, memory_mb=1_786.2, scores={}) for turn in range(3)],
        "tuned": [],
    }
    assert lines(found(measured, "accuracy", verdict=["So it is."], warnings=["Few."])) == [
        "          rows/s (least–most)  seconds  padding  peak MiB       accuracy (95%)",
        "tutorial     10.0 (9.80–10.4)     10.0      61%       100  0.860 (0.840–0.880)",
        "byeori    1,234 (1,234–1,234)      0.1       2%     1,786                    –",
        "",
        "So it is.",
        "Warning: Few.",
    ]


def test_columns_without_a_figure_are_left_out(made):
    heads = lines(found({"byeori": [made(equal=0.9996)]}))[:2]
    assert heads == [
        "        rows/s (least–most)  seconds  peak MiB  same as byeori",
        "byeori                 10.0     10.0       100           99.9%",
    ]


def test_nothing_measured_leaves_the_verdict(made):
    assert lines(found({"byeori": []}, verdict=["Nobody ran."])) == ["Nobody ran."]


def test_sentences_are_broken_at_the_width_and_only_there(made, capsys, monkeypatch):
    long = "word " * 40 + "end."
    one = found({"byeori": [made()]}, verdict=[long])
    assert all(len(line) <= 100 for text in lines(one, 100) for line in text.split("\n"))
    print_bench(one)
    assert long in capsys.readouterr().out, "in a pipe a sentence is a line"
