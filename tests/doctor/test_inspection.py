"""Each kind of finding on a few invented rows: counted and named exactly, and not found where it isn't."""

from __future__ import annotations

import json
import unicodedata
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.doctor import findings
from byeori.doctor.findings import KINDS, LEVELS
from byeori.doctor.inspection import Inspection

WORDS = [
    "가을",
    "나무",
    "바다",
    "사람",
    "이름",
    "노래",
    "하늘",
    "시간",
    "마음",
    "소리",
    "여행",
    "친구",
    "아침",
    "저녁",
    "강물",
    "구름",
    "별빛",
    "바람",
    "들판",
    "숲길",
]


def reviews(number: int) -> list[dict[str, Any]]:
    """Different sentences with two labels by turns."""
    rng = np.random.default_rng(0)
    rows = []
    for at in range(number):
        words = " ".join(WORDS[i] for i in rng.permutation(len(WORDS))[:8])
        rows.append({"text": f"{words} {at}번 이야기", "label": ("긍정", "부정")[at % 2]})
    return rows


def look(rows: Any, **settings: Any) -> Inspection:
    return byeori.inspect(rows, **{"task": "text-classification", "doubt": False, **settings})


def found(inspection: Inspection, kind: str) -> list[dict[str, Any]]:
    return [one for one in inspection.findings if one["kind"] == kind]


def one(inspection: Inspection, kind: str) -> dict[str, Any]:
    (finding,) = found(inspection, kind)
    return finding


def test_clean_rows_are_ready():
    inspection = look(reviews(60))
    assert inspection.verdict == "ready"
    assert [f for f in inspection.findings if f["level"] != "note"] == []
    assert inspection.data["rows"] == 60 and inspection.data["bad_rows"] == 0
    assert inspection.data["parts"]["train"]["labels"] == {
        "problem_type": "single_label",
        "counts": {"긍정": 30, "부정": 30},
    }


def test_schema():
    rows = reviews(60)
    rows[5]["text"] = rows[4]["text"]
    data = look({"train": rows[:50], "test": rows[50:]}).data
    assert list(data) == [
        "source", "task", "model", "rows", "bad_rows", "files", "columns", "other_columns", "notes", "parts", "findings", "estimate",
        "verdict", "seconds",
    ]  # fmt: skip
    assert json.loads(json.dumps(data, ensure_ascii=False)) == data
    assert list(data["parts"]) == ["train", "test"]
    for part in data["parts"].values():
        assert list(part) == ["rows", "labels", "characters", "tokens", "scripts", "languages"]
        assert part["tokens"] is None
        sizes = part["characters"]["text"]
        assert list(sizes) == ["min", "mean", "median", "p90", "p99", "max", "histogram"]
        assert len(sizes["histogram"]["edges"]) == len(sizes["histogram"]["counts"]) + 1
        assert sum(sizes["histogram"]["counts"]) == part["rows"]
    for finding in data["findings"]:
        assert list(finding) == ["kind", "level", "part", "count", "rows", "said", "advice", "examples"]
        assert finding["kind"] in KINDS and finding["level"] in LEVELS
        assert len(finding["rows"]) <= 5 and len(finding["examples"]) <= 20
        assert finding["said"].endswith((".", "?")) and finding["advice"].endswith(".") and "\n" not in finding["said"]


def test_lengths_are_those_of_the_texts():
    rows = reviews(40)
    lengths = np.array([len(row["text"]) for row in rows])
    sizes = look(rows).data["parts"]["train"]["characters"]["text"]
    assert (sizes["min"], sizes["max"]) == (lengths.min(), lengths.max())
    assert sizes["mean"] == pytest.approx(lengths.mean(), abs=0.01)
    assert (sizes["median"], sizes["p90"]) == pytest.approx(np.percentile(lengths, (50, 90)), abs=0.01)


def test_duplicates_and_conflicts():
    rows = reviews(60)
    rows[10] = dict(rows[3], label=rows[3]["label"])  # the same text and label
    rows[20] = dict(rows[3], label="부정" if rows[3]["label"] == "긍정" else "긍정")
    rows[30] = {"text": rows[31]["text"], "label": rows[30]["label"]}
    inspection = look(rows)
    copies = one(inspection, "duplicate_rows")
    assert copies["count"] == 3 and copies["rows"] == [11, 21, 32]
    conflict = one(inspection, "conflicting_labels")
    assert conflict["count"] == 2 and conflict["rows"] == [4, 11, 21, 31, 32]
    assert conflict["examples"][0]["rows"] == [4, 11, 21] and conflict["examples"][0]["texts"] == [rows[3]["text"]]
    assert '2 × "' in conflict["said"] and inspection.verdict == "look"


