"""Which task rows are taken for, and how it is said."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import byeori
from byeori.doctor import guess as guesses
from byeori.doctor.guess import guess
from byeori.errors import DataError
from byeori.report.inspection_lines import lines

NONE = SimpleNamespace()


def written(tmp_path, name: str, rows: list[str]) -> str:
    path = tmp_path / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def test_another_reading_is_named(tmp_path):
    """The talk of the chatbot's file has classes beside it, the hate speech three columns of them."""
    talk = written(tmp_path, "talk.csv", ["Q,A,label", *(f"질문 하나 {i}번,대답은 이것 {i}번,0" for i in range(30))])
    name, said = guess(talk, NONE)
    assert (
        name == "text-generation"
        and '"label" could be a label: --task text-classification --text Q --label label.' in said
    )
    hate = written(
        tmp_path,
        "hate.tsv",
        ["comments\tbias\thate", *(f"댓글 {i}번 이야기\t{'ab'[i % 2]}\t{'xyz'[i % 3]}" for i in range(30))],
    )
    name, said = guess(hate, NONE)
    assert name == "fill-mask" and '"bias" and "hate" could be labels' in said
    plain = written(tmp_path, "plain.tsv", ["text\tlabel", *(f"댓글 {i}번 이야기\t{i % 2}" for i in range(30))])
    assert guess(plain, NONE)[1].endswith("it has text, label. --task says another.")


def test_the_terminal_says_it(tmp_path):
    """Everything that is found hangs on the task, so it isn't only in the JSON's notes."""
    plain = written(tmp_path, "plain.tsv", ["text\tlabel", *(f"댓글 {i}번 이야기\t{i % 2}" for i in range(30))])
    told = lines(byeori.inspect(plain, near=False, doubt=False).data)
    assert told[1].startswith("No task was named; it is taken for text-classification")
    named = lines(byeori.inspect(plain, task="text-classification", near=False, doubt=False).data)
    assert not any("No task was named" in line for line in named)


def test_of_a_large_file_the_beginning_is_read(tmp_path, monkeypatch):
    rows = [f"text {i} of them\t{i % 2}" for i in range(400)]
    path = written(tmp_path, "large.tsv", ["text\tlabel", *rows])
    whole = guess(path, NONE)
    monkeypatch.setattr(guesses, "HEAD", 2_000)
    read = []
    true = guesses.sheets
    monkeypatch.setattr(guesses, "sheets", lambda data, wish: read.append(data) or true(data, wish))
    assert guess(path, NONE) == whole
    assert read and all(str(one) != path for one in read)


def test_what_can_be_read_but_once(tmp_path):
    with pytest.raises(DataError, match="--task"):
        guess("-", NONE)
    rows = ({"text": f"text {i} of them", "label": "ab"[i % 2]} for i in range(30))
    found = byeori.inspect(rows, near=False, doubt=False)
    assert found.data["task"] == "text-classification" and found.data["rows"] == 30
