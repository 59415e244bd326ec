"""A CTranslate2 export writes as the model it was made of, token for token, and encoders answer with their head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import byeori
from byeori.errors import ModelError, SettingError
from byeori.tasks import Seq2Seq
from exports import AUTO, GIVEN, TEXTS, USING, alone, close
from families import Family, texts

pytest.importorskip("ctranslate2")
SEQ2SEQ = ("t5", "mt5", "bart", "mbart", "pegasus")
DECODERS = ("gpt2", "llama", "qwen2", "gemma")
PROMPTS = list(texts()[:12])
LANGUAGES = {"source_lang": "ko_KR", "target_lang": "en_XX"}


def exported(family: str, place: Path, **options: Any) -> tuple[Any, Any, dict[str, Any]]:
    """A tiny model that writes, as itself and exported."""
    seq2seq = family in SEQ2SEQ
    task: Any = Seq2Seq(**(LANGUAGES if family == "mbart" else {})) if seq2seq else "text-generation"
    auto = "AutoModelForSeq2SeqLM" if seq2seq else "AutoModelForCausalLM"
    folder = Family(family).save(place / "model", auto)
    found = byeori.export(folder, task=task, to="ctranslate2", output=place / "out", **options)
    return byeori.load_run(folder, task=task, **USING), byeori.load_run(place / "out"), found


@pytest.mark.parametrize("family", [*SEQ2SEQ, *DECODERS])
def test_greedy_and_beams_write_the_same_tokens(family, tmp_path):
    ours, theirs, found = exported(family, tmp_path)
    assert found["gate"]["agreement"] == 1.0
    for call in (
        {"max_new_tokens": 16},
        {"max_new_tokens": 16, "num_beams": 3, "early_stopping": True},
        {"max_new_tokens": 12, "num_beams": 2, "early_stopping": True, "length_penalty": 0.5},
        {"max_new_tokens": 12, "min_new_tokens": 6},
    ):
        one, other = (run.predict(PROMPTS, return_tensors=True, **call) for run in (ours, theirs))
        assert one == other, call


@pytest.mark.parametrize("family", ("bert", "roberta", "distilbert", "electra", "xlm-roberta"))
def test_encoders_answer_with_their_head(family, tmp_path):
    tasks = {"text-classification": "AutoModelForSequenceClassification", **AUTO}
    for task, auto in tasks.items() if family in ("bert", "electra") else [*tasks.items()][:1]:
        values: dict[str, Any] = {"labels": ["O", "B-LOC", "I-LOC"]} if "classification" in task else {}
        values |= {"embedding_size": 32} if family == "electra" else {}
        folder, out = Family(family).save(tmp_path / task, auto, **values), tmp_path / f"{task}-out"
        byeori.export(folder, task=task, to="ctranslate2", output=out)
        mask = AutoTokenizer.from_pretrained(folder).mask_token
        given = [f"{one} {mask}" for one in TEXTS[:3]] if task == "fill-mask" else GIVEN.get(task, TEXTS)
        call = {"pooling": "mean"} if task == "feature-extraction" else {}
        close(
            byeori.pipeline(task, str(folder), **USING)(given, **call), byeori.pipeline(task, str(out))(given, **call)
        )


def test_likelihoods_are_those_of_the_model(tmp_path):
    ours, theirs, _ = exported("gpt2", tmp_path)
    rows = [{"text": one} for one in texts()[:20]]
    mine, other = ours.evaluate(rows), theirs.evaluate(rows)
    assert set(mine) - set(other) == {"loss"}
    close({name: mine[name] for name in other}, other)


def test_int8_is_judged_by_what_it_writes(tmp_path):
    folder = Family("t5").save(tmp_path / "model", "AutoModelForSeq2SeqLM")
    run = byeori.load_run(folder, task="text2text-generation", **USING)
    written = run.predict(PROMPTS, max_new_tokens=8)
    rows = [{"source": one, "target": said["generated_text"]} for one, said in zip(PROMPTS, written, strict=True)]
    found = byeori.export(
        folder, task="text2text-generation", to="ctranslate2", precision="int8", output=tmp_path / "out", data=rows, max_new_tokens=8,
        tolerance=1.0,
    )  # fmt: skip
    gate = found["gate"]
    assert gate["score"] == "rougeL" and gate["before"] == pytest.approx(1.0) and gate["rows"] == len(PROMPTS)
    assert gate["after"] <= 1.0 and gate["low"] <= gate["difference"] <= gate["high"]
    assert found["megabytes"]["after"] < found["megabytes"]["before"] + 0.5


ALONE = """
import json, sys
import byeori
for task, folder, given, call in json.load(open(sys.argv[1])):
    pipe = byeori.pipeline(task, folder)
    print(json.dumps(pipe(given, **call)))
    if "generation" in task:
        assert "".join(pipe.stream(given[0], **call))
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""


