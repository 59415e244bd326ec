"""Broken Parquet and Arrow files and spreadsheets, and those of types that are no text."""

from __future__ import annotations

import datetime
import io
import pickle
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broken.case import LABELS, ROWS, TEXTS, Case, Reads, Stops, changed, file, without
from broken.good import CSV, HEADER, PAIRS, arrow, book, parquet, zipped

COLUMNS: dict[str, Any] = {role: list(values) for role, values in ROWS.items()}
PARQUET = parquet(COLUMNS)
FOOTER = int.from_bytes(PARQUET[-8:-4], "little") + 8
ARROW = arrow(COLUMNS)
BOOK = book({"a": [HEADER, *PAIRS]})


def of(name: str, path: str, content: bytes | str, want: Reads | Stops, **more) -> Case:
    return Case(name, file(path, content), want, **more)


def not_utf8() -> pa.Array:
    """Strings of which the third is not UTF-8, as other programs write them."""
    texts = [text.encode() for text in TEXTS]
    texts[2] = b"\xff\xfe broken"
    return pa.array(texts, pa.binary()).view(pa.string())


def unknown_codec() -> bytes:
    """The footer names LZO, which nobody reads: its number stands where that of gzip did."""
    raw = parquet(COLUMNS, compression="gzip")
    size = int.from_bytes(raw[-8:-4], "little")
    for at in range(len(raw) - 8 - size, len(raw) - 8):
        made = raw[:at] + b"\x06" + raw[at + 1 :]
        try:
            if raw[at] == 4 and pq.ParquetFile(io.BytesIO(made)).metadata.row_group(0).column(0).compression == "LZO":
                return made
        except (pa.ArrowException, OSError):
            continue
    raise AssertionError("no codec was found in the footer")


def doubled_names() -> bytes:
    return parquet(
        pa.table([pa.array(TEXTS), pa.array(TEXTS[::-1]), pa.array(LABELS)], names=["text", "text", "label"])
    )


def formulas() -> bytes:
    """As a program writes them that never worked them out: there is a formula and no value."""
    return book({"a": [HEADER, *[(text, f'=IF(1, "{label}")') for text, label in PAIRS]]})


def entities(name: str) -> str:
    """The billion laughs."""
    lines = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{lines}]><{name}>&l9;</{name}>'


def broken_page(xml: str) -> bytes:
    """A spreadsheet whose first sheet is another XML."""
    import zipfile

    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(BOOK)) as old, zipfile.ZipFile(sink, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, xml if entry == "xl/worksheets/sheet1.xml" else old.read(entry))
    return sink.getvalue()


HTML = "<html><body><table><tr><td>text</td><td>label</td></tr></table></body></html>"
CANT = "can't be read"

