"""Prompts and conversations in their many shapes → `prompt` and `completion`, or `messages` of {role, content}.

Instruction and input (Alpaca) make one prompt; `from`/`value` (ShareGPT) is read as role and content, with the usual
names of the speakers as `system`, `user` and `assistant`.

    check_messages([[{"from": "human", "value": "hi"}]]).values.to_pylist() == [[{"role": "user", "content": "hi"}]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from byeori.data.columns import Checked, as_list
from byeori.data.roles import fold
from byeori.data.rows import Sheet
from byeori.data.wording import short

TYPE = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_SPEAKERS = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant", "ai": "assistant",
    "사용자": "user", "고객": "user", "상담사": "assistant", "봇": "assistant", "시스템": "system",
}  # fmt: skip
_INSTRUCTIONS = ("instruction", "지시문", "지시", "명령")
_INPUTS = ("input", "context", "입력", "문맥")
_ROLES, _CONTENTS = ("role", "from", "speaker", "author"), ("content", "value", "text", "message", "utterance")


def reshape(sheet: Sheet, name: str, given: Mapping[str, Any]) -> None:
    """Join instruction and input into one prompt, where both are columns and no prompt is named."""
    folded = {fold(column): column for column in sheet.columns}
    if given.get("prompt") or "prompt" in folded:
        return
    instruction = next((folded[one] for one in _INSTRUCTIONS if one in folded), None)
    more = next((folded[one] for one in _INPUTS if one in folded), None)
    if not instruction or not more:
        return
    shown = f"{instruction} and {more}"
    pairs = zip(as_list(sheet.columns[instruction]), as_list(sheet.columns[more]), strict=True)
    if all(part is None or isinstance(part, str) for pair in pairs for part in pair):
        pairs = zip(as_list(sheet.columns[instruction]), as_list(sheet.columns[more]), strict=True)
        sheet.columns[shown] = ["\n\n".join(part for part in pair if part and part.strip()) for pair in pairs]
        sheet.suggested["prompt"] = shown
        sheet.notes.append(f'{name}: the prompt is "{instruction}", an empty line, and "{more}" where it is not empty.')


def check_messages(values: Sequence[Any]) -> Checked:
    """The turns of every conversation; one without any is `empty`."""
    found: list[list[dict[str, str]]] = []
    empty: list[int] = []
    problems: dict[int, str] = {}
    for at, value in enumerate(values):
        found.append([])
        if value is None or isinstance(value, (list, tuple)) and not value:
            empty.append(at)
        elif not isinstance(value, (list, tuple)):
            problems[at] = f"the messages are {short(value)}, no list"
        else:
            turns = [_turn(one) for one in value]
            wrong = next((i for i, turn in enumerate(turns) if isinstance(turn, str)), None)
            if wrong is None:
                found[at] = turns  # type: ignore[assignment]
            else:
                problems[at] = f"message {wrong + 1} of {len(turns)}: {turns[wrong]}"
    return Checked(pa.chunked_array([pa.array(found, TYPE)]), np.asarray(empty, np.int64), {}, [], problems)


def _turn(value: Any) -> dict[str, str] | str:
    """{role, content}, or what is wrong with it."""
    if not isinstance(value, Mapping):
        return f"{short(value)} is no object with role and content"
    role = next((value[key] for key in _ROLES if isinstance(value.get(key), str)), None)
    content = next((value[key] for key in _CONTENTS if value.get(key) is not None), None)
    if isinstance(content, (list, tuple)) and all(
        isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in content
    ):
        content = "".join(part["text"] for part in content)
    if not role or not role.strip():
        return f"it has no role ({short(dict(value))})"
    if not isinstance(content, str):
        return f"it has no text ({short(dict(value))})"
    folded = role.strip().casefold()
    return {"role": _SPEAKERS.get(folded, folded), "content": content}
