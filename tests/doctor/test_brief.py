"""Before a training, in brief: said in a few lines, put into the run's data.json, and cheap."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import byeori
from byeori.train.progress import Quiet
from families import Family

WORDS = ["서울", "부산", "대구", "광주", "인천", "울산", "제주", "수원", "창원", "성남"]


class Said(Quiet):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    found = [
        {"text": f"{WORDS[at % 10]} {WORDS[at * 7 % 10]} 여행 {at}", "label": ("좋다", "싫다")[at % 2]}
        for at in range(60)
    ]
    found[10] = dict(found[4])
    found[20] = dict(found[4], label="싫다")
    return found


def test_findings_of_a_training(tmp_path, tiny, rows):
    said = Said()
    test = [
        {"text": rows[2]["text"].upper() + " ", "label": "좋다"},
        *({"text": f"다른 글 {at}", "label": "싫다"} for at in range(20)),
    ]
    run = byeori.train(
        "text-classification", str(tiny("bert")), train=rows, test=test, validation_size=0, output=str(tmp_path / "run"), max_steps=2,
        progress=said, baselines=False, previews=0, precision="float32",
    )  # fmt: skip
    data = json.loads((Path(run.folder.path) / "data.json").read_text(encoding="utf-8"))
    by_kind = {finding["kind"]: finding for finding in data["findings"]}
    assert by_kind["conflicting_labels"]["count"] == 1 and by_kind["conflicting_labels"]["rows"] == [5, 11, 21]
    assert by_kind["duplicate_rows"]["count"] == 2 and by_kind["leakage"]["part"] == "test"
    assert data["verdict"] == "look" and set(data["parts"]) == {"train", "test"}
    told = [line for line in said.lines if "carries different labels" in line or "byeori inspect" in line]
    assert len(told) == 2
    assert run.metrics["training"]["inspect_seconds"] < 1


def test_clean_rows_say_nothing(tmp_path, tiny, rows):
    said = Said()
    clean = [row for at, row in enumerate(rows) if at not in (10, 20)]
    byeori.train(
        "text-classification", str(tiny("bert")), train=clean, validation_size=0, test_size=0, output=str(tmp_path / "run"), max_steps=1,
        progress=said, baselines=False, previews=0, precision="float32",
    )  # fmt: skip
    assert not [line for line in said.lines if "byeori inspect" in line]


def test_brief_is_linear_and_quick(tiny):
    """30,000 rows in well under a second of computing, whatever a training of them takes."""
    from transformers import AutoTokenizer

    from byeori.doctor.brief import brief
    from byeori.tasks import TextClassification
    from byeori.text.encode import Encoder

    tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
    texts = [f"{WORDS[at % 10]} {at}" for at in range(30_000)]
    task = TextClassification()
    given = byeori.api.as_rows({"text": texts, "label": [at % 2 for at in range(30_000)]}, task)
    task.prepare(given)
    store = byeori.encode(given, task, tokenizer, max_length=16)
    assert Encoder(tokenizer, 16)
    began = time.process_time()
    brief({"train": given, "test": given}, {"train": store, "test": store}, task, tokenizer)
    assert time.process_time() - began < 2


def test_tokenized_rows_are_left_alone():
    from types import SimpleNamespace

    from byeori.doctor.brief import brief, lines

    table = SimpleNamespace(column_names=["input_ids", "label"])
    assert brief({"train": SimpleNamespace(table=table)}, {}, None, None) == [] and lines([]) == []  # type: ignore[dict-item, arg-type]


def test_the_rows_that_were_cut_are_named(tiny):
    from transformers import AutoTokenizer

    from byeori.doctor.brief import brief
    from byeori.tasks import TextClassification

    texts = ["하나 둘"] * 3 + ["하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 열하나"] + ["하나"] * 3
    task, tokenizer = TextClassification(), AutoTokenizer.from_pretrained(tiny("bert"))
    rows = byeori.api.as_rows({"text": texts, "label": [at % 2 for at in range(len(texts))]}, task)
    task.prepare(rows)
    store = byeori.encode(rows, task, tokenizer, max_length=8)
    (cut,) = [one for one in brief({"train": rows}, {"train": store}, task, tokenizer) if one.kind == "truncated"]
    assert cut.count == store.truncated == 1 and cut.as_dict()["rows"] == [4]
    assert cut.examples[0]["texts"] == [texts[3]]


def test_a_large_set_is_looked_at_in_blocks(tiny, monkeypatch):
    """With the same findings, unless so many texts occur again that some are left out."""
    import unicodedata

    from transformers import AutoTokenizer

    from byeori.data import mapped
    from byeori.doctor import brief as brief_module
    from byeori.doctor import copied
    from byeori.tasks import TextClassification

    def some(count: int, shift: int) -> dict[str, list[str]]:
        given = [f"{WORDS[at % 10]} {WORDS[at * 7 % 10]} 여행 {at + shift}" for at in range(count)]
        given[5], given[9] = given[2], given[2].upper() + " "
        given[11], given[12] = unicodedata.normalize("NFD", given[11]), "\u4e02\u4e04\u4e05 여행"
        return {"text": given, "label": [("좋다", "싫다")[at % 2] for at in range(count - 1)] + ["드물다"]}

    task, tokenizer = TextClassification(), AutoTokenizer.from_pretrained(tiny("bert"))
    given = {name: some(60, shift) for name, shift in (("train", 0), ("test", 30))}
    given["test"]["text"][:3] = given["train"]["text"][:3]
    rows = {name: byeori.api.as_rows(one, task) for name, one in given.items()}
    task.prepare(rows["train"])
    stores = {name: byeori.encode(one, task, tokenizer, max_length=9) for name, one in rows.items()}

    def found() -> list[dict[str, Any]]:
        return [one.as_dict() for one in brief_module.brief(rows, stores, task, tokenizer)]

    whole = found()
    for module, name, value in (
        (brief_module, "HELD", 0), (copied, "BLOCK", 7), (mapped, "BLOCK", 5), (mapped, "LEAST", 1),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    assert found() == whole
    kinds = {one["kind"] for one in whole}
    assert kinds >= {
        "conflicting_labels",
        "duplicate_rows",
        "leakage",
        "rare_class",
        "decomposed",
        "truncated",
        "unknown_tokens",
    }
    monkeypatch.setattr(copied, "MOST", 40)
    fewer = [one for one in found() if "Counted on one in 2 of the texts" in one["said"]]
    exact = {(one["kind"], one["part"]): one["count"] for one in whole}
    assert fewer and all(0 < one["count"] <= exact[one["kind"], one["part"]] for one in fewer)


def test_leakage_of_sources_with_other_targets_is_seen_in_a_large_set(tiny, monkeypatch):
    from transformers import AutoTokenizer

    from byeori.doctor import brief as brief_module
    from byeori.tasks import Summarization

    task, tokenizer = Summarization(), AutoTokenizer.from_pretrained(tiny("t5"))
    some = [f"{WORDS[at % 10]} {WORDS[at * 7 % 10]} 여행 {at}" for at in range(40)]
    given = {
        "train": {"source": some[:30], "target": [f"하나 {at}" for at in range(30)]},
        "test": {"source": some[25:], "target": [f"둘 {at}" for at in range(15)]},
    }
    rows = {name: byeori.api.as_rows(one, task) for name, one in given.items()}
    model = Family("t5").model("AutoModelForSeq2SeqLM")
    stores = {name: byeori.encode(one, task, tokenizer, model=model) for name, one in rows.items()}
    whole = [one.as_dict() for one in brief_module.brief(rows, stores, task, tokenizer)]
    (leak,) = [one for one in whole if one["kind"] == "leakage"]
    assert leak["count"] == 5
    monkeypatch.setattr(brief_module, "HELD", 0)
    assert [one.as_dict() for one in brief_module.brief(rows, stores, task, tokenizer)] == whole


def test_one_text_over_and_over_is_seen_whatever_its_hash(monkeypatch):
    from byeori.doctor import brief as brief_module
    from byeori.doctor import copied
    from byeori.tasks import TextClassification

    monkeypatch.setattr(brief_module, "HELD", 0)
    monkeypatch.setattr(copied, "MOST", 40)
    monkeypatch.setattr(copied, "OF_ONE", 50)
    for text in ("좋아요", "별로예요", "그저 그래요", "최고!"):
        task = TextClassification()
        texts = [text] * 100 + [f"{WORDS[at % 10]} {at}" for at in range(30)]
        rows = byeori.api.as_rows({"text": texts, "label": [str(at % 2) for at in range(130)]}, task)
        found = {one.kind: one for one in brief_module._streamed({"train": rows}, "single_label") or [] if one}
        assert found["duplicate_rows"].count == 49 and "Of each text 50 rows" in found["duplicate_rows"].said
        assert "conflicting_labels" in found


def test_numbers_near_each_other_are_no_contradiction_in_a_large_set_either(monkeypatch):
    from byeori.doctor import brief as brief_module
    from byeori.tasks import TextClassification

    task = TextClassification(problem_type="regression")
    texts = [f"{WORDS[at % 10]} {at}" for at in range(60)]
    numbers = [float(at % 6) for at in range(60)]
    texts[31], numbers[30], numbers[31] = texts[30], 2.0, 2.4
    rows = {"train": byeori.api.as_rows({"text": texts, "label": numbers}, task)}
    held, streamed = brief_module._held(rows, "regression"), brief_module._streamed(rows, "regression")
    levels = [
        [one.level for one in some or [] if one and one.kind == "conflicting_labels"] for some in (held, streamed)
    ]
    assert levels[0] == levels[1] and len(levels[0]) == 1
