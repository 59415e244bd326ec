"""An inspection as `byeori inspect --json` prints it, small and made by hand.

page(inspection())
"""

from __future__ import annotations

from typing import Any


def inspection() -> dict[str, Any]:
    """A new object each time: 1,001 Korean reviews and a test part that leaks."""
    characters = {"min": 1, "mean": 35.4, "median": 27.0, "p90": 75.0, "p99": 138.0, "max": 144,
                  "histogram": {"edges": [1, 40, 80, 145], "counts": [700, 200, 100]}}  # fmt: skip
    tokens = {"max_length": 64, "min": 3, "mean": 21.4, "median": 18, "p90": 40, "p99": 70, "max": 110,
              "histogram": {"edges": [0, 32, 64, 110], "counts": [800, 170, 30]}, "truncated": 30, "unknown_rate": 0.0123,
              "unknown_words": [["뷁", 30], ["<b>", 3]]}  # fmt: skip
    test_tokens = {**tokens, "max": 40, "histogram": {"edges": [0, 20, 41], "counts": [50, 50]}, "truncated": 0,
                   "unknown_words": []}  # fmt: skip
    return {
        "source": "/home/someone/data/nsmc.tsv", "task": "text-classification", "model": "klue/roberta-base", "rows": 1101,
        "bad_rows": 1,
        "files": [{"path": "/home/someone/data/nsmc.tsv", "rows": 1001, "format": "tsv", "encoding": "cp949",
                   "sha256": "ab" * 32, "bytes": 2**20}],
        "columns": {"text": "document", "label": "label"}, "other_columns": ["id"],
        "notes": ["nsmc.tsv: separated by tab.", "nsmc.tsv: 한글 열 이름."],
        "parts": {
            "train": {"rows": 1000, "labels": {"problem_type": "single_label", "counts": {"부정": 400, "긍정": 600}},
                      "characters": {"text": characters}, "tokens": tokens, "scripts": {"hangul": 0.98, "latin": 0.02},
                      "languages": {"ko": 0.99, "en": 0.01}},
            "test": {"rows": 100, "labels": {"problem_type": "single_label", "counts": {"부정": 50, "긍정": 50}},
                     "characters": {"text": characters}, "tokens": test_tokens, "scripts": {"hangul": 1.0},
                     "languages": {"ko": 1.0}},
        },
        "findings": [
            {"kind": "near_duplicates", "level": "note", "part": "train", "count": 35, "rows": [3, 4],
             "said": "35 rows nearly repeat an earlier one.", "advice": "See whether they are one row edited.", "examples": []},
            {"kind": "leakage", "level": "stop", "part": "test", "count": 1, "rows": [3],
             "said": '1 row of test stands in training: "재밌어요".', "advice": "Leave it out with --skip-bad-rows.",
             "examples": [{"rows": [3, 99], "texts": ["재밌어요"], "more": "training: nsmc.tsv, row 99"}]},
            {"kind": "conflicting_labels", "level": "look", "part": "train", "count": 2, "rows": [1, 2],
             "said": "2 texts carry different labels.", "advice": "Decide on one label for each.",
             "examples": [{"rows": [1], "texts": ["굿", "둘째 글"]}]},
        ],
        "estimate": {"tokens_per_epoch": 21400, "updates": 96, "seconds": 4200.0, "memory_mb": 2300,
                     "how": "Measured on this machine."},
        "verdict": "stop", "seconds": 3.2,
    }  # fmt: skip
