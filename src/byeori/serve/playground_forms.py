"""What a task's form on the playground asks for, and how what was typed becomes the body of a request.

Invariants: the body is one of the Inference API's, with nothing that a client could not send; what can't be read is refused by the
server, in its own sentence; the fields of a task that isn't ours are one text.

    form = form_of(run); body_of(form, "영화가 재미있다", "", 5, False, "{}")
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from byeori.serve.ask import Refused

ANSWERS, TOKENS = (1, 20, 5), (1, 512, 64)  # least, most, at first


@dataclass(frozen=True)
class Form:
    """`first` and `second`: labels of the texts (English, as in the table of words), `second` None where there is one alone; `many`:
    the second is a line for each; `number`: the setting that the slider is, its label, its bounds."""

    task: str
    first: str = "Text"
    second: str | None = None
    hint: str = ""
    many: bool = False
    number: tuple[str, str, tuple[int, int, int]] | None = None
    tick: tuple[str, str] | None = None  # what the box is called, and the text beside it
    pair: bool = False
    streams: bool = False
    fixed: tuple[tuple[str, Any], ...] = ()


FEW = 6  # labels that are all shown
WRITES = ("max_new_tokens", "Most new tokens", TOKENS)


def form_of(run: Any) -> Form:
    """By the task of a run."""
    task = run.task
    name = task.name
    if name == "text-classification":
        several = len(getattr(task, "labels", None) or ())
        number = ("top_k", "Labels shown", (1, min(20, several), 5)) if several > FEW else None
        fixed = (("top_k", None),) if 0 < several <= FEW else ()
        pair = "Second text" if getattr(task, "pair", None) is not False else None
        return Form(
            name, second=pair, hint="only where the model was trained on pairs", number=number, pair=True, fixed=fixed
        )
    if name == "token-classification":
        return Form(name, fixed=(("aggregation_strategy", "simple"),) if run.foreign else ())
    if name == "question-answering":
        return Form(name, "Question", "Context", number=("top_k", "Answers shown", ANSWERS))
    if name == "zero-shot-classification":
        return Form(name, second="Labels, a line for each", many=True, tick=("multi_label", "Several may be true"))
    if name == "multiple-choice":
        return Form(name, "Text or question", "Choices, a line for each", many=True, fixed=(("top_k", None),))
    if name == "fill-mask":
        mask = str(task.tokenizer.mask_token)
        return Form(name, hint=mask, number=("top_k", "Words for each mask", ANSWERS))
    if name == "feature-extraction":
        return Form(name, second="Texts to compare with, a line for each", many=True)
    if name == "text-generation":
        chat = ("chat", "As a turn of a conversation") if getattr(run.tokenizer, "chat_template", None) else None
        return Form(name, "Beginning", number=WRITES, tick=chat, streams=True)
    if task.generates and "source" in task.roles:
        return Form(name, "Source", number=WRITES, streams=True)
    return Form(name)


def body_of(form: Form, first: str, second: str, number: float | None, tick: bool, more: str) -> dict[str, Any]:
    """Raises Refused where `more`, further settings as JSON, is none."""
    parameters = dict(form.fixed)
    if form.number is not None and number is not None:
        parameters[form.number[0]] = int(number)
    lines = [line.strip() for line in second.splitlines() if line.strip()]
    given: Any = first
    if form.task == "question-answering":
        given = {"question": first, "context": second}
    elif form.task == "zero-shot-classification":
        parameters |= {"candidate_labels": lines, "multi_label": tick}
    elif form.task == "multiple-choice":
        given = {"text": first, "choices": lines}
    elif form.task == "feature-extraction":
        parameters |= {"pooling": "mean", **({"normalize": True} if lines else {})}
        given = [first, *lines] if lines else first
    elif form.task == "text-generation":
        parameters["return_full_text"] = False
        given = [{"role": "user", "content": first}] if form.tick and tick else first
    elif form.pair and second.strip():
        given = {"text": first, "text_pair": second}
    return {"inputs": given, "parameters": {**parameters, **further(more)}}


def further(text: str) -> dict[str, Any]:
    """Raises Refused."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_none)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"parameters: this is not JSON: {str(error)[:120]}.", "parameters") from None
    if not isinstance(found, dict):
        raise Refused(400, 'parameters: an object such as {"num_beams": 4} is needed.', "parameters")
    return found


def _none(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def fields_of(form: Form, row: dict[str, Any]) -> tuple[str, str] | None:
    """A row by role → both fields; None where it has no text for them."""
    first = next(
        (row[role] for role in ("question", "text", "source", "prompt") if isinstance(row.get(role), str)), None
    )
    if form.task == "question-answering":
        first = row.get("question")
    if form.task == "token-classification" and first is None and isinstance(row.get("tokens"), list):
        first = " ".join(map(str, row["tokens"]))
    if not isinstance(first, str) or not first.strip():
        return None
    if form.second is None:
        return first, ""
    other = row.get({"question-answering": "context", "multiple-choice": "choices"}.get(form.task, "text_pair"))
    if isinstance(other, list):
        other = "\n".join(map(str, other))
    return first, other if isinstance(other, str) else ""
