"""Samples of classified texts, for people to read.

labelled({"text": "좋다"}, {"label": "긍정", "score": 0.93}, "긍정")["right"]      # True
"""

from __future__ import annotations

from typing import Any


def labelled(row: dict[str, Any], prediction: Any, reference: Any = None, number: bool = False) -> dict[str, Any]:
    """One sample of a text (and pair). prediction: {"label", "score"}, a list of such, or, of a `number`, {"score"}; `right` is None
    where there is nothing to agree with."""
    shown = {role: row[role] for role in ("text", "text_pair") if row.get(role) is not None}
    if number:
        apart = None if reference is None else round(prediction["score"] - reference, 3)
        return {"kind": "number", "inputs": shown, "prediction": round(prediction["score"], 3), "reference": reference,
                "difference": apart, "right": None}  # fmt: skip
    if isinstance(prediction, list):
        given = [one["label"] for one in prediction]
        right = None if reference is None else set(given) == set(reference)
        return {"kind": "labels", "inputs": shown, "prediction": given, "reference": reference, "right": right}
    right = None if reference is None else prediction["label"] == reference
    return {"kind": "label", "inputs": shown, "prediction": prediction["label"], "score": round(prediction["score"], 4),
            "reference": reference, "right": right}  # fmt: skip