def test_it_runs_without_torch(tmp_path):
    chat = [{"role": "user", "content": "서울은 어때?"}]
    asked = []
    for family, given in (("bart", PROMPTS[:3]), ("qwen2", [PROMPTS[0], chat])):
        ours, _, _ = exported(family, tmp_path / family)
        asked.append([ours.task.name, str(tmp_path / family / "out"), given, {"max_new_tokens": 8}])
    body = Family("bert").save(tmp_path / "bert", "AutoModelForSequenceClassification", labels=["a", "b"])
    byeori.export(body, task="text-classification", to="ctranslate2", output=tmp_path / "bert-out")
    asked.append(["text-classification", str(tmp_path / "bert-out"), TEXTS, {}])
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    done = alone(ALONE, tmp_path / "asked.json")
    folders = [tmp_path / "bart" / "model", tmp_path / "qwen2" / "model", body]
    for folder, (task, _, given, call), line in zip(folders, asked, done, strict=True):
        close(json.loads(json.dumps(byeori.pipeline(task, str(folder), **USING)(given, **call))), json.loads(line))


def test_what_cannot_be_is_said(tiny, tmp_path):
    ours, theirs, _ = exported("gpt2", tmp_path)
    asked: dict[str, Any] = {"to": "ctranslate2", "output": tmp_path / "no"}
    with pytest.raises(SettingError, match="min_p=0.1: CTranslate2 can't write so"):
        theirs.predict(PROMPTS[:1], max_new_tokens=4, min_p=0.1)
    with pytest.raises(SettingError, match="no text to end at"):
        theirs.predict(PROMPTS[:1], max_new_tokens=4, stop="a")
    with pytest.raises(SettingError, match="counts what it wrote"):
        theirs.predict(PROMPTS[:1], max_new_tokens=4, repetition_penalty=1.5)
    with pytest.raises(SettingError, match="nothing drawn can be had again"):
        theirs.predict(PROMPTS[:1], max_new_tokens=4, top_k=20, generation_seed=3)
    assert len(theirs.predict(PROMPTS[0:1], max_new_tokens=4, top_k=20, num_return_sequences=3)[0]) == 3
    with pytest.raises(ModelError, match="albert.*--to onnx"):
        byeori.export(tiny("albert", labels=["a", "b"]), task="text-classification", **asked)
    with pytest.raises(ModelError, match="can't join"):
        byeori.export(tiny("electra", labels=["a", "b"]), task="text-classification", **asked)
    with pytest.raises(ModelError, match="LEDForConditionalGeneration.*doesn't know it"):
        byeori.export(Family("led").save(tmp_path / "led", "AutoModelForSeq2SeqLM"), task="summarization", **asked)
    with pytest.raises(ModelError, match="no tokenizer.json"):
        byeori.export(
            Family("marian").save(tmp_path / "marian", "AutoModelForSeq2SeqLM"), task="text2text-generation", **asked
        )
    with pytest.raises(ModelError, match="not for|nothing that"):
        byeori.load_run(tmp_path / "out", task="text-classification")
    assert not (tmp_path / "no").exists()
