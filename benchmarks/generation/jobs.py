"""What is decoded: which model, how, and in which batches the tuned contestants are tried.

JOBS["beams"].settings == {"num_beams": 4, "max_new_tokens": 128}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    shown: str
    model: str  # a folder of --models
    beams: int
    most: int  # new tokens
    batches: tuple[int, ...]
    shape: str = "small"

    @property
    def settings(self) -> dict[str, Any]:
        """Named as in transformers, and the same for all contestants."""
        return {"num_beams": self.beams, "max_new_tokens": self.most}


JOBS = {
    "beams": Job("T5, 4 beams", "t5", 4, 128, (16, 32, 64, 128)),
    "greedy": Job("T5, greedy", "t5", 1, 128, (16, 32, 64, 128)),
    "completions": Job("GPT-2, greedy", "gpt2", 1, 200, (16, 32, 64, 128)),
    "room-beams": Job("60M T5, 4 beams", "room", 4, 128, (8, 16, 32, 48), "room"),
    "room-greedy": Job("60M T5, greedy", "room", 1, 128, (16, 32, 48, 96), "room"),
}
CONTESTANTS = ("tutorial", "tuned", "byeori", "ctranslate2")
TUNED = ("tuned", "ctranslate2")  # of which several batches are tried, and the fastest takes part
