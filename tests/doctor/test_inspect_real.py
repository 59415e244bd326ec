"""What is known to be wrong with public data sets comes out, with its exact counts and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import byeori
from byeori.doctor.inspection import Inspection

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not here")


def look(name: str, **settings: Any) -> Inspection:
    return byeori.inspect(str(DATA / name), **{"near": False, "doubt": False, **settings})


def one(inspection: Inspection, kind: str, part: str = "train") -> dict[str, Any]:
    (finding,) = [f for f in inspection.findings if f["kind"] == kind and f["part"] == part]
    return finding


def test_nsmc():
    """440 rows repeat a text, 33 texts carry both labels; one row is UTF-8 that was read as CP949."""
    inspection = look("nsmc/nsmc_30k.txt")
    lines = [
        line.rsplit("\t", 1)
        for line in (DATA / "nsmc" / "nsmc_30k.txt").read_text(encoding="utf-8").split("\n")[1:]
        if line
    ]
    labels: dict[str, set[str]] = {}
    for text, label in lines:
        labels.setdefault(text, set()).add(label)
    assert inspection.data["rows"] == len(lines) == 29_999 and inspection.data["bad_rows"] == 0
    assert one(inspection, "duplicate_rows")["count"] == len(lines) - len(labels) == 440
    assert one(inspection, "conflicting_labels")["count"] == sum(len(some) > 1 for some in labels.values()) == 33
    first = next(at for at, (text, _) in enumerate(lines, 1) if len(labels[text]) > 1)
    assert one(inspection, "conflicting_labels")["rows"][0] == first
    assert one(inspection, "encoding")["rows"] == one(inspection, "decomposed")["rows"] == [9529]
    assert one(inspection, "zero_width")["rows"] == [21591]
    assert inspection.verdict == "look"


def test_chatbot():
    """One label is "2" with three spaces behind it."""
    inspection = look("chatbot/ChatbotData.csv", task="text-classification", text="Q", label="label")
    finding = one(inspection, "similar_labels")
    assert finding["rows"] == [10_677] and '"2   " (1)' in finding["said"]
    assert inspection.data["parts"]["train"]["labels"]["counts"] == {"0": 5290, "1": 3570, "2": 2963}
    assert one(look("chatbot/ChatbotData.csv"), "similar_labels")["rows"] == [10_677], (
        "also where the label is not read"
    )


def test_pawsx():
    """NS stands for sentences that were not translated."""
    rows = [
        line.split("\t")
        for line in (DATA / "pawsx_ko" / "dev_2k.tsv").read_text(encoding="utf-8").split("\n")[1:]
        if line
    ]
    at = [place for place, row in enumerate(rows, 1) if "ns" in (row[1].strip().lower(), row[2].strip().lower())]
    finding = one(look("pawsx_ko/dev_2k.tsv"), "placeholders")
    assert finding["count"] == len(at) == 36 and finding["rows"] == at[:5]


def test_korean_hate_speech():
    """Labels of dev are spread otherwise than those of train."""
    inspection = look("korean_hate_speech", label="hate")
    finding = one(inspection, "shift", "validation")
    assert finding["level"] == "look" and '"none" is 44% of training and 34% of validation' in finding["said"]
    assert {name: part["rows"] for name, part in inspection.data["parts"].items()} == {"train": 7896, "validation": 471}


def test_kornli():
    """Quotes inside texts cost no row; two texts of dev and test carry two labels."""
    inspection = look("kornli")
    assert {name: part["rows"] for name, part in inspection.data["parts"].items()} == {"validation": 2490, "test": 5010}
    assert inspection.data["rows"] == 7500 and inspection.data["bad_rows"] == 0
    assert one(inspection, "conflicting_labels", "validation")["rows"] == [2390, 2391]
    assert one(inspection, "conflicting_labels", "test")["rows"] == [2902, 2903]


def test_curse_detection():
    """A text holds the separator."""
    inspection = look("curse_detection/dataset.txt")
    finding = one(inspection, "separator_in_text")
    assert finding["count"] == 1 and finding["rows"] == [456]
    assert inspection.data["rows"] == 5825 and set(inspection.data["parts"]["train"]["labels"]["counts"]) == {"0", "1"}


def test_news():
    """Lines of the news corpus that are no translation of one another."""
    inspection = look("ko_en_news")
    assert inspection.data["task"] == "translation" and inspection.data["rows"] == 3000
    test = {row for example in one(inspection, "misaligned_pairs", "test")["examples"] for row in example["rows"]}
    assert {29, 110, 120, 174, 470} <= test  # "번역 :"; 11,444,638 for 11,445,638; "어휘 : 번역 :"; a half; an address
    dev = {row for example in one(inspection, "misaligned_pairs", "validation")["examples"] for row in example["rows"]}
    assert {156, 823, 833, 962, 988} <= dev
    assert one(inspection, "misaligned_pairs", "test")["count"] < 50


def test_jhe_and_tatoeba():
    """1960 for 1966, and nothing else in five thousand pairs."""
    jhe = [f for f in look("ko_en_jhe").findings if f["kind"] == "misaligned_pairs"]
    assert [(f["part"], f["rows"]) for f in jhe] == [("test", [360])]
    assert not [f for f in look("ko_en_tatoeba/kor.txt").findings if f["kind"] == "misaligned_pairs"]


def test_korsts_and_question_pairs_leak():
    korsts = look("korsts")
    assert one(korsts, "leakage", "validation")["rows"] == [10, 139, 1371]
    assert korsts.data["parts"]["train"]["labels"]["problem_type"] == "regression"
    pairs = look("question_pair")
    assert one(pairs, "leakage", "test")["count"] == 10
    assert '"0" is 69% of training and 52% of test' in one(pairs, "shift", "test")["said"]


def test_questions_and_tags():
    squad = look("squad2/dev-v2.0.json")
    assert squad.data["rows"] == 6078 and one(squad, "no_answer")["count"] == 3168
    assert one(squad, "conflicting_labels")["rows"] == [1242, 1247, 1486, 1491]
    wnut = look("wnut17/wnut17train.conll")
    assert wnut.data["task"] == "token-classification" and wnut.data["rows"] == 3394
    assert one(wnut, "conflicting_labels")["count"] == 11
    assert wnut.data["parts"]["train"]["labels"]["counts"]["person"] == 660


def test_other_encodings_are_said(tmp_path):
    text = "\n".join((DATA / "nsmc" / "nsmc_30k.txt").read_text(encoding="utf-8").split("\n")[:200]) + "\n"
    for encoding in ("cp949", "utf-16"):
        path = tmp_path / f"{encoding}.txt"
        path.write_bytes(text.encode(encoding))
        inspection = byeori.inspect(str(path), near=False, doubt=False)
        finding = one(inspection, "encoding")
        assert finding["level"] == "note" and finding["count"] == 199 and f"{encoding}.txt is" in finding["said"]
