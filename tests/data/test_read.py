"""Sources other than delimited files: JSON, text, Parquet, folders, Python objects; and what is refused."""

from __future__ import annotations

import gzip
import json
import lzma
import zipfile
from types import SimpleNamespace

import pytest

from byeori.data.read import read, read_rows, read_splits
from byeori.errors import DataError, SettingError

ROWS = [{"text": f"글 번호 {i}", "label": i % 2} for i in range(6)]
TEXTS = [row["text"] for row in ROWS]


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        {"version": 1, "data": ROWS},
        {"text": TEXTS, "label": [0, 1] * 3},
        {"text": {str(i): t for i, t in enumerate(TEXTS)}, "label": {str(i): i % 2 for i in range(6)}},
        [[t, i % 2] for i, t in enumerate(TEXTS)],
    ],
)
def test_json_shapes(tmp_path, value):
    rows = read_rows(write(tmp_path / "a.json", value))
    assert rows.table["text"][:] == TEXTS
    assert rows.table["label"][:] == [0, 1] * 3


def test_json_lines_under_either_name(tmp_path):
    lines = "\n".join(json.dumps(row) for row in ROWS) + "\n\n"
    for name in ("a.jsonl", "a.json", "a.dat"):
        assert read_rows(write(tmp_path / name, lines)).table["text"][:] == TEXTS


def test_json_with_two_lists_wants_a_name(tmp_path):
    path = write(tmp_path / "a.json", {"train": ROWS, "rest": ROWS[:2]})
    with pytest.raises(DataError, match="--field train"):
        read_rows(path)
    assert len(read_rows(path, SimpleNamespace(field="rest"))) == 2


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", '[{"text": "a"', "line 1: this is not JSON"),
        ("a.json", "[" * 20_000, "nested too deeply|not JSON"),
        ("a.json", "3", "not rows"),
        ("a.json", '[{"text": "a"}, 3]', "row 2"),
        ("a.json", '{"text": ["a"], "label": []}', "different lengths"),
        ("a.json", '[{"text": "a", "label": 1}, {"text": 5, "label": 0}]', r"row 2: .*a number \(5\), not text"),
        ("a.json", '[{"text": "a", "label": 1}, {"label": 0}]', 'row 2: the column "text" is empty'),
        (
            "a.json",
            '[{"text": "a", "label": 1}, {"text": "b", "label": NaN}]',
            'row 2: the label column "label" is empty',
        ),
        ("a.json", '[{"text": "\\ud800", "label": 1}]', "lone surrogate"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', r"row 2: not JSON"),
        ("a.parquet", "PAR1 and nothing more", "parquet"),
        ("a.txt", "one\n\ntwo\n", 'row 2: the column "text" is empty'),
        ("a.gz", "no archive", "can't be unpacked"),
        ("a.pkl", "x", "pickles run code"),
        ("a.xlsx", "x", "no spreadsheet, or a damaged one"),
        ("a.xls", "x", "Save it as .xlsx, or as CSV"),
    ],
)
def test_bad_files(tmp_path, name, content, what):
    with pytest.raises(DataError, match=what):
        read_rows(write(tmp_path / name, content))


def test_bad_json_line_skipped(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": \n{"text": "c"}\n')
    rows = read_rows(path, SimpleNamespace(skip_bad_rows=True))
    assert (rows.table["text"][:], rows.origin.where(1)) == (["a", "c"], "a.jsonl, row 3")
    assert read_rows(path, on_bad="keep").table["text"][:] == ["a", "", "c"]


def test_plain_text_is_one_text_a_line(tmp_path):
    path = write(tmp_path / "a.txt", "첫째 줄, 쉼표\n둘째 줄\n셋, 째, 줄\n")
    rows = read_rows(path)
    assert rows.table["text"][:] == ["첫째 줄, 쉼표", "둘째 줄", "셋, 째, 줄"]
    assert rows.table.column_names == ["text"]
    assert rows.origin.files[0].format == "text"


def test_parquet_and_class_names(tmp_path):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    data = datasets.Dataset.from_list(ROWS, features=features)
    data.to_parquet(tmp_path / "a.parquet")
    for source in (tmp_path / "a.parquet", data, data.to_iterable_dataset()):
        rows = read_rows(source)
        assert rows.table["label"][:] == ["pos", "neg"] * 3
        assert rows.label_names == ["pos", "neg"]
    assert read_rows(data.select([5, 1])).table["text"][:] == [TEXTS[5], TEXTS[1]]
    data.save_to_disk(tmp_path / "saved")
    assert len(read_rows(tmp_path / "saved")) == 6


def test_archives(tmp_path):
    content = b"text,label\na,1\nb,0\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(content))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.csv", content)
    for name in ("a.csv.gz", "a.csv.xz", "a.zip"):
        assert read_rows(tmp_path / name).table["text"][:] == ["a", "b"]