def test_pairs_are_copies_by_both_texts():
    rows = [{"text": f"문장 하나 {i % 10}", "text_pair": f"다른 문장 {i}", "label": str(i % 2)} for i in range(40)]
    assert not found(look(rows), "duplicate_rows")
    rows[7] = dict(rows[6], label="1" if rows[6]["label"] == "0" else "0")
    inspection = look(rows)
    assert one(inspection, "duplicate_rows")["rows"] == [8] and one(inspection, "conflicting_labels")["rows"] == [7, 8]


def test_leakage_minds_neither_spaces_nor_case():
    rows = reviews(80)
    test = [dict(row) for row in rows[60:]]
    test[0]["text"] = rows[5]["text"]
    test[4] = {
        "text": "  " + rows[6]["text"].replace(" ", "  "),
        "label": "긍정" if rows[6]["label"] == "부정" else "부정",
    }
    test[9]["text"] = unicodedata.normalize("NFD", rows[7]["text"])
    inspection = look(rows[:60], test=test)
    leak = one(inspection, "leakage")
    assert (leak["part"], leak["count"], leak["rows"], leak["level"]) == ("test", 3, [1, 5, 10], "stop")
    assert "1 of them letter for letter" in leak["said"] and "with another label" in leak["said"]
    assert leak["examples"][0]["rows"] == [1, 6]
    assert inspection.verdict == "stop" and inspection.stops() == ["leakage"]


def test_near_copies():
    rows = reviews(60)
    rows[40]["text"] = rows[12]["text"] + "!!"
    test = [dict(row) for row in reviews(100)[80:]]
    test[3]["text"] = rows[20]["text"].replace("이야기", "이야기들")
    inspection = look(rows, test=test)
    near = one(inspection, "near_duplicates")
    assert near["count"] == 1 and near["rows"] == [41] and near["examples"][0]["rows"] == [13, 41]
    leak = one(inspection, "near_leakage")
    assert leak["count"] == 1 and leak["rows"] == [4] and leak["examples"][0]["rows"] == [4, 21]
    assert not found(look(rows, test=test, near=False), "near_leakage")


def test_empty_rows_and_missing_labels_stop_unless_they_are_dropped():
    rows = reviews(40)
    rows[3]["text"], rows[8]["text"] = "  ", None
    rows[5]["label"] = None
    inspection = look(rows)
    assert one(inspection, "empty")["rows"] == [4, 9] and one(inspection, "empty_labels")["rows"] == [6]
    assert inspection.verdict == "stop"
    assert inspection.data["rows"] == 40 and inspection.data["parts"]["train"]["rows"] == 37
    dropped = look(rows, drop_empty=True, drop_empty_labels=True)
    assert {one(dropped, kind)["level"] for kind in ("empty", "empty_labels")} == {"note"}
    assert dropped.verdict == "ready"


def test_unseen_characters():
    rows = reviews(50)
    rows[1]["text"] += "\x07"
    rows[2]["text"] = rows[2]["text"].replace(" ", " \u200b", 1)
    rows[3]["text"] += "\ufffd"
    rows[4]["text"] = "안녕하세요 여러분".encode().decode("latin-1") + " " + rows[4]["text"][:0]
    rows[5]["text"] = unicodedata.normalize("NFD", rows[5]["text"])
    rows[6]["text"] = "<br>" + rows[6]["text"] + " &amp; 끝"
    inspection = look(rows)
    # of UTF-8 read as Latin-1, half the characters are controls as well
    assert one(inspection, "control_characters")["rows"] == [2, 5]
    assert one(inspection, "zero_width")["rows"] == [3]
    assert one(inspection, "encoding")["rows"] == [4, 5]
    assert one(inspection, "decomposed")["rows"] == [6] and "jamo" in one(inspection, "decomposed")["said"]
    assert one(inspection, "markup")["rows"] == [7]
    assert "\\u200b" in one(inspection, "zero_width")["examples"][0]["texts"][0]


def test_utf8_that_was_read_as_cp949():
    rows = reviews(40)
    rows[9]["text"] = "모토로라 충전기 좋아요".encode().decode("cp949", "ignore")
    rows[10]["text"] = "大韓民國의 헌법은 國民이 만든다"  # Hanja beside Hangul is no mistake
    assert one(look(rows), "encoding")["rows"] == [10]


