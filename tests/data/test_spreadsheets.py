"""Spreadsheets: one sheet, with the values as people see them. The .ods files are written by hand, as LibreOffice does."""

from __future__ import annotations

import datetime
import io
import sys
import time
import zipfile
from types import SimpleNamespace

import openpyxl
import pytest

from broken import good
from byeori.data.read import read, read_rows
from byeori.errors import DataError

HEADER = ["text", "label"]
ROWS = [["재미있다", 1], ["별로다", 0], ["그냥 그래요", 1]]
TEXTS = [row[0] for row in ROWS]


def book(path, sheets):
    path.write_bytes(good.book(sheets))
    return path


def cell(value, **more):
    marks = "".join(f' table:{key.replace("_", "-")}="{one}"' for key, one in more.items())
    if value is None:
        return f"<table:table-cell{marks}/>"
    return f'<table:table-cell office:value-type="string"{marks}><text:p>{value}</text:p></table:table-cell>'


def ods(path, sheets):
    pages = "".join(
        f'<table:table table:name="{title}">' + "".join(rows) + "</table:table>" for title, rows in sheets.items()
    )
    spaces = {"office": "office", "table": "table", "text": "text"}
    names = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{s}:1.0"' for n, s in spaces.items())
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names}><office:body><office:spreadsheet>'
        f"{pages}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
    return path


def line(*cells, repeated=1):
    repeat = f' table:number-rows-repeated="{repeated}"' if repeated > 1 else ""
    return f"<table:table-row{repeat}>" + "".join(map(str, cells)) + "</table:table-row>"


def test_a_sheet_reads_as_its_csv_would(tmp_path):
    path = book(tmp_path / "a.xlsx", {"리뷰": [HEADER, *ROWS]})
    rows = read_rows(path)
    assert rows.table[:] == {"text": TEXTS, "label": ["1", "0", "1"]}
    assert (rows.origin.files[0].format, rows.origin.files[0].rows) == ("xlsx", 3)
    assert rows.origin.where(2) == "a.xlsx, row 3"
    assert any('the sheet "리뷰"' in note for note in rows.notes)
    (tmp_path / "b.csv").write_bytes(path.read_bytes())  # told by what it holds
    assert read_rows(tmp_path / "b.csv").table["text"][:] == TEXTS
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(path, "set/a.xlsx")
    assert read_rows(tmp_path / "c.zip").table["text"][:] == TEXTS


def test_which_sheet(tmp_path):
    path = book(tmp_path / "a.xlsx", {"메모": [], "train": [HEADER, *ROWS], "test": [HEADER, *ROWS[:1]]})
    with pytest.raises(DataError, match='"train" and "test" each hold rows. Name one with --sheet'):
        read_rows(path)
    for name, number in (("train", 3), ("test", 1), (" TEST ", 1), ("3", 1), (2, 3)):
        assert len(read_rows(path, SimpleNamespace(sheet=name))) == number
    assert len(read(path, sheet="test")) == 1
    with pytest.raises(DataError, match='no sheet "tset".*or 1 to 3. Did you mean "test"'):
        read_rows(path, SimpleNamespace(sheet="tset"))
    with pytest.raises(DataError, match='the sheet "메모" is empty'):
        read_rows(path, SimpleNamespace(sheet="1"))
    with pytest.raises(DataError, match="no sheet holds a row"):
        read_rows(book(tmp_path / "b.xlsx", {"a": [], "b": []}))
    with pytest.raises(DataError, match=r'has a header \("text" and "label"\) and no row'):
        read_rows(book(tmp_path / "c.xlsx", {"a": [HEADER]}))


