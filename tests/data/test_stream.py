"""Large files: read in blocks they are what they are when read whole: rows, numbers, notes and refusals."""

from __future__ import annotations

import csv
import gc
import io
import json
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from byeori.data import disk, quoting, straight, stream
from byeori.data.light import Light
from byeori.data.quoting import Watch
from byeori.data.read import read_rows
from byeori.data.wish import Wish
from byeori.errors import ByeoriError, DataError


def told(path, monkeypatch, block: int | None, **asked):
    """Everything that reading gives; `block`: bytes of a block, None for whole."""
    with monkeypatch.context() as patch:
        if block is None:
            patch.setattr(stream, "sheet_of", lambda *_: None)
        else:
            patch.setattr(disk, "SHARE", 0)
            patch.setattr(stream, "BLOCK", block)
        on_bad = asked.pop("on_bad", None)
        try:
            rows = read_rows(str(path), SimpleNamespace(**asked), on_bad=on_bad, keep=True)
        except ByeoriError as error:
            return type(error), str(error)
    file = rows.origin.files[0]
    assert isinstance(rows.table, Light) or bool(rows.table.cache_files) == (block is not None)
    return {
        "table": rows.table.to_list(), "types": str(rows.table.features), "origin": rows.origin.row_of.tolist(),
        "notes": rows.notes, "errors": rows.errors, "columns": rows.columns, "names": rows.label_names,
        "file": (file.rows, file.format, file.encoding, file.sha256, file.bytes),
    }  # fmt: skip


WORDS = ["재미있다", "a, b", 'said "no"', "two\nlines", "", "  ", "…", "good film", "나쁘다\r\n정말"]
BAD = {
    "short row": 'text,label\n' + "좋다,1\n" * 40 + "x\n" + "나빠,0\n" * 40 + "y,1,2\n" + "끝,1\n" * 30,
    "bad after quotes": 'text,label\n"a, b",1\n' + '"다, 라",0\n' * 30 + 'x,1,2\n"c\nd",1\n' * 12,
    "stray quotes": "text\tlabel\n" + '5" disk\t1\nsaid "no\t0\n' * 40,
    "stray quotes and ragged": "text,label\n" + '"a, b",1\nthe 5" disk,0\n' * 40,
    "blank lines": "text,label\n" + "a,1\n\nb,0\n" * 40,
    "blank lines in values": 'text,label\n' + '"a, b\n\nc",1\n\nd,0\n' * 40,
    "no header": "".join(f"film {i} was good,{i % 2}\n" for i in range(90)),
    "header's own separator": "text,label,\n" + "a b,1\nc d,0\n" * 40,
    "every row's separator": "text,label\n" + "a b,1,\nc d,0,\n" * 40,
    "separators in the text": "text,label\n" + "a,1\nb, c,0\nd,0\n" * 40,
    "empty texts": "text,label\n" + "a,1\n,0\n" * 40,
    "empty labels": "text,label\n" + "a,1\nb,\nc, 0\n" * 40,
    "line ends of Windows": "text,label\r\n" + '"a, b",1\r\n"c\r\nd",0\r\n' * 40,
    "line ends of old Macs": "text,label\r" + "a,1\rb,0\r" * 40,
    "a carriage return in a text": "text\tlabel\n" + "a\rb\t1\nc\t0\n" * 40,
    "a mark at the start": "\ufefftext,label\n" + "가,1\n나,0\n" * 40,
    "no row": "text,label\n",
    "nothing": "\n\n\n",
    "quoted header": '"text","label"\n' + '"a","1"\n"b","0"\n' * 40,
    "one column": "text\n" + "hello\nbye\n" * 40,
    "no end": 'text,label\n"a, b",1\n' * 1 + "c,0\n" * 50 + "d,1",
    "open quote": 'text,label\n"a, b",1\n' + "c,0\n" * 50 + '"d,1\ne,0\n',
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("on_bad", ["raise", "skip", "keep"])
def test_blocks_are_the_whole(case, on_bad, tmp_path, monkeypatch):
    path = tmp_path / ("a.tsv" if "\t" in BAD[case] else "a.csv")
    path.write_bytes(BAD[case].encode())
    for more in ({}, {"drop_empty": True, "drop_empty_labels": True}):
        whole = told(path, monkeypatch, None, on_bad=on_bad, **more)
        for block in (64, 300):
            assert told(path, monkeypatch, block, on_bad=on_bad, **more) == whole


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(["0", "1"])), min_size=3),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(16, 200),
)
def test_any_csv_in_blocks(rows, quoting, end, block, tmp_path_factory):
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator=end)
    writer.writerow(["text", "text_pair", "label"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("blocks") / "a.csv"
    path.write_bytes(out.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        whole = told(path, patch, None, drop_empty=True)
        assert told(path, patch, block, drop_empty=True) == whole


LINES = {
    "objects": [{"text": f"글 {i}", "label": i % 3} for i in range(60)],
    "fractions later": [{"text": f"글 {i}", "label": i if i < 40 else i + 0.5} for i in range(60)],
    "a key later": [{"text": f"글 {i}", "label": "a"} | ({"more": i} if i > 40 else {}) for i in range(60)],
    "a label missing": [{"text": f"글 {i}", "label": None if i == 50 else "ab"[i % 2]} for i in range(60)],
    "nulls first": [{"text": f"글 {i}", "label": "a", "more": None if i < 50 else "x"} for i in range(60)],
    "texts": [f"a text, {i}" for i in range(60)],
}


@pytest.mark.parametrize("case", LINES)
@pytest.mark.parametrize("on_bad", ["raise", "skip", "keep"])
@pytest.mark.parametrize("broken", [False, True])
def test_lines_of_json(case, on_bad, broken, tmp_path, monkeypatch):
    lines = [json.dumps(one, ensure_ascii=False) for one in LINES[case]]
    if broken:
        lines[33], lines[44:44] = lines[33][:-3], ["", "7"]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    whole = told(path, monkeypatch, None, on_bad=on_bad)
    for block in (50, 400):
        assert told(path, monkeypatch, block, on_bad=on_bad) == whole


def test_a_later_block_that_contradicts(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "a", "label": "x" if i < 50 else 5}) + "\n" for i in range(60)))
    kind, message = told(path, monkeypatch, 100)
    assert "values of several types" in message and "one type a column" in message


