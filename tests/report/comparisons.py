"""Comparisons written by hand, as `byeori.compare` gives them, with all that a page can show and hostile names among it.

page(comparison(), "ko")
"""

from __future__ import annotations

from typing import Any

from byeori.report.compare import METHODS
from byeori.report.words import told

NASTY = "<script>console.error(1)</script>\u202e<img src=http://x.example/y.png>"


def score(
    first: float | None, second: float | None, low: float | None, high: float | None, better: bool | None
) -> dict:
    change = None if first is None or second is None else second - first
    return {"first": first, "second": second, "difference": change, "low": low, "high": high, "p": None if low is None else 0.0123,
            "permutations": 10_000, "exact": False, "better": better}  # fmt: skip


def comparison() -> dict[str, Any]:
    """Two runs against one: rows that changed by their answer and by a score, settings, scores that aren't compared."""
    scores = {
        "accuracy": score(0.81, 0.86, 0.01, 0.09, True), "macro_f1": score(0.8, 0.79, -0.04, 0.02, None),
        "f1": score(0.7, 0.6, -0.2, -0.02, False), "mcc": score(None, 0.5, None, None, None),
        "loss": score(1.21, 1.02, -0.3, -0.1, True),
    }  # fmt: skip
    row = {"row": 3, "text": f"돈이 아깝다 {NASTY}", "first": "부정", "second": NASTY, "reference": told("none")}
    answers = {
        "by": "answer", "same": 40, "right_to_wrong": 2, "wrong_to_right": 7, "wrong_differently": 1,
        "rows": {kind: [row] for kind in ("right_to_wrong", "wrong_to_right", "wrong_differently")},
    }  # fmt: skip
    by_score = {
        "by": "loss", "same": 40, "worse": 3, "better": 7,
        "rows": {kind: [{**row, "values": [0.5, None]}] for kind in ("worse", "better")},
    }  # fmt: skip
    settings = {
        "learning_rate": [1e-5, 3e-5],
        "train": ["/home/someone/a.tsv", None],
        told("version of {name}", name="torch"): ["1", "2"],
    }
    why = {
        "own": told("it is an own metric, or one of more than predictions: the rows in the folder don't give it"),
        "ece": told("it is undefined in {run}", run="느린"),
        "perplexity": told(
            "it is a mean over tokens, and the same rows have others ({ours:,.0f} in {first} and {theirs:,.0f} in {second}): another "
            "tokenizer, length or masking",
            ours=1000.0, first="느린", theirs=1200.0, second="fast",
        ),
    }  # fmt: skip
    runs = ["느린", "fast", NASTY]
    return {
        "format": 1, "task": "text-classification", "part": "test", "rows": 50, "headline": "accuracy", "lower_is_better": ["loss"],
        "of_class": {"f1": "긍정"}, "baseline": runs[0],
        "runs": [{"name": name, "folders": [name], "scores": {}} for name in runs],
        "comparisons": [
            {"run": "fast", "scores": scores, "changed": answers, "settings": settings},
            {"run": NASTY, "scores": {name: {**one, "p_holm": 0.2} for name, one in scores.items()}, "changed": by_score, "settings": {}},
        ],
        "methods": [told(METHODS["runs"]), told(METHODS["holm"])], "not_compared": why,
        "notes": [told("{run}: its texts were cleaned otherwise; the rows are those of the same files.", run="fast")],
    }  # fmt: skip


def seeds() -> dict[str, Any]:
    """Two settings of three seeds each."""
    found = comparison()
    one = {"value": 0.81, "std": 0.01, "min": 0.8, "max": 0.82, "values": [0.8, 0.81, None]}
    runs = [
        {
            "name": name,
            "folders": [f"{name}/seed-{seed}" for seed in range(3)],
            "seeds": [0, 1, 2],
            "scores": {"accuracy": one, "loss": one},
        }
        for name in ("느린", "fast")
    ]
    note = "A run of one seed beside several: what another seed would change of it is in no interval."
    return {
        **found,
        "runs": runs,
        "comparisons": found["comparisons"][:1],
        "methods": [told(METHODS["seeds"])],
        "notes": [told(note)],
    }
