"""Delimited files: what was written is what is read, and every irregular row is named."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.data.delimited import parse
from byeori.data.read import read_rows
from byeori.errors import DataError, SettingError


def columns(data: bytes | str, suffix: str = ".csv", **more):
    raw = data.encode() if isinstance(data, str) else data
    return {n: c.to_pylist() for n, c in parse(raw, f"a{suffix}", suffix, **more).columns.items()}


# Any text but a carriage return (the csv module ends rows at it outside quotes) and lone surrogates.
VALUE = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\ufeff"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=1, max_size=8),
    separator=st.sampled_from([",", "\t", ";", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_round_trip_with_the_csv_module(rows, separator, quoting, end):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(["text", "text_pair", "label"])
    writer.writerows(rows)
    read = parse(out.getvalue().encode(), "a.csv", ".csv", separator=separator)
    assert list(read.columns) == ["text", "text_pair", "label"]
    assert list(zip(*(c.to_pylist() for c in read.columns.values()), strict=True)) == rows


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.text(st.sampled_from('ab "가'), min_size=1, max_size=6)] * 2), min_size=1, max_size=8)
)
def test_a_tsv_with_stray_quotes_keeps_every_line(rows):
    body = "".join(f"{a}\t{b}\t{i % 2}\n" for i, (a, b) in enumerate(rows))
    data = f'text\ttext_pair\tlabel\n5" disk\tsaid "no\t1\n{body}'.encode()
    read = parse(data, "a.tsv", ".tsv")
    assert read.rows == len(rows) + 1
    assert [c.to_pylist()[1:] for c in read.columns.values()][0] == [a for a, _ in rows]


def test_values_stay_text():
    values = ["NA", "none", "null", "NS", "007", "1.0", "True", "2020-01-01", "", "nan"]
    body = "".join(f"x{i},{v}\n" for i, v in enumerate(values))
    assert columns("text,label\n" + body)["label"] == values


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end):
    data = end.join(["text,label", "a,1", "b,0", ""])
    assert columns(data) == {"text": ["a", "b"], "label": ["1", "0"]}


def test_a_carriage_return_inside_a_text_is_no_row():
    assert columns("text\tlabel\na\rb\t1\nc\t0\n", ".tsv") == {"text": ["a\rb", "c"], "label": ["1", "0"]}


def test_line_separators_of_unicode_are_text():
    assert columns("text\tlabel\na\u2028b\x85c\x0bd\t1\ne\t0\n", ".tsv")["text"] == ["a\u2028b\x85c\x0bd", "e"]


def test_newlines_inside_quotes():
    assert columns('text,label\n"a\nb, c",1\nd,0\n') == {"text": ["a\nb, c", "d"], "label": ["1", "0"]}


def test_a_row_longer_than_a_block():
    long = "가" * 2_000_000
    assert columns(f"text,label\n{long},1\nb,0\n")["text"] == [long, "b"]


def test_trailing_separators():
    assert list(columns("text,label,\na,1,\nb,0,\n")) == ["text", "label"]
    assert list(columns("text,label,\na,1\nb,0\n")) == ["text", "label"]


def test_empty_lines_are_counted_and_are_no_rows():
    read = parse(b"text,label\na,1\n\nb,0\n\n", "a.csv", ".csv")
    assert read.rows == 2
    assert any("2 empty lines" in note for note in read.notes)


@pytest.mark.parametrize(
    ("data", "suffix", "expected"),
    [
        ("좋다|1\n나쁘다|0\n좋네|1\n", ".txt", {"text": ["좋다", "나쁘다", "좋네"], "label": ["1", "0", "1"]}),
        ("1,a b\n0,c d\n1,e f\n", ".csv", {"label": ["1", "0", "1"], "text": ["a b", "c d", "e f"]}),
        ("text;label\na;1\nb;0\n", ".csv", {"text": ["a", "b"], "label": ["1", "0"]}),
        ("text\tlabel\na\t1\n", ".csv", {"text": ["a"], "label": ["1"]}),
        ("text\nhello, world\nbye\n", ".csv", None),
        ("text\nhello\nbye\n", ".csv", {"text": ["hello", "bye"]}),
    ],
)
def test_separator_and_header(data, suffix, expected):
    if expected is None:
        with pytest.raises(DataError, match="row 1: 2 fields where the header has 1"):
            columns(data, suffix)
    else:
        assert columns(data, suffix) == expected


def test_header_by_hand():
    assert columns("a,1\nb,0\n", header=True) == {"a": ["b"], "1": ["0"]}
    assert columns("text,label\na,1\n", header=False)["column_1"] == ["text", "a"]


def test_separator_by_hand():
    assert columns("text~label\na~1\n", separator="~") == {"text": ["a"], "label": ["1"]}
    assert columns("text│label\na│1\n", separator="│") == {"text": ["a"], "label": ["1"]}
    with pytest.raises(SettingError, match="--separator"):
        columns("text,label\na,1\n", separator="::")


def test_doubled_column_names_match_nothing():
    assert list(columns("text,label,label\na,1,0\n")) == ["text", "label (column 2)", "label (column 3)"]


RAGGED = "text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(5)) + "one,two,1\nlast\n" + "z,1\n"


def test_ragged_rows_are_named(tmp_path):
    (tmp_path / "r.csv").write_text(RAGGED, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "r.csv")
    message = str(caught.value)
    assert message.startswith('r.csv, row 6: 3 fields where the header has 2 ("one,two,1").')
    assert "row 7: 1 field" in message
    assert "2 of 8 rows" in message
    assert "--skip-bad-rows" in message


def test_ragged_rows_skipped_or_kept(tmp_path):
    (tmp_path / "r.csv").write_text(RAGGED, encoding="utf-8")
    read = read_rows(tmp_path / "r.csv", SimpleNamespace(skip_bad_rows=True))
    assert (len(read), read.origin.files[0].rows) == (6, 8)
    assert read.origin.where(5) == "r.csv, row 8"
    assert any("2 rows that can't be read left out" in note for note in read.notes)
    kept = read_rows(tmp_path / "r.csv", on_bad="keep")
    assert (len(kept), list(kept.errors)) == (8, [5, 6])
    assert kept.table["text"][7] == "z"


def test_commas_in_unquoted_texts_are_cut_at_the_last_one():
    data = "text,label\n" + "".join(f"word {i},{i % 2}\n" for i in range(20)) + "yes, well,1\n"
    read = parse(data.encode(), "a.csv", ".csv")
    assert read.columns["text"].to_pylist()[-1] == "yes, well"
    assert any("cut at the last one" in note for note in read.notes)


def test_broken_bytes_are_named(tmp_path):
    good = "".join(f"좋은 영화 {i}\t1\n" for i in range(20)).encode()
    (tmp_path / "b.tsv").write_bytes(b"text\tlabel\n" + good + b"\xff\xfe bad\t0\n" + good)
    with pytest.raises(DataError, match=r"b.tsv, row 21: bytes that are not in the file's encoding"):
        read_rows(tmp_path / "b.tsv")
    read = read_rows(tmp_path / "b.tsv", SimpleNamespace(skip_bad_rows=True))
    assert (len(read), read.origin.where(20)) == (40, "b.tsv, row 22")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"\n\n  \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"text,label\n", "no row under it"),
        (b"text,label", "no row under it"),
        (b"\x00\x01\x02\x03" * 300, "binary"),
        (b"text,label\n,1\nb,0\n", r'row 1: the column "text" is empty.*--drop-empty'),
        (b"text,label\na,1\nb,\n", r'row 2: the label column "label" is empty.*--drop-empty-labels'),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, what):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=what):
        read_rows(tmp_path / "x.csv")


def test_encodings(tmp_path):
    text = "text\tlabel\n정말 재미있는 영화\t1\n별로다\t0\n"
    for encoding in ("cp949", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        (tmp_path / "e.tsv").write_bytes(text.encode(encoding))
        assert read_rows(tmp_path / "e.tsv").table["text"][:] == ["정말 재미있는 영화", "별로다"], encoding
    (tmp_path / "l.csv").write_bytes("text,label\ncafé olé,1\nnaïve,0\n".encode("latin-1"))
    assert read_rows(tmp_path / "l.csv").table["text"][:] == ["café olé", "naïve"]
    assert read_rows(tmp_path / "l.csv", SimpleNamespace(encoding="latin-1")).table["text"][0] == "café olé"
    with pytest.raises(SettingError, match="not an encoding"):
        read_rows(tmp_path / "l.csv", SimpleNamespace(encoding="klingon"))
