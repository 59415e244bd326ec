"""Several files of one set: their types, their splits, and that thousands of them are read about as fast as their bytes."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

import byeori
from byeori.data import archives
from byeori.data.read import read_rows, read_splits
from byeori.data.rows import FileInfo, Origin
from byeori.errors import DataError


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def pair(tmp_path, first, second):
    """Two files of three rows, with these values beside their texts."""
    return [
        lines(tmp_path / "a.jsonl", [{"text": f"film {i}", "label": i % 2, **first} for i in range(3)]),
        lines(tmp_path / "b.jsonl", [{"text": f"book {i}", "label": i % 2, **second} for i in range(3)]),
    ]


@pytest.mark.parametrize(
    ("first", "second", "column", "values"),
    [
        ({"label": 3}, {"label": 2.5}, "label", [3.0, 2.5]),  # scores stay numbers
        ({"label": 1}, {"label": "bad"}, "label", ["1", "bad"]),
        ({"label": [1]}, {"label": ["bad"]}, "label", [["1"], ["bad"]]),
        ({"label": True}, {"label": 1}, "label", ["True", "1"]),
        ({"year": None}, {"year": 2012}, "year", [None, 2012]),
        ({"year": None}, {"year": "2012"}, "year", [None, "2012"]),
        ({"year": 2012}, {"year": "2012?"}, "year", ["2012", "2012?"]),
        ({"at": {"page": 3}}, {"at": {"line": "x"}}, "at", [{"page": 3, "line": None}, {"page": None, "line": "x"}]),
        ({"at": [1, 2]}, {"at": ["가"]}, "at", ["[1, 2]", '["가"]']),
        ({"at": {"page": 3}}, {"at": {"page": "x"}}, "at", ['{"page": 3}', '{"page": "x"}']),
    ],
)
def test_types_that_differ_between_files(tmp_path, first, second, column, values):
    rows = read_rows(pair(tmp_path, first, second), keep=True)
    assert rows.table[column][:] == [values[0]] * 3 + [values[1]] * 3
    told = any(f'The "{column}" of these files differs in type' in note for note in rows.notes)
    assert told == (isinstance(values[0], (str, list)) and values[0] != first[column])


def test_columns_that_not_every_file_has_are_said(tmp_path):
    rows = read_rows(pair(tmp_path, {"year": 1}, {"page": 2}), keep=True)
    assert rows.table.column_names == ["text", "label"]
    assert 'Not in every file, so left out: the columns "year" and "page".' in rows.notes


def test_files_that_max_rows_leaves_unread_are_said(tmp_path):
    paths = pair(tmp_path, {}, {})
    for most, of in ((3, ", of 1 of 2 files"), (2, ", of 1 of 2 files"), (4, ""), (6, None)):
        rows = read_rows(paths, SimpleNamespace(max_rows=most))
        assert len(rows) == most
        said = [note for note in rows.notes if "--max-rows" in note]
        assert said == ([] if of is None else [f"The first {most} rows were taken{of} (--max-rows)."])


def splits(folder):
    folder.mkdir(exist_ok=True)
    for name in ("train", "dev", "test"):
        lines(folder / f"{name}.jsonl", [{"text": f"{name} {i}", "label": i % 2} for i in range(3)])
    return folder


def test_a_split_asked_of_what_has_none_is_refused(tmp_path):
    rows = [{"text": "a film", "label": 1}, {"text": "a book", "label": 0}]
    files = pair(tmp_path, {}, {})
    for source in (rows, iter(rows), files, byeori.read(rows)):
        for split in ("test", "test[:1]"):
            with pytest.raises(DataError, match=r'there is no split "test.*" \(--split\)'):
                read_rows(source, SimpleNamespace(split=split))
    assert read_rows(rows, SimpleNamespace(split="train[:1]")).table["text"][:] == ["a film"]


def test_folders_in_a_list_keep_their_splits(tmp_path):
    one, two = splits(tmp_path / "one"), splits(tmp_path / "two")
    for source in ([one, two], [str(one), str(two)]):
        assert {name: len(rows) for name, rows in read_splits(source).items()} == dict.fromkeys(
            ("train", "validation", "test"), 6
        )
        assert read_rows(source, SimpleNamespace(split="dev")).table["text"][::3] == ["dev 0", "dev 0"]
    with pytest.raises(DataError, match=r'some hold several splits, but ".*train.jsonl" none'):
        read_splits([one, two / "train.jsonl"])


def test_a_glob_over_several_splits_says_so(tmp_path):
    folder = splits(tmp_path / "one")
    rows = read_rows(f"{folder}/*.jsonl")
    assert len(rows) == 9
    assert 'by their names of "validation", "test" and "train", read as one set. To keep these apart' in rows.notes[0]
    assert not any("read as one set" in note for note in read_rows(f"{folder}/tr*.jsonl").notes)


def test_archives_beside_files_are_said(tmp_path):
    folder = splits(tmp_path / "one")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("test.jsonl", '{"text": "x", "label": 1}\n')
    rows = read_splits(folder)["train"]
    assert any('1 archive beside the files not opened ("more.zip")' in note for note in rows.notes)


def test_archives_of_which_some_name_a_split(tmp_path):
    """Those of no split were left out of a training in silence."""
    for name in ("train.zip", "more.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("rows.jsonl", '{"text": "x", "label": 1}\n')
    with pytest.raises(DataError, match='some files are named for a split, but "more.zip" for none'):
        read_splits(tmp_path)


def packed(path, count):
    """An archive of `count` files of one row."""
    content = {f"{i:05d}.json": json.dumps([{"text": f"film {i}", "label": i % 2}]).encode() for i in range(count)}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_of_many_files_is_gone_through_once(tmp_path, monkeypatch, name):
    """Looked at for each member anew, 1,000 of them took 40 seconds (zip) and 170 (tar)."""
    path = packed(tmp_path / name, 400)
    opened = []
    for kind, module in (("ZipFile", zipfile), ("open", tarfile)):
        real = getattr(module, kind)
        monkeypatch.setattr(module, kind, lambda *args, _real=real, **more: opened.append(1) or _real(*args, **more))
    rows = read_rows(path)
    assert rows.table["text"][:] == [f"film {i}" for i in range(400)]
    assert rows.origin.where(399) == f"{name}::00399.json, row 1"
    assert len(opened) == 2  # its list, then its members


def test_members_in_another_order_and_twice(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, text in (("b.txt", "one"), ("a.txt", "two"), ("b.txt", "three"), ("c.txt", "four")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    with archives.held():
        order = ["c.txt", "a.txt", "b.txt", "b.txt", "a.txt", "c.txt"]
        found = [archives.unpack_member(path, name)[0].decode() for name in order]
    assert found == ["four", "two", "one", "one", "two", "four"]
    assert archives.members(path)[0] == ["b.txt", "a.txt", "c.txt"]


def test_names_of_many_files_are_made_once():
    """Every one made anew for each, 3,000 files took two minutes."""
    files = [FileInfo(f"folder/{i % 2}/{i // 2}.json") for i in range(20_000)]
    origin = Origin([*files, FileInfo("folder/alone.json")], np.zeros(0, np.int32), np.zeros(0, np.int64))
    began = time.perf_counter()
    names = [origin.name(number) for number in range(20_001)]
    assert time.perf_counter() - began < 5
    assert names[0] == "folder/0/0.json" and names[-1] == "alone.json"


def test_the_task_of_a_pipe_is_asked_for(tmp_path):
    """It can be read but once; guessing would take its rows, and what came after would find none."""
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="rows: a pipe can be read but once, .* name it with --task"):
        byeori.inspect(str(pipe))


@pytest.mark.parametrize("column", ["ID3", "GIF8", "OggS"])
def test_columns_named_as_foreign_files_begin(tmp_path, column):
    path = tmp_path / "a.csv"
    path.write_text(f"{column},text,label\n1,a film,1\n2,a book,0\n")
    assert read_rows(str(path)).table["text"][:] == ["a film", "a book"]
