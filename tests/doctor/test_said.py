"""What findings say: sentences that show the very thing, rows that name their file, advice that fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import byeori
from byeori.doctor.findings import numbered
from byeori.doctor.inspection import Inspection
from byeori.doctor.parts import apart
from byeori.report.inspection_facts import example_rows, model_name
from byeori.report.inspection_lines import lines
from byeori.report.inspection_page import page

WORDS = (
    "river",
    "mountain",
    "kitchen",
    "engine",
    "garden",
    "letter",
    "window",
    "bridge",
    "forest",
    "meadow",
    "harbour",
)


def sentence(at: int) -> str:
    return " ".join(WORDS[i] for i in np.random.default_rng(at).permutation(len(WORDS))[:7]) + f" {at}"


def look(rows: Any, task: str = "text-classification", **settings: Any) -> Inspection:
    return byeori.inspect(rows, task=task, **{"doubt": False, "near": False, **settings})


def one(inspection: Inspection, kind: str) -> dict[str, Any]:
    (finding,) = [finding for finding in inspection.findings if finding["kind"] == kind]
    return finding


def test_two_texts_are_shown_from_where_they_differ():
    start = "a beginning that both of them have in common, word by word, "
    first, second = apart(start + "then one thing", start + "then another")
    assert (
        first != second and first.startswith("…") and first.endswith("one thing") and max(len(first), len(second)) <= 40
    )
    assert apart("Who died?", "Who died? ") == ("Who died?", "Who died? ")
    assert apart("one", "two") == ("one", "two")


def test_near_copies_of_pairs_show_the_side_that_differs():
    rows = [{"text": sentence(i), "text_pair": sentence(i + 100), "label": i % 2} for i in range(20)]
    rows.append({**rows[3], "text_pair": rows[3]["text_pair"] + "!"})
    said = one(look(rows, near=True), "near_duplicates")["said"]
    assert rows[3]["text_pair"][-6:] + '" and ' in said and rows[3]["text_pair"][-6:] + '!"' in said


def test_the_side_with_the_finding_is_shown():
    rows = [{"text": sentence(i), "text_pair": sentence(i + 100), "label": i % 2} for i in range(20)]
    rows[4]["text_pair"] = "-----"
    rows[7]["text_pair"] = sentence(7) + " and at the very end\u200b of it"
    rows[9]["text_pair"] = sentence(9) + " and at the end <br /> of it"
    inspection = look(rows)
    assert one(inspection, "wordless")["said"].endswith('row 5: "-----".')
    assert "\\u200b" in one(inspection, "zero_width")["said"]
    assert one(inspection, "markup")["said"].count("<br />") == 2


def test_numbers_that_hardly_differ_are_no_contradiction():
    """The mean of five raters is 4.9 here and 5.0 there: the least that can be said of it is a note."""
    rows = [{"text": sentence(i), "label": float(i % 6) + 0.5} for i in range(60)]
    close = [*rows, {"text": rows[4]["text"], "label": rows[4]["label"] + 0.25}]
    finding = one(look(close), "conflicting_labels")
    assert (finding["level"], finding["count"], finding["rows"]) == ("note", 1, [5, 61])
    far = [*close, {"text": rows[0]["text"], "label": 5.5}]
    finding = one(look(far), "conflicting_labels")
    assert (
        finding["level"] == "look" and '"0.5"' in finding["said"] and '"5.5"' in finding["said"]
    )  # the farthest first


def test_answers_that_hold_one_another_agree():
    def asked(*answers: str) -> list[dict[str, Any]]:
        context = "It was built in 1886 by Gustave Eiffel and others of Paris."
        return [
            {"question": "When?", "context": context, "answers": {"text": [one], "answer_start": [context.index(one)]}}
            for one in answers
        ]

    kinds = [f["kind"] for f in look(asked("1886", "in 1886"), "question-answering").findings]
    assert "conflicting_labels" not in kinds
    finding = one(look(asked("1886", "in 1886", "Gustave Eiffel"), "question-answering"), "conflicting_labels")
    assert '"1886" and "Gustave Eiffel"' in finding["said"]
    assert finding["examples"][0]["more"] == "1886 | in 1886 | Gustave Eiffel"


@pytest.fixture
def folder(tmp_path):
    """Two files of one part: row 2 of the second repeats row 1 of the first, and row 3 is empty."""
    for name, texts in (("a.tsv", range(3)), ("b.tsv", (10, 0, None, 11))):
        rows = [f"{'' if i is None else sentence(i)}\t{n % 2}" for n, i in enumerate(texts)]
        (tmp_path / name).write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")
    return tmp_path


def test_rows_of_several_files_name_theirs(folder):
    inspection = look(str(folder))
    copies, empty = one(inspection, "duplicate_rows"), one(inspection, "empty")
    assert (copies["rows"], copies["files"]) == ([2], ["b.tsv"])
    assert (copies["examples"][0]["rows"], copies["examples"][0]["files"]) == ([1, 2], ["a.tsv", "b.tsv"])
    assert (empty["rows"], empty["files"]) == ([3], ["b.tsv"])
    assert example_rows(copies["examples"][0]) == "a.tsv 1; b.tsv 2" and example_rows({"rows": [3, 9]}) == "3, 9"
    assert "a.tsv 1; b.tsv 2" in page(inspection.data)
    alone = look(str(folder / "b.tsv"))
    assert "files" not in one(alone, "empty") and numbered([3]) == {"rows": [3]}


def test_a_byte_order_mark_is_no_other_encoding(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_text("text,label\n" + "".join(f"{sentence(i)},{i % 2}\n" for i in range(20)), encoding="utf-8-sig")
    inspection = look(str(path))
    assert inspection.data["files"][0]["encoding"] == "utf-8-sig"
    assert not [f for f in inspection.findings if f["kind"] == "encoding"]


def test_a_model_that_cannot_do_the_task_stops(tiny):
    rows = [{"source": sentence(i), "target": f"문장 하나 {i}"} for i in range(10)]
    inspection = look(rows, "translation", model=str(tiny("bert", auto="AutoModel")))
    stop = [f for f in inspection.findings if f["level"] == "stop" and f["kind"] == "contract"]
    assert len(stop) == 1 and "no head for translation" in stop[0]["said"]
    assert inspection.verdict == "stop" and inspection.data["estimate"] is None


def test_rows_that_become_windows_are_not_said_to_be_cut(tiny):
    rows = [{"text": " ".join(["hello number", *map(str, range(40))]), "label": i % 2} for i in range(4)]
    model = str(tiny("bert", auto="AutoModel"))
    assert any(line.startswith("rows cut at 16") for line in lines(look(rows, model=model, max_length=16).data))
    only = [{"text": row["text"] + str(i)} for i, row in enumerate(rows)]
    assert any(
        line.startswith("rows over 16") for line in lines(look(only, "fill-mask", model=model, max_length=16).data)
    )


def test_the_model_of_a_run_is_called_after_the_run():
    assert (
        model_name({"model": "runs/nsmc/model"}) == "nsmc"
        and model_name({"model": "klue/bert-base"}) == "klue/bert-base"
    )
