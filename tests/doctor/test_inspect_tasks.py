"""What only some tasks have: tags, answers, choices, two languages, documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import byeori
from byeori.doctor.inspection import Inspection


def look(rows: Any, task: str, **settings: Any) -> Inspection:
    return byeori.inspect(rows, task=task, **{"doubt": False, "near": False, **settings})


def one(inspection: Inspection, kind: str) -> dict[str, Any]:
    (finding,) = [finding for finding in inspection.findings if finding["kind"] == kind]
    return finding


def kinds(inspection: Inspection) -> set[str]:
    return {finding["kind"] for finding in inspection.findings}


# tags -----------------------------------------------------------------------------------------------------------------
def tagged(number: int) -> list[dict[str, Any]]:
    return [
        {"tokens": ["나는", "서울", "역", "에", f"{at}번"], "tags": ["O", "B-LOC", "I-LOC", "O", "O"]}
        for at in range(number)
    ]


def test_tags_are_counted_by_entity():
    rows = tagged(20)
    rows[3]["tags"] = ["O", "B-PER", "I-PER", "O", "O"]
    inspection = look(rows, "token-classification")
    assert inspection.data["parts"]["train"]["labels"] == {"problem_type": "tags", "counts": {"LOC": 19, "PER": 1}}
    assert '"PER" (1)' in one(inspection, "rare_class")["said"]


def test_tags_that_nothing_begins_and_sentences_tagged_twice():
    rows = tagged(20)
    rows[4]["tags"] = ["O", "I-LOC", "I-LOC", "O", "O"]
    rows[7] = dict(rows[6], tags=["O"] * 5)
    inspection = look(rows, "token-classification")
    assert one(inspection, "tag_slips")["rows"] == [5]
    assert one(inspection, "conflicting_labels")["rows"] == [7, 8]
    assert one(inspection, "duplicate_rows")["rows"] == [8]


def test_words_that_are_tagged_otherwise_now_and_then():
    rows = tagged(40)
    rows[9]["tags"] = ["O", "B-ORG", "I-LOC", "O", "O"]
    finding = one(look(rows, "token-classification"), "inconsistent_tags")
    assert finding["count"] == 1 and "서울" in finding["said"] and "B-ORG" in finding["said"]


def test_entities_of_texts():
    rows = [{"text": f"서울 역 {at}번", "entities": [{"start": 0, "end": 2, "label": "LOC"}]} for at in range(12)]
    rows[0]["entities"] = [{"start": 0, "end": 40, "label": "LOC"}]
    inspection = look(rows, "token-classification")
    assert one(inspection, "bad_rows")["rows"] == [1] and inspection.verdict == "stop"
    assert inspection.data["parts"]["train"]["labels"]["counts"] == {"LOC": 11}


# answers --------------------------------------------------------------------------------------------------------------
def asked(number: int) -> list[dict[str, Any]]:
    return [
        {
            "question": f"Who wrote book {at}?",
            "context": f"Kim wrote book {at} in Seoul.",
            "answers": {"text": ["Kim"], "answer_start": [0]},
        }
        for at in range(number)
    ]


def test_questions():
    rows = asked(20)
    rows[2]["answers"] = {"text": [], "answer_start": []}
    rows[5] = dict(rows[4], answers={"text": ["Seoul"], "answer_start": [rows[4]["context"].index("Seoul")]})
    rows[8]["answers"] = {"text": ["Lee"], "answer_start": [0]}  # it doesn't stand there
    long = "word " * 40
    rows[9] = {"question": "What?", "context": long + "end", "answers": {"text": [long.strip()], "answer_start": [0]}}
    inspection = look(rows, "question-answering")
    assert one(inspection, "no_answer")["rows"] == [3]
    assert one(inspection, "conflicting_labels")["rows"] == [5, 6]
    assert one(inspection, "bad_rows")["rows"] == [9]
    assert one(inspection, "long_answers")["rows"] == [10]
    assert inspection.data["rows"] == 20 and inspection.data["bad_rows"] == 1


def test_choices():
    rng = np.random.default_rng(0)
    rows = []
    for at in range(120):
        right = 1 if at % 10 else int(rng.integers(0, 4))
        choices = [f"choice {i} {'x' * (i + 1)}" for i in range(4)]
        choices[right] += " that is by far the longest of them"
        rows.append({"text": f"question {at}", "choices": choices, "label": right})
    rows[7]["choices"] = ["a", "a", "b", "c"]
    inspection = look(rows, "multiple-choice")
    counts = inspection.data["parts"]["train"]["labels"]["counts"]
    assert counts["1"] == one(inspection, "label_position")["count"] >= 100
    assert one(inspection, "longest_choice")["count"] == 119
    assert one(inspection, "repeated_choices")["rows"] == [8]


# two sides ------------------------------------------------------------------------------------------------------------
def pairs(number: int) -> list[dict[str, str]]:
    return [
        {
            "ko": f"이것은 번역할 문장 {1001 + at}번이고 그리 길지 않다",
            "en": f"this is sentence {1001 + at} to be translated, it is not long",
        }
        for at in range(number)
    ]


def test_pairs_that_are_no_translation():
    rows = pairs(60)
    rows[5]["en"] = "this is sentence 7777 to be translated, it is not long"
    rows[9]["en"] = "이것은 번역되지 않고 그대로 남은 문장이다"
    rows[12]["en"] = rows[12]["en"] + " and goes on and on with something that was never said" * 8
    rows[20]["en"] = rows[20]["ko"]
    inspection = look(rows, "translation")
    finding = one(inspection, "misaligned_pairs")
    assert finding["rows"] == [6, 10, 13, 21] and finding["count"] == 4
    assert one(inspection, "same_sides")["rows"] == [21]
    reasons = {example["rows"][0]: example["more"] for example in finding["examples"]}
    assert "7777" in reasons[6] and "hangul" in reasons[10] and "characters" in reasons[13]


def test_numbers_that_are_written_in_words_of_their_language_are_no_mistake():
    rows = pairs(40)
    rows[3] = {"ko": "주민 27만 5천 명이 대피했다고 한다", "en": "about 275,000 people were evacuated, it is said"}
    rows[4] = {"ko": "인구는 1,200만 명이다 정말 많다", "en": "there are 12 million people, which is a lot"}
    assert "misaligned_pairs" not in kinds(look(rows, "translation"))


def test_languages_the_other_way_round_stop():
    inspection = look(pairs(40), "translation_en_to_ko", source="ko", target="en")
    assert inspection.verdict == "stop" and "misaligned_pairs" in kinds(inspection)


def test_summaries():
    rows = [{"source": f"a long text about thing {at} " * 8, "target": f"about thing {at}"} for at in range(30)]
    rows[4]["target"] = rows[4]["source"] * 2
    inspection = look(rows, "summarization")
    assert one(inspection, "long_targets")["rows"] == [5]
    assert list(inspection.data["parts"]["train"]["characters"]) == ["source", "target"]


def test_documents():
    rows = [{"text": f"paragraph {at} of a book, told at length"} for at in range(30)]
    rows[9] = rows[8]
    inspection = look(rows, "text-generation")
    assert one(inspection, "duplicate_rows")["rows"] == [10] and inspection.data["parts"]["train"]["labels"] is None


def test_conversations():
    rows = [
        {"messages": [{"role": "user", "content": f"question {at}"}, {"role": "assistant", "content": "yes"}]}
        for at in range(20)
    ]
    rows[3] = rows[2]
    assert one(look(rows, "text-generation"), "duplicate_rows")["rows"] == [4]


# tokens ---------------------------------------------------------------------------------------------------------------
class Words:
    """A tokenizer written in Python: words of two letters and less are known."""

    is_fast, unk_token_id = False, 9

    def __call__(self, texts, **options):
        lists = [
            [9 if len(word) > 2 else 1 for word in text.split()]
            for text in ([texts] if isinstance(texts, str) else texts)
        ]
        return {"input_ids": lists[0] if isinstance(texts, str) else lists}

    def num_special_tokens_to_add(self, pair):
        return 3 if pair else 2


def test_tokens_of_a_slow_tokenizer():
    from byeori.doctor.source import part_of
    from byeori.doctor.tokens import Counted, check

    rows = byeori.api.as_rows(
        [{"text": "a b c", "label": 1}, {"text": "a long word", "label": 0}, {"text": "long a", "label": 0}], task()
    )
    counted = Counted.of(part_of(rows), Words(), 4, "text-classification")
    assert counted.lengths.tolist() == [5, 5, 4] and counted.unknown.tolist() == [0, 2, 1]
    assert counted.long.tolist() == [0, 1] and counted.tokens == 12
    assert counted.words == [("long", 2), ("word", 1)]
    by_kind = {finding.kind: finding for finding in check(part_of(rows), counted, "text-classification")}
    assert by_kind["truncated"].rows == [1, 2] and by_kind["unknown_tokens"].rows == [2, 3]


def task() -> Any:
    from byeori.tasks import TextClassification

    return TextClassification()


def test_lengths_in_tokens_are_those_of_the_encoding(tiny):
    from transformers import AutoTokenizer

    from byeori.doctor.source import part_of
    from byeori.doctor.tokens import Counted
    from byeori.text.encode import Encoder

    tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
    rows = byeori.api.as_rows(
        [{"text": f"글자 {'하나 ' * at}", "text_pair": f"other {at}", "label": at % 2} for at in range(40)], task()
    )
    counted = Counted.of(part_of(rows), tokenizer, 24, "text-classification")
    encoded = Encoder(tokenizer, 24)(rows.table["text"][:], rows.table["text_pair"][:])
    assert np.minimum(counted.lengths, 24).tolist() == encoded.lengths.tolist()
    assert len(counted.long) == encoded.truncated and counted.tokens == len(encoded.input_ids)


def test_targets_have_a_length_of_their_own(tiny):
    rows = [{"source": "a text", "target": "word " * at} for at in range(1, 30)]
    inspection = look(rows, "summarization", model=str(tiny("t5")), max_target_length=10)
    told = inspection.data["parts"]["train"]["tokens"]
    assert told["target"]["max_length"] == 10 and told["target"]["max"] > 10
    assert "--max-target-length" in one(inspection, "truncated")["advice"]


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "t5", "electra"])
def test_sizes_are_those_of_the_model(tiny, family):
    import torch
    import transformers

    from byeori.doctor.estimate import Size

    config = transformers.AutoConfig.from_pretrained(tiny(family))
    with torch.device("meta"):
        bare = transformers.AutoModel.from_config(config)
    real = transformers.AutoModel.from_config(config)
    size = Size.of(bare)
    assert size.weights == sum(p.numel() for p in real.parameters())
    embedded = real.get_input_embeddings().weight.numel()
    assert 0 < size.computed <= size.weights - embedded
    assert size == Size.of(real)
