"""Predictions → what the Inference API answers, so that `huggingface_hub.InferenceClient` reads it.

Invariants: an answer is the pipeline's own, `task.respond`; where the API has another shape for it (a text's labels in a list in a
list, zero-shot's labels as a list of label and score) the numbers and words in it are the same.

    answer(task, wanted, ask)
"""

from __future__ import annotations

from typing import Any

from byeori.serve.ask import Ask, Written
from byeori.serve.inputs import Wanted


def answer(task: Any, wanted: Wanted, ask: Ask) -> Any:
    """JSON-ready."""
    found = task.respond(ask.answers, wanted.given, wanted.single, wanted.asked)
    if task.name == "text-classification":
        several = [ask.answers[0]] if wanted.single else list(ask.answers)
        if wanted.asked.get("return_all_scores"):
            several = found
        return [one if isinstance(one, list) else [one] for one in several]
    if task.name == "zero-shot-classification":
        each = [found] if isinstance(found, dict) else found
        shaped = [
            [{"label": label, "score": score} for label, score in zip(one["labels"], one["scores"], strict=True)]
            for one in each
        ]
        return shaped[0] if wanted.single else shaped
    if wanted.details and task.generates:
        return with_details(task, wanted, ask, found)
    return plain(found)


def plain(found: Any) -> Any:
    """Arrays as lists."""
    if hasattr(found, "tolist"):
        return found.tolist()
    return [plain(one) for one in found] if isinstance(found, list) and found and hasattr(found[0], "tolist") else found


def with_details(task: Any, wanted: Wanted, ask: Ask, found: Any) -> Any:
    """Each input's first text with how it ended and its tokens, as text-generation-inference has it."""
    each = [found] if wanted.single else found
    made = []
    for several, written in zip(each, ask.written, strict=True):
        first = dict(several[0] if isinstance(several, list) else several)
        if written is not None:
            first["details"] = details(task, written, wanted.call)
        made.append(first)
    return made


def details(task: Any, written: Written, call: Any) -> dict[str, Any]:
    text = written.texts[0]
    ids = [*text.ids, *([] if text.end is None else [text.end])]
    scores: list[Any] = written.logprobs or [None] * len(ids)
    return {
        "finish_reason": finish(written),
        "generated_tokens": len(ids),
        "seed": call.generation_seed,
        "prefill": [],
        "tokens": [
            {"id": one, "text": task.tokenizer.decode([one]), "logprob": score, "special": place == len(text.ids)}
            for place, (one, score) in enumerate(zip(ids, scores, strict=False))
        ],
    }


def finish(written: Written, place: int = 0) -> str:
    """Why a text ended."""
    text = written.texts[place]
    if text.end is not None:
        return "eos_token"
    return "length" if len(text.ids) >= written.most else "stop_sequence"


def stream_event(task: Any, index: int, event: dict[str, Any], text: str | None, call: Any) -> dict[str, Any]:
    """One token of a stream; with `text`, all of it, the last."""
    last: Written | None = event.get("last")
    return {
        "index": index,
        "token": {name: event[name] for name in ("id", "text", "logprob", "special")},
        "generated_text": text,
        "details": None if last is None else {
            "finish_reason": finish(last),
            "generated_tokens": len(last.texts[0].ids) + (last.texts[0].end is not None),
            "input_length": len(last.prompt),
            "seed": call.generation_seed,
        },
    }  # fmt: skip