def test_values_as_people_see_them(tmp_path):
    made = openpyxl.Workbook()
    page = made.active
    page.append(["값", "형식"])
    shown = [
        (5, "General", "5"), (5.0, "General", "5"), (0.1 + 0.2, "General", "0.3"), (0.25, "0%", "25%"),
        (0.2534, "0.0%", "25.3%"), (7, "00000", "00007"), (1e16, "General", "1e+16"), (True, "General", "TRUE"),
        (datetime.date(2026, 3, 1), "yyyy-mm-dd", "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 9, 5), "yyyy-mm-dd hh:mm", "2026-03-01 09:05:00"),
        (datetime.time(9, 5), "hh:mm", "09:05:00"), ("007", "@", "007"), ("두\n줄", "@", "두\n줄"), ("NA", "@", "NA"),
    ]  # fmt: skip
    for value, shape, _ in shown:
        page.append([value, shape])
        page.cell(page.max_row, 1).number_format = shape
    made.save(tmp_path / "a.xlsx")
    rows = read_rows(tmp_path / "a.xlsx", SimpleNamespace(text="값"))
    assert rows.table["text"][:] == [text for _, _, text in shown]


def test_empty_rows_titles_and_merged_cells(tmp_path):
    made = openpyxl.Workbook()
    page = made.active
    page.append(["2026년 리뷰 자료"])
    page.append([])
    page.append(HEADER + [None])
    page.append(ROWS[0])
    page.append([None, None])
    for row in ROWS[1:]:
        page.append(row)
    page.merge_cells("A1:B1")
    made.save(tmp_path / "a.xlsx")
    rows = read_rows(tmp_path / "a.xlsx")
    assert rows.table["text"][:] == TEXTS
    notes = "\n".join(rows.notes)
    assert '1 line over the table left out ("2026년 리뷰 자료")' in notes
    assert "1 empty row left out" in notes
    assert "1 range of merged cells" in notes
    assert read_rows(book(tmp_path / "b.xlsx", {"a": ROWS})).table["text"][:] == TEXTS  # no header
    single = book(tmp_path / "c.xlsx", {"a": [["text"], *[[text] for text in TEXTS]]})
    assert read_rows(single).table["text"][:] == TEXTS


def test_an_empty_cell_is_missing(tmp_path):
    path = book(tmp_path / "a.xlsx", {"a": [HEADER, ["좋다", None], ["나쁘다", 0]]})
    with pytest.raises(DataError, match='a.xlsx, row 1: the label column "label" is empty'):
        read_rows(path, required=("text", "label"))


def test_ods(tmp_path):
    head = line(cell("text"), cell("label"))
    body = [line(cell(text), cell(label)) for text, label in ROWS]
    path = ods(
        tmp_path / "a.ods", {"자료": [head, *body, line(cell(None, number_columns_repeated=1024), repeated=1048000)]}
    )
    rows = read_rows(path)
    assert rows.table[:] == {"text": TEXTS, "label": ["1", "0", "1"]}
    assert rows.origin.files[0].format == "ods"
    (tmp_path / "b.dat").write_bytes(path.read_bytes())
    assert read_rows(tmp_path / "b.dat").table["text"][:] == TEXTS
    spaced = "두<text:s text:c='2'/>칸<text:tab/>끝 <text:span>굵게</text:span>"
    odd = [
        head,
        line(cell(spaced), cell("1"), repeated=2),
        line(cell("끝", number_columns_repeated=2, number_rows_spanned=2)),
    ]
    rows = read_rows(ods(tmp_path / "c.ods", {"a": odd}))
    assert rows.table["text"][:] == ["두  칸\t끝 굵게", "두  칸\t끝 굵게", "끝"]
    assert rows.table["label"][:] == ["1", "1", "끝"]
    assert any("1 range of merged cells" in note for note in rows.notes)


def test_without_openpyxl_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    path = book(tmp_path / "a.xlsx", {"a": [HEADER, *ROWS]})
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        DataError, match=r"a\.xlsx: reading \.xlsx needs openpyxl. Install it with `pip install 'byeori\[excel\]'`"
    ):
        read_rows(path)


def rebuilt(path, target, name, change):
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, change(old.read(entry)) if entry == name else old.read(entry))
    return target


def test_what_is_broken_is_one_sentence(tmp_path):
    path = book(tmp_path / "a.xlsx", {"a": [HEADER, *ROWS]})
    sheet = "xl/worksheets/sheet1.xml"
    inner = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 9))
    laughs = b'<!DOCTYPE a [<!ENTITY a0 "' + b"x" * 1000 + b'">' + inner + b"]><worksheet>&a8;</worksheet>"
    bombs = {
        "zeros": lambda old: bytes(100 << 20),
        "entities": lambda old: laughs,
        "text": lambda old: b"no xml",
        "cut": lambda old: old[: len(old) // 2],
    }
    for name, change in bombs.items():
        began = time.perf_counter()
        with pytest.raises(DataError, match=f"^{name}.xlsx: .*(zip bomb|can't be read|no sheet holds)"):
            read_rows(rebuilt(path, tmp_path / f"{name}.xlsx", sheet, change))
        assert time.perf_counter() - began < 5
    cut = tmp_path / "half.xlsx"
    cut.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="half.xlsx: .*no spreadsheet, or a damaged one"):
        read_rows(cut)
    old = tmp_path / "old.xlsx"
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512))
    with pytest.raises(DataError, match="protected by a password, or an .xls of before 2007"):
        read_rows(old)
    far = ods(tmp_path / "far.ods", {"a": [line(cell("x", number_columns_repeated=16000), repeated=1_000_000)]})
    began = time.perf_counter()
    with pytest.raises(DataError, match="more than 20,000,000 cells"):
        read_rows(far)
    assert time.perf_counter() - began < 10


def test_a_sheet_that_claims_a_million_rows_is_read_to_its_last(tmp_path):
    made = openpyxl.Workbook()
    page = made.active
    for row in [HEADER, *ROWS]:
        page.append(row)
    page.cell(1_048_576, 1).font = openpyxl.styles.Font(bold=True)  # formatted, and empty
    stream = io.BytesIO()
    made.save(stream)
    (tmp_path / "a.xlsx").write_bytes(stream.getvalue())
    began = time.perf_counter()
    assert len(read_rows(tmp_path / "a.xlsx")) == 3
    assert time.perf_counter() - began < 5
