"""An ONNX export answers as the model it was made of, for each task and family, and by itself: no torch, no transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

import byeori
from byeori.cli import main
from byeori.data.cleaning import Cleaner
from byeori.errors import ModelError, SettingError
from byeori.models.load import load_model
from byeori.predict.model_folder import save_model
from byeori.tasks import MultipleChoice, QuestionAnswering, TextClassification, TokenClassification
from exports import AUTO, GIVEN, TEXTS, USING, alone, close
from families import Family, texts

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
FAMILIES = ("bert", "roberta", "distilbert", "xlm-roberta", "electra", "albert", "modernbert", "deberta-v2")
SOME = list(texts()[:100])


@pytest.mark.parametrize("family", FAMILIES)
def test_families_classify_as_the_model(family, tiny, tmp_path):
    folder = tiny(family, labels=["bad", "good", "so so"])
    found = byeori.export(folder, task="text-classification", output=tmp_path / "out")
    assert found["gate"]["agreement"] == 1.0
    ours, theirs = byeori.load_run(folder, task="text-classification", **USING), byeori.load_run(tmp_path / "out")
    close(ours.predict(TEXTS, top_k=None), theirs.predict(TEXTS, top_k=None))


@pytest.mark.parametrize("task", AUTO)
def test_tasks_answer_as_the_model(task, tmp_path):
    labels = {"labels": ["O", "B-LOC", "I-LOC"]} if task == "token-classification" else {}
    family = "roberta" if task == "fill-mask" else "bert"
    folder = Family(family).save(tmp_path / "model", AUTO[task], **labels)
    byeori.export(folder, task=task, output=tmp_path / "out")
    mask = AutoTokenizer.from_pretrained(folder).mask_token
    given = GIVEN.get(task) or [f"{one} {mask}" for one in TEXTS[:3]] + [f"{mask} {TEXTS[0]} {mask}"]
    ours, theirs = byeori.pipeline(task, str(folder), **USING), byeori.pipeline(task, str(tmp_path / "out"))
    call = (
        {"pooling": "mean", "normalize": True} if task == "feature-extraction" else {"top_k": 3} if "f" in task else {}
    )
    call = call if task in ("feature-extraction", "fill-mask") else {}
    close(ours(given, **call), theirs(given, **call))


def trained(path: Path, auto: str, task: Any, cleaning: Cleaner | None = None) -> Path:
    """A model folder as a training leaves it."""
    labels = {"labels": task.labels} if getattr(task, "labels", None) else {}
    source = Family("bert").save(path.with_name("source-" + path.name), auto, **labels)
    loaded = load_model(source, task, for_training=False)
    task.cleaning = cleaning
    save_model(path, loaded.model, loaded.tokenizer, task, {"max_length": 40, "truncation": "tail"})
    return path


ALONE = """
import json, sys
import byeori
from byeori.cli import main
asked = json.load(open(sys.argv[1]))
for task, folder, given in asked["pipelines"]:
    print(json.dumps(byeori.pipeline(task, folder)(given)))
for arguments in asked["commands"]:
    try:
        main(arguments)
    except SystemExit as stop:
        assert not stop.code, arguments
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""


