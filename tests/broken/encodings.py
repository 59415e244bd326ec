"""Broken bytes: mixed, misnamed and cut encodings, and files that are no text at all whatever their names say."""

from __future__ import annotations

import pickle
from random import Random

from broken.case import ROWS, TEXTS, Case, Reads, Stops, bad_row, file
from broken.good import CSV, LINES, TSV, delimited, jsonl, parquet
from byeori.errors import SettingError

SKIP = "--skip-bad-rows"
BOM = b"\xef\xbb\xbf"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def csv(name: str, content: str | bytes, want: Reads | Stops, suffix: str = ".csv", **more) -> Case:
    return Case(name, file(f"a{suffix}", content), want, **more)


def lines(kinds: dict[int, str], text: str = CSV) -> bytes:
    """Some lines (0 is the header) in other encodings than UTF-8."""
    return b"".join(line.encode(kinds.get(at, "utf-8")) + b"\n" for at, line in enumerate(text.splitlines()))


def wide(kind: str, mark: bytes = b"") -> bytes:
    return mark + CSV.encode(kind)


WESTERN = {"text": ["Très bien, café", "Déçu", "Élégant", "Où ?", "Garçon", "naïf"], "label": ROWS["label"]}
LATIN = delimited(";", zip(WESTERN["text"], WESTERN["label"], strict=True))
JAPANESE = delimited(
    ",",
    zip(
        ["面白かった", "つまらない", "最高の映画", "もう一度見たい", "残念でした", "お金の無駄"],
        ROWS["label"],
        strict=True,
    ),
)
RUSSIAN = delimited(
    ",",
    zip(["Очень хорошо", "Скучно", "Лучший фильм", "Не для меня", "Ещё раз", "Жаль денег"], ROWS["label"], strict=True),
)
CHINESE = delimited(
    ",",
    zip(["非常有趣的电影", "太无聊了", "最好的电影", "不适合我", "还想再看一次", "浪费钱"], ROWS["label"], strict=True),
)
HTML = "<!DOCTYPE html>\n<html><head><title>404</title></head>\n<body><p>Not found, sorry</p></body></html>\n"

READ = [
    csv("mark", BOM + CSV.encode(), Reads(ROWS, ["byte-order mark"])),
    csv("mark-twice", BOM * 2 + CSV.encode(), Reads(ROWS)),
    csv(
        "mark-in-the-middle",
        BOM + CSV.encode() + BOM + "".join(line + "\n" for line in LINES[1:]).encode(),
        Reads({role: [*v, *v] for role, v in ROWS.items()}),
    ),
    csv("cp949", CSV.encode("cp949"), Reads(ROWS, ["CP949"])),
    csv("utf-16", wide("utf-16"), Reads(ROWS, ["UTF-16"])),
    csv("utf-16-little-without-mark", wide("utf-16-le"), Reads(ROWS, ["UTF-16"])),
    csv("utf-16-big-without-mark", wide("utf-16-be"), Reads(ROWS, ["UTF-16"])),
    csv("utf-32", wide("utf-32"), Reads(ROWS, ["UTF-32"])),
    csv("latin-1", LATIN.encode("latin-1"), Reads(WESTERN, ["Latin-1"])),
    csv("shift-jis", JAPANESE.encode("shift-jis"), Stops(["encoding", "--encoding"])),
    csv(
        "shift-jis-named",
        JAPANESE.encode("shift-jis"),
        Reads(
            {
                "text": ["面白かった", "つまらない", "最高の映画", "もう一度見たい", "残念でした", "お金の無駄"],
                "label": ROWS["label"],
            }
        ),
        settings={"encoding": "shift-jis"},
    ),
    csv("euc-jp", JAPANESE.encode("euc-jp"), Stops(["encoding", "--encoding"])),
    csv("gbk", CHINESE.encode("gbk"), Stops(["encoding", "--encoding"])),
    csv("cp1251", RUSSIAN.encode("cp1251"), Stops(["encoding", "--encoding"])),
]

