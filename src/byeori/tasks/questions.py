"""What question answering is given: the inputs of a call in all their shapes, and answers that stand at their offsets.

Invariants: a row of `asked` has a question and a context that are texts and not empty; the characters that `first_answer`
gives are those of the answer.

    asked([{"question": "어디?", "context": "제주도에 산다."}])[0][0]["question"] == "어디?"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from byeori.errors import DataError

NEEDED = ("question", "context")
KEPT = (*NEEDED, "answers", "id", "title")


def asked(given: Any) -> tuple[list[dict[str, Any]], bool]:
    """A call's inputs → rows by role, and whether it was a single one. Raises DataError."""
    pair = isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, str) for part in given)
    single = pair or isinstance(given, Mapping) or hasattr(given, "question_text")
    rows: list[dict[str, Any]] = []
    for place, item in enumerate([given] if single else list(given)):
        rows += _several(item, place)
    for place, row in enumerate(rows):
        for role in NEEDED:
            text = row[role]
            if not isinstance(text, str):
                raise DataError(
                    f"input {place + 1}: the {role} is {type(text).__name__}, not a text. Give both as texts."
                )
            if not text.strip():
                raise DataError(f"input {place + 1}: the {role} is empty. Give both as texts.")
    return rows, single and not (isinstance(given, Mapping) and isinstance(given["question"], list))


def _several(item: Any, place: int) -> list[dict[str, Any]]:
    """One item → rows: lists inside a dict are paired, one context may go with many questions."""
    if hasattr(item, "question_text") and hasattr(item, "context_text"):
        item = {"question": item.question_text, "context": item.context_text}
    elif isinstance(item, Sequence) and len(item) == 2 and not isinstance(item, str):
        item = dict(zip(NEEDED, item, strict=True))
    if not isinstance(item, Mapping) or not set(NEEDED) <= set(item):
        raise DataError(
            f'input {place + 1} is {type(item).__name__} {str(item)[:60]!r}: {{"question": …, "context": …}} is needed.'
        )
    question, context = item["question"], item["context"]
    if not isinstance(question, list):
        return [{role: item[role] for role in KEPT if role in item}]
    contexts = [context] * len(question) if isinstance(context, str) else context
    if not isinstance(contexts, list) or len(contexts) != len(question):
        held = len(contexts) if isinstance(contexts, list) else type(contexts).__name__
        raise DataError(
            f"input {place + 1}: {len(question)} questions with {held} contexts. Give one each, or one context for all."
        )
    return [{"question": q, "context": c} for q, c in zip(question, contexts, strict=True)]


def first_answer(answers: Mapping[str, Any] | None, context: str, where: Callable[[], str]) -> tuple[int, int] | None:
    """The characters (first, after the last) of the first answer, which training goes by; None for no answer.

    `where()` says which row it is. Raises DataError for any answer that doesn't stand at its offset.
    """
    given = answers or {}
    texts, starts = (list(given[name]) if given.get(name) is not None else [] for name in ("text", "answer_start"))
    if len(texts) != len(starts):
        raise DataError(
            f"{where()}: {len(texts)} answer texts and {len(starts)} offsets (answer_start). Give one each."
        )
    for text, start in zip(texts, starts, strict=True):
        if not text or start < 0 or not context.startswith(text, start):
            from byeori.data.answers import misplaced, occurrences

            said = misplaced("answer", text, start, context, occurrences(text, context))
            raise DataError(f"{where()}: {said}. Fix the data, or leave such rows out with --skip-bad-rows.")
    return (int(starts[0]), int(starts[0]) + len(texts[0])) if texts else None