def test_joiners_inside_emoji_are_no_finding():
    rows = reviews(40)
    rows[0]["text"] += " 👨‍👩‍👧"
    assert not found(look(rows), "zero_width")


def test_placeholders_and_signs():
    rows = reviews(60)
    rows[0]["text"], rows[1]["text"], rows[2]["text"] = "NS", " n/a ", "…!!"
    inspection = look(rows)
    assert one(inspection, "placeholders")["rows"] == [1, 2] and one(inspection, "wordless")["rows"] == [3]


def test_boilerplate():
    rows = reviews(100)
    for row in rows[:30]:
        row["text"] += " 이 글은 네이버 블로그에서 자동으로 발송되었습니다."
    finding = one(look(rows), "boilerplate")
    assert finding["count"] == 30 and finding["rows"] == [1, 2, 3, 4, 5] and "end" in finding["said"]
    assert finding["examples"][0]["texts"][0].endswith("이 글은 네이버 블로그에서 자동으로 발송되었습니다.")


def test_rows_in_another_script():
    rows = reviews(60)
    rows[7]["text"] = "This one was written in English, alone"
    rows[8]["text"] = "삼성 Galaxy S24 Ultra 5G Titanium Gray"  # names among Korean words are Korean
    inspection = look(rows)
    assert one(inspection, "mixed_scripts")["rows"] == [8]
    part = inspection.data["parts"]["train"]
    assert part["languages"]["ko"] == pytest.approx(58 / 60, abs=1e-6) and "en" in part["languages"]
    assert sum(part["scripts"].values()) == pytest.approx(1, abs=1e-4)


def test_rare_and_uneven_classes():
    rows = [dict(row, label="긍정") for row in reviews(300)]
    for at in range(10, 20):
        rows[at]["label"] = "부정"
    rows[100]["label"] = "모름"
    inspection = look(rows)
    rare = one(inspection, "rare_class")
    assert rare["count"] == 1 and rare["rows"] == [101] and "모름" in rare["said"]
    assert one(inspection, "imbalance")["count"] == 289 and one(inspection, "imbalance")["level"] == "look"


def test_similar_labels():
    rows = reviews(60)
    rows[7]["label"] = rows[7]["label"] + "  "
    merged = one(look(rows), "similar_labels")
    assert merged["rows"] == [8] and merged["level"] == "note"
    rows[9]["label"] = "부정."
    inspection = look(rows)
    apart = one(inspection, "similar_labels")
    assert apart["level"] == "look" and 10 in apart["rows"]


def test_one_label_for_all_stops():
    inspection = look([dict(row, label="같음") for row in reviews(30)])
    assert one(inspection, "constant_label")["level"] == "stop" and inspection.verdict == "stop"


def test_labels_that_are_texts_stop_in_the_words_of_training():
    rows = [dict(row, label=row["text"][::-1]) for row in reviews(30)]
    assert "looks like text" in one(look(rows), "unusable_labels")["said"]


def test_regression():
    rng = np.random.default_rng(1)
    rows = [
        dict(row, label=round(float(value), 3)) for row, value in zip(reviews(80), rng.normal(3, 1, 80), strict=True)
    ]
    rows[11]["label"] = 999.5
    inspection = look(rows)
    assert one(inspection, "label_outliers")["rows"] == [12]
    told = inspection.data["parts"]["train"]["labels"]
    assert told["problem_type"] == "regression"
    assert told["mean"] == pytest.approx(np.mean([row["label"] for row in rows]), abs=1e-5)
    assert sum(told["histogram"]["counts"]) == 80


def test_several_labels():
    rows = [dict(row, label=["가", "나"] if at % 3 else []) for at, row in enumerate(reviews(60))]
    rows[50] = dict(rows[49], label=["가"])
    inspection = look(rows)
    assert inspection.data["parts"]["train"]["labels"]["counts"] == {"가": 40, "나": 39}
    assert one(inspection, "conflicting_labels")["rows"] == [50, 51]


def test_text_that_says_its_label():
    rows = [dict(row, text=f"[{row['label']}] {row['text']}") for row in reviews(60)]
    for row in rows:
        row["label"] = {"긍정": "positive", "부정": "negative"}[row["label"]]
        row["text"] = row["text"].replace("긍정", "positive").replace("부정", "negative")
    assert one(look(rows), "giveaway")["level"] == "stop"


