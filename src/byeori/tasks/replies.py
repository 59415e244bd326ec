"""What a call to go on with a text asks for, and what it gets: texts, conversations, token ids.

Invariants: what is asked for has room behind every prompt that is let through; a prompt comes back as it was given; the text
after it is what the new tokens say behind the prompt's own.

    replies([[5, 9]], prompt=[7], given={"text": "Once"}, tokenizer=tokenizer, call=Call())      # [{"generated_text": "Once upon"}]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.data.wording import short
from byeori.errors import DataError, SettingError
from byeori.generate.decoding import DEFAULT_NEW_TOKENS, Decoding, over
from byeori.settings import setting
from byeori.text.parts import WRITER, Messages

END = -1  # after each text among the generated ids


@dataclass(kw_only=True)
class Call(Decoding):
    """What a call asks for, beside how the tokens are decided."""

    return_full_text: bool | None = setting(None, "with the prompt in front, the default, or the new text alone")
    return_text: bool | None = setting(None, "text; what is returned anyway")
    return_tensors: bool | None = setting(
        None, "token ids, the prompt's and the new ones, the end token too, instead of text"
    )
    clean_up_tokenization_spaces: bool | None = setting(None, "no spaces before punctuation; the tokenizer's own way")
    skip_special_tokens: bool = setting(True, "leave special tokens out of the text, the end token too")
    add_special_tokens: bool = setting(True, "put the tokenizer's special tokens in front of a prompt")
    continue_final_message: bool | None = setting(
        None, "go on with the last message instead of answering it; so it is done with one of the assistant's"
    )
    prefix: str | None = setting(None, "text put in front of each prompt, and not returned")
    handle_long_generation: str | None = setting(
        None, "hole: of a prompt that leaves no room only the end is read", choices=("hole",)
    )


def request(item: Any, place: int) -> dict[str, Any]:
    """One input of a call → a row by role. `place` is for messages. Raises DataError."""
    if isinstance(item, str):
        return {"text": item}
    if is_chat(item):
        return {"messages": list(item)}
    if isinstance(item, dict):
        role = next((role for role in ("messages", "prompt", "text") if item.get(role) is not None), None)
        if role is not None and (is_chat(item[role]) if role == "messages" else isinstance(item[role], str)):
            return {role: item[role]}
    raise DataError(
        f"input {place + 1} is {type(item).__name__} {str(item)[:60]!r}: a text, or a conversation of "
        f'{{"role": …, "content": …}}, is needed.'
    )


def is_chat(item: Any) -> bool:
    """A conversation: a list of {"role": …, "content": …}."""
    return (
        isinstance(item, list | tuple)
        and bool(item)
        and all(isinstance(one, dict) and isinstance(one.get("role"), str) and "content" in one for one in item)
    )


def said(row: dict[str, Any]) -> str:
    """The prompt of a row by role that is no conversation."""
    return row["prompt"] if row.get("prompt") is not None else row["text"]


def goes_on(messages: Messages, call: Call) -> bool:
    """Whether the last message is gone on with rather than answered."""
    asked = call.continue_final_message
    return messages[-1]["role"] == WRITER if asked is None else asked


def check_lengths(call: Call, limit: int | None) -> None:
    """Raises SettingError for a length that no prompt leaves room for, or that is said twice. `limit`: the tokens the model takes."""
    over(call)
    if limit is None:
        return
    most = {"max_new_tokens": limit - 1, "min_new_tokens": limit - 1, "max_length": limit, "min_length": limit}
    for name, value in most.items():
        asked = getattr(call, name)
        if asked is not None and asked > value:
            raise SettingError(
                f"{name}={asked}: the model has room for {limit:,} tokens, its prompt among them. Give {value:,} or less."
            )


def fitting(ids: list[int], text: str, call: Call, limit: int | None) -> list[int]:
    """The ids of a prompt, or as many of its last ones as leave room, where the call says `hole`. `limit`: as above.

    Raises DataError for one that leaves no room for what is asked.
    """
    counted = call.max_length is not None  # with the prompt: what is to be written is what it leaves
    total = call.max_length if counted else limit
    if total is None:
        return ids
    asked = max(call.max_new_tokens or 0, call.min_new_tokens or 0)
    if call.handle_long_generation and not counted:
        return ids[-(total - (asked or min(DEFAULT_NEW_TOKENS, total // 2))) :]
    if len(ids) + max(asked, 1) <= total:
        return ids
    start = f'the prompt that begins with "{short(text)}" has {len(ids):,} tokens; '
    if counted:
        raise DataError(
            f"{start}max_length={call.max_length} counts them too, which leaves too few to write. Shorten the prompt, or give "
            f"max_new_tokens, which doesn't count them."
        )
    raise DataError(
        f"{start}the model takes {total:,}, {f'the {asked:,}' if asked else 'those'} it writes included. Shorten it, or give "
        f"handle_long_generation=hole, which reads only its end."
    )


def texts_of(ids: np.ndarray) -> list[list[int]]:
    """Generated ids, each text closed by END → those of each text."""
    return [part[:-1].tolist() for part in np.split(ids, np.flatnonzero(ids == END) + 1) if len(part)]


def replies(
    texts: list[list[int]], prompt: list[int], given: dict[str, Any], tokenizer: Any, call: Call
) -> list[dict[str, Any]]:
    """The answer to one input, a dict a text, as transformers' pipeline gives it. `given`: the input by role."""
    if call.return_tensors:
        return [{"generated_token_ids": prompt + new} for new in texts]
    found: list[dict[str, Any]] = []
    for new in texts:
        text = words(tokenizer, prompt, new, call)
        if call.return_full_text is False:
            found.append({"generated_text": text})
        elif given.get("messages") is not None:
            found.append({"generated_text": _answered(given["messages"], text, call)})
        else:
            found.append({"generated_text": said(given) + text})
    return found


def words(tokenizer: Any, prompt: list[int], new: list[int], call: Call) -> str:
    """The text of new tokens after their prompt.

    As transformers 4 made it, from both together: alone, a Llama's " Paris" loses its space (as in transformers 5).
    """
    options = {
        "skip_special_tokens": call.skip_special_tokens,
        "clean_up_tokenization_spaces": call.clean_up_tokenization_spaces,
    }
    before, whole = tokenizer.decode(prompt, **options), tokenizer.decode([*prompt, *new], **options)
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(new, **options)


def own_decoding(config: Any, task: str) -> dict[str, Any]:
    """How a checkpoint's configuration says that it writes for a task (GPT-2 draws), without its lengths."""
    named = (getattr(config, "task_specific_params", None) or {}).get(task, {})
    return {name: value for name, value in named.items() if name not in ("max_length", "min_length")}


def _answered(messages: Messages, text: str, call: Call) -> Messages:
    """The conversation with the assistant's turn, or with its last turn gone on with."""
    if goes_on(messages, call):
        return [*messages[:-1], {"role": messages[-1]["role"], "content": messages[-1]["content"] + text}]
    return [*messages, {"role": WRITER, "content": text}]