PARQUETS = [
    of("parquet", "a.parquet", PARQUET, Reads(ROWS)),
    *(of(f"parquet-cut-{part}", "a.parquet", PARQUET[: len(PARQUET) * part // 8], Stops(CANT)) for part in (1, 4, 7)),
    of("parquet-magic-only", "a.parquet", b"PAR1", Stops(CANT)),
    of("parquet-of-nothing", "a.parquet", b"", Stops("can't be read")),
    of("parquet-footer-broken", "a.parquet", PARQUET[:-FOOTER] + bytes(FOOTER - 8) + PARQUET[-8:], Stops(CANT)),
    of("parquet-footer-too-long", "a.parquet", PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1", Stops(CANT)),
    of("parquet-page-broken", "a.parquet", PARQUET[:10] + bytes(60) + PARQUET[70:], Stops(CANT)),
    of("parquet-unknown-codec", "a.parquet", unknown_codec(), Stops([CANT, "LZO"])),
    of(
        "parquet-without-rows",
        "a.parquet",
        parquet({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}),
        Stops(["no rows", "text"]),
    ),
    of("parquet-without-columns", "a.parquet", parquet(pa.table({})), Stops("no rows")),
    of(
        "parquet-dictionary",
        "a.parquet",
        parquet({role: pa.array(v).dictionary_encode() for role, v in COLUMNS.items()}),
        Reads(ROWS),
    ),
    of(
        "parquet-large-strings",
        "a.parquet",
        parquet({role: pa.array(v, pa.large_string()) for role, v in COLUMNS.items()}),
        Reads(ROWS),
    ),
    of(
        "parquet-bytes",
        "a.parquet",
        parquet({**COLUMNS, "text": pa.array([t.encode() for t in TEXTS], pa.binary())}),
        Stops(["bytes", "text"]),
    ),
    of("parquet-not-utf-8", "a.parquet", parquet({**COLUMNS, "text": not_utf8()}), Stops(["UTF-8"], row=3)),
    of(
        "parquet-nulls",
        "a.parquet",
        parquet({**COLUMNS, "text": [*TEXTS[:2], None, *TEXTS[3:]]}),
        Stops('"text" is empty', row=3),
    ),
    of(
        "parquet-nulls-dropped",
        "a.parquet",
        parquet({**COLUMNS, "text": [*TEXTS[:2], None, *TEXTS[3:]]}),
        Reads(without(3), ["1 row"]),
        settings={"drop_empty": True},
    ),
    of("parquet-all-null", "a.parquet", parquet({**COLUMNS, "text": pa.nulls(6)}), Stops("6 of 6 rows", row=1)),
    of(
        "parquet-nested",
        "a.parquet",
        parquet({"text": [{"ko": t} for t in TEXTS], "label": list(LABELS)}),
        Reads(ROWS, ["text.ko"]),
    ),
    of(
        "parquet-numbers-for-texts",
        "a.parquet",
        parquet({**COLUMNS, "text": [1, 2, 3, 4, 5, 6]}),
        Stops("a number", row=1),
    ),
    of(
        "parquet-dates-for-labels",
        "a.parquet",
        parquet({**COLUMNS, "label": [datetime.date(2026, 3, at) for at in (1, 2, 1, 2, 1, 2)]}),
        Stops(["a date (2026-03-01)", "--label"], row=1),
    ),
    of(
        "parquet-large-numbers-for-labels",
        "a.parquet",
        parquet({**COLUMNS, "label": pa.array([2**64 - 1, 0] * 3, pa.uint64())}),
        Reads({**ROWS, "label": [str(2**64 - 1), "0"] * 3}),
    ),
    of("parquet-doubled-names", "a.parquet", doubled_names(), Stops(["text (column 1)", "text (column 2)", "--text"])),
]

ARROWS = [
    of("arrow", "a.arrow", ARROW, Reads(ROWS)),
    of("arrow-stream", "a.arrow", arrow(COLUMNS, stream=True), Reads(ROWS)),
    *(of(f"arrow-cut-{part}", "a.arrow", ARROW[: len(ARROW) * part // 8], Stops(CANT)) for part in (1, 4, 7)),
    *(
        of(f"arrow-stream-cut-{part}", "a.arrow", arrow(COLUMNS, stream=True)[: len(ARROW) * part // 10], Stops(CANT))
        for part in (1, 3, 5)
    ),
    of("arrow-magic-only", "a.arrow", b"ARROW1", Stops(CANT)),
    of("arrow-of-nothing", "a.feather", b"", Stops("can't be read")),
    of("arrow-without-rows", "a.arrow", arrow({"text": pa.array([], pa.string())}), Stops("no rows")),
    of("arrow-not-utf-8", "a.arrow", arrow({**COLUMNS, "text": not_utf8()}), Stops(["UTF-8"], row=3)),
]

BOOKS = [
    of("xlsx", "a.xlsx", BOOK, Reads(ROWS)),
    of("xlsx-that-is-html", "a.xlsx", HTML, Stops("no spreadsheet")),
    of("xls-that-is-html", "a.xls", HTML, Stops(".xlsx")),
    of("xlsx-that-is-csv", "a.xlsx", CSV, Stops("no spreadsheet")),
    of("xlsx-that-is-any-zip", "a.xlsx", zipped({"a.csv": CSV}), Stops(CANT)),
    *(of(f"xlsx-cut-{part}", "a.xlsx", BOOK[: len(BOOK) * part // 8], Stops("no spreadsheet")) for part in (1, 4, 7)),
    of("xlsx-of-nothing", "a.xlsx", b"", Stops("no spreadsheet")),
    of("xlsx-protected", "a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), Stops("password")),
    of("xlsx-empty", "a.xlsx", book({"a": []}), Stops("no sheet holds a row")),
    of("xlsx-header-only", "a.xlsx", book({"a": [HEADER]}), Stops("no row under it")),
    of("xlsx-formulas", "a.xlsx", formulas(), Stops("formula")),
    of("xlsx-two-sheets", "a.xlsx", book({"a": [HEADER, *PAIRS], "b": [HEADER, *PAIRS]}), Stops("--sheet")),
    of("xlsx-no-such-sheet", "a.xlsx", BOOK, Stops("no sheet"), settings={"sheet": "z"}),
    of(
        "xlsx-a-cell-missing",
        "a.xlsx",
        book({"a": [HEADER, *PAIRS[:2], (None, "good"), *PAIRS[3:]]}),
        Stops('"text" is empty', row=3),
    ),
    of("xlsx-broken-page", "a.xlsx", broken_page("<worksheet><sheetData><row>"), Stops(CANT)),
    of("xlsx-billion-laughs", "a.xlsx", broken_page(entities("worksheet")), Stops("can't be read")),
    of("ods-billion-laughs", "a.ods", zipped({"content.xml": entities("office")}), Stops("amplification")),
    of("ods-of-nothing-inside", "a.ods", zipped({"mimetype": "x"}), Stops(CANT)),
    of("xlsx-named-csv", "a.csv", BOOK, Reads(ROWS)),
    of(
        "xlsx-errors",
        "a.xlsx",
        book({"a": [HEADER, *PAIRS[:2], ("#REF!", "good"), *PAIRS[3:]]}),
        Reads(changed(3, "#REF!"), ["error of the spreadsheet"]),
    ),
]

CODE = [
    of("pickle", "a.pkl", pickle.dumps(COLUMNS), Stops("--allow-pickle")),
    of("pickle-of-noise", "a.pkl", b"\x80\x04noise", Stops("can't be opened"), settings={"allow_pickle": True}),
    of("joblib", "a.joblib", pickle.dumps(COLUMNS), Stops("run code")),
    of("torch", "a.pt", zipped({"data.pkl": b""}), Stops("run code")),
]

CASES = [*PARQUETS, *ARROWS, *BOOKS, *CODE]
