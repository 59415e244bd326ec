"""Slices of splits, words for missing values, and pickles: the settings of reading that hold for every kind of source."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from types import SimpleNamespace

import pandas
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from byeori.data import slices
from byeori.data.read import read, read_rows, read_splits
from byeori.errors import DataError, SettingError

TEXTS = [f"글 {i}" for i in range(20)]


def csv(path, number, mark="글"):
    path.write_text("text,label\n" + "".join(f"{mark} {i},{i % 2}\n" for i in range(number)), encoding="utf-8")
    return path


@limits(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.one_of(st.none(), st.integers(-45, 45)),
    st.one_of(st.none(), st.integers(-45, 45)),
    st.sampled_from(["", "%"]),
)
def test_slices_are_those_of_datasets(number, first, last, unit):
    """Against a data set sliced by the library."""
    from datasets import Dataset
    from datasets.arrow_reader import ReadInstruction

    if unit and any(abs(one or 0) > 100 for one in (first, last)):
        return
    spelled = f"train[{'' if first is None else f'{first}{unit}'}:{'' if last is None else f'{last}{unit}'}]"
    source = {"text": [f"글 {i}" for i in range(number)], "label": [0] * number}
    spot = ReadInstruction.from_spec(spelled).to_absolute({"train": number})[0]
    expected = source["text"][spot.from_ : spot.to]
    for rows in (source, Dataset.from_dict(source)):
        try:
            found = read_rows(rows, SimpleNamespace(split=spelled)).table["text"][:]
        except DataError as error:
            assert "holds no row" in str(error)
            found = []
        assert found == expected


def test_slices_of_files_keep_their_origin(tmp_path):
    csv(tmp_path / "train.csv", 20), csv(tmp_path / "dev.csv", 10, "확인")
    path = tmp_path / "train.csv"
    for split, expected in (
        ("train[:10%]", TEXTS[:2]),
        ("[:3]", TEXTS[:3]),
        ("train[-2:]", TEXTS[-2:]),
        ("train[5:7]", TEXTS[5:7]),
        ("train[:1]+train[19:]", [TEXTS[0], TEXTS[19]]),
    ):
        rows = read_rows(path, SimpleNamespace(split=split))
        assert rows.table["text"][:] == expected
    assert read_rows(path, SimpleNamespace(split="train[5:7]")).origin.where(1) == "train.csv, row 7"
    both = read_rows(tmp_path, SimpleNamespace(split="train[:2]+validation[:1]"))
    assert both.table["text"][:] == [*TEXTS[:2], "확인 0"]
    assert [both.origin.where(i) for i in range(3)] == ["train.csv, row 1", "train.csv, row 2", "dev.csv, row 1"]
    whole = read_rows(tmp_path, SimpleNamespace(split="train+dev"))
    assert len(whole) == 30
    assert any("train[5:7] is 2 rows of 20" in n for n in read_rows(path, SimpleNamespace(split="train[5:7]")).notes)
    assert list(read_splits(tmp_path, SimpleNamespace(split="dev[:50%]"))) == ["validation"]
    assert len(read({"train": TEXTS, "test": TEXTS[:3]}, split="test[:2]")["test"]) == 2


def test_most_rows_are_of_the_slice(tmp_path):
    rows = read_rows(csv(tmp_path / "a.csv", 20), SimpleNamespace(split="train[10:15]", max_rows=2))
    assert rows.table["text"][:] == TEXTS[10:12]


def test_bad_spellings_and_absent_splits(tmp_path):
    csv(tmp_path / "train.csv", 20), csv(tmp_path / "test.csv", 2)
    for split in ("train[5]", "train[:10", "a b", "train++test", "train[1:2:3]"):
        with pytest.raises(SettingError, match="names no rows. Spellings: train"):
            read_rows(tmp_path, SimpleNamespace(split=split))
    with pytest.raises(DataError, match=r'no split "dev\[:3\]|no split "dev".*There are'):
        read_rows(tmp_path, SimpleNamespace(split="dev[:3]"))
    with pytest.raises(DataError, match=r"train\[30:40\] holds no row: there are 20 rows"):
        read_rows(tmp_path, SimpleNamespace(split="train[30:40]"))
    with pytest.raises(DataError, match="no split"):
        read_rows(tmp_path, SimpleNamespace(split="[:3]"))  # of which?
    assert slices.parse("train[:10%]+validation") == (slices.Part("train", "[:10%]"), slices.Part("validation"))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", "list"])
def test_missing_words_stay_text_unless_told(tmp_path, suffix):
    rows = [
        {"text": t, "label": lb}
        for t, lb in (("NA", "a"), ("none", "null"), ("null", "NS"), ("NS", "b"), (" NA ", "b"))
    ]
    frame = pandas.DataFrame(rows)
    source = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        frame.to_csv(source, index=False)
    elif suffix == ".jsonl":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif suffix == ".parquet":
        frame.to_parquet(source)
    else:
        source = rows
    assert read_rows(source).table["text"][:] == [row["text"] for row in rows]
    with pytest.raises(DataError, match='row 1: the column "text" is empty'):
        read_rows(source, SimpleNamespace(missing="NA,null"))
    told = SimpleNamespace(missing=["NA", "null"], drop_empty=True, drop_empty_labels=True)
    found = read_rows(source, told)
    assert found.table["text"][:] == ["NS"]
    assert any(
        '4 values (3 in "text", 1 in "label") taken as missing (--missing "NA" or "null")' in n for n in found.notes
    )
    none = read_rows(source, SimpleNamespace(missing="N/A"))
    assert len(none) == 5
    assert any("no value is one of them" in note for note in none.notes)


class Harm:
    def __reduce__(self):
        return os.mkdir, (str(self.place),)

    def __init__(self, place):
        self.place = place


def test_pickles_are_refused_unless_allowed(tmp_path):
    frame = pandas.DataFrame({"text": TEXTS, "label": [0, 1] * 10})
    frame.to_pickle(tmp_path / "a.pkl")
    frame.to_pickle(tmp_path / "a.pkl.gz")
    (tmp_path / "list.pickle").write_bytes(pickle.dumps([{"text": t, "label": 1} for t in TEXTS]))
    (tmp_path / "dict.p").write_bytes(pickle.dumps({"text": TEXTS, "label": [0] * 20}))
    (tmp_path / "harm.pkl").write_bytes(pickle.dumps(Harm(tmp_path / "done")))
    for name in ("a.pkl", "a.pkl.gz", "list.pickle", "dict.p", "harm.pkl"):
        with pytest.raises(DataError, match=f"{name}: pickles run code .*add --allow-pickle"):
            read_rows(tmp_path / name)
    assert not (tmp_path / "done").exists()
    allowed = SimpleNamespace(allow_pickle=True)
    for name in ("a.pkl", "a.pkl.gz", "list.pickle", "dict.p"):
        rows = read_rows(tmp_path / name, allowed)
        assert rows.table["text"][:] == TEXTS
        assert rows.origin.files[0].format == "pickle"
        assert any("opened because --allow-pickle is set" in note for note in rows.notes)
    (tmp_path / "cut.pkl").write_bytes((tmp_path / "a.pkl").read_bytes()[:50])
    (tmp_path / "set.pkl").write_bytes(pickle.dumps({"train": frame, "test": frame}))
    (tmp_path / "number.pkl").write_bytes(pickle.dumps(3))
    for name, what in (("cut", "can't be opened"), ("set", 'the splits "train" and "test"'), ("number", "is not data")):
        with pytest.raises(DataError, match=what):
            read_rows(tmp_path / f"{name}.pkl", allowed)
    with pytest.raises(DataError, match="run code when they are opened"):
        read_rows(str(csv(tmp_path / "a.pt", 2)), allowed)


def test_pickles_without_pandas(tmp_path, monkeypatch):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([{"text": t, "label": 1} for t in TEXTS]))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DataError, match=r"needs pandas \(`pip install pandas`\)"):
        read_rows(tmp_path / "a.pkl", SimpleNamespace(allow_pickle=True))


@pytest.mark.parametrize("kind", ["file", "stream", "feather", "wrong name"])
def test_arrow_files(tmp_path, kind):
    table = pa.table({"text": TEXTS, "label": [0, 1] * 10})
    path = tmp_path / {"file": "a.arrow", "stream": "s.arrow", "feather": "a.feather", "wrong name": "a.csv"}[kind]
    if kind == "feather":
        pa.feather.write_feather(table, path)
    else:
        sink = io.BytesIO()
        opened = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with opened(sink, table.schema) as writer:
            writer.write_table(table)
        path.write_bytes(sink.getvalue())
    assert read_rows(path).table["text"][:] == TEXTS


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|", " ", "^", "~", ":", "§", "\x01", "#", "\\t", "tab", "pipe"])
@pytest.mark.parametrize("header", [True, False])
def test_any_single_character_separates(tmp_path, separator, header):
    sign = {"\\t": "\t", "tab": "\t", "pipe": "|"}.get(separator, separator)
    lines = [sign.join((f"글{i}", str(i % 2))) for i in range(20)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(([sign.join(("text", "label"))] if header else []) + lines) + "\n", encoding="utf-8")
    rows = read_rows(path, SimpleNamespace(separator=separator))
    assert rows.table["text"][:] == [f"글{i}" for i in range(20)]
    assert rows.table["label"][:] == [str(i % 2) for i in range(20)]