@pytest.mark.parametrize("kind", ["parquet", "stream", "arrow"])
def test_tables(kind, tmp_path, monkeypatch):
    import datasets

    made = datasets.Dataset.from_dict(
        {"text": [f"글 {i}" if i % 9 else None for i in range(90)], "label": [0, 1, 0] * 30}
    )
    table = made.cast_column("label", datasets.ClassLabel(names=["부정", "긍정"])).data.table
    path = tmp_path / ("a.parquet" if kind == "parquet" else "a.arrow")
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=20)
    else:
        make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=20)
    for asked in ({}, {"drop_empty": True}):
        whole = told(path, monkeypatch, None, **asked)
        assert told(path, monkeypatch, 100, **asked) == whole


@pytest.mark.parametrize("data", ["one\n\ntwo\n" * 30 + "\n \n", "가\r\n나\r\n" * 30, "no end\nbut this"])
def test_a_text_a_line(data, tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(data.encode())
    assert told(path, monkeypatch, 40, drop_empty=True) == told(path, monkeypatch, None, drop_empty=True)


@pytest.mark.parametrize("case", [name for name in BAD if "\t" not in BAD[name]])
def test_one_pass_is_the_whole(case, tmp_path, monkeypatch):
    """The quick way of files that are not large."""
    path = tmp_path / "a.csv"
    path.write_bytes(BAD[case].encode())
    whole = told(path, monkeypatch, None)
    monkeypatch.setattr(straight, "LEAST", 0)
    with monkeypatch.context() as patch:
        for module in (straight, __import__("byeori.data.delimited", fromlist=["x"])):
            patch.setattr(module, "SAMPLE", 120)
        try:
            rows = read_rows(str(path), keep=True)
        except ByeoriError as error:
            assert (type(error), str(error)) == whole
            return
    assert rows.table.to_list() == whole["table"] and rows.notes == whole["notes"]
    assert rows.origin.row_of.tolist() == whole["origin"]


@pytest.mark.parametrize("text", ["a, b", "a\nb, c", "a\r\n\r\nb,"])
def test_values_of_several_lines_are_read_in_one_pass(text, tmp_path, monkeypatch):
    """And the empty lines between rows are told from those inside of values."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + f'"{text}",1\n\n"{text} ""x""",0\n'.encode() * 40)
    monkeypatch.setattr(straight, "LEAST", 0)
    sheet = straight.read(path, ".csv", Wish())
    assert sheet.columns["text"].to_pylist() == [text, f'{text} "x"'] * 40
    assert any("40 empty lines left out" in note for note in sheet.notes)


def test_one_pass_ends_where_a_file_turns_out_otherwise(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"one, or two,1\n".replace(b", or", b" or") * 40_000 + b'"late",0\n' * 400_000)
    seen = []
    monkeypatch.setattr(quoting, "PIECE", 1 << 16)
    monkeypatch.setattr(straight, "PIECE", 1 << 16)
    monkeypatch.setattr(Watch, "feed", lambda self, data, feed=Watch.feed: (seen.append(len(data)), feed(self, data)))
    assert straight.read(path, ".csv", Wish()) is None and sum(seen) < path.stat().st_size / 3


def test_a_hash_is_of_what_was_read(tmp_path):
    import hashlib

    from byeori.data.rows import FileInfo

    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\na,1\n")
    info, other = FileInfo.of_file(path), FileInfo.of_file(path)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"text,label\nb,1\nc,2\n")
    assert other.sha256 is None


