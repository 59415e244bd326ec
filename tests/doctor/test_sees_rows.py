"""Rows as the model gets them, of each task: what is shown is what the store and the draw hold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byeori import tasks
from byeori.data.read import read_rows
from byeori.data.wish import wanted
from byeori.doctor.sees import Seen, of_rows, of_texts, opened, ready
from byeori.errors import DataError
from byeori.models.load import load_model
from byeori.text.blocks import IGNORED
from families import Family
from plain import ENGLISH, JOBS, KOREAN, TEXTS

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
here = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data is not here")


def shown(task: Any, family: str, rows: Any, most: int = 3, **options: Any) -> tuple[Seen, Any]:
    """What is shown of rows by a tiny model of a family, and the model."""
    read = read_rows(rows, **wanted(task))
    ready(task, read)
    loaded = load_model(Family(family).model(task.auto_class, **head(task)), task, tokenizer=Family(family).tokenizer())
    seen = of_rows(task, loaded, read, most, **options)
    json.dumps(seen.data)
    assert seen.lines()
    return seen, loaded


def head(task: Any) -> dict[str, Any]:
    return (
        {"labels": tuple(task.labels)}
        if getattr(task, "labels", None)
        else {"num_labels": 1}
        if task.name == "multiple-choice"
        else {}
    )


def tokens(seen: Seen, row: int = 0, sequence: int = 0) -> list[dict[str, Any]]:
    return seen.data["rows"][row]["sequences"][sequence]["tokens"]


# one text, or a pair --------------------------------------------------------------------------------------------------


def test_classification_shows_ids_segments_and_the_label():
    seen, loaded = shown(tasks.TextClassification(), "bert", JOBS["pairs"].rows)
    for row, given in zip(seen.data["rows"], JOBS["pairs"].rows, strict=False):
        own = loaded.tokenizer(given["text"], given["text_pair"])
        (sequence,) = row["sequences"]
        assert [one["id"] for one in sequence["tokens"]] == own["input_ids"]
        assert [one["segment"] for one in sequence["tokens"]] == own["token_type_ids"]
        assert row["label"]["name"] == given["label"] and row["where"].endswith(f"row {row['row']}")
    assert len(seen.data["rows"]) == 3 and any("label English (id 0)" in line for line in seen.lines())


@pytest.mark.parametrize(
    ("labels", "kind", "name"), [([1.5, 2.25], "regression", 1.5), ([["a"], ["a", "b"]], "multi_label", ["a"])]
)
def test_numbers_and_several_labels(labels, kind, name):
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=False)]
    task = tasks.TextClassification(problem_type=kind)
    read = read_rows(rows, **wanted(task))
    ready(task, read)
    loaded = opened_body(task)
    found = of_rows(task, loaded, read).data["rows"][0]["label"]
    assert found["name"] == name and found["id"] == (1.5 if kind == "regression" else [1.0, 0.0])


def opened_body(task: Any) -> Any:
    model = Family("bert").model(task.auto_class, num_labels=task.num_labels, labels=tuple(task.labels or ["LABEL_0"]))
    return load_model(model, task, tokenizer=Family("bert").tokenizer())


def test_an_unknown_token_says_which_word_it_stands_for():
    seen, _ = shown(
        tasks.TextClassification(), "bert", [{"text": "그 漢字", "label": "a"}, {"text": "책", "label": "b"}], 1
    )
    assert [one["text"] for one in tokens(seen) if one["unknown"]] == ["漢", "字"]


def test_rows_without_answers_are_shown_as_a_prediction_sees_them(minilm):
    task = tasks.TextClassification(labels=["a", "b"])
    rows = read_rows([{"text": "A cat."}], roles=("text",), required=("text",))
    found = of_rows(task, opened(str(minilm), task), rows).data["rows"][0]
    assert "label" not in found and [one["token"] for one in found["sequences"][0]["tokens"]][1:3] == ["a", "cat"]
    with pytest.raises(DataError, match="no row to show"):
        of_rows(task, opened(str(minilm), task), rows.select([]))


# tags -----------------------------------------------------------------------------------------------------------------


def test_a_words_tag_stands_at_its_first_token():
    rows = [{"tokens": ["Unbelievable", "Seoul", "."], "tags": ["O", "B-LOC", "O"]}]
    seen, loaded = shown(tasks.TokenClassification(), "bert", rows)
    found = tokens(seen)
    own = loaded.tokenizer(rows[0]["tokens"], is_split_into_words=True)
    assert [one["id"] for one in found] == own["input_ids"]
    before = None
    for one, word in zip(found, own.word_ids(), strict=True):
        first, before = word is not None and word != before, word
        assert one["tag"] == (rows[0]["tags"][word] if first else "−100")
        assert one["label"] == IGNORED or first
        assert one.get("word", "").split(" ")[0] == ("" if word is None else str(word))
    assert seen.data["rows"][0]["sequences"][0]["without_token"] == 0


@here
def test_klue_shows_characters_and_those_without_a_token():
    seen, _ = shown(tasks.TokenClassification(), "bert", str(SHARED / "klue" / "klue-ner-v1.1_dev.tsv"), 2)
    (sequence,) = seen.data["rows"][0]["sequences"]
    assert sequence["unit"] == "character" and sequence["units"] == 70 and sequence["without_token"] == 16
    assert [one["text"] for one in sequence["tokens"] if one["tag"] == "B-PS"] == ["박씨의", "김"]
    assert any("character" in line.split() for line in seen.lines())


# windows --------------------------------------------------------------------------------------------------------------


@here
def test_windows_of_xquad_hold_the_answer_where_they_say():
    path = SHARED / "xquad" / "xquad.en.json"
    task = tasks.QuestionAnswering()
    seen, loaded = shown(task, "bert", str(path), 2, max_length=128)
    row = json.loads(path.read_text(encoding="utf-8"))["data"][0]["paragraphs"][0]
    windows = seen.data["rows"][0]["sequences"]
    own = loaded.tokenizer(
        row["qas"][0]["question"], row["context"], max_length=128, truncation="only_second", stride=32,
        return_overflowing_tokens=True,
    )  # fmt: skip
    assert [[one["id"] for one in window["tokens"]] for window in windows] == own["input_ids"] and len(windows) > 2
    for window in windows:
        context = [one for one in window["tokens"] if one["part"].startswith("context")]
        assert [context[0]["start"], context[-1]["end"]] == window["characters"]
        marked = [one for one in window["tokens"] if "answer" in one]
        if window["answer"] is None:
            assert marked == [] and "no answer in it" in window["said"]
        else:
            text = row["context"][marked[0]["start"] : marked[-1]["end"]]
            assert window["answer"]["text"] == text == row["qas"][0]["answers"][0]["text"]
    assert windows[0]["answer"] is not None and "shared" not in windows[0]
    assert all(window["shared"] == 32 for window in windows[1:])
    assert all(sum(one["part"] == "context, shared" for one in window["tokens"]) == 32 for window in windows[1:])


def test_a_question_without_an_answer():
    rows = [{"question": "Where?", "context": KOREAN[0], "answers": {"text": [], "answer_start": []}}]
    seen, _ = shown(tasks.QuestionAnswering(), "bert", rows)
    assert "no answer in it: the label is [CLS] at 0" in seen.data["rows"][0]["sequences"][0]["said"]


# choices --------------------------------------------------------------------------------------------------------------


def test_each_choice_is_a_sequence_and_one_is_right():
    rows = [
        {"text": ENGLISH[0], "choices": KOREAN[:3], "label": 1},
        {"text": ENGLISH[1], "choices": KOREAN[:2], "label": 0},
    ]
    seen, loaded = shown(tasks.MultipleChoice(), "bert", rows)
    for row, given in zip(seen.data["rows"], rows, strict=True):
        assert [one["right"] for one in row["sequences"]] == [n == given["label"] for n in range(len(given["choices"]))]
        for one, choice in zip(row["sequences"], given["choices"], strict=True):
            assert one["choice"] == choice
            assert [token["id"] for token in one["tokens"]] == loaded.tokenizer(given["text"], choice)["input_ids"]


def test_candidate_labels_are_hypotheses():
    task = tasks.ZeroShotClassification(candidate_labels=["배송", "환불"], hypothesis_template="이것은 {}.")
    rows = read_rows([{"text": KOREAN[0], "label": "환불"}], **wanted(task))
    model = Family("bert").model(task.auto_class, labels=("entailment", "neutral", "contradiction"))
    task.adopt(model.config)
    ready(task, rows)
    loaded = load_model(model, task, tokenizer=Family("bert").tokenizer(), for_training=False)
    first, second = of_rows(task, loaded, rows).data["rows"][0]["sequences"]
    assert (first["choice"], first["right"], second["choice"], second["right"]) == ("배송", False, "환불", True)
    assert [one["id"] for one in second["tokens"]] == loaded.tokenizer(KOREAN[0], "이것은 환불.")["input_ids"]


# masks and blocks -----------------------------------------------------------------------------------------------------


def test_what_is_hidden_is_evaluations_draw():
    """Masked, replaced or kept, about 80, 10 and 10 in a hundred; the ids are those the model is given."""
    task = tasks.FillMask(mlm_probability=0.5)
    seen, loaded = shown(task, "bert", [{"text": " ".join(TEXTS)} for _ in range(12)], 12)
    kinds: Counter = Counter()
    for row in seen.data["rows"]:
        for sequence in row["sequences"]:
            own = Counter(one["drawn"] for one in sequence["tokens"] if "drawn" in one)
            kinds += own
            assert {**{"masked": 0, "replaced": 0, "kept": 0}, **own} == sequence["drawn"]
            for one in sequence["tokens"]:
                if one.get("drawn") == "masked":
                    assert one["seen_id"] == loaded.tokenizer.mask_token_id and one["label"] == one["id"]
                elif one.get("drawn") == "kept":
                    assert one["seen_id"] == one["id"]
                assert not (one["special"] and "drawn" in one)
    total = sum(kinds.values())
    assert kinds["masked"] / total == pytest.approx(0.8, abs=0.08) and kinds["kept"] and kinds["replaced"]


def test_spans_that_are_taken_out_are_the_decoders_targets():
    """The corrupted text as the encoder sees it; sentinels and what stood there as the decoder is to write it."""
    task = tasks.SpanCorruption()
    seen, loaded = shown(task, "t5", [{"text": " ".join(TEXTS)}, {"text": TEXTS[0]}], 2)
    marks = {one for one in loaded.tokenizer.get_vocab() if one.startswith("<extra_id_")}
    for row, text in zip(seen.data["rows"], (" ".join(TEXTS), TEXTS[0]), strict=True):
        left = iter(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
        for sequence in row["sequences"]:
            own = sequence["decoder"]
            names = [one["token"] for one in sequence["tokens"]]
            gone: dict[str, list[int]] = {}
            for name, token in zip(own["targets"], own["labels"], strict=True):
                if name in marks:
                    gone[name] = []
                elif name != "</s>":
                    gone[list(gone)[-1]].append(token)
            back: list[int] = []
            for name, one in zip(names, sequence["tokens"], strict=True):
                back += gone[name] if name in marks else [] if name == "</s>" else [one["id"]]
            assert back == [next(left) for _ in back] and len(back) == sequence["whole"]
            assert own["input_ids"][1:] == own["labels"][:-1] and set(names) & marks
        assert next(left, None) is None


def test_next_sentences_are_told_beside_the_masks():
    rows = [{"text": "One day it rained. It was wet. We left. Home was dry."}] * 3
    seen, _ = shown(tasks.FillMask(next_sentence=True), "bert", rows)
    said = [one["said"] for row in seen.data["rows"] for one in row["sequences"]]
    assert len(said) == 6 and all("second sentence" in one and "asked for" in one for one in said)


def test_blocks_of_running_text_and_where_the_loss_counts():
    seen, loaded = shown(tasks.TextGeneration(block_length=16), "gpt2", [{"text": text} for text in TEXTS], 3)
    documents = [sequence for row in seen.data["rows"] for sequence in row["sequences"]]
    ids = [one["id"] for row in seen.data["rows"] for sequence in row["sequences"] for one in sequence["tokens"]]
    end = loaded.tokenizer.eos_token_id
    running = [one for text in TEXTS for one in (*loaded.tokenizer(text)["input_ids"], end)]
    assert (
        ids == running[:48]
        and [sum(s["counts"]["tokens"] for s in row["sequences"]) for row in seen.data["rows"]] == [16] * 3
    )
    for one in documents:
        labels = [token["label"] for token in one["tokens"]]
        assert labels == [*(token["id"] for token in one["tokens"][1:]), IGNORED] and one["learnt"] == len(labels) - 1
    assert any("block 1: 16 tokens" in line for line in seen.lines())


def test_only_the_completion_is_learnt():
    rows = [{"prompt": "What is it? ", "completion": "A cat."}]
    seen, loaded = shown(tasks.TextGeneration(), "gpt2", rows)
    learnt = [one["label"] for one in tokens(seen) if one["label"] != IGNORED]
    assert learnt == [*loaded.tokenizer("A cat.")["input_ids"], loaded.tokenizer.eos_token_id]


# encoder-decoder, vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_sources_and_the_decoders_table(name):
    rows = [{"source": one, "target": other} for one, other in zip(ENGLISH, KOREAN, strict=True)]
    seen, loaded = shown(tasks.Summarization(source_prefix="요약: "), name, rows)
    longest = max(len(loaded.tokenizer(text_target=row["target"])["input_ids"]) for row in rows[:3])
    for row, given in zip(seen.data["rows"], rows, strict=False):
        right = loaded.tokenizer(text_target=given["target"])["input_ids"]
        own = row["decoder"]
        assert own["labels"] == right + [IGNORED] * (longest - len(right)) and IGNORED not in own["input_ids"]
        assert own["input_ids"][1 : len(right)] == right[:-1]
        (sequence,) = row["sequences"]
        assert [one["id"] for one in sequence["tokens"]] == loaded.tokenizer("요약: " + given["source"])["input_ids"]
    text = "\n".join(seen.lines())
    assert "decoder inputs" in text and "decoder targets" in text and "−100 is never fed to it" in text


def test_a_text_of_a_task_of_two_texts_is_its_row():
    task = tasks.Translation(source_lang="en", target_lang="ko")
    loaded = load_model(Family("t5").model(task.auto_class), task, tokenizer=Family("t5").tokenizer())
    seen = of_texts(loaded, ENGLISH[0], KOREAN[0], task)
    assert (
        seen.data["kind"] == "rows" and seen.data["rows"][0]["decoder"]["labels"][-1] == loaded.tokenizer.eos_token_id
    )
    assert "decoder" not in of_texts(loaded, ENGLISH[0], None, task).data["rows"][0]


def test_vectors_have_tokens_alone(minilm):
    task = tasks.FeatureExtraction()
    rows = read_rows([{"text": text} for text in ENGLISH], **wanted(task, labels=False))
    seen = of_rows(task, opened(str(minilm), task), rows, 2)
    assert [len(row["sequences"]) for row in seen.data["rows"]] == [1, 1] and "label" not in seen.data["rows"][0]


@here
def test_nsmc_through_the_packaged_model(minilm):
    task = tasks.TextClassification()
    rows = read_rows(str(SHARED / "nsmc" / "nsmc_30k.txt"), **wanted(task))
    ready(task, rows)
    seen = of_rows(task, opened(str(minilm), task), rows, 3)
    assert [row["where"] for row in seen.data["rows"]] == [f"nsmc_30k.txt, row {n}" for n in (1, 2, 3)]
    assert all(np.diff([one.get("start", 0) for one in tokens(seen, row)[1:-1]]).min() >= 0 for row in range(3))
