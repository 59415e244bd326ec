"""Tiny trainings of every task, and what plain transformers answers with the folder they leave.

Invariants: nothing of Byeori is in an answer: Auto classes, the tokenizer's own encoding, one unpadded row at a time, float32.

    run = train("question-answering", folder, tmp_path / "run"); check(run, "question-answering")
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import byeori
from vocabularies import texts

ATOL = 1e-5
STEPS = 12
LONGEST_ANSWER, WRITTEN = 30, 6  # tokens: Byeori's default for an answer; what is written here

# Eight short texts, English and Korean by turns.
ENGLISH = [text for text in texts()[0::2] if len(text) <= 60 and text.count(" ") > 2 and text.isascii()][:4]
KOREAN = [text for text in texts()[1::2] if len(text) <= 24 and text.count(" ") > 1][:4]
TEXTS = [text for both in zip(ENGLISH, KOREAN, strict=True) for text in both]
OTHERS = [*TEXTS[1:], TEXTS[0]]  # beside each text one in the other language


@dataclass(frozen=True)
class Job:
    """What is learnt, asked and answered. `alone(model, tokenizer, input)`: plain transformers' answer to one input."""

    task: str
    auto: str
    rows: list[dict[str, Any]]
    alone: Callable[[Any, Any, Any], Any]
    asked: Callable[[Any], list[Any]]  # of a tokenizer
    call: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def train(job: str, model: Any, output: Path, **values: Any) -> Any:
    """A few updates, each over all rows; validated on the same rows."""
    one = JOBS[job]
    small = {
        "max_steps": STEPS, "batch_size": len(one.rows), "learning_rate": 1e-2, "schedule": "constant", "warmup_ratio": 0.0,
        "evaluate_every": "end", "log_every": 1, "previews": 0, "baselines": False, "precision": "float32", "threads": 1,
    }  # fmt: skip
    model = str(model) if isinstance(model, Path) else model
    return byeori.train(
        values.pop("task", one.task), model, train=one.rows, validation=one.rows, test_size=0, output=str(output),
        **{**small, **one.settings, **values},
    )  # fmt: skip


def losses(run: Any) -> list[float]:
    """Of each update."""
    lines = [json.loads(line) for line in (run.path / "history.jsonl").open(encoding="utf-8")]
    return [line["loss"] for line in lines if "loss" in line]


def check(run: Any, job: str, **options: Any) -> list[Any]:
    """The finished run, the reloaded one and plain transformers answer the same; returns the answers."""
    import transformers

    one, folder = JOBS[job], run.path / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    model = getattr(transformers, one.auto).from_pretrained(folder, dtype=torch.float32).eval()
    asked = one.asked(tokenizer)
    with torch.no_grad():
        expected = [one.alone(model, tokenizer, given) for given in asked]
    again = byeori.pipeline(one.task, str(run.path), precision="float32", **options)
    same(again(asked, **one.call), expected)
    same(run.predict(asked, **one.call), expected)
    return expected


def same(found: Any, expected: Any) -> None:
    """Numbers to `ATOL`, all else exactly; of a dict the keys that are expected."""
    if isinstance(expected, dict):
        assert expected.keys() <= found.keys()
        for name, value in expected.items():
            same(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=ATOL, rel=0)
    else:
        assert found == expected


# plain transformers ---------------------------------------------------------------------------------------------------


def _tensors(tokenizer: Any, found: Any) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([found[name]]) for name in tokenizer.model_input_names}


def _classified(model: Any, tokenizer: Any, given: Any) -> dict[str, Any]:
    parts = [given] if isinstance(given, str) else [given["text"], given["text_pair"]]
    scores = model(**tokenizer(*parts, return_tensors="pt")).logits[0].softmax(-1)
    return {"label": model.config.id2label[int(scores.argmax())], "score": float(scores.max())}


def _tagged(model: Any, tokenizer: Any, text: str) -> list[dict[str, Any]]:
    """Each token of the text itself, as aggregation "none" has it."""
    found = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    scores = model(**_tensors(tokenizer, found)).logits[0].softmax(-1)
    return [
        {"entity": model.config.id2label[int(scores[at].argmax())], "score": float(scores[at].max()), "index": at,
         "word": tokenizer.convert_ids_to_tokens(found["input_ids"][at]), "start": start, "end": end}
        for at, (start, end) in enumerate(found["offset_mapping"]) if not found["special_tokens_mask"][at]
    ]  # fmt: skip


def _answered(model: Any, tokenizer: Any, row: dict[str, str]) -> dict[str, Any]:
    """Softmax over the context's tokens and [CLS], start times end: the pipeline of transformers 4."""
    found = tokenizer(row["question"], row["context"], return_offsets_mapping=True)
    outputs = model(**_tensors(tokenizer, found))
    inside = torch.tensor([side == 1 for side in found.sequence_ids(0)])
    counted = inside | torch.tensor([token == tokenizer.cls_token_id for token in found["input_ids"]])
    first, last = (
        logits[0].masked_fill(~counted, -torch.inf).softmax(-1) * inside
        for logits in (outputs.start_logits, outputs.end_logits)
    )
    scores = (first[:, None] * last[None]).triu().tril(LONGEST_ANSWER - 1)
    for place in scores.flatten().argsort(descending=True).tolist():
        start, end = (found["offset_mapping"][token][side] for side, token in enumerate(divmod(place, len(first))))
        answer = row["context"][start:end]
        if answer.strip():
            break
    start += len(answer) - len(answer.lstrip())
    answer = answer.strip()
    return {"score": float(scores.flatten()[place]), "start": start, "end": start + len(answer), "answer": answer}