def test_python_objects():
    import pandas
    import torch

    class Map(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return {"text": TEXTS[i], "label": torch.tensor(i % 2)}

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(ROWS)

    frame = pandas.DataFrame(ROWS)
    for source in (ROWS, [(r["text"], r["label"]) for r in ROWS], {"text": TEXTS, "label": [0, 1] * 3}, frame,
                   frame.astype({"label": "category"}), Map(), Stream(), (r for r in ROWS)):  # fmt: skip
        rows = read_rows(source)
        assert rows.table["text"][:] == TEXTS
        assert rows.table["label"][:] == [0, 1] * 3
    assert read_rows(TEXTS).table["text"][:] == TEXTS
    assert read_rows(TEXTS).origin.where(2) == "rows, row 3"
    frame.loc[2, "text"] = None
    with pytest.raises(DataError, match='DataFrame, row 3: the column "text" is empty'):
        read_rows(frame)
    with pytest.raises(DataError, match="row 2"):
        read_rows(["a", None])


def test_rows_already_tokenized_pass():
    rows = read_rows([{"input_ids": [1, 2], "attention_mask": [1, 1], "labels": 1}, {"input_ids": [3], "labels": 0}])
    assert rows.table["input_ids"][:] == [[1, 2], [3]]
    assert rows.table["label"][:] == [1, 0]


def test_splits(tmp_path):
    import datasets

    for name in ("train", "dev", "test"):
        write(tmp_path / f"nsmc.{name}.csv", "text,label\na,1\nb,0\n")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "SOURCE.txt").write_text("x")
    assert list(read_splits(tmp_path)) == ["train", "validation", "test"]
    read_all = read(str(tmp_path))
    assert isinstance(read_all, datasets.DatasetDict)
    assert list(read_splits(read_all)) == ["train", "validation", "test"]
    assert len(read_rows(read_all, SimpleNamespace(split="test"))) == 2
    assert len(read_rows(str(tmp_path / "*.csv"))) == 6
    paths = sorted(tmp_path.glob("*.csv"))
    assert read_rows(paths).origin.where(3) == "nsmc.test.csv, row 2"
    write(tmp_path / "more.csv", "text,label\na,1\n")
    with pytest.raises(DataError, match='"more.csv" for none'):
        read_splits(tmp_path)


def test_files_of_one_set_need_the_same_columns(tmp_path):
    paths = [write(tmp_path / "a.csv", "text,label\na,1\n"), write(tmp_path / "b.csv", "body,label\na,1\n")]
    with pytest.raises(DataError, match='b.csv: there is no column "text", which a.csv has'):
        read_rows(paths)


def test_missing_names(tmp_path, monkeypatch):
    write(tmp_path / "ratings.csv", "document,label\na,1\n")
    with pytest.raises(DataError, match="Did you mean .*ratings.csv"):
        read_rows(tmp_path / "rating.csv")
    with pytest.raises(DataError, match="no file matches"):
        read_rows(str(tmp_path / "*.tsv"))
    with pytest.raises(DataError, match=r'no column "documnt" \(--text\). The columns are .*Did you mean "document"'):
        read_rows(tmp_path / "ratings.csv", SimpleNamespace(text="documnt"))
    with pytest.raises(SettingError, match='Did you mean "label"'):
        read(ROWS, labl="x")


def test_a_hub_id_without_a_network_is_one_sentence(monkeypatch):
    import datasets

    def offline(*_, **__):
        raise ConnectionError("Couldn't reach 'klue/nli' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(
        DataError, match="klue/nli: there is no such file or folder here, and the Hub could not be reached"
    ):
        read_rows("klue/nli")


def test_public_read_keeps_other_columns(tmp_path):
    write(tmp_path / "a.csv", "id,document,label\n7,a,1\n8,b,0\n")
    assert read(tmp_path / "a.csv").column_names == ["text", "label", "id"]
    assert read_rows(tmp_path / "a.csv").table.column_names == ["text", "label"]
    assert len(read(tmp_path / "a.csv", max_rows=1)) == 1


def test_an_unreachable_hub_is_told_at_once(monkeypatch):
    import socket
    import time

    from huggingface_hub import constants

    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    started, before = time.monotonic(), constants.HF_HUB_OFFLINE
    with pytest.raises(DataError, match="the Hub could not be reached"):
        read_rows("someone/a-data-set-that-is-not-here")
    assert time.monotonic() - started < 10
    assert before == constants.HF_HUB_OFFLINE