BROKEN = [
    csv("one-line-of-cp949", lines({2: "cp949"}), bad_row(2, "bytes that are not", SKIP)),
    csv(
        "one-line-of-utf-8-in-cp949",
        lines({0: "cp949", 1: "cp949", 2: "cp949", 6: "cp949"}),
        bad_row(5, "bytes that are not", SKIP),
    ),
    csv("cp949-cut", CSV.encode("cp949")[:-6], bad_row(6, "bytes that are not", SKIP)),
    csv("one-broken-byte", CSV.encode().replace("지".encode(), b"\xec\xa7"), bad_row(2, "bytes that are not", SKIP)),
    csv("overlong", CSV.encode().replace(b"The", b"\xc0\xaf"), bad_row(3, "bytes that are not", SKIP)),
    csv("surrogates-in-utf-8", CSV.encode().replace(b"The", b"\xed\xa0\x80"), bad_row(3, "bytes that are not", SKIP)),
    csv("beyond-unicode", CSV.encode().replace(b"The", b"\xf5\x80\x80\x80"), bad_row(3, "bytes that are not", SKIP)),
    csv("utf-16-odd", wide("utf-16")[:-1], Stops(["bytes that are not UTF-16", "Save"], line=7)),
    csv("utf-16-odd-without-mark", wide("utf-16-le")[:-1], Stops(["bytes that are not UTF-16", "Save"], line=7)),
    csv(
        "utf-16-surrogate",
        wide("utf-16").replace("지".encode("utf-16-le"), b"\x00\xd8"),
        Stops("bytes that are not UTF-16", line=3),
    ),
    csv("utf-16-mark-only", b"\xff\xfe", Stops("is empty")),
    csv(
        "broken-text-line",
        b"".join((t + "\n").encode("utf-8" if at != 1 else "cp949") for at, t in enumerate(TEXTS)),
        bad_row(2, "bytes that are not", "--encoding", table={"text": TEXTS}),
        ".txt",
        task="fill-mask",
    ),
    csv(
        "broken-jsonl-line",
        jsonl().encode().replace("지".encode(), b"\xec\xa7"),
        bad_row(2, "bytes that are not"),
        ".jsonl",
    ),
]

NAMED = [
    csv("utf-8-named-cp949", CSV, Stops(["UTF-8", "--encoding"]), settings={"encoding": "cp949"}),
    csv("utf-8-named-latin-1", CSV, Stops(["UTF-8", "--encoding"]), settings={"encoding": "latin-1"}),
    csv("cp949-named-utf-8", CSV.encode("cp949"), Stops(["--encoding"]), settings={"encoding": "utf-8"}),
    csv("utf-8-named-utf-16", CSV, Stops(["utf-16", "--encoding"]), settings={"encoding": "utf-16"}),
    csv("utf-16-named-utf-8", wide("utf-16"), Stops(["--encoding"]), settings={"encoding": "utf-8"}),
    csv(
        "no-encoding",
        CSV,
        Stops("is not an encoding", error=SettingError, file="--encoding"),
        settings={"encoding": "utf8mb4"},
    ),
    csv(
        "no-text-encoding",
        CSV,
        Stops("does not decode text", error=SettingError, file="--encoding"),
        settings={"encoding": "hex"},
    ),
]

FOREIGN = [
    csv("png", PNG, Stops("an image (PNG)")),
    csv("jpeg", b"\xff\xd8\xff\xe0" + PNG, Stops("an image (JPEG)"), ".txt"),
    csv("gif", b"GIF89a\x01\x00\x01\x00" + PNG, Stops("an image (GIF)"), ".json"),
    csv("pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", Stops("a PDF"), ".txt"),
    csv("sqlite", b"SQLite format 3\0" + bytes(100), Stops("an SQLite database")),
    csv("program", b"\x7fELF" + bytes(200), Stops("a program"), ".tsv"),
    csv("noise", Random(0).randbytes(5000), Stops("looks like a binary file")),
    csv(
        "noise-without-zeros",
        bytes(b or 1 for b in Random(1).randbytes(5000)),
        Stops("the encoding was not recognised"),
        ".txt",
    ),
    csv("zeros", bytes(5000), Stops("NUL")),
    csv("pickle", pickle.dumps({"text": list(TEXTS)}), Stops("pickle")),
    csv("html", HTML, Stops(["a web page", "Download"])),
    csv("xml", '<?xml version="1.0"?>\n<rows><row text="a"/></rows>\n', Stops("XML"), ".txt"),
    csv(
        "lfs-pointer",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4893335\n",
        Stops("git lfs pull"),
        ".tsv",
    ),
    csv("word", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), Stops("an old Office program")),
    csv("parquet-named-csv", parquet({k: list(v) for k, v in ROWS.items()}), Reads(ROWS)),
    csv("csv-named-parquet", CSV, Stops("can't be read"), ".parquet"),
    csv("csv-named-arrow", CSV, Stops("can't be read"), ".arrow"),
    csv("csv-named-json", CSV, Stops("not JSON", line=1), ".json"),
    csv("csv-named-jsonl", CSV, Stops("not JSON", row=1), ".jsonl"),
    csv("jsonl-named-csv", jsonl(), Reads(ROWS, ["it is JSON"])),
    csv("jsonl-named-txt", jsonl(), Reads(ROWS), ".txt"),
    csv("tsv-without-suffix", TSV, Reads(ROWS), ""),
]

CASES = [*READ, *BROKEN, *NAMED, *FOREIGN]