_PEAK = """
import sys
from byeori.data import disk, stream
from byeori.data.read import read_rows
import pyarrow as pa
stream.BLOCK = 1 << 20
for disk.SHARE in (0, 1):  # in blocks, then whole: the peak only rises
    print(len(read_rows(sys.argv[1])), pa.default_memory_pool().max_memory() >> 20)
"""


def test_memory_grows_with_the_block(tmp_path):
    rng, path = random.Random(0), tmp_path / "a.csv"
    texts = ["가나다라, 마바사 " * rng.randint(3, 9) for _ in range(100)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(f'"{texts[i % 100]}",{i % 2}\n' for i in range(150_000))
    size = path.stat().st_size >> 20
    run = [sys.executable, "-c", _PEAK, str(path)]
    rows, peak, again, whole = map(int, subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert rows == again == 150_000
    assert size > 20 and whole > size * 0.7 and peak < size / 3, (size, peak, whole)


def test_kept_rows_of_a_large_table(monkeypatch):
    monkeypatch.setattr(disk, "SHARE", 0)
    stay = np.arange(25_000) % 3 > 0
    table = pa.table({"a": pa.array(range(25_000))})
    assert disk.kept(table, stay)["a"].to_pylist() == np.flatnonzero(stay).tolist()


@pytest.mark.parametrize(("name", "start"), [("a.txt", "a film\n"), ("a.jsonl", '{"text": "a film", "label": 1}\n')])
def test_a_line_without_end_is_not_taken_into_memory(tmp_path, monkeypatch, name, start):
    monkeypatch.setattr(disk, "SHARE", 0)
    monkeypatch.setattr(stream, "BLOCK", 1 << 10)
    path = tmp_path / name
    path.write_text(start * 20_000 + "x" * (1 << 19))
    with pytest.raises(DataError, match=f"^{name}: one line goes on for more than"):
        read_rows(str(path))


def test_a_column_of_several_types_is_read_whole_where_memory_holds_it(tmp_path, monkeypatch):
    """As if the file were small, and nothing of the first attempt stays on disk."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(f'{{"text": "row {n}", "label": {n if n < 300 else chr(34) + "x" + chr(34)}}}\n' for n in range(400))
    )

    def found():
        try:
            rows = read_rows(str(path))
            return rows.table[:], rows.notes
        except DataError as error:
            return str(error)

    small = found()
    monkeypatch.setattr(disk, "MOST", 0)
    monkeypatch.setattr(stream, "BLOCK", 1 << 10)
    before = set(disk.folder().iterdir())
    assert found() == small
    gc.collect()
    assert {one for one in set(disk.folder().iterdir()) - before if one.is_file()} == set()
