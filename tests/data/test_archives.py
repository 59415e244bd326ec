"""Packed files and archives: read like what they hold, in a stream and within limits; nothing is written to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from types import SimpleNamespace

import pyarrow as pa
import pytest

from byeori.data import archives
from byeori.data.read import read_rows, read_splits
from byeori.errors import DataError

CSV = "text,label\n재미있다,1\n별로다,0\n".encode()
TEXTS = ["재미있다", "별로다"]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zstd}


def zipped(path, files, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", PACKERS)
def test_one_packed_file(tmp_path, suffix):
    (tmp_path / f"a.csv{suffix}").write_bytes(PACKERS[suffix](CSV))
    rows = read_rows(tmp_path / f"a.csv{suffix}")
    assert rows.table["text"][:] == TEXTS
    file = rows.origin.files[0]
    assert (file.format, file.bytes) == ("csv", (tmp_path / f"a.csv{suffix}").stat().st_size)
    (tmp_path / "wrong.csv").write_bytes(PACKERS[suffix](CSV))  # its name doesn't say that it is packed
    rows = read_rows(tmp_path / "wrong.csv")
    assert rows.table["text"][:] == TEXTS
    assert any("packed" in note and suffix in note for note in rows.notes)


TARS = [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz"), (".tar.bz2", "w:bz2")]


@pytest.mark.parametrize(("suffix", "mode"), TARS)
def test_tars(tmp_path, suffix, mode):
    single = tarred(tmp_path / f"one{suffix}", {"./a.csv": CSV}, mode)
    assert read_rows(single).table["text"][:] == TEXTS
    packed = tmp_path / "one.tar.zst"
    packed.write_bytes(zstd(tarred(tmp_path / "plain.tar", {"a.csv": CSV}).read_bytes()))
    assert read_rows(packed).table["text"][:] == TEXTS
    several = tarred(
        tmp_path / f"more{suffix}", {"x/train.csv": CSV, "x/dev.csv": CSV[:-12], "x/README.md": b"x"}, mode
    )
    parts = read_splits(several)
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 2, "validation": 1}
    assert parts["train"].origin.where(1) == "train.csv, row 2"


def test_an_archive_is_read_like_a_folder(tmp_path):
    files = {"set/train.csv": CSV, "set/test.csv": CSV, "set/LICENSE": b"x", "__MACOSX/set/._train.csv": b"\0\0"}
    path = zipped(tmp_path / "a.zip", files)
    parts = read_splits(path)
    assert list(parts) == ["train", "test"]
    assert any('train: "set/train.csv"; test: "set/test.csv"' in note for note in parts["train"].notes)
    with pytest.raises(DataError, match="--split"):
        read_rows(path)
    assert len(read_rows(path, SimpleNamespace(split="test"))) == 2
    mixed = zipped(tmp_path / "b.zip", {"a.csv": CSV, "b.jsonl": b'{"text": "a"}\n'})
    with pytest.raises(DataError, match=r"several kinds \(1 × \.csv, 1 × \.jsonl\).*b\.zip::a\.csv"):
        read_rows(mixed)
    none = zipped(tmp_path / "c.zip", {"a.exe": b"x", "b.dll": b"x"})
    with pytest.raises(DataError, match="none of them a data file"):
        read_rows(none)


def test_folders_in_an_archive_name_the_splits(tmp_path):
    path = zipped(tmp_path / "a.zip", {"train/0.csv": CSV, "train/1.csv": CSV, "valid/0.csv": CSV})
    assert {s: len(rows) for s, rows in read_splits(path).items()} == {"train": 4, "validation": 2}


@pytest.mark.parametrize(
    "spelled", ["{}::set/train.csv", "{}/set/train.csv", "zip://set/train.csv::{}", "{}::*rain.csv"]
)
def test_a_place_in_an_archive(tmp_path, spelled):
    path = zipped(tmp_path / "a.zip", {"set/train.csv": CSV, "set/test.csv": CSV[:-12]})
    rows = read_rows(spelled.format(path))
    assert rows.table["text"][:] == TEXTS
    assert rows.origin.files[0].path == f"{path}::set/train.csv"
    with pytest.raises(DataError, match='no "set/tran.csv". Did you mean "set/train.csv"'):
        read_rows(f"{path}::set/tran.csv")
    assert len(read_splits(f"{path}::set")) == 2


def test_packed_members_and_archives_in_folders(tmp_path):
    path = zipped(tmp_path / "a.zip", {"train.csv.gz": gzip.compress(CSV), "dev.csv.gz": gzip.compress(CSV)})
    assert {s: len(rows) for s, rows in read_splits(path).items()} == {"train": 2, "validation": 2}
    inner = zipped(tmp_path / "inner.zip", {"a.csv": CSV}).read_bytes()
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner})
    with pytest.raises(DataError, match=r"holds another archive \(inner\.zip\)"):
        read_rows(outer)
    (tmp_path / "folder").mkdir()
    for name in ("train", "test"):
        zipped(tmp_path / "folder" / f"{name}.zip", {"rows.csv": CSV})
    assert list(read_splits(tmp_path / "folder")) == ["train", "test"]


def test_names_in_cp949(tmp_path):
    """As Korean Windows writes them: the bytes of CP949 without the mark of UTF-8 (bit 11)."""
    name = "훈련 자료/train_한글.csv"
    plain = zipped(tmp_path / "plain.zip", {"X" * len(name.encode("cp949")): CSV, "dev.csv": CSV}).read_bytes()
    path = tmp_path / "a.zip"
    path.write_bytes(plain.replace(b"X" * len(name.encode("cp949")), name.encode("cp949")))
    assert archives.members(path)[0] == [name, "dev.csv"]
    rows = read_rows(f"{path}::{name}")
    assert (rows.table["text"][:], rows.origin.files[0].path) == (TEXTS, f"{path}::{name}")
    utf = tmp_path / "u.zip"  # macOS: UTF-8, without the mark too
    utf.write_bytes(
        plain.replace(b"X" * len(name.encode("cp949")), "훈련.csv".encode().ljust(len(name.encode("cp949")), b"_"))
    )
    assert archives.members(utf)[0][0].startswith("훈련.csv")


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/etc/evil.csv", "C:\\evil.csv", "a/../../evil.csv", "..\\evil.csv"]
)
def test_paths_that_climb_out(tmp_path, name):
    before = set(tmp_path.parent.rglob("*evil*"))
    for path in (
        zipped(tmp_path / "a.zip", {name: CSV, "good.csv": CSV}),
        tarred(tmp_path / "a.tar", {name: CSV, "good.csv": CSV}),
    ):
        rows = read_rows(path)
        assert rows.table["text"][:] == TEXTS
        assert rows.origin.where(0) in ("a.zip, row 1", "a.tar, row 1")
        assert any("1 file left out whose path leads out" in note for note in rows.notes)
        with pytest.raises(DataError, match=r'holds no "'):
            read_rows(f"{path}::{name}")
    alone = zipped(tmp_path / "b.zip", {name: CSV})
    with pytest.raises(DataError, match="holds no file. .*leads out of it"):
        read_rows(alone)
    assert set(tmp_path.parent.rglob("*evil*")) == before


def test_links_and_devices_in_a_tar_are_no_files(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, target in (("link.csv", tarfile.SYMTYPE, "/etc/passwd"), ("device.csv", tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        info = tarfile.TarInfo("a.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    assert archives.members(path)[0] == ["a.csv"]
    assert read_rows(path).table["text"][:] == TEXTS


def bomb(kind, path, size=96 << 20):
    """So many zeros, packed without ever being whole."""
    block = bytes(1 << 20)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as stream:
            for _ in range(size >> 20):
                stream.write(block)
        return path
    if kind == "tar":
        kind = "gz"
        info = tarfile.TarInfo("a.csv")
        info.size = size
        head = info.tobuf()
    else:
        head = b""
    packer = {"gz": lambda: zlib.compressobj(9, zlib.DEFLATED, 31), "bz2": bz2.BZ2Compressor}[kind]()
    with path.open("wb") as file:
        file.write(packer.compress(head))
        for _ in range(size >> 20):
            file.write(packer.compress(block))
        file.write(packer.flush())
    return path


BOMBS = [("zip", "a.zip"), ("gz", "a.csv.gz"), ("bz2", "a.csv.bz2"), ("tar", "a.tar.gz")]


@pytest.mark.parametrize(("kind", "name"), BOMBS)
def test_a_bomb_is_stopped_while_it_is_small(tmp_path, kind, name):
    path = bomb(kind, tmp_path / name)
    began = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(DataError, match="as a zip bomb does|can't be unpacked"):
        read_rows(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20
    assert time.perf_counter() - began < 10


def test_a_zip_that_lies_about_its_size(tmp_path):
    """The header says ten bytes; what is there is more."""
    path = zipped(tmp_path / "a.zip", {"a.csv": CSV * 100})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<L", len(CSV) * 100), struct.pack("<L", 10)))
    with pytest.raises(DataError, match="can't be unpacked"):
        read_rows(path)


def test_more_than_memory_holds_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    content = CSV + b"".join(b"%d,1\n" % i for i in range(10_000))
    zip_, packed = zipped(tmp_path / "a.zip", {"a.csv": content}), tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(content))
    (tmp_path / "a.csv").write_bytes(content)
    assert len(read_rows(zip_)) == len(read_rows(packed)) == 10_002
    monkeypatch.setattr(archives, "free_memory", lambda: 40_000)
    for path in (zip_, packed):
        with pytest.raises(DataError, match="too much for the memory that is free .*Unpack it on disk"):
            read_rows(path)


def test_what_is_no_archive_or_a_broken_one_is_one_sentence(tmp_path):
    whole = {
        ".gz": gzip.compress(CSV * 50),
        ".xz": lzma.compress(CSV * 50),
        ".bz2": bz2.compress(CSV * 50),
        ".zst": zstd(CSV * 50),
    }
    for suffix, data in whole.items():
        for name, content in (("cut", data[: len(data) // 2]), ("text", b"text,label\na,1\n"), ("none", b"")):
            path = tmp_path / f"{name}.csv{suffix}"
            path.write_bytes(content)
            with pytest.raises(DataError, match="can't be unpacked|is empty") as error:
                read_rows(path)
            assert str(error.value).startswith(str(path.name))
    zip_, tar = zipped(tmp_path / "a.zip", {"a.csv": CSV * 50}), tarred(tmp_path / "a.tar", {"a.csv": CSV * 50})
    for path in (zip_, tar):
        path.write_bytes(path.read_bytes()[: len(CSV) * 2])
        with pytest.raises(DataError, match="can't be unpacked"):
            read_rows(path)
    with pytest.raises(DataError, match="holds no file"):
        read_rows(zipped(tmp_path / "empty.zip", {}))


def test_a_protected_zip_is_one_sentence(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.csv": CSV})
    raw = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + at] |= 1  # the flag of encryption
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match=r"a\.zip: a\.csv is protected by a password"):
        read_rows(path)


def test_line_files_in_an_archive(tmp_path):
    files = {
        f"news.{part}.{lang}": f"{lang} 1\n{lang} 2\n".encode() for part in ("dev", "test") for lang in ("ko", "en")
    }
    path = tarred(tmp_path / "korean-english-news.tar.gz", files, "w:gz")
    roles = {"roles": ("source", "target"), "required": ("source", "target")}
    parts = read_splits(path, SimpleNamespace(source_lang="en"), **roles)
    assert {split: rows.table["source"][:] for split, rows in parts.items()} == dict.fromkeys(
        ("validation", "test"), ["en 1", "en 2"]
    )
    (tmp_path / "a.ko.gz").write_bytes(gzip.compress(b"ko 1\n"))
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"en 1\n"))
    rows = read_rows(f"{tmp_path / 'a.ko.gz'},{tmp_path / 'a.en.gz'}", **roles)
    assert rows.table[:] == {"source": ["ko 1"], "target": ["en 1"]}


def test_folders(tmp_path):
    deep = tmp_path / "data" / "v1" / "csv"
    deep.mkdir(parents=True)
    (deep / "train.csv").write_bytes(CSV)
    (deep / "test.csv").write_bytes(CSV)
    assert list(read_splits(tmp_path / "data")) == ["train", "test"]
    (tmp_path / "data" / "rows.csv").write_bytes(CSV)
    rows = read_rows(tmp_path / "data")
    assert len(rows) == 2
    assert any("2 files in folders inside it left out, such as v1/csv/test.csv" in note for note in rows.notes)
    (tmp_path / "data" / "rows.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match=re.escape("several kinds (1 × .csv, 1 × .jsonl)")):
        read_rows(tmp_path / "data")
    assert len(read_rows(f"{tmp_path}/data/**/t*.csv")) == 4
    for part in ("train", "validation"):
        (tmp_path / "parts" / part).mkdir(parents=True)
        (tmp_path / "parts" / part / "0.csv").write_bytes(CSV)
    assert list(read_splits(tmp_path / "parts")) == ["train", "validation"]


@pytest.mark.parametrize("coded", [True, False])
def test_a_small_parquet_of_many_rows_is_bounded(tmp_path, monkeypatch, coded):
    import pyarrow.parquet as parquet

    from byeori.data import structured

    texts = pa.array(["가" * 1000] * 50_000)
    table = pa.table({"text": texts.dictionary_encode() if coded else texts, "label": [1] * 50_000})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    monkeypatch.setattr(structured, "free_memory", lambda: 100 << 20)
    with pytest.raises(DataError, match="its rows take more than 50 MB of memory"):
        read_rows(tmp_path / "a.parquet")


def test_standard_input_and_pipes_have_an_end(tmp_path, monkeypatch):
    import os
    import sys
    import threading

    monkeypatch.setattr(archives, "free_memory", lambda: 64 << 20)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=open("/dev/zero", "rb")))  # noqa: SIM115
    with pytest.raises(DataError, match="standard input: it is .* too much for the memory"):
        read_rows("-")
    with pytest.raises(DataError, match="/dev/zero: this is a device"):
        read_rows("/dev/zero")
    os.mkfifo(tmp_path / "pipe.csv")
    threading.Thread(target=lambda: (tmp_path / "pipe.csv").write_bytes(CSV), daemon=True).start()
    assert read_rows(tmp_path / "pipe.csv").table["text"][:] == TEXTS
