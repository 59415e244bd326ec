"""What `byeori bench` is shown in RESULTS.md: MiniLM with a head for each task, fresh weights, as transformers saves it, and files of rows.

python -m benchmarks.materials FOLDER
byeori bench predict FOLDER/classifier FOLDER/reviews.jsonl --rows 20000
byeori bench predict FOLDER/entailment FOLDER/reviews.jsonl --task zero-shot-classification --candidate-labels "$(cat FOLDER/labels.txt)"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import DATA, SETS

HEADS: dict[str, tuple[str, list[str]]] = {
    "classifier": ("AutoModelForSequenceClassification", ["negative", "positive"]),
    "entailment": ("AutoModelForSequenceClassification", ["entailment", "neutral", "contradiction"]),
    "tagger": ("AutoModelForTokenClassification", ["O", "B-person", "I-person", "B-location", "I-location"]),
    "reader": ("AutoModelForQuestionAnswering", ["LABEL_0", "LABEL_1"]),
}


def make(folder: Path) -> None:
    import torch
    import transformers

    from byeori.demo import model_folder

    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder())
    for name, (auto, labels) in HEADS.items():
        torch.manual_seed(0)
        names = {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
        model = getattr(transformers, auto).from_pretrained(model_folder(), **names)
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    _write(folder / "reviews.jsonl", ({"text": text} for text in SETS["nsmc"](20_000)[0]))
    _write(folder / "sentences.jsonl", ({"text": text} for text in SETS["sentences"](6_000)[0]))
    texts, labels = SETS["sentences"](3_500)
    joined = [" ".join(texts[at : at + 14]) for at in range(0, len(texts), 14)]  # each longer than 256 tokens
    _write(folder / "long.jsonl", ({"text": text, "label": labels[at] < "M"} for at, text in enumerate(joined)))
    articles = json.loads((DATA / "squad2" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    _write(
        folder / "questions.jsonl",
        (
            {"question": q["question"], "context": p["context"], "answers": _answers(q)}
            for one in articles for p in one["paragraphs"][:6] for q in p["qas"][:3]
        ),
    )  # fmt: skip


def _answers(question: dict) -> dict[str, list]:
    return {name: [one[name] for one in question["answers"]] for name in ("text", "answer_start")}


def _write(file: Path, rows: Any) -> None:
    with file.open("w", encoding="utf-8") as opened:
        opened.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
