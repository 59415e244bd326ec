"""The names of a head's outputs, to and from a model's configuration.

config_of(["neg", "pos"])["id2label"] == {0: "neg", 1: "pos"}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byeori.errors import ModelError


def config_of(names: Sequence[str], problem_type: str | None = None) -> dict[str, Any]:
    """What a config must say of a head with these outputs; `problem_type` in transformers' words."""
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": problem_type,
    }


def names_in(config: Any) -> list[str]:
    """The names by their numbers. Raises ModelError where these leave a gap."""
    names = {int(number): name for number, name in (config.id2label or {}).items()}
    if sorted(names) != list(range(len(names))):
        numbers = ", ".join(map(str, sorted(names)[:6]))
        raise ModelError(
            f"config.json: id2label numbers its {len(names)} labels {numbers}…, not from 0 on without a gap. Correct the file."
        )
    return [names[i] for i in range(len(names))]
