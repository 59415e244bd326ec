"""Bad input of each task: one paragraph with file and row, the exit code of the design, nothing written.

One test for each item of a task's list; each runs the command as a person would.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import Command
from families import texts

AUTO = {
    "token-classification": ("bert", "AutoModelForTokenClassification"),
    "question-answering": ("bert", "AutoModelForQuestionAnswering"),
    "summarization": ("t5", "AutoModelForSeq2SeqLM"),
    "translation": ("mbart", "AutoModelForSeq2SeqLM"),
    "text-generation": ("gpt2", "AutoModelForCausalLM"),
    "fill-mask": ("bert", "AutoModelForMaskedLM"),
    "multiple-choice": ("bert", "AutoModelForMultipleChoice"),
}


@pytest.fixture
def command(tmp_path, tiny, capsys):
    def of(task: str) -> Command:
        family, auto = AUTO[task]
        return Command(tmp_path, tiny(family, auto=auto), capsys)

    return of


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# token classification -------------------------------------------------------------------------------------------------
def test_words_and_tags_of_different_length(command):
    found = command("token-classification")
    rows = [{"tokens": ["서울", "은"], "tags": ["B-LC", "O"]}] * 6 + [{"tokens": ["부산", "은"], "tags": ["B-LC"]}]
    found.train(found.write("a.jsonl", lines(*rows)), task="ner")
    found.refused(3, "a.jsonl, row 7", "2", "1")


def test_a_tag_that_fits_no_scheme(command):
    found = command("token-classification")
    rows = [{"tokens": [word, "시", "김", "은"], "tags": ["B-LC", "I-LC", "B-PS", "O"]} for word in texts()[:20]]
    rows.append({"tokens": ["부산", "은"], "tags": ["LC<B", "O"]})
    found.train(found.write("a.jsonl", lines(*rows)), task="token-classification")
    found.refused(3, "a.jsonl, row 21", "LC<B")


def test_an_entity_outside_its_text(command):
    found = command("token-classification")
    rows = [{"text": "서울은", "entities": [{"start": 0, "end": 2, "label": "LC"}]}] * 6
    rows.append({"text": "부산", "entities": [{"start": 1, "end": 9, "label": "LC"}]})
    found.train(found.write("a.jsonl", lines(*rows)), task="ner")
    found.refused(3, "a.jsonl, row 7", "9")


# question answering ---------------------------------------------------------------------------------------------------
def question(text: str, start: int, context: str = "한라산은 제주도에 있다.") -> dict:
    return {"question": "어디?", "context": context, "answers": {"text": [text], "answer_start": [start]}}


def test_an_answer_that_does_not_stand_at_its_offset(command):
    found = command("question-answering")
    rows = [question("제주도", 5)] * 9 + [question("제주도", 2)]
    found.train(found.write("a.jsonl", lines(*rows)), task="question-answering")
    found.refused(3, "a.jsonl, row 10", "제주도", "5")  # the nearest match


def test_a_stride_with_which_windows_cannot_advance(command):
    found = command("question-answering")
    rows = [question("제주도", 5, f"한라산은 제주도에 있다. {text}") for text in texts()[:9]]
    found.train(found.write("a.jsonl", lines(*rows)), "--max-length", "16", "--stride", "14", task="question-answering")
    found.refused(2, "stride=14", "--stride")


# texts to texts -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["source", "target"])
def test_an_empty_source_or_target(command, role):
    found = command("summarization")
    rows = [{"source": texts()[i], "target": texts()[i + 1]} for i in range(9)]
    rows.append({**rows[0], role: " "})
    found.train(found.write("a.jsonl", lines(*rows)), task="summarization")
    found.refused(3, "a.jsonl, row 10", role, "--drop-empty")


@pytest.mark.parametrize("task", ["summarization", "translation", "text2text-generation"])
def test_a_task_that_writes_on_an_encoder(command, tiny, task):
    found = command("fill-mask")
    rows = [{"source": texts()[i], "target": texts()[i + 1]} for i in range(9)]
    found.train(found.write("a.jsonl", lines(*rows)), task=task)
    found.refused(4, "bert", "AutoModelForSeq2SeqLM", "t5")
    found("predict", tiny("bert"), found.folder / "a.jsonl", "--task", task)
    found.refused(4, "bert", "AutoModelForSeq2SeqLM", "t5")


def test_a_language_that_the_tokenizer_lacks(command):
    found = command("translation")
    rows = [{"source": texts()[i], "target": texts()[i + 1]} for i in range(9)]
    found.train(
        found.write("a.jsonl", lines(*rows)), "--source-lang", "xx_XX", "--target-lang", "ko_KR", task="translation"
    )
    found.refused(2, "source_lang='xx_XX'", "en_XX")


def test_languages_said_twice(command):
    found = command("translation")
    rows = [{"source": texts()[i], "target": texts()[i + 1]} for i in range(9)]
    found.train(found.write("a.jsonl", lines(*rows)), "--target-lang", "en", task="translation_en_to_ko")
    found.refused(2, "target_lang='en'", "translation_en_to_ko", "'ko'")


# fill-mask and text generation ----------------------------------------------------------------------------------------
def test_a_mask_that_is_not_the_tokenizers_keeps_its_line(command, tmp_path):
    """The others are answered."""
    found = command("fill-mask")
    data = found.write("a.txt", "서울은 [MASK] 이다.\n서울은 <mask> 이다.\n서울은 수도 이다.\n")
    assert found("predict", found.model, data, "--task", "fill-mask", "--output", tmp_path / "out.jsonl") == 0
    said = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["row"] for line in said] == [1, 2, 3]
    assert len(said[0]["prediction"]) == 5
    assert "<mask>" in said[1]["error"] and "[MASK]" in said[1]["error"] and "no mask" in said[2]["error"]
    assert "3 rows, 2 with errors" in found.err


def test_a_prompt_longer_than_the_model_takes_keeps_its_line(command, tmp_path):
    found = command("text-generation")
    data = found.write("a.txt", f"서울은\n{'서울은 수도 이다. ' * 60}\n부산은\n")
    options = ("--task", "text-generation", "--output", tmp_path / "out.jsonl", "--max-new-tokens", "3")
    assert found("predict", found.model, data, *options) == 0
    said = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [set(line) for line in said] == [{"row", "prediction"}, {"row", "error"}, {"row", "prediction"}]
    assert "the model takes 128" in said[1]["error"]
    assert said[2]["prediction"][0]["generated_text"].startswith("부산은")


def test_a_file_without_a_column_for_the_task(command):
    """Not "no row is left": which columns are looked for, and which there are."""
    found = command("text-generation")
    found(
        "predict",
        found.model,
        found.write("a.jsonl", lines({"number": 1, "other": 2.5}, {"number": 2, "other": 1})),
        "--task",
        "text-generation",
    )
    flags = "--messages COLUMN, or --prompt COLUMN, or --text COLUMN"
    found.refused(3, "a.jsonl", '"prompt"', '"number"', flags)


@pytest.mark.parametrize("task", ["text-generation", "fill-mask"])
def test_a_loss_that_is_no_number_in_running_text(command, task, tmp_path):
    """Blocks are no rows: the message counts them, and names the first."""
    found = command(task)
    broken = Path(shutil.copytree(found.model, tmp_path / "broken-model"))
    weights = load_file(broken / "model.safetensors")
    name = next(name for name in weights if name.endswith(("word_embeddings.weight", "wte.weight")))
    weights[name][:] = float("nan")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    data = found.write("a.txt", "\n".join(texts()))
    found.train(data, "--max-length", "32", task=task, model=broken)
    found.refused(1, "step 1: the loss is nan", "block" if task == "text-generation" else "a.txt, row")


def test_an_id_past_the_embedding_in_running_text(command, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = command("text-generation")
    broken = tmp_path / "broken-model"
    tokenizer = AutoTokenizer.from_pretrained(found.model)
    model = AutoModelForCausalLM.from_pretrained(found.model)
    tokenizer.add_tokens(["벼리다"])
    tokenizer.save_pretrained(broken), model.save_pretrained(broken)
    common = [f"{text} {n}" for n in range(4) for text in texts()[:40]]  # past the texts that are looked at first
    data = found.write("a.txt", "\n".join([*common, "벼리다"]))
    options = ("--max-length", "32", "--validation-size", "0", "--test-size", "0")
    found.train(data, *options, task="text-generation", model=broken)
    found.refused(4, "벼리다", "block")
    assert torch.isfinite(model.get_input_embeddings().weight).all()


# zero-shot ------------------------------------------------------------------------------------------------------------
def test_a_model_without_a_label_for_entailment(command, tiny):
    found = command("fill-mask")
    model = tiny("bert", labels=("bad", "good"))
    data = found.write("a.txt", "서울은 수도 이다.\n")
    found("predict", model, data, "--task", "zero-shot-classification", "--candidate-labels", "도시,산")
    found.refused(4, "bad", "good", "entail")
