"""Encodings are recognised and said; bytes that no encoding reads are reported with their row; the one named wins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byeori.data.encoding import decode
from byeori.data.read import read_rows
from byeori.errors import DataError, SettingError

DATA = Path(__file__).parents[3] / "shared" / "data"
KOREAN = "text,label\n이 영화 정말 재미있다!,1\n뷁… 별로였어요 “최악”,0\n"
WESTERN = "text,label\nLe café était très agréable,1\nSchöne Grüße aus Köln,0\nEl niño está aquí,1\n"
QUOTED = "text,label\nIt’s “great” – really…,1\nPrice: 5 €,0\n"


@pytest.mark.parametrize(
    ("text", "encoding", "found", "said"),
    [
        (KOREAN, "utf-8", "utf-8", None),
        (KOREAN, "utf-8-sig", "utf-8-sig", "UTF-8 with a byte-order mark"),
        (KOREAN, "utf-16", "utf-16", "read as UTF-16"),
        (KOREAN, "utf-16-le", "utf-16", "read as UTF-16"),
        (KOREAN, "utf-16-be", "utf-16", "read as UTF-16"),
        (KOREAN, "utf-32", "utf-32", "read as UTF-32"),
        (KOREAN, "utf-32-le", "utf-32", "read as UTF-32"),
        (KOREAN, "utf-32-be", "utf-32", "read as UTF-32"),
        (WESTERN, "utf-16-le", "utf-16", "read as UTF-16"),
        (KOREAN, "cp949", "cp949", r"read as CP949 \(EUC-KR\)"),
        (KOREAN.replace("뷁", "별"), "euc-kr", "cp949", r"read as CP949 \(EUC-KR\)"),
        (WESTERN, "latin-1", "latin-1", r"read as Latin-1 \(Western European\)"),
        (WESTERN, "cp1252", "latin-1", r"read as Latin-1"),
        (QUOTED, "cp1252", "cp1252", r"read as Windows-1252"),
        ("text,label\nplain,1\n", "ascii", "utf-8", None),
    ],
)
def test_recognised_and_said(tmp_path, text, encoding, found, said):
    import re

    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    rows = read_rows(tmp_path / "a.csv")
    assert rows.table["text"][:] == [line.rsplit(",", 1)[0] for line in text.splitlines()[1:]]
    assert rows.origin.files[0].encoding == found
    assert any(re.search(said, note) for note in rows.notes) if said else True


SHORT = {"cp949": ("가", "아니요", "뷁", "왜? ㅋㅋ"), "latin-1": ("Ärger", "Zoë", "naïve façade")}


@pytest.mark.parametrize(("text", "encoding"), [(text, kind) for kind, texts in SHORT.items() for text in texts])
def test_short_texts(text, encoding):
    found = decode(text.encode(encoding), "a.txt")
    assert (found.data.decode(), found.encoding, found.broken) == (text, encoding, [])


FOREIGN = {
    "cp1251": "Фильм был очень хороший", "koi8-r": "Фильм был очень хороший", "big5": "這部電影非常好看",
    "shift_jis": "この映画はとても面白い", "iso8859_7": "Η ταινία ήταν πολύ καλή", "cp1256": "كان الفيلم جيدا جدا",
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "text"), FOREIGN.items(), ids=FOREIGN)
def test_what_is_not_recognised_is_asked_for(encoding, text):
    """Other scripts are never taken for Western European."""
    raw = f"text,label\n{text},1\n{text} 2,0\n{text} 3,1\n".encode(encoding)
    try:
        found = decode(raw, "a.csv")
    except DataError as error:
        assert "encoding was not recognised" in str(error)
    else:
        assert found.encoding not in ("latin-1", "cp1252")
    assert decode(raw, "a.csv", encoding).data.decode() == raw.decode(encoding)


def test_broken_bytes_are_told_by_row(tmp_path):
    lines = [f"문장 {i},{i % 2}".encode() for i in range(20)]
    lines[6] = b"\xed\xa0 \xff,0"
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"\n".join(lines) + b"\n")
    with pytest.raises(DataError, match="a.csv, row 7: bytes that are not in the file's encoding"):
        read_rows(path)
    rows = read_rows(path, SimpleNamespace(skip_bad_rows=True))
    assert (len(rows), rows.origin.where(6)) == (19, "a.csv, row 8")
    kept = read_rows(path, on_bad="keep")
    assert (len(kept), list(kept.errors)) == (20, [6])


def test_two_encodings_in_one_file(tmp_path):
    path = tmp_path / "a.csv"
    lines = [f"문장 번호 {i},{i % 2}".encode("cp949" if i in (3, 4) else "utf-8") for i in range(9)]
    path.write_bytes(b"text,label\n" + b"\n".join(lines) + b"\n")
    with pytest.raises(DataError, match="a.csv, row 4: bytes that are not"):
        read_rows(path)
    path.write_bytes(b"text,label\n" + b"\n".join(lines[3:5] * 4 + lines[:1]) + b"\n")
    with pytest.raises(DataError, match="a.csv, row 9: bytes that are not"):
        read_rows(path)
    path.write_bytes(b"text,label\n" + b"\n".join(lines) + b"\n")
    rows = read_rows(path, SimpleNamespace(skip_bad_rows=True))
    assert len(rows) == 7
    assert any("2 of its lines are CP949 (the first is line 5), the others UTF-8" in note for note in rows.notes)


def test_a_few_strange_bytes_among_korean_are_not_western(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("한글 문장입니다.\n".encode() * 5 + b"caf\xe9\n")
    with pytest.raises(DataError, match="row 6: bytes that are not UTF-8"):
        read_rows(path)
    path.write_bytes("한글 문장입니다.\n".encode("cp949") * 5 + b"\xff\xff\n")
    with pytest.raises(DataError, match="row 6: bytes that are not CP949"):
        read_rows(path)


def test_the_one_named_wins(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("café\n".encode())
    assert read_rows(path).table["text"][:] == ["café"]
    assert read_rows(path, SimpleNamespace(encoding="latin-1")).table["text"][:] == ["cafÃ©"]
    with pytest.raises(SettingError, match='"utf8000" is not an encoding'):
        read_rows(path, SimpleNamespace(encoding="utf8000"))
    with pytest.raises(SettingError, match='"base64" does not decode text'):
        read_rows(path, SimpleNamespace(encoding="base64"))


def test_binary_and_foreign_files(tmp_path):
    for name, content, what in (
        ("a.csv", bytes(range(256)) * 8, "binary file"),
        ("a.csv", b"%PDF-1.7\n", "this is a PDF"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", r"an image \(PNG\)"),
        ("a.csv", b"SQLite format 3\x00", "an SQLite database"),
        ("a.tsv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office program"),
        ("a.csv", "가나".encode("utf-16") + b"\x00", "a.csv, line 1: bytes that are not UTF-16"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=what):
            read_rows(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("가나다라마바사아자차카타파하힣뷁 abc!?.,"), min_size=1), min_size=1, max_size=8),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949"]),
)
def test_what_was_written_is_what_is_read(texts, encoding):
    text = "\n".join(["가 안녕하세요", *texts])
    assert decode(text.encode(encoding), "a.txt").data.decode() == text


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "cp949", "utf-16", "latin-1"]))
def test_any_bytes_give_text_or_one_sentence(raw, encoding):
    try:
        found = decode(raw, "a.txt", encoding)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        found.data.decode()


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")
@pytest.mark.parametrize("encoding", ["cp949", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
def test_nsmc_in_every_encoding(tmp_path, encoding):
    text = (DATA / "nsmc/nsmc_30k.txt").read_text(encoding="utf-8")
    if encoding == "cp949":  # what CP949 lacks is left out of both
        text = text.encode("cp949", errors="ignore").decode("cp949")
    found = decode(text.encode(encoding), "nsmc.txt")
    assert found.data.decode() == text
    assert found.broken == []