def test_other_columns():
    rows = [
        dict(row, uid=f"r{at:04d}", source="web", says={"긍정": "A", "부정": "B"}[row["label"]])
        for at, row in enumerate(reviews(60))
    ]
    inspection = look(rows)
    assert inspection.data["other_columns"] == ["uid", "source", "says"]
    assert '"uid"' in one(inspection, "id_column")["said"] and '"source"' in one(inspection, "constant_column")["said"]
    assert '"says"' in one(inspection, "giveaway")["said"] and one(inspection, "giveaway")["level"] == "note"


def test_ids_read_as_texts_stop():
    rows = [{"code": f"A-{at:05d}", "label": str(at % 2)} for at in range(60)]
    assert one(look(rows, text="code"), "id_column")["level"] == "stop"


def test_a_part_that_differs_from_training():
    train, test = reviews(400), reviews(400)
    for at, row in enumerate(test):
        row["label"] = "긍정" if at % 5 else "부정"
        row["text"] = f"갤럭시 휴대폰 배터리 화면 카메라 이어폰 {at}" + row["text"]
    inspection = look(train, test=test)
    said = [one["said"] for one in found(inspection, "shift")]
    assert len(said) == 3
    assert '"긍정" is 50% of training and 80% of test' in said[0]
    assert any("longer" in one for one in said) and any("AUC of 1.00" in one for one in said)
    assert not found(look(train[:200], test=reviews(400)[200:]), "shift")


def test_cohens_w_is_that_of_the_table():
    from scipy.stats import chi2_contingency

    from byeori.doctor.parts import Part
    from byeori.doctor.splits import _labels

    part = Part("test", *[None] * 3)  # type: ignore[arg-type]
    theirs, ours = ["a"] * 300 + ["b"] * 200 + ["c"] * 100, ["a"] * 50 + ["b"] * 80 + ["c"] * 40
    finding = _labels(part, part, theirs, ours)
    table = [[300, 200, 100], [50, 80, 40]]
    p = chi2_contingency(table, correction=False).pvalue
    assert finding is not None and f"p {p:.1g}" in finding.said


def test_labels_that_training_lacks():
    test = reviews(30)
    test[4]["label"] = "중립"
    finding = one(look(reviews(60), test=test), "unknown_labels")
    assert finding["rows"] == [5] and finding["level"] == "stop"


def test_second_text_that_tells_the_label_alone():
    rng = np.random.default_rng(0)
    rows = []
    for at in range(600):
        word = ("절대 아니다", "그럴 수도 있다", "정말 그렇다")[at % 3]
        rows.append(
            {
                "text": f"전제 {rng.integers(1e9)}",
                "text_pair": f"{WORDS[rng.integers(20)]} {word}",
                "label": str(at % 3),
            }
        )
    assert one(look(rows), "hypothesis_only")["count"] > 90


def test_same_object_for_the_same_rows():
    rows = reviews(60)
    first, second = (look(rows).data for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_verdict_and_what_a_script_stops_for():
    rows = [{"kind": "leakage", "level": "look"}, {"kind": "empty", "level": "note"}]
    assert findings.stops(rows) == []
    assert findings.stops(rows, findings.failing("empty")) == ["empty"]
    assert findings.stops(rows, findings.failing("look")) == ["leakage"]
    assert findings.stops(rows, findings.failing("note")) == ["leakage", "empty"]
    assert findings.stops([{"kind": "empty", "level": "stop"}]) == ["empty"]
    with pytest.raises(byeori.SettingError, match="Did you mean duplicate_rows"):
        findings.failing("duplicates_rows")


def test_rows_of_python_and_a_splitted_source():
    rows = reviews(60)
    inspection = look({"train": rows[:40], "validation": rows[40:50], "test": rows[50:]})
    assert list(inspection.data["parts"]) == ["train", "validation", "test"]
    assert inspection.data["rows"] == 60


def test_settings_nobody_knows():
    with pytest.raises(byeori.SettingError, match="labl"):
        look(reviews(30), labl="x")


def test_plain_object_for_what_is_asked():
    """The core takes any object with attributes, as reading does."""
    from byeori.doctor.inspection import inspect
    from byeori.tasks import TextClassification

    inspection = inspect(reviews(30), TextClassification(), asked=SimpleNamespace(), near=False, doubt=False)
    assert inspection.data["task"] == "text-classification"