def _filled(model: Any, tokenizer: Any, text: str) -> list[dict[str, Any]]:
    inputs = tokenizer(text, return_tensors="pt")
    (place,) = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    scores, tokens = model(**inputs).logits[0, place].softmax(-1).topk(3)
    return [{"score": float(score), "token": int(token)} for score, token in zip(scores, tokens, strict=True)]


def _continued(model: Any, tokenizer: Any, prompt: str) -> list[dict[str, Any]]:
    inputs = tokenizer(prompt, return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=WRITTEN, do_sample=False, num_beams=1)[0]
    return [{"generated_token_ids": ids.tolist()}]


def _chosen(model: Any, tokenizer: Any, row: dict[str, Any]) -> list[dict[str, Any]]:
    logits = []
    for choice in row["choices"]:
        inputs = tokenizer(row["text"], choice, return_tensors="pt")
        logits.append(model(**{name: values[None] for name, values in inputs.items()}).logits[0, 0])
    scores = torch.stack(logits).softmax(-1)
    order = scores.argsort(descending=True).tolist()
    return [{"choice": place, "label": row["choices"][place], "score": float(scores[place])} for place in order]


def _summarized(model: Any, tokenizer: Any, text: str) -> dict[str, Any]:
    inputs = tokenizer(text, return_tensors="pt")
    inputs = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    if model.config.model_type == "led":  # the first token sees all, as in its summarization checkpoints
        inputs["global_attention_mask"] = torch.zeros_like(inputs["input_ids"])
        inputs["global_attention_mask"][:, 0] = 1
    ids = model.generate(**inputs)  # nothing is told: the saved files say it
    return {"summary_text": tokenizer.decode(ids[0], skip_special_tokens=True)}


# jobs -----------------------------------------------------------------------------------------------------------------


def _language(text: str) -> str:
    return "English" if text.isascii() else "한국어"


def _tags(text: str) -> dict[str, list[str]]:
    """The first word begins a span of its language, the second goes on with it."""
    words, kind = text.split(), "EN" if text.isascii() else "KO"
    return {"tokens": words, "tags": [f"B-{kind}", f"I-{kind}", *["O"] * (len(words) - 2)]}


def _asked_of(context: str, question: str) -> dict[str, Any]:
    word = context.split()[1]
    return {
        "question": question, "context": context, "answers": {"text": [word], "answer_start": [context.index(word)]}
    }  # fmt: skip


_PAIRS = [{"text": one, "text_pair": other, "label": _language(one)} for one, other in zip(TEXTS, OTHERS, strict=True)]
_QUESTIONS = [_asked_of(context, question) for context, question in zip(TEXTS, OTHERS, strict=True)]
_CHOICES = [  # the choice in the text's own language is right
    {"text": text, "choices": [KOREAN[at // 2 - 1], ENGLISH[at // 2 - 1]], "label": int(text.isascii())}
    for at, text in enumerate(TEXTS)
]

JOBS: dict[str, Job] = {
    "text-classification": Job(
        "text-classification", "AutoModelForSequenceClassification",
        [{"text": text, "label": _language(text)} for text in TEXTS], _classified, lambda _: TEXTS,
    ),
    "pairs": Job(
        "text-classification", "AutoModelForSequenceClassification", _PAIRS, _classified,
        lambda _: [{role: row[role] for role in ("text", "text_pair")} for row in _PAIRS],
    ),
    "token-classification": Job(
        "token-classification", "AutoModelForTokenClassification", [_tags(text) for text in TEXTS], _tagged,
        lambda _: TEXTS, {"aggregation_strategy": "none", "ignore_labels": []},
    ),
    "question-answering": Job(
        "question-answering", "AutoModelForQuestionAnswering", _QUESTIONS, _answered,
        lambda _: [{role: row[role] for role in ("question", "context")} for row in _QUESTIONS],
    ),
    "fill-mask": Job(
        "fill-mask", "AutoModelForMaskedLM", [{"text": text} for text in TEXTS], _filled,
        lambda tokenizer: [f"{text.rpartition(' ')[0]} {tokenizer.mask_token}" for text in TEXTS], {"top_k": 3},
        {"mlm_probability": 0.3},
    ),
    "text-generation": Job(
        "text-generation", "AutoModelForCausalLM", [{"text": text} for text in TEXTS], _continued,
        lambda _: [" ".join(text.split()[:2]) for text in TEXTS],
        {"max_new_tokens": WRITTEN, "do_sample": False, "return_tensors": True}, {"block_length": 32},
    ),
    "multiple-choice": Job(
        "multiple-choice", "AutoModelForMultipleChoice", _CHOICES, _chosen,
        lambda _: [{role: row[role] for role in ("text", "choices")} for row in _CHOICES], {"top_k": 2},
    ),
    "summarization": Job(
        "summarization", "AutoModelForSeq2SeqLM",
        [{"source": text, "target": " ".join(text.split()[:2])} for text in TEXTS], _summarized, lambda _: TEXTS,
        {}, {"max_target_length": 16, "num_beams": 1},
    ),
}  # fmt: skip
