"""What `show` says of a sample, for people to read: where in its text the answers stand, which label was right.

gaps("I <mask> it", ["<mask>"], ["can"], ["saw"]) == [{"start": 2, "end": 8, "predicted": "can", "right": "saw"}]
labelled({"text": "좋다"}, {"label": "긍정", "score": 0.93}, "긍정")["right"]      # True
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

AROUND = 120  # characters of a context on each side of an answer


def gaps(
    text: str, marks: Sequence[str], said: Sequence[str], right: Sequence[str], guesses: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """A dict a mark of the text, in order: its characters, what was said, what is right; `guesses`: what was likely there.

    None at all where the text has other marks than were asked for (its own text writes some).
    """
    either = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
    places = [match.span() for match in re.finditer(either, text)] if marks else []
    if len(places) != len(said):
        return []
    found: list[dict[str, Any]] = [
        {"start": start, "end": end, "predicted": one, "right": true}
        for (start, end), one, true in zip(places, said, right, strict=True)
    ]
    for gap, likely in zip(found, guesses, strict=False):
        gap["guesses"] = likely
    return found


def around(row: dict[str, Any], best: dict[str, Any], reference: Any) -> tuple[str, dict[str, list[int] | None]]:
    """A piece of the row's context around the predicted answer, or the right one where none is given, and where both stand in it."""
    context, true = row["context"], _place(row, reference)
    found = (best["start"], best["end"]) if best["answer"] else None
    first, last = found or true or (0, 0)
    start, end = max(0, first - AROUND), min(len(context), last + AROUND)
    piece = ("…" if start else "") + context[start:end] + ("…" if end < len(context) else "")
    spans = {
        side: [at - start + bool(start) for at in span] if span and start <= span[0] and span[1] <= end else None
        for side, span in (("prediction", found), ("reference", true))
    }
    return piece, spans


def labelled(row: dict[str, Any], prediction: Any, reference: Any = None, number: bool = False) -> dict[str, Any]:
    """One sample of a text (and pair). prediction: {"label", "score"}, a list of such, or, of a `number`, {"score"}; `right` is None
    where there is nothing to agree with."""
    shown = {role: row[role] for role in ("text", "text_pair") if row.get(role) is not None}
    if number:
        score = _rounded(prediction["score"], 3)
        apart = None if reference is None or score is None else round(prediction["score"] - reference, 3)
        return {
            "kind": "number",
            "inputs": shown,
            "prediction": score,
            "reference": reference,
            "difference": apart,
            "right": None,
        }
    if isinstance(prediction, list):
        given = [one["label"] for one in prediction]
        right = None if reference is None else set(given) == set(reference)
        return {"kind": "labels", "inputs": shown, "prediction": given, "reference": reference, "right": right}
    right = None if reference is None else prediction["label"] == reference
    return {"kind": "label", "inputs": shown, "prediction": prediction["label"], "score": _rounded(prediction["score"], 4),
            "reference": reference, "right": right}  # fmt: skip


def _rounded(value: float | None, digits: int) -> float | None:
    """None of a model whose weights are no numbers, as its predictions were written."""
    return None if value is None else round(value, digits)


def _place(row: dict[str, Any], reference: Any) -> tuple[int, int] | None:
    """The characters of the first right answer in the context; None where there is none, or it isn't there."""
    if not reference:
        return None
    first, starts = next(iter(reference)), (row.get("answers") or {}).get("answer_start")
    at = int(starts[0]) if starts is not None and len(starts) else row["context"].find(first)
    return (at, at + len(first)) if at >= 0 and row["context"][at : at + len(first)] == first else None
