"""The files of docs/data.md: a dozen invented reviews in every kind of file, and a few with something wrong.

write(folder)
"""

from __future__ import annotations

import csv
import gzip
import json
import pickle
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GOOD = (
    "배송이 빨라요",
    "아주 만족합니다",
    "색이 참 예뻐요",
    "It works very well",
    "가격이 착해요",
    "Great value for money",
)
BAD = (
    "다시는 안 사요",
    "포장이 찢어져 왔어요",
    "It broke on the first day",
    "너무 작아요",
    "소리가 안 나요",
    "The color is not as shown",
)
ROWS = [
    {"id": 2 * at + which + 1, "review": text, "label": label}
    for at, pair in enumerate(zip(GOOD, BAD, strict=True))
    for which, (text, label) in enumerate(zip(pair, ("good", "bad"), strict=True))
]
TABLE = [list(ROWS[0]), *(list(map(str, row.values())) for row in ROWS)]
THINGS = ("책상", "의자", "이어폰", "우산", "장갑", "주전자", "칫솔", "베개")
SAID = (
    ("{0} 색이 사진과 같고 마감도 깔끔해서 만족합니다", "good"),
    ("{0} 두 달째 쓰는데 고장 없이 잘 쓰고 있어요", "good"),
    ("{0} 받자마자 흠집이 있어서 바로 돌려보냈습니다", "bad"),
    ("{0} 냄새가 심하고 설명과 크기가 전혀 달라요", "bad"),
)


def table(path: Path, rows: Sequence[Sequence[str]], separator: str = ",", encoding: str = "utf-8") -> None:
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)


def save(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write(folder: Path) -> None:
    """Everything the page names, in this folder; `MiniLM` is the model that ships with the demo."""
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    from byeori.demo import model_folder

    folder.joinpath("MiniLM").symlink_to(model_folder(), target_is_directory=True)
    table(folder / "reviews.csv", TABLE)
    table(folder / "reviews.tsv", TABLE, "\t")
    table(folder / "semicolons.txt", TABLE, ";")
    table(folder / "bare.csv", [row[1:] for row in TABLE[1:]])
    table(folder / "from_windows.csv", TABLE, encoding="cp949")
    table(folder / "from_excel.csv", TABLE, encoding="utf-16")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    folder.joinpath("reviews.jsonl").write_text(lines + "\n", encoding="utf-8")
    save(folder / "reviews.json", ROWS)
    save(folder / "nested.json", {"version": "1.0", "data": {"reviews": ROWS}})
    save(folder / "two_lists.json", {"data": {"reviews": ROWS, "shops": [{"name": "하나상회"}, {"name": "둘상회"}]}})
    folder.joinpath("notes.txt").write_text("".join(f"{one}\n" for one in (*GOOD, *BAD)), encoding="utf-8")
    pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), folder / "reviews.parquet")
    pyarrow.feather.write_feather(pa.Table.from_pylist(ROWS), str(folder / "reviews.arrow"))
    folder.joinpath("reviews.pkl").write_bytes(pickle.dumps(ROWS))
    _book(folder / "reviews.xlsx")
    _texts(folder)
    _corpora(folder)
    _packed(folder)
    _wrong(folder)
    _shop(folder / "shop")