def test_it_runs_without_torch(tmp_path):
    """Pipelines, `predict` and `evaluate`; trained settings (lengths, cleaning, labels) go along, and answers stay those of the model."""
    rows = [{"text": one, "label": str(i % 2)} for i, one in enumerate(texts()[:12])]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    plain = tmp_path / "texts.txt"
    plain.write_text("\n".join(texts()[:12]) + "\n", encoding="utf-8")
    made = {
        "text-classification": trained(
            tmp_path / "a", "AutoModelForSequenceClassification", TextClassification(labels=["0", "1"]),
            Cleaner(("html", "spaces"), None, "nfc"),
        ),
        "token-classification": trained(
            tmp_path / "b", "AutoModelForTokenClassification", TokenClassification(labels=["O", "B-LOC", "I-LOC"])
        ),
        "question-answering": trained(tmp_path / "c", "AutoModelForQuestionAnswering", QuestionAnswering()),
        "multiple-choice": trained(tmp_path / "d", "AutoModelForMultipleChoice", MultipleChoice()),
    }  # fmt: skip
    masked = Family("bert").save(tmp_path / "e", "AutoModelForMaskedLM")
    given = {**GIVEN, "text-classification": ["<b>좋은</b> 영화 https://a.kr 다", *TEXTS]}
    asked: dict[str, list] = {"pipelines": [], "commands": []}
    for task, folder in made.items():
        byeori.export(folder, output=f"{folder}-out")
        asked["pipelines"].append([task, f"{folder}-out", given[task]])
    byeori.export(masked, task="fill-mask", output=f"{masked}-out")
    asked["commands"] = [
        ["predict", f"{made['text-classification']}-out", str(lines), "--output", str(tmp_path / "p.jsonl")],
        ["evaluate", f"{made['text-classification']}-out", str(lines), "--json"],
        ["evaluate", f"{masked}-out", str(plain), "--json"],
    ]
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    done = alone(ALONE, tmp_path / "asked.json")
    told = [json.loads(line) for line in done if line.strip()]
    for (task, _, inputs), answer in zip(asked["pipelines"], told, strict=False):
        close(json.loads(json.dumps(byeori.pipeline(task, str(made[task]), **USING)(inputs))), answer)
    scores = (
        byeori.evaluate(made["text-classification"], lines, **USING),
        byeori.evaluate(masked, plain, task="fill-mask", **USING),
    )
    for ours, theirs in zip(scores, told[-2:], strict=True):
        close({name: score for name, score in ours.items() if name in theirs}, theirs)
        assert set(ours) - set(theirs) == {"loss"}
    predicted = [json.loads(line)["prediction"] for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    close(byeori.predict(made["text-classification"], [one["text"] for one in rows], **USING), predicted)


@pytest.fixture(scope="module")
def judged(tiny, tmp_path_factory) -> tuple[Path, Path]:
    """A model, and rows whose labels are what it says itself: it is always right, and whatever changes an answer is worse."""
    place = tmp_path_factory.mktemp("judged")
    folder = tiny("bert", labels=["bad", "good", "so so"])
    said = byeori.predict(folder, SOME, task="text-classification", **USING)
    rows = [{"text": text, "label": one["label"]} for text, one in zip(SOME, said, strict=True)]
    (place / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return folder, place / "rows.jsonl"


def test_a_worse_export_is_refused(judged, tmp_path):
    """int8 flips a few answers of a tiny model; the change comes with its interval, and decides."""
    folder, data = judged
    asked = {"task": "text-classification", "data": data, "precision": "int8"}
    with pytest.raises(ModelError, match=r"accuracy goes from 1\.0000 to 0\.\d+ .*95% interval.*not kept") as refused:
        byeori.export(folder, output=tmp_path / "no", tolerance=0.0, **asked)
    assert refused.value.exit_code == 4 and not (tmp_path / "no").exists()
    kept = byeori.export(folder, output=tmp_path / "kept", tolerance=0.0, force=True, **asked)
    passed = byeori.export(folder, output=tmp_path / "passed", tolerance=0.1, **asked)
    gate = passed["gate"]
    assert kept["forced"] and not passed["forced"]
    assert (
        gate["before"] == 1.0 and gate["rows"] == len(SOME) and gate["low"] <= gate["difference"] <= gate["high"] <= 0
    )
    assert gate["difference"] == pytest.approx(byeori.evaluate(tmp_path / "passed", data)["accuracy"]["value"] - 1.0)
    assert gate["agreement"] == pytest.approx(gate["after"])
    assert passed["megabytes"]["after"] < 0.7 * passed["megabytes"]["before"] + 1
    assert {"p50_ms", "p99_ms", "rows_per_second"} <= gate["speed"]["after"].keys()


def test_float32_passes_any_gate(judged, tmp_path, capsys):
    folder, data = judged
    asked = {
        "--task": "text-classification",
        "--data": data,
        "--output": tmp_path / "out",
        "--tolerance": 0,
        "--rows": 60,
    }
    with pytest.raises(SystemExit) as stop:
        main(["export", str(folder), *(str(one) for pair in asked.items() for one in pair)])
    assert not stop.value.code and "100.0% the same" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert (found["gate"]["rows"], found["gate"]["difference"], found["gate"]["agreement"]) == (60, 0.0, 1.0)


def test_a_merged_adapter_is_exported(tmp_path):
    pytest.importorskip("peft")
    rows = [{"text": one, "label": "ab"[i % 2]} for i, one in enumerate(texts()[:24])]
    model = Family("bert").save(tmp_path / "model", "AutoModel")
    run = byeori.train(
        "text-classification", str(model), train=rows, output=tmp_path / "run", epochs=1, adapter="lora", learning_rate=0.05,
        device="cpu", precision="float32", baselines=False, max_length=32,
    )  # fmt: skip
    byeori.export(tmp_path / "run", output=tmp_path / "out")
    close(run.predict(TEXTS, top_k=None), byeori.predict(tmp_path / "out", TEXTS, top_k=None))


def test_what_cannot_be_is_said(judged, tiny, tmp_path, monkeypatch):
    folder, data = judged
    out = tmp_path / "out"
    asked: dict[str, Any] = {"task": "text-classification", "output": out}
    with pytest.raises(SettingError, match="no bfloat16"):
        byeori.export(folder, precision="bfloat16", **asked)
    with pytest.raises(ModelError, match=r"GPT2LMHeadModel.*--to ctranslate2"):
        byeori.export(
            Family("gpt2").save(tmp_path / "gpt2", "AutoModelForCausalLM"), task="text-generation", output=out
        )
    with pytest.raises(ModelError, match="written in Python"):
        byeori.export(tiny("longformer", labels=["a", "b"]), tokenizer=Family("ctrl").tokenizer(), **asked)
    with pytest.raises(ModelError, match="its ONNX graph"):
        byeori.export(tiny("longformer", labels=["a", "b"]), **asked)
    assert not out.exists()
    byeori.export(folder, **asked)
    with pytest.raises(SettingError, match="--overwrite"):
        byeori.export(folder, **asked)
    with pytest.raises(ModelError, match="an export already"):
        byeori.export(out, output=tmp_path / "again")
    with pytest.raises(SettingError, match="device=cuda"):
        byeori.load_run(out, device="cuda")
    with pytest.raises(ModelError, match="not for token-classification"):
        byeori.load_run(out, task="token-classification")
    with pytest.raises(SettingError, match="loss of each row"):
        byeori.load_run(out).evaluate(data, output=tmp_path / "kept")
    (out / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="can't load it"):
        byeori.load_run(out)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'byeori\[onnx\]'"):
        byeori.load_run(out)