def _book(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "리뷰"
    for row in TABLE:
        book.active.append(row)
    book.save(path)


def _texts(folder: Path) -> None:
    folder.joinpath("talk.ko").write_text("안녕하세요\n고맙습니다\n또 만나요\n", encoding="utf-8")
    folder.joinpath("talk.en").write_text("Hello\nThank you\nSee you again\n", encoding="utf-8")
    words = [("민수", "B-PER"), ("가", "O"), ("서울", "B-LOC"), ("에", "O"), ("갔다", "O"), None]
    words += [("지수", "B-PER"), ("는", "O"), ("부산", "B-LOC"), ("에", "O"), ("산다", "O")]
    lines = "\n".join("" if one is None else "\t".join(one) for one in words)
    folder.joinpath("ner.txt").write_text(lines + "\n", encoding="utf-8")
    pairs = [["sentence1", "sentence2", "label"], *[[one, f"{one} 정말로", str(at % 2)] for at, one in enumerate(GOOD)]]
    table(folder / "pairs.csv", pairs)
    two = [["review", "comment", "label"], *[[one, f"답글 {at}번입니다", "good"] for at, one in enumerate(GOOD)]]
    table(folder / "two_texts.csv", [*two, *[[one, f"답글 {at}번이에요", "bad"] for at, one in enumerate(BAD)]])


def _corpora(folder: Path) -> None:
    answer = {"text": "서울", "answer_start": 0}
    asked = {"id": "q1", "question": "한국의 수도는?", "answers": [answer]}
    place = {"title": "서울", "paragraphs": [{"context": "서울은 한국의 수도이다.", "qas": [asked]}]}
    save(folder / "mrc.json", {"version": "1.1", "data": [place]})
    texts = [
        [{"index": 0, "sentence": "마을에 작은 도서관이 문을 열었다."}],
        [{"index": 1, "sentence": "주말에도 연다."}],
    ]
    save(folder / "aihub.json", {"documents": [
        {"id": str(at), "text": texts, "abstractive": [f"작은 도서관 {at}호가 열렸다."]} for at in (1, 2)
    ]})  # fmt: skip
    forms = [
        {"id": f"N.1.{at}", "form": form} for at, form in enumerate(("쌀값이 올랐다.", "정부는 회의를 열었다."), 1)
    ]
    document = {"id": "N.1", "metadata": {"title": "시장 소식"}, "paragraph": forms}
    save(folder / "nikl.json", {"id": "N", "metadata": {"title": "말뭉치"}, "document": [document]})
    save(folder / "emotions.json", [
        {"id": at, "profile": {"emotion": {"type": row["label"]}}, "talk": {"content": {"HS01": row["review"]}}}
        for at, row in enumerate(ROWS)
    ])  # fmt: skip


def _packed(folder: Path) -> None:
    plain = folder.joinpath("reviews.csv").read_bytes()
    folder.joinpath("reviews.csv.gz").write_bytes(gzip.compress(plain, mtime=0))
    with zipfile.ZipFile(folder / "reviews.zip", "w") as file:
        file.writestr("train.csv", plain)
        file.writestr("test.csv", "id,review,label\n13,아주 좋아요,good\n14,별로예요,bad\n")


def _wrong(folder: Path) -> None:
    def lines(name: str, *texts: str) -> None:
        folder.joinpath(name).write_text("".join(f"{one}\n" for one in texts), encoding="utf-8")

    lines(
        "stray_quotes.tsv",
        "review\tlabel",
        '"진짜" 좋아요\tgood',
        '5" 화면이 작아요\tbad',
        '"별로\tbad',
        "빨라요\tgood",
    )
    lines(
        "unquoted_commas.csv",
        "review,label",
        "배송이 빨라요,good",
        "다시는, 안 사요,bad",
        "너무 작아요,bad",
        "좋아요,good",
    )
    lines(
        "one_word.csv",
        "review,label",
        "NA,bad",
        "배송이 빨라요,good",
        "다시는 안 사요,bad",
        "아주 좋아요,good",
        "너무 작아요,bad",
    )
    lines(
        "dirty.csv",
        "review,label",
        "I&#039;m happy,good",
        "  배송이 빨라요 ,good",
        "너무\u200b 작아요,bad",
        "다시는 안 사요,bad",
    )
    labels = ["good", "bad"] * 5 + ["bad   "]
    lines("spaces.csv", "review,label", *(f"{THINGS[at % 8]} {at}번 후기입니다,{one}" for at, one in enumerate(labels)))
    kept, broken = (
        "배송이 빨라요,good\n가격이 착해요,good\n너무 작아요,bad\n".encode(),
        "다시는 안 사요,bad\n".encode("cp949"),
    )
    folder.joinpath("mixed_encodings.csv").write_bytes(
        b"review,label\n" + kept + broken + "소리가 안 나요,bad\n".encode()
    )


def _shop(folder: Path) -> None:
    """Forty rows with what the doctor is to find: a copy, a contradiction, a leak, decomposed Hangul."""
    folder.mkdir()
    rows = [(said.format(thing), label) for thing in THINGS for said, label in SAID]
    test = [
        (text.replace("습니다", "네요").replace("어요", "군요").replace("달라요", "다르네요"), label)
        for text, label in rows[::3]
    ]
    train = [*rows, rows[5], (rows[9][0], "bad"), (unicodedata.normalize("NFD", "택배 아저씨가 친절했어요"), "good")]
    for name, some in (("train", train), ("test", [*test, rows[2]])):
        table(folder / f"{name}.csv", [("review", "label"), *some])
